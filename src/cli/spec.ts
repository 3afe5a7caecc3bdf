import { TIMEOUT_CLASSES } from '../model/options.js';
import { KEY_PARTS } from '../packet/key.js';
import { TUNNEL_NAMES } from '../packet/tunnel.js';

/**
 * The one table of commands and flags. Parsing, --help, the man page and the shell completions all come from it;
 * scripts/generate-docs.mjs writes the files and fails in check mode where they differ.
 */

/** How the text of a flag becomes a value (cli/values.ts). */
export type ValueKind = 'switch' | 'integer' | 'time' | 'text' | 'list' | 'file' | 'choice' | 'classTime' | 'sampling';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  readonly kind: ValueKind;
  /** What stands for the value in help, e.g. `N`. */
  readonly placeholder?: string;
  /** May be given several times; the values become a list. */
  readonly repeat?: boolean;
  /** The words that are allowed (`choice`), or offered by completion (`list`, `text`, `classTime`, `sampling`). */
  readonly choices?: readonly string[];
  /** Smallest and largest number of `integer`. */
  readonly min?: number;
  readonly max?: number;
  readonly group: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Default, as help shows it. */
  readonly fallback?: string;
  /** False for flags that no environment variable sets. */
  readonly environment?: boolean;
}

export interface ExampleSpec {
  readonly command: string;
  readonly explanation: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  /** Paragraphs of the man page and of the command's help. */
  readonly description: readonly string[];
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly ExampleSpec[];
  /** What completion offers for operands. */
  readonly operands: 'files' | 'none' | readonly string[];
}

export const SORT_KEYS = [
  'bytes',
  'packets',
  'duration',
  'start',
  'end',
  'rate',
  'src',
  'dst',
  'srcPort',
  'dstPort',
  'proto',
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export const GROUP_KEYS = ['address', 'src', 'dst', 'prefix', 'port', 'protocol', 'conversation'] as const;
export type GroupKey = (typeof GROUP_KEYS)[number];

export const TRACK_LEVELS = ['ip', 'proto', 'port', 'full', 'vlan', 'ether'] as const;
export type TrackLevel = (typeof TRACK_LEVELS)[number];

/** The names of meter/features, here without their code so that help starts fast; a test holds the two together. */
export const FEATURE_NAMES = [
  ...['vlan', 'tunnel', 'tos', 'ttl', 'flowLabel', 'length', 'fragments', 'layer2', 'payload', 'mac', 'interface'],
  ...['mpls', 'window', 'windowScale', 'mss', 'tcpOptions', 'roundTrip', 'controlCounts', 'retransmissions'],
  ...['outOfOrder', 'zeroWindows', 'interArrival', 'slots', 'splt', 'entropy', 'firstBytes', 'all', 'none'],
] as const;

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Records and groups that are kept for a table at the most. */
export const MAX_TOP = 1_000_000;
export const DEFAULT_TOP = 20;
const MAX_TIME_TEXT = 'Times are 500ms, 30s, 5m, 1h30m, 2d, 1w; a plain number is seconds.';

const OUTPUT = 'Output';
const VIEW = 'Views';
const METER = 'Metering';
const INPUT = 'Reading';
const MESSAGES = 'Messages';

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
  ['summary', 'group-by'],
  ['summary', 'top'],
  ['summary', 'sort'],
  ['summary', 'fields'],
  ['group-by', 'fields'],
];

