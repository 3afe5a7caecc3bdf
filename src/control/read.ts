import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { PacketFilter } from '../filter/filter.js';
import type { ReadOptions } from '../model/options.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import type { Summary } from '../model/summary.js';
import { openCaptureBytes } from '../observe/capture-source.js';
import type { CaptureBytes } from '../observe/given-bytes.js';
import { openCaptures } from '../observe/merge.js';
import { Batch } from '../packet/batch.js';
import type { HashSeed } from '../packet/hash.js';
import { meterHere } from './meter-here.js';
import type { ReadRun, SourceEnd } from './read-run.js';
import { ledger, type ShardReport } from './report.js';
import { completeSettings } from './settings.js';

/** Threads that a reading may have. */
const MOST_THREADS = 64;

/** Paths of captures (`-`: standard input), which are merged by time; or the bytes of one. */
export type CaptureInput = readonly string[] | CaptureBytes;

/**
 * Reads captures (files, `-` for standard input; several are merged by time) into flow records.
 *
 * @returns the ledger of the run; `balanced` says whether every packet and flow is accounted for
 * @throws RheoError usage, filter, input, format, linkType, limit
 */
export async function readCaptures(
  input: CaptureInput,
  options: ReadOptions,
  sink: RecordSink,
  run: ReadRun = {},
): Promise<Summary> {
  const started = performance.now();
  const settings = completeSettings(options);
  const threads = options.threads ?? 1;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS)) {
    throw new RheoError(ErrorCode.usage, `threads must be 1 to ${MOST_THREADS}, not ${threads}`);
  }
  // A filter that cannot be compiled shall be told before a file is opened.
  const filter = await compile(options.filter);
  const seed = drawSeed();
  const { hooks = [], signal } = run;
  const inThreads = threads > 1 && isPaths(input) && input.every(isRegularFile);
  if (inThreads && hooks.length > 0) {
    throw new RheoError(ErrorCode.usage, 'hooks of the caller work with one thread only');
  }
  const follow = options.follow ?? false;
  const source = await (isPaths(input) ? openCaptures(input, { follow }) : openCaptureBytes(input));
  let reports: ShardReport[];
  let end: SourceEnd;
  try {
    const own = { settings, filter, seed, hooks };
    if (inThreads) {
      const { readInThreads } = await import('./threads.js');
      ({ reports, end } = await readInThreads(input, options, own, source, threads, sink, run));
    } else {
      const write = (batch: RecordBatch): void | Promise<void> => sink.write(batch);
      const here = await meterHere(source, { ...own, shards: 1, write, signal }, run);
      ({ end } = here);
      reports = [here.report];
    }
    run.onNames?.(source.names);
  } finally {
    await source.close();
  }
  await sink.close();
  const { imbalance, ...sums } = ledger(reports);
  return {
    ...sums,
    dropped: end.counters.dropped,
    damaged: { ...end.counters.damaged },
    bytesRead: end.counters.bytes,
    elapsed: (performance.now() - started) / 1000,
    warnings: [...end.warnings],
    balanced: imbalance.length === 0,
    imbalance,
    interrupted: signal?.aborted ?? false,
  };
}

/** Number of packets that match the filter (all, without one), as tcpdump's --count gives it. Nothing is metered. */
export async function countPackets(
  paths: readonly string[],
  filter: string | undefined,
  options: { follow?: boolean; signal?: AbortSignal } = {},
): Promise<number> {
  const compiled = await compile(filter);
  const source = await openCaptures(paths, { follow: options.follow ?? false });
  const batch = new Batch();
  const stop = (): void => void source.close();
  options.signal?.addEventListener('abort', stop);
  let count = 0;
  try {
    for (;;) {
      const n = source.fill(batch);
      if (n === 0) {
        await nextTurn();
        if (!(await source.more())) return count;
        continue;
      }
      if (compiled === undefined) count += n;
      else {
        batch.verdict.fill(0, 0, n);
        count += compiled.select(batch, 0, n);
      }
    }
  } finally {
    options.signal?.removeEventListener('abort', stop);
    await source.close();
  }
}

/** What only some runs need is loaded only there: the modules of the compiler take as long as 100,000 packets. */
async function compile(filter: string | undefined): Promise<PacketFilter | undefined> {
  if (filter === undefined) return undefined;
  const { compileFilter } = await import('../filter/filter.js');
  return compileFilter(filter);
}

/** A secret for the flow table's hash. */
export function drawSeed(): HashSeed {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

function isPaths(input: CaptureInput): input is readonly string[] {
  return Array.isArray(input);
}

function isRegularFile(path: string): boolean {
  return path !== '-' && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}
