/** The package as npm packs and installs it: its command runs a daemon, and is asked with every verb that there is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { CTL_VERBS } from '../../src/cli/spec/ctl.js';
import type { LiveInterface } from '../../src/model/live-source.js';
import type {
  EnrichmentStatus,
  FlowPage,
  Health,
  Loss,
  Service,
  Statistics,
  TimeoutTable,
  TopEntry,
} from '../../src/rpc/service.js';
import { netnsMissing, twoHosts } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';
import { DaemonProcess, finish, folderOf, recordsOf } from './command.js';

interface Lock {
  packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
}

/**
 * Packs what was compiled and installs it. The programs that it depends on go into the package, so that npm needs no network.
 * @returns the installed command
 */
async function install(context: TestContext): Promise<string> {
  const folder = folderOf(context);
  const stage = path.join(folder, 'stage');
  mkdirSync(path.join(stage, 'dist'), { recursive: true });
  cpSync(path.resolve(import.meta.dirname, '../../src'), path.join(stage, 'dist/src'), { recursive: true });
  for (const name of ['completions', 'man', 'packaging', 'samples', 'README.md', 'LICENSE']) {
    cpSync(path.join(projectRoot, name), path.join(stage, name), { recursive: true });
  }
  const lock = JSON.parse(readFileSync(path.join(projectRoot, 'package-lock.json'), 'utf8')) as Lock;
  for (const [name, { dev, devOptional }] of Object.entries(lock.packages)) {
    const from = path.join(projectRoot, name);
    if (name === '' || dev === true || devOptional === true || !existsSync(from)) continue;
    // What runs; thousands of small files less.
    const filter = (source: string): boolean => !/\.([cm]?ts|map|md)$|\/(tests?|docs|examples)$/.test(source);
    cpSync(from, path.join(stage, name), { recursive: true, filter });
  }
  const { scripts: _, ...manifest } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
  writeFileSync(path.join(stage, 'package.json'), JSON.stringify({ ...manifest, bundleDependencies: true }));
  const npm = async (...args: string[]): Promise<void> => {
    const environment = { HOME: folder, npm_config_offline: 'true', npm_config_update_notifier: 'false' };
    const { code, stderr } = await finish(['npm', ...args, '--ignore-scripts'], environment);
    assert.equal(code, 0, stderr);
  };
  await npm('pack', stage, '--pack-destination', folder);
  const [packed] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  await npm('install', '--global', '--prefix', folder, '--no-audit', '--no-fund', path.join(folder, packed));
  return path.join(folder, 'bin', 'rheo');
}

const CHATTER = `
  import dgram from 'node:dgram';
  const sockets = Array.from({ length: 5 }, () => dgram.createSocket('udp4'));
  for (const socket of sockets) {
    for (let n = 0; n < 3; n++) await new Promise((sent) => socket.send('hello', 7777, '10.77.0.2', sent));
    socket.close();
  }
`;
const SINK = `
  import dgram from 'node:dgram';
  dgram.createSocket('udp4').bind(4739, '127.0.0.1', () => {
    dgram.createSocket('udp4').bind(7777, () => console.log('up'));
  });
`;

type Version = ReturnType<Service['version']>;
type Changes = Awaited<ReturnType<Service['reload']>>;
type Json = Record<string, unknown>;

