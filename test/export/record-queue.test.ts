import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordQueue } from '../../src/export/transport/record-queue.js';
import { Row } from '../../src/model/row.js';
import { manyRecords } from '../support/export-context.js';

test('records come out in their order, wherever the caller stops', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ count: fc.integer({ min: 0, max: 20 }), take: fc.integer({ min: 0, max: 40 }) }), {
        maxLength: 60,
      }),
      (steps) => {
        const queue = new RecordQueue(1 << 20);
        let made = 0;
        let taken = 0;
        const take = (most: number): void => {
          for (let k = 0; k < most && queue.batch !== undefined; k++) {
            const { batch, index } = queue;
            const at = index * batch.layout.stride;
            assert.equal(batch.unsigned[at + Row.packetsA], taken + 1);
            queue.advance();
            taken++;
          }
        };
        for (const { count, take: most } of steps) {
          const batch = manyRecords(count, made);
          made += count;
          queue.borrow(batch);
          take(most);
          queue.keep();
          // What was kept must not be the caller's memory any more.
          batch.words.fill(-1);
          assert.equal(queue.records, made - taken);
        }
        take(Number.POSITIVE_INFINITY);
        assert.equal(taken, made);
        assert.equal(queue.bytes, 0);
        assert.equal(queue.records, 0);
      },
    ),
  );
});

test('quoted keys go along with their records', () => {
  const queue = new RecordQueue(1 << 20);
  const batch = manyRecords(4);
  batch.quoted.set(2, Int32Array.of(7));
  queue.borrow(batch);
  queue.advance();
  queue.keep();
  batch.quoted.clear();
  queue.advance();
  assert.deepEqual(queue.batch?.quoted.get(queue.index), Int32Array.of(7));
});

test('full and crowded follow the bytes that are held', () => {
  const queue = new RecordQueue(10 * 128);
  for (let k = 0; k < 10; k++) {
    assert.equal(queue.full, false);
    queue.borrow(manyRecords(1, k));
    queue.keep();
  }
  assert.equal(queue.full, true);
  assert.equal(queue.clear(), 10);
  assert.equal(queue.crowded, false);
});
