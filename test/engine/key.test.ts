import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowRecord } from '../../src/model/record.js';
import type { KeyPart } from '../../src/packet/key.js';
import { byId, byStart, meterFrames } from '../support/drive.js';
import {
  type EthernetOptions,
  ethernet,
  gre,
  ip,
  ipv4,
  ipv6,
  type TimedFrame,
  tcp,
  timed,
  udp,
  vxlan,
  zeros,
} from '../support/packets.js';

const A = '10.0.0.1';
const B = '10.0.0.2';

function request(at: number, options: EthernetOptions = {}): TimedFrame {
  return timed([at, ip(A, B, 17, udp(1000, 53)), { from: 1, to: 2, ...options }])[0];
}

function response(at: number, options: EthernetOptions = {}): TimedFrame {
  return timed([at, ip(B, A, 17, udp(53, 1000)), { from: 2, to: 1, ...options }])[0];
}

interface Part {
  part: KeyPart;
  /** Two pairs of request and response that differ in the part only. */
  frames: readonly TimedFrame[];
  members: readonly Record<string, unknown>[];
}

function tos(value: number, at: number): TimedFrame[] {
  return timed(
    [at, ipv4(A, B, 17, udp(1000, 53), { tos: value })],
    [at + 0.1, ipv4(B, A, 17, udp(53, 1000), { tos: value })],
  );
}

function label(value: number, at: number): TimedFrame[] {
  const pair = (src: string, dst: string, from: number, to: number): Uint8Array =>
    ipv6(src, dst, 17, udp(from, to), { flowLabel: value });
  return timed(
    [at, pair('2001:db8::1', '2001:db8::2', 1000, 53)],
    [at + 0.1, pair('2001:db8::2', '2001:db8::1', 53, 1000)],
  );
}

function tunnelled(id: number, at: number): TimedFrame[] {
  const wrap = (inner: Uint8Array): Uint8Array => ip('192.0.2.1', '192.0.2.2', 47, gre(0x0800, inner, id));
  return timed([at, wrap(ip(A, B, 17, udp(1000, 53)))], [at + 0.1, wrap(ip(B, A, 17, udp(53, 1000)))]);
}

function onInterface(iface: number, at: number): TimedFrame[] {
  return [
    { ...request(at), iface },
    { ...response(at + 0.1), iface },
  ];
}

const PARTS: readonly Part[] = [
  {
    part: 'vlan',
    frames: [
      ...[request(0, { vlan: [10, 20] }), response(0.1, { vlan: [10, 20] })],
      ...[request(1, { vlan: [10, 21] }), response(1.1, { vlan: [10, 21] })],
    ],
    members: [{ vlan: [10, 20] }, { vlan: [10, 21] }],
  },
  {
    part: 'mac',
    frames: [request(0), response(0.1), request(1, { to: 3 }), response(1.1, { from: 3 })],
    members: [
      { srcMac: '02:00:00:00:00:01', dstMac: '02:00:00:00:00:02' },
      { srcMac: '02:00:00:00:00:01', dstMac: '02:00:00:00:00:03' },
    ],
  },
  { part: 'tos', frames: [...tos(0, 0), ...tos(1, 1)], members: [{ tos: 0 }, { tos: 1 }] },
  { part: 'dscp', frames: [...tos(0, 0), ...tos(0xb8, 1)], members: [{ dscp: 0 }, { dscp: 46 }] },
  {
    part: 'interface',
    frames: [...onInterface(0, 0), ...onInterface(1, 1)],
    members: [{ interfaceIndex: 0 }, { interfaceIndex: 1 }],
  },
  {
    part: 'mpls',
    frames: [
      ...[request(0, { mpls: [100, 5] }), response(0.1, { mpls: [100, 6] })],
      ...[request(1, { mpls: [101] }), response(1.1, { mpls: [101] })],
    ],
    members: [{ mplsLabel: 100 }, { mplsLabel: 101 }],
  },
  {
    part: 'tunnel',
    frames: [...tunnelled(7, 0), ...tunnelled(8, 1)],
    members: [{ tunnel: { type: 'gre', id: 7 } }, { tunnel: { type: 'gre', id: 8 } }],
  },
  { part: 'flowLabel', frames: [...label(0, 0), ...label(0xfffff, 1)], members: [{}, { flowLabel: 0xfffff }] },
];

