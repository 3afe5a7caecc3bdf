import type { DaemonClock } from '../../../src/control/daemon/clock.js';

interface Timer {
  atMs: number;
  order: number;
  call: () => void;
  /** Whose timer it is: gone with its owner. */
  owner: object | undefined;
}

interface Turn {
  resume: () => void;
  owner: object | undefined;
}

const START_WALL_MS = 1_704_067_200_000;

/** Time that stands still until the simulation moves it, and an event loop whose turns it gives. */
export class SimClock implements DaemonClock {
  private now = 0;
  private wallStep = 0;
  private order = 0;
  timers: Timer[] = [];
  turns: Turn[] = [];

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return START_WALL_MS + this.now + this.wallStep;
  }

  /** How far the wall clock was set since the start, in ms. */
  get stepMs(): number {
    return this.wallStep;
  }

  /** Sets the wall clock by so many ms. */
  set(ms: number): void {
    this.wallStep += ms;
  }

  after(ms: number, call: () => void, owner?: object): () => void {
    const timer = { atMs: this.now + Math.max(0, ms), order: this.order++, call, owner };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  turn(owner?: object): Promise<void> {
    return new Promise((resume) => {
      this.turns.push({ resume, owner });
    });
  }

  /** Moves time on by so many ms at the most, to the next timer, which is called. */
  advance(ms: number): void {
    let next: Timer | undefined;
    for (const timer of this.timers) {
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) {
        next = timer;
      }
    }
    const to = this.now + ms;
    if (next === undefined || next.atMs > to) {
      this.now = to;
      return;
    }
    this.now = Math.max(this.now, next.atMs);
    this.timers = this.timers.filter((timer) => timer !== next);
    next.call();
  }

  /** What belongs to the owner never happens. */
  forget(owner: object): void {
    this.timers = this.timers.filter((timer) => timer.owner !== owner);
    this.turns = this.turns.filter((turn) => turn.owner !== owner);
  }
}
