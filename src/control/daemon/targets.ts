import type { RecordBatch } from '../../model/record-batch.js';
import type { Target } from '../../model/target.js';
import type { TargetStatus } from '../../rpc/service.js';
import { type DaemonClock, within } from './clock.js';

/** Targets that are closed and still told of, besides those that were closed last. */
const MOST_CLOSED = 16;
const PATIENCE_MS = 500;
/** A target that gets on is waited for so long at its end. */
const LONGEST_CLOSE_MS = 5000;

interface Entry {
  readonly target: Target;
  /** Records or samples handed to it. */
  handed: number;
  /** Records whose writing failed without the target having counted them. */
  thrown: number;
  /** Samples that were lost on their way to it, by reason. */
  readonly lost: Record<string, number>;
  lastError: string | undefined;
  /** It gets nothing any more, and is being closed or was. */
  closed: boolean;
  /** It was waited for in vain, and is not any more. */
  impatient: boolean;
}

/** The export targets of a daemon: each gets every batch; none makes another, or the shards, wait. */
export class Targets {
  private entries: Entry[] = [];
  /** Closed lately: some may still be working on what they had. */
  private readonly closed: Entry[] = [];
  private readonly clock: DaemonClock;
  private readonly event: (level: 'info' | 'warn' | 'error', message: string) => void;

  constructor(clock: DaemonClock, event: (level: 'info' | 'warn' | 'error', message: string) => void) {
    this.clock = clock;
    this.event = event;
  }

  add(target: Target): void {
    this.entries.push({
      target,
      handed: 0,
      thrown: 0,
      lost: {},
      lastError: undefined,
      impatient: false,
      closed: false,
    });
  }

  get list(): readonly Target[] {
    return this.entries.map(({ target }) => target);
  }

  write(batch: RecordBatch): void | Promise<void> {
    const { count } = batch;
    let busy: Promise<void>[] | undefined;
    for (const entry of this.entries) {
      if (entry.target.samples !== undefined) continue;
      entry.handed += count;
      const before = entry.target.counters.received;
      try {
        const done = entry.target.write(batch);
        if (done !== undefined) {
          busy ??= [];
          busy.push(this.patiently(entry, done));
        }
      } catch (error) {
        entry.thrown += before + count - entry.target.counters.received;
        this.failed(entry, error);
      }
    }
    if (busy !== undefined) return Promise.all(busy).then(() => undefined);
  }

  /** Hands a sample to a target that takes those; `give` does it. */
  hand(target: Target, give: () => void): void {
    const entry = this.entries.find((one) => one.target === target);
    if (entry === undefined) return;
    const copies = target.samples?.copies ?? 1;
    const before = target.counters.received;
    entry.handed += copies;
    try {
      give();
    } catch (error) {
      entry.thrown += before + copies - target.counters.received;
      this.failed(entry, error);
    }
  }

  /** So many samples for this target were lost before they could be handed to it. */
  noteLost(target: Target, reason: string, count: number): void {
    const entry = this.entries.find((one) => one.target === target);
    if (entry === undefined) return;
    entry.lost[reason] = (entry.lost[reason] ?? 0) + count * (target.samples?.copies ?? 1);
  }

  /** A target of a daemon lets others wait when it stops, at the most; then it is waited for as long as it gets on. */
  private async patiently(entry: Entry, done: Promise<void>): Promise<void> {
    const settled = done.catch((error: unknown) => this.failed(entry, error));
    if (entry.impatient) return;
    for (let bytes = -1; bytes !== entry.target.counters.bytes; ) {
      bytes = entry.target.counters.bytes;
      if (await within(this.clock, PATIENCE_MS, settled)) return;
    }
    entry.impatient = true;
    this.failed(entry, new Error(`it kept records waiting for more than ${PATIENCE_MS} ms`));
  }

  private failed(entry: Entry, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== entry.lastError) this.event('error', `target ${entry.target.url}: ${message}`);
    entry.lastError = message;
  }

  /** To be called once a second. */
  tick(): void {
    const now = this.clock.wallMs();
    for (const entry of this.entries) {
      try {
        entry.target.tick(now);
      } catch (error) {
        this.failed(entry, error);
      }
    }
  }

  sendTemplates(): void {
    for (const entry of this.entries) {
      try {
        entry.target.sendTemplates();
      } catch (error) {
        this.failed(entry, error);
      }
    }
  }

  /** Has samples sent that wait for company. */
  flushSamples(): void {
    for (const entry of this.entries) {
      try {
        entry.target.samples?.flush();
      } catch (error) {
        this.failed(entry, error);
      }
    }
  }

  /** Takes targets out and closes them; those that take longer than so many ms are left behind. */
  async close(which: readonly Target[], withinMs: number): Promise<void> {
    const closing = this.entries.filter(({ target }) => which.includes(target));
    this.entries = this.entries.filter((entry) => !closing.includes(entry));
    for (const entry of closing) entry.closed = true;
    this.closed.push(...closing);
    this.closed.splice(0, this.closed.length - Math.max(MOST_CLOSED, closing.length));
    await Promise.all(closing.map((entry) => this.closeOne(entry, withinMs)));
  }

  private async closeOne(entry: Entry, withinMs: number): Promise<void> {
    const closed = entry.target.close().catch((error: unknown) => this.failed(entry, error));
    const begunAt = this.clock.monotonicMs();
    // As long as it gets on, up to a limit: who is slow all the same must not keep the process.
    for (let bytes = -1; bytes !== entry.target.counters.bytes; ) {
      bytes = entry.target.counters.bytes;
      if (await within(this.clock, withinMs, closed)) return;
      if (this.clock.monotonicMs() - begunAt >= LONGEST_CLOSE_MS) break;
    }
    this.event('warn', `target ${entry.target.url} was not closed in time`);
  }

  /** Those in use, then those closed lately. @param over the process ends: what waits does not go out any more */
  status(over: boolean): TargetStatus[] {
    return [...this.entries, ...this.closed].map((entry) => statusOf(entry, over));
  }

  /** Sums of the targets' accounts that do not balance. */
  imbalance(): string[] {
    const found: string[] = [];
    for (const { target, handed, thrown } of [...this.entries, ...this.closed]) {
      const { received, sent, dropped, waiting } = target.counters;
      const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
      const what = target.samples === undefined ? 'records' : 'samples';
      if (received + thrown !== handed) {
        found.push(`${target.url}: ${what} handed to it = received: ${handed} ≠ ${received + thrown}`);
      }
      if (received !== sent + lost + waiting) {
        found.push(`${target.url}: received = sent + dropped + waiting: ${received} ≠ ${sent + lost + waiting}`);
      }
    }
    return found;
  }
}

function statusOf({ target, lastError, thrown, lost, handed, closed }: Entry, over: boolean): TargetStatus {
  const { counters } = target;
  const dropped = { ...counters.dropped };
  const drop = (reason: string, count: number): void => {
    if (count > 0) dropped[reason] = (dropped[reason] ?? 0) + count;
  };
  drop('failed', thrown);
  if (over) drop('closed', counters.waiting);
  let received = handed;
  for (const [reason, count] of Object.entries(lost)) {
    drop(reason, count);
    received += count;
  }
  const error = target.lastError ?? lastError;
  return {
    ...counters,
    received,
    dropped,
    waiting: over ? 0 : counters.waiting,
    url: target.url,
    state: closed ? 'closed' : target.state,
    ...(target.samples === undefined ? {} : { unit: 'samples' }),
    ...(error === undefined ? {} : { lastError: error }),
  };
}
