import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowRecord } from '../../src/model/record.js';
import { byStart, meterFrames } from '../support/drive.js';
import { icmp, ip, type TimedFrame, tcp, timed, udp } from '../support/packets.js';

function datagram(at: number, port: number): TimedFrame {
  return timed([at, ip('10.0.0.1', '10.0.0.2', 17, udp(port, 53))])[0];
}

function answer(at: number, port: number): TimedFrame {
  return timed([at, ip('10.0.0.2', '10.0.0.1', 17, udp(53, port))])[0];
}

function portsWith(records: readonly FlowRecord[], reason: string): unknown[] {
  return records.filter((record) => record.endReason === reason).map((record) => record.srcPort);
}

/** Ports in the order in which their flows were given up. */
async function evicted(frames: readonly TimedFrame[], maxFlows: number, options = {}): Promise<unknown[]> {
  const { flowRecords, imbalance, flows } = await meterFrames(frames, { maxFlows, ...options });
  assert.deepEqual(imbalance, []);
  assert.ok(flows.peak <= maxFlows);
  return portsWith(flowRecords, 'resources');
}

test('evict: the least recently seen goes first, reason resources', async () => {
  const frames = [1, 2, 3].map((port) => datagram(port, port));
  frames.push(datagram(4, 1), datagram(5, 4), datagram(6, 5), datagram(7, 6));
  assert.deepEqual(await evicted(frames, 3), [2, 3, 1]);
});

/** So many flows, touched in an order of their own; then as many new ones push them out. */
function touched(count: number, spacing: number): { frames: TimedFrame[]; order: number[] } {
  const frames: TimedFrame[] = [];
  const send = (port: number): void => {
    frames.push(datagram(frames.length * spacing, port));
  };
  for (let port = 1; port <= count; port++) {
    send(port);
    frames.push(answer(frames.length * spacing, port));
  }
  const order = Array.from({ length: count }, (_, k) => ((k * 37) % count) + 1);
  for (const port of order) send(port);
  for (let port = 1001; port <= 1000 + count; port++) send(port);
  return { frames, order };
}

test('evict: least recently seen among many, also with timeouts longer than the wheel spans', async () => {
  const { frames, order } = touched(60, 0.3);
  const long = { idle: { udp: 7_200_000, single: 7_200_000 }, active: Number.POSITIVE_INFINITY };
  const usual = { idle: { udp: 600_000, single: 600_000 }, active: Number.POSITIVE_INFINITY };
  assert.deepEqual(await evicted(frames, 60, { timeouts: usual }), order);
  assert.deepEqual(await evicted(frames, 60, { timeouts: long }), order);
});

test('evict: a flow that nears its active timeout is not less recent for that', async () => {
  const frames: TimedFrame[] = [];
  for (let at = 0; at <= 55; at += 5) frames.push(datagram(at, 1), answer(at, 1));
  frames.push(datagram(40, 2), answer(40, 2), datagram(56, 3), datagram(57, 4));
  frames.sort((a, b) => a.at - b.at);
  const timeouts = { idle: { udp: 30_000, single: 30_000 }, active: 60_000 };
  assert.deepEqual(await evicted(frames, 2, { timeouts }), [2, 1]);
});

test('evict: least recently seen over all timeout classes', async () => {
  const ping = timed([1, ip('10.0.0.1', '10.0.0.9', 1, icmp(8, 0))], [1.1, ip('10.0.0.9', '10.0.0.1', 1, icmp(0, 0))]);
  const frames = [...ping, datagram(2, 1), answer(2.1, 1), datagram(3, 2), datagram(4, 3), datagram(5, 4)];
  const { flowRecords } = await meterFrames(frames, { maxFlows: 3 });
  const gone = flowRecords.filter((flow) => flow.endReason === 'resources').map((flow) => flow.proto);
  assert.deepEqual(gone, ['icmp', 'udp']);
});

