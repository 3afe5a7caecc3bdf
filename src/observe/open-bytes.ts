import { constants, fstatSync, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';
import { ErrorCode, RheoError } from '../core/errors.js';
import { type ByteSource, PrefixedBytes } from './bytes.js';
import { FileBytes, FollowBytes } from './file-bytes.js';
import { COMPRESSION_MAGIC_LENGTH, unpacked } from './inflate-bytes.js';
import { inputError } from './input-error.js';
import { NamedPipeBytes, StreamBytes } from './pipe-bytes.js';

/** The name that stands for standard input. */
export const STANDARD_INPUT = '-';
const STDIN_FD = 0;

/** An input that was opened, before anything of it was read. */
export interface OpenedInput {
  readonly bytes: ByteSource;
  /** Bytes may arrive at any later time: reading it can wait for ever. */
  readonly live: boolean;
  /** It can be opened a second time, and begins then where it began before. */
  readonly again: boolean;
}

/**
 * Opens a file, a named pipe or standard input. Neither call blocks on these (a pipe is opened as non-blocking), and a
 * detour over the thread pool would cost more than they take.
 * @throws RheoError (input) saying what cannot be opened and what to do
 */
export function openInput(path: string, follow: boolean): OpenedInput {
  if (path === STANDARD_INPUT) return openStandardInput();
  let fd: number;
  let size: number;
  let pipe: boolean;
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    pipe = stats.isFIFO();
    if (!pipe && !stats.isFile()) throw Object.assign(new Error(), { code: 'EFTYPE' });
    fd = openSync(path, constants.O_RDONLY | (pipe ? constants.O_NONBLOCK : 0));
    size = stats.size;
  } catch (error) {
    throw inputError(path, error);
  }
  if (pipe) return { bytes: new NamedPipeBytes(path, fd), live: true, again: false };
  if (follow) return { bytes: new FollowBytes(new FileBytes(path, fd, undefined), path), live: true, again: true };
  return { bytes: new FileBytes(path, fd, size), live: false, again: true };
}

function openStandardInput(): OpenedInput {
  let stats: ReturnType<typeof fstatSync>;
  try {
    stats = fstatSync(STDIN_FD);
  } catch (error) {
    throw inputError('standard input', error);
  }
  if (isatty(STDIN_FD)) {
    throw new RheoError(ErrorCode.input, 'standard input is a terminal, expected a capture', {
      remedy: 'Pipe a capture in: tcpdump -w - | rheo read -',
    });
  }
  if (stats.isDirectory()) throw inputError('standard input', Object.assign(new Error(), { code: 'EISDIR' }));
  if (stats.isFIFO() || stats.isSocket()) {
    // In a worker thread process.stdin is not the descriptor, but a stream of its own that is empty.
    const stream = isMainThread ? process.stdin : new Socket({ fd: STDIN_FD, readable: true, writable: false });
    return { bytes: new StreamBytes('standard input', stream), live: true, again: false };
  }
  const size = stats.isFile() ? stats.size : undefined;
  return { bytes: new FileBytes('standard input', STDIN_FD, size), live: false, again: false };
}

/** Looks at the first bytes of an input and unpacks it if it is compressed. Waits for these bytes. */
export async function unpackInput(bytes: ByteSource): Promise<ByteSource> {
  const head = new Uint8Array(COMPRESSION_MAGIC_LENGTH);
  let have = 0;
  while (have < head.length) {
    const n = await bytes.read(head.subarray(have));
    if (n === 0) break;
    have += n;
  }
  const found = head.subarray(0, have);
  return unpacked(found, new PrefixedBytes(found, bytes));
}
