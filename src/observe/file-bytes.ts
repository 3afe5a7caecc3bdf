import { type FSWatcher, close as fsClose, read as fsRead, fstat, watch } from 'node:fs';
import { type ByteSource, Wakeup } from './bytes.js';
import { inputError } from './input-error.js';

const STDIN_FD = 0;

/** Reads a regular file from where its descriptor stands, in the thread pool. */
export class FileBytes implements ByteSource {
  readonly name: string;
  readonly totalBytes: number | undefined;
  readonly damage = undefined;
  consumed = 0;
  private readonly fd: number;
  private closed = false;
  private reading: Promise<number> | undefined;
  private closing: Promise<void> | undefined;

  constructor(name: string, fd: number, totalBytes: number | undefined) {
    this.name = name;
    this.fd = fd;
    this.totalBytes = totalBytes;
  }

  async read(target: Uint8Array): Promise<number> {
    if (this.closed) return 0;
    const reading = new Promise<number>((resolve, reject) => {
      fsRead(this.fd, target, 0, target.length, null, (error, n) => {
        if (error === null) resolve(n);
        else reject(inputError(this.name, error, this.consumed));
      });
    });
    this.reading = reading;
    const n = await reading;
    this.consumed += n;
    return this.closed ? 0 : n;
  }

  close(): Promise<void> {
    this.closing ??= this.release();
    return this.closing;
  }

  private async release(): Promise<void> {
    this.closed = true;
    // The number of a closed descriptor may be given away while a read in the thread pool still uses it.
    await this.reading?.catch(() => 0);
    // Standard input belongs to the process; a worker thread that closed it would be warned of.
    if (this.fd === STDIN_FD) return;
    await new Promise<void>((resolve) => fsClose(this.fd, () => resolve()));
  }

  /** The file's size now. */
  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fstat(this.fd, (error, stats) => (error === null ? resolve(stats.size) : reject(inputError(this.name, error))));
    });
  }
}

/** How long to wait for a change of the file that the watcher does not tell (network file systems), in ms. */
const POLL_MS = 250;

/** A regular file that another program still writes: its end is not the end. Ends when closed, or when the file shrinks. */
export class FollowBytes implements ByteSource {
  readonly totalBytes = undefined;
  readonly damage = undefined;
  private readonly file: FileBytes;
  private readonly watcher: FSWatcher | undefined;
  private readonly changed = new Wakeup();
  private closed = false;

  /** @param path for the watcher */
  constructor(file: FileBytes, path: string) {
    this.file = file;
    try {
      this.watcher = watch(path, () => this.changed.notify());
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      // No watch can be had (a limit of the system): the timer alone must do.
      this.watcher = undefined;
    }
  }

  get name(): string {
    return this.file.name;
  }

  get consumed(): number {
    return this.file.consumed;
  }

  async read(target: Uint8Array): Promise<number> {
    for (;;) {
      if (this.closed) return 0;
      const n = await this.file.read(target);
      if (n > 0 || this.closed) return n;
      if ((await this.file.size()) < this.file.consumed) return 0;
      if (this.closed) return 0;
      const timer = setTimeout(() => this.changed.notify(), POLL_MS);
      await this.changed.wait();
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    this.closed = true;
    this.watcher?.close();
    this.changed.notify();
    return this.file.close();
  }
}
