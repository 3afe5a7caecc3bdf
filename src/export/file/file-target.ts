import type { RecordBatch } from '../../model/record-batch.js';
import type { ExportContext, Target, TargetCounters } from '../../model/target.js';
import { addCounts } from '../counts.js';
import type { FileWriter } from './file-writer.js';
import type { FileFormat } from './format.js';

export interface FileTargetOptions {
  /** A file ends when so much time of the clock is over (at whole multiples of it) or it has so many bytes. */
  readonly rotateMs: number | undefined;
  readonly rotateBytes: number | undefined;
  readonly patienceMs: number;
  /** Removes old files; called now and then. */
  readonly retain: (nowMs: number) => void;
}

const RETAIN_EVERY_MS = 60_000;

/** Files in the file system. */
export class FileTarget implements Target {
  readonly url: string;
  readonly #context: ExportContext;
  readonly #options: FileTargetOptions;
  readonly #writer: FileWriter;
  readonly #format: FileFormat;
  #received = 0;
  #open = false;
  /** Rotation by time: the open file ends then. */
  #endMs = Number.POSITIVE_INFINITY;
  #retainedMs = 0;
  /** What the format held at the end was dropped. */
  #discarded = false;
  #waiters: (() => void)[] = [];
  #progress = -1;
  #progressMs = 0;
  #givenUp = false;
  #closed = false;

  constructor(url: string, writer: FileWriter, format: FileFormat, options: FileTargetOptions, context: ExportContext) {
    this.url = url;
    this.#writer = writer;
    this.#format = format;
    this.#options = options;
    this.#context = context;
    // One file in all: it is there from the start, also if no record comes.
    if (!this.#rotates) this.#begin();
  }

  get state(): 'connecting' | 'up' | 'down' {
    return this.#writer.state;
  }

  get lastError(): string | undefined {
    return this.#writer.lastError;
  }

  get counters(): TargetCounters {
    const { sent, dropped, waiting, files, bytes, reopened } = this.#writer;
    const all = { ...dropped };
    addCounts(all, this.#format.refused);
    return {
      received: this.#received,
      sent,
      dropped: all,
      waiting: waiting + (this.#discarded ? 0 : this.#format.waiting),
      messages: files,
      bytes,
      reconnects: reopened,
    };
  }

  write(batch: RecordBatch): void | Promise<void> {
    const writer = this.#writer;
    const { lossless } = this.#context;
    this.#received += batch.count;
    if (this.#closed || (writer.full && (!lossless || this.#givenUp))) {
      writer.drop(this.#closed ? 'closed' : writer.reason, batch.count);
      return;
    }
    this.#rotate(this.#context.now());
    if (!this.#open) this.#begin();
    this.#format.write(batch);
    if (lossless && writer.full && !this.#givenUp) return this.#room();
  }

  sendTemplates(): void {}

  tick(nowMs: number): void {
    this.#format.flush();
    this.#writer.submit();
    this.#rotate(this.#context.now());
    if (nowMs - this.#retainedMs >= RETAIN_EVERY_MS) {
      this.#retainedMs = nowMs;
      this.#options.retain(nowMs);
    }
  }

  /** The writer did something. */
  moved(): void {
    if (this.#waiters.length === 0 || this.#mustWait()) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#open && !this.#writer.broken) this.#end();
    await this.#writer.close(this.#options.patienceMs);
    this.#writer.drop(this.#writer.reason === 'queueFull' ? 'closed' : this.#writer.reason, this.#format.waiting);
    this.#discarded = true;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  get #rotates(): boolean {
    return this.#options.rotateMs !== undefined || this.#options.rotateBytes !== undefined;
  }

  #begin(): void {
    const { rotateMs } = this.#options;
    const now = this.#context.now();
    const start = rotateMs === undefined ? now : Math.floor(now / rotateMs) * rotateMs;
    if (rotateMs !== undefined) this.#endMs = start + rotateMs;
    this.#open = true;
    this.#writer.open(start);
    this.#format.begin();
  }

  #end(): void {
    this.#open = false;
    this.#format.end();
    this.#writer.finish();
  }

  #rotate(nowMs: number): void {
    if (!this.#open) return;
    if (this.#writer.broken) {
      this.#open = false;
      return;
    }
    const { rotateBytes } = this.#options;
    const over = rotateBytes !== undefined && this.#writer.fileBytes >= rotateBytes;
    if (over || nowMs >= this.#endMs) this.#end();
  }

  #mustWait(): boolean {
    const writer = this.#writer;
    if (this.#givenUp || !writer.crowded) return false;
    const now = performance.now();
    if (writer.bytes !== this.#progress) {
      this.#progress = writer.bytes;
      this.#progressMs = now;
      return true;
    }
    if (now - this.#progressMs < this.#options.patienceMs) return true;
    this.#givenUp = true;
    this.#context.log('error', `export to ${this.url}: not waiting any longer, records are dropped from here on`);
    return false;
  }

  async #room(): Promise<void> {
    this.#progressMs = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => this.moved(), 250);
      this.#waiters.push(() => {
        clearInterval(timer);
        resolve();
      });
    });
  }
}
