import type { DaemonClock } from './clock.js';
import type { Shards } from './shards.js';

/** A thread that has not looked at its source for so long (ms) hangs. */
const HANGING_MS = 5000;

/** Watches whether the threads look at their sources. */
export class LookWatch {
  private readonly shards: Shards;
  private readonly clock: DaemonClock;
  private looks: number[] = [];
  private lookedAt: number[] = [];

  constructor(shards: Shards, clock: DaemonClock) {
    this.shards = shards;
    this.clock = clock;
  }

  /** To be called about once a second. */
  tick(): void {
    const now = this.clock.monotonicMs();
    for (const [shard, looks] of this.shards.looks().entries()) {
      if (looks === this.looks[shard]) continue;
      this.looks[shard] = looks;
      this.lookedAt[shard] = now;
    }
  }

  /** Threads that run and have not looked at their source for a while. */
  get hanging(): number[] {
    const now = this.clock.monotonicMs();
    return this.shards.running.filter((shard) => now - (this.lookedAt[shard] ?? now) > HANGING_MS);
  }
}
