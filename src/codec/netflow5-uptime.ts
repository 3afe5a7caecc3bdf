/**
 * Times of NetFlow v1, v5 and v9: milliseconds since boot in 32 bits, which wrap after 49.7 days on routers. Collectors find the
 * time of boot from each header (time − sysUptime), so boot need not be when it was: this keeps a *virtual* boot. It lies
 * before the first flow and, once 2^32 ms have passed, follows the clock, so that no time in a message wraps or lies before it
 * and sysUptime never falls back to 0, which collectors take for a restart.
 */

/** Longest time that a message can tell; below 2^32 by the second to which v9 rounds. */
export const LONGEST_UPTIME_MS: number = 2 ** 32 - 2000;
/** Flow ends may be ahead of the clock by so much and headers follow them: clocks of capture and of export differ a little. */
const CLOCK_SLACK_MS = 60_000;

export class UptimeClock {
  /** Headers carry whole seconds (v9): their time is rounded up, so that no flow ends after it. */
  readonly #grainMs: number;
  #bootMs: number;
  #headerMs = 0;
  #latestMs = 0;

  /**
   * @param startedMs when the metering began, in ms since 1970
   * @param grainMs 1000 where the header's time has no fraction, else 1
   */
  constructor(startedMs: number, grainMs: number) {
    this.#grainMs = grainMs;
    this.#bootMs = this.#down(startedMs);
  }

  #down(ms: number): number {
    return Math.floor(ms / this.#grainMs) * this.#grainMs;
  }

  #up(ms: number): number {
    return Math.ceil(ms / this.#grainMs) * this.#grainMs;
  }

  /** Time of boot as the message tells it, in ms since 1970. */
  get bootMs(): number {
    return this.#messageBootMs;
  }

  /** Time of the header, in ms since 1970. */
  get headerMs(): number {
    return this.#headerMs;
  }

  get uptimeMs(): number {
    return this.#headerMs - this.#messageBootMs;
  }

  #messageBootMs = 0;

  /** Begins a message. */
  begin(nowMs: number): void {
    const ahead = this.#latestMs - nowMs;
    this.#headerMs = this.#up(ahead > 0 && ahead < CLOCK_SLACK_MS ? this.#latestMs : nowMs);
    this.#messageBootMs = Math.min(
      this.#headerMs,
      Math.max(this.#bootMs, this.#up(this.#headerMs - LONGEST_UPTIME_MS)),
    );
  }

  /**
   * True if the message can tell these times. In an empty message times are always made to fit, if they span no more than
   * LONGEST_UPTIME_MS.
   */
  fits(startMs: number, endMs: number, empty: boolean): boolean {
    if (endMs > this.#latestMs) this.#latestMs = endMs;
    if (startMs >= this.#messageBootMs && endMs <= this.#headerMs) return true;
    if (!empty) return false;
    const header = Math.max(this.#headerMs, this.#up(endMs));
    let boot = Math.min(this.#messageBootMs, this.#down(startMs));
    if (endMs - boot > LONGEST_UPTIME_MS) boot = this.#down(startMs);
    this.#messageBootMs = boot;
    this.#headerMs = Math.min(header, this.#down(boot + 2 ** 32 - 1));
    // What is older than the beginning moves it for good, if that is not absurd.
    if (header - boot <= LONGEST_UPTIME_MS) this.#bootMs = Math.min(this.#bootMs, boot);
    return true;
  }
}
