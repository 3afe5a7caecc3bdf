import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { readFlows } from '../../src/index.js';
import { connect } from '../../src/rpc/client.js';
import { projectRoot } from '../support/shared.js';

const house = path.join(projectRoot, 'samples/house.pcapng');
const compiled = path.join(import.meta.dirname, '../..');
const urlOf = (file: string): string => pathToFileURL(path.join(compiled, file)).href;
/** `rheo` is what was compiled together with this test, wherever that is; for a user it is the package. */
const RESOLVE = `
  import { register } from 'node:module';
  const hook = \`const urls = ${JSON.stringify({ rheo: urlOf('src/index.js'), 'rheo/client': urlOf('src/rpc/client.js') })};
  export function resolve(name, context, next) {
    return Object.hasOwn(urls, name) ? { url: urls[name], shortCircuit: true } : next(name, context);
  }\`;
  register('data:text/javascript,' + encodeURIComponent(hook));`;

function commandOf(name: string, ...args: string[]): string[] {
  const preload = `data:text/javascript,${encodeURIComponent(RESOLVE)}`;
  return ['--import', preload, path.join(compiled, `examples/${name}.js`), ...args];
}

/** Lines that an example writes. */
function run(name: string, ...args: string[]): string[] {
  const result = spawnSync(process.execPath, commandOf(name, ...args), { encoding: 'utf8' });
  assert.equal(result.stderr, '');
  assert.equal(result.status, 0);
  return result.stdout.trimEnd().split('\n');
}

test('every example is run here, and imports nothing but the package', () => {
  const examples = readdirSync(path.join(projectRoot, 'examples')).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(examples.sort(), [
    'ask-daemon.ts',
    'flow-summary.ts',
    'hook.ts',
    'own-packets.ts',
    'top-talkers.ts',
  ]);
  for (const name of examples) {
    const text = readFileSync(path.join(projectRoot, 'examples', name), 'utf8');
    const from = [...text.matchAll(/ from '([^']+)'/g)].map(([, specifier]) => specifier);
    assert.deepEqual([...new Set(from)], [name === 'ask-daemon.ts' ? 'rheo/client' : 'rheo'], name);
    assert.ok(text.includes(`node dist/examples/${name.replace('.ts', '.js')}`), `${name} says how to run it`);
  }
});

test('flow-summary: a line for each flow, and the account at the end', async () => {
  const lines = run('flow-summary', house);
  const flows = readFlows(house);
  let records = 0;
  for await (const batch of flows.batches()) records += batch.count;
  const { packets } = await flows.summary;
  assert.equal(lines.at(-1), `${packets} packets, ${records} flows, left out: 20 notIp`);
  assert.equal(lines.length, records + 1);
  const web = /^tcp 192\.168\.7\.20:\d+ -> 203\.0\.113\.80:80: out \d+ packets, \d+ B; in \d+ packets, \d+ B; /;
  assert.ok(lines.some((line) => web.test(line) && /; end; SYN answered after [\d.]+ µs$/.test(line)));
  assert.ok(lines.some((line) => line.startsWith('ipv6-icmp 2001:db8:7::20 -> 2001:db8:7::50: out 6 packets')));
  assert.ok(lines.some((line) => /^udp \[2001:db8:7::30\]:\d+ -> \[2001:db8:7::50\]:5201: out 101 packets/.test(line)));
});

test('top-talkers: bytes by sender, with the names of the capture', async () => {
  const lines = run('top-talkers', house);
  const sent = new Map<string, number>();
  for await (const { src, dst, bytes, reverseBytes } of readFlows(house)) {
    sent.set(src, (sent.get(src) ?? 0) + Number(bytes));
    sent.set(dst, (sent.get(dst) ?? 0) + Number(reverseBytes));
  }
  const ranking = [...sent].sort((a, b) => b[1] - a[1]).slice(0, 10);
  assert.deepEqual(
    lines.map((line) => line.split(' ').slice(0, 3)),
    ranking.map(([address, bytes]) => [String(bytes), 'B', address]),
  );
  assert.match(lines[0], / 2001:db8:7::20 laptop\.home$/);
});

test('own-packets: the flow at each packet, and what was kept with it at its end', () => {
  assert.deepEqual(run('own-packets'), [
    'forward: 1 packets out, 0 in, new',
    'reverse: 1 packets out, 1 in',
    'forward: 2 packets out, 1 in',
    'reverse: 2 packets out, 2 in',
    'forward: 3 packets out, 2 in',
    'reverse: 3 packets out, 3 in',
    'over (idle): 3 questions, slowest 40 ms, 234 B asked, 744 B answered',
    '6 packets, 1 flow, accounts balance',
  ]);
});

test('hook: turns of each flow, the largest first', () => {
  const lines = run('hook', house);
  assert.equal(lines.length, 10);
  const turns = lines.map((line) => Number(/^(\d+) turns: (tcp|udp|icmp|ipv6-icmp) /.exec(line)?.[1]));
  assert.deepEqual(
    turns,
    [...turns].sort((a, b) => b - a),
  );
  // A shell by SSH takes more turns than anything else, the scan's refused SYNs take one each.
  assert.ok(turns[0] > 20);
  assert.match(lines[0], / 22$/);
});

test('ask-daemon: health, sums, who sends most, flows that end', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-example-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const socket = path.join(folder, 'control.sock');
  const main = path.join(compiled, 'src/cli/main.js');
  const daemon = spawn(process.execPath, [main, 'run', '--idle-timeout', '10m', '--control-socket', socket, '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  t.after(() => daemon.kill('SIGKILL'));
  daemon.stdin.write(readFileSync(house));
  let log = '';
  daemon.stderr.on('data', (part: Buffer) => {
    log += part.toString();
  });
  while (!log.includes('observing with')) await once(daemon.stderr, 'data');
  const client = await connect({ socket });
  while ((await client.call('loss')).packets < 949) await sleep(20);
  const { flows } = await client.call('loss');
  const example = spawn(process.execPath, commandOf('ask-daemon', socket, '3'), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => example.kill('SIGKILL'));
  let text = '';
  example.stdout.on('data', (part: Buffer) => {
    text += part.toString();
  });
  while (!/^rheo_control_subscriptions 1$/m.test(await client.call('metrics'))) await sleep(20);
  await client.call('expire', { filter: 'tcp or udp' });
  assert.deepEqual(await once(example, 'close'), [0, null]);
  client.close();
  daemon.stdin.end();
  assert.deepEqual(await once(daemon, 'close'), [0, null]);
  const lines = text.trimEnd().split('\n');
  assert.equal(lines[0], `${socket}: ok`);
  assert.equal(lines[1], `949 packets, ${flows.live} flows live, ${flows.opened} in all. Nothing was lost.`);
  for (const line of lines.slice(2, 6)) assert.match(line, /^\d+ B to and from ([\d.:a-f]+|other)$/);
  for (const line of lines.slice(6, 9)) assert.match(line, /^over \(forced\): (tcp|udp) \S+ -> \S+$/);
  assert.deepEqual(lines.slice(9), ['0 events dropped for us']);
});
