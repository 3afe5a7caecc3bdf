import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byStart, meterFrames } from '../support/drive.js';
import {
  ah,
  dccp,
  esp,
  ethernet,
  fragments4,
  icmp,
  ip,
  ipv4,
  ipv6,
  join,
  sctp,
  type TimedFrame,
  tcp,
  timed,
  udp,
  zeros,
} from '../support/packets.js';

const A4 = '10.0.0.9';
const B4 = '10.0.0.2';
const A6 = '2001:db8::9';
const B6 = '2001:db8::2';
const ROUTER4 = '198.51.100.1';
const ROUTER6 = '2001:db8:ffff::1';

async function flowsOf(frames: readonly TimedFrame[]): Promise<Record<string, unknown>[]> {
  const { flowRecords, imbalance } = await meterFrames(frames);
  assert.deepEqual(imbalance, []);
  return byStart(flowRecords);
}

for (const [version, a, b, protocol, request, reply] of [
  [4, A4, B4, 1, 8, 0],
  [4, A4, B4, 1, 13, 14],
  [6, A6, B6, 58, 128, 129],
] as const) {
  test(`ICMP ${request} and ${reply} of IPv${version} are one flow, from who asked`, async () => {
    const ask = ip(a, b, protocol, icmp(request, 0, zeros(56), 0x10001));
    const answer = ip(b, a, protocol, icmp(reply, 0, zeros(56), 0x10001));
    const flows = await flowsOf(timed([0, ask], [0.1, answer], [1, ask], [1.1, answer]));
    assert.equal(flows.length, 1);
    assert.deepEqual([flows[0].src, flows[0].packets, flows[0].reversePackets], [a, 2, 2]);
    assert.deepEqual(flows[0].icmp, { type: request, code: 0 });
    assert.equal(flows[0].srcPort, undefined);
  });
}

test('pings both ways are two flows, each from who asked', async () => {
  const echo = (src: string, dst: string, type: number): Uint8Array => ip(src, dst, 1, icmp(type, 0));
  const frames = timed([0, echo(A4, B4, 8)], [0.1, echo(B4, A4, 8)], [0.2, echo(B4, A4, 0)], [0.3, echo(A4, B4, 0)]);
  const flows = await flowsOf(frames);
  assert.deepEqual(
    flows.map((flow) => [flow.src, flow.packets, flow.reversePackets]),
    [
      [A4, 1, 1],
      [B4, 1, 1],
    ],
  );
  assert.notEqual(flows[0].communityId, flows[1].communityId);
});

test('an echo reply without its request', async () => {
  const [flow] = await flowsOf(timed([0, ip(B4, A4, 1, icmp(0, 0))]));
  assert.equal(flow.src, B4);
  assert.deepEqual(flow.icmp, { type: 0, code: 0 });
});

test('one-way messages: each sender its own flow', async () => {
  const redirect = (src: string, dst: string): Uint8Array => ip(src, dst, 1, icmp(9, 0));
  const quench = (src: string, dst: string): Uint8Array => ip(src, dst, 1, icmp(40, 3));
  const flows = await flowsOf(timed([0, quench(A4, B4)], [1, quench(B4, A4)], [2, redirect(A4, B4)]));
  assert.deepEqual(
    flows.map((flow) => [flow.src, flow.packets, flow.reversePackets]),
    [
      [A4, 1, 0],
      [B4, 1, 0],
      [A4, 1, 0],
    ],
  );
});

/** An error from a router about the packet, which it quotes up to `length` bytes. */
function error4(at: number, quoted: Uint8Array, length = 28, type = 3, code = 1): TimedFrame {
  const to = [...quoted.subarray(12, 16)].join('.');
  return timed([at, ipv4(ROUTER4, to, 1, icmp(type, code, quoted.subarray(0, length)))])[0];
}

function error6(at: number, to: string, quoted: Uint8Array, type = 1): TimedFrame {
  return timed([at, ipv6(ROUTER6, to, 58, icmp(type, 0, quoted))])[0];
}

const QUOTED = [
  { name: 'TCP', packet: ip(A4, B4, 6, tcp(1000, 80, { flags: 'S' })), srcPort: 1000, dstPort: 80 },
  { name: 'UDP', packet: ip(A4, B4, 17, udp(1000, 53, zeros(40))), srcPort: 1000, dstPort: 53 },
  { name: 'SCTP', packet: ip(A4, B4, 132, sctp(1000, 2905, zeros(40))), srcPort: 1000, dstPort: 2905 },
];

