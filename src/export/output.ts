import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../core/errors.js';

/** `fs.writeSync` of bytes, or a double of it in tests. */
export type WriteBytes = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

/** Takes bytes in order; they may be used again when `write` returns. */
export interface ByteSink {
  /** True since nobody takes the bytes any more. */
  readonly closed: boolean;
  /** Writes the first `length` bytes. */
  write(bytes: Uint8Array, length: number): void;
}

/** Longest pause before a full pipe is tried again, in milliseconds. */
const MAX_PAUSE_MS = 20;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Bytes onto a file descriptor, in order, each call complete before it returns: what was written is out, also when the
 * process ends right after. A reader that went away (EPIPE) is no error: `closed` becomes true and all else is dropped.
 */
export class Output implements ByteSink {
  readonly fd: number;
  /** For messages: "standard output" or a file's name. */
  readonly name: string;
  /** Bytes that the descriptor took. */
  written = 0;
  /** True since the reader at the other end went away. */
  closed = false;
  /** Called once when that happens; the run stops then. */
  onClosed: (() => void) | undefined;
  readonly #write: WriteBytes;
  /** What a full pipe has not taken yet, where nobody is made to wait; else undefined. */
  #held: Uint8Array[] | undefined;

  constructor(fd: number, name: string, write: WriteBytes = writeSync) {
    this.fd = fd;
    this.name = name;
    this.#write = write;
  }

  /**
   * An output whose `write` never waits: what a full pipe does not take is kept, and `drain` waits until it has. Who writes
   * awaits `drain` after each batch; so no more than a batch is kept, and signals are heard while the reader pauses.
   */
  static patient(fd: number, name: string, write: WriteBytes = writeSync): Output {
    const output = new Output(unblocked(fd), name, write);
    output.#held = [];
    return output;
  }

  /** Settles when everything is out; undefined if it is. @throws RheoError as `write` */
  drain(): Promise<void> | undefined {
    return this.#held === undefined || this.#held.length === 0 || this.closed ? undefined : this.#drain(this.#held);
  }

  async #drain(held: Uint8Array[]): Promise<void> {
    let pauseMs = 1;
    while (held.length > 0 && !this.closed) {
      const [first] = held;
      const taken = this.#try(first, 0, first.length);
      pauseMs = taken > 0 ? 1 : Math.min(pauseMs * 2, MAX_PAUSE_MS);
      if (taken === first.length) held.shift();
      else if (taken > 0) held[0] = first.subarray(taken);
      if (taken < first.length) await sleep(pauseMs);
    }
  }

  /**
   * Writes the first `length` bytes.
   * @throws RheoError `RHEO_OUTPUT` if the descriptor cannot take them (disk full, not open for writing …)
   */
  write(bytes: Uint8Array, length: number): void {
    if (this.#held !== undefined && this.#held.length > 0) {
      this.#held.push(copyOf(bytes, 0, length));
      return;
    }
    let offset = 0;
    let pauseMs = 1;
    while (offset < length && !this.closed) {
      const taken = this.#try(bytes, offset, length - offset);
      if (taken > 0) {
        offset += taken;
        pauseMs = 1;
      } else if (this.#held !== undefined) {
        this.#held.push(copyOf(bytes, offset, length));
        return;
      } else {
        // A pipe that does not block is full: its reader needs the processor more than we do.
        Atomics.wait(pauseCell, 0, 0, pauseMs);
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      }
    }
  }

  /** One attempt; how many bytes were taken. */
  #try(bytes: Uint8Array, offset: number, length: number): number {
    try {
      const taken = this.#write(this.fd, bytes, offset, length);
      this.written += taken;
      return taken;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') {
        this.closed = true;
        this.onClosed?.();
      } else if (code !== 'EAGAIN' && code !== 'EINTR') throw this.#failure(error as NodeJS.ErrnoException);
      return 0;
    }
  }

  /** Writes text as UTF-8. */
  text(text: string): void {
    const bytes = Buffer.from(text);
    this.write(bytes, bytes.length);
  }

  #failure(error: NodeJS.ErrnoException): RheoError {
    const where = `cannot write ${this.name} after ${this.written} bytes`;
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
      return new RheoError(ErrorCode.output, `${where}: no space left on the device`, {
        remedy: 'Free some space, or write elsewhere; what was written before is whole up to the last full line.',
        cause: error,
      });
    }
    return new RheoError(ErrorCode.output, `${where}: ${error.code ?? error.message}`, {
      remedy: 'Check that the output is open for writing.',
      cause: error,
    });
  }
}

/** A Buffer's own `slice` would be the caller's memory. */
function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/**
 * The same pipe, opened so that writing to it never waits; other descriptors as they are. A description of our own: the flag
 * must not change for others who hold the pipe.
 */
function unblocked(fd: number): number {
  try {
    if (process.platform !== 'linux' || !fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
