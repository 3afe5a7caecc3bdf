import { ENRICHMENT_FLAGS, EXPORT_FLAG, METERING_FLAGS, SEED_FLAG, THREADS_FLAG } from './metering.js';
import { type CommandSpec, type FlagSpec, TIME_TEXT } from './types.js';

const OBSERVE = 'Observing';
const CONTROL = 'Control';
const LOG = 'Log';
const PROCESS = 'Process';

const CONFIG_FLAG: FlagSpec = {
  name: 'config',
  short: 'c',
  kind: 'file',
  placeholder: 'FILE',
  group: PROCESS,
  summary: 'configuration, in YAML',
  fallback: '/etc/rheo/rheo.yaml, or ~/.config/rheo/rheo.yaml for users',
};

/** Flags that say the same as keys of the configuration, and stand above it (cli/run-options.ts). */
export const RUN_FLAGS: readonly FlagSpec[] = [
  {
    name: 'interface',
    short: 'i',
    kind: 'text',
    placeholder: 'IF',
    repeat: true,
    choices: ['any'],
    group: OBSERVE,
    summary: 'interface to observe: a name, a pattern such as veth*, or any',
    fallback: 'all that are up but loopback',
  },
  {
    name: 'snap-length',
    short: 's',
    kind: 'integer',
    placeholder: 'N',
    min: 64,
    max: 262_144,
    group: OBSERVE,
    summary: 'bytes of each packet that are looked at',
    fallback: '2048',
  },
  {
    name: 'no-promiscuous',
    short: 'p',
    kind: 'switch',
    group: OBSERVE,
    summary: 'only frames that are for this machine',
  },
  {
    name: 'netns',
    kind: 'text',
    placeholder: 'NAME',
    group: OBSERVE,
    summary: 'network namespace to observe, by name or path',
  },
  {
    name: 'observe',
    kind: 'choice',
    placeholder: 'HOW',
    choices: ['ring', 'ebpf'],
    group: OBSERVE,
    summary: 'ring: each packet; ebpf: the kernel counts, headers only',
    fallback: 'ring',
  },
  {
    name: 'ring-memory',
    kind: 'text',
    placeholder: 'SIZE',
    group: OBSERVE,
    summary: 'memory of one ring, such as 256M',
    fallback: '64M',
  },
  { name: 'dedupe', kind: 'switch', group: OBSERVE, summary: 'leave out second sights of packets on other interfaces' },
  { ...THREADS_FLAG, group: OBSERVE },
  ...METERING_FLAGS,
  ...ENRICHMENT_FLAGS,
  { ...EXPORT_FLAG, group: 'Export' },
  { ...SEED_FLAG, group: 'Export' },
  {
    name: 'control-socket',
    kind: 'file',
    placeholder: 'PATH',
    group: CONTROL,
    summary: 'where the daemon is asked',
    fallback: '/run/rheo/control.sock, or under XDG_RUNTIME_DIR for users',
  },
  {
    name: 'control-group',
    kind: 'text',
    placeholder: 'GROUP',
    group: CONTROL,
    summary: 'group that may use the socket besides the own user',
  },
  {
    name: 'http-listen',
    kind: 'text',
    placeholder: 'ADDRESS:PORT',
    group: CONTROL,
    summary: 'serve HTTP there, too; any address but loopback needs TLS and a token',
  },
  { name: 'http-tls-cert', kind: 'file', placeholder: 'FILE', group: CONTROL, summary: 'its certificate (PEM)' },
  { name: 'http-tls-key', kind: 'file', placeholder: 'FILE', group: CONTROL, summary: 'key of the certificate (PEM)' },
  {
    name: 'http-client-ca',
    kind: 'file',
    placeholder: 'FILE',
    group: CONTROL,
    summary: 'who signs certificates of clients, which they need then (PEM)',
  },
  { name: 'http-token-file', kind: 'file', placeholder: 'FILE', group: CONTROL, summary: 'file with the bearer token' },
  {
    name: 'log-level',
    kind: 'choice',
    placeholder: 'LEVEL',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    group: LOG,
    summary: 'the least that is written',
    fallback: 'info',
  },
  {
    name: 'log-format',
    kind: 'choice',
    placeholder: 'FORMAT',
    choices: ['json', 'readable', 'auto'],
    group: LOG,
    summary: 'auto: readable on a terminal and in the journal, else JSON',
    fallback: 'auto',
  },
  { name: 'log-file', kind: 'file', placeholder: 'FILE', group: LOG, summary: 'instead of standard error' },
  {
    name: 'statistics-interval',
    kind: 'time',
    placeholder: 'TIME',
    group: LOG,
    summary: 'how often a line of statistics is written',
    fallback: 'never',
  },
  CONFIG_FLAG,
  {
    name: 'user',
    kind: 'text',
    placeholder: 'USER',
    group: PROCESS,
    summary: 'user to become when everything is open',
  },
  { name: 'group', kind: 'text', placeholder: 'GROUP', group: PROCESS, summary: 'group to become, with --user' },
  { name: 'pid-file', kind: 'file', placeholder: 'FILE', group: PROCESS, summary: 'file for the process id' },
];

export const RUN: CommandSpec = {
  name: 'run',
  synopsis: 'rheo run [FLAGS] [FILTER | -]',
  summary: 'meter live packets until told to stop',
  description: [
    'Observes interfaces, meters their packets into flow records, hands these to the targets of --export, and answers on its ' +
      'control socket. Everything has a default; a configuration file is not needed. - reads a capture from standard input ' +
      'instead: tcpdump -w - -U | rheo run -',
    'Operands are a filter in the language of pcap-filter(7); flags stand above RHEO_* of the environment, these above the file.',
    'SIGHUP reads the configuration again, SIGUSR1 writes statistics to the log, SIGTERM and SIGINT end all flows, hand them out ' +
      'and stop; the second one stops at once.',
    TIME_TEXT,
  ],
  flags: RUN_FLAGS,
  operands: 'none',
  examples: [
    { command: 'rheo run -i eth0 --export ipfix://collector.example.org', explanation: 'an exporter' },
    {
      command: "rheo run -i 'veth*' --export file:flows-%Y%m%d.ndjson tcp port 443",
      explanation: 'into files, filtered',
    },
    { command: 'rheo run -c rheo.yaml', explanation: 'with a configuration' },
    { command: 'tcpdump -i eth0 -U -w - | rheo run -', explanation: 'from a pipe, on any system' },
  ],
};
