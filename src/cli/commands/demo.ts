import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Daemon } from '../../control/daemon/daemon.js';
import { RheoError } from '../../core/errors.js';
import { safeLines } from '../../tui/text.js';
import { type ParsedArguments, parseArguments } from '../parse.js';
import { findCommand } from '../spec.js';
import { runRead } from './read.js';

/** The sample that is part of the package. */
const SAMPLE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../../samples/house.pcapng');

/** Flags that mean the same to `rheo read`. */
const SHARED_FLAGS = ['json', 'no-names', 'no-color'];

/** `rheo demo`: live flows, or the sample where there is no way to see them. Returns the exit code. */
export async function runDemo(parsed: ParsedArguments, version: string): Promise<number> {
  const { values } = parsed;
  if (values.has('sample')) return showSample(values, undefined);
  const { showLive, startOwnDaemon } = await import('./live.js');
  const interfaces = values.get('interface') as readonly string[] | undefined;
  let daemon: Daemon;
  try {
    daemon = await startOwnDaemon(interfaces ?? ['any'], version);
  } catch (error) {
    // Who names an interface wants that one and nothing else.
    if (interfaces !== undefined || !(error instanceof RheoError)) throw error;
    return showSample(values, error);
  }
  return showLive(daemon, values);
}

/** @param why what stands in the way of live flows; undefined if the sample was asked for */
async function showSample(values: ParsedArguments['values'], why: RheoError | undefined): Promise<number> {
  const flags = SHARED_FLAGS.filter((name) => values.has(name)).map((name) => `--${name}`);
  const code = await runRead(parseArguments(findCommand('read')!, [...flags, '--no-progress', SAMPLE]));
  if (why !== undefined) process.stderr.write(safeLines(`\n${reasonText(why)}`));
  process.stderr.write('\nNext: npx rheo read FILE shows your own capture; npx rheo read --help tells what else.\n');
  return code;
}

/** Why this is the sample, and how to see what flows here. */
function reasonText(why: RheoError): string {
  const sample = 'This was the sample capture. Live flows of this machine cannot be shown:\n';
  if (!why.message.includes('CAP_NET_RAW')) {
    return `${sample}  ${why.message}\n${why.remedy === undefined ? '' : `  ${why.remedy}\n`}`;
  }
  const again = process.env.npm_lifecycle_event === 'start' ? 'npm start' : 'rheo demo';
  return [
    `${sample}  ${why.message}.`,
    'One of these shows them:',
    `  sudo ${again}`,
    `  sudo setcap cap_net_raw=ep ${process.execPath}   (every script that this node runs may then capture)`,
    '  sudo tcpdump -w - -U | npx rheo read -          (a table when it ends)',
    '',
  ].join('\n');
}
