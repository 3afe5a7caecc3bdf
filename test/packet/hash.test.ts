import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch, Mark } from '../../src/packet/batch.js';
import { hashAnyKeys, keyHasher } from '../../src/packet/hash.js';
import { Refusal } from '../../src/packet/refusal.js';

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** HalfSipHash-c-d of whole words, written as in the paper: one loop, one round. */
function halfSipHash(
  compression: number,
  finalization: number,
  key: readonly number[],
  words: readonly number[],
): number {
  let [v0, v1, v2, v3] = [key[0], key[1], 0x6c796765 ^ key[0], 0x74656462 ^ key[1]];
  const rounds = (count: number): void => {
    for (let round = 0; round < count; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
  };
  for (const word of words) {
    v3 ^= word;
    rounds(compression);
    v0 ^= word;
  }
  v2 ^= 0xff;
  rounds(finalization);
  return v1 ^ v3;
}

/** The words of a message of bytes: the last one holds what is left of it, and its length. */
function wordsOf(message: Uint8Array): number[] {
  const padded = new Uint8Array((message.length & ~3) + 4);
  padded.set(message);
  padded[padded.length - 1] = message.length;
  const view = new DataView(padded.buffer);
  return Array.from({ length: padded.length / 4 }, (_, k) => view.getInt32(4 * k, true));
}

test('the reference gives what the authors of HalfSipHash-2-4 say', () => {
  // The first vectors of their program: the key 00 01 … 07, the messages empty, 00, 00 01 …
  const key = [0x03020100, 0x07060504];
  for (const [length, expected] of ['a9359f5b', '27475ab8', 'fa62a603', '8afee704'].entries()) {
    const hash = Buffer.alloc(4);
    hash.writeInt32LE(halfSipHash(2, 4, key, wordsOf(Uint8Array.from({ length }, (_, k) => k))));
    assert.equal(hash.toString('hex'), expected, `${length} bytes`);
  }
});

const int = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const packet = fc.record({
  v6: fc.boolean(),
  refused: fc.boolean(),
  key: fc.array(int, { minLength: 10, maxLength: 10 }),
  extra: fc.array(int, { minLength: 11, maxLength: 11 }),
});

test('flow keys are hashed by HalfSipHash-1-3: ports, meta, addresses, additional parts', () => {
  const batches = fc.tuple(fc.array(packet, { minLength: 1, maxLength: 6 }), fc.tuple(int, int), fc.nat(11));
  fc.assert(
    fc.property(batches, ([packets, seed, keyWords]) => {
      const batch = new Batch({ keyWords });
      const columns = ['ports', 'meta', 'a0', 'b0', 'a1', 'a2', 'a3', 'b1', 'b2', 'b3'] as const;
      for (const [i, { v6, refused, key, extra }] of packets.entries()) {
        for (const [k, column] of columns.entries()) batch[column][i] = key[k];
        batch.keyExtra.set(extra.slice(0, keyWords), i * keyWords);
        batch.marks[i] = v6 ? Mark.ipv6 | Mark.tcp : Mark.tcp;
        batch.verdict[i] = refused ? Refusal.notIp : 0;
      }
      const ways = [keyHasher(batch, seed), (from: number, to: number) => hashAnyKeys(batch, from, to, seed)];
      for (const hashKeys of ways) {
        batch.hash.fill(-1);
        hashKeys(0, packets.length);
        for (const [i, { v6, refused, key, extra }] of packets.entries()) {
          const words = [...key.slice(0, v6 ? 10 : 4), ...extra.slice(0, keyWords)];
          assert.equal(batch.hash[i], refused ? 0 : halfSipHash(1, 3, seed, words), JSON.stringify(words));
        }
      }
    }),
  );
});
