import { writeSync } from 'node:fs';
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

  constructor(fd: number, name: string, write: WriteBytes = writeSync) {
    this.fd = fd;
    this.name = name;
    this.#write = write;
  }

  /**
   * Writes the first `length` bytes.
   * @throws RheoError `RHEO_OUTPUT` if the descriptor cannot take them (disk full, not open for writing …)
   */
  write(bytes: Uint8Array, length: number): void {
    let offset = 0;
    let pauseMs = 1;
    while (offset < length && !this.closed) {
      let taken = 0;
      try {
        taken = this.#write(this.fd, bytes, offset, length - offset);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EPIPE') {
          this.closed = true;
          this.onClosed?.();
          return;
        }
        if (code !== 'EAGAIN' && code !== 'EINTR') throw this.#failure(error as NodeJS.ErrnoException);
      }
      if (taken > 0) {
        offset += taken;
        this.written += taken;
        pauseMs = 1;
      } else {
        // A pipe that does not block is full: its reader needs the processor more than we do.
        Atomics.wait(pauseCell, 0, 0, pauseMs);
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      }
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
