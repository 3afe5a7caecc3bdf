import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { beginSequence, HOLE_WORDS, judgeSegment, Segment } from '../../../src/meter/features/sequence.js';

/** One direction of a connection whose segments are given by their offset from the first byte. */
class Direction {
  readonly words = new Int32Array(1 + HOLE_WORDS);
  readonly #initial: number;

  constructor(initial: number, next = 0) {
    this.#initial = initial;
    this.words[0] = initial + next;
  }

  send(offset: number, length: number, flags: { syn?: boolean; fin?: boolean } = {}): Segment {
    const sequence = (this.#initial + offset) | 0;
    if (sequence === this.words[0]) {
      this.words[0] = sequence + length;
      return Segment.inOrder;
    }
    return judgeSegment(this.words, 0, 1, sequence, length, flags.syn ?? false, flags.fin ?? false);
  }
}

/** Every kind of number to begin with: small, around the signed and the unsigned wrap. */
const INITIALS = [0, 1, 1000, 0x7fffff00, 0x7fffffff, 0xffffff00, 0xffffffff];

test('a segment sent again is a retransmission, one that fills a hole is out of order', () => {
  for (const initial of INITIALS) {
    const sender = new Direction(initial);
    assert.equal(sender.send(0, 100), Segment.inOrder);
    assert.equal(sender.send(0, 100), Segment.retransmission);
    assert.equal(sender.send(200, 100), Segment.inOrder);
    assert.equal(sender.send(100, 100), Segment.outOfOrder);
    assert.equal(sender.send(100, 100), Segment.retransmission, 'the hole was filled');
    assert.equal(sender.send(300, 100), Segment.inOrder);
  }
});

test('a segment sent again together with new data is a retransmission, and moves the end', () => {
  const sender = new Direction(0xfffffff0);
  sender.send(0, 100);
  assert.equal(sender.send(50, 100), Segment.retransmission);
  assert.equal(sender.send(150, 10), Segment.inOrder);
});

test('a hole may be filled from its end, its middle, or by several segments', () => {
  const sender = new Direction(0xffffff80);
  sender.send(0, 100);
  sender.send(500, 100);
  assert.equal(sender.send(400, 100), Segment.outOfOrder);
  assert.equal(sender.send(200, 100), Segment.outOfOrder);
  assert.equal(sender.send(200, 100), Segment.retransmission);
  assert.equal(sender.send(100, 100), Segment.outOfOrder);
  assert.equal(sender.send(300, 100), Segment.outOfOrder);
  assert.equal(sender.send(100, 400), Segment.retransmission);
});

test('three holes are remembered; a fourth pushes out the oldest', () => {
  const sender = new Direction(0);
  sender.send(0, 10);
  for (let k = 1; k <= 4; k++) sender.send(k * 20, 10);
  assert.equal(sender.send(10, 10), Segment.retransmission);
  for (let k = 1; k <= 3; k++) assert.equal(sender.send(k * 20 + 10, 10), Segment.outOfOrder);
});

test('a keep-alive is neither, a FIN sent again is a retransmission', () => {
  for (const initial of INITIALS) {
    const sender = new Direction(initial);
    sender.send(0, 100);
    assert.equal(sender.send(99, 1), Segment.keepAlive);
    assert.equal(sender.send(100, 1, { fin: true }), Segment.inOrder);
    assert.equal(sender.send(100, 1, { fin: true }), Segment.retransmission);
    assert.equal(sender.send(50, 1), Segment.retransmission);
  }
});

test('a SYN sent again is a retransmission, one with another number starts afresh', () => {
  const sender = new Direction(0xffffffff);
  sender.send(0, 1, { syn: true });
  assert.equal(sender.send(0, 1, { syn: true }), Segment.retransmission);
  assert.equal(sender.send(-5000, 1, { syn: true }), Segment.inOrder);
  assert.equal(sender.send(-4999, 10), Segment.inOrder);
});

test('a SYN with data sent again without them is a retransmission', () => {
  const sender = new Direction(7);
  sender.send(0, 101, { syn: true });
  assert.equal(sender.send(0, 101, { syn: true }), Segment.retransmission);
});

test('a jump by more than any window starts afresh', () => {
  const sender = new Direction(0);
  sender.send(0, 100);
  assert.equal(sender.send(0x50000000, 100), Segment.inOrder);
  assert.equal(sender.send(100, 100), Segment.inOrder, 'and back');
  assert.equal(sender.send(200, 100), Segment.inOrder);
});

test('against sets of bytes: any order of segments, from any number on', () => {
  // The oracle keeps every byte; the segments are at most three holes apart, as many as are remembered.
  const segments = fc.array(fc.record({ offset: fc.nat(30), length: fc.integer({ min: 2, max: 8 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), segments, (initial, list) => {
      const sender = new Direction(initial);
      sender.send(0, 4);
      const bytes = new Set([0, 1, 2, 3]);
      let next = 4;
      for (const { offset, length } of list) {
        const before = new Set(bytes);
        for (let k = 0; k < length; k++) bytes.add(offset + k);
        let holes = 0;
        for (let k = 0; k < Math.max(next, offset + length); k++)
          if (!bytes.has(k) && (k === 0 || bytes.has(k - 1))) holes++;
        if (holes > 3) return;
        const expected =
          offset >= next ? Segment.inOrder : before.has(offset) ? Segment.retransmission : Segment.outOfOrder;
        assert.equal(sender.send(offset, length), expected);
        next = Math.max(next, offset + length);
      }
    }),
  );
});

test('what was sent before the first segment that is seen was not seen, except before a SYN', () => {
  for (const syn of [false, true]) {
    const words = new Int32Array(1 + HOLE_WORDS);
    beginSequence(words, 0, 1, 5, 100, syn);
    const before = judgeSegment(words, 0, 1, -95, 100, false, false);
    assert.equal(before, syn ? Segment.retransmission : Segment.outOfOrder);
    assert.equal(judgeSegment(words, 0, 1, 5, 100, false, false), Segment.retransmission);
  }
});

test('a pure acknowledgement above the end shows that data were sent, one below is nothing', () => {
  const sender = new Direction(0xfffffff0);
  sender.send(0, 100);
  assert.equal(sender.send(400, 0), Segment.inOrder);
  assert.equal(sender.send(100, 300), Segment.outOfOrder);
  assert.equal(sender.send(399, 0), Segment.inOrder);
  assert.equal(sender.send(100, 300), Segment.retransmission);
  assert.equal(sender.send(0x60000000, 0), Segment.inOrder);
  assert.equal(sender.send(400, 10), Segment.inOrder);
  assert.equal(sender.send(400, 10), Segment.retransmission);
});

test('hostile sequence numbers never harm: bounded work, any verdict', () => {
  const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.nat(70_000), fc.boolean(), fc.boolean())), (list) => {
      const words = new Int32Array(3 + HOLE_WORDS);
      for (const [sequence, length, syn, fin] of list) {
        const verdict = judgeSegment(words, 1, 2, sequence, length, syn, fin);
        assert.ok(verdict >= 0 && verdict <= 3);
      }
      assert.equal(words[0], 0);
      assert.equal(words[2 + HOLE_WORDS], 0);
    }),
  );
});
