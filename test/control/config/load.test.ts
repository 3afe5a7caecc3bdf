import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { changedKeys } from '../../../src/control/config/difference.js';
import { findConfigFile, loadConfig, type Override, parseConfig } from '../../../src/control/config/load.js';
import { configAsInput, effectiveInput, printJson, printYaml } from '../../../src/control/config/print.js';
import { ConfigError, type Problem } from '../../../src/control/config/problems.js';
import { configSchema, meterOptions } from '../../../src/control/config/schema.js';
import { completeSettings } from '../../../src/control/settings.js';
import { RheoError } from '../../../src/core/errors.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-config-'));
after(() => rmSync(folder, { recursive: true }));

function load(text: string, overrides: readonly Override[] = []) {
  return parseConfig({ name: 'rheo.yaml', text }, overrides);
}

function problemsOf(text: string, overrides: readonly Override[] = []): readonly Problem[] {
  try {
    load(text, overrides);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return assert.fail(`nothing was wrong with: ${text}`);
}

/** `line:column path | message | remedy`. */
function told(text: string): string[] {
  return problemsOf(text).map(({ line, column, path: at, message, remedy }) => {
    return [`${line}:${column} ${at.join('/')}`, message, remedy].join(' | ');
  });
}

const flag = (at: readonly string[], value: unknown, where = '--flag'): Override => {
  return { path: at, value, kind: 'flag', where };
};
const variable = (at: readonly string[], value: unknown, where = 'RHEO_VARIABLE'): Override => {
  return { path: at, value, kind: 'environment', where };
};

test('without a file everything has a default, and the meter takes it', () => {
  const { config, file } = parseConfig(undefined);
  assert.equal(file, undefined);
  assert.deepEqual(config.interfaces, []);
  assert.equal(config.timeouts['tcp.fin'], 5000);
  assert.equal(config.activeTimeout, 300_000);
  assert.equal(config.statisticsInterval, Number.POSITIVE_INFINITY);
  // The same as when nobody configures anything.
  assert.deepEqual(completeSettings(meterOptions(config)), completeSettings({}));
  assert.deepEqual(load('').config, config);
  assert.deepEqual(load('# only a comment\n').config, config);
});

test('values are taken in all the ways in which they may be written', () => {
  const { config } = load(`
interfaces: eth0
snapLength: 64k
ring: { blockBytes: 256k, memory: 8M }
sampling: random:100
key: { extra: vlan }
idleTimeout: 1m30s
activeTimeout: never
timeouts:
  tcp.fin: 1.5
  udp: 250ms
maxFlows: 1_000_000
features: all
tunnels: [vxlan]
export:
  - ipfix://collector:4739
  - { url: file:flows.csv, rotate: 3600 }
  - { url: 'ipfix://a?domain=7', mtu: 1400 }
statisticsInterval: 1h
`);
  assert.deepEqual(config.interfaces, ['eth0']);
  assert.equal(config.snapLength, 64_000);
  assert.deepEqual(config.ring, { blockBytes: 262_144, blocks: 32 });
  assert.deepEqual(config.sampling, { mode: 'random', n: 100, scale: false });
  assert.deepEqual(config.key, { base: 'port', extra: ['vlan'], unidirectional: false });
  assert.equal(config.activeTimeout, Number.POSITIVE_INFINITY);
  assert.deepEqual([config.timeouts.tcp, config.timeouts['tcp.fin'], config.timeouts.udp], [90_000, 1500, 250]);
  assert.equal(config.maxFlows, 1_000_000);
  assert.equal(config.features, 'all');
  assert.deepEqual(config.tunnels, ['vxlan']);
  assert.deepEqual(config.export, [
    'ipfix://collector:4739',
    'file:flows.csv?rotate=3600',
    'ipfix://a?domain=7&mtu=1400',
  ]);
  assert.equal(config.statisticsInterval, 3_600_000);
  assert.ok(!('idleTimeout' in config));
});

test('borders of numbers are in, what is beyond them is out', () => {
  for (const [key, low, high] of [
    ['threads', 1, 64],
    ['snapLength', 64, 262_144],
    ['maxFragments', 1, 2 ** 20],
    ['communityIdSeed', 0, 65_535],
  ] as const) {
    for (const inside of [low, high]) assert.equal(load(`${key}: ${inside}`).config[key], inside);
    for (const outside of [low - 1, high + 1, low + 0.5, 'x', '1x3', '[]', '{}']) {
      const [line] = told(`${key}: ${outside}`);
      assert.match(line, new RegExp(`^1:\\d+ ${key} \\| expected a whole number from ${low} to ${high}, found `));
    }
  }
});

const MISTAKES: readonly (readonly [string, string])[] = [
  ['intrfaces: eth0', '1:1 intrfaces | there is no such key | Did you mean interfaces?'],
  ['\n\nlog:\n  levl: info', '4:3 log/levl | there is no such key | Did you mean level?'],
  [
    'log:\n  level: warning',
    "2:10 log/level | expected one of fatal, error, warn, info, debug, trace, silent, found 'warning' | ",
  ],
  ['promiscuous: yes', "1:14 promiscuous | expected true or false, found 'yes' | Write true."],
  ['filter:', '1:8 filter | expected a pcap filter expression, found nothing | Leave the key out to take its default.'],
  [
    'timeouts: { tcp.fin: 0s }',
    "1:22 timeouts/tcp.fin | expected a time such as 500ms, 30s, 5m, 1h30m or 2d, found '0s' | ",
  ],
  [
    'idleTimeout: 11000000h',
    "1:14 idleTimeout | expected a time such as 500ms, 30s, 5m, 1h30m or 2d, found '11000000h' | ",
  ],
  ['ring: { blockBytes: 5000 }', '1:21 ring/blockBytes | expected a power of two, such as 1M, found 5000 | '],
  [
    'ring: { blockBytes: 64M, blocks: 65 }',
    '1:34 ring/blocks | expected blocks times blockBytes of at most 2G, found 65 | ',
  ],
  ['features: [vlan, entrpy]', '1:18 features/1 | expected one of vlan, tunnel'],
  ['sampling: often', "1:11 sampling | expected count:N, random:N or hash:N, or mode, n and scale, found 'often' | "],
  ['sampling: { mode: count, n: 0 }', '1:29 sampling/n | expected a whole number from 1 to 2147483647, found 0 | '],
  ['sampling: { mode: count, n: 1, scal: true }', '1:32 sampling/scal | there is no such key | Did you mean scale?'],
  [
    'export:\n  - ipfix://h\n  - { url: file:x.csv, rotate: [] }',
    '3:32 export/1/rotate | expected a text, a number, or true or false, found a list | ',
  ],
  ['export: [ipfxi://h]', "1:10 export/0 | target ipfxi://h: scheme 'ipfxi' is not known | Did you mean ipfix?"],
  [
    'control: { http: { listen: 8055 } }',
    '1:28 control/http/listen | expected ADDRESS:PORT, such as 127.0.0.1:8080, found 8055',
  ],
  [
    'control: { http: { listen: 127.0.0.1:65536 } }',
    "1:28 control/http/listen | '127.0.0.1:65536' is no address to listen on | ",
  ],
  ['filter: tcp and', '1:9 filter | column 8: '],
  ['[eth0]', '1:1  | expected keys and values, found a list | Write for example: threads: 2'],
  ['eth0', '1:1  | expected keys and values, found a single value | Write for example: threads: 2'],
  ['threads: 1\nuser: x\nthreads: 2', "3:1  | key 'threads' is given twice, first in line 1 | Leave out one of them."],
  ['a: *x', '1:4  | alias *x stands for nothing | '],
  ['threads: [1', '1:12  | not YAML: '],
  ['? {a: 1}\n: 2', '1:3  | a key must be a word | '],
  [
    'interfaces: ["-", eth0]',
    '1:13 interfaces | standard input (-) goes with no interface | Name - alone, or interfaces only.',
  ],
  ['group: nogroup', '1:8 group | a group to become without a user | '],
];

for (const [text, expected] of MISTAKES) {
  test(`told: ${text.replaceAll('\n', '⏎')}`, () => {
    const lines = told(text);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.ok(`${lines[0]} | `.startsWith(expected), `${lines[0]}\n${expected}`);
  });
}

test('all mistakes are told at once, in the order of the file', () => {
  const text = 'thread: 2\nlog:\n  level: loud\nfeatures: [vln]\ncontrol:\n  socket: 7\n';
  assert.deepEqual(
    problemsOf(text).map(({ line, column, where }) => `${where}:${line}:${column}`),
    ['rheo.yaml:1:1', 'rheo.yaml:3:10', 'rheo.yaml:4:12', 'rheo.yaml:6:11'],
  );
  assert.throws(
    () => load(text),
    (error: RheoError) => {
      assert.equal(error.code, 'RHEO_USAGE');
      assert.equal(error.exitCode, 2);
      assert.match(
        error.message,
        /^4 mistakes in the configuration\n {2}rheo\.yaml:1:1: thread: there is no such key\. Did you/,
      );
      return true;
    },
  );
});

test('an address that is not loopback needs TLS and a token', () => {
  const listen = (http: string) => () => load(`control: { http: { ${http} } }`);
  for (const address of ['127.0.0.1:1', '127.9.9.9:8055', '"[::1]:8055"', 'localhost:8055'])
    listen(`listen: ${address}`)();
  for (const address of ['0.0.0.0:1', '"[::]:8055"', '192.0.2.1:8055', '"[::ffff:1.2.3.4]:1"']) {
    assert.throws(
      listen(`listen: ${address}`),
      /can be reached from other machines and needs TLS .* and a token/,
      address,
    );
  }
  const tls = 'listen: 0.0.0.0:8055, tlsCert: c.pem, tlsKey: k.pem';
  assert.throws(listen(tls), /needs a token/);
  assert.throws(listen('listen: 0.0.0.0:8055, tokenFile: t'), /needs TLS \(tlsCert, tlsKey\)$/m);
  listen(`${tls}, tokenFile: t`)();
  assert.throws(listen('tlsKey: k.pem'), /a key without a certificate/);
  assert.throws(listen('tlsCert: k.pem'), /a certificate without a key/);
  assert.throws(listen('clientCa: k.pem'), /only seen with TLS/);
});

test('flags stand above variables, these above the file, this above defaults; each value knows its origin', () => {
  const text = 'threads: 2\nsnapLength: 100\nmaxFragments: 10\nlog: { level: debug }\n';
  const overrides = [
    flag(['threads'], 4, '--threads'),
    variable(['threads'], 3, 'RHEO_THREADS'),
    variable(['snapLength'], 200, 'RHEO_SNAP_LENGTH'),
  ];
  const loaded = load(text, overrides);
  const { threads, snapLength, maxFragments, dedupe } = loaded.config;
  assert.deepEqual([threads, snapLength, maxFragments, dedupe], [4, 200, 10, false]);
  const origins = [['threads'], ['snapLength'], ['maxFragments'], ['log', 'level'], ['log', 'format'], ['dedupe']];
  assert.deepEqual(
    origins.map((at) => loaded.origin(at)),
    [
      { kind: 'flag', where: '--threads' },
      { kind: 'environment', where: 'RHEO_SNAP_LENGTH' },
      { kind: 'file', where: 'rheo.yaml:3:15' },
      { kind: 'file', where: 'rheo.yaml:4:15' },
      { kind: 'default', where: '' },
      { kind: 'default', where: '' },
    ],
  );
});

test('a timeout of all classes stands above single ones of lower layers, below those of its own', () => {
  const text = 'idleTimeout: 10s\ntimeouts: { tcp.fin: 1s, udp: 2s }\n';
  const { timeouts } = load(text).config;
  assert.deepEqual([timeouts.tcp, timeouts['tcp.fin'], timeouts.udp], [10_000, 1000, 2000]);
  const over = load(text, [
    flag(['idleTimeout'], '20s', '--idle-timeout'),
    flag(['timeouts', 'udp'], '3s', '--timeout'),
  ]);
  const above = over.config.timeouts;
  assert.deepEqual([above.tcp, above['tcp.fin'], above.udp], [20_000, 20_000, 3000]);
  assert.equal(over.origin(['timeouts', 'tcp.fin']).where, '--idle-timeout');
  assert.equal(over.origin(['timeouts', 'udp']).where, '--timeout');
  assert.equal(load(text).origin(['timeouts', 'icmp']).where, 'rheo.yaml:1:14');
});

test('a mistake of a flag or a variable names it, not the file', () => {
  const [problem] = problemsOf('threads: 2', [flag(['ring', 'memory'], 'much', '--ring-memory')]);
  assert.equal(problem.where, '--ring-memory');
  assert.match(problem.message, /^expected a size from 8k to 2G, such as 1M or 64M, found 'much'$/);
  const [other] = problemsOf('threads: 2', [variable(['control', 'http', 'listen'], '0.0.0.0:80', 'RHEO_HTTP_LISTEN')]);
  assert.deepEqual([other.where, other.line], ['RHEO_HTTP_LISTEN', undefined]);
});

test('aliases work, but few lines cannot become millions of values', () => {
  assert.deepEqual(
    load('interfaces: &x [eth0]\ncontrol: { http: { allowedHosts: *x } }').config.control.http.allowedHosts,
    ['eth0'],
  );
  let laughs = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
  for (let k = 1; k <= 9; k++)
    laughs += `a${k}: &a${k} [${Array(10)
      .fill(`*a${k - 1}`)
      .join(', ')}]\n`;
  assert.match(told(laughs)[0], /more than 10000 values/);
  assert.match(told('a: &a [*a]')[0], /alias \*a contains itself/);
  assert.match(told(`a: ${'['.repeat(40)}${']'.repeat(40)}`)[0], /nested more than 16 deep/);
  assert.match(problemsOf('['.repeat(200_000))[0].message, /nested too deep|not YAML/);
});

test('files that cannot be taken: too large, not there, a folder, not UTF-8', () => {
  const file = path.join(folder, 'x.yaml');
  writeFileSync(file, `# ${'x'.repeat(1 << 20)}`);
  assert.throws(() => loadConfig(file), /more than 1048576 bytes is no configuration/);
  writeFileSync(file, Buffer.from([0x66, 0xff, 0xfe]));
  assert.throws(() => loadConfig(file), /not UTF-8/);
  writeFileSync(file, '\ufeffthreads: 2\r\nlog:\r\n  level: warn\r\n');
  assert.equal(loadConfig(file).config.log.level, 'warn');
  assert.throws(() => loadConfig(folder), /is a folder/);
  assert.throws(() => loadConfig(path.join(folder, 'none')), /no such file/);
});

test('the file may be a pipe', { skip: process.platform === 'win32' && 'no named pipes' }, () => {
  const fifo = path.join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const writer = spawn('sh', ['-c', `(printf 'threads: '; sleep 0.05; echo 3) > ${fifo}`], { stdio: 'ignore' });
  after(() => writer.kill());
  assert.equal(loadConfig(fifo).config.threads, 3);
});

test('the file is looked for in the home of users, not of root, then in /etc', () => {
  const own = '/home/me/.cfg/rheo/rheo.yaml';
  const environment = { XDG_CONFIG_HOME: '/home/me/.cfg' };
  const there =
    (...files: string[]) =>
    (file: string) =>
      files.includes(file);
  assert.equal(findConfigFile(environment, 1000, there(own, '/etc/rheo/rheo.yaml')), own);
  assert.equal(findConfigFile(environment, 1000, there('/etc/rheo/rheo.yaml')), '/etc/rheo/rheo.yaml');
  assert.equal(findConfigFile(environment, 0, there(own)), undefined);
  assert.equal(findConfigFile(environment, 1000, there()), undefined);
});

const quantity = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom('1s', '5m', '0', '64M', '1e9', 'never', '-1', 'all', 'any'),
);
const leaf = fc.oneof(
  quantity,
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(fc.string(), quantity), { maxLength: 3 }),
);
const keys = [
  ...Object.keys(configSchema.shape),
  'level',
  'http',
  'listen',
  'tcp.fin',
  'blocks',
  '__proto__',
  'constructor',
];
const tree = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 4 })),
})).value;

