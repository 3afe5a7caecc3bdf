import { constants } from 'node:os';

export interface SignalActions {
  /** The first SIGTERM or SIGINT. */
  stop(): void;
  /** The second one: ends the process soon, with this exit code. */
  force(code: number): void;
  /** SIGHUP. */
  reload(): Promise<void>;
  /** SIGUSR1. */
  statistics(): Promise<void>;
  /** An exception that nobody caught; the process ends. */
  fatal(error: Error): void;
}

type Ending = 'SIGTERM' | 'SIGINT';

/** What signals do to the daemon. */
export class Signals {
  /** 0; 130 if SIGINT has stopped it. */
  exitCode = 0;
  stopping = false;
  readonly #actions: SignalActions;
  readonly #listeners: [string, (...args: never[]) => void][] = [];
  /** A reload goes on; another one is wanted behind it. */
  #reloading = false;
  #again = false;

  constructor(actions: SignalActions) {
    this.#actions = actions;
    this.#on('SIGTERM', () => this.#end('SIGTERM'));
    this.#on('SIGINT', () => this.#end('SIGINT'));
    this.#on('SIGHUP', () => void this.#reload());
    this.#on('SIGUSR1', () => void this.#attempt(() => actions.statistics()));
    this.#on('uncaughtException', (error: Error) => this.#fatal(error));
    this.#on('unhandledRejection', (reason: unknown) => {
      this.#fatal(reason instanceof Error ? reason : new Error(String(reason)));
    });
  }

  /** The system answers signals again. */
  close(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener as () => void);
  }

  #on(name: string, listener: (...args: never[]) => void): void {
    this.#listeners.push([name, listener]);
    process.on(name, listener as () => void);
  }

  #end(signal: Ending): void {
    const code = 128 + constants.signals[signal];
    if (this.stopping) {
      this.exitCode = code;
      this.#actions.force(code);
      return;
    }
    this.stopping = true;
    // Service managers take SIGTERM for a clean end; who types Ctrl-C sees what every interrupted command gives.
    this.exitCode = signal === 'SIGINT' ? code : 0;
    this.#actions.stop();
  }

  async #reload(): Promise<void> {
    if (this.#reloading) {
      this.#again = true;
      return;
    }
    this.#reloading = true;
    do {
      this.#again = false;
      await this.#attempt(() => this.#actions.reload());
    } while (this.#again);
    this.#reloading = false;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#fatal(error as Error);
    }
  }

  #fatal(error: Error): void {
    this.#actions.fatal(error);
    process.exit(1);
  }
}