test('refuse: new flows are refused and counted, those in the table go on', async () => {
  const frames = [datagram(1, 1), datagram(2, 2), datagram(3, 3), datagram(4, 1), datagram(5, 3), datagram(40, 3)];
  const { flowRecords, refused, imbalance, decoded } = await meterFrames(frames, { maxFlows: 2, whenFull: 'refuse' });
  assert.deepEqual(imbalance, []);
  assert.deepEqual(refused, { tableFull: 2 });
  assert.equal(decoded, 4);
  const flows = byStart(flowRecords).map((flow) => [flow.srcPort, flow.packets, flow.endReason]);
  assert.deepEqual(flows, [
    [1, 2, 'idle'],
    [2, 1, 'idle'],
    [3, 1, 'forced'],
  ]);
});

test('early: unanswered SYNs and single packets go before conversations', async () => {
  const frames = [
    datagram(0, 1),
    answer(0.1, 1),
    ...timed([1, ip('10.0.0.1', '10.0.0.3', 6, tcp(2, 80, { flags: 'S' }))]),
    datagram(2, 3),
    ...timed([3, ip('10.0.0.1', '10.0.0.4', 6, tcp(4, 80, { flags: 'S' }))]),
    ...timed([3.1, ip('10.0.0.4', '10.0.0.1', 6, tcp(80, 4, { flags: 'SA' }))]),
    datagram(5, 5),
    datagram(6, 6),
    datagram(7, 7),
    datagram(8, 8),
  ];
  assert.deepEqual(await evicted(frames, 4, { whenFull: 'early' }), [2, 3, 5, 6]);
});

for (const whenFull of ['evict', 'refuse', 'early'] as const) {
  test(`a flood of SYNs into a small table, ${whenFull}: no larger than promised, all accounted for`, async () => {
    const frames: TimedFrame[] = [];
    for (let k = 0; k < 12_000; k++) {
      const host = `10.${k >>> 16}.${(k >>> 8) & 255}.${k & 255}`;
      frames.push(...timed([k / 2000, ip(host, '192.0.2.1', 6, tcp(1024 + (k % 5000), 80, { flags: 'S' }))]));
    }
    for (const options of [{ batches: [256] }, { batches: [1, 100], shards: 2 }]) {
      const result = await meterFrames(frames, { maxFlows: 100, whenFull, features: 'all' }, options);
      assert.deepEqual(result.imbalance, []);
      assert.ok(result.flows.peak <= 100, `${result.flows.peak} flows`);
      assert.equal(result.flows.live, 0);
      const packets = result.flowRecords.reduce((sum, flow) => sum + Number(flow.packets), 0);
      assert.equal(packets + (result.refused.tableFull ?? 0), frames.length);
      if (whenFull !== 'refuse') assert.equal(result.flowRecords.length, frames.length);
    }
  });
}

test('a table of one flow', async () => {
  const frames = [datagram(1, 1), datagram(2, 2), datagram(3, 2), datagram(4, 1)];
  const { flowRecords, imbalance } = await meterFrames(frames, { maxFlows: 1 });
  assert.deepEqual(imbalance, []);
  assert.deepEqual(
    byStart(flowRecords).map((flow) => [flow.srcPort, flow.packets]),
    [
      [1, 1],
      [2, 2],
      [1, 1],
    ],
  );
});

test('a full table and the active timeout: a flow that goes on takes no room from others', async () => {
  const frames: TimedFrame[] = [];
  for (let at = 0; at < 60; at++) for (const port of [1, 2, 3]) frames.push(datagram(at, port), answer(at, port));
  const { flowRecords, flows, imbalance } = await meterFrames(frames, { maxFlows: 3, timeouts: { active: 10_000 } });
  assert.deepEqual(imbalance, []);
  assert.equal(flows.peak, 3);
  assert.equal(flows.ended.resources, 0);
  assert.equal(flowRecords.length, 18);
});
