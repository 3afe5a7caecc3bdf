import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordBatch } from '../model/record-batch.js';
import type { PacketSource } from '../model/source.js';
import type { Tally } from './report.js';
import type { Shard } from './shard.js';

export interface ShardRun {
  /** Takes a batch of finished records; the meter waits for it. */
  deliver(batch: RecordBatch): void | Promise<void>;
  /** Told now and then. */
  onProgress?: () => void;
  /** Called after each batch: sampled packets are taken away. What it returns is waited for. */
  afterBatch?: (() => void | Promise<void>) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The packet road of one thread, from its source to finished records, until the source ends or the signal comes; then all
 * flows are ended and handed out. Between chunks the event loop gets its turn.
 */
export async function runShard(shard: Shard, source: PacketSource, tally: Tally, run: ShardRun): Promise<void> {
  const { batch, meter } = shard;
  const { signal } = run;
  const drain = async (partial: boolean): Promise<void> => {
    for (let records = meter.records.take(partial); records !== undefined; records = meter.records.take(partial)) {
      await run.deliver(records);
    }
  };
  const stop = (): void => void source.close();
  signal?.addEventListener('abort', stop);
  try {
    while (signal?.aborted !== true) {
      if (source.fill(batch) === 0) {
        await drain(true);
        run.onProgress?.();
        await nextTurn();
        if (!(await source.more())) break;
        continue;
      }
      tally.add(batch);
      shard.decode();
      for (let at = 0; at < batch.count; ) {
        at = meter.process(at, batch.count);
        if (meter.records.ready) await drain(false);
      }
      if (run.afterBatch !== undefined) {
        const busy = run.afterBatch();
        if (busy !== undefined) await busy;
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  while (!meter.finish()) await drain(false);
  await drain(true);
}
