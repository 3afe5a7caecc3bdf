import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, read, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseArguments } from '../../src/cli/parse.js';
import { CTL_VERBS } from '../../src/cli/spec/ctl.js';
import { findCommand } from '../../src/cli/spec.js';
import { type Ended, ended, start } from '../hostile/program.js';
import { fakeFlow } from '../support/fake-service.js';
import { TestFolder } from './folder.js';

/** The compiled command against a process with a fake service behind the real transports. */

const PROGRAM = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../support/fake-daemon.js');
const TOKEN = 'a-token-of-more-than-16-characters';
const FLOWS = 50_000;
const folder = new TestFolder();
const socket = folder.file('control.sock');
const tokenFile = folder.file('token');
const children: ChildProcess[] = [];
let url = '';

/** Starts one and waits until it listens; gives the addresses. */
async function daemon(...args: string[]): Promise<{ child: ChildProcess; addresses: string[] }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, addresses: line.toString().trim().split(' ').slice(1) };
}

before(async () => {
  writeFileSync(tokenFile, TOKEN);
  const { addresses } = await daemon(socket, String(FLOWS), '127.0.0.1:0', tokenFile);
  url = addresses[1];
});
after(() => {
  for (const child of children) child.kill('SIGKILL');
  folder.remove();
});

/** `rheo ctl …`, the socket given by the environment. */
function ctl(...args: string[]): Promise<Ended> {
  return ended(start(['ctl', ...args], { env: { ...process.env, RHEO_CONTROL_SOCKET: socket } }));
}

async function shown(...args: string[]): Promise<string> {
  const { code, out, err } = await ctl(...args);
  assert.equal(err, '', args.join(' '));
  assert.equal(code, 0, args.join(' '));
  return out;
}

