import { Worker } from 'node:worker_threads';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { ReadOptions } from '../model/options.js';
import { RecordBatch, type RecordLayout } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import type { Interface, PacketSource } from '../model/source.js';
import type { Progress } from '../model/summary.js';
import type { HashSeed } from '../packet/hash.js';
import { meterHere, type OwnShard } from './meter-here.js';
import { noteInterfaces, type ReadRun, type SourceEnd } from './read-run.js';
import type { ShardReport } from './report.js';
import type { MeterSettings } from './settings.js';

/** What a shard's thread is given. */
export interface ShardTask {
  paths: readonly string[];
  filter: string | undefined;
  follow: boolean;
  settings: MeterSettings;
  seed: HashSeed;
  shard: number;
  shards: number;
}

/**
 * What a shard's thread says. Records lie in shared memory, a batch of which belongs to the main thread until its number
 * comes back by `give`. (Transferring buffers would make every access to typed arrays in the thread check for detached
 * ones from then on.)
 */
export type ShardMessage =
  | {
      type: 'records';
      /** Number of the batch. */
      id: number;
      layout: RecordLayout;
      buffer: SharedArrayBuffer;
      count: number;
      quoted: Map<number, Int32Array>;
      interfaces: readonly Interface[];
    }
  | { type: 'progress'; progress: Progress }
  | { type: 'done'; report: ShardReport }
  | { type: 'error'; code: ErrorCode; message: string; remedy: string | undefined };

/** What a shard's thread is told. */
export type ShardOrder = { type: 'give'; id: number } | { type: 'stop' };

/**
 * Reads regular files in several threads, this one among them. Each opens the files itself and walks through all packets, but
 * meters only those whose pair of addresses is its share; the threads share nothing. Their records come together in the
 * sink, in no order.
 * @param own the first shard, which is metered here out of `source`
 */
export async function readInThreads(
  paths: readonly string[],
  options: ReadOptions,
  own: Pick<OwnShard, 'settings' | 'filter' | 'seed' | 'hooks'>,
  source: PacketSource,
  shards: number,
  sink: RecordSink,
  run: ReadRun,
): Promise<{ reports: ShardReport[]; end: SourceEnd }> {
  const reports: ShardReport[] = [];
  const progress: Progress[] = [];
  const workers: Worker[] = [];
  const failed = new AbortController();
  /** Writes to the sink, one at a time. */
  let writing: Promise<void> = Promise.resolve();
  const write = (batch: RecordBatch): Promise<void> => {
    writing = writing.then(() => (failed.signal.aborted ? undefined : sink.write(batch)));
    return writing;
  };
  const tell = (shard: number, one: Progress): void => {
    progress[shard] = one;
    run.onProgress?.(slowest(progress));
  };
  const stop = (): void => {
    for (const worker of workers) worker.postMessage({ type: 'stop' } satisfies ShardOrder);
  };

  /** Handles the messages of one thread in turn, so that records wait while the sink is busy. */
  const follow = (worker: Worker, shard: number): Promise<void> =>
    new Promise((resolve, reject) => {
      let chain: Promise<void> = Promise.resolve();
      const handle = async (message: ShardMessage): Promise<void> => {
        switch (message.type) {
          case 'records': {
            const batch = new RecordBatch(message.layout, message.buffer, message.quoted);
            batch.count = message.count;
            if (run.interfaces !== undefined) noteInterfaces(run.interfaces, message.interfaces);
            await write(batch);
            worker.postMessage({ type: 'give', id: message.id } satisfies ShardOrder);
            return;
          }
          case 'progress':
            tell(shard, message.progress);
            return;
          case 'error':
            throw new RheoError(
              message.code,
              message.message,
              message.remedy === undefined ? {} : { remedy: message.remedy },
            );
          case 'done':
            reports[shard] = message.report;
            resolve();
        }
      };
      worker.on('message', (message: ShardMessage) => {
        chain = chain.then(() => handle(message));
        chain.catch(reject);
      });
      worker.on('error', (cause) => {
        reject(new RheoError(ErrorCode.worker, `thread ${shard} failed: ${String(cause)}`, { cause }));
      });
      worker.on('exit', () => {
        const ended = (): void => {
          reject(new RheoError(ErrorCode.worker, `thread ${shard} ended before its work was done`));
        };
        // What it said before may still wait for the sink.
        chain.then(ended, ended);
      });
    });

  run.signal?.addEventListener('abort', stop);
  const { settings, seed } = own;
  for (let shard = 1; shard < shards; shard++) {
    const task: ShardTask = {
      paths,
      filter: options.filter,
      follow: options.follow ?? false,
      settings,
      seed,
      shard,
      shards,
    };
    workers.push(new Worker(new URL('./shard-worker.js', import.meta.url), { workerData: task }));
  }
  if (run.signal?.aborted === true) stop();
  const others = Promise.all(workers.map((worker, k) => follow(worker, k + 1)));
  // One that fails ends all.
  others.catch(() => failed.abort());
  const signal = AbortSignal.any([failed.signal, ...(run.signal === undefined ? [] : [run.signal])]);
  const here = meterHere(source, { ...own, shards, write, signal }, { ...run, onProgress: (one) => tell(0, one) });
  try {
    const [{ report, end }] = await Promise.all([here, others]);
    reports[0] = report;
    return { reports, end };
  } finally {
    failed.abort();
    run.signal?.removeEventListener('abort', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await here.catch(() => undefined);
  }
}

/** All threads read the same bytes: the one that is furthest behind tells how far the work is. */
function slowest(progress: readonly Progress[]): Progress {
  let flows = 0;
  let last: Progress | undefined;
  for (const one of progress) {
    if (one === undefined) continue;
    flows += one.flows;
    if (last === undefined || one.bytesRead < last.bytesRead) last = one;
  }
  return { ...(last as Progress), flows };
}
