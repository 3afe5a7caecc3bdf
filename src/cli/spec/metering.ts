import { TIMEOUT_CLASSES } from '../../model/options.js';
import { KEY_PARTS } from '../../packet/key.js';
import { TUNNEL_NAMES } from '../../packet/tunnel.js';
import type { FlagSpec } from './types.js';

/** Flags that mean the same wherever packets become records. */

export const TRACK_LEVELS = ['ip', 'proto', 'port', 'full', 'vlan', 'ether'] as const;
export type TrackLevel = (typeof TRACK_LEVELS)[number];

/** The names of meter/features, here without their code so that help starts fast; a test holds the two together. */
export const FEATURE_NAMES = [
  ...['vlan', 'tunnel', 'tos', 'ttl', 'flowLabel', 'length', 'fragments', 'layer2', 'payload', 'mac', 'interface'],
  ...['mpls', 'window', 'windowScale', 'mss', 'tcpOptions', 'roundTrip', 'controlCounts', 'retransmissions'],
  ...['outOfOrder', 'zeroWindows', 'interArrival', 'slots', 'splt', 'entropy', 'firstBytes', 'all', 'none'],
] as const;

export const OUTPUT = 'Output';
export const METER = 'Metering';
export const INPUT = 'Reading';
const ENRICHMENT = 'Enrichment';

export const SEED_FLAG: FlagSpec = {
  name: 'community-id-seed',
  kind: 'integer',
  placeholder: 'N',
  min: 0,
  max: 65535,
  group: OUTPUT,
  summary: 'seed of the Community ID',
  fallback: '0',
};

export const EXPORT_FLAG: FlagSpec = {
  name: 'export',
  kind: 'text',
  placeholder: 'URL',
  repeat: true,
  group: OUTPUT,
  summary: 'send records to a collector or into files, for example ipfix://HOST:PORT or file:flows.parquet',
  choices: [
    ...['ipfix://', 'ipfix+tcp://', 'ipfix+tls://', 'ipfix+sctp://', 'netflow9://', 'netflow5://', 'netflow1://'],
    ...['syslog://', 'syslog+tcp://', 'syslog+tls://', 'file:'],
  ],
};

/** AS_CHOICES of enrich/as-choice.ts, here without its code; a test holds the two together. */
export const AS_WORDS = ['origin', 'neighbour', 'peer', 'previous'] as const;

export const ENRICHMENT_FLAGS: readonly FlagSpec[] = [
  {
    name: 'mrt',
    kind: 'file',
    placeholder: 'FILE',
    repeat: true,
    group: ENRICHMENT,
    summary:
      'AS numbers, prefix lengths and next hops from an MRT dump of routes; of several the later change the earlier',
  },
  {
    name: 'mmdb',
    kind: 'file',
    placeholder: 'FILE',
    repeat: true,
    group: ENRICHMENT,
    summary: 'countries, cities, AS numbers and organisations from an MMDB file',
  },
  {
    name: 'as',
    kind: 'choice',
    placeholder: 'WHICH',
    choices: AS_WORDS,
    group: ENRICHMENT,
    summary:
      'AS number of a route: its origin, the neighbour (or peer) on the way to it, or the one previous to the origin',
    fallback: 'origin',
  },
];

export const THREADS_FLAG: FlagSpec = {
  name: 'threads',
  kind: 'integer',
  placeholder: 'N',
  min: 1,
  max: 64,
  group: INPUT,
  summary: 'threads that meter',
  fallback: '1',
};

export const METERING_FLAGS: readonly FlagSpec[] = [
  {
    name: 'idle-timeout',
    kind: 'time',
    placeholder: 'TIME',
    group: METER,
    summary: 'end a flow that was silent so long, in all classes',
  },
  {
    name: 'active-timeout',
    kind: 'time',
    placeholder: 'TIME',
    group: METER,
    summary: 'report a flow that lasts longer and go on in a new record',
  },
  {
    name: 'timeout',
    kind: 'classTime',
    placeholder: 'CLASS=TIME',
    repeat: true,
    choices: TIMEOUT_CLASSES,
    group: METER,
    summary: `idle timeout of one class: ${TIMEOUT_CLASSES.join(', ')}`,
  },
  {
    name: 'key',
    kind: 'list',
    placeholder: 'LIST',
    choices: Object.keys(KEY_PARTS),
    group: METER,
    summary: `parts added to the flow key: ${Object.keys(KEY_PARTS).join(', ')}; taken away with a minus: -port, -proto`,
  },
  {
    name: 'track',
    kind: 'choice',
    placeholder: 'LEVEL',
    choices: TRACK_LEVELS,
    group: METER,
    summary: "softflowd's track level: ip, proto, port, full (with ToS), vlan, ether (with MAC)",
    fallback: 'port',
  },
  { name: 'unidirectional', kind: 'switch', group: METER, summary: 'a flow for each direction' },
  {
    name: 'max-flows',
    kind: 'integer',
    placeholder: 'N',
    min: 1,
    max: 2 ** 30,
    group: METER,
    summary: 'flows in memory at one time',
    fallback: 'from the memory of the machine',
  },
  {
    name: 'when-full',
    kind: 'choice',
    placeholder: 'HOW',
    choices: ['evict', 'refuse', 'early'],
    group: METER,
    summary: 'what happens then: evict the least recent, refuse new ones, expire early by class',
    fallback: 'evict',
  },
  {
    name: 'features',
    kind: 'list',
    placeholder: 'LIST',
    group: METER,
    summary: `what is measured besides: ${FEATURE_NAMES.join(', ').replace(', none', ' or none')}`,
    fallback: 'vlan,tunnel',
    choices: FEATURE_NAMES,
  },
  {
    name: 'tunnels',
    kind: 'list',
    placeholder: 'LIST',
    choices: [...TUNNEL_NAMES.slice(1), 'all', 'none'],
    group: METER,
    summary: `tunnels that are looked into: ${TUNNEL_NAMES.slice(1).join(', ')}, all or none`,
    fallback: 'all but l2tp',
  },
  {
    name: 'checksums',
    kind: 'switch',
    group: METER,
    summary: 'verify IPv4, TCP and UDP checksums and refuse packets that fail',
  },
  {
    name: 'sample',
    kind: 'sampling',
    placeholder: 'MODE:N',
    choices: ['count:', 'random:', 'hash:'],
    group: METER,
    summary: 'meter one in N: count (every Nth packet), random, hash (whole flows)',
  },
  { name: 'scale', kind: 'switch', group: METER, summary: 'multiply packets and bytes by N of --sample' },
  {
    name: 'max-fragments',
    kind: 'integer',
    placeholder: 'N',
    min: 1,
    max: 2 ** 20,
    group: METER,
    fallback: '4096',
    summary: 'fragments held until their first one comes',
  },
  {
    name: 'fragment-timeout',
    kind: 'time',
    placeholder: 'TIME',
    group: METER,
    summary: 'how long they are held',
    fallback: '15s',
  },
];
