import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byId, byStart, meterFrames } from '../support/drive.js';
import { ip, type TimedFrame, tcp, timed, udp } from '../support/packets.js';

function datagram(at: number, port = 1000): TimedFrame {
  return timed([at, ip('10.0.0.1', '10.0.0.2', 17, udp(port, 53))])[0];
}

const YEAR = 365 * 86_400;

test('packets in another order than their times: the flow spans them all', async () => {
  const { flowRecords, noticed } = await meterFrames([2, 1.5, 1.999, 3, 2.5].map((at) => datagram(at)));
  assert.equal(flowRecords.length, 1);
  const [flow] = flowRecords;
  assert.equal(flow.start, '2024-01-01T00:00:01.500000000Z');
  assert.equal(flow.end, '2024-01-01T00:00:03.000000000Z');
  assert.equal(flow.duration, 1.5);
  assert.equal(flow.packets, 5);
  assert.equal(noticed.timeBackwards, 2);
});

test('steps back are counted alike, whatever the batches', async () => {
  const times = [2, 1.5, 1.4, 1.45, 3, 2.999, 2.998, 2.999, 3, 2.6, 2.61, 2.5, 2.5, 4];
  const frames = times.map((at) => datagram(at));
  let steps = 0;
  for (let k = 1; k < times.length; k++) if (times[k] < times[k - 1]) steps++;
  for (const size of [256, 1, 2, 3, 7]) {
    const { noticed } = await meterFrames(frames, {}, { batches: [size] });
    assert.equal(noticed.timeBackwards, steps, `batches of ${size}`);
  }
});

test('time steps back by an hour: nothing is negative, everything balances, flows end', async () => {
  const frames = [
    ...[0, 1, 2].map((at) => datagram(3600 + at)),
    ...[0, 1, 2].map((at) => datagram(at)),
    ...[60, 61].map((at) => datagram(at, 2000)),
    datagram(4000, 3000),
  ];
  for (const size of [256, 1, 3]) {
    const result = await meterFrames(frames, {}, { batches: [size] });
    assert.deepEqual(result.imbalance, []);
    for (const flow of result.flowRecords)
      assert.ok(flow.duration >= 0 && flow.end >= flow.start, JSON.stringify(flow));
    const sums = result.flowRecords.reduce((sum, flow) => sum + Number(flow.packets), 0);
    assert.equal(sums, frames.length);
    const spans = byStart(result.flowRecords).map((flow) => [flow.srcPort, flow.duration, flow.packets]);
    assert.deepEqual(spans, [
      [1000, 2, 3],
      [2000, 1, 2],
      [1000, 2, 3],
      [3000, 0, 1],
    ]);
  }
});

test('time steps forward by years, and back again', async () => {
  const frames = [0, 1, 50 * YEAR, 50 * YEAR + 1, 2, 3, 80 * YEAR].map((at) => datagram(at));
  const result = await meterFrames(frames);
  assert.deepEqual(result.imbalance, []);
  assert.equal(
    result.flowRecords.reduce((sum, flow) => sum + Number(flow.packets), 0),
    frames.length,
  );
  for (const flow of result.flowRecords) assert.ok(flow.duration >= 0 && flow.duration < 60, JSON.stringify(flow));
});

test('times up to the end of 32 bits of seconds', async () => {
  const last = 0xffff_ffff - 1_704_067_200;
  const result = await meterFrames([datagram(last - 1), datagram(last), datagram(last, 2)]);
  assert.deepEqual(result.imbalance, []);
  assert.equal(byStart(result.flowRecords)[0].end, '2106-02-07T06:28:15.000000000Z');
});

test('a very long flow keeps its duration exact', async () => {
  const options = {
    timeouts: { idle: { udp: 86_400_000 * 400, single: 86_400_000 * 400 }, active: Number.POSITIVE_INFINITY },
  };
  const { flowRecords } = await meterFrames([datagram(0.000000001), datagram(30 * 86_400)], options);
  assert.equal(flowRecords.length, 1);
  assert.equal(flowRecords[0].duration, 2_591_999.999999999);
});

test('batches of any length give the same records and the same counters', async () => {
  const frames: TimedFrame[] = [];
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  for (let k = 0; k < 3000; k++) {
    const at = k * 0.02 - random(20) / 100 + 1;
    const [host, port] = [random(20), 1000 + random(5)];
    const flags = ['S', 'SA', 'A', 'PA', 'FA', 'RA'][random(6)];
    frames.push(
      random(2) === 0
        ? timed([
            at,
            ip(`10.0.0.${host + 1}`, '10.0.1.1', 6, tcp(port, 80, { flags, seq: random(9), ack: random(9) })),
          ])[0]
        : timed([at, ip('10.0.1.1', `10.0.0.${host + 1}`, 17, udp(53, port))])[0],
    );
  }
  const options = {
    features: 'all' as const,
    timeouts: { active: 10_000, idle: { tcp: 3000, 'tcp.fin': 500, 'tcp.rst': 700, udp: 2000, single: 1000 } },
  };
  const whole = await meterFrames(frames, options);
  for (const batches of [[1], [7], [255, 1], [3, 200, 11]]) {
    const cut = await meterFrames(frames, options, { batches });
    assert.deepEqual(byId(cut.flowRecords), byId(whole.flowRecords), `batches of ${batches.join()}`);
    assert.deepEqual(cut.noticed, whole.noticed);
    assert.deepEqual(cut.flows, whole.flows);
  }
});
