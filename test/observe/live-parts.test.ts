import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CardClock } from '../../src/observe/live/card-clock.js';
import { socketProgram } from '../../src/observe/live/kernel-program.js';
import { linkTypeOf } from '../../src/observe/live/link-types.js';
import { WantedNames } from '../../src/observe/live/names.js';
import { guessedSegments, OFFLOAD_HEADER, OFFLOAD_TYPE, toldSegments } from '../../src/observe/live/offload.js';
import { SlotMap } from '../../src/observe/live/slot-map.js';
import { TimeLine } from '../../src/observe/live/time-line.js';
import { ethernet, ipv4, ipv6, join, tcp, udp, zeros } from '../support/packets.js';

test('names and patterns of interfaces', () => {
  const wanted = new WantedNames(['eth0', 'veth*', 'wg?', 'p[13]', 'x[!0-8]', 'a.b', 'odd[', '*tail']);
  assert.deepEqual(wanted.plain, ['eth0', 'a.b']);
  const yes = ['eth0', 'veth', 'veth1a', 'wg0', 'p1', 'p3', 'x9', 'a.b', 'odd[', 'tail', 'dovetail'];
  const no = ['eth00', 'eth', 'xveth1', 'wg', 'wg10', 'p2', 'x5', 'axb', 'odd', 'tails', ''];
  for (const name of yes) assert.ok(wanted.matches(name), name);
  for (const name of no) assert.ok(!wanted.matches(name), name);
  // Whatever is given compiles, and a pattern of stars alone takes all.
  fc.assert(
    fc.property(fc.string(), fc.string({ maxLength: 15 }), (pattern, name) => {
      assert.equal(typeof new WantedNames([pattern]).matches(name), 'boolean');
      assert.ok(new WantedNames(['**']).matches(name));
    }),
  );
});

test('slots: runs never overlap, and all come back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 40 }), (sizes) => {
      const slots = new SlotMap(32);
      const held: [first: number, count: number][] = [];
      for (const count of sizes) {
        const first = slots.take(count);
        if (first === -1) {
          const back = held.shift();
          if (back !== undefined) slots.free(...back);
          continue;
        }
        assert.ok(first + count <= 32);
        for (const [other, length] of held) assert.ok(first + count <= other || other + length <= first);
        held.push([first, count]);
      }
      for (const back of held) slots.free(...back);
      assert.equal(slots.take(32), 0);
    }),
  );
});

/** Clocks that are set by hand. */
class FakeClock {
  seconds = 0;
  nanos = 0;
  /** In ns, as BigInt: exact. */
  wallNow = 1_700_000_000_900_000_000n;
  steadyNow = 5_000_000_123n;

  wall(): void {
    this.give(this.wallNow);
  }

  steady(): void {
    this.give(this.steadyNow);
  }

  pass(nanos: bigint): void {
    this.wallNow += nanos;
    this.steadyNow += nanos;
  }

  private give(time: bigint): void {
    this.seconds = Number(time / 1_000_000_000n);
    this.nanos = Number(time % 1_000_000_000n);
  }
}

function placed(line: TimeLine, stamp: bigint): bigint {
  line.place(Number(stamp / 1_000_000_000n), Number(stamp % 1_000_000_000n));
  return BigInt(line.placedSeconds) * 1_000_000_000n + BigInt(line.placedNanos);
}

test('the line of time follows the monotonic clock; stamps are moved by what the wall clock was set', () => {
  const second = fc.bigInt({ min: 0n, max: 20_000_000_000n });
  const step = fc.oneof(
    fc.bigInt({ min: -400_000_000_000_000_000n, max: 400_000_000_000_000_000n }),
    fc.bigInt({ min: -3_000_000_000n, max: 3_000_000_000n }),
  );
  fc.assert(
    fc.property(second, step, second, (before, set, after) => {
      const clock = new FakeClock();
      const start = clock.wallNow;
      const line = new TimeLine(clock);
      clock.pass(before);
      line.refresh();
      assert.equal(line.shifted, false);
      assert.equal(line.step, 0);
      clock.wallNow += set;
      clock.pass(after);
      line.refresh();
      const now = start + before + after;
      assert.deepEqual([BigInt(line.seconds), BigInt(line.nanos)], [now / 1_000_000_000n, now % 1_000_000_000n]);
      const told = set > -200_000n && set < 200_000n ? 0n : set;
      // A number has 53 bits: exact up to 104 days.
      assert.ok(Math.abs(line.step - Number(told)) <= Math.abs(Number(told)) * 2 ** -52);
      if (told !== 0n) assert.ok(line.shifted);
      // A packet of now: its stamp was moved along with the clock.
      assert.equal(line.shifted ? placed(line, clock.wallNow) : clock.wallNow, told === 0n ? now + set : now);
    }),
  );
});

