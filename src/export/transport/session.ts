import { Added, type ExporterInfo, type FlowEncoder, type RecordRows } from '../../codec/flow-encoder.js';
import type { HostPort } from '../target-url.js';
import { Backoff } from './backoff.js';
import { type Connect, type Connection, hostText } from './connection.js';
import { TokenBucket } from './token-bucket.js';

const BACKOFF_LEAST_MS = 500;
/** A datagram socket finds out only by sending whether somebody listens again: ask more often. */
const BACKOFF_MOST_MS = { datagram: 5_000, stream: 30_000 } as const;
/** To a datagram socket templates, or one message, go first; if somebody listens, nothing comes back for so long. */
const PROBE_MS = 200;
/** A stream on which nothing moves for so long is taken for dead. */
const STALL_MS = 60_000;
/** Options go out with every so manieth resend of the templates. */
const OPTIONS_EVERY = 10;

/** What a session needs of an encoder; a FlowEncoder is one. `Rows` is what it encodes: batches of records, or samples. */
export interface MessageEncoder<Rows> extends Omit<FlowEncoder, 'add' | 'waiting' | 'withdraw'> {
  add(batch: Rows, index: number): Added;
}

/** What waits to be encoded: the next one is `index` of `batch`. */
export interface MessageQueue<Rows> {
  readonly batch: Rows | undefined;
  readonly index: number;
  /** How many wait. */
  readonly records: number;
  /** The next one was taken. */
  advance(): void;
}

export interface SessionOptions<Rows = RecordRows> {
  readonly peer: HostPort;
  readonly encoder: MessageEncoder<Rows>;
  readonly connect: Connect;
  /** Datagrams: templates are sent again, and the pace is limited as nobody pushes back. */
  readonly datagrams: boolean;
  /** Resend templates after so many ms or messages; 0 = never. */
  readonly templateIntervalMs: number;
  readonly templatePackets: number;
  /** Records a second at the most; undefined = no limit. */
  readonly rate: number | undefined;
  /** Bytes a second and at a time that go to a datagram socket. */
  readonly pace: { readonly bytesPerSecond: number; readonly burstBytes: number } | undefined;
  /** Export time, ms since 1970. */
  readonly now: () => number;
  readonly info: () => ExporterInfo;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Records went out, were lost, or the state changed: who waits may look again. */
  readonly moved: () => void;
}

export interface SessionCounters {
  sent: number;
  dropped: Record<string, number>;
  messages: number;
  bytes: number;
  reconnects: number;
}

/**
 * A transport session with one collector (RFC 7011 §10): takes records out of a queue when the connection has room for them,
 * so that sequence numbers, templates and export times are right whenever a message goes out. Several sessions may share a
 * queue: each takes what it can send.
 */
export class Session<Rows = RecordRows> {
  readonly counters: SessionCounters = { sent: 0, dropped: {}, messages: 0, bytes: 0, reconnects: 0 };
  readonly #options: SessionOptions<Rows>;
  readonly #queue: MessageQueue<Rows>;
  readonly #backoff: Backoff;
  readonly #recordTokens: TokenBucket | undefined;
  readonly #byteTokens: TokenBucket | undefined;
  #connection: Connection | undefined;
  #state: 'connecting' | 'up' | 'down' = 'connecting';
  #ready = false;
  #closed = false;
  #probing = false;
  /** Records that had been sent before the probe. */
  #sentBefore = 0;
  /** There was nothing to probe with: the next message does it. */
  #unproven = false;
  /** A message is being given to the connection: what it reports meanwhile must not begin another. */
  #sending = false;
  /** Was told of the failure; it is not told again until it is over. */
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Records in the open message, and in messages that are on their way. */
  #inMessage = 0;
  #inFlight = 0;
  #messagesInFlight = 0;
  /** Messages given to connections so far. */
  #messages = 0;
  #movedAtMs = 0;
  #announcedAtMs = 0;
  #sinceAnnounced = 0;
  #resends = 0;
  /** Records that the encoder had refused when last looked. */
  #refusals: Record<string, number> = {};
  lastError: string | undefined;

  constructor(options: SessionOptions<Rows>, queue: MessageQueue<Rows>) {
    this.#options = options;
    this.#queue = queue;
    this.#backoff = new Backoff(BACKOFF_LEAST_MS, BACKOFF_MOST_MS[options.datagrams ? 'datagram' : 'stream']);
    const { rate, pace } = options;
    const now = performance.now();
    if (rate !== undefined) this.#recordTokens = new TokenBucket(rate, Math.max(1, rate / 100), now);
    if (pace !== undefined) this.#byteTokens = new TokenBucket(pace.bytesPerSecond, pace.burstBytes, now);
  }

  get state(): 'connecting' | 'up' | 'down' {
    return this.#state;
  }

  /** Records that left the queue and are not sent yet. */
  get waiting(): number {
    return this.#inMessage + this.#inFlight;
  }

