import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PrefixTrie } from '../../src/enrich/prefix-trie.js';

type Prefix = { bits: string };

/** The address whose first bits these are, the rest ones: they must not matter. */
function wordsOf(bits: string, size: 32 | 128): Int32Array {
  const all = bits.padEnd(size, '1');
  return Int32Array.from({ length: 4 }, (_, w) => Number.parseInt(all.slice(w * 32, w * 32 + 32) || '0', 2) | 0);
}

/** A table that looks at everything. */
class Plain {
  readonly values = new Map<string, number>();

  find(address: string): { value: number; length: number } {
    for (let length = address.length; length >= 0; length--) {
      const value = this.values.get(address.slice(0, length));
      if (value !== undefined) return { value, length };
    }
    return { value: 0, length: 0 };
  }
}

/** Prefixes near each other, so that they cover one another. */
function prefixes(size: 32 | 128): fc.Arbitrary<Prefix> {
  const bit = fc.constantFrom('0', '1');
  return fc
    .tuple(fc.constantFrom('0000101000000000', '1100000000000000', ''), fc.array(bit, { maxLength: size }))
    .map(([head, tail]) => ({ bits: (head + tail.join('')).slice(0, size) }));
}

for (const size of [32, 128] as const) {
  test(`prefixes of ${size} bits: announced, changed and withdrawn, as a plain table has them`, () => {
    const action = fc.record({ prefix: prefixes(size), value: fc.integer({ min: 0, max: 5 }) });
    const property = fc.property(fc.array(action, { maxLength: 60 }), fc.array(prefixes(size)), (actions, asked) => {
      const trie = new PrefixTrie(size, 1 << 24);
      const plain = new Plain();
      for (const { prefix, value } of actions) {
        const words = wordsOf(prefix.bits, size);
        const { length } = prefix.bits;
        const before = plain.values.get(prefix.bits) ?? 0;
        if (value === 0) {
          assert.equal(trie.remove(words, length), before);
          plain.values.delete(prefix.bits);
        } else {
          assert.equal(trie.set(words, length, value), before);
          plain.values.set(prefix.bits, value);
        }
        assert.equal(trie.get(words, length), value);
        // What a look-up has learned must not outlive what is taken out.
        for (const filler of ['0', '1']) {
          const address = prefix.bits.padEnd(size, filler);
          const expected = plain.find(address);
          assert.equal(trie.find(wordsOf(address, size), 0), expected.value, address);
          if (expected.value !== 0) assert.equal(trie.matchedLength, expected.length);
        }
        assert.equal(trie.size, plain.values.size);
      }
      const addresses = [...asked, ...actions.map(({ prefix }) => prefix)].flatMap(({ bits }) => [
        bits.padEnd(size, '0'),
        bits.padEnd(size, '1'),
      ]);
      for (const address of addresses) {
        const { value, length } = plain.find(address);
        assert.equal(trie.find(wordsOf(address, size), 0), value, address);
        if (value !== 0) assert.equal(trie.matchedLength, length);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
}

test('all prefixes of a value are taken out at once, in every length', () => {
  const property = fc.property(fc.array(fc.tuple(prefixes(128), fc.integer({ min: 1, max: 3 }))), (entries) => {
    const trie = new PrefixTrie(128, 1 << 24);
    const plain = new Plain();
    for (const [{ bits }, value] of entries) {
      trie.set(wordsOf(bits, 128), bits.length, value);
      plain.values.set(bits, value);
    }
    const gone = [...plain.values].filter(([, value]) => value === 2);
    assert.equal(
      trie.removeWhere((value) => value === 2),
      gone.length,
    );
    for (const [bits] of gone) plain.values.delete(bits);
    assert.equal(trie.size, plain.values.size);
    for (const [{ bits }] of entries) {
      assert.equal(trie.get(wordsOf(bits, 128), bits.length), plain.values.get(bits) ?? 0);
      assert.equal(trie.find(wordsOf(bits, 128), 0), plain.find(bits.padEnd(128, '1')).value);
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test('the limit of memory holds, what was refused is counted, and what is withdrawn makes room', () => {
  const bytes = 1024 * 192;
  const trie = new PrefixTrie(128, bytes);
  const words = new Int32Array(4);
  let set = 0;
  for (let n = 0; n < 2000; n++) {
    words[0] = n << 16;
    words[1] = n;
    if (trie.set(words, 64, 7) !== -1) set++;
  }
  assert.ok(set > 50 && set < 200, `${set} of 2000`);
  assert.equal(trie.refused, 2000 - set);
  assert.equal(trie.size, set);
  const full = trie.bytes;
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 2000; n++) {
      words[0] = n << 16;
      words[1] = n;
      if (n < set) assert.equal(trie.remove(words, 64), 7);
    }
    assert.equal(trie.size, 0);
    for (let n = 0; n < set; n++) {
      words[0] = n << 16;
      words[1] = n;
      assert.equal(trie.set(words, 64, 7), 0);
    }
  }
  assert.equal(trie.bytes, full);
});

test('IPv6: what a look-up has learned of one prefix is not taken for another one that stands where it was', () => {
  const bits = (n: number): string => n.toString(2).padStart(32, '0') + '1011'.repeat(4);
  const action = fc.record({ which: fc.integer({ min: 1, max: 6 }), set: fc.boolean() });
  const property = fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
    const trie = new PrefixTrie(128, 1 << 24);
    const present = new Set<number>();
    for (const { which, set } of actions) {
      const words = wordsOf(bits(which << 20), 128);
      if (set) trie.set(words, 48, which);
      else trie.remove(words, 48);
      if (set) present.add(which);
      else present.delete(which);
      for (let asked = 1; asked <= 6; asked++) {
        const value = present.has(asked) ? asked : 0;
        assert.equal(trie.find(wordsOf(bits(asked << 20), 128), 0), value);
      }
    }
  });
  fc.assert(property, { numRuns: 200 });
});
