import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHUNK_ROWS, SLOT_BITS, Slots } from '../../src/meter/slots.js';

/** Slots as the wheel uses them, beside a model: where each row stands. */
class Lists {
  readonly slotOf: Int32Array;
  readonly slots: Slots;
  readonly model = new Map<number, number>();
  /** Most chunks that were taken within one append. */
  mostSwept = 0;
  private readonly count: number;
  private readonly group = new Int32Array(CHUNK_ROWS);
  private taken = 0;

  constructor(count: number, rows: number) {
    this.count = count;
    this.slotOf = new Int32Array(rows);
    this.slots = new Slots(count, rows, this.slotOf);
    const { slots } = this;
    const take = slots.takeChunk.bind(slots);
    slots.takeChunk = (slot, found) => {
      this.taken++;
      return take(slot, found);
    };
  }

  put(row: number, slot: number): void {
    this.taken = 0;
    this.slotOf[row] = slot;
    this.slots.append(slot, row);
    this.model.set(row, slot);
    this.mostSwept = Math.max(this.mostSwept, this.taken);
  }

  remove(row: number): void {
    this.slotOf[row] = 0;
    this.model.delete(row);
  }

  /** Takes all out of a slot, and compares with the model. */
  drain(slot: number): void {
    const found = new Set<number>();
    while (this.slots.heads[slot] !== 0) {
      const count = this.slots.takeChunk(slot, this.group);
      for (const row of this.group.subarray(0, count)) {
        if ((this.slotOf[row]! & SLOT_BITS) !== slot) continue;
        found.add(row);
        this.slotOf[row] = 0;
      }
    }
    const wanted = [...this.model].filter(([, at]) => at === slot).map(([row]) => row);
    assert.deepEqual([...found].sort(ascending), wanted.sort(ascending), `slot ${slot}`);
    for (const row of found) this.model.delete(row);
  }

  drainAll(): void {
    for (let slot = 1; slot < this.count; slot++) this.drain(slot);
    assert.equal(this.model.size, 0);
  }
}

const ascending = (x: number, y: number): number => x - y;

test('rows are found where they stand, whatever was left over and came back', () => {
  const action = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'remove', 'drain'),
    first: fc.integer({ min: 1, max: 299 }),
    rows: fc.integer({ min: 1, max: 300 }),
    slot: fc.integer({ min: 1, max: 4 }),
    times: fc.integer({ min: 1, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 60 }), (actions) => {
      const lists = new Lists(5, 300);
      for (const { kind, first, rows, slot, times } of actions) {
        if (kind === 'drain') {
          lists.drain(slot);
          continue;
        }
        for (let n = 0; n < rows * times; n++) {
          const row = 1 + ((first + (n % rows)) % 299);
          if (kind === 'remove') lists.remove(row);
          else lists.put(row, 1 + ((slot + n) % 4));
        }
      }
      lists.drainAll();
    }),
    { numRuns: 200 },
  );
});

test('no append takes long, however many entries are left over', () => {
  const rows = 20_000;
  const slots = 50;
  const lists = new Lists(slots, rows);
  for (let round = 0; round < 60; round++) {
    // All rows move on; a part of them goes to and fro between two slots.
    for (let row = 1; row < rows; row++) {
      lists.put(row, 1 + ((row + round) % (slots - 1)));
      if (row % 3 === 0) lists.remove(row);
      if (row % 7 === 0) for (let n = 0; n < 4; n++) lists.put(row, 1 + (((n & 1) * round) % (slots - 1)));
    }
  }
  assert.ok(lists.mostSwept > 0, 'there was sweeping');
  assert.ok(lists.mostSwept <= 8, `${lists.mostSwept} chunks within one append`);
  lists.drainAll();
});

test('all rows may stand in one slot, and move to another all at once', () => {
  const rows = 10_000;
  const lists = new Lists(33, rows);
  for (let round = 1; round <= 20; round++) {
    for (let row = 1; row < rows; row++) lists.put(row, 1 + (round % 32));
  }
  assert.ok(lists.mostSwept > 0 && lists.mostSwept <= 8, `${lists.mostSwept} chunks within one append`);
  lists.drainAll();
});
