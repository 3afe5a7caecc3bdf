/** A thread that meters one shard of captured files, not the first; see threads.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { ErrorCode, RheoError } from '../core/errors.js';
import { compileFilter } from '../filter/filter.js';
import type { RecordBatch } from '../model/record-batch.js';
import { openCaptures } from '../observe/merge.js';
import { shardReport, Tally } from './report.js';
import { runShard } from './run-shard.js';
import { Shard } from './shard.js';
import type { ShardMessage, ShardOrder, ShardTask } from './threads.js';

/** Batches of records that may be on their way to the main thread. */
const ON_THE_WAY = 8;

const task = workerData as ShardTask;
const port = parentPort as NonNullable<typeof parentPort>;
const say = (message: ShardMessage): void => port.postMessage(message);

try {
  const source = await openCaptures(task.paths, { follow: task.follow });
  const shard = new Shard({
    settings: task.settings,
    filter: task.filter === undefined ? undefined : compileFilter(task.filter),
    shard: task.shard,
    shards: task.shards,
    seed: task.seed,
    sharedRecords: true,
  });
  const { records } = shard.meter;
  const tally = new Tally();
  const abort = new AbortController();
  /** Batches that the main thread has, by number. */
  const lent = new Map<number, RecordBatch>();
  let lastId = 0;
  let wake: (() => void) | undefined;
  port.on('message', (order: ShardOrder) => {
    if (order.type === 'stop') {
      abort.abort();
      return;
    }
    const batch = lent.get(order.id);
    lent.delete(order.id);
    if (batch !== undefined) records.give(batch);
    wake?.();
  });
  await runShard(shard, source, tally, {
    async deliver(batch) {
      while (lent.size >= ON_THE_WAY) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const id = ++lastId;
      lent.set(id, batch);
      const buffer = batch.words.buffer as SharedArrayBuffer;
      const { count, quoted } = batch;
      const interfaces = [...source.interfaces];
      say({ type: 'records', id, layout: records.layout, buffer, count, quoted, interfaces });
    },
    onProgress() {
      const { packets, bytes, totalBytes } = source.counters;
      say({ type: 'progress', progress: { packets, bytesRead: bytes, totalBytes, flows: shard.meter.live } });
    },
    signal: abort.signal,
  });
  await source.close();
  say({ type: 'done', report: shardReport(shard, tally) });
} catch (error) {
  if (error instanceof RheoError) {
    say({ type: 'error', code: error.code, message: error.message, remedy: error.remedy });
  } else say({ type: 'error', code: ErrorCode.worker, message: String(error), remedy: undefined });
}
port.unref();
