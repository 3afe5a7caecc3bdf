import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveInterface } from '../../src/model/live-source.js';
import { type LiveCapture, type LiveOptions, openLive } from '../../src/observe/live/index.js';
import { Batch } from '../../src/packet/batch.js';

export interface Seen {
  seconds: number;
  nanos: number;
  iface: number;
  link: number;
  wire: number;
  direction: number;
  bytes: Buffer;
}

/** A live source, and all that comes out of it, in the background. */
export class Capture {
  readonly source: LiveCapture;
  readonly seen: Seen[] = [];
  /** Settles when the source has ended. */
  readonly done: Promise<void>;

  constructor(source: LiveCapture) {
    this.source = source;
    this.done = this.pull();
  }

  /** @param t the test, at whose end the source is closed, however it ends */
  static async open(t: { after(done: () => Promise<void>): void }, options: LiveOptions): Promise<Capture> {
    const source = await openLive({ ring: { blockBytes: 1 << 16, blocks: 64 }, ...options });
    t.after(() => source.close());
    return new Capture(source);
  }

  get hex(): string[] {
    return this.seen.map(({ bytes }) => bytes.toString('hex'));
  }

  /** Statistics of an interface; those that never were there count as an error. */
  of(name: string): LiveInterface {
    const found = this.source.statistics().find((entry) => entry.name === name);
    assert.ok(found, `${name} is among the interfaces`);
    return found;
  }

  /** Stops, drains, and holds the sums. */
  async end(): Promise<readonly LiveInterface[]> {
    this.source.stop();
    await this.done;
    const statistics = this.source.statistics();
    for (const one of statistics) {
      assert.equal(one.waiting, 0, `nothing waits at ${one.name}`);
      assertBalance(one);
    }
    await this.source.close();
    assert.deepEqual(this.source.statistics(), statistics, 'the sums outlive the sockets');
    return statistics;
  }

  private async pull(): Promise<void> {
    const batch = new Batch({ capacity: 50 });
    for (;;) {
      const count = this.source.fill(batch);
      for (let i = 0; i < count; i++) {
        assert.ok(batch.hasFrameDirection);
        const start = batch.offset[i];
        this.seen.push({
          seconds: batch.seconds[i],
          nanos: batch.nanos[i],
          iface: batch.iface[i],
          link: batch.link[i],
          wire: batch.wire[i],
          direction: batch.frameDirection[i],
          bytes: Buffer.from(batch.bytes.subarray(start, start + batch.captured[i])),
        });
      }
      if (count > 0) continue;
      for (const one of this.source.statistics()) assertBalance(one);
      if (!(await this.source.more())) return;
    }
  }
}

export function assertBalance(one: LiveInterface): void {
  assert.ok(one.waiting >= 0, `${one.name}: ${one.waiting} waiting`);
  assert.equal(one.kernel, one.packets + one.duplicates + one.dropped + one.waiting);
  assert.equal(one.packets, one.received + one.transmitted);
}

/** Waits until something has become true. @throws Error after ten seconds */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  assert.fail(`waited in vain for: ${what}`);
}
