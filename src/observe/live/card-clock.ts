import type { TimeLine } from './time-line.js';

const SECOND = 1e9;
/** A stamp is from the past: of a packet that waited in the ring, for so long at the most (ns). */
const MAX_WAIT = 10 * SECOND;
/** Clocks of card and machine that are set by the same source are no further apart (ns). */
const MAX_APART = SECOND / 4;

/**
 * The clock of a network card, whose stamps a driver may give in place of the kernel's. Cards are often set to TAI, which is
 * whole seconds away from UTC, or not set at all. What is between it and the line of time is taken from the first packet:
 * nothing, whole seconds, or the exact difference; and again when it does not fit any more.
 */
export class CardClock {
  /** Result of `place`. */
  seconds = 0;
  nanos = 0;
  private known = false;
  /** Card − line. */
  private offsetSeconds = 0;
  private offsetNanos = 0;

  /** Moves a stamp of the card onto the line. */
  place(line: TimeLine, seconds: number, nanos: number): void {
    this.move(seconds, nanos);
    const age = (line.seconds - this.seconds) * SECOND + (line.nanos - this.nanos);
    if (this.known && age > -MAX_APART && age < MAX_WAIT) return;
    this.measure(line, seconds, nanos);
    this.move(seconds, nanos);
  }

  private measure(line: TimeLine, seconds: number, nanos: number): void {
    this.known = true;
    const difference = (seconds - line.seconds) * SECOND + (nanos - line.nanos);
    const whole = Math.round(difference / SECOND);
    if (Math.abs(difference - whole * SECOND) < MAX_APART) {
      this.offsetSeconds = whole;
      this.offsetNanos = 0;
    } else {
      this.offsetSeconds = seconds - line.seconds;
      this.offsetNanos = nanos - line.nanos;
    }
  }

  private move(seconds: number, nanos: number): void {
    this.seconds = seconds - this.offsetSeconds;
    this.nanos = nanos - this.offsetNanos;
    if (this.nanos < 0) {
      this.nanos += SECOND;
      this.seconds--;
    } else if (this.nanos >= SECOND) {
      this.nanos -= SECOND;
      this.seconds++;
    }
  }
}
