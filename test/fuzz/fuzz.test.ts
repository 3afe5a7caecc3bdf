import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { describe, fuzz, inputOf, tryInput } from './runner.js';
import { shrink } from './shrink.js';
import { Random, type Target } from './target.js';
import { corpusOf, TARGETS } from './targets.js';

const SEED = 1;

for (const target of TARGETS) {
  suite(`fuzz ${target.name}`, () => {
    for (const [name, input] of corpusOf(target)) {
      test(`found once: ${name}`, async () => {
        const error = await tryInput(target, input);
        if (error !== undefined) throw error;
      });
    }
    test(`${target.tries} inputs: ${target.about}`, async () => {
      const finding = await fuzz(target, SEED, 0, target.tries);
      if (finding !== undefined) assert.fail(describe(finding, Buffer.from(finding.input).toString('hex')));
    });
  });
}

/** Breaks its promise where a 7 stands behind a 200, however far. */
const broken: Target = {
  name: 'broken',
  about: 'a target with a known fault',
  tries: 0,
  make: (random) => random.bytes(40),
  run(bytes) {
    const at = bytes.indexOf(200);
    if (at >= 0 && bytes.indexOf(7, at) > at) throw new TypeError(`at ${at}`);
  },
};

test('a fault is found, made small, and found again by its number', async () => {
  const finding = await fuzz(broken, 5, 0, 10_000);
  assert.ok(finding !== undefined);
  assert.deepEqual([...finding.input], [200, 7]);
  assert.match(describe(finding, 'FILE'), /--target broken --seed 5 --from \d+ --count 1/);
  const again = await fuzz(broken, 5, finding.iteration, finding.iteration + 1);
  assert.deepEqual(again, { ...finding, error: again?.error });
  assert.equal(await fuzz(broken, 5, 0, finding.iteration), undefined);
});

test('an error of another kind is no smaller form of the same finding', async () => {
  const two: Target = {
    ...broken,
    run(bytes) {
      if (bytes.length > 10 && bytes[0] !== 0) throw new RangeError('long');
      if (bytes.length > 3) throw new TypeError('short');
    },
  };
  const finding = await fuzz(two, 5, 0, 10);
  assert.equal(finding?.input.length, 11);
  assert.equal(finding?.error.name, 'RangeError');
});

test('whole parts are left out first', async () => {
  const parts = (bytes: Uint8Array): number[] => [...bytes.keys()].filter((at) => at % 4 === 0);
  const input = Uint8Array.from({ length: 400 }, (_, at) => (at === 202 ? 9 : 1));
  let tries = 0;
  const small = await shrink(
    input,
    async (bytes) => {
      tries++;
      return bytes.length % 4 === 0 && bytes.includes(9);
    },
    { parts },
  );
  assert.deepEqual([...small], [0, 0, 9, 0]);
  assert.ok(tries < 100, `${tries} tries`);
});

test('the same seed and number make the same input, others make others', () => {
  for (const target of TARGETS) {
    const input = (seed: number, number: number): string => Buffer.from(inputOf(target, seed, number)).toString('hex');
    assert.equal(input(3, 4), input(3, 4), target.name);
    const some = [0, 1, 2, 3, 4].map((number) => input(3, number));
    assert.notDeepEqual(
      some,
      [0, 1, 2, 3, 4].map((number) => input(4, number)),
      target.name,
    );
    assert.ok(new Set(some).size > 1, target.name);
  }
  const draws = Array.from({ length: 1000 }, () => 0).map((_, n) => new Random(1, 'x', n).below(10));
  assert.equal(new Set(draws).size, 10);
});
