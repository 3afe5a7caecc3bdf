import { ErrorCode, RheoError } from '../../core/errors.js';
import { recordMembers } from '../../model/read-record.js';
import { RecordBatch } from '../../model/record-batch.js';
import { Tally } from '../report.js';
import { recordFields } from '../settings.js';
import type { PacketFilter } from '../shard.js';
import { Shard } from '../shard.js';
import { Accounts } from './accounts.js';
import { createJob, type Job, type JobContext, SLICE_RECORDS } from './jobs.js';
import type { LiveMessage, LiveOrder, LiveTask } from './messages.js';
import { shiftTimes } from './shift-times.js';
import type { ShardSource } from './sources.js';

/** Batches of records that the main thread may have; what comes beyond them is dropped and counted. */
const ON_THE_WAY = 64;
/** While so many are on their way, flows are not ended by request: their records would be dropped. */
const BUSY_WAY = 32;
/** Orders are heard at least so often (ms), however many packets come. */
const YIELD_MS = 2;
/** Records wait for company at the most so long, and the accounts are published at least so often (ms). */
const FLUSH_MS = 250;
/** While packets come, slices of queries get one part in so many of the time. */
const SLICE_SHARE = 4;
/** A slice of a query is as many steps of it, or takes about so long (ms). */
const SLICE_STEPS = 16;
const SLICE_MS = 0.4;
/** Queries at one time. */
const MOST_JOBS = 32;

export interface LiveShardOptions {
  task: LiveTask;
  source: ShardSource;
  filter: PacketFilter | undefined;
  say(message: LiveMessage): void;
  /** Monotonic clock in ms. */
  now(): number;
  /** Comes back when the event loop has had its turn. */
  turn(): Promise<void>;
}

/**
 * One shard of the daemon: looks at its source, meters what is there, hands out records, answers queries slice by slice
 * between batches. It waits for nobody but for packets. Runs in a thread of its own (live-worker.ts) or, with clock and
 * source from outside, anywhere.
 */
export class LiveShard {
  private readonly options: LiveShardOptions;
  private readonly source: ShardSource;
  private readonly shard: Shard;
  private readonly accounts: Accounts;
  private readonly tally = new Tally();
  private readonly context: JobContext;
  /** Records between the meter and the main thread: taken, but not said yet. */
  private readonly outbox: RecordBatch[] = [];
  /** Batches that the main thread has, by number. */
  private readonly lent = new Map<number, RecordBatch>();
  private lastId = 0;
  private recordsDropped = 0;
  private jobs: Job[] = [];
  private nextJob = 0;
  private nextSliceAt = 0;
  private flushedAt = 0;
  private lookedAt: number;
  private clockStep = 0;
  /** True while `run` waits for packets: then orders do their work themselves. */
  private waiting = false;
  private pumping = false;
  /** The last look found packets. */
  private packetsSeen = false;
  private exiting = false;
  private finishing = false;
  private roomWanted: (() => void) | undefined;
  private knownInterfaces = '';
  private knownTroubles = '';

  constructor(options: LiveShardOptions) {
    const { task, source, filter } = options;
    this.options = options;
    this.source = source;
    this.accounts = new Accounts(task.accounts);
    // Packets are shared out by the kernel: each shard judges all that it gets.
    this.shard = new Shard({
      // Of packets that were counted before only the outer headers are known.
      settings: source.aggregated === true ? { ...task.settings, tunnels: [] } : task.settings,
      filter,
      shard: 0,
      shards: 1,
      seed: task.seed,
      sharedRecords: true,
      live: true,
    });
    this.shard.setPacketSamplers(task.samplers, source);
    const { meter } = this.shard;
    const { layout } = meter.records;
    this.context = {
      meter,
      members: recordMembers(task.settings.key.extra, recordFields(task.settings.features)),
      slice: new RecordBatch(layout, new ArrayBuffer(SLICE_RECORDS * layout.stride * 4)),
      nowSeconds: () => this.clockSeconds() + this.source.clockStep / 1e9,
      shift: (batch) => shiftTimes(batch, this.source.clockStep),
      hasRoom: () => this.shard.meter.records.hasRoom && this.outbox.length + this.lent.size < BUSY_WAY,
      makeRoom: () => this.takeRecords(false),
      saySlice: (id, buffer, block, seconds) => this.options.say({ type: 'slice', id, buffer, block, seconds }),
    };
    this.lookedAt = options.now();
    this.flushedAt = this.lookedAt;
    options.say({ type: 'ready', layout });
    this.publish();
  }