/** Each verb, what people see of it, and what --json has. */
const VIEWS: [words: string[], table: RegExp, json: (answer: never) => void][] = [
  [
    ['version'],
    /^rheo 0\.1\.0 \(Node [\d.]+\), process \d+, running since 2024/,
    ({ version }: { version: string }) => assert.equal(version, '0.1.0'),
  ],
  [
    ['statistics'],
    /^active flows +20,[\s\S]*7 not IP, 3 cut IP header[\s\S]*^tcp +80 +900 +70000 +1500 ms +60000 ms$/m,
    ({ activeFlows }: { activeFlows: number }) => assert.equal(activeFlows, 20),
  ],
  [
    ['flows', '--limit', '2'],
    /^PROTO +SOURCE +DESTINATION .*\n\w+ .*:https? .*\n\w+ .*\n$/,
    ({ matched }: { matched: number }) => assert.equal(matched, FLOWS),
  ],
  [
    ['flows', 'tcp', 'and', 'port 443', '--reverse', '--sort', 'rate', '--offset', '7', '--limit', '1', '-n'],
    /^PROTO .*\ntcp +10\.0\.0\.7:1031 +192\.0\.2\.7:443 +17 +8 +1070 +43210 +12\.498635 +2024/,
    ({ flows }: { flows: unknown[] }) => assert.deepEqual(flows, [fakeFlow(7)]),
  ],
  [
    ['top', 'port', '--limit', '1'],
    /^PORT +FLOWS +PACKETS +BYTES\n443 +20 +400 +40000\n$/,
    (entries: unknown[]) => assert.equal(entries.length, 1),
  ],
  [
    ['loss'],
    /^kernel +1005 = 1000 handed out \+ 5 dropped in the ring \+ 0 waiting$[\s\S]*^target +ipfix.*: 100 = 90 sent \+ 10 dropped \(10 queue full\)[\s\S]*The accounts balance\.$/m,
    ({ balanced }: { balanced: boolean }) => assert.equal(balanced, true),
  ],
  [
    ['interfaces'],
    /^INTERFACE .*\neth0 +up +1005 +1000 +600 +400 +90000 +5/,
    ([{ name }]: { name: string }[]) => assert.equal(name, 'eth0'),
  ],
  [
    ['health'],
    /^status +degraded\nbecause +eth1 is gone\n/,
    ({ reasons }: { reasons: string[] }) => assert.deepEqual(reasons, ['eth1 is gone']),
  ],
  [
    ['config'],
    /^interfaces:\n {2}- eth0\n/,
    ({ interfaces }: { interfaces: string[] }) => assert.deepEqual(interfaces, ['eth0']),
  ],
  [['metrics'], /^# TYPE rheo_packets_total counter\n/, (text: string) => assert.match(text, /^# TYPE/)],
  [
    ['timeouts'],
    /^CLASS +IDLE\ntcp +1m\n[\s\S]*active +5m\n$/,
    ({ active }: { active: number }) => assert.equal(active, 300_000),
  ],
  [
    ['timeouts', 'set', 'active=5m'],
    /active +5m\n$/,
    ({ active }: { active: number }) => assert.equal(active, 300_000),
  ],
  [
    ['enrichment'],
    /^192\.0\.2\.1 +established +64500 +900000 +200000 +80000 /m,
    ({ neighbours }: { neighbours: { as: number }[] }) => assert.equal(neighbours[0].as, 64_500),
  ],
  [['expire', 'host', '10.0.0.1'], /^20 flows ended\n$/, (answer: unknown) => assert.deepEqual(answer, { flows: 20 })],
  [['expire-all'], /^20 flows ended\n$/, (answer: unknown) => assert.deepEqual(answer, { flows: 20 })],
  [['delete', 'udp'], /^1 flow deleted\n$/, (answer: unknown) => assert.deepEqual(answer, { flows: 1 })],
  [['delete-all'], /^1 flow deleted\n$/, (answer: unknown) => assert.deepEqual(answer, { flows: 1 })],
  [['start-gather'], /^gathering\n$/, (answer: unknown) => assert.equal(answer, null)],
  [['stop-gather'], /^gathering stopped\n$/, (answer: unknown) => assert.equal(answer, null)],
  [['send-template'], /^templates are sent\n$/, (answer: unknown) => assert.equal(answer, null)],
  [
    ['reload'],
    /^changed +timeouts\.active\nneeds a restart +interfaces\n$/,
    ({ changed }: { changed: string[] }) => assert.deepEqual(changed, ['timeouts.active']),
  ],
  [['log-level', 'info'], /^log level: info\n$/, (answer: unknown) => assert.deepEqual(answer, { level: 'info' })],
  [['debug+'], /^log level: debug\n$/, (answer: unknown) => assert.deepEqual(answer, { level: 'trace' })],
  [['debug-'], /^log level: debug\n$/, (answer: unknown) => assert.deepEqual(answer, { level: 'info' })],
];

for (const [words, table, json] of VIEWS) {
  test(`ctl ${words.join(' ')}`, async () => {
    assert.match(await shown(...words), table);
    const lines = (await shown(...words, '--json')).split('\n');
    assert.equal(lines.length, 2, 'one line');
    json(JSON.parse(lines[0]) as never);
  });
}

test('every verb is tested here', () => {
  const tested = new Set(VIEWS.map(([[verb]]) => verb));
  const elsewhere = ['dump-flows', 'subscribe', 'shutdown', 'exit'];
  assert.deepEqual(
    CTL_VERBS.map(({ name }) => name).filter((name) => !tested.has(name)),
    elsewhere,
  );
});

test('timeouts are set at run time', async () => {
  await shown('timeouts', 'set', 'idle=30s', 'tcp.fin=5s', 'active=never');
  const { idle, active } = JSON.parse(await shown('timeouts', '--json')) as {
    idle: Record<string, number>;
    active: null;
  };
  assert.deepEqual([idle.tcp, idle.other, idle['tcp.fin'], active], [30_000, 30_000, 5000, null]);
});

test('dump-flows gives the whole table, as JSON and as bytes', async () => {
  const lines = (await shown('dump-flows')).trimEnd().split('\n');
  assert.equal(lines.length, FLOWS);
  assert.deepEqual(JSON.parse(lines[FLOWS - 1]), fakeFlow(FLOWS - 1));
  assert.match(await shown('dump-flows', '--binary', 'tcp'), /^0,1,2,.*,49999,$/);
});

test('a reader that leaves is a clean end, and the daemon lives', async () => {
  const command = ['sh', '-c', '"$@" | head -n 1', 'sh'];
  for (const words of [['dump-flows'], ['subscribe', 'records', '--json']]) {
    const { code, out, err } = await ended(start(['ctl', '--control-socket', socket, ...words], {}, command));
    assert.deepEqual([code, err], [0, ''], words.join(' '));
    assert.equal(typeof (JSON.parse(out) as { id: unknown }).id, 'string');
  }
  await shown('version');
});

test('subscribe tells records as they end, until Ctrl-C', async () => {
  const child = start(['ctl', '--control-socket', socket, 'subscribe', 'records']);
  child.stdout?.once('data', () => child.kill('SIGINT'));
  const { code, out, err } = await ended(child);
  assert.equal(err, '');
  assert.equal(code, 130);
  assert.match(out, /^00:00:12 {2}\w+ {2}10\.0\.\d+\.\d+:\d+ > 192\.0\.2\.7:\w+ {2}\d+ {2}\d+ {2}12\.5 s\n/);
});

for (const flag of ['--every', '-w']) {
  test(`${flag} asks again, until Ctrl-C`, async () => {
    const child = start(['ctl', '--control-socket', socket, 'statistics', '--json', flag, '10ms']);
    let lines = 0;
    child.stdout?.on('data', (part: Buffer) => {
      lines += part.toString().split('\n').length - 1;
      if (lines >= 3) child.kill('SIGINT');
    });
    const { code, out, err } = await ended(child);
    assert.deepEqual([code, err], [130, '']);
    for (const line of out.trimEnd().split('\n')) assert.equal((JSON.parse(line) as { packets: number }).packets, 1000);
  });
}

test('Ctrl-C ends a dump', async () => {
  const child = start(['ctl', '--control-socket', socket, 'dump-flows']);
  // Nobody reads any more: the command waits for the pipe, and the signal ends it all the same.
  child.stdout?.once('readable', () => child.kill('SIGINT'));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal}`);
});

for (const words of [
  ['flows', '--limit', '10000', '--json', '-w', '10ms'],
  ['subscribe', 'records', '--json'],
  ['dump-flows'],
]) {
  test(`Ctrl-C ends ctl ${words.join(' ')} while its pipe is full`, async () => {
    const fifo = folder.file(`fifo-${words[0]}`);
    execFileSync('mkfifo', [fifo]);
    // Both ends in one, so that nobody waits for the other side.
    const fd = openSync(fifo, 'r+');
    const child = start(['ctl', '--control-socket', socket, ...words], { stdio: ['ignore', fd, 'pipe'] });
    const exited = once(child, 'exit');
    const byte = Buffer.alloc(1);
    // It has begun; the rest finds no room.
    await new Promise<void>((resolve, reject) =>
      read(fd, byte, 0, 1, null, (error) => (error ? reject(error) : resolve())),
    );
    child.kill('SIGINT');
    const [code, signal] = (await exited) as [number | null, string | null];
    assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal}`);
    closeSync(fd);
  });
}

