import { KeyReader } from './keys.js';
import type { NameBook } from './names.js';
import { paint } from './paint.js';
import { renderView } from './render.js';
import { Screen, type Size } from './screen.js';
import { type Ending, TerminalSession } from './terminal-session.js';
import { ViewModel } from './view-model.js';
import { type Watched, Watcher } from './watcher.js';

export interface LiveViewOptions {
  readonly names: NameBook;
  readonly color: boolean;
  /** Milliseconds between two looks at the daemon. */
  readonly interval: number;
  /** Ends the view. */
  readonly signal?: AbortSignal;
}

/** How long an escape character may wait for the rest of its sequence. */
const ESCAPE_MS = 50;
/** What a terminal is taken for that does not tell its size. */
const USUAL: Size = { columns: 80, rows: 24 };

/**
 * Shows a daemon's flows on the whole terminal until a key, a signal or the terminal ends it, and gives the terminal back.
 * Standard input and output must both be terminals.
 * @returns what ended it: `quit` (q, Ctrl-C), `aborted`, a signal, or `closed`: the terminal went away
 */
export async function runLiveView(service: Watched, options: LiveViewOptions): Promise<'quit' | 'aborted' | Ending> {
  const { stdin, stdout } = process;
  return new Promise((resolve, reject) => {
    const model = new ViewModel(options.names);
    const watcher = new Watcher(service, () => performance.now());
    const keys = new KeyReader();
    const renderOptions = { names: options.names, paint: paint(options.color) };
    const session = new TerminalSession(stdin, stdout, (ending) => end(ending));
    const screen = new Screen((text) => session.write(text));
    let over = false;
    let looking = false;
    /** A new filter is shown also while the view is paused. */
    let filterIsNew = false;
    let nextLook: NodeJS.Timeout | undefined;
    let escapeTimer: NodeJS.Timeout | undefined;

    function leave(): void {
      over = true;
      clearTimeout(nextLook);
      clearTimeout(escapeTimer);
      stdin.off('data', onData);
      stdout.off('resize', onResize);
      options.signal?.removeEventListener('abort', onAbort);
      session.leave();
    }

    function end(how: 'quit' | 'aborted' | Ending): void {
      if (over) return;
      leave();
      resolve(how);
    }

    /** Runs what may throw; an error ends the view, and is the caller's. */
    function guarded(action: () => void): void {
      if (over) return;
      try {
        action();
      } catch (error) {
        leave();
        reject(error as Error);
      }
    }

    function draw(): void {
      const size = { columns: stdout.columns || USUAL.columns, rows: stdout.rows || USUAL.rows };
      screen.draw(renderView(model, size, renderOptions));
    }

    async function look(): Promise<void> {
      if (over || looking) return;
      looking = true;
      clearTimeout(nextLook);
      const { filter } = model;
      try {
        const seen = await watcher.look(filter);
        model.failure = undefined;
        if (filter === model.filter && (!model.paused || model.look === undefined || filterIsNew)) {
          model.look = seen;
          filterIsNew = false;
        }
      } catch (error) {
        model.failure = `cannot ask the daemon: ${(error as Error).message}`;
      }
      looking = false;
      guarded(draw);
      if (!over) nextLook = setTimeout(() => void look(), options.interval);
    }

    /** The new filter is tried before it is taken: what is wrong with it is said where it was typed. */
    async function applyFilter(before: string): Promise<void> {
      const { filter } = model;
      model.filter = before;
      try {
        await watcher.tryFilter(filter);
        model.filter = filter;
        filterIsNew = true;
        void look();
      } catch (error) {
        model.refuseFilter(filter, (error as Error).message);
      }
      guarded(draw);
    }

    function press(key: string): void {
      const before = model.filter;
      const action = model.press(key);
      if (action === 'quit') end('quit');
      else if (action === 'redraw') screen.forget();
      else if (action === 'applyFilter') void applyFilter(before);
    }

    function onData(data: Buffer): void {
      guarded(() => {
        clearTimeout(escapeTimer);
        for (const key of keys.read(data.toString())) if (!over) press(key);
        if (over) return;
        if (keys.waiting) {
          escapeTimer = setTimeout(() => {
            guarded(() => {
              for (const key of keys.flush()) if (!over) press(key);
              if (!over) draw();
            });
          }, ESCAPE_MS);
        }
        draw();
      });
    }

    function onResize(): void {
      guarded(() => {
        screen.forget();
        draw();
      });
    }

    function onAbort(): void {
      end('aborted');
    }

    session.enter();
    stdin.on('data', onData);
    stdout.on('resize', onResize);
    options.signal?.addEventListener('abort', onAbort);
    guarded(draw);
    void look();
  });
}
