import { isIP } from 'node:net';
import { ErrorCode, RheoError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import type { FileFormatName, TargetProtocol, TargetTransport } from './target-url.js';

/** Units of times of records. */
export type TimeUnit = 's' | 'ms' | 'us' | 'ns';

/** The query of a target's URL, checked. Times in ms, sizes in bytes. */
export interface TargetOptions {
  /** Members of the records or names of information elements, in order. */
  fields?: readonly string[];
  profile?: string;
  /** False: two unidirectional records for each biflow. */
  biflow?: boolean;
  time?: TimeUnit;
  /** Observation domain id. */
  domain?: number;
  /** Enterprise number of our own elements. */
  pen?: number;
  templateInterval?: number;
  templatePackets?: number;
  /** Records to one host after the other, instead of all to each. */
  spread?: boolean;
  /** Bytes that may wait for a host or file. */
  queue?: number;
  /** Records a second at the most. */
  rate?: number;
  /** Path MTU in bytes. */
  mtu?: number;
  ttl?: number;
  source?: string;
  device?: string;
  ca?: string;
  cert?: string;
  key?: string;
  /** Name that the collector's certificate must have. */
  name?: string;
  facility?: string;
  app?: string;
  format?: string;
  rotate?: number;
  rotateSize?: number;
  keep?: number;
  keepSize?: number;
  /** sFlow: one packet in so many, bytes of each, time between counters (ms). */
  sampling?: number;
  header?: number;
  polling?: number;
  /** Address and number by which the agent is known. */
  agent?: string;
  subAgent?: number;
  expanded?: boolean;
}

interface Kind {
  readonly protocol: TargetProtocol;
  readonly transport: TargetTransport;
  readonly format: FileFormatName | undefined;
}
type ValueKind = 'flag' | 'integer' | 'size' | 'time' | 'text' | 'list' | readonly string[];

interface OptionRule {
  readonly member: keyof TargetOptions;
  readonly kind: ValueKind;
  readonly min?: number;
  readonly max?: number;
  /** Targets that take it. */
  readonly of: (kind: Kind) => boolean;
}

const templated = ({ protocol, format }: Kind): boolean =>
  protocol === 'ipfix' || protocol === 'netflow9' || format === 'ipfix';
const ipfix = ({ protocol, format }: Kind): boolean => protocol === 'ipfix' || format === 'ipfix';
const onNetwork = ({ transport }: Kind): boolean => transport !== 'file';
const udp = ({ transport }: Kind): boolean => transport === 'udp';
const tls = ({ transport }: Kind): boolean => transport === 'tls';
const sflow = ({ protocol }: Kind): boolean => protocol === 'sflow';
const inFile = ({ transport }: Kind): boolean => transport === 'file';
const syslog = ({ protocol }: Kind): boolean => protocol === 'syslog';
const named = ({ protocol, format }: Kind): boolean =>
  templated({ protocol, format, transport: 'file' }) ||
  protocol === 'syslog' ||
  format === 'ndjson' ||
  format === 'csv' ||
  format === 'parquet';
const profiled = ({ protocol, format }: Kind): boolean =>
  templated({ protocol, format, transport: 'file' }) ||
  protocol === 'syslog' ||
  format === 'ndjson' ||
  format === 'log';

/** Names of the query → what they take. docs/export.md lists the same. */
export const TARGET_OPTIONS: Readonly<Record<string, OptionRule>> = {
  fields: { member: 'fields', kind: 'list', of: named },
  profile: { member: 'profile', kind: 'text', of: profiled },
  biflow: { member: 'biflow', kind: 'flag', of: ipfix },
  time: { member: 'time', kind: ['s', 'ms', 'us', 'ns'], of: ipfix },
  domain: { member: 'domain', kind: 'integer', min: 0, max: 0xffffffff, of: templated },
  pen: { member: 'pen', kind: 'integer', min: 1, max: 0xffffffff, of: ipfix },
  'template-interval': { member: 'templateInterval', kind: 'time', min: 1000, of: (k) => templated(k) && udp(k) },
  'template-packets': {
    member: 'templatePackets',
    kind: 'integer',
    min: 1,
    max: 1e9,
    of: (k) => templated(k) && udp(k),
  },
  spread: { member: 'spread', kind: 'flag', of: (k) => onNetwork(k) && !sflow(k) },
  queue: { member: 'queue', kind: 'size', min: 64 * 1024, max: 2 ** 32, of: () => true },
  rate: { member: 'rate', kind: 'integer', min: 1, max: 1e9, of: onNetwork },
  mtu: { member: 'mtu', kind: 'integer', min: 576, max: 65535, of: udp },
  ttl: { member: 'ttl', kind: 'integer', min: 1, max: 255, of: udp },
  source: { member: 'source', kind: 'text', of: (k) => onNetwork(k) && k.transport !== 'sctp' },
  device: { member: 'device', kind: 'text', of: udp },
  ca: { member: 'ca', kind: 'text', of: tls },
  cert: { member: 'cert', kind: 'text', of: tls },
  key: { member: 'key', kind: 'text', of: tls },
  name: { member: 'name', kind: 'text', of: tls },
  facility: { member: 'facility', kind: 'text', of: syslog },
  app: { member: 'app', kind: 'text', of: syslog },
  format: { member: 'format', kind: ['data', 'json'], of: syslog },
  rotate: { member: 'rotate', kind: 'time', min: 1000, of: inFile },
  'rotate-size': { member: 'rotateSize', kind: 'size', min: 1024, max: Number.MAX_SAFE_INTEGER, of: inFile },
  keep: { member: 'keep', kind: 'time', min: 1000, of: inFile },
  'keep-size': { member: 'keepSize', kind: 'size', min: 1024, max: Number.MAX_SAFE_INTEGER, of: inFile },
  sampling: { member: 'sampling', kind: 'integer', min: 1, max: 0xffffffff, of: sflow },
  header: { member: 'header', kind: 'integer', min: 16, max: 1024, of: sflow },
  polling: { member: 'polling', kind: 'time', min: 0, of: sflow },
  agent: { member: 'agent', kind: 'text', of: sflow },
  'sub-agent': { member: 'subAgent', kind: 'integer', min: 0, max: 0xffffffff, of: sflow },
  expanded: { member: 'expanded', kind: 'flag', of: sflow },
};

function wrong(url: string, what: string, remedy: string): RheoError {
  return new RheoError(ErrorCode.usage, `target ${url}: ${what}`, { remedy });
}

/** @throws RheoError `RHEO_USAGE` for an option that is unknown, given twice, out of place, or has a wrong value */
export function parseTargetOptions(url: string, query: string, kind: Kind): TargetOptions {
  const options: Partial<Record<keyof TargetOptions, unknown>> = {};
  const known = Object.keys(TARGET_OPTIONS).filter((name) => TARGET_OPTIONS[name].of(kind));
  for (const part of query === '' ? [] : query.split('&')) {
    const cut = part.indexOf('=');
    const name = cut < 0 ? part : part.slice(0, cut);
    if (!Object.hasOwn(TARGET_OPTIONS, name)) {
      throw wrong(
        url,
        `option '${name}' is not known`,
        didYouMean(name, known, '', `Known here: ${known.join(', ')}.`),
      );
    }
    const rule = TARGET_OPTIONS[name];
    if (!rule.of(kind)) throw wrong(url, `option '${name}' has no meaning here`, `Known here: ${known.join(', ')}.`);
    if (options[rule.member] !== undefined) throw wrong(url, `option '${name}' is given twice`, 'Give it once.');
    options[rule.member] = optionValue(url, name, rule, cut < 0 ? undefined : decoded(url, name, part.slice(cut + 1)));
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw wrong(url, 'cert and key belong together', 'Give both: ?cert=FILE&key=FILE');
  }
  if (options.agent !== undefined && isIP(options.agent as string) === 0) {
    throw wrong(url, `option 'agent': '${options.agent as string}' is not an address`, 'Write agent=192.0.2.1');
  }
  return options as TargetOptions;
}

function decoded(url: string, name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(url, `option '${name}': '${text}' has a '%' that begins no %XX`, "Write a percent sign as '%25'.");
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8 };
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const MAX_TIME_MS = 2 ** 32 * 1000;

function optionValue(url: string, name: string, rule: OptionRule, text: string | undefined): unknown {
  const { kind } = rule;
  const bad = (wanted: string): RheoError =>
    wrong(url, `option '${name}': '${text ?? ''}' is not ${wanted}`, `Write ${name}=… with ${wanted}.`);
  if (kind === 'flag') {
    if (text === undefined || ['yes', '1', 'true', 'on'].includes(text)) return true;
    if (['no', '0', 'false', 'off'].includes(text)) return false;
    throw bad('yes or no');
  }
  if (text === undefined || text === '') throw bad('a value: it is empty');
  if (typeof kind !== 'string') {
    if (kind.includes(text)) return text;
    throw bad(`one of ${kind.join(', ')}`);
  }
  switch (kind) {
    case 'text':
      return text;
    case 'list': {
      const words = text.split(',').map((word) => word.trim());
      if (words.includes('')) throw bad('a list of names with commas between them');
      return words;
    }
    case 'time': {
      const ms = timeOf(text);
      const min = rule.min ?? 0;
      if (Number.isNaN(ms) || ms < min || ms > MAX_TIME_MS)
        throw bad(`a time of ${min / 1000}s or more, as 30s, 5m, 1h, 7d`);
      return ms;
    }
    default: {
      const match = /^(\d+)([kmgt]?)i?b?$/i.exec(text);
      const unit = match?.[2].toLowerCase() ?? '';
      const factor = kind === 'size' ? UNIT_BYTES[unit] : { '': 1, k: 1e3, m: 1e6, g: 1e9 }[unit];
      const value = match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor;
      const { min = 0, max = Number.MAX_SAFE_INTEGER } = rule;
      if (!(value >= min && value <= max)) {
        throw bad(`a ${kind === 'size' ? 'size in bytes (as 100M, 10G)' : 'whole number'} from ${min} to ${max}`);
      }
      return value;
    }
  }
}

/** Milliseconds, or NaN. A number without a unit is seconds. */
function timeOf(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/i.test(text)) return Number.NaN;
  let ms = 0;
  for (const [, number, unit] of text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    ms += Number(number) * UNIT_MS[unit];
  }
  return ms;
}