for (const { name, packet, srcPort, dstPort } of QUOTED) {
  for (const from of ['initiator', 'responder']) {
    test(`an ICMP error that quotes ${name} of the ${from} is related to the flow`, async () => {
      const other = packet.slice();
      other.set(packet.subarray(16, 20), 12);
      other.set(packet.subarray(12, 16), 16);
      other.set(packet.subarray(22, 24), 20);
      other.set(packet.subarray(20, 22), 22);
      // A reply of the same kind; TCP's must not look like a SYN of its own.
      if (name === 'TCP') other[33] = 0x12;
      const quoted = from === 'initiator' ? packet : other;
      const frames = [...timed([0, packet], [0.1, other]), error4(0.2, quoted), error4(0.3, quoted)];
      for (const shards of [1, 2, 3]) {
        const { flowRecords, noticed, imbalance } = await meterFrames(frames, {}, { shards });
        assert.deepEqual(imbalance, []);
        assert.equal(flowRecords.length, 2);
        const flow = flowRecords.find((record) => record.src === A4);
        const error = flowRecords.find((record) => record.src === ROUTER4);
        assert.equal(flow?.icmpErrors, 2, `${shards} shards`);
        assert.equal(noticed.icmpRelated, 2);
        assert.equal(error?.packets, 2);
        const [src, dst] = from === 'initiator' ? [A4, B4] : [B4, A4];
        const ports = from === 'initiator' ? { srcPort, dstPort } : { srcPort: dstPort, dstPort: srcPort };
        assert.deepEqual(error?.about, { src, dst, proto: name.toLowerCase(), ...ports });
      }
    });
  }
}

test('ICMPv6 errors are related to TCP and UDP flows, with one shard and with several', async () => {
  const datagram = ip(A6, B6, 17, udp(1000, 53, zeros(40)));
  const segment = ip(A6, B6, 6, tcp(1000, 443, { flags: 'S' }));
  const frames = [...timed([0, datagram], [0.1, segment]), error6(1, A6, datagram), error6(2, A6, segment, 3)];
  for (const shards of [1, 2, 4]) {
    const { flowRecords, imbalance } = await meterFrames(frames, {}, { shards });
    assert.deepEqual(imbalance, []);
    const counts = flowRecords.filter((record) => record.src === A6).map((record) => record.icmpErrors);
    assert.deepEqual(counts, [1, 1], `${shards} shards`);
  }
});

test('an error about an echo request belongs to the ping', async () => {
  const ping = ip(A4, B4, 1, icmp(8, 0, zeros(56)));
  const { flowRecords } = await meterFrames([...timed([0, ping]), error4(1, ping, 28, 11, 0)]);
  assert.equal(flowRecords.find((record) => record.src === A4)?.icmpErrors, 1);
});

test('errors that quote what is in no flow say what they are about all the same', async () => {
  const stranger = ip(A4, B4, 17, udp(1, 2, zeros(8)));
  for (const shards of [1, 2]) {
    const { noticed, flowRecords } = await meterFrames([error4(0, stranger)], {}, { shards });
    assert.equal(noticed.icmpRelated, undefined);
    assert.deepEqual(flowRecords[0].about, { src: A4, dst: B4, proto: 'udp', srcPort: 1, dstPort: 2 });
  }
});

test('quotes of flows that have ended make room for others', async () => {
  // Two lots of errors, together more than are kept at one time; between them flows that take the rows of the first lot.
  const many = 40_000;
  const stranger = ip(A4, B4, 17, udp(1, 2));
  const host = (lot: number, n: number): string => `10.${lot}.${n >> 8}.${n & 255}`;
  const error = (at: number, lot: number, n: number): TimedFrame =>
    timed([at, ipv4(host(lot, n), A4, 1, icmp(3, 1, stranger))])[0];
  const numbers = Array.from({ length: many }, (_, n) => n);
  const frames = [
    ...numbers.map((n) => error(0, 1, n)),
    ...numbers.map((n) => timed([100, ip(host(2, n), B4, 17, udp(1, 2))])[0]),
    ...numbers.map((n) => error(100, 3, n)),
  ];
  const { flowRecords, noticed } = await meterFrames(frames, { maxFlows: 100_000 });
  assert.equal(flowRecords.length, 3 * many);
  assert.equal(noticed.quoteDropped, undefined);
  assert.equal(flowRecords.filter((record) => record.about !== undefined).length, 2 * many);
});

test('errors with a quote that is cut or damaged are metered all the same', async () => {
  const quoted = ip(A4, B4, 17, udp(1, 2, zeros(8)));
  for (const length of [0, 4, 19, 20, 21, 24]) {
    const { flowRecords, imbalance } = await meterFrames([error4(0, quoted, length)]);
    assert.deepEqual(imbalance, []);
    assert.equal(flowRecords.length, 1);
    assert.equal(flowRecords[0].about !== undefined, length >= 24, `${length} bytes: the ports are there or not`);
  }
  const rubbish = zeros(40).map((_, k) => k * 37);
  const { flowRecords } = await meterFrames([error4(0, rubbish, 40)]);
  assert.equal(flowRecords.length, 1);
});

test('an error about a later fragment, which has no ports, is related to no flow', async () => {
  const parts = fragments4(A4, B4, 17, udp(1000, 53, zeros(40)), 7, 24);
  const { flowRecords } = await meterFrames([...timed([0, parts[0]], [0, parts[1]]), error4(1, parts[1])]);
  assert.equal(flowRecords.find((record) => record.src === A4)?.icmpErrors, undefined);
});