  /** Records that went out and were not refused, as far as is known: a probe may still be. */
  get arrived(): number {
    return this.#probing ? this.#sentBefore : this.counters.sent;
  }

  /** Records can be taken now. */
  get ready(): boolean {
    return this.#ready && !this.#probing && this.#delayMs() === 0;
  }

  start(): void {
    void this.#connect();
  }

  /**
   * Sends templates and options. They have messages of their own: collectors that leave the records of options out of their
   * count of sequence numbers (nfcapd) then miss none as long as no data came.
   */
  announce(): void {
    this.#announce(this.#options.info());
  }

  /** Sends one message, if there is enough for one and room for it. @returns whether it did */
  step(flush: boolean): boolean {
    if (this.#sending) return false;
    if (!this.#ready) this.#connection?.retry?.();
    if (!this.#ready || this.#probing) return false;
    if (this.#unproven) {
      this.#probe();
      return false;
    }
    const delayMs = this.#delayMs();
    if (delayMs > 0) {
      this.#later(delayMs);
      return false;
    }
    return this.#sendOne(flush);
  }

  /** As much as there is and fits. */
  pump(flush = false): void {
    while (this.step(flush));
  }

  /** About once a second: resends templates, sends what waits for company, notices a peer that is stuck. */
  tick(): void {
    const { datagrams, templateIntervalMs } = this.#options;
    const now = performance.now();
    if (datagrams && templateIntervalMs > 0 && now - this.#announcedAtMs >= templateIntervalMs) {
      const withOptions = ++this.#resends % OPTIONS_EVERY === 0;
      this.#announce(withOptions ? this.#options.info() : undefined);
    }
    if (!datagrams && this.#messagesInFlight > 0 && now - this.#movedAtMs > STALL_MS) {
      const connection = this.#connection;
      this.#connection = undefined;
      connection?.destroy();
      this.#lost(new Error(`${hostText(this.#options.peer)}: takes nothing for ${STALL_MS / 1000} s`));
      return;
    }
    this.pump(true);
  }

  /**
   * Sends the rest of the queue if it can, for at most `patienceMs` without progress, and closes; what is left over is counted
   * as dropped by the owner of the queue.
   */
  async close(patienceMs: number): Promise<void> {
    let sent = -1;
    let until = 0;
    while (this.#queue.records + this.waiting > 0 || this.#options.encoder.open || this.#probing) {
      const now = performance.now();
      if (this.arrived !== sent) {
        sent = this.arrived;
        until = now + patienceMs;
      } else if (now >= until) break;
      this.pump(true);
      if (this.#queue.records + this.waiting === 0 && !this.#options.encoder.open && !this.#probing) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#ready = false;
    if (connection !== undefined) {
      const closing = connection.close();
      const timer = setTimeout(() => connection.destroy(), Math.max(1000, patienceMs));
      await closing;
      clearTimeout(timer);
    }
    this.#dropInMessage('closed');
    this.#state = 'down';
  }

  drop(reason: string, count: number): void {
    if (count <= 0) return;
    const { dropped } = this.counters;
    dropped[reason] = (dropped[reason] ?? 0) + count;
    this.#options.moved();
  }

  async #connect(): Promise<void> {
    const { peer, encoder, datagrams } = this.#options;
    this.#state = 'connecting';
    try {
      let mine: Connection | undefined;
      const connection = await this.#options.connect(peer, {
        ready: () => {
          if (this.#connection !== mine) return;
          this.#ready = true;
          this.#options.moved();
        },
        lost: (error) => {
          if (this.#connection !== mine) return;
          this.#connection = undefined;
          this.#lost(error);
        },
      });
      mine = connection;
      if (this.#closed) {
        connection.destroy();
        return;
      }
      this.#connection = connection;
      this.#ready = true;
      this.#movedAtMs = performance.now();
      // A datagram socket has no memory of its own: the collector knows our sequence numbers.
      if (!datagrams) {
        encoder.reset();
        this.#inMessage = 0;
        this.#up();
      }
      const before = this.#messages;
      this.announce();
      if (datagrams) this.#probe(this.#messages > before);
      else this.#up();
      this.#options.moved();
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  #up(): void {
    this.#state = 'up';
    if (!this.#failing) return;
    this.#failing = false;
    this.#backoff.reset();
    this.#options.log('info', `${hostText(this.#options.peer)}: reached again`);
  }

  /** One message goes out; if no refusal comes back, the rest follows. @param sent templates went out already */
  #probe(sent = false): void {
    const connection = this.#connection;
    const before = this.#messages;
    this.#sentBefore = this.counters.sent;
    // From here on: records that are refused are told of, and who hears it must not send more.
    this.#probing = true;
    if (!sent) this.#sendOne(true);
    this.#unproven = !sent && this.#messages === before;
    if (this.#unproven) {
      this.#probing = false;
      if (!this.#failing) this.#up();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#probing = false;
      if (connection !== this.#connection || connection === undefined) return;
      this.#up();
      this.#options.moved();
    }, PROBE_MS);
  }

  #lost(error: Error): void {
    this.#ready = false;
    if (this.#probing) {
      // The kernel took them, but nobody was there.
      const refused = this.counters.sent - this.#sentBefore;
      this.counters.sent -= refused;
      this.drop('unreachable', refused);
    }
    this.#probing = false;
    this.#unproven = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { datagrams, encoder } = this.#options;
    // The next message that goes out holds templates: the collector may be another one, with no memory of ours.
    if (datagrams && encoder.open) this.#inMessage -= this.#dropMessage();
    if (!datagrams) this.#dropInMessage('connectionLost');
    if (this.#closed) return;
    this.#state = 'down';
    const text = error.message;
    if (!this.#failing || text !== this.lastError) this.#options.log('warn', `${text}; trying again`);
    this.lastError = text;
    this.#failing = true;
    this.counters.reconnects++;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), this.#backoff.next());
    this.#options.moved();
  }

  /** Ends the open message, which goes nowhere. @returns records that were complete with it */
  #dropMessage(): number {
    const { records } = this.#options.encoder.finish();
    this.drop('unreachable', records);
    return records;
  }

  #dropInMessage(reason: string): void {
    const count = this.#inMessage;
    this.#inMessage = 0;
    this.drop(reason, count);
  }

  #delayMs(): number {
    const records = this.#recordTokens;
    const bytes = this.#connection?.pushesBack === true ? undefined : this.#byteTokens;
    if (records === undefined && bytes === undefined) return 0;
    const now = performance.now();
    return Math.max(records?.waitMs(now) ?? 0, bytes?.waitMs(now) ?? 0);
  }

  #later(delayMs: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#options.moved();
    }, delayMs);
  }

