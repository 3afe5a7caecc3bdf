import { type Libc, libc } from './libc.js';

const CLOCK_REALTIME = 0;
/** Never set by anybody, and goes on while the machine sleeps. */
const CLOCK_BOOTTIME = 7;

/** Reads the system's clocks to the nanosecond, without allocation. */
export class SystemClock {
  /** Result of `wall` and `steady`. */
  seconds = 0;
  nanos = 0;
  private readonly libc: Libc = libc();
  private readonly time = new BigInt64Array(2);
  /** The low words of seconds and nanoseconds; seconds fit until 2106. */
  private readonly words = new Uint32Array(this.time.buffer);
  private readonly low: number;

  constructor() {
    this.time[0] = 1n;
    this.low = this.words[0] === 1 ? 0 : 1;
  }

  /** Wall clock: since 1970 (UTC). */
  wall(): void {
    this.read(CLOCK_REALTIME);
  }

  /** Monotonic clock: since the machine started, sleep included. */
  steady(): void {
    this.read(CLOCK_BOOTTIME);
  }

  private read(clock: number): void {
    this.libc.clockGettime(clock, this.time);
    this.seconds = this.words[this.low];
    this.nanos = this.words[2 + this.low];
  }
}
