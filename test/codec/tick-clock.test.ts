import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TickClock } from '../../src/codec/tick-clock.js';

/** The same in integers without limits. */
function oracle(resolution: number, ticks: bigint, offset: bigint): { seconds: bigint; nanos: bigint } {
  const exponent = BigInt(resolution & 0x7f);
  const perSecond = (resolution & 0x80) !== 0 ? 2n ** exponent : 10n ** exponent;
  return { seconds: ticks / perSecond + offset, nanos: ((ticks % perSecond) * 1_000_000_000n) / perSecond };
}

function agrees(resolution: number, ticks: bigint, offset = 0n): void {
  const clock = new TickClock(resolution, Number(offset));
  const inRange = clock.set(Number(ticks >> 32n), Number(ticks & 0xffffffffn));
  const { seconds, nanos } = oracle(resolution, ticks, offset);
  assert.equal(inRange, seconds >= 0n && seconds <= 0xffffffffn, `range at ${resolution} ${ticks}`);
  assert.equal(BigInt(clock.nanos), nanos, `nanos at ${resolution} ${ticks}`);
  if (inRange) assert.equal(BigInt(clock.seconds), seconds, `seconds at ${resolution} ${ticks}`);
}

const BOUNDARIES = [
  0n,
  1n,
  999_999n,
  1_000_000n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
];
const LAST = 2n ** 64n - 1n;

test('every resolution gives exact nanoseconds at the boundaries', () => {
  for (let resolution = 0; resolution < 256; resolution++) {
    for (const ticks of [...BOUNDARIES, LAST - 1n, LAST]) agrees(resolution, ticks);
  }
});

test('any time stamp in any resolution is exact', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), fc.bigInt({ min: 0n, max: LAST }), (resolution, ticks) =>
      agrees(resolution, ticks),
    ),
    {
      numRuns: 3000,
    },
  );
});

test('times of our days are exact to the last tick', () => {
  for (const exponent of [3, 6, 7, 8, 9]) {
    const perSecond = 10n ** BigInt(exponent);
    for (const fraction of [0n, 1n, perSecond / 2n, perSecond - 1n]) {
      for (const second of [1n, 1_700_000_000n, 0xfffffffen, 0xffffffffn])
        agrees(exponent, second * perSecond + fraction);
    }
  }
});

test('an offset moves the seconds, and what leaves 32 bits is told', () => {
  agrees(6, 5_000_000n, -5n);
  agrees(6, 5_000_000n, -6n);
  agrees(6, 1n, 0xffffffffn);
  agrees(6, 1_000_001n, 0xffffffffn);
  agrees(9, 1_700_000_000_123_456_789n, 3600n);
});