  /** Runs until the source ends, `stop` or `exit`; then all is handed out (but at `exit`) and the accounts are final. */
  async run(): Promise<void> {
    let failure: unknown;
    try {
      await this.observe();
    } catch (error) {
      // What was metered is whole if only the source failed; of anything else nobody knows.
      if (!isSourceError(error)) throw error;
      failure = error.cause;
    }
    if (!this.exiting) await this.finish();
    for (const job of this.jobs)
      this.refuse(job.id, ErrorCode.worker, 'the thread was stopped before the answer was there');
    this.jobs = [];
    this.publish();
    if (failure !== undefined) throw failure;
    this.options.say({ type: 'done' });
  }

  order(order: LiveOrder): void {
    switch (order.type) {
      case 'give':
        this.give(order.id);
        return;
      case 'release':
        this.source.release?.();
        return;
      case 'stop':
        this.source.stop();
        return;
      case 'exit':
        this.exiting = true;
        this.source.stop();
        this.roomWanted?.();
        return;
      case 'pause':
        if (order.on) this.source.pause();
        else this.source.resume();
        return;
      case 'timeouts':
        this.shard.meter.setTimeouts(order.idleNanos, order.activeNanos);
        return;
      case 'samplers':
        this.shard.setPacketSamplers(order.samplers, this.source);
        return;
      case 'report':
        this.publish();
        this.options.say({ type: 'reported', id: order.id });
        return;
      case 'query':
        this.begin(order.id, order.query);
        break;
      case 'more':
        this.jobs.find((job) => job.id === order.id)?.more(order.buffer);
        break;
      case 'cancel':
        this.jobs = this.jobs.filter((job) => job.id !== order.id);
        return;
    }
    if (this.waiting) void this.pump();
  }

  private async observe(): Promise<void> {
    const { source, options } = this;
    let yieldedAt = options.now();
    while (!this.exiting) {
      const packets = this.look();
      const now = options.now();
      if (now - this.flushedAt >= FLUSH_MS) this.flush(now);
      if (packets > 0) {
        if (now >= this.nextSliceAt && this.hasWork()) this.slice();
        if (now - yieldedAt < YIELD_MS) continue;
      } else if (this.hasWork()) {
        this.slice();
      } else if (!this.shard.meter.behind) {
        this.waiting = true;
        const more = await fromSource(() => source.more());
        this.waiting = false;
        this.lookedAt = options.now();
        if (!more) break;
        yieldedAt = this.lookedAt;
        continue;
      }
      await options.turn();
      yieldedAt = options.now();
    }
  }

  /** Takes what the source has, a batch at the most, and lets the clock go on. Returns the number of packets. */
  private look(): number {
    const { shard, source, tally } = this;
    const { batch, meter } = shard;
    const before = this.options.now();
    this.accounts.noteLook(before - this.lookedAt);
    this.lookedAt = before;
    let n = 0;
    try {
      n = source.fill(batch);
    } catch (cause) {
      throw new SourceError(cause);
    }
    if (n > 0) {
      tally.add(batch);
      shard.decode();
      for (let at = 0; at < n; ) {
        at = meter.process(at, n);
        this.takeRecords(false);
      }
    } else if (!this.packetsSeen) {
      const { seconds, nanos } = source.now();
      if (seconds > 0) while (!meter.idleUntil(seconds, nanos)) this.takeRecords(false);
      this.takeRecords(false);
    }
    // A source that says once that it has nothing may only have taken a breath: then packets that wait in it are older
    // than the clock, and their time must come first.
    this.packetsSeen = n > 0;
    if (this.outbox.length > 0) this.sayRecords();
    return n;
  }

  /** Queries that can go on now. */
  private hasWork(): boolean {
    for (const job of this.jobs) if (job.ready) return true;
    return false;
  }

  /** One slice of one query, in turn. */
  private slice(): void {
    const { jobs, options } = this;
    for (let tried = 0; tried < jobs.length; tried++) {
      const job = jobs[this.nextJob++ % jobs.length];
      if (!job.ready) continue;
      const before = options.now();
      let answer: ReturnType<Job['step']>;
      try {
        for (let steps = 0; steps < SLICE_STEPS && answer === undefined && job.ready; steps++) {
          answer = job.step();
          this.takeRecords(false);
          if (options.now() - before >= SLICE_MS) break;
        }
      } catch (error) {
        this.drop(job);
        this.refuse(job.id, ErrorCode.worker, `the query failed: ${String(error)}`);
        return;
      }
      if (answer !== undefined) {
        this.drop(job);
        this.flush(before);
        options.say({ type: 'answer', id: job.id, answer });
      } else if (this.outbox.length > 0) this.sayRecords();
      const after = options.now();
      this.nextSliceAt = after + (after - before) * (SLICE_SHARE - 1);
      return;
    }
  }

  private drop(job: Job): void {
    this.jobs = this.jobs.filter((other) => other !== job);
  }

