import { ENRICHMENT_FLAGS, EXPORT_FLAG, INPUT, METERING_FLAGS, OUTPUT, SEED_FLAG, THREADS_FLAG } from './metering.js';
import { type CommandSpec, type FlagSpec, TIME_TEXT } from './types.js';

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
/** Besides, where records have passed enrichment before they are added up. */
export const READ_GROUP_KEYS = [...GROUP_KEYS, 'as'] as const;
export type GroupKey = (typeof READ_GROUP_KEYS)[number];

/** Records and groups that are kept for a table at the most. */
export const MAX_TOP = 1_000_000;
export const DEFAULT_TOP = 20;
const VIEW = 'Views';
const MESSAGES = 'Messages';

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
  SEED_FLAG,
  EXPORT_FLAG,
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
    choices: READ_GROUP_KEYS,
    group: VIEW,
    summary: 'add up flows by KEY; prefix takes lengths: prefix/16 or prefix/24,/48; as needs --mrt or --mmdb',
  },
  { name: 'summary', kind: 'switch', group: VIEW, summary: 'histograms of sizes, durations, protocols, end reasons' },
  ...METERING_FLAGS,
  ...ENRICHMENT_FLAGS,
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
  THREADS_FLAG,
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

export const READ: CommandSpec = {
  name: 'read',
  synopsis: 'rheo read [FLAGS] FILE… [FILTER]',
  summary: 'flows of capture files',
  description: [
    'Reads captures (pcap, pcapng, also compressed with gzip) and prints their flows: both directions of a conversation ' +
      'in one record. Several files are merged by time; - is standard input.',
    'Leading operands that exist as files, or look like paths, are files; the rest is a filter in the language of ' +
      'pcap-filter(7). Operands after -- are the filter.',
    TIME_TEXT,
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
};
