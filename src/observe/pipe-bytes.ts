import { close as fsClose, readSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { ByteQueue, type ByteSource, Wakeup } from './bytes.js';
import { inputError } from './input-error.js';

/** Bytes that may wait unread before the stream is paused. */
const QUEUE_LIMIT = 1024 * 1024;

/** Reads a stream: standard input, the end of a pipe, a socket. Hands out bytes as they arrive. */
export class StreamBytes implements ByteSource {
  readonly name: string;
  readonly totalBytes = undefined;
  readonly damage = undefined;
  consumed = 0;
  private readonly stream: Readable;
  private readonly queue = new ByteQueue();
  private readonly changed = new Wakeup();
  private ended = false;
  private error: unknown = undefined;

  constructor(name: string, stream: Readable) {
    this.name = name;
    this.stream = stream;
    stream.on('data', (part: Buffer) => {
      this.queue.push(part);
      if (this.queue.size > QUEUE_LIMIT) stream.pause();
      this.changed.notify();
    });
    const end = (): void => {
      this.ended = true;
      this.changed.notify();
    };
    if (stream.destroyed || stream.readableEnded) this.ended = true;
    stream.on('end', end);
    stream.on('close', end);
    stream.on('error', (error) => {
      this.error = error;
      end();
    });
  }

  async read(target: Uint8Array): Promise<number> {
    while (this.queue.size === 0 && !this.ended) await this.changed.wait();
    const n = this.queue.take(target);
    this.consumed += n;
    if (n === 0 && this.error !== undefined) throw inputError(this.name, this.error, this.consumed);
    if (this.queue.size === 0 && !this.ended) this.stream.resume();
    return n;
  }

  async close(): Promise<void> {
    this.ended = true;
    this.stream.destroy();
    this.changed.notify();
  }
}

/** How often to look whether a named pipe has got a writer, in ms. */
const WRITER_POLL_MS = 20;
const PROBE_LENGTH = 4096;

/**
 * A named pipe, opened without blocking (a blocking open or read would hold a thread of the pool until a writer comes).
 * Waits for the first writer; the end is where the last one closes.
 */
export class NamedPipeBytes implements ByteSource {
  readonly name: string;
  readonly totalBytes = undefined;
  readonly damage = undefined;
  private readonly fd: number;
  private readonly changed = new Wakeup();
  private readonly head = new ByteQueue();
  private headTaken = 0;
  private stream: StreamBytes | undefined;
  private closed = false;

  /** @param fd opened with O_RDONLY and O_NONBLOCK; closed by `close` */
  constructor(name: string, fd: number) {
    this.name = name;
    this.fd = fd;
  }

  get consumed(): number {
    return this.headTaken + (this.stream?.consumed ?? 0);
  }

  async read(target: Uint8Array): Promise<number> {
    while (this.stream === undefined) {
      if (this.closed) return 0;
      if (this.hasWriter()) {
        this.stream = new StreamBytes(this.name, new Socket({ fd: this.fd, readable: true, writable: false }));
        break;
      }
      const timer = setTimeout(() => this.changed.notify(), WRITER_POLL_MS);
      await this.changed.wait();
      clearTimeout(timer);
    }
    if (this.head.size > 0) {
      const n = this.head.take(target);
      this.headTaken += n;
      return n;
    }
    return this.stream.read(target);
  }

  /** Without a writer a read says "end"; with one that is silent, "try again". */
  private hasWriter(): boolean {
    const probe = new Uint8Array(PROBE_LENGTH);
    try {
      const n = readSync(this.fd, probe, 0, probe.length, null);
      this.head.push(probe.subarray(0, n));
      return n > 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return true;
      throw inputError(this.name, error);
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.changed.notify();
    if (this.stream !== undefined) await this.stream.close();
    else await new Promise<void>((resolve) => fsClose(this.fd, () => resolve()));
  }
}
