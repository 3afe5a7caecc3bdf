import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readFlows } from '../../src/index.js';
import { projectRoot } from '../support/shared.js';

const house = path.join(projectRoot, 'samples/house.pcapng');
const compiled = path.join(import.meta.dirname, '../..');
/** `rheo` is what was compiled together with this test, wherever that is; for a user it is the package. */
const RESOLVE = `
  import { register } from 'node:module';
  const hook = \`export function resolve(name, context, next) {
    return name === 'rheo' ? { url: ${JSON.stringify(pathToFileURL(path.join(compiled, 'src/index.js')).href)}, shortCircuit: true } : next(name, context);
  }\`;
  register('data:text/javascript,' + encodeURIComponent(hook));`;

/** Lines that an example writes. */
function run(name: string, ...args: string[]): string[] {
  const file = path.join(compiled, `examples/${name}.js`);
  const preload = `data:text/javascript,${encodeURIComponent(RESOLVE)}`;
  const result = spawnSync(process.execPath, ['--import', preload, file, ...args], { encoding: 'utf8' });
  assert.equal(result.stderr, '');
  assert.equal(result.status, 0);
  return result.stdout.trimEnd().split('\n');
}

test('every example is run here, and imports nothing but the package', () => {
  const examples = readdirSync(path.join(projectRoot, 'examples')).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(examples.sort(), ['flow-summary.ts', 'hook.ts', 'own-packets.ts', 'top-talkers.ts']);
  for (const name of examples) {
    const text = readFileSync(path.join(projectRoot, 'examples', name), 'utf8');
    const from = [...text.matchAll(/ from '([^']+)'/g)].map(([, specifier]) => specifier);
    assert.deepEqual([...new Set(from)], ['rheo'], name);
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
