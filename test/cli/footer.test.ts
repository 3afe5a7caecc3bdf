import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasLoss, lossLines, summaryLine } from '../../src/cli/footer.js';
import type { Summary } from '../../src/model/summary.js';
import { REFUSAL_NAMES } from '../../src/packet/refusal.js';

const CLEAN: Summary = {
  packets: 20,
  wireBytes: 50_000,
  decoded: 18,
  octets: 44_444,
  refused: { notIp: 2 },
  noticed: {},
  flows: { opened: 1, live: 0, ended: { end: 1 }, peak: 1 },
  records: 1,
  first: { seconds: 1704067200, nanos: 500_000_000 },
  last: { seconds: 1704067210, nanos: 500_000_000 },
  dropped: 0,
  damaged: {},
  bytesRead: 51_000,
  elapsed: 0.5,
  warnings: [],
  balanced: true,
  imbalance: [],
  interrupted: false,
};

test('the last line says what was read', () => {
  assert.equal(
    summaryLine(CLEAN),
    '18 packets, 44.4 kB, 1 flow in 10.0 s from 2024-01-01 00:00:00 UTC, 35.6 kbit/s; read in 500 ms, 40 packets/s',
  );
  assert.equal(
    summaryLine({
      ...CLEAN,
      packets: 0,
      decoded: 0,
      octets: 0,
      first: undefined,
      last: undefined,
      elapsed: 0,
      records: 2,
    }),
    '0 packets, 0 B, 1 flow, 2 records',
  );
});

test('what is left out on purpose is no loss, but said', () => {
  assert.equal(hasLoss(CLEAN), false);
  assert.deepEqual(lossLines(CLEAN, false), ['left out: 2 not IP']);
});

test('no loss is silent', () => {
  const losses: [Partial<Summary>, RegExp][] = [
    [{ refused: { networkShort: 3, tableFull: 1 } }, /lost: 3 cut IP header, 1 flow table full/],
    [{ dropped: 1234 }, /1,234 packets dropped/],
    [{ damaged: { cutBlock: 1 } }, /damaged: 1 cut block/],
    [{ flows: { ...CLEAN.flows, ended: { resources: 7 } } }, /ended early for want of room: 7 flows/],
    [{ warnings: ['the file ends inside a block\u001b[31m'] }, /warning: the file ends inside a block\?\[31m/],
    [{ balanced: false, imbalance: ['packets: 3 in, 2 out'] }, /do not balance: packets: 3 in, 2 out/],
  ];
  for (const [change, line] of losses) {
    const summary = { ...CLEAN, ...change };
    assert.equal(hasLoss(summary), true, String(line));
    assert.ok(
      lossLines(summary, false).some((text) => line.test(text)),
      String(line),
    );
  }
});

test('every reason has words for people', () => {
  for (const name of REFUSAL_NAMES.slice(1)) {
    const [line] = lossLines({ ...CLEAN, refused: { [name]: 1 } }, false);
    assert.match(line, /^(lost|left out): 1 [a-z][A-Za-z -]+$/, name);
    assert.ok(!/[a-z][A-Z]/.test(line), line);
  }
});

test('--verbose tells the rest', () => {
  const lines = lossLines({ ...CLEAN, noticed: { timeBackwards: 2 } }, true);
  assert.deepEqual(lines.slice(1), ['noticed: 2 time stepped back', 'flows ended: 1 end; at one time at the most 1']);
});
