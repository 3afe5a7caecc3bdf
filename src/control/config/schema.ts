import { z } from 'zod';
import { BGP_PORT } from '../../codec/bgp.js';
import { formatTime } from '../../core/quantity.js';
import { AS_CHOICES } from '../../enrich/as-choice.js';
import { DEFAULT_FEATURES, featureNames } from '../../meter/features/index.js';
import { MOST_FLOWS } from '../../meter/table.js';
import { DEFAULT_TIMEOUTS } from '../../meter/timeouts.js';
import { type MeterOptions, TIMEOUT_CLASSES, type TimeoutClass } from '../../model/options.js';
import { BASE_KEYS, KEY_PARTS, type KeyPart } from '../../packet/key.js';
import { TUNNEL_NAMES, type TunnelName } from '../../packet/tunnel.js';
import { integer, listOrOne, namesOrWord, size, text, time, timeOrNever, word, yesOrNo } from './leaves.js';

/**
 * The configuration file of the daemon, the one place where its keys, defaults and descriptions stand: types, `rheo config
 * check`, docs/config.schema.json and docs/configuration.md come from it. Names follow RFC 6728 where it has one. Everything
 * has a default. Times are ms in `Config`, sizes bytes.
 */

const LONGEST_TIMEOUT_MS = 10 * 365 * 86_400_000;
/** Memory of one ring: koffi aborts the process at views above 4 GiB. */
const LARGEST_RING = 2 ** 31;
const MOST_LISTED = 1024;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const keyParts = Object.keys(KEY_PARTS) as [KeyPart, ...KeyPart[]];
const tunnels = TUNNEL_NAMES.filter((name) => name !== 'none') as [TunnelName, ...TunnelName[]];
const path = text('a path');

const interfaces = listOrOne(
  text('the name of an interface, a pattern such as veth*, any, or -'),
  'a list of interfaces',
  MOST_LISTED,
)
  .prefault([])
  .describe(
    'Interfaces under observation (ifName): names, patterns with * and ?, or any (all of them, loopback too). ' +
      'Empty: all that are up but loopback. - alone: a capture on standard input',
  );

const ring = z
  .strictObject(
    {
      blockBytes: size(4096, 2 ** 26)
        .prefault('1M')
        .describe('Bytes of a block, a power of two and a multiple of the page size'),
      blocks: integer(2, 524_288).prefault(64).describe('Blocks of one ring; each thread has a ring for each socket'),
      memory: size(8192, LARGEST_RING).optional().describe('Memory of one ring instead of a number of blocks'),
    },
    { error: 'blockBytes and blocks, or memory' },
  )
  .transform(({ blockBytes, blocks, memory }, context) => {
    if ((blockBytes & (blockBytes - 1)) !== 0) {
      context.addIssue({ code: 'custom', path: ['blockBytes'], message: 'a power of two, such as 1M' });
    }
    const count = memory === undefined ? blocks : Math.max(2, Math.floor(memory / blockBytes));
    if (count * blockBytes > LARGEST_RING) {
      context.addIssue({ code: 'custom', path: ['blocks'], message: 'blocks times blockBytes of at most 2G' });
    }
    return { blockBytes, blocks: count };
  })
  .prefault({})
  .describe('The ring that the kernel puts packets into');

const SAMPLING_WANTED = 'count:N, random:N or hash:N, or mode, n and scale';
const sampling = z
  .union(
    [
      z.strictObject({
        mode: word(['count', 'random', 'hash']).describe(
          'count: every n-th packet; random: each with probability 1/n; hash: the packets of 1/n of the flows',
        ),
        n: integer(1, 2 ** 31 - 1).describe('One in n'),
        scale: yesOrNo().default(false).describe('Multiply packets and bytes of records by n'),
      }),
      z
        .string({ error: SAMPLING_WANTED })
        .regex(/^(count|random|hash):[1-9]\d{0,9}$/, { error: SAMPLING_WANTED })
        .transform((given, context) => {
          const [mode, n] = given.split(':') as ['count' | 'random' | 'hash', string];
          if (Number(n) <= 2 ** 31 - 1) return { mode, n: Number(n), scale: false };
          context.addIssue({ code: 'custom', message: 'one in 1 to 2147483647, such as random:100' });
          return z.NEVER;
        }),
    ],
    { error: SAMPLING_WANTED },
  )
  .optional()
  .describe('Meter one packet in n (RFC 5475); default: all');

const key = z
  .strictObject(
    {
      base: word(BASE_KEYS).default('port').describe('ip: addresses; proto: and protocol; port: and ports'),
      extra: listOrOne(word(keyParts), `a list of ${keyParts.join(', ')}`, keyParts.length)
        .prefault([])
        .describe(`What belongs to the key besides: ${keyParts.join(', ')}`),
      unidirectional: yesOrNo().default(false).describe('One flow for each direction instead of one for both'),
    },
    { error: 'base, extra and unidirectional' },
  )
  .prefault({})
  .describe('Flow key: what makes two packets belong to one flow');

