/** Limits a rate: tokens come in evenly, at most `burst` are saved up; what is taken may run into debt once. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #lastMs: number;

  /**
   * @param perSecond tokens that come in
   * @param nowMs a clock that never steps back
   */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#lastMs = nowMs;
  }

  take(count: number): void {
    this.#tokens -= count;
  }

  /** Milliseconds until something may be taken; 0 = now. */
  waitMs(nowMs: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#lastMs) * this.#perMs);
    this.#lastMs = nowMs;
    return this.#tokens > 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs) || 1;
  }
}
