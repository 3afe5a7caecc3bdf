import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { generateCapture } from '../../bench/generate.js';
import { measure, median, race } from '../../bench/measure.js';
import { contestants } from '../../bench/peers.js';
import { plotSvg } from '../../bench/plot.js';
import { alignedTable, markdownTable, replaceBetweenMarkers } from '../../bench/table.js';
import { hasProgram } from '../support/programs.js';

const node = (script: string) => [process.execPath, '-e', script];

test('a run is measured: time, processor, memory', async () => {
  const spin = 'const a = Buffer.alloc(100 << 20, 1); const t = Date.now(); while (Date.now() - t < 200); a.at(0)';
  const usage = await measure(node(spin));
  assert.ok(!('failed' in usage));
  assert.ok(usage.wall >= 0.2, `wall ${usage.wall}`);
  assert.ok(usage.cpu > 0, `cpu ${usage.cpu}`);
  assert.ok(usage.rss > 100, `rss ${usage.rss}`);
});

test('a program that fails or is missing says so and is run once', async () => {
  const told: string[] = [];
  const results = await race(
    [
      { name: 'good', command: node('') },
      { name: 'bad', command: node('console.error("Error: no such thing"); process.exit(3)') },
    ],
    2,
    (name) => told.push(name),
  );
  assert.ok(!('failed' in results[0]!));
  assert.deepEqual(results[1], { failed: '3, Error: no such thing' });
  assert.deepEqual(told, ['good', 'bad', 'good']);
  assert.ok('failed' in (await measure(['rheo-no-such-program'])));
});

test('median', () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('tables line up', () => {
  assert.equal(
    alignedTable(
      ['', 'wall s'],
      [
        ['rheo', '1.20'],
        ['softflowd', '10.00'],
      ],
    ),
    '           wall s\nrheo         1.20\nsoftflowd   10.00\n',
  );
  assert.equal(markdownTable(['', 'x'], [['a', '1'], ['b']]), '|  | x |\n|---|---:|\n| a | 1 |\n| b |  |\n');
});

test('a measured table replaces what stands between its markers, and nothing else', () => {
  const document = 'before\n<!-- bench:A -->\nold\n<!-- /bench:A -->\nafter <!-- bench:B -->\n';
  const once = replaceBetweenMarkers(document, 'A', 'new\n');
  assert.equal(once, 'before\n<!-- bench:A -->\n\nnew\n\n<!-- /bench:A -->\nafter <!-- bench:B -->\n');
  assert.equal(replaceBetweenMarkers(once!, 'A', 'new\n'), once);
  assert.equal(replaceBetweenMarkers(document, 'B', 'new'), undefined);
});

test('a plot has a mark for each point, higher for more', () => {
  const points = [
    { x: 1e4, y: 50 },
    { x: 1e6, y: 200 },
  ];
  const svg = plotSvg({ title: 'a < b', xLabel: 'flows', yLabel: 'ns', points, xText: String });
  const marks = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map((m) => [Number(m[1]), Number(m[2])]);
  assert.equal(marks.length, 2);
  assert.ok(marks[1]![0]! > marks[0]![0]! && marks[1]![1]! < marks[0]![1]!);
  assert.match(svg, /<title>a &lt; b<\/title>/);
});

for (const program of ['softflowd', 'nfpcapd']) {
  const skip = hasProgram(program) ? false : `${program} is not installed`;
  test(`${program} is found, tells its version, and reads a capture`, { skip }, async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'rheo-peers-'));
    try {
      const { path: file } = generateCapture({ path: path.join(dir, 'in.pcap'), packets: 500, flows: 50 });
      const peer = contestants(file, dir, false).find((one) => one.program === program);
      assert.match(peer!.name, new RegExp(`^${program} \\d+\\.\\d`));
      assert.ok(!('failed' in (await measure(peer!.command))));
      if (program === 'nfpcapd') assert.ok(readdirSync(dir).some((name) => name.startsWith('nfcapd.')));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