test('npm pack, npm install: the installed command answers every verb, in words and in JSON', {
  skip: netnsMissing() || (hasProgram('ping') ? false : 'ping is missing'),
  timeout: 300_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const rheo = await install(t);
  const folder = folderOf(t);
  const config = path.join(folder, 'rheo.yaml');
  const file = path.join(folder, 'flows.ndjson');
  const settings = ['interfaces: r0', 'threads: 2', 'maxFlows: 10k', 'log: { level: info }', 'export:'];
  const write = (...more: string[]): void =>
    writeFileSync(config, [...settings, `  - file:${file}`, '  - ipfix://127.0.0.1:4739', ...more, ''].join('\n'));
  write('idleTimeout: 10m');
  const daemon = new DaemonProcess(t, ['-c', config], { inside: [lab, right], rheo: [rheo], folder });
  await lab.serve(right, SINK);
  await daemon.ready();
  const talk = async (): Promise<void> => {
    const { packets } = await daemon.ask<{ packets: number }>('loss');
    const { sentPackets, receivedPackets } = lab.counters(right, 'r0');
    assert.equal(packets, sentPackets + receivedPackets);
    await lab.finish(left, 'ping', '-c', '3', '-i', '0.02', '10.77.0.2');
    await lab.node(left, CHATTER);
    const now = lab.counters(right, 'r0');
    await daemon.until('all packets', async () => {
      const loss = await daemon.ask<{ packets: number }>('loss');
      return loss.packets === now.sentPackets + now.receivedPackets;
    });
  };
  const used = new Set<string>();
  /** One verb in JSON, then in words. */
  const verb = async <T>(words: string, json: (answer: T) => void, text: RegExp): Promise<void> => {
    const operands = words.split(' ');
    used.add(operands[0]);
    json(await daemon.ask<T>(...operands));
    const { code, stdout, stderr } = await daemon.ctl(...operands);
    assert.deepEqual([code, stderr], [0, ''], words);
    assert.match(stdout, text, words);
  };
  const is = (wanted: unknown) => (answer: unknown) => assert.deepEqual(answer, wanted);

  await talk();
  await verb('version', ({ pid }: Version) => assert.equal(pid, daemon.child.pid), /^rheo \S+ \(Node v/);
  await verb(
    'health',
    ({ status, reasons }: Health) => assert.deepEqual([status, reasons], ['ok', []]),
    /^status +ok$/m,
  );
  await verb(
    'loss',
    ({ balanced, flows }: Loss) => assert.deepEqual([balanced, flows.live], [true, 6]),
    /Nothing was lost\. The accounts balance\./,
  );
  await verb('interfaces', ([r0]: LiveInterface[]) => assert.deepEqual([r0.name, r0.state], ['r0', 'up']), /^r0 +up /m);
  await verb('statistics', ({ activeFlows }: Statistics) => assert.equal(activeFlows, 6), /^active flows +6/m);
  await verb(
    'flows',
    ({ matched }: FlowPage) => assert.equal(matched, 6),
    /^udp +10\.77\.0\.1:\d+ +10\.77\.0\.2:7777/m,
  );
  await verb('flows icmp', ({ flows }: FlowPage) => assert.equal(flows[0].packets, 3), /^icmp +10\.77\.0\.1 /m);
  await verb(
    'top address --limit 1',
    ([first]: TopEntry[]) => assert.deepEqual([first.flows, first.packets], [6, 21]),
    /^10\.77\.0\.\d +6 +21 /m,
  );
  await verb(
    'enrichment',
    ({ neighbours, dumps, records }: EnrichmentStatus) => assert.deepEqual([neighbours, dumps, records], [[], [], 0]),
    /^nothing enriches the records$/m,
  );
  await verb('metrics', (text: string) => assert.match(String(text), /^rheo_/m), /^# TYPE rheo_\w+ counter$/m);
  await verb('config', ({ threads }: { threads: number }) => assert.equal(threads, 2), /^threads: 2$/m);
  await verb('timeouts', ({ idle }: TimeoutTable) => assert.equal(idle.udp, 600_000), /^udp +10m/m);
  await verb(
    'timeouts set udp=45s active=never',
    ({ idle, active }: TimeoutTable) => assert.deepEqual([idle.udp, active], [45_000, null]),
    /^udp +45s/m,
  );
  await verb('log-level', is({ level: 'info' }), /^log level: info$/m);
  await verb('log-level warn', is({ level: 'warn' }), /^log level: warn$/m);
  await verb('debug+', is({ level: 'info' }), /^log level: debug$/m);
  await verb('debug-', is({ level: 'info' }), /^log level: warn$/m);
  await verb('log-level info', is({ level: 'info' }), /^log level: info$/m);
  await verb('send-template', is(null), /^templates are sent$/m);

  // Dumps: a line a flow; the binary one begins with the name of its format.
  used.add('dump-flows');
  const dump = await daemon.ctl('dump-flows', 'udp');
  assert.equal(dump.stdout.trim().split('\n').length, 5);
  assert.equal(JSON.parse(dump.stdout.split('\n')[0]).proto, 'udp');
  const jsonDump = await daemon.ctl('dump-flows', '--json');
  assert.equal(jsonDump.stdout.trim().split('\n').length, 6);
  const binary = await daemon.ctl('dump-flows', '--binary');
  assert.deepEqual([binary.code, binary.stdout.slice(0, 4)], [0, 'RHEO']);

  await verb('expire icmp', is({ flows: 1 }), /^0 flows ended$/m);
  await verb('delete udp', is({ flows: 5 }), /^0 flows deleted$/m);
  await talk();
  await verb('expire-all', is({ flows: 6 }), /^0 flows ended$/m);
  await talk();
  await verb('delete-all', is({ flows: 6 }), /^0 flows deleted$/m);
  await verb(
    'loss',
    ({ balanced, flows, records }: Loss) => {
      assert.deepEqual([balanced, flows.live, flows.ended.forced, flows.ended.deleted, records], [true, 0, 7, 11, 7]);
    },
    /^records +7 handed on/m,
  );

  // While nothing is gathered, what comes is not metered; afterwards it is.
  await verb('stop-gather', is(null), /^gathering stopped$/m);
  const { decoded } = await daemon.ask<{ decoded: number }>('loss');
  await lab.finish(left, 'ping', '-c', '2', '-i', '0.02', '10.77.0.2');
  assert.equal((await daemon.ask<{ decoded: number }>('loss')).decoded, decoded);
  await verb('start-gather', is(null), /^gathering$/m);
  await lab.finish(left, 'ping', '-c', '2', '-i', '0.02', '10.77.0.2');
  await daemon.until(
    'packets again',
    async () => (await daemon.ask<{ decoded: number }>('loss')).decoded === decoded + 4,
  );
  assert.equal((await daemon.ask<{ balanced: boolean }>('loss')).balanced, true);

  write('idleTimeout: 2m', 'snapLength: 1000');
  await verb(
    'reload',
    ({ changed, needsRestart }: Changes) => {
      assert.ok(changed.includes('timeouts.tcp'), String(changed));
      assert.deepEqual(needsRestart, ['snapLength']);
    },
    /^needs a restart +snapLength$/m,
  );

  // Subscriptions: until Ctrl-C.
  used.add('subscribe');
  for (const [what, json] of [
    ['records', true],
    ['records', false],
    ['events', true],
    ['statistics', true],
  ] as const) {
    const args = ['ctl', 'subscribe', what, ...(json ? ['--json'] : [])];
    const child = lab.start(right, rheo, args, {
      env: { PATH: process.env.PATH, RHEO_CONTROL_SOCKET: daemon.socket },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let told = '';
    child.stdout?.on('data', (part: Buffer) => {
      told += part.toString();
    });
    await daemon.until(`events for ${args.join(' ')}`, async () => {
      if (what === 'records') {
        await lab.finish(left, 'ping', '-c', '1', '10.77.0.2');
        await daemon.ask('expire-all');
      }
      if (what === 'events') await daemon.ask('reload');
      return told.includes('\n');
    });
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130);
    const [first] = told.split('\n');
    if (!json) assert.match(first, /icmp +10\.77\.0\.1/);
    else {
      const event = JSON.parse(first) as Json;
      const member = { records: 'proto', events: 'message', statistics: 'activeFlows' }[what];
      assert.ok(event[member] !== undefined, first);
    }
  }

  used.add('shutdown');
  const down = await daemon.ctl('shutdown');
  assert.deepEqual([down.code, down.stdout], [0, 'the daemon has ended its flows and stopped\n']);
  assert.equal(await daemon.end(), 0);
  const last = daemon.lastSummary;
  assert.equal(recordsOf(file).length, last.records);
  const ipfix = last.targets.find(({ url }) => url.startsWith('ipfix'));
  assert.deepEqual([ipfix?.received, ipfix?.sent], [last.records, last.records]);

  // exit: at once, and JSON.
  const second = new DaemonProcess(t, ['-c', config], { inside: [lab, right], rheo: [rheo] });
  await second.ready();
  used.add('exit');
  const exit = await second.ctl('exit', '--json');
  assert.deepEqual([exit.code, exit.stdout], [0, 'null\n']);
  assert.equal(await second.end(), 0);
  assert.deepEqual([...used].sort(), CTL_VERBS.map(({ name }) => name).sort());
});