/** Flags of every command that reads captures. */
const READ_FLAGS: readonly FlagSpec[] = [
  {
    name: 'json',
    kind: 'switch',
    group: OUTPUT,
    summary: 'write JSON, one object a line',
  },
  { name: 'csv', kind: 'switch', group: OUTPUT, summary: 'write comma-separated values with a header line' },
  {
    name: 'count',
    kind: 'switch',
    group: OUTPUT,
    summary: 'write only the number of packets that match the filter',
  },
  {
    name: 'fields',
    kind: 'list',
    placeholder: 'LIST',
    group: OUTPUT,
    summary: 'members of the records, in this order',
    fallback: 'all',
    choices: ['id', 'start', 'end', 'duration', 'src', 'srcPort', 'dst', 'dstPort', 'proto', 'packets', 'bytes'],
  },
  {
    name: 'community-id-seed',
    kind: 'integer',
    placeholder: 'N',
    min: 0,
    max: 65535,
    group: OUTPUT,
    summary: 'seed of the Community ID',
    fallback: '0',
  },
  {
    name: 'top',
    kind: 'integer',
    placeholder: 'N',
    min: 1,
    max: MAX_TOP,
    group: VIEW,
    summary: 'only the first N records or groups',
    fallback: '20 in a table',
  },
  {
    name: 'sort',
    kind: 'choice',
    placeholder: 'KEY',
    choices: [...SORT_KEYS, 'flows', 'key'],
    group: VIEW,
    summary: 'order of the table; the largest first, for times and texts the smallest',
    fallback: 'bytes',
  },
  {
    name: 'group-by',
    kind: 'text',
    placeholder: 'KEY',
    choices: GROUP_KEYS,
    group: VIEW,
    summary: 'add up flows by KEY; prefix takes lengths: prefix/16 or prefix/24,/48',
  },
  { name: 'summary', kind: 'switch', group: VIEW, summary: 'histograms of sizes, durations, protocols, end reasons' },
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
  {
    name: 'read',
    short: 'r',
    kind: 'file',
    placeholder: 'FILE',
    repeat: true,
    group: INPUT,
    summary: 'capture to read, the same as FILE as an operand',
    environment: false,
  },
  { name: 'follow', short: 'f', kind: 'switch', group: INPUT, summary: 'go on reading as the file grows' },
  {
    name: 'threads',
    kind: 'integer',
    placeholder: 'N',
    min: 1,
    max: 64,
    group: INPUT,
    summary: 'threads that meter',
    fallback: '1',
  },
  { name: 'no-names', short: 'n', kind: 'switch', group: MESSAGES, summary: 'numbers instead of names' },
  { name: 'no-color', kind: 'switch', group: MESSAGES, summary: 'no colours (also NO_COLOR)' },
  { name: 'no-progress', kind: 'switch', group: MESSAGES, summary: 'no progress bar' },
  { name: 'quiet', short: 'q', kind: 'switch', group: MESSAGES, summary: 'no messages but errors' },
  {
    name: 'verbose',
    short: 'v',
    kind: 'switch',
    group: MESSAGES,
    summary: 'all counters at the end, also with --json and --csv',
  },
];

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'read',
    synopsis: 'rheo read [FLAGS] FILE… [FILTER]',
    summary: 'flows of capture files',
    description: [
      'Reads captures (pcap, pcapng, also compressed with gzip) and prints their flows: both directions of a conversation ' +
        'in one record. Several files are merged by time; - is standard input.',
      'Leading operands that exist as files, or look like paths, are files; the rest is a filter in the language of ' +
        'pcap-filter(7). Operands after -- are the filter.',
      MAX_TIME_TEXT,
    ],
    flags: READ_FLAGS,
    operands: 'files',
    examples: [
      { command: 'rheo read capture.pcapng', explanation: 'the 20 largest flows as a table' },
      { command: 'rheo read capture.pcapng --group-by address', explanation: 'who talks most' },
      { command: 'rheo read capture.pcapng --summary', explanation: 'sizes, durations, protocols' },
      { command: 'rheo read --json a.pcap b.pcap tcp port 443', explanation: 'records as JSON, filtered' },
      {
        command: 'rheo read --csv --fields start,src,dst,bytes big.pcap.gz',
        explanation: 'some columns for a spreadsheet',
      },
      { command: 'tcpdump -w - | rheo read --json -', explanation: 'from a pipe' },
      {
        command: 'rheo read --idle-timeout 10s --timeout tcp.fin=1s capture.pcap',
        explanation: 'other timeouts',
      },
    ],
  },
  {
    name: 'demo',
    synopsis: 'rheo demo',
    summary: 'flows of the sample capture that comes with rheo',
    description: ['Reads the sample and says what to type next.'],
    flags: [],
    operands: 'none',
    examples: [{ command: 'rheo demo', explanation: 'see what a table of flows looks like' }],
  },
  {
    name: 'completion',
    synopsis: 'rheo completion bash|zsh|fish',
    summary: 'completion script for a shell',
    description: ['Prints the script; the first line of each says where to put it.'],
    flags: [],
    operands: SHELLS,
    examples: [
      { command: 'eval "$(rheo completion bash)"', explanation: 'for this shell' },
      { command: 'rheo completion fish > ~/.config/fish/completions/rheo.fish', explanation: 'for good' },
    ],
  },
  {
    name: 'help',
    synopsis: 'rheo help [COMMAND]',
    summary: 'help on a command',
    description: ['The same as rheo COMMAND --help.'],
    flags: [],
    operands: ['read', 'demo', 'completion', 'help', 'version'],
    examples: [{ command: 'rheo help read', explanation: 'all flags of read' }],
  },
  {
    name: 'version',
    synopsis: 'rheo version',
    summary: 'version of rheo and of Node',
    description: ['Prints both on a line.'],
    flags: [],
    operands: 'none',
    examples: [{ command: 'rheo --version', explanation: 'the same' }],
  },
];

/** Name of the environment variable that sets a flag. */
export function environmentName(flag: FlagSpec): string {
  return `RHEO_${flag.name.toUpperCase().replaceAll('-', '_')}`;
}

export function findCommand(name: string): CommandSpec | undefined {
  return COMMANDS.find((command) => command.name === name);
}

export const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, 'success; also when the reader of a pipe goes away'],
  [1, 'something could not be read or written'],
  [2, 'wrong use: flag, value or filter'],
  [130, 'interrupted (SIGINT); what was read so far is printed'],
];
