import type { Override } from '../control/config/load.js';
import type { Path } from '../control/config/problems.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import { formatTime } from '../core/quantity.js';
import { didYouMean } from '../core/suggest.js';
import type { Sampling } from '../model/options.js';
import type { ParsedArguments } from './parse.js';
import { readOptions } from './read-options.js';
import { RUN_FLAGS } from './spec/run.js';
import { COMMANDS, environmentName } from './spec.js';
import type { ClassTime } from './values.js';

/** Flags whose value is that of one key, in the form of the file. */
const KEY_OF_FLAG: Readonly<Record<string, Path>> = {
  interface: ['interfaces'],
  'snap-length': ['snapLength'],
  netns: ['netns'],
  observe: ['observe'],
  'ring-memory': ['ring', 'memory'],
  dedupe: ['dedupe'],
  threads: ['threads'],
  'idle-timeout': ['idleTimeout'],
  'active-timeout': ['activeTimeout'],
  'max-flows': ['maxFlows'],
  'when-full': ['whenFull'],
  checksums: ['checksums'],
  'max-fragments': ['maxFragments'],
  'fragment-timeout': ['fragmentTimeout'],
  mrt: ['enrich', 'mrt'],
  mmdb: ['enrich', 'mmdb'],
  as: ['enrich', 'as'],
  export: ['export'],
  'community-id-seed': ['communityIdSeed'],
  'control-socket': ['control', 'socket'],
  'control-group': ['control', 'group'],
  'http-listen': ['control', 'http', 'listen'],
  'http-tls-cert': ['control', 'http', 'tlsCert'],
  'http-tls-key': ['control', 'http', 'tlsKey'],
  'http-client-ca': ['control', 'http', 'clientCa'],
  'http-token-file': ['control', 'http', 'tokenFile'],
  'log-level': ['log', 'level'],
  'log-format': ['log', 'format'],
  'log-file': ['log', 'file'],
  'statistics-interval': ['statisticsInterval'],
  user: ['user'],
  group: ['group'],
  'pid-file': ['pidFile'],
};

type Values = ParsedArguments['values'];

/**
 * What flags, variables and operands of `rheo run` say, as values above those of the file.
 * @throws RheoError usage: values that no key takes, or that contradict each other
 */
export function runOverrides(parsed: ParsedArguments): Override[] {
  const { values } = parsed;
  const overrides: Override[] = [];
  const add = (flag: string, path: Path, value: unknown): void => {
    const isVariable = parsed.fromEnvironment.has(flag);
    const where = isVariable ? `RHEO_${flag.toUpperCase().replaceAll('-', '_')}` : `--${flag}`;
    overrides.push({ path, value, kind: isVariable ? 'environment' : 'flag', where });
  };
  for (const { name, kind } of RUN_FLAGS) {
    const value = values.get(name);
    const path = KEY_OF_FLAG[name];
    if (value === undefined || path === undefined) continue;
    add(name, path, kind === 'time' ? formatTime(value as number) : value);
  }
  if (values.has('no-promiscuous')) add('no-promiscuous', ['promiscuous'], false);
  for (const { className, ms } of (values.get('timeout') as readonly ClassTime[] | undefined) ?? []) {
    add('timeout', ['timeouts', className], formatTime(ms));
  }
  addMetering(values, add);
  const { interfaces, filter } = splitRunOperands(parsed, values);
  if (interfaces !== undefined) add('interface', ['interfaces'], interfaces);
  if (filter !== undefined) overrides.push({ path: ['filter'], value: filter, kind: 'flag', where: 'filter' });
  return overrides;
}

/** Flags that mean the same as for `rheo read`, and are several keys or lists. */
function addMetering(values: Values, add: (flag: string, path: Path, value: unknown) => void): void {
  const { key, features, tunnels, sampling } = readOptions(values, undefined);
  const shape = ['key', 'track'].find((name) => values.has(name));
  if (key !== undefined && shape !== undefined) {
    add(shape, ['key', 'base'], key.base);
    add(shape, ['key', 'extra'], key.extra);
  }
  if (values.has('unidirectional')) add('unidirectional', ['key', 'unidirectional'], true);
  if (features !== undefined) add('features', ['features'], features);
  if (tunnels !== undefined) add('tunnels', ['tunnels'], tunnels);
  if (sampling !== undefined) add('sample', ['sampling'], { ...sampling } satisfies Sampling);
}

/** `-` as the only or first operand is standard input; the others are the filter. */
function splitRunOperands(
  { operands, rest }: ParsedArguments,
  values: Values,
): { interfaces: string[] | undefined; filter: string | undefined } {
  const piped = operands[0] === '-';
  if (piped && values.has('interface')) {
    throw new RheoError(ErrorCode.usage, 'standard input (-) goes with no --interface', {
      remedy: 'Leave out one of them.',
    });
  }
  const words = [...operands.slice(piped ? 1 : 0), ...(rest ?? [])];
  return { interfaces: piped ? ['-'] : undefined, filter: words.length === 0 ? undefined : words.join(' ') };
}

/** RHEO_* variables that mean nothing, one sentence each: a wrong name would be silent otherwise. */
export function unknownVariables(environment: NodeJS.ProcessEnv): string[] {
  const known = new Set(
    COMMANDS.flatMap(({ flags }) => flags.filter((flag) => flag.environment !== false).map(environmentName)),
  );
  return Object.keys(environment)
    .filter((name) => name.startsWith('RHEO_') && !known.has(name))
    .sort()
    .slice(0, 20)
    .map((name) => `the variable ${name} means nothing. ${didYouMean(name, known, '', 'See: rheo run --help')}`);
}