function pick(record: FlowRecord, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => name in record).map((name) => [name, record[name]]));
}

for (const { part, frames, members } of PARTS) {
  test(`--key ${part} tells flows apart that are one without it`, async () => {
    const without = await meterFrames(frames);
    assert.equal(without.flowRecords.length, 1);
    const { flowRecords } = await meterFrames(frames, { key: { extra: [part] } });
    assert.equal(flowRecords.length, 2);
    const names = [...new Set(members.flatMap((one) => Object.keys(one)))];
    for (const [k, flow] of byStart(flowRecords).entries()) {
      assert.deepEqual([flow.packets, flow.reversePackets], [1, 1]);
      assert.deepEqual(pick(flow, names), members[k]);
    }
  });
}

test('all key parts together, with several shards', async () => {
  const frames = PARTS.flatMap((part, k) => part.frames.map((frame) => ({ ...frame, at: frame.at + k * 3 })));
  const key = { extra: PARTS.map((one) => one.part) };
  const one = await meterFrames(frames, { key });
  const three = await meterFrames(frames, { key }, { shards: 3 });
  assert.deepEqual(byId(three.flowRecords), byId(one.flowRecords));
  assert.ok(one.flowRecords.length > PARTS.length);
});

test('dscp is blind to ECN', async () => {
  const { flowRecords } = await meterFrames([...tos(0xb8, 0), ...tos(0xbb, 1)], { key: { extra: ['dscp'] } });
  assert.equal(flowRecords.length, 1);
});

test('track levels: without ports, without protocol', async () => {
  const frames = timed(
    [0, ip(A, B, 17, udp(1, 2))],
    [1, ip(B, A, 17, udp(3, 4))],
    [2, ip(A, B, 6, tcp(1, 2, { flags: 'S' }))],
    [3, ip(B, A, 6, tcp(2, 1, { flags: 'RA' }))],
    [4, ip(A, B, 6, tcp(1, 2, { flags: 'S' }))],
  );
  const level = async (base: 'ip' | 'proto' | 'port'): Promise<unknown[]> => {
    const { flowRecords } = await meterFrames(frames, { key: { base } });
    return byStart(flowRecords).map((flow) => [flow.proto, flow.srcPort, flow.packets, flow.reversePackets]);
  };
  assert.deepEqual(await level('port'), [
    ['udp', 1, 1, 0],
    ['udp', 3, 1, 0],
    ['tcp', 1, 1, 1],
    ['tcp', 1, 1, 0],
  ]);
  assert.deepEqual(await level('proto'), [
    ['udp', undefined, 1, 1],
    ['tcp', undefined, 2, 1],
  ]);
  assert.deepEqual(await level('ip'), [[undefined, undefined, 3, 2]]);
});

test('unidirectional: a flow for each direction, from its sender', async () => {
  const frames = [request(0), response(1), request(2)];
  const { flowRecords, imbalance } = await meterFrames(frames, { key: { unidirectional: true } });
  assert.deepEqual(imbalance, []);
  assert.deepEqual(
    byStart(flowRecords).map((flow) => [flow.src, flow.srcPort, flow.packets, flow.reversePackets]),
    [
      [A, 1000, 2, 0],
      [B, 53, 1, 0],
    ],
  );
  assert.equal(flowRecords[0].communityId, flowRecords[1].communityId);
});

test('unidirectional: who answers a SYN is the source of his own flow', async () => {
  const frames = timed([0, ip(A, B, 6, tcp(1, 2, { flags: 'S' }))], [1, ip(B, A, 6, tcp(2, 1, { flags: 'SA' }))]);
  const { flowRecords } = await meterFrames(frames, { key: { unidirectional: true } });
  assert.deepEqual(
    byStart(flowRecords).map((flow) => flow.src),
    [A, B],
  );
});

