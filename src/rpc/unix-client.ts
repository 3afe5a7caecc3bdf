import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { Client, ConnectOptions, Subscription } from './client.js';
import { errorFrom } from './messages.js';
import type { DumpEnd, DumpParams, EventParams, MethodName, Result, SubscriptionName } from './method-types.js';
import type { ServiceEvent } from './service.js';
import { defaultSocketPath } from './socket-path.js';
import { SocketReader } from './socket-reader.js';

/** Longest line that a daemon may say: more than any page of flows. */
const MAX_LINE = 64 << 20;
const CALL_MS = 30_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

function nobody(path: string, error: NodeJS.ErrnoException): RheoError {
  const how = `Start one: sudo rheo run -i INTERFACE; another socket is named by --control-socket or RHEO_CONTROL_SOCKET.`;
  const options = (remedy: string): { remedy: string; cause: unknown } => ({ remedy, cause: error });
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new RheoError(ErrorCode.control, `no daemon answers: there is no socket ${path}`, options(how));
    case 'ECONNREFUSED':
      return new RheoError(
        ErrorCode.control,
        `no daemon answers on ${path}: the one that made it is gone`,
        options(how),
      );
    case 'EACCES':
    case 'EPERM':
      return new RheoError(
        ErrorCode.access,
        `${path} may not be used by this user`,
        options('Ask as the user that the daemon runs as (sudo), or as a member of its control group.'),
      );
    default:
      return new RheoError(
        ErrorCode.control,
        `no daemon answers on ${path}: ${error.code ?? error.message}`,
        options(how),
      );
  }
}

/** A full queue of a busy daemon is told at once (connect(2), EAGAIN): it is tried again for so long, so often. */
const BUSY_MS = 2000;
const BUSY_PAUSE_MS = 20;

async function open(path: string): Promise<Socket> {
  const deadline = performance.now() + BUSY_MS;
  for (;;) {
    try {
      return await openOnce(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) {
        throw nobody(path, error as NodeJS.ErrnoException);
      }
    }
    await sleep(BUSY_PAUSE_MS);
  }
}

function openOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // A daemon that goes away is told by 'close'.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

function gone(path: string): RheoError {
  return new RheoError(ErrorCode.control, `the daemon on ${path} closed the connection`, {
    remedy: 'Its log says why; rheo ctl health asks whether one answers again.',
  });
}

function nonsense(path: string, what: string): RheoError {
  return new RheoError(ErrorCode.control, `${path}: this is no rheo daemon: ${what}`, {
    remedy: 'Check what listens there, and that its version is that of this command.',
  });
}

interface Message {
  id?: unknown;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: unknown;
}

function parseMessage(path: string, line: Uint8Array): Message {
  try {
    const message: unknown = JSON.parse(Buffer.from(line).toString());
    if (typeof message === 'object' && message !== null) return message;
  } catch {
    // Said below.
  }
  throw nonsense(path, 'it does not speak JSON-RPC');
}