test('whatever stands in the file, it is taken or refused with a RheoError', () => {
  const attempt = (text: string): void => {
    try {
      const loaded = load(text);
      printYaml(loaded, true);
    } catch (error) {
      assert.ok(error instanceof RheoError, `${text}: ${(error as Error).stack}`);
      assert.notEqual(error.message, '');
      assert.doesNotMatch(error.message, /Invalid input|undefined/);
    }
  };
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), tree, { maxKeys: 6 }), (value) => attempt(stringify(value))),
    {
      numRuns: 400,
    },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), attempt), { numRuns: 300 });
  const yamlish = fc.array(
    fc.constantFrom(
      ...keys,
      ': ',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '? ',
      '"',
      "'",
      '|',
      '!!map ',
      '<<',
      '#',
      '\t',
      '---\n',
      '1',
      'x',
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(yamlish, (parts) => attempt(parts.join(''))),
    { numRuns: 600 },
  );
});

test('what is printed gives the same configuration when it is read', () => {
  const time = fc.integer({ min: 1, max: 10 * 365 * 86_400_000 }).map((ms) => `${ms}ms`);
  const input = fc.record(
    {
      interfaces: fc.array(fc.stringMatching(/^[a-z][a-z0-9*]{0,8}$/), { maxLength: 3 }),
      snapLength: fc.integer({ min: 64, max: 262_144 }),
      promiscuous: fc.boolean(),
      ring: fc.record({
        memory: fc.integer({ min: 8192, max: 2 ** 31 }),
        blockBytes: fc.constantFrom('4k', '64k', '1M'),
      }),
      sampling: fc.record({
        mode: fc.constantFrom('count', 'random', 'hash'),
        n: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      }),
      idleTimeout: time,
      activeTimeout: fc.oneof(time, fc.constant('never')),
      timeouts: fc.record({ 'tcp.syn': time, other: time }, { requiredKeys: [] }),
      features: fc.oneof(fc.constant('all'), fc.subarray(['vlan', 'tos', 'splt'])),
      statisticsInterval: fc.oneof(time, fc.constant('never')),
      user: fc.constantFrom('rheo', '1000'),
      pidFile: fc.stringMatching(/^\/[ -~]{1,10}$/),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(input, (value) => {
      const loaded = load(stringify(value));
      const complete = { ...loaded.config, maxFlows: completeSettings(meterOptions(loaded.config)).maxFlows };
      assert.deepEqual(load(printYaml(loaded, true)).config, complete);
      assert.deepEqual(load(printJson(loaded, false)).config, complete);
      assert.deepEqual(load(stringify(configAsInput(loaded.config))).config, loaded.config);
    }),
    { numRuns: 150 },
  );
});

test('secrets that somebody put into addresses are not printed', () => {
  const text = 'export: ["file:/tmp/api_token=hunter2.csv"]\n';
  assert.doesNotMatch(JSON.stringify(effectiveInput(load(text).config)), /hunter2/);
  for (const line of told('export: ["ipfix://me:hunter2@host", "bad://x?token=hunter2"]'))
    assert.doesNotMatch(line, /hunter2/);
  assert.match(
    printYaml(load('control: { http: { tokenFile: /etc/rheo/token } }'), false),
    /tokenFile: \/etc\/rheo\/token/,
  );
});

test('origins are told as JSON, too', () => {
  const list = JSON.parse(printJson(load('log: { level: warn }'), true)) as { key: string }[];
  assert.deepEqual(
    list.find(({ key }) => key === 'log.level'),
    {
      key: 'log.level',
      value: 'warn',
      origin: 'file',
      where: 'rheo.yaml:1:15',
    },
  );
});

test('the difference of two configurations names the keys', () => {
  const before = load('threads: 2\nactiveTimeout: never\nexport: [file:a.csv]').config;
  assert.deepEqual(changedKeys(before, before), []);
  const afterwards = load(
    'threads: 2\nidleTimeout: 7s\nexport: [file:b.csv]\ncontrol: { http: { listen: localhost:1 } }',
  ).config;
  assert.deepEqual(
    changedKeys(before, afterwards).filter((key) => !key.startsWith('timeouts')),
    ['activeTimeout', 'export', 'control.http.listen'],
  );
  assert.equal(changedKeys(before, afterwards).filter((key) => key.startsWith('timeouts')).length, 8);
});
