import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulation/simulation.js';

const SEEDS = 30;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`simulation, seed ${seed}`, async () => {
    await simulate(seed);
  });
}

test('the same seed is the same run', async () => {
  const [first, second] = [await simulate(7, 120), await simulate(7, 120)];
  assert.deepEqual(second, first);
  assert.ok(first.loss.packets > 0);
});
