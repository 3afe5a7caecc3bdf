import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A terminal of tmux, Debian's, with a shell in it; a server of its own for each. */
export class Tmux {
  static #count = 0;
  readonly #socket: string;

  constructor(columns: number, rows: number, environment: Readonly<Record<string, string>> = {}) {
    this.#socket = `rheo-test-${process.pid}-${Tmux.#count++}`;
    const variables = Object.entries({ LC_ALL: 'C.UTF-8', PS1: '$ ', ...environment });
    this.#run(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      `${columns}`,
      '-y',
      `${rows}`,
      ['env', ...variables.map(([name, value]) => `${name}='${value}'`), 'sh'].join(' '),
    );
  }

  #run(...args: string[]): string {
    return execFileSync('tmux', ['-u', '-L', this.#socket, ...args], { encoding: 'utf8' });
  }

  /** Types text as it is, then names of keys (`Enter`, `C-c`, `Up`). */
  type(text: string, ...keys: string[]): void {
    if (text !== '') this.#run('send-keys', '-l', text);
    if (keys.length > 0) this.#run('send-keys', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#run('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  /** Lines on the screen, without blanks at their ends. */
  lines(withAttributes = false): string[] {
    const text = this.#run('capture-pane', '-p', ...(withAttributes ? ['-e'] : []));
    return text.replace(/\n$/, '').split('\n');
  }

  /** A variable of tmux, such as `alternate_on`, `cursor_flag`. */
  variable(name: string): string {
    return this.#run('display-message', '-p', `#{${name}}`).trim();
  }

  /** Waits until the screen as one text matches, and returns it. @throws Error with the screen if it does not in 20 s */
  async until(wanted: RegExp | ((screen: string) => boolean)): Promise<string> {
    let screen = '';
    for (let k = 0; k < 400; k++) {
      screen = this.lines().join('\n');
      if (wanted instanceof RegExp ? wanted.test(screen) : wanted(screen)) return screen;
      await sleep(50);
    }
    throw new Error(`the terminal does not show ${wanted}:\n${screen}`);
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server']);
  }
}
