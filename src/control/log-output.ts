import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { ErrorCode, RheoError } from '../core/errors.js';

/** Bytes that may wait for a reader that is slow or a disk that is full. */
const MOST_WAITING = 256 * 1024;
const RETRY_MS = 250;

/** Where log lines go. Never waits, never throws: what finds no room is dropped and counted. */
export interface LogOutput {
  write(line: string): void;
  /** Lines dropped so far. */
  readonly dropped: number;
  /** Opens a file again under its name, as after a rotation. */
  reopen(): void;
  /** Tries once more to write what waits. */
  close(): void;
}

const NEWLINE = 10;

/** Lines into a descriptor that does not block, or into a file. */
export class DescriptorOutput implements LogOutput {
  dropped = 0;
  readonly #reopen: (() => number) | undefined;
  #fd: number;
  /** What was not taken yet, in whole lines but for the first. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param reopen opens the file again and gives its descriptor */
  constructor(fd: number, reopen?: () => number) {
    this.#fd = fd;
    this.#reopen = reopen;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > MOST_WAITING) {
      this.dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#timer === undefined) this.#flush();
  }

  reopen(): void {
    if (this.#reopen === undefined) return;
    this.#flush();
    let fd: number;
    try {
      fd = this.#reopen();
    } catch {
      // The old one goes on: better there than nowhere.
      return;
    }
    closeSync(this.#fd);
    this.#fd = fd;
  }

  close(): void {
    this.#flush();
    clearTimeout(this.#timer);
    for (const bytes of this.#waiting) if (bytes.at(-1) === NEWLINE) this.dropped++;
    this.#waiting = [];
    if (this.#fd > 2) closeSync(this.#fd);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const [bytes] = this.#waiting;
      let written: number;
      try {
        written = writeSync(this.#fd, bytes);
      } catch {
        // EAGAIN: a reader that does not read; ENOSPC, EIO: later perhaps. Nobody is left to tell (EPIPE): the same.
        written = 0;
      }
      this.#waitingBytes -= written;
      if (written < bytes.length) {
        this.#waiting[0] = bytes.subarray(written);
        this.#timer = setTimeout(() => this.#flush(), RETRY_MS);
        this.#timer.unref();
        return;
      }
      this.#waiting.shift();
    }
  }
}

/** Lines into a socket: systemd gives one to the journal as standard error. */
class SocketOutput implements LogOutput {
  dropped = 0;
  readonly #socket: Socket;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true });
    this.#socket.on('error', () => {});
    this.#socket.unref();
  }

  write(line: string): void {
    if (this.#socket.destroyed || this.#socket.writableLength > MOST_WAITING) this.dropped++;
    else this.#socket.write(line);
  }

  reopen(): void {}

  /** The descriptor is standard error's and stays open for last words of others. */
  close(): void {}
}

/**
 * Standard error, so that a reader who does not read stops nobody: a pipe or terminal is opened a second time, as the flag
 * O_NONBLOCK of the descriptor that we were given belongs to all who share it.
 */
export function openStandardError(): LogOutput {
  const stat = fstatSync(2);
  if (stat.isSocket()) return new SocketOutput(2);
  if (stat.isFile() || process.platform !== 'linux') return new DescriptorOutput(2);
  try {
    return new DescriptorOutput(
      openSync('/proc/self/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY),
    );
  } catch {
    return new DescriptorOutput(2);
  }
}

/** A file that is appended to. @throws RheoError output: it cannot be opened */
export function openLogFile(file: string): LogOutput {
  const open = (): number => {
    const flags =
      constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
    return openSync(file, flags, 0o640);
  };
  try {
    return new DescriptorOutput(open(), open);
  } catch (cause) {
    throw new RheoError(ErrorCode.output, `log.file: ${file} cannot be opened: ${(cause as Error).message}`, {
      remedy: 'Name a file in a folder that the daemon may write to, or leave log.file out.',
      cause,
    });
  }
}
