import { totalmem } from 'node:os';
import { ErrorCode, RheoError } from '../core/errors.js';
import { createFeatures, DEFAULT_FEATURES } from '../meter/features/index.js';
import { MOST_FLOWS } from '../meter/table.js';
import { completeTimeouts } from '../meter/timeouts.js';
import type { FlowHook, RecordField } from '../model/hook.js';
import type { MeterOptions, Sampling, Timeouts, WhenFull } from '../model/options.js';
import { ROW_WORDS } from '../model/row.js';
import type { Interface } from '../model/source.js';
import { DEFAULT_KEY, type KeyOptions, keyWords } from '../packet/key.js';
import { TUNNEL_NAMES, type TunnelName } from '../packet/tunnel.js';

/** What `MeterOptions` come to when all defaults are filled in. Plain data: crosses threads. */
export interface MeterSettings {
  key: KeyOptions;
  timeouts: Timeouts;
  maxFlows: number;
  whenFull: WhenFull;
  features: readonly string[] | 'all' | 'none';
  tunnels: readonly TunnelName[];
  checksums: boolean;
  sampling: Sampling | undefined;
  maxFragments: number;
  fragmentTimeout: number;
}

const DEFAULT_MOST_FLOWS = 1 << 22;
/** Share of the machine's memory that the flow table may take unless told otherwise. */
const MEMORY_SHARE = 0.25;
const DEFAULT_MAX_FRAGMENTS = 4096;
/** As Linux: ip_frag_time is 30 s; packets that are captured apart come sooner. */
const DEFAULT_FRAGMENT_TIMEOUT_MS = 15_000;

/** @throws RheoError usage, naming the option that is wrong */
export function completeSettings(options: MeterOptions): MeterSettings {
  const key: KeyOptions = { ...DEFAULT_KEY, ...options.key };
  const features = options.features ?? DEFAULT_FEATURES;
  const { hooks } = createFeatures(features);
  const tunnels = chooseTunnels(options.tunnels);
  const maxFragments = options.maxFragments ?? DEFAULT_MAX_FRAGMENTS;
  if (!(maxFragments >= 1 && maxFragments <= 1 << 20))
    throw badOption('max-fragments', `1 to ${1 << 20}`, maxFragments);
  const fragmentTimeout = options.fragmentTimeout ?? DEFAULT_FRAGMENT_TIMEOUT_MS;
  if (!(fragmentTimeout > 0)) throw badOption('fragment-timeout', 'more than 0', fragmentTimeout);
  const { sampling } = options;
  if (sampling !== undefined && !(Number.isInteger(sampling.n) && sampling.n >= 1 && sampling.n <= 0x7fffffff)) {
    throw badOption('sample', '1 in 1 to 1 in 2147483647', sampling.n);
  }
  return {
    key,
    timeouts: completeTimeouts(options.timeouts),
    maxFlows: options.maxFlows ?? defaultMaxFlows(key, hooks),
    whenFull: options.whenFull ?? 'evict',
    features,
    tunnels,
    checksums: options.checksums ?? false,
    sampling,
    maxFragments: Math.floor(maxFragments),
    fragmentTimeout,
  };
}

/** Fields of a record beyond the core ones, for the output; `interfaces` gives them names, and may grow later. */
export function recordFields(
  features: MeterOptions['features'],
  interfaces: readonly Interface[] = [],
): readonly RecordField[] {
  return createFeatures(features ?? DEFAULT_FEATURES, { interfaces }).fields;
}

/** Bytes that one flow takes at the most: row, side row, index (six slots when it has just grown), free list, timers. */
export function bytesPerFlow(key: KeyOptions, hooks: readonly FlowHook[]): number {
  let words = ROW_WORDS + keyWords(key);
  for (const hook of hooks) words += hook.words;
  return words * 4 + 48 + 4 + 12;
}

function defaultMaxFlows(key: KeyOptions, hooks: readonly FlowHook[]): number {
  const limited = process.constrainedMemory();
  const memory = limited > 0 && limited < totalmem() ? limited : totalmem();
  const fits = Math.floor((memory * MEMORY_SHARE) / bytesPerFlow(key, hooks));
  return Math.max(1024, Math.min(DEFAULT_MOST_FLOWS, MOST_FLOWS, fits));
}

function chooseTunnels(given: MeterOptions['tunnels']): readonly TunnelName[] {
  const known = TUNNEL_NAMES.filter((name): name is TunnelName => name !== 'none');
  if (given === 'none') return [];
  if (given === 'all') return known;
  if (given === undefined) return known.filter((name) => name !== 'l2tp');
  for (const name of given) {
    if (known.includes(name)) continue;
    throw new RheoError(ErrorCode.usage, `there is no tunnel "${name}"`, { remedy: `known are: ${known.join(', ')}` });
  }
  return given;
}

function badOption(name: string, wanted: string, found: number): RheoError {
  return new RheoError(ErrorCode.usage, `${name} must be ${wanted}, not ${found}`);
}
