import path from 'node:path';
import { Backoff } from '../transport/backoff.js';
import type { Compress } from './compress.js';
import type { FileSystem, OpenFile } from './file-system.js';
import type { NamePattern } from './name-pattern.js';

const CHUNK_BYTES = 256 * 1024;
const RETRY_LEAST_MS = 250;
const RETRY_MOST_MS = 10_000;
/** A file that fails so often in a row, and not for want of space, is given up. */
const MOST_FAILURES = 12;
const MOST_NUMBERS = 10_000;

type Step =
  | { readonly kind: 'open'; readonly timeMs: number }
  | {
      readonly kind: 'write';
      bytes: Uint8Array;
      readonly room: number;
      readonly records: number;
      readonly position: number | undefined;
      packed: boolean;
      done: number;
    }
  | { readonly kind: 'finish'; synced: boolean; closed: boolean };

export interface FileWriterOptions {
  readonly files: FileSystem;
  readonly names: NamePattern;
  readonly compress: Compress | undefined;
  readonly queueBytes: number;
  /** A file of the same name is replaced; otherwise the new one gets a number. */
  readonly replace: boolean;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Something went out, or failed. */
  readonly moved: () => void;
  /** A file is complete under its name. */
  readonly finished: (path: string) => void;
}

/**
 * Writes files one after the other behind a bounded queue, without making anyone wait: under a temporary name until a file is
 * complete, then renamed. A step that fails is tried again where it stopped, so that a disk that was full goes on without a
 * gap or a torn record.
 */
export class FileWriter {
  readonly #options: FileWriterOptions;
  readonly #backoff = new Backoff(RETRY_LEAST_MS, RETRY_MOST_MS);
  #steps: Step[] = [];
  #running: Promise<void> | undefined;
  #file: OpenFile | undefined;
  /** Where the open file is: temporary path, time of its name, bytes of whole chunks. */
  #temporary = '';
  #timeMs = 0;
  #position = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #length = 0;
  #records = 0;
  /** Records in the file under way that were counted as sent. */
  #fileRecords = 0;
  #failures = 0;
  #closing = false;
  #wake: (() => void) | undefined;
  #queued = 0;
  /** Bytes of the file that was begun last, before compression; bytes before and after it so far. */
  #fileRaw = 0;
  #raw = 0;
  #packed = 0;
  sent = 0;
  readonly dropped: Record<string, number> = {};
  waiting = 0;
  bytes = 0;
  files = 0;
  reopened = 0;
  state: 'connecting' | 'up' | 'down' = 'connecting';
  lastError: string | undefined;
  /** Why records that do not fit into the queue are dropped: `queueFull`, or what is wrong with the disk. */
  reason = 'queueFull';
  /** The file was given up: the next record needs a new one. */
  broken = false;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  get full(): boolean {
    return this.#queued >= this.#options.queueBytes;
  }

  get crowded(): boolean {
    return this.#queued > this.#options.queueBytes / 2;
  }

  /** Size that the file begun last will have, about: what waits is taken to shrink as much as what was written. */
  get fileBytes(): number {
    return this.#raw === 0 ? this.#fileRaw : (this.#fileRaw * this.#packed) / this.#raw;
  }

  /** Begins a file; its name is that of `timeMs`. */
  open(timeMs: number): void {
    this.broken = false;
    this.#fileRaw = 0;
    this.#push({ kind: 'open', timeMs });
  }

  append(bytes: Uint8Array, length: number, records: number, position?: number): void {
    this.waiting += records;
    if (position === undefined) this.#fileRaw += length;
    if (position !== undefined) {
      this.submit();
      this.#submit(Buffer.from(bytes.subarray(0, length)), records, position);
      return;
    }
    if (this.#length + length > this.#chunk.length) {
      this.submit();
      if (length > CHUNK_BYTES / 2) {
        this.#submit(Buffer.from(bytes.subarray(0, length)), records, undefined);
        return;
      }
      this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    }
    this.#chunk.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#length);
    this.#length += length;
    this.#records += records;
  }