  /** Works on queries while `run` waits for packets. */
  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.waiting && this.hasWork()) {
        this.slice();
        await this.options.turn();
      }
    } finally {
      this.pumping = false;
    }
  }

  private begin(id: number, query: Extract<LiveOrder, { type: 'query' }>['query']): void {
    if (this.finishing || this.exiting) {
      this.refuse(id, ErrorCode.worker, 'the daemon is stopping');
      return;
    }
    if (this.jobs.length >= MOST_JOBS) {
      this.refuse(id, ErrorCode.limit, `more than ${MOST_JOBS} queries at one time`);
      return;
    }
    try {
      this.jobs.push(createJob(id, query, this.context));
    } catch (error) {
      if (!(error instanceof RheoError)) throw error;
      this.refuse(id, error.code, error.message);
    }
  }

  private refuse(id: number, code: ErrorCode, message: string): void {
    this.options.say({ type: 'refused', id, code, message });
  }

  /** Takes finished records from the meter. When the meter has no room and as many as may be are on their way, drops. */
  private takeRecords(partial: boolean): void {
    const { records } = this.shard.meter;
    while (this.outbox.length + this.lent.size < ON_THE_WAY) {
      const batch = records.take(partial);
      if (batch === undefined) return;
      this.outbox.push(batch);
    }
    while (!records.hasRoom) {
      const batch = records.take(false);
      if (batch === undefined) return;
      this.recordsDropped += batch.count;
      records.give(batch);
    }
  }

  /** Hands the outbox over. The accounts come first: no record is there before it is accounted for. */
  private sayRecords(): void {
    this.publish();
    for (const batch of this.outbox) {
      shiftTimes(batch, this.source.clockStep);
      const id = ++this.lastId;
      this.lent.set(id, batch);
      const { count, quoted, words } = batch;
      this.options.say({ type: 'records', id, memory: words.buffer as SharedArrayBuffer, count, quoted });
    }
    this.outbox.length = 0;
  }

  private flush(now: number): void {
    this.flushedAt = now;
    this.takeRecords(true);
    if (this.outbox.length > 0) this.sayRecords();
    else this.publish();
  }

  private give(id: number): void {
    const batch = this.lent.get(id);
    if (batch === undefined) return;
    this.lent.delete(id);
    this.shard.meter.records.give(batch);
    this.roomWanted?.();
  }

  /** Ends all flows and hands them out; waits for room, as no packets come any more. */
  private async finish(): Promise<void> {
    this.finishing = true;
    const { meter } = this.shard;
    for (let done = false; !done && !this.exiting; ) {
      done = meter.finish();
      for (;;) {
        const { records } = meter;
        const batch = records.take(done);
        if (batch === undefined) break;
        while (this.outbox.length + this.lent.size >= ON_THE_WAY && !this.exiting) {
          if (this.outbox.length > 0) this.sayRecords();
          await this.room();
        }
        this.outbox.push(batch);
      }
      if (this.outbox.length > 0) this.sayRecords();
      await this.options.turn();
    }
  }

  private async room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.roomWanted = resolve;
    });
    this.roomWanted = undefined;
  }

  private clockSeconds(): number {
    const { seconds, nanos } = this.source.now();
    return seconds + nanos / 1e9;
  }

  /** Writes the accounts, and says what they do not hold. */
  private publish(): void {
    const { source, options } = this;
    const interfaces = source.statistics();
    const { counters } = source;
    this.accounts.publish(
      this.shard,
      this.tally,
      this.recordsDropped,
      counters,
      this.clockSeconds() + source.clockStep / 1e9,
      interfaces,
    );
    if (source.clockStep !== this.clockStep) {
      const seconds = (source.clockStep - this.clockStep) / 1e9;
      this.clockStep = source.clockStep;
      options.say({ type: 'event', level: 'warn', message: `the clock was set by ${seconds.toFixed(3)} s` });
    }
    let known = '';
    for (const one of interfaces) known += `${one.name}\n${one.state}\n${one.kernelIndex}\n${one.lastError ?? ''}\n`;
    if (known !== this.knownInterfaces) {
      this.knownInterfaces = known;
      options.say({ type: 'interfaces', interfaces: interfaces.map((one) => ({ ...one })) });
    }
    const damaged = Object.values(counters.damaged).reduce((sum, count) => sum + count, 0);
    const troubles = `${damaged} ${source.warnings.length}`;
    if (troubles !== this.knownTroubles) {
      this.knownTroubles = troubles;
      options.say({ type: 'source', damaged: { ...counters.damaged }, warnings: [...source.warnings] });
    }
  }
}

/** The source failed, not the metering. */
class SourceError extends Error {
  constructor(cause: unknown) {
    super('the source failed', { cause });
  }
}

function isSourceError(error: unknown): error is SourceError {
  return error instanceof SourceError;
}

async function fromSource<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new SourceError(cause);
  }
}
