import type { LiveInterface } from '../../model/live-source.js';
import type { Interface, PacketSource, SourceCounters } from '../../model/source.js';
import { openCaptures } from '../../observe/merge.js';
import type { Batch } from '../../packet/batch.js';
import type { ShardSource } from './sources.js';

/** `more` comes back after so long at the latest, in ms. */
const LONGEST_WAIT_MS = 250;
/**
 * How far the meter's clock stays behind the time that has passed since the newest packet, in ms: who writes into a pipe
 * keeps packets in a buffer for a while, and they must not come too late.
 */
const LAG_MS = 5000;

/** Packets and bytes that one interface gave. */
interface Sums {
  packets: number;
  bytes: number;
}

/**
 * A capture that is still being written into a pipe, as a live source: `tcpdump -w - | rheo run -`. The clock is that of the
 * packets, and goes on when none come.
 */
class PipeSource implements ShardSource {
  readonly counters: SourceCounters;
  readonly warnings: readonly string[];
  readonly names: ReadonlyMap<string, string>;
  readonly clockStep = 0;
  private readonly capture: PacketSource;
  private readonly clock: () => number;
  private readonly sums: Sums[] = [];
  /** Wait for bytes that goes on; while it does, nothing may be read. */
  private waiting: Promise<boolean> | undefined;
  private ended = false;
  private stopped = false;
  private paused = false;
  /** Newest packet, and when it came (monotonic, ms). */
  private seconds = 0;
  private nanos = 0;
  private cameMs = 0;
  private wake: (() => void) | undefined;

  constructor(capture: PacketSource, clock: () => number) {
    this.capture = capture;
    this.clock = clock;
    this.counters = capture.counters;
    this.warnings = capture.warnings;
    this.names = capture.names;
  }

  get interfaces(): readonly Interface[] {
    return this.capture.interfaces;
  }

  fill(batch: Batch): number {
    if (this.waiting !== undefined || this.ended) {
      batch.count = 0;
      return 0;
    }
    const n = this.capture.fill(batch);
    for (let i = 0; i < n; i++) this.note(batch, i);
    if (n > 0) this.cameMs = this.clock();
    return n;
  }

  private note(batch: Batch, i: number): void {
    const iface = batch.iface[i];
    while (this.sums.length <= iface) this.sums.push({ packets: 0, bytes: 0 });
    const sums = this.sums[iface];
    sums.packets++;
    sums.bytes += batch.wire[i];
    const second = batch.seconds[i];
    if (second < this.seconds || (second === this.seconds && batch.nanos[i] <= this.nanos)) return;
    this.seconds = second;
    this.nanos = batch.nanos[i];
  }

  async more(): Promise<boolean> {
    if (this.stopped) return false;
    if (this.paused) {
      await this.pause250();
      return !this.stopped;
    }
    this.waiting ??= this.capture.more().finally(() => {
      this.waiting = undefined;
    });
    const { waiting } = this;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, LONGEST_WAIT_MS, true);
      this.wake = () => resolve(true);
    });
    try {
      const more = await Promise.race([waiting, silence]);
      if (!more) this.ended = true;
      return more && !this.stopped;
    } finally {
      clearTimeout(timer);
    }
  }

  private async pause250(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LONGEST_WAIT_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  statistics(): readonly LiveInterface[] {
    return this.interfaces.map((one, k) => {
      const { packets, bytes } = this.sums[k] ?? { packets: 0, bytes: 0 };
      // What the capture says about drops stands for all interfaces.
      const dropped = k === 0 ? this.counters.dropped : 0;
      return {
        ...one,
        kernelIndex: 0,
        state: this.ended || this.stopped ? 'gone' : 'up',
        kernel: packets + dropped,
        packets,
        bytes,
        received: 0,
        transmitted: 0,
        dropped,
        waiting: 0,
        superFrames: 0,
        segments: 0,
        duplicates: 0,
        sampledOneIn: 1,
        lastError: undefined,
      };
    });
  }

  now(): { seconds: number; nanos: number } {
    const { seconds, nanos } = this;
    if (this.counters.packets === 0) return { seconds: 0, nanos: 0 };
    const passedMs = Math.max(0, this.clock() - this.cameMs - LAG_MS);
    const moved = nanos + Math.floor((passedMs % 1000) * 1e6);
    const carry = moved >= 1e9 ? 1 : 0;
    return { seconds: seconds + Math.floor(passedMs / 1000) + carry, nanos: moved - carry * 1e9 };
  }

  stop(): void {
    this.stopped = true;
    this.wake?.();
    void this.capture.close();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.wake?.();
  }

  async close(): Promise<void> {
    this.stop();
    await this.capture.close();
  }
}

/**
 * @param path of a named pipe, or '-' for standard input
 * @param clock monotonic, in ms
 * @throws RheoError as openCaptures
 */
export async function openPipe(path: string, clock: () => number = () => performance.now()): Promise<ShardSource> {
  return new PipeSource(await openCaptures([path]), clock);
}
