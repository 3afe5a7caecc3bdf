import type { Socket } from 'node:net';
import { ErrorCode } from '../core/errors.js';
import type { RpcCounters } from './counters.js';
import { type Caller, type Dispatcher, tooLong } from './dispatcher.js';
import { Feed } from './feed.js';
import type { RpcLimits } from './limits.js';
import { errorObject, RpcCode, RpcError, type RpcErrorObject } from './messages.js';
import type { DumpEnd, SubscriptionName } from './method-types.js';
import type { Service } from './service.js';

const NEWLINE = 10;
/** A client that is sent away may read the reason for so long. */
const FAREWELL_MS = 1000;

/** What a connection needs of its listener. */
export interface ConnectionContext {
  readonly service: Service;
  readonly dispatcher: Dispatcher;
  readonly limits: Readonly<RpcLimits>;
  readonly counters: RpcCounters;
  /** Called when much waits for this connection's reader. */
  readonly onFull: () => void;
}

/** Line with an error that answers no request in particular. */
export function errorLine(error: RpcErrorObject): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: null, error })}\n`;
}

/**
 * One client of the socket: requests come as lines and are answered as lines. Reads no further while it has enough to do or
 * while the reader leaves answers lying; what a client makes us keep is bounded by the limits.
 */
export class UnixConnection {
  readonly socket: Socket;
  /** When it last said something, in ms of the monotonic clock. */
  lastHeard: number = performance.now();
  readonly #context: ConnectionContext;
  readonly #caller: Caller;
  readonly #feeds = new Map<number, Feed>();
  #nextFeed = 1;
  /** Whole lines that wait; those before `#taken` are done. */
  #lines: Uint8Array[] = [];
  #taken = 0;
  /** Begin of a line that is not whole yet. */
  #parts: Uint8Array[] = [];
  #partLength = 0;
  #partTimer: NodeJS.Timeout | undefined;
  /** Requests that are worked on. */
  #active = 0;
  #dumping = false;
  #inputEnded = false;
  #refused = false;

  constructor(socket: Socket, name: string, context: ConnectionContext) {
    this.socket = socket;
    this.#context = context;
    this.#caller = {
      name,
      mayChange: true,
      subscribe: (what) => this.#subscribe(what),
      unsubscribe: (number) => this.#unsubscribe(number),
      mayDump: () => this.#active === 1 && this.#feeds.size === 0,
    };
    socket.setTimeout(context.limits.stallMs);
    socket.on('timeout', () => {
      // Silence is allowed, leaving answers lying is not.
      if (socket.writableLength === 0) return;
      context.counters.stalledConnections++;
      socket.destroy();
    });
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk));
    socket.on('drain', () => this.#pump());
    socket.on('end', () => this.#end());
    // A client may go in the middle of anything; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => this.#close());
  }

  /** True if nothing is lost to the client when the connection is taken away. */
  get idle(): boolean {
    return this.#active === 0 && this.#feeds.size === 0 && !this.#dumping && this.#taken === this.#lines.length;
  }

  /** Tells why and ends the connection. */
  refuse(error: RpcErrorObject): void {
    if (this.#refused) return;
    this.#refused = true;
    this.#lines = [];
    this.#taken = 0;
    this.#dropPart();
    // What the client still sends is thrown away, so that it gets to read the reason.
    this.socket.resume();
    this.socket.end(errorLine(error));
    setTimeout(() => this.socket.destroy(), FAREWELL_MS).unref();
  }

  #read(chunk: Uint8Array): void {
    if (this.#refused) return;
    this.lastHeard = performance.now();
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(NEWLINE, from);
      if (at < 0) break;
      this.#line(chunk.subarray(from, at));
      if (this.#refused) return;
      from = at + 1;
    }
    if (from < chunk.length) this.#part(chunk.subarray(from));
    this.#pump();
  }

  #line(end: Uint8Array): void {
    if (this.#partLength + end.length > this.#context.limits.requestBytes) {
      this.#refuseLong();
      return;
    }
    let line = end;
    if (this.#partLength > 0) {
      this.#parts.push(end);
      line = Buffer.concat(this.#parts);
      this.#dropPart();
    }
    if (!isBlank(line)) this.#lines.push(line);
  }

  #part(bytes: Uint8Array): void {
    if (this.#partLength + bytes.length > this.#context.limits.requestBytes) {
      this.#refuseLong();
      return;
    }
    this.#parts.push(bytes);
    this.#partLength += bytes.length;
    this.#partTimer ??= setTimeout(() => {
      const { requestMs } = this.#context.limits;
      this.#count(new RpcError(RpcCode.limit, ErrorCode.limit, `a request must be whole after ${requestMs} ms`));
    }, this.#context.limits.requestMs).unref();
  }

  #dropPart(): void {
    clearTimeout(this.#partTimer);
    this.#partTimer = undefined;
    this.#parts = [];
    this.#partLength = 0;
  }

  #refuseLong(): void {
    this.#count(tooLong(this.#context.limits.requestBytes));
  }

  /** Refuses for something that the client sent. */
  #count(error: RpcError): void {
    this.#context.counters.requests++;
    this.#context.counters.errors++;
    const told = errorObject(error);
    if (told !== undefined) this.refuse(told);
  }

  /** Begins as many requests as may be worked on, and reads on if there is room for more. */
  #pump(): void {
    if (this.#refused) return;
    while (this.#taken < this.#lines.length && this.#mayBegin()) {
      const line = this.#lines[this.#taken++];
      this.#active++;
      void this.#answer(line);
    }
    if (this.#taken === this.#lines.length) {
      this.#lines = [];
      this.#taken = 0;
    }
    if (this.#lines.length > 0 || !this.#mayBegin()) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
    if (this.#inputEnded && this.idle) this.socket.end();
  }

  #mayBegin(): boolean {
    const { concurrent, queueBytes } = this.#context.limits;
    return !this.#dumping && this.#active < concurrent && this.socket.writableLength <= queueBytes;
  }

  async #answer(line: Uint8Array): Promise<void> {
    const { text, after, dump } = await this.#context.dispatcher.answer(line, this.#caller);
    if (dump !== undefined) this.#dumping = true;
    if (text !== undefined) await this.#send(`${text}\n`, after);
    else after?.();
    if (dump !== undefined) {
      await this.#sendDump(dump);
      this.#dumping = false;
    }
    this.#active--;
    if (!this.socket.destroyed) this.#pump();
  }

  /** @param after done when the system has the text, or the client is gone */
  #send(text: string, after: (() => void) | undefined): void {
    const { socket } = this;
    if (!socket.writable) {
      after?.();
      return;
    }
    socket.write(text, after);
    if (socket.writableLength > this.#context.limits.queueBytes) this.#context.onFull();
  }

  /** Pieces with their length before them, then 0 and a line that tells how it went. */
  async #sendDump(pieces: AsyncIterator<Uint8Array>): Promise<void> {
    const { socket } = this;
    let bytes = 0;
    let end: DumpEnd;
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (done === true) break;
        if (value.length === 0) continue;
        // The next piece is asked for when the system has this one: no more than one is ever in memory.
        socket.cork();
        socket.write(`${value.length}\n`);
        const written = new Promise<boolean>((resolve) => {
          socket.write(value, (error) => resolve(error === null || error === undefined));
        });
        socket.uncork();
        if (!(await written)) {
          await pieces.return?.();
          return;
        }
        bytes += value.length;
      }
      end = { bytes, complete: true };
    } catch (error) {
      end = { bytes, complete: false, error: this.#context.dispatcher.describe(error, 'dump') };
    }
    if (socket.writable) socket.write(`0\n${JSON.stringify(end)}\n`);
  }

  #subscribe(what: SubscriptionName): number {
    if (this.#inputEnded)
      throw new RpcError(RpcCode.invalidRequest, ErrorCode.usage, 'a subscription ends with its client');
    const { counters, limits, service } = this.#context;
    if (this.#feeds.size >= limits.subscriptionsEach || counters.subscriptions >= limits.subscriptions) {
      throw new RpcError(
        RpcCode.limit,
        ErrorCode.limit,
        `no more than ${limits.subscriptionsEach} subscriptions a connection and ${limits.subscriptions} in all`,
      );
    }
    const number = this.#nextFeed++;
    const { socket } = this;
    const feed = new Feed(
      service,
      what,
      {
        hasRoom: () => socket.writable && !this.#dumping && socket.writableLength <= limits.queueBytes,
        send(event, dropped) {
          const told = dropped === 0 ? '' : `"dropped":${dropped},`;
          const params = `{"subscription":${number},${told}"event":${event}}`;
          socket.write(`{"jsonrpc":"2.0","method":"event","params":${params}}\n`);
        },
      },
      counters,
    );
    this.#feeds.set(number, feed);
    return number;
  }

  #unsubscribe(number: number): boolean {
    this.#feeds.get(number)?.end();
    return this.#feeds.delete(number);
  }

  /**
   * The client will say nothing more, but may well wait for answers: `echo … | nc -N`. Its subscriptions end: one that only
   * half closed and one that died cannot be told apart.
   */
  #end(): void {
    this.#inputEnded = true;
    if (this.#refused) return;
    this.#endFeeds();
    if (this.#partLength > 0) this.#line(new Uint8Array(0));
    this.#pump();
  }

  #close(): void {
    this.#refused = true;
    this.#lines = [];
    this.#taken = 0;
    this.#dropPart();
    this.#endFeeds();
  }

  #endFeeds(): void {
    for (const feed of this.#feeds.values()) feed.end();
    this.#feeds.clear();
  }
}

function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}
