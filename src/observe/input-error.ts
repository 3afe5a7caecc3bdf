import { ErrorCode, RheoError } from '../core/errors.js';

const TOLD: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: ['there is no such file', 'Check the name; use - for standard input.'],
  EACCES: ['permission denied', 'Read it as a user who may, or change its permissions.'],
  EPERM: ['permission denied', 'Read it as a user who may, or change its permissions.'],
  EISDIR: ['this is a directory', 'Name the files in it, for example DIRECTORY/*.pcap'],
  EFTYPE: ['this is neither a file nor a pipe', 'Give a capture file, a named pipe, or - for standard input.'],
  EMFILE: ['too many files are open', 'Raise the limit (ulimit -n), or read fewer files at once.'],
  ENFILE: ['too many files are open', 'Close other programs, or read fewer files at once.'],
  EIO: ['the device reports a read error', 'Check the disk; copy what can be read with ddrescue.'],
};

/**
 * What the system said about an input, as an error with a remedy.
 * @throws the cause itself if it is not an error of the system
 */
export function inputError(name: string, cause: unknown, at?: number): RheoError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  if (!(cause instanceof Error) || cause instanceof RheoError || code === undefined) throw cause;
  const [what, remedy] = TOLD[code] ?? [cause.message, 'Check that it can be read, for example with: wc -c FILE'];
  const where = at === undefined ? name : `${name}: byte ${at}`;
  return new RheoError(ErrorCode.input, `${where}: ${what}`, { cause, remedy });
}
