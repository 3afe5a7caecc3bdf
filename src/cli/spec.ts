import { COMPLETION } from './spec/completion.js';
import { CONFIG } from './spec/config.js';
import { CTL } from './spec/ctl.js';
import { DEMO } from './spec/demo.js';
import { FIELDS } from './spec/fields.js';
import { helpCommand } from './spec/help.js';
import { READ } from './spec/read.js';
import { RUN } from './spec/run.js';
import type { CommandSpec } from './spec/types.js';
import { VERSION } from './spec/version.js';

/**
 * The one table of commands and flags, a file a command in `spec/`. Parsing, --help, the man page and the shell completions all
 * come from it; scripts/generate-docs.mjs writes the files and fails in check mode where they differ.
 */

export { SHELLS, type Shell } from './spec/completion.js';
export { FEATURE_NAMES, TRACK_LEVELS, type TrackLevel } from './spec/metering.js';
export { DEFAULT_TOP, type GroupKey, READ_GROUP_KEYS, SORT_KEYS, type SortKey } from './spec/read.js';
export {
  type CommandSpec,
  environmentName,
  type FlagSpec,
  type VerbSpec,
} from './spec/types.js';

/** Pairs of flags of which only one makes sense. */
export const EXCLUSIVE: readonly (readonly [string, string])[] = [
  ['json', 'csv'],
  ['count', 'json'],
  ['count', 'csv'],
  ['count', 'summary'],
  ['count', 'group-by'],
  ['count', 'top'],
  ['count', 'sort'],
  ['count', 'fields'],
  ['count', 'export'],
  ['summary', 'group-by'],
  ['summary', 'top'],
  ['summary', 'sort'],
  ['summary', 'fields'],
  ['group-by', 'fields'],
  ['control-socket', 'url'],
  ['watch', 'every'],
  ['binary', 'json'],
];

const BEFORE_HELP: readonly CommandSpec[] = [READ, RUN, CTL, CONFIG, FIELDS, DEMO, COMPLETION];
const BEHIND_HELP: readonly CommandSpec[] = [VERSION];
const HELP = helpCommand([...BEFORE_HELP.map(({ name }) => name), 'help', ...BEHIND_HELP.map(({ name }) => name)]);

/** In the order of help. */
export const COMMANDS: readonly CommandSpec[] = [...BEFORE_HELP, HELP, ...BEHIND_HELP];

export function findCommand(name: string): CommandSpec | undefined {
  return COMMANDS.find((command) => command.name === name);
}

export const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, 'success; also when the reader of a pipe goes away'],
  [1, 'something could not be read or written'],
  [2, 'wrong use: flag, value or filter'],
  [130, 'interrupted (SIGINT); what was read so far is printed'],
];
