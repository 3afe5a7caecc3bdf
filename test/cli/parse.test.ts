import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitOperands } from '../../src/cli/operands.js';
import { type ParsedArguments, parseArguments } from '../../src/cli/parse.js';
import { readOptions } from '../../src/cli/read-options.js';
import { environmentName, FEATURE_NAMES, findCommand } from '../../src/cli/spec.js';
import { closest } from '../../src/core/suggest.js';
import { featureNames } from '../../src/meter/features/index.js';
import { TIMEOUT_CLASSES } from '../../src/model/options.js';

const read = findCommand('read')!;
const parse = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): ParsedArguments =>
  parseArguments(read, args, environment);
const optionsOf = (...args: string[]) => readOptions(parse(args).values, undefined);

/** A valid text for the value of each flag, and what it becomes. */
const SAMPLES: Record<string, [string, unknown]> = {
  fields: ['src,dst', ['src', 'dst']],
  'community-id-seed': ['7', 7],
  top: ['5', 5],
  sort: ['packets', 'packets'],
  'group-by': ['prefix/16', 'prefix/16'],
  export: ['file:x.csv', ['file:x.csv']],
  'idle-timeout': ['30s', 30_000],
  'active-timeout': ['5m', 300_000],
  timeout: ['tcp.fin=5s', [{ className: 'tcp.fin', ms: 5000 }]],
  key: ['vlan,mac', ['vlan', 'mac']],
  track: ['full', 'full'],
  'max-flows': ['1M', 1_000_000],
  'when-full': ['early', 'early'],
  features: ['all', ['all']],
  tunnels: ['gre,vxlan', ['gre', 'vxlan']],
  mrt: ['rib.gz', ['rib.gz']],
  mmdb: ['city.mmdb', ['city.mmdb']],
  as: ['previous', 'previous'],
  sample: ['hash:10', { mode: 'hash', n: 10, scale: false }],
  'max-fragments': ['100', 100],
  'fragment-timeout': ['2s', 2000],
  read: ['a.pcap', ['a.pcap']],
  threads: ['2', 2],
};

test('every flag is taken, apart and attached, and from the environment', () => {
  for (const flag of read.flags) {
    const name = `--${flag.name}`;
    if (flag.kind === 'switch') {
      assert.equal(parse([name]).values.get(flag.name), true);
      assert.equal(parse([], { [environmentName(flag)]: '1' }).values.get(flag.name), true);
      assert.equal(parse([], { [environmentName(flag)]: '0' }).values.has(flag.name), false);
      assert.throws(() => parse([`${name}=1`]), { code: 'RHEO_USAGE' });
      continue;
    }
    const [text, value] = SAMPLES[flag.name];
    assert.deepEqual(parse([name, text]).values.get(flag.name), value, name);
    assert.deepEqual(parse([`${name}=${text}`]).values.get(flag.name), value, name);
    const fromEnvironment = parse([], { [environmentName(flag)]: text }).values.get(flag.name);
    assert.deepEqual(fromEnvironment, flag.environment === false ? undefined : value, name);
    assert.throws(() => parse([name]), { code: 'RHEO_USAGE', message: /needs a value/ }, name);
    assert.throws(() => parse([name, '--json']), { code: 'RHEO_USAGE', message: /needs a value/ }, name);
  }
});

test('every flag with a value refuses what is none', () => {
  for (const flag of read.flags) {
    if (flag.kind === 'switch') continue;
    assert.throws(() => parse([`--${flag.name}=`]), { code: 'RHEO_USAGE' }, flag.name);
  }
  for (const [name, wrong] of [
    ['top', '0'],
    ['top', 'ten'],
    ['sort', 'size'],
    ['track', 'all'],
    ['when-full', 'drop'],
    ['timeout', 'tcp'],
    ['timeout', 'tcpfin=5s'],
    ['timeout', 'tcp.fin=soon'],
    ['sample', '100'],
    ['sample', 'count:0'],
    ['threads', '0'],
    ['threads', '65'],
    ['community-id-seed', '65536'],
    ['fields', 'a,,b'],
  ]) {
    assert.throws(() => parse([`--${name}=${wrong}`]), { code: 'RHEO_USAGE', message: new RegExp(name) }, name);
  }
});

