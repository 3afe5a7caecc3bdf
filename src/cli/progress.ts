import type { Progress } from '../model/summary.js';
import { durationForPeople, scaled } from '../tui/units.js';

/** Shown when a run takes longer than this. */
const PATIENCE_MS = 1000;
const REFRESH_MS = 200;
const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\u001b[K';

/** Bar, rate and time left on standard error, for a person who waits. */
export class ProgressBar {
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  readonly #begin: number;
  #next: number;
  #visible = false;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(write: (text: string) => void, now: () => number) {
    this.#write = write;
    this.#now = now;
    this.#begin = now();
    this.#next = this.#begin + PATIENCE_MS;
  }

  update(progress: Progress): void {
    const now = this.#now();
    if (now < this.#next) return;
    this.#next = now + REFRESH_MS;
    this.#visible = true;
    this.#write(`${CLEAR_LINE}${progressText(progress, (now - this.#begin) / 1000)}`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#visible) this.#write(CLEAR_LINE);
    this.#visible = false;
  }
}

/** One line, without an end. */
export function progressText(progress: Progress, elapsed: number): string {
  const rate = scaled(progress.packets / elapsed, 'packets/s');
  const counts = `${scaled(progress.packets, 'packets')}, ${scaled(progress.flows, 'flows')}, ${rate}`;
  const total = progress.totalBytes;
  if (total === undefined || total === 0) return counts;
  const share = Math.min(1, progress.bytesRead / total);
  const full = Math.round(share * BAR_WIDTH);
  const left = share > 0 ? `, ${durationForPeople(Math.ceil((elapsed / share) * (1 - share)))} left` : '';
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${Math.floor(share * 100)}%  ${counts}${left}`;
}
