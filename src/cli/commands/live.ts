import { parseConfig } from '../../control/config/load.js';
import { Daemon } from '../../control/daemon/daemon.js';
import { Output } from '../../export/output.js';
import type { Loss } from '../../rpc/service.js';
import { runLiveView } from '../../tui/live-view.js';
import { localNames } from '../../tui/local-names.js';
import { lossText } from '../../tui/losses.js';
import { NameBook } from '../../tui/names.js';
import { runPlainView } from '../../tui/plain-view.js';
import { exitWithoutTerminal } from '../../tui/terminal-session.js';
import { durationForPeople, plural, scaled } from '../../tui/units.js';
import type { ParsedArguments } from '../parse.js';
import { terminal } from '../terminal.js';

const INTERVAL_MS = 1000;
/** A view needs no table for millions. */
const MAX_FLOWS = 262_144;
/** Exit codes of a program that a signal ended: 128 and its number. A terminal that goes away sends SIGHUP. */
const SIGNAL_CODES: Readonly<Record<string, number>> = { SIGHUP: 129, SIGTERM: 143, closed: 129 };

/**
 * A daemon in this process, without any way to ask it from outside.
 * @param interfaces names and patterns
 * @throws RheoError if this machine's packets cannot be observed: no right, no such interface, not Linux
 */
export async function startOwnDaemon(interfaces: readonly string[], version: string): Promise<Daemon> {
  const flag = (path: string, value: unknown) => ({ path: [path], value, kind: 'flag' as const, where: `--${path}` });
  const { config } = parseConfig(undefined, [
    flag('interfaces', interfaces),
    flag('maxFlows', MAX_FLOWS),
    // Behind a bridge or a tunnel, a packet is seen on several interfaces.
    flag('dedupe', true),
  ]);
  const daemon = new Daemon({ config, version });
  await daemon.start();
  return daemon;
}

/** Shows what a daemon of this process sees until somebody ends it, and stops it. Returns the exit code. */
export async function showLive(daemon: Daemon, values: ParsedArguments['values']): Promise<number> {
  const names = new NameBook(!values.has('no-names'));
  names.learn(localNames());
  const { service } = daemon;
  const json = values.has('json');
  const screen = terminal(process.env, values.has('no-color'));
  const whole = screen.outputIsTerminal && process.stdin.isTTY === true && process.env.TERM !== 'dumb' && !json;
  const abort = new AbortController();
  void daemon.ended.then(() => abort.abort());
  let code = 0;
  try {
    if (whole) {
      const how = await runLiveView(service, {
        names,
        color: screen.color,
        interval: INTERVAL_MS,
        signal: abort.signal,
      });
      code = SIGNAL_CODES[how] ?? 0;
    } else {
      code = await plain(daemon, { names, json, abort });
    }
  } finally {
    await service.shutdown();
  }
  const loss = await daemon.ended;
  if (whole && code === SIGNAL_CODES.closed) exitWithoutTerminal(code);
  // Where lines go to a program, or nobody is left to read, there is no last word.
  if (code === 0 && !json && screen.outputIsTerminal) process.stdout.write(`${lastLine(loss)}\n`);
  return code;
}

/** A line a second until SIGINT, SIGTERM, SIGHUP, or until nobody reads any more. */
async function plain(
  daemon: Daemon,
  options: { names: NameBook; json: boolean; abort: AbortController },
): Promise<number> {
  const { names, json, abort } = options;
  const output = new Output(1, 'standard output');
  output.onClosed = () => abort.abort();
  let code = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    code = SIGNAL_CODES[signal] ?? 0;
    abort.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    const write = (line: string): void => output.text(line);
    await runPlainView(daemon.service, { names, json, interval: INTERVAL_MS, signal: abort.signal, write });
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
  return code;
}

/** What there was in all. */
export function lastLine(loss: Loss): string {
  const parts = [plural(loss.decoded, 'packet'), scaled(loss.octets, 'B'), plural(loss.flows.opened, 'flow')];
  return `${parts.join(', ')} in ${durationForPeople(loss.elapsed)}; ${lossText(loss)}.`;
}