test('packets stamped before a step and read after it stay where they were', () => {
  const clock = new FakeClock();
  const line = new TimeLine(clock);
  clock.pass(1_000_000_000n);
  const early = clock.wallNow;
  clock.pass(10_000_000n);
  clock.wallNow -= 3_600_000_000_000n;
  clock.pass(10_000_000n);
  const late = clock.wallNow;
  line.refresh();
  assert.equal(placed(line, early), early);
  assert.equal(placed(line, late), late + 3_600_000_000_000n);
  assert.equal(line.step, -3_600_000_000_000);
  // Once set back, all is as if nothing had been.
  clock.wallNow += 3_600_000_000_000n;
  line.refresh();
  assert.equal(line.step, 0);
  clock.pass(10_000_000_000n);
  line.refresh();
  assert.equal(line.shifted, false);
});

test('the clock of a card: set to UTC, to TAI, not set at all, set anew', () => {
  const clock = new FakeClock();
  const line = new TimeLine(clock);
  const card = new CardClock();
  const place = (offset: bigint): bigint => {
    const stamp = clock.wallNow + offset;
    clock.pass(15_000_000n);
    line.refresh();
    card.place(line, Number(stamp / 1_000_000_000n), Number(stamp % 1_000_000_000n));
    return BigInt(card.seconds) * 1_000_000_000n + BigInt(card.nanos) - (stamp - offset);
  };
  assert.equal(place(0n), 0n);
  assert.equal(place(999n), 999n, 'what is between clocks of the same source is kept');
  assert.equal(place(37_000_000_000n), 0n, 'TAI');
  assert.equal(place(37_000_000_100n), 100n);
  // Counts from when the machine started: put where the packet was read, 15 ms late, and kept there.
  const odd = -1_699_999_000_400_000_000n;
  assert.equal(place(odd), 15_000_000n);
  assert.equal(place(odd), 15_000_000n);
  assert.equal(place(0n), 0n);
});

function segments(frame: Uint8Array, size: number, wire: number): number {
  const header = new Uint8Array(OFFLOAD_HEADER);
  header[OFFLOAD_HEADER + OFFLOAD_TYPE] = 1;
  new Uint16Array(header.buffer, 4, 1)[0] = size;
  const bytes = join(header, frame);
  return toldSegments(new DataView(bytes.buffer), OFFLOAD_HEADER, frame.length, wire);
}

test('segments of offload: told by the kernel exactly, guessed else', () => {
  const stamps = { options: [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0] };
  const four = ethernet(ipv4('10.0.0.1', '10.0.0.2', 6, tcp(1, 2, stamps, zeros(100))));
  assert.equal(segments(four, 1448, 14 + 20 + 32 + 1448 * 3), 3);
  assert.equal(segments(four, 1448, 14 + 20 + 32 + 1448 * 3 + 1), 4);
  const six = ethernet(ipv6('fd00::1', 'fd00::2', 17, udp(1, 2, zeros(100))), { vlan: [3] });
  assert.equal(segments(six, 1200, 18 + 40 + 8 + 12000), 10);
  assert.equal(segments(four.subarray(0, 20), 1460, 54 + 2920), 2, 'cut: usual headers');
  assert.equal(segments(four, 0, 3000), 1, 'no size told');
  assert.equal(guessedSegments(1514, 1500), 1);
  assert.equal(guessedSegments(1518, 1500), 1, 'a VLAN tag is no offload');
  assert.equal(guessedSegments(54 + 1460 * 20, 1500), 20);
  assert.equal(guessedSegments(70_000, 0), 1, 'nothing is known of the interface');
});

test('link types: those without a decoder get a number that none has', () => {
  assert.deepEqual([1, 772, 65534, 778, 801].map(linkTypeOf), [1, 1, 101, 101, 105]);
  assert.equal(linkTypeOf(824), 0x10000 + 824);
});

test('the program of a socket never lets more bytes through than the snap length', () => {
  const filter = [
    { code: 0x06, jt: 0, jf: 0, k: 0xffffffff },
    { code: 0x06, jt: 0, jf: 0, k: 20 },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ];
  const kept = (snapLength: number): number[] =>
    socketProgram({ filter, snapLength, oneIn: 1, loopback: false }).map(({ k }) => k);
  assert.deepEqual(kept(96), [96, 20, 0]);
  assert.deepEqual(kept(0), [0x40000000, 20, 0]);
});
