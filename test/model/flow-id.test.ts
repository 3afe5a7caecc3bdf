import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowId, flowIdText } from '../../src/model/flow-id.js';
import { ROW_WORDS, Row } from '../../src/model/row.js';
import { batchOf, DESIGN_RECORD, type TestRecord } from '../support/records.js';

function idOf(record: TestRecord, change?: (words: Int32Array) => void): string {
  const { words } = batchOf([record]);
  change?.(words);
  const out = new Int32Array(2);
  flowId(words, 0, ROW_WORDS, 0, out);
  return flowIdText(out[0], out[1]);
}

test('an id is 16 digits and always the same', () => {
  assert.match(idOf(DESIGN_RECORD), /^[0-9a-f]{16}$/);
  assert.equal(idOf(DESIGN_RECORD), '7c3bfb9d894e8a29');
  assert.equal(flowIdText(1, -1), '00000001ffffffff');
});

test('key and start decide, counters and the direction do not', () => {
  const id = idOf(DESIGN_RECORD);
  assert.equal(idOf({ ...DESIGN_RECORD, packets: [99, 99], flagsA: 0, initiatorB: true, last: [1704067299, 0] }), id);
  assert.notEqual(idOf({ ...DESIGN_RECORD, portA: 51001 }), id);
  assert.notEqual(idOf({ ...DESIGN_RECORD, protocol: 17 }), id);
  assert.notEqual(idOf({ ...DESIGN_RECORD, start: [1704067200, 1_365_001] }), id);
  // Only the first word of an IPv4 address has a meaning.
  assert.equal(
    idOf(DESIGN_RECORD, (words) => {
      words[Row.a + 1] = 123;
    }),
    id,
  );
});

test('half a million similar flows have different ids', () => {
  const { words } = batchOf([DESIGN_RECORD]);
  const out = new Int32Array(2);
  const seen = new Set<number>();
  for (let k = 0; k < 500_000; k++) {
    words[Row.ports] = k;
    flowId(words, 0, ROW_WORDS, 0, out);
    seen.add((out[0] >>> 0) * 2 ** 21 + (out[1] >>> 11));
  }
  assert.equal(seen.size, 500_000);
});
