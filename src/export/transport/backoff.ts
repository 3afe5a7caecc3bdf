/** Pauses between attempts: each twice as long as the last, with jitter so that many exporters do not come at once. */
export class Backoff {
  readonly #leastMs: number;
  readonly #mostMs: number;
  readonly #random: () => number;
  #nextMs: number;

  constructor(leastMs: number, mostMs: number, random: () => number = Math.random) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
    this.#random = random;
    this.#nextMs = leastMs;
  }

  /** Milliseconds to wait before the next attempt: half of the pause to all of it. */
  next(): number {
    const pause = this.#nextMs;
    this.#nextMs = Math.min(pause * 2, this.#mostMs);
    return Math.round(pause * (0.5 + this.#random() / 2));
  }

  /** The last attempt was a success. */
  reset(): void {
    this.#nextMs = this.#leastMs;
  }
}
