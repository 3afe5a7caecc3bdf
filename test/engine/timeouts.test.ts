import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimeoutClass } from '../../src/model/options.js';
import { byStart, meterFrames } from '../support/drive.js';
import { icmp, ip, sctp, type TimedFrame, tcp, timed, udp, zeros } from '../support/packets.js';

const A = '10.0.0.1';
const B = '10.0.0.2';
/** Every class another timeout, in ms, none of them the default. */
const IDLE: Record<TimeoutClass, number> = {
  tcp: 7000,
  'tcp.syn': 2000,
  'tcp.fin': 3000,
  'tcp.rst': 1000,
  udp: 6000,
  icmp: 5000,
  single: 4000,
  other: 8000,
};

function segment(at: number, forward: boolean, flags: string, seq = 0, ack = 0): TimedFrame {
  const [src, dst, from, to] = forward ? [A, B, 1000, 80] : [B, A, 80, 1000];
  return timed([at, ip(src, dst, 6, tcp(from, to, { flags, seq, ack }))])[0];
}

function datagram(at: number, forward = true): TimedFrame {
  const [src, dst, from, to] = forward ? [A, B, 1000, 53] : [B, A, 53, 1000];
  return timed([at, ip(src, dst, 17, udp(from, to, zeros(20)))])[0];
}

function tick(at: number): TimedFrame {
  return timed([at, ip('203.0.113.1', '203.0.113.2', 17, udp(7, 7))])[0];
}

const open = [segment(0, true, 'S', 10), segment(0.1, false, 'SA', 50, 11), segment(0.2, true, 'A', 11, 51)];

const CLASSES: { name: TimeoutClass; frames: readonly TimedFrame[]; reason: string }[] = [
  { name: 'tcp', frames: open, reason: 'idle' },
  { name: 'tcp.syn', frames: [0, 1, 2].map((at) => segment(at, true, 'S', 10)), reason: 'idle' },
  {
    name: 'tcp.fin',
    frames: [
      ...open,
      segment(1, true, 'FA', 11, 51),
      segment(1.1, false, 'FA', 51, 12),
      segment(1.2, true, 'A', 12, 52),
    ],
    reason: 'end',
  },
  { name: 'tcp.rst', frames: [...open, segment(1, false, 'RA', 51, 11)], reason: 'end' },
  { name: 'udp', frames: [datagram(0), datagram(1, false)], reason: 'idle' },
  {
    name: 'icmp',
    frames: timed([0, ip(A, B, 1, icmp(8, 0))], [1, ip(B, A, 1, icmp(0, 0))]),
    reason: 'idle',
  },
  { name: 'single', frames: [datagram(0)], reason: 'idle' },
  {
    name: 'other',
    frames: timed([0, ip(A, B, 132, sctp(1, 2))], [1, ip(B, A, 132, sctp(2, 1))]),
    reason: 'idle',
  },
];

for (const { name, frames, reason } of CLASSES) {
  test(`class ${name} ends after its own timeout, reason ${reason}`, async () => {
    const last = frames[frames.length - 1].at;
    const limit = IDLE[name] / 1000;
    const again: TimedFrame = { ...frames[0], at: 0 };
    const options = { timeouts: { idle: IDLE } };
    const flowsWith = async (gap: number): Promise<number> => {
      // For TCP what comes again is an ordinary segment: a SYN would begin a new connection by itself.
      const next = name.startsWith('tcp') ? segment(0, true, 'A', 11, 51) : again;
      const { flowRecords, imbalance } = await meterFrames([...frames, { ...next, at: last + gap }], options);
      assert.deepEqual(imbalance, []);
      return flowRecords.length;
    };
    assert.equal(await flowsWith(limit), 1, 'a packet exactly at the timeout still belongs to the flow');
    assert.equal(await flowsWith(limit + 1e-6), 2, 'a packet after it does not');

    const { flowRecords, flows } = await meterFrames([...frames, tick(last + limit + 1)], options);
    const [flow] = byStart(flowRecords);
    assert.equal(flow.endReason, reason);
    assert.equal(flow.duration, last, 'the flow ends with its last packet, not with the timeout');
    assert.equal(flows.ended[reason], 1);
    assert.equal(flows.ended.forced, 1, 'the packet that moved the clock');
  });
}

test('a flow that is still within its timeout at the end of the input was forced to end', async () => {
  const { flowRecords } = await meterFrames([...open, tick(5)], { timeouts: { idle: IDLE } });
  assert.equal(byStart(flowRecords)[0].endReason, 'forced');
});