test('the interval of --watch may be left out', () => {
  const command = findCommand('ctl')!;
  const given = (...args: string[]): unknown[] => {
    const { values, operands } = parseArguments(command, args);
    return [values.get('watch'), ...operands];
  };
  assert.deepEqual(given('flows', '--watch'), [2000, 'flows']);
  assert.deepEqual(given('--watch', 'flows', 'tcp'), [2000, 'flows', 'tcp']);
  assert.deepEqual(given('flows', '--watch', '500ms', 'tcp'), [500, 'flows', 'tcp']);
  assert.deepEqual(given('flows', '--watch=1m'), [60_000, 'flows']);
  assert.deepEqual(given('flows', '-w', '3'), [3000, 'flows']);
  assert.deepEqual(given('-w3s', 'flows'), [3000, 'flows']);
  assert.deepEqual(given('flows', '-w', '10.0.0.1'), [2000, 'flows', '10.0.0.1']);
});

const WRONG: [words: string[], code: number, message: RegExp][] = [
  [[], 2, /what shall be done\?/],
  [['statistic'], 2, /no verb 'statistic'\n {2}Did you mean rheo ctl statistics\?/],
  [['loss', 'now'], 2, /ctl loss: 'now' is too much/],
  [['expire'], 2, /which flows\?\n {2}.*expire-all/],
  [['delete'], 2, /which flows\?\n {2}.*delete-all/],
  [['top'], 2, /by what\?/],
  [['top', 'colour'], 2, /no key 'colour'\n {2}Choose/],
  [['subscribe', 'record'], 2, /not one of records, statistics, events\n {2}Did you mean records\?/],
  [['subscribe'], 2, /is missing/],
  [['log-level', 'loud'], 2, /'loud' is not one of/],
  [['timeouts', 'tcp=5s'], 2, /not understood/],
  [['timeouts', 'set', 'tcp'], 2, /not CLASS=TIME/],
  [['timeouts', 'set', 'tpc=5s'], 2, /Did you mean tcp\?/],
  [['timeouts', 'set', 'tcp=soon'], 2, /not a time/],
  [['flows', 'wrong'], 2, /no word of the language\n {2}See/],
  [['flows', '--limit', '0'], 2, /from 1 to 10000/],
  [['reload', '--watch'], 2, /cannot be watched/],
  [['dump-flows', '--json', '--binary'], 2, /exclude each other/],
  [['dump-flows', 'breaks'], 1, /thread of shard 0 failed/],
  [['flows', 'fault'], 1, /internal error; the log of the daemon has it/],
];

