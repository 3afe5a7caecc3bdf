/** Lines of one message within a minute; what is more is counted. */
const MOST_A_MINUTE = 10;
const MINUTE_MS = 60_000;
/** Messages that are told apart; beyond it all others count as one. */
const MOST_KINDS = 256;

interface Kind {
  level: string;
  message: string;
  count: number;
}

/**
 * Limits how often the same message is written. Messages that differ in numbers only are the same: whoever makes us write
 * them can choose the numbers.
 */
export class RepeatLimit {
  readonly #kinds = new Map<string, Kind>();
  #since: number;

  constructor(nowMs: number) {
    this.#since = nowMs;
  }

  /** True if it shall be written now. */
  admits(level: string, message: string): boolean {
    let name = `${level} ${message.slice(0, 200).replace(/[0-9a-f]*\d[0-9a-f.:]*/gi, '#')}`;
    if (!this.#kinds.has(name) && this.#kinds.size >= MOST_KINDS) name = '';
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      kind = { level, message, count: 0 };
      this.#kinds.set(name, kind);
    }
    return ++kind.count <= MOST_A_MINUTE;
  }

  /** Begins the next minute if it is time; returns what was left out in the one before. */
  tick(nowMs: number): { level: string; message: string; times: number }[] {
    if (nowMs - this.#since < MINUTE_MS) return [];
    this.#since = nowMs;
    const left = [...this.#kinds.values()].filter(({ count }) => count > MOST_A_MINUTE);
    this.#kinds.clear();
    return left.map(({ level, message, count }) => ({ level, message, times: count - MOST_A_MINUTE }));
  }
}