  /** Hands on what was gathered. */
  submit(): void {
    if (this.#length === 0 && this.#records === 0) return;
    this.#submit(this.#chunk.subarray(0, this.#length), this.#records, undefined);
    this.#chunk = this.#chunk.subarray(this.#length);
    this.#length = 0;
    this.#records = 0;
  }

  finish(): void {
    this.submit();
    this.#push({ kind: 'finish', synced: false, closed: false });
  }

  /** Waits until all is written; gives up when nothing moved for `patienceMs`, and leaves the temporary file. */
  async close(patienceMs: number): Promise<void> {
    this.#closing = true;
    this.submit();
    let bytes = -1;
    let steps = -1;
    let until = 0;
    while (this.#running !== undefined) {
      const now = performance.now();
      if (this.bytes !== bytes || this.#steps.length !== steps) {
        bytes = this.bytes;
        steps = this.#steps.length;
        until = now + patienceMs;
      } else if (now >= until) break;
      this.#wake?.();
      await Promise.race([this.#running, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    if (this.#steps.length > 0) await this.#abandon(this.reason === 'queueFull' ? 'closed' : this.reason);
  }

  drop(reason: string, count: number): void {
    if (count > 0) this.dropped[reason] = (this.dropped[reason] ?? 0) + count;
  }

  #submit(bytes: Uint8Array, records: number, position: number | undefined): void {
    this.#push({ kind: 'write', bytes, room: bytes.length, records, position, packed: false, done: 0 });
    this.#queued += bytes.length;
  }

  #push(step: Step): void {
    this.#steps.push(step);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // What comes in the same turn goes along.
    await undefined;
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      try {
        await this.#do(step);
        if (this.#steps[0] === step) this.#steps.shift();
        this.#worked();
      } catch (error) {
        if (this.#steps[0] !== step) continue;
        if (!(await this.#failed(error as NodeJS.ErrnoException))) break;
      }
      this.#options.moved();
    }
    this.#running = undefined;
    // A step that came while the last promise settled.
    if (this.#steps.length > 0 && !this.#closing) this.#running = this.#run();
  }

  #worked(): void {
    this.state = 'up';
    this.reason = 'queueFull';
    if (this.#failures > 0) {
      this.#options.log('info', `${this.#temporary}: can be written again`);
      this.#backoff.reset();
    }
    this.#failures = 0;
  }

  /** Waits for the next attempt. @returns false if the file was given up */
  async #failed(error: NodeJS.ErrnoException): Promise<boolean> {
    const code = error.code ?? error.message;
    const space = code === 'ENOSPC' || code === 'EDQUOT';
    const what = space ? 'no space left on the device' : error.message;
    if (this.#failures === 0 || this.lastError !== what) {
      this.#options.log('error', `cannot write ${this.#temporary || this.#options.names.at(this.#timeMs)}: ${what}`);
    }
    this.lastError = what;
    this.state = 'down';
    this.reason = space ? 'diskFull' : 'ioError';
    this.#failures++;
    this.#options.moved();
    if (!space && this.#failures >= MOST_FAILURES) {
      await this.#abandon('ioError');
      return false;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#closing ? RETRY_LEAST_MS : this.#backoff.next());
      this.#wake = () => {
        if (!this.#closing) clearTimeout(timer);
      };
    });
    this.#wake = undefined;
    return this.#steps.length > 0;
  }

  /** Drops all that waits. The temporary file ends behind its last whole chunk and stays. */
  async #abandon(reason: string): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    if (steps[0]?.kind === 'finish') {
      // Whoever looks for the file under its name does not find them.
      this.sent -= this.#fileRecords;
      this.drop(reason, this.#fileRecords);
      this.#options.log('error', `${this.#temporary} stays under this name; the next start may rename it`);
    }
    for (const step of steps) {
      if (step.kind !== 'write') continue;
      this.drop(reason, step.records);
      this.waiting -= step.records;
      this.#queued -= step.room;
    }
    this.broken = true;
    this.#failures = 0;
    this.reopened++;
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    this.#options.log('error', `${this.#temporary} stays as it is, without its last records`);
    try {
      await file.truncate(this.#position);
    } catch {
      // What can be read of it is found by recovery.
    }
    try {
      await file.close();
    } catch {
      // Nothing is left to be done for it.
    }
  }

  async #do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'open':
        return this.#open(step.timeMs);
      case 'write':
        return this.#write(step);
      case 'finish':
        return this.#finish(step);
    }
  }

  async #open(timeMs: number): Promise<void> {
    const { files, names } = this.#options;
    this.#timeMs = timeMs;
    if (names.levels.length > 1) await files.mkdir(path.dirname(names.at(timeMs)));
    for (let number = 0; ; number++) {
      const temporary = `${names.at(timeMs, number)}.${process.pid}.part`;
      try {
        this.#file = await files.open(temporary, 'wx');
        this.#temporary = temporary;
        this.#position = 0;
        this.#fileRecords = 0;
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || number >= MOST_NUMBERS) throw error;
      }
    }
  }

  async #write(step: Step & { kind: 'write' }): Promise<void> {
    const { compress } = this.#options;
    if (compress !== undefined && !step.packed && step.bytes.length > 0) {
      step.bytes = await compress(step.bytes);
      step.packed = true;
      this.#raw += step.room;
      this.#packed += step.bytes.length;
    }
    const { bytes } = step;
    const start = step.position ?? this.#position;
    while (step.done < bytes.length) {
      const left = bytes.length - step.done;
      const { bytesWritten } = await this.#file!.write(bytes, step.done, left, start + step.done);
      if (bytesWritten <= 0) throw new Error('the system takes no bytes');
      step.done += bytesWritten;
      this.bytes += bytesWritten;
    }
    if (step.position === undefined) this.#position += bytes.length;
    this.#queued -= step.room;
    this.waiting -= step.records;
    this.sent += step.records;
    this.#fileRecords += step.records;
  }

  async #finish(step: Step & { kind: 'finish' }): Promise<void> {
    const { files, names, replace } = this.#options;
    if (!step.synced) await this.#file?.datasync();
    step.synced = true;
    if (!step.closed) {
      step.closed = true;
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
    }
    let final = names.at(this.#timeMs);
    if (!replace) {
      for (let number = 1; (await files.facts(final)) !== undefined && number <= MOST_NUMBERS; number++) {
        final = names.at(this.#timeMs, number);
      }
    }
    await files.rename(this.#temporary, final);
    this.files++;
    this.#options.finished(final);
  }
}
