import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sampling } from '../../src/model/options.js';
import { byId, type Metered, meterFrames } from '../support/drive.js';
import { ip, type TimedFrame, timed, udp } from '../support/packets.js';

/** 600 flows of ten packets, five each way. */
const FLOWS = 600;
const FRAMES: TimedFrame[] = [];
for (let round = 0; round < 5; round++) {
  for (let port = 1; port <= FLOWS; port++) {
    const at = round + port / 1000;
    const host = `10.0.${port >>> 8}.${port & 255}`;
    FRAMES.push(
      ...timed([at, ip(host, '192.0.2.1', 17, udp(port, 53))], [at + 0.0001, ip('192.0.2.1', host, 17, udp(53, port))]),
    );
  }
}

async function sampled(mode: Sampling['mode'], n: number, shards = 1, batch = 256): Promise<Metered> {
  const result = await meterFrames(FRAMES, { sampling: { mode, n, scale: false } }, { shards, batches: [batch] });
  assert.deepEqual(result.imbalance, []);
  assert.equal(result.decoded + (result.refused.sampledOut ?? 0), FRAMES.length);
  return result;
}

test('count: every n-th packet, beginning with the first', async () => {
  const { decoded, flowRecords } = await sampled('count', 7);
  assert.equal(decoded, Math.ceil(FRAMES.length / 7));
  const expected = new Set<number>();
  for (let k = 0; k < FRAMES.length; k += 7) expected.add((k >> 1) % FLOWS);
  assert.equal(flowRecords.length, expected.size);
});

test('random: each packet with the probability 1/n, within five deviations', async () => {
  const n = 10;
  const { decoded } = await sampled('random', n);
  const mean = FRAMES.length / n;
  const deviation = Math.sqrt(FRAMES.length * (1 / n) * (1 - 1 / n));
  assert.ok(Math.abs(decoded - mean) < 5 * deviation, `${decoded} of ${FRAMES.length}`);
});

test('hash: whole flows, both directions, about one in n', async () => {
  const n = 5;
  const { flowRecords } = await sampled('hash', n);
  for (const flow of flowRecords) assert.deepEqual([flow.packets, flow.reversePackets], [5, 5]);
  const deviation = Math.sqrt(FLOWS * (1 / n) * (1 - 1 / n));
  assert.ok(Math.abs(flowRecords.length - FLOWS / n) < 5 * deviation, `${flowRecords.length} of ${FLOWS}`);
});

for (const mode of ['count', 'random', 'hash'] as const) {
  test(`${mode}: the same packets with several shards and other batches`, async () => {
    const one = await sampled(mode, 4);
    for (const [shards, batch] of [
      [3, 256],
      [1, 1],
      [2, 7],
    ]) {
      const other = await sampled(mode, 4, shards, batch);
      assert.deepEqual(byId(other.flowRecords), byId(one.flowRecords));
      assert.deepEqual(other.refused, one.refused);
    }
  });

  test(`${mode}: one in one is everything`, async () => {
    const { flowRecords, decoded } = await sampled(mode, 1);
    assert.equal(decoded, FRAMES.length);
    assert.equal(flowRecords.length, FLOWS);
  });
}