const CLASS_TEXT: Record<TimeoutClass, string> = {
  tcp: 'TCP connections',
  'tcp.syn': 'TCP connections that were not answered',
  'tcp.fin': 'TCP connections that both sides have closed',
  'tcp.rst': 'TCP connections that were reset',
  udp: 'UDP',
  icmp: 'ICMP',
  single: 'flows of one packet',
  other: 'all other protocols',
};
const idle = time(LONGEST_TIMEOUT_MS);
type IdleShape = Record<TimeoutClass, z.ZodPrefault<z.ZodType<number, number | string>>>;
const timeouts = z
  .strictObject(
    Object.fromEntries(
      TIMEOUT_CLASSES.map((name) => [
        name,
        idle.prefault(formatTime(DEFAULT_TIMEOUTS.idle[name])).describe(CLASS_TEXT[name]),
      ]),
    ) as IdleShape,
    { error: `times of ${TIMEOUT_CLASSES.join(', ')}` },
  )
  .prefault({})
  .describe('Idle timeout of each class of flows: a flow that was silent so long has ended');

const http = z
  .strictObject(
    {
      listen: text('ADDRESS:PORT, such as 127.0.0.1:8080')
        .optional()
        .describe('Where HTTP is served; without it, it is not. Any address but loopback needs TLS and a token'),
      tlsCert: path.optional().describe('File with the certificate chain (PEM)'),
      tlsKey: path.optional().describe('File with its private key (PEM)'),
      clientCa: path.optional().describe('File with the authorities of client certificates (PEM): clients need one'),
      tokenFile: path.optional().describe('File with the bearer token; the token itself never stands in here'),
      allowedHosts: listOrOne(text('a host name'), 'a list of host names', 64)
        .prefault([])
        .describe('Names in the Host header that are answered, besides loopback and the address listened on'),
    },
    { error: 'listen, tlsCert, tlsKey, clientCa, tokenFile, allowedHosts' },
  )
  .prefault({})
  .describe('Control over HTTP with server-sent events');

const control = z
  .strictObject(
    {
      socket: path
        .optional()
        .describe('Path of the control socket; default: /run/rheo/control.sock, or under XDG_RUNTIME_DIR for users'),
      group: text('the name of a group or its number')
        .optional()
        .describe('Group that may use the socket (mode 0660); without it only the own user may (0600)'),
      http,
    },
    { error: 'socket, group and http' },
  )
  .prefault({})
  .describe('How the daemon is asked and told');

const log = z
  .strictObject(
    {
      level: word(LOG_LEVELS).default('info').describe('The least that is written'),
      format: word(['json', 'readable', 'auto'])
        .default('auto')
        .describe('auto: readable on a terminal and for the journal, else JSON, one object a line'),
      file: path.optional().describe('File that is appended to, opened again at SIGHUP; default: standard error'),
    },
    { error: 'level, format and file' },
  )
  .prefault({})
  .describe('The log');

const exportTarget = z.union(
  [
    text('a URL'),
    z
      .object({ url: text('a URL') })
      .catchall(z.union([z.string(), z.number(), z.boolean()], { error: 'a text, a number, or true or false' }))
      .transform(({ url, ...options }) => {
        const query = new URLSearchParams(
          Object.entries(options).map(([name, value]): [string, string] => [name, String(value)]),
        );
        return query.size === 0 ? url : `${url}${url.includes('?') ? '&' : '?'}${query}`;
      }),
  ],
  { error: 'a URL such as ipfix://collector.example.org:4739 or file:flows.ndjson, or url and its options' },
);

const AS_NUMBER = integer(1, 2 ** 32 - 1);
const bgp = z
  .strictObject(
    {
      address: text('an address').default('::').describe('Address that is listened on'),
      port: integer(0, 65_535).prefault(BGP_PORT).describe('Port that is listened on; 0: any that is free'),
      as: AS_NUMBER.describe('Our AS number'),
      id: text('an IPv4 address').describe('Our BGP identifier, an IPv4 address'),
      holdTime: time(65_535_000).prefault('90s').describe('Hold time that is offered, in whole seconds from 3s on'),
      neighbours: listOrOne(
        z.strictObject(
          {
            address: text('an address').describe('Its address; connections from elsewhere are refused'),
            as: AS_NUMBER.optional().describe('AS number that it must have; default: any'),
            passwordFile: path.optional().describe('File with the password of TCP MD5 signatures (RFC 2385)'),
          },
          { error: 'address, as and passwordFile' },
        ),
        'a list of neighbours',
        64,
      )
        .prefault([])
        .describe('Routers that tell their routes; the first that has a route for an address counts'),
    },
    { error: 'as, id, neighbours, address, port and holdTime' },
  )
  .optional()
  .describe('A passive BGP speaker: learns the routes of its neighbours and announces nothing');