test('short flags stand alone, together and with values', () => {
  assert.deepEqual([...parse(['-nqv']).values.keys()], ['no-names', 'quiet', 'verbose']);
  assert.deepEqual(parse(['-ra.pcap', '-r', 'b.pcap']).values.get('read'), ['a.pcap', 'b.pcap']);
  assert.deepEqual(parse(['-nra.pcap']).values.get('read'), ['a.pcap']);
  assert.equal(parse(['-h']).help, true);
  assert.equal(parse(['--json', '--help']).help, true);
  assert.throws(() => parse(['-x']), { code: 'RHEO_USAGE', message: /unknown flag -x/ });
});

test('flags and operands may be mixed; -- ends the flags', () => {
  const parsed = parse(['a.pcap', '--json', 'tcp', '-', '--', '--csv', 'port']);
  assert.deepEqual(parsed.operands, ['a.pcap', 'tcp', '-']);
  assert.deepEqual(parsed.rest, ['--csv', 'port']);
  assert.deepEqual([...parsed.values.keys()], ['json']);
});

test('the command line wins over the environment, also where they contradict each other', () => {
  assert.equal(parse(['--top', '3'], { RHEO_TOP: '9' }).values.get('top'), 3);
  assert.deepEqual([...parse(['--csv'], { RHEO_JSON: '1' }).values.keys()], ['csv']);
  assert.throws(() => parse([], { RHEO_TOP: 'x' }), { code: 'RHEO_USAGE', message: /RHEO_TOP/ });
  assert.deepEqual(parse([], { RHEO_TIMEOUT: 'tcp=1m udp=5s' }).values.get('timeout'), [
    { className: 'tcp', ms: 60_000 },
    { className: 'udp', ms: 5000 },
  ]);
});

test('flags that exclude each other', () => {
  assert.throws(() => parse(['--json', '--csv']), { code: 'RHEO_USAGE', message: /--json and --csv/ });
  assert.throws(() => parse(['--summary', '--top=3']), { code: 'RHEO_USAGE', message: /--summary and --top/ });
});

test('what was typed wrongly is met with what is closest', () => {
  assert.throws(() => parse(['--jsno']), { message: 'unknown flag --jsno', remedy: 'Did you mean --json?' });
  assert.throws(() => parse(['--idel-timeout=3s']), { remedy: 'Did you mean --idle-timeout?' });
  assert.throws(() => parse(['--frobnicate']), { remedy: 'See: rheo read --help' });
  assert.throws(() => parse(['--sort', 'byte']), { remedy: 'Did you mean bytes?' });
  assert.equal(closest('prot', ['proto', 'port', 'bytes']), 'proto');
  assert.equal(closest('x'.repeat(5000), ['json']), undefined);
});

test('flags become the options of a run', () => {
  assert.deepEqual(optionsOf(), { timeouts: { idle: {} } });
  const options = optionsOf('--idle-timeout=10s', '--timeout=tcp.fin=1s', '--active-timeout=1m', '--follow');
  assert.deepEqual(Object.keys(options.timeouts!.idle!), [...TIMEOUT_CLASSES]);
  assert.equal(options.timeouts!.idle!.udp, 10_000);
  assert.equal(options.timeouts!.idle!['tcp.fin'], 1000);
  assert.equal(options.timeouts!.active, 60_000);
  assert.equal(options.follow, true);
  assert.equal(optionsOf('--features', 'none').features, 'none');
  assert.deepEqual(optionsOf('--features', 'ttl,mss').features, ['ttl', 'mss']);
  assert.equal(optionsOf('--tunnels=all').tunnels, 'all');
  assert.deepEqual(optionsOf('--sample=count:5', '--scale').sampling, { mode: 'count', n: 5, scale: true });
  assert.throws(() => optionsOf('--scale'), { code: 'RHEO_USAGE' });
});

