import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeterOptions } from '../../src/model/options.js';
import type { FlowRecord } from '../../src/model/record.js';
import { byId, byStart, type Metered, meterFrames } from '../support/drive.js';
import {
  ethernet,
  fragments4,
  fragments6,
  ip,
  ipv4,
  join,
  type TimedFrame,
  tcp,
  timed,
  udp,
  zeros,
} from '../support/packets.js';

const PAYLOAD = udp(4000, 5000, zeros(192));

interface Family {
  name: string;
  a: string;
  b: string;
  /** Three fragments of PAYLOAD, 80 bytes each but the last. */
  parts: (id: number) => Uint8Array[];
  /** Bytes of all three. */
  bytes: number;
}

const FAMILIES: Family[] = [
  {
    name: 'IPv4',
    a: '10.0.0.1',
    b: '10.0.0.2',
    parts: (id) => fragments4('10.0.0.1', '10.0.0.2', 17, PAYLOAD, id, 80),
    bytes: 3 * 20 + 200,
  },
  {
    name: 'IPv6',
    a: '2001:db8::1',
    b: '2001:db8::2',
    parts: (id) => fragments6('2001:db8::1', '2001:db8::2', 17, PAYLOAD, id, 80),
    bytes: 3 * 48 + 200,
  },
];

/** Meters with several numbers of shards and lengths of batches, which must not matter. */
async function meter(frames: readonly TimedFrame[], options: MeterOptions = {}): Promise<Metered> {
  const first = await meterFrames(frames, options);
  assert.deepEqual(first.imbalance, []);
  for (const [shards, size] of [
    [1, 1],
    [2, 256],
    [3, 2],
  ]) {
    const other = await meterFrames(frames, options, { shards, batches: [size] });
    assert.deepEqual(other.imbalance, []);
    assert.deepEqual(byId(other.flowRecords), byId(first.flowRecords), `${shards} shards, batches of ${size}`);
    assert.deepEqual(other.refused, first.refused);
    assert.deepEqual(other.noticed, first.noticed);
  }
  return first;
}

function at(times: readonly number[], packets: readonly Uint8Array[]): TimedFrame[] {
  return packets.map((packet, k) => ({ at: times[k], bytes: ethernet(packet) }));
}

