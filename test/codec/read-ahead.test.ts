import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReadAhead } from '../../src/codec/read-ahead.js';

/** Memory that notes where it is read; reading behind its end throws. */
function watched(length: number): { view: DataView; reads: number[] } {
  const view = new DataView(new ArrayBuffer(length));
  const reads: number[] = [];
  const read = view.getInt32.bind(view);
  view.getInt32 = (at) => {
    reads.push(at);
    return read(at);
  };
  return { view, reads };
}

const BATCH = 4096;

test('a walk from batch to batch reads each line once, and nothing behind the end', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: BATCH }), { maxLength: 12 }), fc.nat(200), (steps, start) => {
      const end = start + steps.reduce((sum, step) => sum + step, 0);
      const { view, reads } = watched(end);
      const ahead = new ReadAhead();
      ahead.walked(BATCH, true);
      let at = start;
      for (const step of steps) {
        ahead.touch(view, at, end);
        const covered = reads.length === 0 ? start : reads.at(-1)! + 64;
        assert.ok(covered >= Math.min(end - 4, at + BATCH - 4), 'all of the next batch is at hand');
        ahead.walked(step, false);
        at += step;
      }
      assert.equal(new Set(reads).size, reads.length);
    }),
  );
});

test('it begins anew where the walk begins anew, and reads nothing before it knows how far batches go', () => {
  const { view, reads } = watched(1024);
  const ahead = new ReadAhead();
  ahead.touch(view, 512, 1024);
  assert.deepEqual(reads, []);
  ahead.walked(128, true);
  ahead.touch(view, 640, 1024);
  ahead.touch(view, 0, 1024);
  assert.deepEqual(reads, [640, 704, 0, 64]);
});
