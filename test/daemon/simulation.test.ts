import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulation/simulation.js';

const SEEDS = 30;

let packets = 0;
let records = 0;
let samples = 0;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`simulation, seed ${seed}`, async () => {
    const { loss, counts } = await simulate(seed);
    packets += loss.packets;
    records += loss.records;
    samples += counts.samples ?? 0;
  });
}

test('much has happened in them', () => {
  assert.ok(packets > SEEDS * 1000, `${packets} packets`);
  assert.ok(records > SEEDS * 200, `${records} records`);
  assert.ok(samples > SEEDS * 100, `${samples} samples`);
});

test('the same seed is the same run', async () => {
  const [first, second] = [await simulate(7, 120), await simulate(7, 120)];
  assert.deepEqual(second, first);
  assert.ok(first.loss.packets > 0);
});