test('records come when packet time passes the deadline, not only at the end', async () => {
  const { flowRecords } = await meterFrames([datagram(0), tick(1), tick(2), tick(3), tick(4), tick(5), tick(6)], {
    timeouts: { idle: IDLE },
  });
  assert.equal(flowRecords[0].proto, 'udp');
  assert.equal(flowRecords[0].dstPort, 53);
  assert.equal(flowRecords[0].endReason, 'idle');
});

test('active timeout: parts that add up, in the same direction, none of them empty', async () => {
  // B speaks first in each part but the first one, so that the direction can only come from the connection before.
  const frames = [...open];
  for (let at = 1; at <= 60; at++) {
    frames.push(segment(at, false, 'PA', 51, 11));
    frames.push(segment(at + 0.5, true, 'A', 11, 51));
  }
  const { flowRecords, flows, imbalance, decoded, octets } = await meterFrames(frames, {
    timeouts: { idle: IDLE, active: 20_000 },
  });
  const parts = byStart(flowRecords);
  assert.equal(parts.length, 3);
  assert.deepEqual(imbalance, []);
  assert.equal(flows.opened, 3);
  assert.deepEqual(
    parts.map((part) => part.endReason),
    ['active', 'active', 'forced'],
  );
  for (const part of parts) {
    assert.equal(part.src, A);
    assert.ok(part.duration <= 20, `lasts ${part.duration} s`);
    assert.ok(Number(part.packets) + Number(part.reversePackets) > 0);
  }
  const flags = parts.map((part) => [part.tcpFlags, part.reverseTcpFlags]);
  assert.deepEqual(flags, [
    ['SA', 'SPA'],
    ['A', 'PA'],
    ['A', 'PA'],
  ]);
  const sum = (member: string): number => parts.reduce((all, part) => all + Number(part[member]), 0);
  assert.equal(sum('packets') + sum('reversePackets'), decoded);
  assert.equal(sum('bytes') + sum('reverseBytes'), octets);
  assert.equal(sum('reversePackets'), 61);
  assert.equal(new Set(parts.map((part) => part.id)).size, 3);
  for (let k = 1; k < parts.length; k++) assert.ok(parts[k].start > parts[k - 1].end, 'the parts do not overlap');
});

test('active timeout: a packet exactly at it belongs to the first part', async () => {
  const beat = Array.from({ length: 11 }, (_, at) => datagram(at, at % 2 === 0));
  const active = { timeouts: { idle: IDLE, active: 10_000 } };
  const exact = await meterFrames(beat, active);
  assert.equal(exact.flowRecords.length, 1);
  const later = await meterFrames([...beat, datagram(10.000001)], active);
  assert.deepEqual(
    byStart(later.flowRecords).map((flow) => [flow.packets, flow.reversePackets]),
    [
      [6, 5],
      [1, 0],
    ],
  );
});

test('active timeout: nothing follows, so no second record', async () => {
  const beat = Array.from({ length: 11 }, (_, at) => datagram(at, at % 2 === 0));
  const { flowRecords, flows } = await meterFrames([...beat, tick(12), tick(30)], {
    timeouts: { idle: IDLE, active: 10_000 },
  });
  const parts = flowRecords.filter((flow) => flow.dstPort === 53);
  assert.equal(parts.length, 1);
  assert.equal(parts[0].endReason, 'active');
  assert.equal(flows.live, 0);
});

test('active timeout: the connection goes on, its end too', async () => {
  const frames = [...open];
  for (let at = 1; at <= 12; at++) frames.push(segment(at, at % 2 === 0, 'A', 11, 51));
  frames.push(segment(13, true, 'FA', 11, 51), segment(13.1, false, 'FA', 51, 12), segment(13.2, true, 'A', 12, 52));
  frames.push(tick(17));
  const { flowRecords } = await meterFrames(frames, { timeouts: { idle: IDLE, active: 10_000 } });
  const parts = byStart(flowRecords);
  assert.equal(parts[0].endReason, 'active');
  assert.equal(parts[1].endReason, 'end');
});

test('both deadlines have passed when the input ends: the earlier one is the reason', async () => {
  // The last packet is in the same quarter of a second as both deadlines, so that no timer has run.
  const frames = [datagram(0), datagram(0.5, false), tick(1.2)];
  const reasonWith = async (udp: number, active: number): Promise<unknown> => {
    const { flowRecords } = await meterFrames(frames, { timeouts: { idle: { ...IDLE, udp }, active } });
    return flowRecords.find((flow) => flow.dstPort === 53)?.endReason;
  };
  assert.equal(await reasonWith(600, 1050), 'active');
  assert.equal(await reasonWith(550, 1100), 'idle');
  assert.equal(await reasonWith(900, 1300), 'forced');
});
