import { LiveShard } from '../../../src/control/daemon/live-shard.js';
import type { LiveMessage, LiveOrder, LiveTask } from '../../../src/control/daemon/messages.js';
import type { ShardEars, ShardHandle, ShardHost } from '../../../src/control/daemon/shard-host.js';
import { ErrorCode, RheoError } from '../../../src/core/errors.js';
import type { SimClock } from './sim-clock.js';
import { SimSource } from './sim-source.js';

/** A life of a shard: messages both ways wait until the simulation hands them over. */
export class SimThread {
  readonly shard: number;
  source: SimSource | undefined;
  alive = true;
  /** To the main side: messages, and the end. */
  readonly out: (() => void)[] = [];
  readonly orders: LiveOrder[] = [];
  private live: LiveShard | undefined;
  private readonly ears: ShardEars;
  private readonly clock: SimClock;

  constructor(task: LiveTask, ears: ShardEars, clock: SimClock) {
    this.shard = task.shard;
    this.ears = ears;
    this.clock = clock;
  }

  async run(task: LiveTask, refuse: boolean): Promise<void> {
    const say = (message: LiveMessage): void => {
      if (this.alive) this.out.push(() => this.ears.message(message));
    };
    await this.clock.turn(this);
    if (refuse) {
      say({ type: 'error', code: ErrorCode.input, message: 'the interface cannot be opened', remedy: undefined });
      this.end(undefined);
      return;
    }
    const source = new SimSource(this.clock, this);
    this.source = source;
    try {
      this.live = new LiveShard({
        task,
        source,
        filter: undefined,
        say,
        now: () => this.clock.monotonicMs(),
        turn: () => this.clock.turn(this),
      });
      await this.live.run();
    } catch (error) {
      const code = error instanceof RheoError ? error.code : ErrorCode.worker;
      say({ type: 'error', code, message: String(error), remedy: undefined });
    }
    await source.close();
    this.end(undefined);
  }

  private end(error: Error | undefined): void {
    if (!this.alive) return;
    this.alive = false;
    this.out.push(() => this.ears.gone(error));
  }

  /** The thread dies in the middle of its work. */
  crash(): void {
    if (!this.alive) return;
    this.clock.forget(this);
    this.live = undefined;
    void this.source?.close();
    this.end(new Error('it crashed'));
  }

  /** The next order reaches it. */
  hear(): void {
    const order = this.orders.shift();
    if (order !== undefined && this.alive) this.live?.order(order);
  }
}

/** Shards in the thread of the simulation. */
export class SimHost implements ShardHost {
  readonly threads: SimThread[] = [];
  /** Sources that cannot be opened, from now on. */
  refusing = false;
  private readonly clock: SimClock;

  constructor(clock: SimClock) {
    this.clock = clock;
  }

  start(task: LiveTask, ears: ShardEars): ShardHandle {
    const thread = new SimThread(task, ears, this.clock);
    this.threads.push(thread);
    void thread.run(task, this.refusing);
    return {
      order: (order) => thread.orders.push(structuredClone(order)),
      kill: async () => thread.crash(),
    };
  }
}
