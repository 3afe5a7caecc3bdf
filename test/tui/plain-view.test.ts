import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameBook } from '../../src/tui/names.js';
import { jsonLine, runPlainView, textLine } from '../../src/tui/plain-view.js';
import type { Look } from '../../src/tui/view-model.js';
import { Watcher } from '../../src/tui/watcher.js';
import { flowWith, lossWith, WatchedDouble } from './watched.js';

/** Two looks a second apart: flow k sends k × 1000 bytes in between. */
async function secondLook(flows: number): Promise<Look> {
  const service = new WatchedDouble();
  let now = 0;
  const watcher = new Watcher(service, () => now);
  const at = (second: number): void => {
    now = second * 1000;
    service.table = Array.from({ length: flows }, (_, k) =>
      flowWith(k, { bytes: 500 + k * 1000 * second, reverseBytes: 0 }),
    );
    service.ledger = lossWith({ decoded: 10 * second, octets: 125_000 * second, dropped: 0, refused: {} });
  };
  at(0);
  await watcher.look('');
  at(1);
  return watcher.look('');
}

test('a line for people: time, sums, losses, the fastest flows', async () => {
  const line = textLine(await secondLook(5), new NameBook(true));
  assert.match(line, /^\d\d:\d\d:\d\d {2}1\.00 Mbit\/s {6}10 packets\/s {2}20 flows {2}nothing lost {2}\| /);
  const top = line.trimEnd().split('| ')[1].split(', ');
  assert.equal(top.length, 3);
  assert.equal(top[0], 'tcp 10.0.0.5:40004 → 192.0.2.7:https 32.0 kbit/s');
});

test('a line for programs: the same as numbers; flows that rest are not among the fastest', async () => {
  const object = JSON.parse(jsonLine(await secondLook(5)));
  assert.equal(object.bitsPerSecond, 1_000_000);
  assert.equal(object.packetsPerSecond, 10);
  assert.equal(object.lost, 0);
  assert.equal(object.balanced, true);
  assert.deepEqual(
    object.top.map((flow: { bitsPerSecond: number }) => flow.bitsPerSecond),
    [32_000, 24_000, 16_000, 8000],
  );
  assert.equal(object.top[0].dst, '192.0.2.7');
});

test('control characters in names stay out of the line', async () => {
  const names = new NameBook(true);
  names.learn(new Map([['192.0.2.7', 'a\u001b[2J\nb']]));
  assert.match(textLine(await secondLook(2), names), /^[^\p{Cc}]*\n$/u);
});

test('of a large table the youngest and the largest flows are asked for', async () => {
  const service = new WatchedDouble();
  service.table = Array.from({ length: 3000 }, (_, k) => flowWith(k));
  const look = await new Watcher(service, () => 0).look('tcp');
  assert.deepEqual(
    service.queries.map(({ filter, sort, order }) => [filter, sort, order]),
    [
      ['tcp', 'end', 'desc'],
      ['tcp', 'bytes', 'desc'],
    ],
  );
  assert.equal(look.matched, 3000);
  assert.ok(look.flows.length <= 2000);
  assert.equal(new Set(look.flows.map(({ id }) => id)).size, look.flows.length);
});

test('it ends with the signal, also between two lines', async () => {
  const service = new WatchedDouble();
  const abort = new AbortController();
  const lines: string[] = [];
  await runPlainView(service, {
    names: new NameBook(true),
    json: false,
    interval: 1,
    signal: abort.signal,
    write(line) {
      lines.push(line);
      if (lines.length === 3) abort.abort();
    },
  });
  assert.equal(lines.length, 3);
});