for (const [words, code, message] of WRONG) {
  test(`wrong: ctl ${words.join(' ')}`, async () => {
    const run = await ctl(...words);
    assert.equal(run.code, code, run.err);
    assert.match(run.err, message);
    assert.doesNotMatch(run.err, /\n {4}at |secret/);
  });
}

test('over HTTP: with the token, without, with nobody there', async () => {
  const http = (...args: string[]): Promise<Ended> => ended(start(['ctl', '--url', url, ...args]));
  const right = await http('--token-file', tokenFile, 'dump-flows');
  assert.deepEqual([right.code, right.err, right.out.trimEnd().split('\n').length], [0, '', FLOWS]);
  assert.equal((await http('--token-file', tokenFile, 'send-template')).code, 0);
  const without = await http('version');
  assert.deepEqual([without.code, without.out], [1, '']);
  assert.match(without.err, /^rheo: a token is needed\n {2}\S/);
  const nowhere = await ended(start(['ctl', '--url', 'http://127.0.0.1:1', 'version']));
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /no daemon answers at http:\/\/127\.0\.0\.1:1: ECONNREFUSED\n {2}\S/);
  const missing = await http('--token-file', folder.file('none'), 'version');
  assert.match(missing.err, /the token cannot be read: ENOENT/);
});

test('no daemon: exit code 1, which socket was tried, and how to start one', async () => {
  const nobody = folder.file('nobody.sock');
  const { code, out, err } = await ended(start(['ctl', '--control-socket', nobody, 'version']));
  assert.deepEqual([code, out], [1, '']);
  assert.ok(err.includes(nobody));
  assert.match(err, /\n {2}Start one: sudo rheo run -i .*RHEO_CONTROL_SOCKET/);
});

for (const verb of ['shutdown', 'exit']) {
  test(`ctl ${verb} waits until the daemon is gone`, async () => {
    const other = folder.file('other.sock');
    const { child } = await daemon(other);
    const gone = once(child, 'exit');
    const { code, out, err } = await ended(start(['ctl', '--control-socket', other, verb]));
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /stopped\n$/);
    assert.deepEqual(await gone, [0, null]);
  });
}

test('ctl shutdown over HTTP waits as well', async () => {
  const { child, addresses } = await daemon(folder.file('third.sock'), '5', '127.0.0.1:0', tokenFile);
  const gone = once(child, 'exit');
  const { code, err } = await ended(start(['ctl', '--url', addresses[1], '--token-file', tokenFile, 'shutdown']));
  assert.deepEqual([code, err], [0, '']);
  assert.deepEqual(await gone, [0, null]);
});

test('help names every verb', async () => {
  const { out } = await ended(start(['ctl', '--help']));
  for (const { name } of CTL_VERBS) assert.ok(out.includes(`  ${name}`), name);
});
