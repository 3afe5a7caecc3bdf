import type { ExporterInfo, FlowEncoder } from '../codec/flow-encoder.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { ExportContext, Target, TargetCounters } from '../model/target.js';
import { addCounts } from './counts.js';
import { interfaceNumber } from './encode/interface-numbers.js';
import type { HostPort } from './target-url.js';
import type { Connect } from './transport/connection.js';
import { RecordQueue } from './transport/record-queue.js';
import { Session, type SessionOptions } from './transport/session.js';

export interface NetworkOptions
  extends Pick<SessionOptions, 'datagrams' | 'templateIntervalMs' | 'templatePackets' | 'rate' | 'pace'> {
  readonly hosts: readonly HostPort[];
  /** Records to one after the other instead of all to each. */
  readonly spread: boolean;
  readonly queueBytes: number;
  readonly connect: Connect;
  /** One for each session. */
  readonly encoder: () => FlowEncoder;
  /** Waiting for a collector on which nothing moves ends after so long (lossless), as does closing. */
  readonly patienceMs: number;
}

/** Sessions that take from one queue: one of each host, or all of them (spread). */
interface Group {
  readonly queue: RecordQueue;
  readonly sessions: readonly Session[];
  /** Records dropped before a session took them, by reason. */
  readonly dropped: Record<string, number>;
  next: number;
  /** Lossless: when something moved last, and whether waiting was given up. */
  sent: number;
  movedAtMs: number;
  givenUp: boolean;
}

/** Collectors in the network. */
export class NetworkTarget implements Target {
  readonly url: string;
  readonly #context: ExportContext;
  readonly #options: NetworkOptions;
  readonly #groups: readonly Group[];
  #received = 0;
  #notSent = 0;
  #waiters: (() => void)[] = [];
  #pumping = false;
  #closed = false;

