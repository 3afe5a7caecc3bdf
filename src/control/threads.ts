import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { ReadOptions } from '../model/options.js';
import { RecordBatch, type RecordLayout } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import type { Interface, SourceCounters } from '../model/source.js';
import type { Progress } from '../model/summary.js';
import type { HashSeed } from '../packet/hash.js';
import type { PacketSampling, ReadRun, SourceEnd } from './read.js';
import type { ShardReport } from './report.js';
import type { SamplerTask } from './sample-road.js';
import type { MeterSettings } from './settings.js';

/** Chosen packets are fetched so often, in ms. */
const SAMPLES_MS = 2;

/** What a shard's thread is given. */
export interface ShardTask {
  paths: readonly string[];
  filter: string | undefined;
  follow: boolean;
  settings: MeterSettings;
  seed: HashSeed;
  shard: number;
  shards: number;
  /** Packets to be chosen for export; the first shard does it. */
  samplers: readonly SamplerTask[];
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
  | {
      type: 'done';
      report: ShardReport;
      counters: SourceCounters;
      warnings: readonly string[];
      names: ReadonlyMap<string, string>;
    }
  | { type: 'error'; code: ErrorCode; message: string; remedy: string | undefined };

/** What a shard's thread is told. */
export type ShardOrder = { type: 'give'; id: number } | { type: 'stop' };

/**
 * Reads regular files in several threads. Each opens the files itself and walks through all packets, but meters only those
 * whose pair of addresses is its share; the threads share nothing. Their records come together in the sink, in no order.
 */
export async function readInThreads(
  paths: readonly string[],
  options: ReadOptions,
  settings: MeterSettings,
  seed: HashSeed,
  shards: number,
  sink: RecordSink,
  run: ReadRun,
): Promise<{ reports: ShardReport[]; end: SourceEnd }> {
  const reports: ShardReport[] = [];
  const progress: Progress[] = [];
  let end: SourceEnd | undefined;
  let names: ReadonlyMap<string, string> = new Map();
  const workers: Worker[] = [];
  /** Writes to the sink, one at a time. */
  let writing: Promise<void> = Promise.resolve();
  let over = false;
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
            if (run.interfaces !== undefined && message.interfaces.length > run.interfaces.length) {
              run.interfaces.push(...message.interfaces.slice(run.interfaces.length));
            }
            writing = writing.then(() => sink.write(batch));
            await writing;
            worker.postMessage({ type: 'give', id: message.id } satisfies ShardOrder);
            // Messages that wait are handed out without a pause: signals and timers must get their turn.
            await nextTurn();
            return;
          }
          case 'progress':
            progress[shard] = message.progress;
            run.onProgress?.(slowest(progress));
            return;
          case 'error':
            throw new RheoError(
              message.code,
              message.message,
              message.remedy === undefined ? {} : { remedy: message.remedy },
            );
          case 'done':
            reports[shard] = message.report;
            if (shard === 0) {
              end = { counters: message.counters, warnings: message.warnings };
              names = message.names;
            }
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
  try {
    for (let shard = 0; shard < shards; shard++) {
      const task: ShardTask = {
        paths,
        filter: options.filter,
        follow: options.follow ?? false,
        settings,
        seed,
        shard,
        shards,
        samplers: shard === 0 ? (run.samples?.tasks ?? []) : [],
      };
      workers.push(new Worker(new URL('./shard-worker.js', import.meta.url), { workerData: task }));
    }
    if (run.signal?.aborted === true) stop();
    const taking = run.samples === undefined ? undefined : takeSamples(run.samples, () => over);
    await Promise.all(workers.map(follow));
    over = true;
    await taking;
  } finally {
    over = true;
    run.signal?.removeEventListener('abort', stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  run.onNames?.(names);
  return { reports, end: end as SourceEnd };
}

/** Takes chosen packets out of the rings now and then; the thread that chooses them waits while there is no room. */
async function takeSamples({ drain }: PacketSampling, over: () => boolean): Promise<void> {
  while (!over()) {
    await drain();
    await sleep(SAMPLES_MS);
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
