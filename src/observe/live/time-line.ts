import { SystemClock } from '../../system/clock.js';

const SECOND = 1e9;
/** Two clocks are read one after the other; what lies between is uncertain. */
const MAX_BETWEEN = 50_000;
const MAX_READS = 4;
/** A difference that is surely not uncertainty, in ns. */
const MIN_STEP = 4 * MAX_BETWEEN;
/** For so long after a step packets may come out of the ring that were stamped before it, in seconds. */
const DISPUTED_SECONDS = 5;

/**
 * The line of time that the meter lives on: wall clock at the start, monotonic clock from there on. Stamps of packets are
 * wall clock; if somebody has set it, they are moved by what it was set.
 */
export class TimeLine {
  /** Time now, as of the last `refresh`. */
  seconds = 0;
  nanos = 0;
  /** Result of `place`. */
  placedSeconds = 0;
  placedNanos = 0;
  /** Stamps must go through `place`; else they are right as they are. */
  shifted = false;

  private readonly clock: SystemClock;
  /** Wall clock − monotonic clock, at the start. */
  private readonly offsetSeconds: number;
  private readonly offsetNanos: number;
  /** Wall clock − this line: now, and before it was set the last time. */
  private stepSeconds = 0;
  private stepNanos = 0;
  private formerSeconds = 0;
  private formerNanos = 0;
  private disputedUntil = 0;
  /** Result of `readOffset`: wall − monotonic clock, and the monotonic clock. */
  private readSeconds = 0;
  private readNanos = 0;
  private steadySeconds = 0;
  private steadyNanos = 0;

  constructor(clock: Pick<SystemClock, 'seconds' | 'nanos' | 'wall' | 'steady'> = new SystemClock()) {
    this.clock = clock as SystemClock;
    this.readOffset();
    this.offsetSeconds = this.readSeconds;
    this.offsetNanos = this.readNanos;
    this.refresh();
  }

  /** Wall clock − this line, in ns. */
  get step(): number {
    return this.stepSeconds * SECOND + this.stepNanos;
  }

  /** Reads the clocks. Cheap enough for each block of packets. */
  refresh(): void {
    const sure = this.readOffset();
    let seconds = this.steadySeconds + this.offsetSeconds;
    let nanos = this.steadyNanos + this.offsetNanos;
    if (nanos >= SECOND) {
      nanos -= SECOND;
      seconds++;
    }
    this.seconds = seconds;
    this.nanos = nanos;
    if (!sure) return;
    const stepSeconds = this.readSeconds - this.offsetSeconds;
    const stepNanos = this.readNanos - this.offsetNanos;
    const change = (stepSeconds - this.stepSeconds) * SECOND + (stepNanos - this.stepNanos);
    if (Math.abs(change) >= MIN_STEP) {
      this.formerSeconds = this.stepSeconds;
      this.formerNanos = this.stepNanos;
      this.stepSeconds = stepSeconds;
      this.stepNanos = stepNanos;
      this.disputedUntil = seconds + DISPUTED_SECONDS;
    }
    if (seconds >= this.disputedUntil) this.disputedUntil = 0;
    this.shifted = this.disputedUntil !== 0 || this.stepSeconds !== 0 || this.stepNanos !== 0;
  }

  /** Moves a time of the monotonic clock onto this line. */
  placeSteady(seconds: number, nanos: number): void {
    this.move(seconds, nanos, -this.offsetSeconds, -this.offsetNanos);
  }

  /** Moves a stamp of the kernel onto this line. */
  place(seconds: number, nanos: number): void {
    this.move(seconds, nanos, this.stepSeconds, this.stepNanos);
    if (this.disputedUntil === 0) return;
    // Stamped before or after the step? It was not long ago, on this line.
    const distance = this.distance();
    this.move(seconds, nanos, this.formerSeconds, this.formerNanos);
    if (this.distance() >= distance) this.move(seconds, nanos, this.stepSeconds, this.stepNanos);
  }

  private move(seconds: number, nanos: number, bySeconds: number, byNanos: number): void {
    let movedNanos = nanos - byNanos;
    let movedSeconds = seconds - bySeconds;
    if (movedNanos < 0) {
      movedNanos += SECOND;
      movedSeconds--;
    } else if (movedNanos >= SECOND) {
      movedNanos -= SECOND;
      movedSeconds++;
    }
    this.placedSeconds = movedSeconds;
    this.placedNanos = movedNanos;
  }

  private distance(): number {
    return Math.abs((this.placedSeconds - this.seconds) * SECOND + (this.placedNanos - this.nanos));
  }

  /** False if the two clocks could not be read at about the same time. */
  private readOffset(): boolean {
    const { clock } = this;
    for (let read = 1; ; read++) {
      clock.steady();
      this.steadySeconds = clock.seconds;
      this.steadyNanos = clock.nanos;
      clock.wall();
      const wallSeconds = clock.seconds;
      const wallNanos = clock.nanos;
      clock.steady();
      const between = (clock.seconds - this.steadySeconds) * SECOND + (clock.nanos - this.steadyNanos);
      let nanos = wallNanos - this.steadyNanos;
      let seconds = wallSeconds - this.steadySeconds;
      if (nanos < 0) {
        nanos += SECOND;
        seconds--;
      }
      this.readSeconds = seconds;
      this.readNanos = nanos;
      if (between <= MAX_BETWEEN) return true;
      if (read === MAX_READS) return false;
    }
  }
}