  #sendOne(flush: boolean): boolean {
    const { encoder, now, datagrams, templatePackets } = this.#options;
    const queue = this.#queue;
    if (queue.records === 0 && !(flush && (encoder.open || encoder.pending))) return false;
    if (datagrams && templatePackets > 0 && this.#sinceAnnounced >= templatePackets) this.#announce(undefined);
    if (!this.#ready) return false;
    if (!encoder.open) encoder.begin(now());
    let complete = false;
    for (let { batch } = queue; batch !== undefined; batch = queue.batch) {
      const { index } = queue;
      const added = encoder.add(batch, index);
      if (added === Added.full) {
        complete = true;
        break;
      }
      queue.advance();
      if (added === Added.done) this.#inMessage++;
      else this.#countRefused();
    }
    if (!complete && !flush) return false;
    return this.#finish() || complete;
  }

  #announce(info: ExporterInfo | undefined): void {
    const { encoder, now } = this.#options;
    encoder.announce(info);
    this.#announcedAtMs = performance.now();
    this.#sinceAnnounced = 0;
    // A connection that is full gets them before the next record.
    if (this.#connection === undefined || !this.#ready || this.#sending) return;
    if (encoder.open) this.#finish();
    while (encoder.pending && this.#ready) {
      encoder.begin(now());
      this.#finish();
    }
  }

  /** Sends the open message. @returns false if it was empty */
  #finish(): boolean {
    const { bytes, records } = this.#options.encoder.finish();
    this.#inMessage -= records;
    if (bytes.length === 0) return false;
    this.#sinceAnnounced++;
    this.#send(bytes, records);
    return true;
  }

  #send(bytes: Uint8Array, records: number): void {
    const { length } = bytes;
    this.#recordTokens?.take(records);
    this.#byteTokens?.take(length);
    this.#inFlight += records;
    this.#messagesInFlight++;
    this.#messages++;
    this.#sending = true;
    const more = this.#connection!.send(bytes, (error) => {
      this.#inFlight -= records;
      this.#messagesInFlight--;
      this.#movedAtMs = performance.now();
      // Who can take more then says so by `ready`.
      if (error === undefined) {
        this.counters.sent += records;
        this.counters.messages++;
        this.counters.bytes += length;
        return;
      }
      const { code } = error as NodeJS.ErrnoException;
      const reason = code === 'EMSGSIZE' ? 'tooLong' : this.#options.datagrams ? 'unreachable' : 'connectionLost';
      if (code === 'EMSGSIZE') this.lastError = `a message of ${length} bytes is too long for the path; set mtu=`;
      this.drop(reason, records);
      this.#options.moved();
    });
    this.#sending = false;
    if (!more) this.#ready = false;
  }

  /** One record was refused: the encoder's counters say why. */
  #countRefused(): void {
    let why = 'refused';
    for (const [reason, count] of Object.entries(this.#options.encoder.refused)) {
      if (count > (this.#refusals[reason] ?? 0)) why = reason;
      this.#refusals[reason] = count;
    }
    this.drop(why, 1);
  }
}
