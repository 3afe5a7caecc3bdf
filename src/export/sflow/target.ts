import type { CounterSample, PacketSample, SampleSink, SampleWish } from '../../model/packet-sample.js';
import type { ExportContext, Target, TargetCounters } from '../../model/target.js';
import { addCounts } from '../counts.js';
import type { HostPort } from '../target-url.js';
import type { Connect } from '../transport/connection.js';
import { Session, type SessionOptions } from '../transport/session.js';
import { SflowEncoder, type SflowEncoderOptions } from './encoder.js';
import { type Sample, SampleQueue } from './sample-queue.js';

export interface SflowTargetOptions extends Pick<SessionOptions<Sample>, 'rate' | 'pace'> {
  readonly hosts: readonly HostPort[];
  readonly queueBytes: number;
  readonly connect: Connect;
  readonly wish: SampleWish;
  readonly encoder: Omit<SflowEncoderOptions, 'uptimeMs'>;
  /** Waiting for a collector on which nothing moves ends after so long (lossless), as does closing. */
  readonly patienceMs: number;
}

/** A collector: each gets all samples, in datagrams with sequence numbers of its own. */
interface Way {
  readonly queue: SampleQueue;
  readonly encoder: SflowEncoder;
  readonly session: Session<Sample>;
  readonly dropped: Record<string, number>;
  /** Lossless: when something moved last, and whether waiting was given up. */
  sent: number;
  movedAtMs: number;
  givenUp: boolean;
}

const NO_INFO = {
  interfaces: [],
  metering: {
    packets: 0,
    ignoredPackets: 0,
    ignoredOctets: 0,
    notSentFlows: 0,
    notSentPackets: 0,
    notSentOctets: 0,
  },
  exported: { messages: 0, octets: 0, records: 0 },
};

/** sFlow collectors. Takes samples, not records: where others count records, it counts samples of packets and of counters. */
export class SflowTarget implements Target, SampleSink {
  readonly url: string;
  readonly wish: SampleWish;
  readonly #options: SflowTargetOptions;
  readonly #context: ExportContext;
  readonly #ways: readonly Way[];
  #received = 0;
  #closed = false;
  #pumping = false;
  #waiters: (() => void)[] = [];

  constructor(url: string, options: SflowTargetOptions, context: ExportContext) {
    this.url = url;
    this.wish = options.wish;
    this.#options = options;
    this.#context = context;
    this.#ways = options.hosts.map((host) => this.#way(host));
  }

  get copies(): number {
    return this.#ways.length;
  }

  get samples(): SampleSink {
    return this;
  }

  start(): void {
    for (const { session } of this.#ways) session.start();
  }

  #way(peer: HostPort): Way {
    const { rate, pace, queueBytes, connect } = this.#options;
    const { now, lossless, log } = this.#context;
    const begunAt = performance.now();
    const queue = new SampleQueue(queueBytes);
    const uptimeMs = lossless ? undefined : (): number => performance.now() - begunAt;
    const encoder = new SflowEncoder({ ...this.#options.encoder, uptimeMs });
    const session = new Session<Sample>(
      {
        peer,
        encoder,
        connect: async (to, events) => {
          const connection = await connect(to, events);
          encoder.setAgent(connection.localAddress);
          return connection;
        },
        datagrams: true,
        templateIntervalMs: 0,
        templatePackets: 0,
        rate,
        pace,
        now,
        info: () => NO_INFO,
        log: (level, message) => log(level, `export to ${message}`),
        moved: () => this.#moved(),
      },
      queue,
    );
    return { queue, encoder, session, dropped: {}, sent: 0, movedAtMs: performance.now(), givenUp: false };
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
    for (const { queue, session, dropped } of this.#ways) {
      const { counters } = session;
      sum.sent += counters.sent;
      sum.waiting += queue.records + session.waiting;
      sum.messages += counters.messages;
      sum.bytes += counters.bytes;
      sum.reconnects += counters.reconnects;
      addCounts(sum.dropped, dropped);
      addCounts(sum.dropped, counters.dropped);
    }
    return sum;
  }

  get state(): 'connecting' | 'up' | 'down' {
    const states = this.#ways.map(({ session }) => session.state);
    if (states.includes('up')) return 'up';
    return states.includes('connecting') ? 'connecting' : 'down';
  }

  get lastError(): string | undefined {
    return this.#ways.find(({ session }) => session.lastError !== undefined)?.session.lastError;
  }

  /** Records are not what it sends. */
  write(): void {}

  sendTemplates(): void {
    // There are none.
  }

  takePacket(sample: PacketSample): void {
    this.#give(sample);
  }

  takeCounters(sample: CounterSample): void {
    this.#give(sample);
  }

  /** Collectors date samples by their arrival: those for one that is away are not kept, but for a look whether it is back. */
  #give(sample: Sample): void {
    const { lossless } = this.#context;
    for (const way of this.#ways) {
      this.#received++;
      const { queue, session } = way;
      const away = !lossless && session.state === 'down';
      if (this.#closed || away || (queue.full && (!lossless || way.givenUp))) {
        const reason = this.#closed ? 'closed' : session.state === 'down' ? 'unreachable' : 'queueFull';
        this.#drop(way, reason, sample);
        continue;
      }
      queue.push(sample);
      session.pump();
    }
  }

  #drop({ dropped, encoder }: Way, reason: string, sample: Sample): void {
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    encoder.noteLost(sample);
  }

  flush(): void {
    for (const { session } of this.#ways) session.pump(true);
  }

  tick(): void {
    for (const { session } of this.#ways) session.tick();
    this.#moved();
  }

  room(): Promise<void> | undefined {
    if (!this.#context.lossless || !this.#ways.some(({ queue, givenUp }) => queue.full && !givenUp)) return undefined;
    for (const way of this.#ways) way.movedAtMs = performance.now();
    return new Promise((resolve) => {
      const timer = setInterval(() => this.#moved(), 250);
      this.#waiters.push(() => {
        clearInterval(timer);
        resolve();
      });
    });
  }

  /** Something went out, or can go out again. */
  #moved(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    for (const { session } of this.#ways) session.pump(this.#closed);
    this.#pumping = false;
    if (this.#waiters.length === 0 || this.#ways.some((way) => this.#mustWait(way))) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #mustWait(way: Way): boolean {
    if (way.givenUp || !way.queue.crowded) return false;
    const sent = way.session.arrived;
    const now = performance.now();
    if (sent !== way.sent) {
      way.sent = sent;
      way.movedAtMs = now;
      return true;
    }
    if (now - way.movedAtMs < this.#options.patienceMs) return true;
    way.givenUp = true;
    const why = way.session.lastError ?? 'it takes nothing';
    this.#context.log(
      'error',
      `export to ${this.url}: ${why}: not waiting any longer, samples are dropped from here on`,
    );
    return false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { patienceMs } = this.#options;
    await Promise.all(this.#ways.map(({ session }) => session.close(patienceMs)));
    for (const way of this.#ways) {
      const reason = way.session.lastError === undefined ? 'closed' : 'unreachable';
      for (const sample of way.queue.clear()) this.#drop(way, reason, sample);
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