test('equal addresses, equal ports', async () => {
  const frames = timed(
    [0, ip(A, A, 17, udp(2, 1))],
    [1, ip(A, A, 17, udp(1, 2))],
    [2, ip(A, A, 17, udp(5, 5))],
    [3, ip('::1', '::1', 6, tcp(9, 8, { flags: 'S' }))],
    [4, ip('::1', '::1', 6, tcp(8, 9, { flags: 'SA' }))],
  );
  const { flowRecords } = await meterFrames(frames);
  assert.deepEqual(
    byStart(flowRecords).map((flow) => [flow.srcPort, flow.packets, flow.reversePackets]),
    [
      [2, 1, 1],
      [5, 1, 0],
      [9, 1, 1],
    ],
  );
});

const INNER = ip(A, B, 6, tcp(1000, 80, { flags: 'S' }, zeros(10)));

function nested(levels: number): Uint8Array {
  let packet = INNER;
  for (let k = 0; k < levels; k++) packet = ip(`192.0.2.${k + 1}`, '192.0.2.100', 4, packet);
  return packet;
}

test('tunnels in tunnels are followed to a depth; beyond it the packet is refused or metered, never lost', async () => {
  for (const levels of [1, 2, 3, 4]) {
    const { flowRecords } = await meterFrames(timed([0, nested(levels)]));
    assert.deepEqual([flowRecords[0].src, flowRecords[0].bytes], [A, 50], `${levels} levels`);
  }
  const deep = await meterFrames(timed([0, nested(6)]));
  assert.deepEqual(deep.imbalance, []);
  assert.equal(deep.flowRecords[0].proto, 'ipv4', 'what the last level that is followed carries');
});

test('tunnels of several kinds nested; the innermost one is told', async () => {
  const inside = ip('192.0.2.3', '192.0.2.4', 47, gre(0x0800, INNER, 99));
  const outside = ip('192.0.2.1', '192.0.2.2', 17, udp(50_000, 4789, vxlan(42, ethernet(inside, { vlan: [7] }))));
  const { flowRecords } = await meterFrames(timed([0, outside]), { features: ['tunnel', 'vlan'] });
  const [flow] = flowRecords;
  assert.deepEqual([flow.src, flow.dstPort, flow.bytes], [A, 80, 50]);
  assert.deepEqual(flow.tunnel, { type: 'gre', id: 99 });
});

test('--tunnels none: the outer flow', async () => {
  const { flowRecords } = await meterFrames(timed([0, nested(1)]), { tunnels: 'none' });
  assert.deepEqual([flowRecords[0].src, flowRecords[0].proto, flowRecords[0].bytes], ['192.0.2.1', 'ipv4', 70]);
});

test('a tunnel that carries rubbish is metered as its own flow, the same in all shards', async () => {
  // A TCP header that says it is 8 bytes long.
  const broken = ip(A, B, 6, tcp(1000, 80));
  broken[32] = 0x20;
  const short = ip(A, B, 17, zeros(4));
  for (const [k, inner] of [broken, short, zeros(40)].entries()) {
    for (let host = 1; host < 12; host++) {
      const frames = timed([0, ip(`192.0.2.${host}`, '192.0.2.100', 4, inner)]);
      for (const shards of [1, 2, 3]) {
        const { flowRecords, imbalance } = await meterFrames(frames, {}, { shards });
        assert.deepEqual(imbalance, [], `rubbish ${k} from ${host}, ${shards} shards`);
        assert.deepEqual([flowRecords[0].proto, flowRecords[0].src], ['ipv4', `192.0.2.${host}`]);
      }
    }
  }
});

test('a wrong checksum inside of a tunnel, verified: the same in all shards', async () => {
  const inner = ip(A, B, 17, udp(1000, 53, zeros(4)));
  inner[26] = 1;
  for (let host = 1; host < 12; host++) {
    const frames = timed([0, ip(`192.0.2.${host}`, '192.0.2.100', 4, inner)]);
    const one = await meterFrames(frames, { checksums: true });
    const two = await meterFrames(frames, { checksums: true }, { shards: 2 });
    assert.deepEqual(two.imbalance, []);
    assert.deepEqual(two.flowRecords, one.flowRecords);
    assert.deepEqual(two.refused, one.refused);
  }
});
