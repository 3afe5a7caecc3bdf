import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { Output } from '../../export/output.js';
import { type Client, type ConnectOptions, connect } from '../../rpc/client.js';
import { jsonOf } from '../../rpc/messages.js';
import { defaultSocketPath } from '../../rpc/socket-path.js';
import { NameBook } from '../../tui/names.js';
import type { Action, ViewStyle } from '../ctl/action.js';
import { actionOf } from '../ctl/verbs.js';
import type { ParsedArguments } from '../parse.js';
import { terminal } from '../terminal.js';

const INTERRUPTED = 130;
const HOME_AND_CLEAR = '\u001b[H\u001b[J';

function textOf(file: unknown, what: string): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file as string, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new RheoError(ErrorCode.input, `${file as string}: ${what} cannot be read: ${code}`, {
      remedy: 'Check the name and the rights of the file.',
      cause,
    });
  }
}

function connectOptions(values: ParsedArguments['values']): ConnectOptions {
  const url = values.get('url') as string | undefined;
  const socket = values.get('control-socket') as string | undefined;
  if (url === undefined) return { socket: socket ?? defaultSocketPath() };
  return {
    url,
    token: textOf(values.get('token-file'), 'the token')?.trim(),
    ca: textOf(values.get('ca'), 'the certificates'),
    cert: textOf(values.get('cert'), 'the certificate'),
    key: textOf(values.get('cert-key'), 'the key'),
  };
}

/** Asks once, or again and again. */
async function ask(
  client: Client,
  action: Action,
  everyMs: number | undefined,
  write: (answer: unknown) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const answer = await action.ask?.(client);
    if (!(await write(answer)) || everyMs === undefined) return;
    await sleep(everyMs, undefined, { signal });
  }
}

/** `rheo ctl`. Returns the exit code. */
export async function runCtl({ values, operands, rest }: ParsedArguments): Promise<number> {
  const action = actionOf([...operands, ...(rest ?? [])], values);
  const json = values.has('json');
  const everyMs = (values.get('watch') ?? values.get('every')) as number | undefined;
  const screen = terminal(process.env, values.has('no-color'));
  const style: ViewStyle = {
    units: screen.outputIsTerminal,
    width: screen.width,
    color: screen.color,
    names: new NameBook(!values.has('no-names')),
  };
  const output = Output.patient(1, 'standard output');
  const redraw = everyMs !== undefined && screen.outputIsTerminal && !json;
  const abort = new AbortController();
  // Ctrl-C is how a watch ends; a second one ends the process as if nobody listened.
  const interrupt = (): void => abort.abort();
  if (action.interruptible !== true) process.once('SIGINT', interrupt);
  let client: Client | undefined;
  try {
    client = await connect(connectOptions(values));
    const open = client;
    const work =
      action.stream !== undefined
        ? action.stream(client, output, json, style)
        : ask(
            client,
            action,
            everyMs,
            async (answer) => {
              const text = json ? `${jsonOf(answer)}\n` : await action.show?.(answer as never, style);
              const between = everyMs === undefined || json ? '' : redraw ? HOME_AND_CLEAR : '\n';
              output.text(redraw ? between + text : text + between);
              await output.drain();
              return !output.closed;
            },
            abort.signal,
          );
    const interrupted = new Promise<'interrupted'>((resolve) => {
      abort.signal.addEventListener('abort', () => {
        open.close();
        // What its reader has not taken is not waited for.
        output.closed = true;
        resolve('interrupted');
      });
    });
    const how = await Promise.race([work, interrupted]);
    return how === 'interrupted' || abort.signal.aborted ? INTERRUPTED : 0;
  } catch (error) {
    if (abort.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    client?.close();
  }
}