test('ESP and AH by their index; each direction has its own', async () => {
  const flows = await flowsOf(
    timed(
      [0, ip(A4, B4, 50, esp(0xdeadbeef, zeros(40)))],
      [1, ip(A4, B4, 50, esp(0xdeadbeef, zeros(40)))],
      [2, ip(B4, A4, 50, esp(0x11, zeros(40)))],
      [3, ip(A6, B6, 50, esp(0x22, zeros(40)))],
      [4, ip(A4, B4, 51, ah(59, 0x33, zeros(8)))],
    ),
  );
  assert.deepEqual(
    flows.map((flow) => [flow.proto, flow.spi, flow.packets]),
    [
      ['esp', 0xdeadbeef, 2],
      ['esp', 0x11, 1],
      ['esp', 0x22, 1],
      ['ah', 0x33, 1],
    ],
  );
  assert.equal(flows[0].srcPort, undefined);
});

test('what can be read behind AH has the flow key of what is there', async () => {
  const flows = await flowsOf(
    timed([0, ip(A4, B4, 51, ah(6, 1, tcp(1000, 80)))], [1, ip(B6, A6, 51, ah(17, 1, udp(5, 6)))]),
  );
  assert.deepEqual(
    flows.map((flow) => [flow.proto, flow.srcPort, flow.dstPort]),
    [
      ['tcp', 1000, 80],
      ['udp', 5, 6],
    ],
  );
  assert.equal(flows[0].bytes, 20 + 24 + 20);
});

test('SCTP, UDP-Lite, DCCP: by ports, both directions one flow', async () => {
  const frames = timed(
    [0, ip(A4, B4, 132, sctp(1000, 2905))],
    [1, ip(B4, A4, 132, sctp(2905, 1000))],
    [2, ip(A4, B4, 136, udp(1000, 2905))],
    [3, ip(B4, A4, 136, udp(2905, 1000))],
    [4, ip(A6, B6, 33, dccp(1000, 2905))],
    [5, ip(B6, A6, 33, dccp(2905, 1000))],
  );
  const flows = await flowsOf(frames);
  assert.deepEqual(
    flows.map((flow) => [flow.proto, flow.srcPort, flow.dstPort, flow.packets, flow.reversePackets]),
    [
      ['sctp', 1000, 2905, 1, 1],
      ['udplite', 1000, 2905, 1, 1],
      ['dccp', 1000, 2905, 1, 1],
    ],
  );
});

test('other protocols by their number; without a name the number stands as text', async () => {
  const flows = await flowsOf(
    timed(
      [0, ip(A4, B4, 2, zeros(8))],
      [1, ip(A4, B4, 89, zeros(24))],
      [2, ip(A4, B4, 253, zeros(1))],
      [3, ip(A6, B6, 59, zeros(0))],
    ),
  );
  assert.deepEqual(
    flows.map((flow) => flow.proto),
    ['igmp', 'ospfigp', '253', 'ipv6-nonxt'],
  );
  for (const flow of flows) assert.equal('srcPort' in flow || 'icmp' in flow || 'spi' in flow, false);
});

test('padding of the frame never counts', async () => {
  const frame = ethernet(ip(A4, B4, 17, udp(1, 2)));
  const [flow] = await flowsOf([{ at: 0, bytes: join(frame, zeros(60 - frame.length)) }]);
  assert.equal(flow.bytes, 28);
});

test('cut by the snap length: the real lengths count', async () => {
  const bytes = ethernet(ip(A4, B4, 6, tcp(1000, 80, { flags: 'PA' }, zeros(1000))));
  const frames = [54, 50, 38].map((length, at) => ({ at, bytes: bytes.subarray(0, length), wire: bytes.length }));
  const { flowRecords, noticed, decoded } = await meterFrames(frames);
  assert.equal(decoded, 3);
  assert.equal(flowRecords.length, 1);
  assert.equal(flowRecords[0].bytes, 3 * 1040);
  assert.equal(noticed.headerCut, 2);
  const short = await meterFrames([{ at: 0, bytes: bytes.subarray(0, 36), wire: bytes.length }]);
  assert.deepEqual(short.refused, { transportShort: 1 });
});

test('a host that pings itself has one flow, with replies', async () => {
  for (const [self, protocol, ask, reply] of [
    ['127.0.0.1', 1, 8, 0],
    ['::1', 58, 128, 129],
  ] as const) {
    const frames = timed(
      [0, ip(self, self, protocol, icmp(ask, 0))],
      [0.1, ip(self, self, protocol, icmp(reply, 0))],
      [1, ip(self, self, protocol, icmp(ask, 0))],
      [1.1, ip(self, self, protocol, icmp(reply, 0))],
    );
    const { flowRecords } = await meterFrames(frames);
    assert.equal(flowRecords.length, 1);
    assert.deepEqual([flowRecords[0].packets, flowRecords[0].reversePackets], [2, 2]);
    assert.equal(flowRecords[0].icmp?.type, ask);
  }
});