/** Sends one request over a connection of its own and returns, if it was not refused, the reader behind its answer. */
async function ask(
  path: string,
  method: MethodName,
  params: unknown,
): Promise<{ socket: Socket; reader: SocketReader }> {
  const socket = await open(path);
  const reader = new SocketReader(socket, MAX_LINE);
  try {
    socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`);
    const line = await reader.line();
    if (line === undefined) throw gone(path);
    const { error } = parseMessage(path, line);
    if (error !== undefined) throw errorFrom(error);
    return { socket, reader };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

class UnixSubscription implements Subscription {
  dropped = 0;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #reader: SocketReader;
  #left = false;

  constructor(path: string, socket: Socket, reader: SocketReader) {
    this.#path = path;
    this.#socket = socket;
    this.#reader = reader;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ServiceEvent> {
    try {
      for (;;) {
        const line = await this.#reader.line();
        if (line === undefined) {
          if (this.#left) return;
          throw gone(this.#path);
        }
        const { method, params, error } = parseMessage(this.#path, line);
        if (error !== undefined) throw errorFrom(error);
        if (method !== 'event') continue;
        const { dropped, event } = params as EventParams;
        this.dropped += dropped ?? 0;
        yield event;
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#left = true;
    this.#socket.destroy();
  }
}

class UnixClient implements Client {
  readonly address: string;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  /** Connections of subscriptions and dumps. */
  readonly #others = new Set<Socket>();
  #nextId = 1;

  constructor(path: string, socket: Socket, timeoutMs: number) {
    this.address = path;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#failAll(gone(path));
        resolve();
      });
    });
    void this.#read(new SocketReader(socket, MAX_LINE));
  }

  call<M extends MethodName>(method: M, params: unknown = {}): Promise<Result<M>> {
    if (this.#socket.destroyed) return Promise.reject(gone(this.address));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(
          new RheoError(
            ErrorCode.control,
            `the daemon on ${this.address} did not answer '${method}' within ${this.#timeoutMs / 1000} s`,
            { remedy: 'It may be stopped or overloaded: look at the process and at its log.' },
          ),
        );
      }, this.#timeoutMs);
      this.#waiting.set(id, { resolve: (result) => resolve(result as Result<M>), reject, timer });
      this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  }

  async subscribe(what: SubscriptionName): Promise<Subscription> {
    const { socket, reader } = await this.#askAside('subscribe', { what });
    return new UnixSubscription(this.address, socket, reader);
  }

  async *dump(params: DumpParams = {}): AsyncIterable<Uint8Array> {
    const { socket, reader } = await this.#askAside('dump', params);
    try {
      let bytes = 0;
      for (;;) {
        const text = await this.#dumpLine(reader);
        const length = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
        if (Number.isNaN(length)) throw nonsense(this.address, 'a dump with a wrong length');
        if (length === 0) break;
        for await (const piece of reader.bytes(length)) {
          bytes += piece.length;
          yield piece;
        }
      }
      const end = parseMessage(this.address, Buffer.from(await this.#dumpLine(reader))) as Partial<DumpEnd>;
      if (end.error !== undefined) throw errorFrom(end.error);
      if (end.complete !== true || end.bytes !== bytes) throw nonsense(this.address, 'a dump that is not complete');
    } finally {
      socket.destroy();
    }
  }

  async #dumpLine(reader: SocketReader): Promise<string> {
    const line = await reader.line();
    if (line === undefined) throw gone(this.address);
    return Buffer.from(line).toString('latin1');
  }

  /** A request with a connection of its own, that ends with this client at the latest. */
  async #askAside(method: MethodName, params: unknown): Promise<{ socket: Socket; reader: SocketReader }> {
    const { socket, reader } = await ask(this.address, method, params);
    this.#others.add(socket);
    socket.once('close', () => this.#others.delete(socket));
    return { socket, reader };
  }

  close(): void {
    this.#socket.destroy();
    for (const socket of this.#others) socket.destroy();
  }

  async #read(reader: SocketReader): Promise<void> {
    try {
      for (;;) {
        const line = await reader.line();
        if (line === undefined) break;
        this.#take(parseMessage(this.address, line));
      }
    } catch (error) {
      this.#failAll(error as Error);
    }
    this.#socket.destroy();
  }

  #take({ id, result, error }: Message): void {
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) {
      // The connection as a whole is meant: too many of them, for example.
      if (error !== undefined) this.#failAll(errorFrom(error));
      return;
    }
    this.#waiting.delete(id as number);
    clearTimeout(waiting.timer);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(errorFrom(error));
  }

  #failAll(error: Error): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

/** @throws RheoError `RHEO_CONTROL`, `RHEO_ACCESS` */
export async function connectUnix(options: ConnectOptions): Promise<Client> {
  const path = options.socket ?? defaultSocketPath();
  return new UnixClient(path, await open(path), options.timeoutMs ?? CALL_MS);
}
