import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScaleSink } from '../../src/export/scale.js';
import { readRecord } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { batchOf, DESIGN_RECORD } from '../support/records.js';

test('packets and bytes of both directions are multiplied, up to 2^64 - 1', async () => {
  const seen: RecordBatch[] = [];
  let closed = 0;
  const sink = new ScaleSink(1000, {
    write: (batch) => void seen.push(batch),
    async close() {
      closed++;
    },
  });
  await sink.write(batchOf([DESIGN_RECORD, { ...DESIGN_RECORD, octets: [2n ** 52n + 1n, 2n ** 62n] }]));
  await sink.close();
  const first = readRecord(seen[0], 0, []);
  assert.deepEqual(
    [first.packets, first.bytes, first.reversePackets, first.reverseBytes],
    [10_000, 1_234_000, 8000, 43_210_000],
  );
  const second = readRecord(seen[0], 1, []);
  assert.equal(second.bytes, (2n ** 52n + 1n) * 1000n);
  assert.equal(second.reverseBytes, 2n ** 64n - 1n);
  assert.equal(closed, 1);
});
