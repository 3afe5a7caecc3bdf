import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaked, slopePerHour, soak } from '../../bench/soak.js';
import { netnsMissing } from '../support/netns.js';

const SECONDS = 20;

test('a soaked daemon loses no descriptor, keeps its accounts and ends well', { skip: netnsMissing() }, async (t) => {
  const result = await soak({
    seconds: SECONDS,
    sampleSeconds: 2,
    perSecond: 20_000,
    seed: 1,
    told: (message) => t.diagnostic(message),
  });
  for (const { seconds, imbalance } of result.samples) {
    assert.deepEqual(imbalance, [], `the accounts after ${seconds.toFixed(1)} s`);
  }
  assert.ok(result.samples.length >= 2, 'the ledger was looked at');
  assert.ok(result.packets > 10_000, `${result.packets} packets`);
  assert.ok(result.records > 0, 'records were handed out');
  assert.ok(result.done.size >= 10, `enough was done: ${[...result.done.keys()].join(', ')}`);
  assert.deepEqual(leaked(result.before, result.after), [], 'descriptors that are there after, and were not before');
  assert.equal(result.restarts, 0);
  assert.equal(result.exitCode, 0);
  // How long a target may take at the end is a matter of time, which a busy machine does not have.
  const log = result.log.split('\n').filter((line) => !line.includes('kept records waiting'));
  assert.doesNotMatch(log.join('\n'), /"level":"(?:error|fatal)"|Error:|Cannot read|is not a function/);
});

test('descriptors are compared as often as they occur; the file of records comes and goes', () => {
  assert.deepEqual(leaked(['socket', 'pipe'], ['pipe', 'socket']), []);
  assert.deepEqual(leaked(['socket', 'pipe'], ['pipe', 'socket', 'socket']), ['socket']);
  assert.deepEqual(leaked(['socket'], ['/x/flows.ndjson.part']), []);
  assert.deepEqual(leaked(['/x/1.part'], ['/x/2.part', '/x/3.part']), ['file of records']);
  assert.deepEqual(leaked(['socket'], []), []);
});

test('a slope is told per hour', () => {
  const points = [0, 10, 20, 30].map((seconds) => ({ seconds, value: 100 + seconds / 360 }));
  assert.ok(Math.abs(slopePerHour(points) - 10) < 1e-9);
});
