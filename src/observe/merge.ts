import { ErrorCode, RheoError } from '../core/errors.js';
import type { Interface, PacketSource, SourceCounters } from '../model/source.js';
import type { Batch } from '../packet/batch.js';
import { allocateMemory, CaptureReader, type Memory, regionLength } from './capture-reader.js';
import { type CaptureOptions, CHUNK_LENGTH, openCapture } from './capture-source.js';
import { CaptureState } from './capture-state.js';
import { Lane } from './lane.js';
import { LaneHeap } from './lane-heap.js';
import { openInput, STANDARD_INPUT } from './open-bytes.js';
import { compareTimes, peekAll, type Waiting } from './peek.js';

/** Files that may be open at one time; more are read if their times do not overlap. */
const MAX_OPEN = 256;
/** Bytes for the chunks of all open files together, as far as a chunk does not get smaller than the minimum. */
const MEMORY_BUDGET = 32 * 1024 * 1024;
const MIN_CHUNK_LENGTH = 64 * 1024;
/** Packets of several captures in the order of time; at equal times in the order of the files. */
class MergedSource implements PacketSource {
  readonly interfaces: readonly Interface[];
  readonly counters: SourceCounters;
  readonly warnings: readonly string[];
  readonly names: ReadonlyMap<string, string>;
  private readonly state: CaptureState;
  private readonly memory: Memory;
  private readonly chunkLength: number;
  private readonly freeRegions: number[];
  /** Files to be opened, the earliest last. */
  private readonly waiting: Waiting[];
  /** Open files with packets at hand. */
  private readonly heap = new LaneHeap();
  /** Open files that must be waited for. */
  private dry: Lane[] = [];
  /** All open files. */
  private readonly open = new Set<Lane>();
  private closed = false;

  constructor(waiting: Waiting[], state: CaptureState, chunkLength: number) {
    this.state = state;
    this.interfaces = state.interfaces;
    this.counters = state.counters;
    this.warnings = state.warnings;
    this.names = state.names;
    this.waiting = waiting;
    this.chunkLength = chunkLength;
    const regions = Math.min(waiting.length, MAX_OPEN);
    this.memory = allocateMemory(chunkLength, regions);
    this.freeRegions = Array.from({ length: regions }, (_, i) => regions - 1 - i);
  }

  fill(batch: Batch): number {
    batch.attach(this.memory.bytes, this.memory.view);
    const { heap, waiting, dry } = this;
    while (batch.count < batch.capacity && dry.length === 0) {
      const lane = heap.first;
      if (lane === undefined) break;
      // The run of this lane's packets ends where the next one of another file comes, opened or not.
      let seconds = Number.POSITIVE_INFINITY;
      let nanos = 0;
      let orEqual = false;
      const next = waiting.at(-1);
      if (next !== undefined) {
        if (isDue(next, lane)) break;
        ({ seconds, nanos } = next);
      }
      const rival = heap.second;
      if (rival !== undefined && (rival.seconds < seconds || (rival.seconds === seconds && rival.nanos < nanos))) {
        ({ seconds, nanos } = rival);
        orEqual = lane.order < rival.order;
      }
      if (lane.move(batch, seconds, nanos, orEqual) || lane.refill()) {
        heap.settle();
      } else {
        heap.pop();
        dry.push(lane);
      }
    }
    this.counters.packets += batch.count;
    return batch.count;
  }

  async more(): Promise<boolean> {
    while (!this.closed) {
      await this.refillDry();
      if (this.closed) return false;
      const first = this.heap.first;
      const next = this.waiting.at(-1);
      if (next === undefined || (first !== undefined && !isDue(next, first))) return first !== undefined;
      this.waiting.pop();
      await this.openWaiting(next);
    }
    return false;
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(Array.from(this.open, (lane) => lane.reader.close()));
    await Promise.all(this.waiting.map((file) => file.input?.bytes.close()));
  }

  /** Waits until each open file has packets at hand or has ended. */
  private async refillDry(): Promise<void> {
    while (this.dry.length > 0 && !this.closed) {
      const { dry } = this;
      const alive = await Promise.all(dry.map((lane) => lane.reader.more()));
      if (this.closed) return;
      const still: Lane[] = [];
      for (const [i, lane] of dry.entries()) {
        if (!alive[i]) await this.retire(lane);
        else if (lane.refill()) this.heap.push(lane);
        else still.push(lane);
      }
      this.dry = still;
    }
  }

  private async openWaiting(file: Waiting): Promise<void> {
    const region = this.freeRegions.pop();
    if (region === undefined) {
      throw new RheoError(ErrorCode.limit, `${file.path}: more than ${MAX_OPEN} files overlap in time`, {
        remedy: 'Merge some of them first (mergecap -w OUT FILE…), or read them one after the other.',
      });
    }
    const input = file.input ?? openInput(file.path, false);
    const start = region * regionLength(this.chunkLength);
    const reader = new CaptureReader(input, this.state, this.memory, start, this.chunkLength);
    const lane = new Lane(reader, file.order, region);
    this.open.add(lane);
    this.dry.push(lane);
    if (this.closed) await reader.close();
  }

  private async retire(lane: Lane): Promise<void> {
    this.open.delete(lane);
    this.freeRegions.push(lane.region);
    await lane.reader.close();
  }
}

/** True if the file must be opened before the lane's next packet is handed out. */
function isDue(file: Waiting, lane: Lane): boolean {
  return file.seconds < lane.seconds || (file.seconds === lane.seconds && file.nanos <= lane.nanos);
}

/**
 * Opens several captures and merges their packets by time. Each file is opened when its first packet is due and closed at its
 * end, so that a thousand rotated files need few descriptors and little memory.
 * @param paths as for `openCapture`; standard input at most once
 * @throws RheoError as `openCapture`; usage: with `follow` and several paths; limit (from `more`): too many files overlap
 */
export async function openCaptures(paths: readonly string[], options: CaptureOptions = {}): Promise<PacketSource> {
  if (paths.length === 1) return openCapture(paths[0], options);
  if (paths.length === 0) throw new RheoError(ErrorCode.usage, 'no capture file is given');
  if (options.follow === true) {
    throw new RheoError(ErrorCode.usage, `a growing file is read alone, but ${paths.length} files are given`, {
      remedy: 'Leave out --follow, or give one file.',
    });
  }
  if (paths.indexOf(STANDARD_INPUT) !== paths.lastIndexOf(STANDARD_INPUT)) {
    throw new RheoError(ErrorCode.usage, 'standard input (-) is given twice');
  }
  const files = await peekAll(paths);
  const state = new CaptureState();
  state.counters.totalBytes = files.reduce<number | undefined>(
    (sum, { totalBytes }) => (sum === undefined || totalBytes === undefined ? undefined : sum + totalBytes),
    0,
  );
  // The earliest stands last, where it is taken from.
  const waiting = files.sort((a, b) => compareTimes(b, a) || b.order - a.order);
  const share = Math.floor(MEMORY_BUDGET / Math.min(paths.length, MAX_OPEN) / 2);
  const chunkLength = options.chunkLength ?? Math.min(CHUNK_LENGTH, Math.max(MIN_CHUNK_LENGTH, share));
  return new MergedSource(waiting, state, chunkLength);
}
