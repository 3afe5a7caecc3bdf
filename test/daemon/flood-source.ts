import type { ShardSource } from '../../src/control/daemon/sources.js';
import type { LiveInterface } from '../../src/model/live-source.js';
import type { Interface, SourceCounters } from '../../src/model/source.js';
import type { Batch } from '../../src/packet/batch.js';
import { FRAME_BYTES, writeFrame } from './made-frames.js';

export interface FloodOptions {
  /** Packets in all, of each shard. */
  packets: number;
  /** Flows that they belong to, in turn. */
  flows: number;
  /** Packets a second; Infinity crosses threads. */
  rate: number;
  /** Throws after so many packets. */
  failAfter?: number;
  /** The source cannot be opened. */
  refuse?: string;
  /** Says that it is at its end after the last packet. */
  ends?: boolean;
}

/** Packets out of nothing, for shards in threads: as many a second as asked for, on the real clock. */
class FloodSource implements ShardSource {
  readonly interfaces: readonly Interface[] = [{ index: 0, name: 'flood0', linkType: 1, snapLength: 0 }];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: readonly string[] = [];
  readonly names: ReadonlyMap<string, string> = new Map();
  readonly clockStep = 0;
  private readonly options: FloodOptions;
  private readonly shard: number;
  private readonly bytes = new Uint8Array(16 + 256 * FRAME_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly wall = Date.now();
  private readonly begun = performance.now();
  private released = false;
  private stopped = false;
  private paused = false;
  private bytesSeen = 0;
  private wake: (() => void) | undefined;

  constructor(options: FloodOptions, shard: number) {
    this.options = options;
    this.shard = shard;
  }

  release(): void {
    this.released = true;
    this.wake?.();
  }

  private due(): number {
    const { packets, rate } = this.options;
    if (!this.released || this.paused || this.stopped) return this.counters.packets;
    return Math.min(packets, Math.floor(((performance.now() - this.begun) / 1000) * rate));
  }

  fill(batch: Batch): number {
    batch.attach(this.bytes, this.view);
    const { counters, options } = this;
    if (options.failAfter !== undefined && counters.packets >= options.failAfter) throw new Error('the flood broke');
    const n = Math.min(batch.capacity, Math.max(0, this.due() - counters.packets));
    const { seconds, nanos } = this.now();
    for (let i = 0; i < n; i++) {
      const number = counters.packets + i;
      const offset = 16 + i * FRAME_BYTES;
      const flow = ((number % options.flows) << 2) | (this.shard & 3);
      writeFrame(this.bytes, offset, flow, (number & 1) === 1);
      batch.offset[i] = offset;
      batch.captured[i] = FRAME_BYTES;
      batch.wire[i] = FRAME_BYTES;
      batch.seconds[i] = seconds;
      batch.nanos[i] = nanos;
      batch.iface[i] = 0;
      batch.link[i] = 1;
    }
    batch.count = n;
    counters.packets += n;
    this.bytesSeen += n * FRAME_BYTES;
    return n;
  }

  async more(): Promise<boolean> {
    if (this.stopped) return false;
    if (this.options.ends === true && this.counters.packets >= this.options.packets) return false;
    if (this.due() > this.counters.packets) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 5);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return !this.stopped;
  }

  statistics(): readonly LiveInterface[] {
    const { packets } = this.counters;
    return [
      {
        ...this.interfaces[0],
        kernelIndex: 1,
        state: 'up',
        kernel: packets,
        packets,
        bytes: this.bytesSeen,
        received: packets,
        transmitted: 0,
        dropped: 0,
        waiting: 0,
        superFrames: 0,
        segments: 0,
        duplicates: 0,
        sampledOneIn: 1,
        lastError: undefined,
      },
    ];
  }

  now(): { seconds: number; nanos: number } {
    const ms = this.wall + performance.now() - this.begun;
    const seconds = Math.floor(ms / 1000);
    return { seconds, nanos: Math.floor((ms - seconds * 1000) * 1e6) };
  }

  stop(): void {
    this.stopped = true;
    this.wake?.();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  async close(): Promise<void> {
    this.stop();
  }
}

export async function openSource(options: unknown, shard: number): Promise<ShardSource> {
  const flood = options as FloodOptions;
  if (flood.refuse !== undefined) throw new Error(flood.refuse);
  return new FloodSource(flood, shard);
}