const enrich = z
  .strictObject(
    {
      bgp,
      mrt: listOrOne(path, 'a list of files', 64)
        .prefault([])
        .describe(
          'MRT dumps of routes and updates, read once at the start, in this order; they count behind the neighbours',
        ),
      mmdb: listOrOne(path, 'a list of files', 64)
        .prefault([])
        .describe('MMDB files: countries, cities, AS numbers, organisations; the first that knows a thing counts'),
      as: word(AS_CHOICES)
        .default('origin')
        .describe(
          'AS number of a route: its origin, the neighbour (or peer) on the way to it, or the one previous to the origin',
        ),
      memory: size(2 ** 20, 2 ** 34)
        .prefault('400M')
        .describe('Most memory for the prefixes of one neighbour, or of all dumps'),
    },
    { error: 'bgp, mrt, mmdb, as and memory' },
  )
  .prefault({})
  .describe('What is added to records: AS numbers, prefixes, next hops, places (docs/enrichment.md)');

export const configSchema = z.strictObject(
  {
    interfaces,
    filter: text('a pcap filter expression')
      .optional()
      .describe('Only packets that match (pcap-filter(7)) are metered'),
    snapLength: integer(64, 262_144)
      .prefault(2048)
      .describe('Bytes of each packet that are looked at; checksums need whole packets'),
    promiscuous: yesOrNo().default(true).describe('See frames that are for others, too'),
    netns: text('the name of a network namespace or a path')
      .optional()
      .describe('Network namespace that is observed, by name (ip netns) or path; default: the own one'),
    observe: word(['ring', 'ebpf'])
      .default('ring')
      .describe('ring: each packet is seen; ebpf: the kernel counts, headers only, where the ring is too dear'),
    ring,
    threads: integer(1, 64).prefault(1).describe('Threads that meter, each with a ring and a share of the flows'),
    dedupe: yesOrNo().default(false).describe('Leave out the second sight of a packet on another interface'),
    sampling,
    key,
    idleTimeout: time(LONGEST_TIMEOUT_MS)
      .optional()
      .describe('Idle timeout of all classes; timeouts of single classes stand above it'),
    activeTimeout: timeOrNever()
      .prefault(formatTime(DEFAULT_TIMEOUTS.active))
      .describe('A flow that lasts longer is reported and goes on in a new record; or never'),
    timeouts,
    maxFlows: integer(1, MOST_FLOWS)
      .optional()
      .describe('Most flows at one time; default: what fits into a quarter of the memory, 4 M at the most'),
    whenFull: word(['evict', 'refuse', 'early'])
      .default('evict')
      .describe('What happens then: evict the least recent, refuse new ones, or expire early by class'),
    features: namesOrWord(featureNames as unknown as [string, ...string[]])
      .default([...DEFAULT_FEATURES])
      .describe('What is measured besides (docs/features.md)'),
    tunnels: namesOrWord(tunnels)
      .default(tunnels.filter((name) => name !== 'l2tp'))
      .describe('Tunnels that are looked into'),
    checksums: yesOrNo().default(false).describe('Verify IPv4, TCP and UDP checksums and refuse packets that fail'),
    maxFragments: integer(1, 2 ** 20)
      .prefault(4096)
      .describe('Fragments held until their first one comes'),
    fragmentTimeout: time(LONGEST_TIMEOUT_MS).prefault('15s').describe('How long they are held'),
    communityIdSeed: integer(0, 65_535).prefault(0).describe('Seed of the Community ID'),
    export: listOrOne(exportTarget, 'a list of URLs', 64)
      .prefault([])
      .describe('Where records go (docs/export.md): URLs, or objects with url and options that become its query'),
    enrich,
    control,
    log,
    statisticsInterval: timeOrNever()
      .prefault('never')
      .describe('How often a line of statistics is written to the log, or never'),
    user: text('the name of a user or its number')
      .optional()
      .describe('User to become when everything is open; default: stay who started it'),
    group: text('the name of a group or its number').optional().describe('Group to become; default: that of the user'),
    pidFile: path.optional().describe('File that the process id is written to'),
  },
  { error: 'keys and values' },
);

/** What may stand in a file. */
export type ConfigInput = z.input<typeof configSchema>;
/** All that the daemon needs to know, with defaults filled in. `idleTimeout` is in `timeouts` already. Plain data. */
export type Config = Readonly<Omit<z.output<typeof configSchema>, 'idleTimeout'>>;

/** The part that the metering process takes. */
export function meterOptions(config: Config): MeterOptions {
  const { key, timeouts, activeTimeout, maxFlows, whenFull, features, tunnels, checksums, sampling } = config;
  return {
    key,
    timeouts: { idle: timeouts, active: activeTimeout },
    ...(maxFlows === undefined ? {} : { maxFlows }),
    whenFull,
    features,
    tunnels,
    checksums,
    ...(sampling === undefined ? {} : { sampling }),
    maxFragments: config.maxFragments,
    fragmentTimeout: config.fragmentTimeout,
  };
}
