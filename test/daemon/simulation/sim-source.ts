import type { ShardSource } from '../../../src/control/daemon/sources.js';
import type { LiveInterface } from '../../../src/model/live-source.js';
import type { SourceCounters } from '../../../src/model/source.js';
import type { Batch } from '../../../src/packet/batch.js';
import { FRAME_BYTES } from '../made-frames.js';
import type { SimClock } from './sim-clock.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Waiting {
  iface: number;
  bytes: Uint8Array;
  ms: number;
}

/** Packets that fit into the ring. */
const RING = 600;
const WAIT_MS = 250;
const NAMES = ['sim0', 'sim1', 'sim2'];

/** A ring into which the simulation puts packets. */
export class SimSource implements ShardSource {
  readonly interfaces: Mutable<LiveInterface>[] = [];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: string[] = [];
  readonly names: ReadonlyMap<string, string> = new Map();
  closed = false;
  released = false;
  stopped = false;
  /** What the next call of `fill` or `more` throws. */
  fails: Error | undefined;
  private paused = false;
  private offered = 0;
  private readonly clock: SimClock;
  private readonly owner: object;
  private readonly startWallMs: number;
  private readonly startMs: number;
  private readonly startStepMs: number;
  private ring: Waiting[] = [];
  private readonly bytes = new Uint8Array(16 + 256 * FRAME_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private wake: (() => void) | undefined;

  constructor(clock: SimClock, owner: object) {
    this.clock = clock;
    this.owner = owner;
    this.startWallMs = clock.wallMs();
    this.startMs = clock.monotonicMs();
    this.startStepMs = clock.stepMs;
    this.appear(0);
  }

  get clockStep(): number {
    return (this.clock.stepMs - this.startStepMs) * 1e6;
  }

  /** An interface comes, or comes back. */
  appear(number: number): void {
    const name = NAMES[number];
    const known = this.interfaces.find((one) => one.name === name);
    if (known !== undefined) {
      known.state = 'up';
      known.lastError = undefined;
      return;
    }
    this.interfaces.push({
      index: this.interfaces.length,
      name,
      linkType: 1,
      snapLength: 0,
      kernelIndex: number + 1,
      state: 'up',
      kernel: 0,
      packets: 0,
      bytes: 0,
      received: 0,
      transmitted: 0,
      dropped: 0,
      waiting: 0,
      superFrames: 0,
      segments: 0,
      duplicates: 0,
      sampledOneIn: 1,
      lastError: undefined,
    });
  }

  vanish(number: number): void {
    const known = this.interfaces.find((one) => one.name === NAMES[number]);
    if (known === undefined) return;
    known.state = 'gone';
    known.lastError = 'it is gone';
  }

  /** A packet comes on one of the interfaces, some ms ago. */
  offer(bytes: Uint8Array, number: number, agoMs: number): void {
    if (this.closed || this.stopped || this.paused || !this.released) return;
    const iface = this.interfaces[number % this.interfaces.length];
    if (iface.state !== 'up') return;
    iface.kernel++;
    if (this.ring.length >= RING) {
      iface.dropped++;
      this.counters.dropped++;
      return;
    }
    iface.waiting++;
    // No two packets have the same time: flows are told apart by it.
    const ms = Math.max(0, this.clock.monotonicMs() - this.startMs - agoMs) + ++this.offered * 1e-6;
    this.ring.push({ iface: iface.index, bytes, ms });
    this.wake?.();
  }

  fill(batch: Batch): number {
    this.fail();
    batch.attach(this.bytes, this.view);
    const taken = this.ring.splice(0, batch.capacity);
    for (const [i, { iface, bytes, ms }] of taken.entries()) {
      const offset = 16 + i * FRAME_BYTES;
      this.bytes.set(bytes, offset);
      batch.offset[i] = offset;
      batch.captured[i] = bytes.length;
      batch.wire[i] = bytes.length;
      const { seconds, nanos } = this.at(ms);
      batch.seconds[i] = seconds;
      batch.nanos[i] = nanos;
      batch.iface[i] = iface;
      batch.link[i] = 1;
      const one = this.interfaces[iface];
      one.waiting--;
      one.packets++;
      one.bytes += bytes.length;
    }
    batch.count = taken.length;
    this.counters.packets += taken.length;
    return taken.length;
  }

  private fail(): void {
    const { fails } = this;
    this.fails = undefined;
    if (fails !== undefined) throw fails;
  }

  async more(): Promise<boolean> {
    this.fail();
    if (this.ring.length > 0) return true;
    if (this.stopped || this.closed) return false;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(WAIT_MS, resolve, this.owner);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
    this.wake = undefined;
    return true;
  }

  /** Time of the meter, so many ms after the start; exact to the nanosecond for hours. */
  private at(ms: number): { seconds: number; nanos: number } {
    const start = Math.floor(this.startWallMs / 1000);
    const passed = this.startWallMs - start * 1000 + ms;
    const seconds = Math.floor(passed / 1000);
    return { seconds: start + seconds, nanos: Math.min(999_999_999, Math.floor((passed - seconds * 1000) * 1e6)) };
  }

  now(): { seconds: number; nanos: number } {
    return this.at(this.clock.monotonicMs() - this.startMs);
  }

  statistics(): readonly LiveInterface[] {
    return this.interfaces;
  }

  release(): void {
    this.released = true;
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
    this.closed = true;
    this.wake?.();
  }
}