  constructor(url: string, options: NetworkOptions, context: ExportContext) {
    this.url = url;
    this.#options = options;
    this.#context = context;
    const group = (hosts: readonly HostPort[]): Group => {
      const queue = new RecordQueue(options.queueBytes);
      const sessions = hosts.map((peer) => this.#session(peer, queue));
      return { queue, sessions, dropped: {}, next: 0, sent: 0, movedAtMs: performance.now(), givenUp: false };
    };
    this.#groups = options.spread ? [group(options.hosts)] : options.hosts.map((host) => group([host]));
  }

  start(): void {
    for (const { sessions } of this.#groups) for (const session of sessions) session.start();
  }

  get counters(): TargetCounters {
    const sum: TargetCounters = {
      received: this.#received,
      sent: 0,
      dropped: {},
      waiting: 0,
      messages: 0,
      bytes: 0,
      reconnects: 0,
    };
    for (const { queue, sessions, dropped } of this.#groups) {
      sum.waiting += queue.records;
      addCounts(sum.dropped, dropped);
      for (const { counters, waiting } of sessions) {
        sum.sent += counters.sent;
        sum.waiting += waiting;
        sum.messages += counters.messages;
        sum.bytes += counters.bytes;
        sum.reconnects += counters.reconnects;
        addCounts(sum.dropped, counters.dropped);
      }
    }
    return sum;
  }

  /** Up if records can go out; down if none of the hosts can be reached. */
  get state(): 'connecting' | 'up' | 'down' {
    const states = this.#groups.flatMap(({ sessions }) => sessions.map((session) => session.state));
    if (states.includes('up')) return 'up';
    return states.includes('connecting') ? 'connecting' : 'down';
  }

  get lastError(): string | undefined {
    for (const { sessions } of this.#groups) {
      for (const { lastError } of sessions) if (lastError !== undefined) return lastError;
    }
    return undefined;
  }

  write(batch: RecordBatch): void | Promise<void> {
    let wait = false;
    for (const group of this.#groups) {
      this.#received += batch.count;
      if (group.queue.full && (!this.#context.lossless || group.givenUp)) {
        this.#drop(group, batch.count);
        continue;
      }
      group.queue.borrow(batch);
      this.#pumping = true;
      this.#pump(group, false);
      this.#pumping = false;
      group.queue.keep();
      wait ||= this.#context.lossless && group.queue.full && !group.givenUp;
    }
    if (wait) return this.#room();
  }

  sendTemplates(): void {
    for (const { sessions } of this.#groups) for (const session of sessions) session.announce();
    for (const group of this.#groups) this.#pump(group, true);
  }

  tick(): void {
    for (const { sessions } of this.#groups) for (const session of sessions) session.tick();
    this.#moved();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { patienceMs } = this.#options;
    await Promise.all(this.#groups.flatMap(({ sessions }) => sessions.map((session) => session.close(patienceMs))));
    for (const group of this.#groups) this.#drop(group, group.queue.clear());
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #session(peer: HostPort, queue: RecordQueue): Session {
    const { connect, encoder, datagrams, templateIntervalMs, templatePackets, rate, pace } = this.#options;
    return new Session(
      {
        peer,
        encoder: encoder(),
        connect,
        datagrams,
        templateIntervalMs,
        templatePackets,
        rate,
        pace,
        now: this.#context.now,
        info: () => this.#info(),
        log: (level, message) => this.#context.log(level, `export to ${message}`),
        moved: () => this.#moved(),
      },
      queue,
    );
  }

  /** Records that no session took: because none is up, or because they are slower than what comes. */
  #drop(group: Group, count: number): void {
    if (count === 0) return;
    const reachable = group.sessions.some((session) => session.state === 'up');
    const reason = this.#closed ? (reachable ? 'closed' : 'unreachable') : reachable ? 'queueFull' : 'unreachable';
    group.dropped[reason] = (group.dropped[reason] ?? 0) + count;
    this.#notSent += count;
  }

  /** The sessions of a group take turns, a message each. */
  #pump(group: Group, flush: boolean): void {
    const { sessions } = group;
    if (sessions.length === 1) {
      sessions[0].pump(flush);
      return;
    }
    for (let idle = 0; idle < sessions.length; ) {
      const session = sessions[group.next];
      group.next = (group.next + 1) % sessions.length;
      idle = session.step(flush) ? 0 : idle + 1;
    }
  }

  /** Something went out, or can go out again. */
  #moved(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    for (const group of this.#groups) this.#pump(group, this.#closed);
    this.#pumping = false;
    if (this.#waiters.length > 0 && !this.#groups.some((group) => this.#mustWait(group))) {
      for (const wake of this.#waiters.splice(0)) wake();
    }
  }

  #mustWait(group: Group): boolean {
    if (group.givenUp || !group.queue.crowded) return false;
    const sent = group.sessions.reduce((sum, session) => sum + session.arrived, 0);
    const now = performance.now();
    if (sent !== group.sent) {
      group.sent = sent;
      group.movedAtMs = now;
      return true;
    }
    if (now - group.movedAtMs < this.#options.patienceMs) return true;
    group.givenUp = true;
    const hosts = group.sessions.map((session) => session.lastError ?? 'takes nothing').join('; ');
    this.#context.log('error', `export to ${hosts}: not waiting any longer, records are dropped from here on`);
    return false;
  }

  async #room(): Promise<void> {
    for (const group of this.#groups) group.movedAtMs = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => this.#moved(), 250);
      this.#waiters.push(() => {
        clearInterval(timer);
        resolve();
      });
    });
  }

  #info(): ExporterInfo {
    const { interfaces, sampling, summary } = this.#context;
    const sums = summary();
    const { sent, messages, bytes } = this.counters;
    const ignored = Object.values(sums.refused).reduce((all, count) => all + count, sums.dropped);
    return {
      interfaces: interfaces().map((observed) => ({
        number: interfaceNumber(observed),
        name: observed.name,
        ...(observed.description === undefined ? {} : { description: observed.description }),
      })),
      ...(sampling === undefined || sampling.scale ? {} : { sampling: { mode: sampling.mode, n: sampling.n } }),
      metering: {
        packets: sums.packets,
        ignoredPackets: ignored,
        ignoredOctets: 0,
        notSentFlows: this.#notSent,
        notSentPackets: 0,
        notSentOctets: 0,
      },
      exported: { messages, octets: bytes, records: sent },
    };
  }
}
