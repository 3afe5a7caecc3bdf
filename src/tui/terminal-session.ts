import { closeSync, writeSync } from 'node:fs';
import { ENTER_SCREEN, LEAVE_SCREEN } from './screen.js';

/** What ended a view from outside. */
export type Ending = 'SIGTERM' | 'SIGHUP' | 'SIGINT' | 'closed';

const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/**
 * The terminal while a view has all of it: raw keys, the alternate screen. `leave` gives it back as it was; so do the end of
 * the process, however it comes about (short of SIGKILL): also an exception that nobody catches, whose message Node writes
 * after that.
 */
export class TerminalSession {
  readonly #input: typeof process.stdin;
  readonly #output: typeof process.stdout;
  readonly #onEnd: (ending: Ending) => void;
  #entered = false;
  readonly #restore = (): void => this.#giveBack();
  readonly #closed = (): void => {
    // The SIGHUP that comes with it may be late: it must not end the process while that cleans up.
    process.on('SIGHUP', () => {});
    this.#onEnd('closed');
  };

  /** @param onEnd called when a signal or the terminal itself wants the view to end; it shall call `leave` soon */
  constructor(input: typeof process.stdin, output: typeof process.stdout, onEnd: (ending: Ending) => void) {
    this.#input = input;
    this.#output = output;
    this.#onEnd = onEnd;
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    process.on('exit', this.#restore);
    for (const signal of SIGNALS) process.on(signal, this.#onEnd);
    // A terminal that went away gives an error to those who write, and an end to those who read.
    this.#output.on('error', this.#closed);
    this.#input.on('error', this.#closed);
    this.#input.on('end', this.#closed);
    this.#input.setRawMode(true);
    this.#input.resume();
    this.write(ENTER_SCREEN);
  }

  write(text: string): void {
    this.#output.write(text);
  }

  leave(): void {
    if (!this.#entered) return;
    this.#giveBack();
    process.off('exit', this.#restore);
    for (const signal of SIGNALS) process.off(signal, this.#onEnd);
    this.#output.off('error', this.#closed);
    this.#input.off('error', this.#closed);
    this.#input.off('end', this.#closed);
    this.#input.pause();
  }

  #giveBack(): void {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      this.#input.setRawMode(false);
      // At once: nothing that is queued is written any more when the process ends.
      writeSync(this.#output.fd, LEAVE_SCREEN);
    } catch {
      // The terminal is gone, and with it what there was to restore.
    }
  }
}

/**
 * Ends the process where the terminal may be gone. Node wants to set its modes back at the end and aborts if it cannot; it
 * leaves descriptors alone that are closed.
 */
export function exitWithoutTerminal(code: number): never {
  for (const fd of [0, 1, 2]) {
    try {
      closeSync(fd);
    } catch {
      // Closed already.
    }
  }
  process.exit(code);
}
