import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SAMPLE_SLOTS, SampleRing } from '../../src/model/sample-ring.js';
import { PacketSampler, randomWords } from '../../src/observe/packet-sampler.js';
import { type BatchPacket, batchWith } from '../support/batches.js';

interface Chosen {
  /** Number of the packet, from its bytes. */
  packet: number;
  iface: number;
  pool: number;
  drops: number;
}

function numbered(number: number, more: Partial<BatchPacket> = {}): BatchPacket {
  return { bytes: Uint8Array.of(number >>> 16, number >>> 8, number), ...more };
}

function take(ring: SampleRing): Chosen[] {
  const found: Chosen[] = [];
  while (ring.waiting > 0) {
    ring.look();
    const [high, middle, low] = ring.header();
    found.push({ packet: (high << 16) | (middle << 8) | low, iface: ring.iface, pool: ring.pool, drops: ring.drops });
    ring.advance();
  }
  return found;
}

test('chooses one in n: the number within five deviations, the skips as if a coin were thrown for each packet', () => {
  for (const oneIn of [1, 2, 10, 333]) {
    const ring = new SampleRing(4);
    const sampler = new PacketSampler(ring, oneIn, randomWords(oneIn * 7919));
    const packets = Array.from({ length: 250 }, () => ({ bytes: Uint8Array.of(0) }));
    const batch = batchWith(packets);
    const rounds = 400;
    const pools: number[] = [];
    for (let round = 0; round < rounds; round++) {
      sampler.observe(batch, true, false);
      pools.push(...take(ring).map(({ pool }) => pool));
    }
    const n = rounds * packets.length;
    const deviation = Math.sqrt((n / oneIn) * (1 - 1 / oneIn));
    assert.ok(Math.abs(pools.length - n / oneIn) <= 5 * deviation, `1 in ${oneIn}: ${pools.length} of ${n}`);
    // Pools are the packets from one sample to the next: geometric, so their variance is (1 − p)/p².
    const mean = pools.reduce((sum, pool) => sum + pool, 0) / pools.length;
    const variance = pools.reduce((sum, pool) => sum + (pool - mean) ** 2, 0) / pools.length;
    const wanted = (1 - 1 / oneIn) * oneIn ** 2;
    assert.ok(Math.abs(variance - wanted) <= 0.35 * wanted, `1 in ${oneIn}: variance ${variance}, not ${wanted}`);
  }
});

test('another seed, other packets; the same seed, the same', () => {
  const run = (seed: number): number[] => {
    const ring = new SampleRing(4);
    const sampler = new PacketSampler(ring, 9, randomWords(seed));
    for (let from = 0; from < 2000; from += 250) {
      sampler.observe(batchWith(Array.from({ length: 250 }, (_, k) => numbered(from + k))), true, false);
    }
    return take(ring).map(({ packet }) => packet);
  };
  assert.deepEqual(run(5), run(5));
  assert.notDeepEqual(run(5), run(6));
});

test('whatever the batches, interfaces and verdicts: the same packets, and all of them in the pools', () => {
  const packet = fc.record({ iface: fc.integer({ min: 0, max: 3 }), verdict: fc.constantFrom(0, 0, 0, 7) });
  fc.assert(
    fc.property(
      fc.array(fc.array(packet, { maxLength: 40 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer(),
      (batches, oneIn, seed) => {
        const all = batches.flat();
        // In one go, as the definition says: a counter that runs down over the packets without a verdict.
        const whole = new SampleRing(4);
        const reference = new PacketSampler(whole, oneIn, randomWords(seed));
        for (const [k, one] of all.entries()) reference.observe(batchWith([numbered(k, one)]), false, true);
        const expected = take(whole);
        const ring = new SampleRing(4);
        const sampler = new PacketSampler(ring, oneIn, randomWords(seed));
        let at = 0;
        for (const batch of batches) {
          sampler.observe(batchWith(batch.map((one, k) => numbered(at + k, one))), false, true);
          at += batch.length;
        }
        const found = take(ring);
        assert.deepEqual(found, expected);
        for (const { packet: number, iface } of found)
          assert.deepEqual([all[number].iface, all[number].verdict], [iface, 0]);
        // Pools: packets of the interface without a verdict, up to its last sample.
        for (const iface of [0, 1, 2, 3]) {
          const own = found.filter((one) => one.iface === iface);
          const last = own.at(-1)?.packet ?? -1;
          const passed = all.filter((one, k) => k <= last && one.iface === iface && one.verdict === 0).length;
          assert.equal(
            own.reduce((sum, { pool }) => sum + pool, 0),
            passed,
          );
        }
        // Where nothing has a verdict, the fast ways do the same.
        const fast = new SampleRing(4);
        const plain = new SampleRing(4);
        const alone = new PacketSampler(fast, oneIn, randomWords(seed));
        const mixed = new PacketSampler(plain, oneIn, randomWords(seed));
        const slow = new SampleRing(4);
        const judged = new PacketSampler(slow, oneIn, randomWords(seed));
        const slowOne = new SampleRing(4);
        const judgedOne = new PacketSampler(slowOne, oneIn, randomWords(seed));
        at = 0;
        for (const batch of batches) {
          const free = batch.map(({ iface }, k) => numbered(at + k, { iface }));
          const one = batch.map((_, k) => numbered(at + k, { iface: 2 }));
          mixed.observe(batchWith(free), false, false);
          judged.observe(batchWith(free), false, true);
          alone.observe(batchWith(one), true, false);
          judgedOne.observe(batchWith(one), false, true);
          at += batch.length;
        }
        assert.deepEqual(take(plain), take(slow));
        assert.deepEqual(take(fast), take(slowOne));
      },
    ),
    { numRuns: 60 },
  );
});

test('what finds no room is counted, and told with the next sample of its interface', () => {
  const ring = new SampleRing(4);
  const sampler = new PacketSampler(ring, 1, randomWords(1));
  const fill = (count: number, iface: number): void => {
    for (let left = count; left > 0; left -= 200) {
      sampler.observe(
        batchWith(Array.from({ length: Math.min(200, left) }, () => numbered(1, { iface }))),
        false,
        false,
      );
    }
  };
  fill(SAMPLE_SLOTS, 0);
  fill(30, 0);
  fill(12, 1);
  assert.deepEqual(ring.accounts(), { chosen: SAMPLE_SLOTS + 42, read: 0, waiting: SAMPLE_SLOTS, dropped: 42 });
  take(ring);
  fill(1, 1);
  fill(1, 0);
  fill(1, 0);
  assert.deepEqual(
    take(ring).map(({ iface, pool, drops }) => [iface, pool, drops]),
    [
      [1, 13, 12],
      [0, 31, 30],
      [0, 1, 0],
    ],
  );
});

test('interfaces beyond those that have accounts of their own share one', () => {
  const ring = new SampleRing(4);
  const sampler = new PacketSampler(ring, 1, randomWords(1));
  sampler.observe(batchWith([numbered(1, { iface: 4095 }), numbered(2, { iface: 1_000_000 })]), false, false);
  assert.deepEqual(
    take(ring).map(({ iface, pool }) => [iface, pool]),
    [
      [4095, 1],
      [4095, 1],
    ],
  );
});