function ordersOfThree(): number[][] {
  return [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
}

function assertOneFlow(records: readonly FlowRecord[], bytes: number): void {
  assert.equal(records.length, 1);
  const [flow] = records;
  assert.deepEqual([flow.srcPort, flow.dstPort, flow.packets, flow.bytes], [4000, 5000, 3, bytes]);
  assert.equal(flow.fragmented, true);
}

for (const { name, a, b, parts, bytes } of FAMILIES) {
  for (const order of ordersOfThree()) {
    test(`${name}: fragments in the order ${order.join()} are one flow`, async () => {
      const packets = order.map((k) => parts(77)[k]);
      for (const times of [
        [1, 1, 1],
        [1, 1.1, 1.2],
        [1, 5, 9],
      ]) {
        const { flowRecords } = await meter(at(times, packets));
        assertOneFlow(flowRecords, bytes);
        assert.equal(flowRecords[0].duration, Math.round((times[2] - times[0]) * 1e9) / 1e9);
      }
    });
  }

  test(`${name}: fragments belong to the flow of whole packets with the same ports`, async () => {
    const whole = ip(a, b, 17, udp(4000, 5000, zeros(10)));
    const answer = ip(b, a, 17, udp(5000, 4000, zeros(10)));
    const { flowRecords } = await meter(at([0, 1, 1, 1, 2], [whole, ...parts(5).reverse(), answer]));
    assert.equal(flowRecords.length, 1);
    assert.deepEqual([flowRecords[0].packets, flowRecords[0].reversePackets], [4, 1]);
  });

  test(`${name}: the first one never comes: accounted without ports, and counted`, async () => {
    const clock = ip('192.0.2.1', '192.0.2.2', 17, udp(1, 1));
    const { flowRecords, noticed, refused } = await meter(at([0, 0.5, 40], [...parts(5).slice(1), clock]));
    assert.deepEqual(refused, {});
    assert.equal(noticed.fragmentOrphan, 2);
    const [flow] = byStart(flowRecords);
    assert.deepEqual([flow.src, flow.dst, flow.proto, flow.packets], [a, b, 'udp', 2]);
    assert.equal('srcPort' in flow, false);
    assert.equal(flow.fragmented, true);
    assert.equal(flow.duration, 0.5);
  });

  test(`${name}: the first one comes after the timeout: the others were accounted without ports`, async () => {
    const [first, ...rest] = parts(5);
    const late = await meter(at([0, 0.5, 20], [...rest, first]));
    assert.equal(late.flowRecords.length, 2);
    assert.equal(late.noticed.fragmentOrphan, 2);
    const inTime = await meter(at([0, 0.5, 20], [...rest, first]), {
      fragmentTimeout: 25_000,
      timeouts: { idle: { single: 60_000 } },
    });
    assertOneFlow(inTime.flowRecords, bytes);
  });

  test(`${name}: a held fragment that is older than the idle timeout still joins its flow`, async () => {
    const [first, ...rest] = parts(5);
    const { flowRecords } = await meter(at([0, 0.5, 8], [...rest, first]), {
      timeouts: { idle: { udp: 3000, single: 3000 } },
    });
    assertOneFlow(flowRecords, bytes);
  });

  test(`${name}: the end of the input sets the held ones free`, async () => {
    const { flowRecords, decoded } = await meter(at([0, 0], parts(5).slice(1)));
    assert.equal(decoded, 2);
    assert.equal(flowRecords.length, 1);
  });

  test(`${name}: overlapping ones are counted and metered`, async () => {
    const [first, second, third] = parts(5);
    const { flowRecords, noticed } = await meter(at([0, 0, 0, 0], [first, second, second, third]));
    assert.equal(noticed.fragmentOverlap, 1);
    assert.equal(flowRecords.length, 1);
    assert.equal(flowRecords[0].packets, 4);
  });

  test(`${name}: the same id in the other direction, and of another protocol, is another datagram`, async () => {
    const [first, second] = parts(5);
    const other =
      name === 'IPv4'
        ? fragments4(b, a, 17, udp(9, 8, zeros(100)), 5, 80)
        : fragments6(b, a, 17, udp(9, 8, zeros(100)), 5, 80);
    const { flowRecords } = await meter(at([0, 0, 0, 0], [first, other[0], second, other[1]]));
    const flows = flowRecords.map((flow) => [flow.srcPort, flow.packets]).sort();
    assert.deepEqual(flows, [
      [4000, 2],
      [9, 2],
    ]);
  });

  test(`${name}: an id that is used again belongs to the newest first fragment`, async () => {
    const again =
      name === 'IPv4'
        ? fragments4(a, b, 17, udp(9, 8, zeros(192)), 5, 80)
        : fragments6(a, b, 17, udp(9, 8, zeros(192)), 5, 80);
    const { flowRecords } = await meter(at([0, 0, 0, 2, 2, 2], [...parts(5), ...again]));
    const flows = flowRecords.map((flow) => [flow.srcPort, flow.packets]).sort();
    assert.deepEqual(flows, [
      [4000, 3],
      [9, 3],
    ]);
  });

  test(`${name}: more wait than may be held: counted, nothing lost`, async () => {
    const frames: TimedFrame[] = [];
    for (let id = 0; id < 40; id++) frames.push(...at([id / 100, id / 100], parts(id).slice(1)));
    for (let id = 0; id < 40; id++) frames.push(...at([1 + id / 100], parts(id).slice(0, 1)));
    const result = await meterFrames(frames, { maxFragments: 10 });
    assert.deepEqual(result.imbalance, []);
    assert.deepEqual(result.refused, {});
    assert.equal(result.decoded, 120);
    assert.ok(result.noticed.fragmentEvicted > 0);
    assert.ok(result.noticed.fragmentOrphan >= 60);
    const packets = result.flowRecords.reduce((sum, flow) => sum + Number(flow.packets), 0);
    assert.equal(packets, 120);
  });
}

test('a first fragment too small for a TCP header is refused, the rest is accounted without ports', async () => {
  const parts = fragments4('10.0.0.1', '10.0.0.2', 6, tcp(1, 2, {}, zeros(40)), 3, 8);
  const { refused, flowRecords } = await meter(at([0, 0], parts.slice(0, 2)));
  assert.deepEqual(refused, { transportMalformed: 1 });
  assert.equal('srcPort' in flowRecords[0], false);
});

test('later fragments of other shapes: zero length, offset at the end, more after the last', async () => {
  const odd = [
    ipv4('10.0.0.1', '10.0.0.2', 17, zeros(0), { id: 5, fragmentOffset: 80 }),
    ipv4('10.0.0.1', '10.0.0.2', 17, zeros(100), { id: 5, fragmentOffset: 65_528, moreFragments: true }),
    ipv4('10.0.0.1', '10.0.0.2', 17, PAYLOAD.subarray(0, 80), { id: 5, moreFragments: true }),
    ipv4('10.0.0.1', '10.0.0.2', 17, zeros(8), { id: 5, fragmentOffset: 8, moreFragments: true }),
  ];
  const { flowRecords, decoded } = await meter(at([0, 0, 0, 0], odd));
  assert.equal(decoded, 4);
  assert.equal(flowRecords.length, 1);
});

test('IPv6 atomic fragments are whole packets', async () => {
  const [atomic] = fragments6('2001:db8::1', '2001:db8::2', 17, PAYLOAD, 9, 4000);
  const { flowRecords } = await meter(at([0], [atomic]));
  assert.equal(flowRecords[0].srcPort, 4000);
  assert.equal(flowRecords[0].fragmented, undefined);
});

test('fragments of a tunnel: the inner packet is counted once, with its whole length', async () => {
  const inner = ip('10.1.0.1', '10.1.0.2', 6, tcp(1000, 80, { flags: 'PA' }, zeros(300)));
  const parts = fragments4('192.0.2.1', '192.0.2.2', 4, inner, 5, 160);
  assert.equal(parts.length, 3);
  for (const order of ordersOfThree()) {
    const packets = order.map((k) => parts[k]);
    const { flowRecords, refused } = await meter(at([0, 0.1, 0.2], packets));
    assert.deepEqual(
      flowRecords.map((flow) => [flow.src, flow.srcPort, flow.packets, flow.bytes]),
      [['10.1.0.1', 1000, 1, 340]],
    );
    assert.deepEqual(refused, { tunnelContinuation: 2 });
  }
});

test('fragments of a tunnel when only addresses make the key: still counted once', async () => {
  const inner = ip('10.1.0.1', '10.1.0.2', 6, tcp(1000, 80, { flags: 'PA' }, zeros(300)));
  const parts = fragments4('192.0.2.1', '192.0.2.2', 4, inner, 5, 160);
  const { flowRecords, refused } = await meter(at([0, 0.1, 0.2], parts), { key: { base: 'ip' } });
  assert.deepEqual(
    flowRecords.map((flow) => [flow.src, flow.packets, flow.bytes]),
    [['10.1.0.1', 1, 340]],
  );
  assert.deepEqual(refused, { tunnelContinuation: 2 });
});

test('fragments inside of a tunnel belong to their inner flow', async () => {
  const parts = fragments4('10.1.0.1', '10.1.0.2', 17, PAYLOAD, 5, 80).map((part) =>
    ip('192.0.2.1', '192.0.2.2', 4, part),
  );
  for (const order of ordersOfThree()) {
    const { flowRecords } = await meter(
      at(
        [0, 0, 0],
        order.map((k) => parts[k]),
      ),
    );
    assertOneFlow(flowRecords, 260);
  }
});

test('one fragment says nothing about the lengths of the packets that follow it', async () => {
  // AH, then IP in IP, in a first fragment: lengths inside may exceed what is there, but only in this packet.
  const inner = ip('10.1.0.1', '10.1.0.2', 17, udp(1, 2, zeros(40)));
  const header = join([4, 4, 0, 0], zeros(20), inner);
  const first = ipv4('192.0.2.1', '192.0.2.2', 51, header, { id: 1, moreFragments: true });
  const lying = ipv4('10.5.0.1', '10.5.0.2', 17, udp(7, 7, zeros(8)), { total: 1000 });
  const alone = await meterFrames(timed([0, lying]));
  const behind = await meterFrames(timed([0, first], [0, lying]));
  const bytes = (result: Metered): unknown => result.flowRecords.find((flow) => flow.srcPort === 7)?.bytes;
  assert.equal(bytes(alone), 36);
  assert.equal(bytes(behind), 36);
  assert.equal(behind.noticed.lengthBeyondFrame, 1);
});

test('fragments that a host sends to itself: the ports of the first one tell the direction', async () => {
  const there = fragments4('10.0.0.1', '10.0.0.1', 17, udp(5000, 4000, zeros(192)), 5, 80);
  const back = fragments4('10.0.0.1', '10.0.0.1', 17, udp(4000, 5000, zeros(192)), 6, 80);
  const { flowRecords } = await meter(at([0, 0, 0, 1, 1, 1], [...there, ...back]));
  const flows = flowRecords.map((flow) => [flow.srcPort, flow.packets, flow.reversePackets]);
  assert.deepEqual(flows, [[5000, 3, 3]]);
});
