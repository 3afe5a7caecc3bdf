import type { EnrichmentOptions } from '../control/enrichment.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import type { AsChoice } from '../enrich/as-choice.js';
import type { MeterOptions, ReadOptions, Sampling, TimeoutClass, WhenFull } from '../model/options.js';
import { TIMEOUT_CLASSES } from '../model/options.js';
import { type BaseKey, KEY_PARTS, type KeyOptions, type KeyPart } from '../packet/key.js';
import type { TunnelName } from '../packet/tunnel.js';
import type { ParsedArguments } from './parse.js';
import type { TrackLevel } from './spec.js';
import type { ClassTime } from './values.js';

type Values = ParsedArguments['values'];

/** softflowd's levels: `full` and what is above it look at the ToS too. */
const TRACK: Readonly<Record<TrackLevel, { base: BaseKey; extra: readonly KeyPart[] }>> = {
  ip: { base: 'ip', extra: [] },
  proto: { base: 'proto', extra: [] },
  port: { base: 'port', extra: [] },
  full: { base: 'port', extra: ['tos'] },
  vlan: { base: 'port', extra: ['tos', 'vlan'] },
  ether: { base: 'port', extra: ['tos', 'vlan', 'mac'] },
};

function keyOptions(values: Values): KeyOptions | undefined {
  const track = values.get('track') as TrackLevel | undefined;
  const changes = values.get('key') as readonly string[] | undefined;
  const unidirectional = values.get('unidirectional') === true;
  if (track === undefined && changes === undefined && !unidirectional) return undefined;
  let { base } = TRACK[track ?? 'port'];
  const extra = new Set<KeyPart>(TRACK[track ?? 'port'].extra);
  const known = Object.keys(KEY_PARTS);
  for (const change of changes ?? []) {
    if (change === '-proto') base = 'ip';
    else if (change === '-port') base = base === 'port' ? 'proto' : base;
    else {
      const removed = change.startsWith('-');
      const name = removed || change.startsWith('+') ? change.slice(1) : change;
      if (!known.includes(name)) {
        throw new RheoError(ErrorCode.usage, `--key: '${change}' is not one of ${known.join(', ')}, -port, -proto`, {
          remedy: didYouMean(name, known, '', 'Choose from them.'),
        });
      }
      if (removed) extra.delete(name as KeyPart);
      else extra.add(name as KeyPart);
    }
  }
  return { base, extra: [...extra], unidirectional };
}

function timeouts(values: Values): MeterOptions['timeouts'] {
  const idle: Partial<Record<TimeoutClass, number>> = {};
  const all = values.get('idle-timeout') as number | undefined;
  if (all !== undefined) for (const name of TIMEOUT_CLASSES) idle[name] = all;
  for (const { className, ms } of (values.get('timeout') as readonly ClassTime[] | undefined) ?? []) {
    idle[className as TimeoutClass] = ms;
  }
  const active = values.get('active-timeout') as number | undefined;
  return { idle, ...(active === undefined ? {} : { active }) };
}

/** A list that may also be the one word `all` or `none`. */
function listOrWord<T extends string>(list: readonly string[] | undefined): readonly T[] | 'all' | 'none' | undefined {
  if (list?.length === 1 && (list[0] === 'all' || list[0] === 'none')) return list[0];
  return list as readonly T[] | undefined;
}

/** Leaves out members that are undefined: absent is absent. */
function defined<T extends object>(members: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

/**
 * @param filter expression, if there is one
 * @throws RheoError `RHEO_USAGE` for flags that contradict each other
 */
export function readOptions(values: Values, filter: string | undefined): ReadOptions {
  const sample = values.get('sample') as Sampling | undefined;
  const scale = values.get('scale') === true;
  if (scale && sample === undefined) {
    throw new RheoError(ErrorCode.usage, '--scale without --sample', {
      remedy: 'Say what to sample: --sample count:100',
    });
  }
  return defined<ReadOptions>({
    key: keyOptions(values),
    timeouts: timeouts(values),
    maxFlows: values.get('max-flows') as number | undefined,
    whenFull: values.get('when-full') as WhenFull | undefined,
    features: listOrWord<string>(values.get('features') as readonly string[] | undefined),
    tunnels: listOrWord<TunnelName>(values.get('tunnels') as readonly string[] | undefined),
    checksums: values.get('checksums') as boolean | undefined,
    sampling: sample === undefined ? undefined : { ...sample, scale },
    maxFragments: values.get('max-fragments') as number | undefined,
    fragmentTimeout: values.get('fragment-timeout') as number | undefined,
    filter,
    threads: values.get('threads') as number | undefined,
    follow: values.get('follow') as boolean | undefined,
  });
}

/**
 * What --mrt, --mmdb and --as ask for; undefined if nothing enriches.
 * @throws RheoError `RHEO_USAGE` for flags that need one of the files
 */
export function enrichmentOptions(values: Values): EnrichmentOptions | undefined {
  const mrt = values.get('mrt') as readonly string[] | undefined;
  const mmdb = values.get('mmdb') as readonly string[] | undefined;
  const as = values.get('as') as AsChoice | undefined;
  if (as !== undefined && mrt === undefined) {
    throw new RheoError(ErrorCode.usage, '--as without --mrt', {
      remedy: 'It chooses among the AS numbers of a route: give a dump of routes.',
    });
  }
  if (mrt !== undefined || mmdb !== undefined) return { mrt, mmdb, as };
  if (values.get('group-by') === 'as') {
    throw new RheoError(ErrorCode.usage, '--group-by as: nothing says which AS an address belongs to', {
      remedy: 'Give --mrt or --mmdb.',
    });
  }
  return undefined;
}
