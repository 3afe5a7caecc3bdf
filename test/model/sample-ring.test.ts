import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SAMPLE_SLOTS, SampleRing } from '../../src/model/sample-ring.js';
import { batchWith } from '../support/batches.js';

test('a sample comes out as it went in, cut to the length that was asked for', () => {
  const ring = new SampleRing(6);
  const batch = batchWith([
    { bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), wire: 1500, link: 113, seconds: 4_000_000_000, nanos: 999_999_999 },
    { bytes: Uint8Array.of(9), direction: 2 },
  ]);
  batch.hasFrameDirection = false;
  assert.ok(ring.put(batch, 0, 3, 0xffffffff, 0x80000001));
  batch.hasFrameDirection = true;
  assert.ok(ring.put(batch, 1, 4, 1, 0));
  assert.equal(ring.waiting, 2);
  ring.look();
  assert.deepEqual(
    [ring.iface, ring.direction, ring.link, ring.wire, ring.timeMs, ring.pool, ring.drops],
    [3, 0, 113, 1500, 4_000_000_000_999, 0xffffffff, 0x80000001],
  );
  const first = ring.header();
  assert.deepEqual([...first], [1, 2, 3, 4, 5, 6]);
  ring.advance();
  ring.look();
  assert.deepEqual([ring.iface, ring.direction, [...ring.header()]], [4, 2, [9]]);
  ring.advance();
  assert.deepEqual([...first], [1, 2, 3, 4, 5, 6]);
  assert.equal(ring.waiting, 0);
});

test('a full ring takes nothing and counts it; the numbers of slots may wrap', () => {
  const ring = new SampleRing(4);
  // As after 2^31 samples, less a few.
  const control = new Int32Array(ring.memory);
  for (const word of [0, 1, 16]) control[word] = 0x7fffffff - 10;
  const batch = batchWith([{ bytes: Uint8Array.of(7) }]);
  let put = 0;
  for (let k = 0; k < SAMPLE_SLOTS + 5; k++) put += ring.put(batch, 0, k & 0xff, 1, 0) ? 1 : 0;
  assert.deepEqual([put, ring.free, ring.waiting], [SAMPLE_SLOTS, 0, SAMPLE_SLOTS]);
  const { chosen, read, waiting, dropped } = ring.accounts();
  assert.deepEqual([chosen - read, waiting, dropped], [SAMPLE_SLOTS + 5, SAMPLE_SLOTS, 5]);
  for (let k = 0; k < SAMPLE_SLOTS; k++) {
    ring.look();
    assert.equal(ring.iface, k & 0xff);
    ring.advance();
  }
  assert.equal(ring.free, SAMPLE_SLOTS);
});

/** Puts packets whose bytes are all the same, as many as it was told. */
const WRITER = `
  import { workerData, parentPort } from 'node:worker_threads';
  const { SampleRing } = await import(workerData.ring);
  const { Batch } = await import(workerData.batch);
  const ring = new SampleRing(64, workerData.memory);
  const batch = new Batch();
  const bytes = new Uint8Array(65);
  batch.attach(bytes, new DataView(bytes.buffer));
  batch.offset[0] = 1;
  batch.captured[0] = 64;
  batch.count = 1;
  for (let k = 0; k < workerData.count; k++) {
    bytes.fill(k & 0xff);
    batch.wire[0] = k;
    ring.put(batch, 0, k & 0xff, 1, 0);
  }
  parentPort.postMessage('over');
`;

test('two threads: no sample is torn, and what was chosen was read, waits or was dropped, at every moment', async () => {
  const ring = new SampleRing(64);
  const count = 60_000;
  const file = (name: string): string => new URL(`../../src/${name}.js`, import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WRITER)}`), {
    workerData: { ring: file('model/sample-ring'), batch: file('packet/batch'), memory: ring.memory, count },
  });
  let over = false;
  worker.once('message', () => {
    over = true;
  });
  let found = 0;
  let last = -1;
  const read = (): void => {
    for (let left = ring.waiting; left > 0; left--) {
      ring.look();
      const { wire, iface } = ring;
      assert.ok(wire > last, 'in order');
      last = wire;
      assert.equal(iface, wire & 0xff);
      assert.ok(ring.header().every((byte) => byte === iface));
      ring.advance();
      found++;
    }
    const accounts = ring.accounts();
    const missing = accounts.chosen - accounts.read - accounts.waiting - accounts.dropped;
    // One may be half put: its slot is there, or its loss counted, before it is counted as chosen.
    assert.ok(missing === 0 || missing === -1, JSON.stringify(accounts));
  };
  while (!over) {
    read();
    await new Promise((resolve) => setImmediate(resolve));
  }
  read();
  assert.deepEqual(ring.accounts(), { chosen: count, read: found, waiting: 0, dropped: count - found });
  assert.ok(found >= SAMPLE_SLOTS);
  await worker.terminate();
});
