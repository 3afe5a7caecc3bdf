import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFeatures } from '../../../src/meter/features/index.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

function measure(features: string[], packets: TestPacket[]): Record<string, unknown> {
  const { hooks, fields } = createFeatures(features);
  return membersOf(fields, runHooks(hooks, packets));
}

test('inter-arrival: by direction, absent with fewer than two packets', () => {
  const packets: TestPacket[] = [{ at: 0 }, { at: 500, direction: 1 }, { at: 1_000_000 }, { at: 4_000_001 }];
  assert.deepEqual(measure(['interArrival'], packets), {
    interArrivalMin: 1000,
    interArrivalMax: 3000.001,
    interArrivalMean: 2000.001,
    interArrivalDeviation: 1000.001,
  });
});

test('time that steps back counts as a gap of 0, and the next gap is measured from the latest time', () => {
  const packets: TestPacket[] = [{ at: 5_000_000 }, { at: 1_000_000 }, { at: 6_000_000 }];
  const members = measure(['interArrival'], packets);
  assert.equal(members.interArrivalMin, 0);
  assert.equal(members.interArrivalMax, 1000);
  assert.equal(members.interArrivalMean, 500);
});

test('inter-arrival: what a plain computation says', () => {
  const times = fc.array(fc.nat(10_000_000_000), { minLength: 2, maxLength: 50 });
  fc.assert(
    fc.property(times, (list) => {
      list.sort((x, y) => x - y);
      const members = measure(
        ['interArrival'],
        list.map((at) => ({ at })),
      );
      const gaps = list.slice(1).map((at, k) => (at - list[k]) / 1000);
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
      const near = (name: string, expected: number): void => {
        const value = members[name] as number;
        // Squares are summed: deviations far below the mean lose digits.
        assert.ok(Math.abs(value - expected) <= 0.002 + mean * 1e-7, `${name} ${value}, not ${expected}`);
      };
      near('interArrivalMin', Math.min(...gaps));
      near('interArrivalMax', Math.max(...gaps));
      near('interArrivalMean', mean);
      near('interArrivalDeviation', Math.sqrt(variance));
    }),
  );
});

test('splt: the first ten packets with payload of each direction', () => {
  const packets: TestPacket[] = [{ at: 0, payload: 0 }];
  for (let k = 0; k < 12; k++) {
    packets.push({ at: 1_000_000 * (k + 1) + 999, payload: 100 + k });
    packets.push({ at: 1_000_000 * (k + 1) + 1999, payload: 0 });
  }
  packets.push({ at: 20_000_000, direction: 1, payload: 65_507, snap: 60 });
  assert.deepEqual(measure(['splt'], packets), {
    payloadLengths: [100, 101, 102, 103, 104, 105, 106, 107, 108, 109],
    payloadGaps: [0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000],
    reversePayloadLengths: [65_507],
    reversePayloadGaps: [0],
  });
});

test('splt: gaps stay within their column when time steps back or far ahead', () => {
  const packets: TestPacket[] = [
    { at: 2_000_000, payload: 1 },
    { at: 1_000_000, payload: 2 },
    { at: 2_003_000, payload: 3 },
    { at: 10_000e9, payload: 4 },
  ];
  assert.deepEqual(measure(['splt'], packets).payloadGaps, [0, 0, 3, 0xffffffff]);
});

test('slots: bytes by time since the flow began, for both directions', () => {
  const second = 1e9;
  const start = 0.75 * second;
  const bytesAt = (at: number, octets: number, direction: 0 | 1 = 0): TestPacket => ({
    at: start + at * second,
    octets,
    direction,
  });
  const packets = [
    bytesAt(0, 1),
    bytesAt(0.999, 2),
    bytesAt(1, 4),
    bytesAt(2.999, 8),
    bytesAt(3, 16),
    bytesAt(6.999, 32),
    bytesAt(7, 64),
    bytesAt(126.999, 128),
    bytesAt(127, 256),
    bytesAt(100_000, 512),
    bytesAt(-0.5, 1024),
    bytesAt(1.5, 7, 1),
  ];
  assert.deepEqual(measure(['slots'], packets), {
    slotBytes: [1027, 12, 48, 64, 0, 0, 128, 768],
    reverseSlotBytes: [0, 7],
  });
});

test('slots: exact beyond 32 bits', () => {
  const packets = Array.from({ length: 9000 }, (): TestPacket => ({ at: 0, octets: 1_000_001 }));
  assert.deepEqual(measure(['slots'], packets).slotBytes, [9_000_009_000]);
});
