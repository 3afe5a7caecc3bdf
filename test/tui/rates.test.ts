import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateBook } from '../../src/tui/rates.js';
import { TotalBook } from '../../src/tui/totals.js';
import { flowWith } from './watched.js';

const flow = (id: number, bytes: number | bigint, reverseBytes = 0, packets = 0): Record<string, unknown> =>
  flowWith(id, { bytes, reverseBytes, packets, reversePackets: 0 });

test('rates are the differences of two looks, by direction', () => {
  const book = new RateBook(10);
  assert.deepEqual(book.look([flow(1, 1000, 50, 5)], true, 0)[0].sentRate, 0);
  const [row] = book.look([flow(1, 3000, 150, 9)], true, 2000);
  assert.equal(row.sentRate, 1000);
  assert.equal(row.receivedRate, 50);
  assert.equal(row.packetRate, 2);
  assert.equal(row.bytes, 3150);
  assert.deepEqual(row.history, [1050]);
});

test('all bytes of a flow that was not there before count since then; of one from before the first look, none', () => {
  const book = new RateBook(10);
  assert.equal(book.look([flow(1, 5000)], true, 1000)[0].sentRate, 0);
  const rows = book.look([flow(1, 5000), flow(2, 800)], true, 2000);
  assert.deepEqual(
    rows.map((row) => row.sentRate),
    [0, 800],
  );
});

test('where the table was not seen whole, a flow met for the first time may be old: no rate yet', () => {
  const book = new RateBook(10);
  book.look([flow(1, 5000)], false, 1000);
  assert.equal(book.look([flow(2, 1e9)], false, 2000)[0].sentRate, 0);
  assert.equal(book.look([flow(2, 1e9 + 10)], false, 3000)[0].sentRate, 10);
});

test('a flow that is left out of an answer for a while keeps its past', () => {
  const book = new RateBook(10);
  book.look([flow(1, 0)], false, 0);
  book.look([], false, 1000);
  assert.equal(book.look([flow(1, 2000)], false, 2000)[0].sentRate, 1000);
  for (let k = 3; k < 12; k++) book.look([], false, k * 1000);
  assert.equal(book.size, 0);
});

test('rates are taken over the last looks, so that a burst fades', () => {
  const book = new RateBook(10);
  const sent = [0, 3000, 3000, 3000, 3000, 3000];
  const rates = sent.map((bytes, k) => book.look([flow(1, bytes)], true, k * 1000)[0].sentRate);
  assert.deepEqual(rates, [0, 3000, 1500, 1000, 0, 0]);
});

test('counters that go back begin anew instead of giving a negative rate', () => {
  const book = new RateBook(10);
  book.look([flow(1, 5000)], true, 0);
  assert.equal(book.look([flow(1, 100)], true, 1000)[0].sentRate, 0);
  assert.equal(book.look([flow(1, 300)], true, 2000)[0].sentRate, 200);
});

test('counters beyond 2^53 and members that are missing do no harm', () => {
  const book = new RateBook(10);
  book.look([{ id: 'a', bytes: 2n ** 60n }], true, 0);
  const [row] = book.look([{ id: 'a', bytes: 2n ** 60n + 2n ** 20n }], true, 1000);
  assert.equal(row.sentRate, 2 ** 20);
  assert.equal(row.receivedRate, 0);
});

test('what is remembered stays within the limit, and rates are never negative or not a number', () => {
  const looks = fc.array(
    fc.record({
      flows: fc.array(fc.record({ id: fc.nat(40), bytes: fc.nat(1e6), packets: fc.nat(1000) }), { maxLength: 60 }),
      complete: fc.boolean(),
      pause: fc.nat(5000),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(looks, fc.integer({ min: 1, max: 20 }), (steps, limit) => {
      const book = new RateBook(limit);
      let at = 0;
      for (const step of steps) {
        at += step.pause;
        const rows = book.look(
          step.flows.map(({ id, bytes, packets }) => flow(id, bytes, bytes, packets)),
          step.complete,
          at,
        );
        assert.ok(book.size <= limit && rows.length <= limit);
        for (const row of rows) {
          for (const value of [row.sentRate, row.receivedRate, row.packetRate, ...row.history]) assert.ok(value >= 0);
          assert.ok(row.history.length <= 32);
        }
      }
    }),
  );
});

test('totals are differences of the ledger', () => {
  const book = new TotalBook();
  assert.equal(book.look({ octets: 5000, decoded: 10 }, 1000).byteRate, 0);
  const totals = book.look({ octets: 9000, decoded: 14 }, 3000);
  assert.equal(totals.byteRate, 2000);
  assert.equal(totals.packetRate, 2);
  assert.deepEqual(totals.history, [2000]);
});
