import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { ErrorCode, RheoError } from '../core/errors.js';

/** A file that holds the process id as long as the daemon runs. */
export class PidFile {
  readonly #file: string;

  /**
   * Writes it. One of a daemon that is dead is replaced.
   * @throws RheoError: `RHEO_CONTROL` if the process that it names is alive, `RHEO_OUTPUT` if it cannot be written
   */
  constructor(file: string) {
    this.#file = file;
    const other = readPid(file);
    if (other !== undefined && other !== process.pid && isAlive(other)) {
      throw new RheoError(ErrorCode.control, `pidFile: ${file} names process ${other}, which is alive`, {
        remedy: `Stop it first: kill ${other}; or, if it is no rheo, remove the file.`,
      });
    }
    try {
      writeFileSync(file, `${process.pid}\n`, { mode: 0o644 });
    } catch (cause) {
      throw new RheoError(ErrorCode.output, `pidFile: ${file} cannot be written: ${(cause as Error).message}`, {
        remedy: 'Name a file in a folder that may be written to, such as /run/rheo/rheo.pid.',
        cause,
      });
    }
  }

  /** Removes it if it is still ours; where the right is gone with the privileges, empties it. */
  remove(): void {
    if (readPid(this.#file) !== process.pid) return;
    try {
      unlinkSync(this.#file);
    } catch {
      try {
        writeFileSync(this.#file, '');
      } catch {
        // It names a dead process, which the next daemon sees.
      }
    }
  }
}

function readPid(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  return /^[1-9]\d{0,9}\s*$/.test(text) ? Number(text) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