test('track levels and key parts add up', () => {
  const key = (...args: string[]) => optionsOf(...args).key;
  assert.equal(key(), undefined);
  assert.deepEqual(key('--unidirectional'), { base: 'port', extra: [], unidirectional: true });
  assert.deepEqual(key('--track=ip'), { base: 'ip', extra: [], unidirectional: false });
  assert.deepEqual(key('--track=proto'), { base: 'proto', extra: [], unidirectional: false });
  assert.deepEqual(key('--track=ether'), { base: 'port', extra: ['tos', 'vlan', 'mac'], unidirectional: false });
  assert.deepEqual(key('--track=vlan', '--key=-tos,+mpls,vlan'), {
    base: 'port',
    extra: ['vlan', 'mpls'],
    unidirectional: false,
  });
  assert.deepEqual(key('--key', '-port'), { base: 'proto', extra: [], unidirectional: false });
  assert.deepEqual(key('--key', '-port,-proto'), { base: 'ip', extra: [], unidirectional: false });
  assert.throws(() => key('--key=vlna'), { code: 'RHEO_USAGE', remedy: 'Did you mean vlan?' });
});

test('files are told from filter words', () => {
  const there = (path: string): boolean => ['a.pcap', 'b', './c d', 'tcp'].includes(path);
  const split = (...args: string[]) => splitOperands(parse(args), there);
  assert.deepEqual(split('a.pcap'), { files: ['a.pcap'], filter: undefined });
  assert.deepEqual(split('a.pcap', 'udp', 'port', '53'), { files: ['a.pcap'], filter: 'udp port 53' });
  assert.deepEqual(split('a.pcap', 'b', 'udp'), { files: ['a.pcap', 'b'], filter: 'udp' });
  assert.deepEqual(split('-', 'net', '10.0.0.0/8'), { files: ['-'], filter: 'net 10.0.0.0/8' });
  assert.deepEqual(split('./c d', 'net 10.0.0.0/8 and tcp'), { files: ['./c d'], filter: 'net 10.0.0.0/8 and tcp' });
  assert.deepEqual(split('a.pcap', '(host 10.0.0.0/8 or 10.1/16)'), {
    files: ['a.pcap'],
    filter: '(host 10.0.0.0/8 or 10.1/16)',
  });
  assert.deepEqual(split('-r', 'a.pcap', 'udp'), { files: ['a.pcap'], filter: 'udp' });
  // A file that happens to be called as a word of the filter: -- says where files end.
  assert.deepEqual(split('a.pcap', 'tcp'), { files: ['a.pcap', 'tcp'], filter: undefined });
  assert.deepEqual(split('a.pcap', '--', 'tcp'), { files: ['a.pcap'], filter: 'tcp' });
});

test('a file that is missing is said to be missing, not a wrong filter', () => {
  const nothing = (): boolean => false;
  const split = (...args: string[]) => splitOperands(parse(args), nothing);
  for (const name of ['missing.pcap', './dir/x', 'capture', 'x.pcapng.gz', 'trace.pcap3']) {
    assert.throws(() => split(name), { code: 'RHEO_INPUT', message: `${name}: no such file` }, name);
  }
  assert.throws(() => split('-', 'missing.pcap'), { code: 'RHEO_INPUT', message: /missing\.pcap: no such file/ });
  assert.throws(() => split('-r', 'x'), { code: 'RHEO_INPUT' });
  assert.throws(() => split(), { code: 'RHEO_USAGE', message: /no capture file/ });
  assert.throws(() => split('-', '-'), { code: 'RHEO_USAGE', message: /twice/ });
});

test('the table of flags has the names that the meter knows', () => {
  assert.deepEqual([...FEATURE_NAMES].sort(), [...featureNames, 'all', 'none'].sort());
});
