import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type EndedFlow,
  ErrorCode,
  type FlowRecord,
  type LiveFlow,
  Meter,
  type PacketMeterOptions,
  RheoError,
  readFlows,
} from '../../src/index.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { Batch } from '../../src/packet/batch.js';
import { projectRoot } from '../support/shared.js';
import {
  captureOf,
  connection,
  ETHERNET,
  Flag,
  frameOf,
  ipOf,
  type Packet,
  Proto,
  segmentOf,
  timeOf,
} from './packets.js';

const house = path.join(projectRoot, 'samples/house.pcapng');

/** A meter, and the records of the flows that it has ended. */
function collecting(options: PacketMeterOptions = {}): { meter: Meter; records: FlowRecord[] } {
  const records: FlowRecord[] = [];
  return { meter: new Meter({ ...options, onEnd: (flow) => records.push(flow.record()) }), records };
}

function add(meter: Meter, packet: Packet): LiveFlow | undefined {
  return meter.frame(frameOf(packet), ETHERNET, timeOf(packet));
}

/** The packet that the test is sure belongs to a flow. */
function added<Data>(flow: LiveFlow<Data> | undefined): LiveFlow<Data> {
  assert.ok(flow !== undefined);
  return flow;
}

function byId(records: FlowRecord[]): FlowRecord[] {
  return records.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function code(expected: ErrorCode, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RheoError, String(error));
    assert.equal(error.code, expected);
    assert.match(error.message, text);
    return true;
  };
}
const usage = (text: RegExp): ((error: unknown) => boolean) => code(ErrorCode.usage, text);

test('each packet gives a view of its flow, with what both sides have sent so far', () => {
  const { meter, records } = collecting();
  const seen: unknown[] = [];
  for (const packet of connection()) {
    const flow = added(add(meter, packet));
    seen.push([flow.direction, flow.isNew, flow.packets, flow.reversePackets, flow.state, flow.tcpFlags]);
  }
  assert.deepEqual(seen, [
    ['forward', true, 1, 0, 'tcp.syn', 'S'],
    ['reverse', false, 1, 1, 'tcp', 'S'],
    ['forward', false, 2, 1, 'tcp', 'SA'],
    ['forward', false, 3, 1, 'tcp', 'SPA'],
    ['reverse', false, 3, 2, 'tcp', 'SPA'],
    ['forward', false, 4, 2, 'tcp', 'FSPA'],
    ['reverse', false, 4, 3, 'tcp', 'FSPA'],
    ['forward', false, 5, 3, 'tcp.fin', 'FSPA'],
  ]);
  assert.equal(meter.live, 1);
  assert.equal(meter.lastRefusal, undefined);
  const { imbalance, flows } = meter.finish();
  assert.deepEqual(imbalance, []);
  assert.equal(flows.opened, 1);
  assert.equal(meter.live, 0);
  assert.equal(records.length, 1);
});

test('the view has all members of the record, and record() makes a copy that stays', () => {
  const { meter, records } = collecting({ features: ['ttl', 'payload'], key: { extra: ['mac'] } });
  let last: FlowRecord | undefined;
  for (const packet of connection()) {
    const flow = added(add(meter, packet));
    last = flow.record();
    for (const name of ['id', 'start', 'end', 'duration', 'src', 'srcPort', 'dst', 'dstPort', 'proto'] as const) {
      assert.equal(flow[name], last[name], name);
    }
    for (const name of ['packets', 'bytes', 'reversePackets', 'reverseBytes', 'reverseTcpFlags'] as const) {
      assert.equal(flow[name], last[name], name);
    }
    assert.equal(flow.icmp, undefined);
    assert.equal(flow.spi, undefined);
  }
  assert.equal(last?.endReason, undefined);
  meter.finish();
  const [ended] = records;
  assert.equal(ended.endReason, 'forced');
  assert.deepEqual(last, Object.fromEntries(Object.entries(ended).filter(([name]) => name !== 'endReason')));
  assert.deepEqual([ended.ttlMin, ended.reversePayloadBytes], [64, 20]);
});

test('a view cannot be read after the meter has gone on without its flow', () => {
  const { meter } = collecting();
  const flow = added(add(meter, {}));
  meter.advance(Date.parse('2024-01-01T01:00:00Z'));
  for (const read of [
    () => flow.src,
    () => flow.record(),
    () => flow.isNew,
    () => flow.direction,
    () => flow.userData,
  ]) {
    assert.throws(read, usage(/gone on/));
  }
  const next = added(add(meter, { at: 3_600_001, src: '10.0.0.9' }));
  assert.equal(next, flow, 'one object serves for all');
  assert.equal(flow.src, '10.0.0.9');
  assert.equal(meter.frame(new Uint8Array(3), ETHERNET, 0), undefined);
  assert.throws(() => flow.src, usage(/gone on/));
});

test('frames, packets and segments give the same flows, by IPv4 and IPv6', () => {
  const ends = { src: '2001:db8::1', dst: '2001:db8:0:1::ff' };
  const packets = [...connection(), ...connection({ ...ends, at: 20 }), { at: 40, protocol: Proto.udp, payload: 5 }];
  const roads: Record<string, (meter: Meter, packet: Packet) => unknown> = {
    frame: add,
    l3: (meter, packet) => meter.l3(ipOf(packet), timeOf(packet)),
    l4(meter, packet) {
      const { src = '10.0.0.1', dst = '10.0.0.2', protocol = Proto.tcp } = packet;
      return meter.l4(segmentOf(packet), { src, dst, protocol }, timeOf(packet));
    },
  };
  const results = Object.entries(roads).map(([name, road]) => {
    const { meter, records } = collecting({ features: ['ttl', 'tos', 'length'] });
    for (const packet of packets) assert.ok(road(meter, packet) !== undefined, name);
    assert.deepEqual(meter.finish().imbalance, []);
    return records;
  });
  assert.equal(results[0].length, 3);
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});

test('the IP header that l4 makes has a right checksum', () => {
  const { meter } = collecting({ checksums: true });
  const ends = { src: '198.51.100.7', dst: '203.0.113.250', protocol: Proto.udp };
  // UDP's checksum is 0: there is none.
  assert.ok(meter.l4(segmentOf({ protocol: Proto.udp, payload: 300 }), ends, 0));
  const wrong = ipOf({ protocol: Proto.udp });
  assert.equal(meter.l3(wrong, 0), undefined);
  assert.equal(meter.lastRefusal, 'checksum');
});

test('packets that were cut count with their length on the wire', () => {
  const whole = { payload: 1400 };
  const lengths = [
    (meter: Meter) => meter.frame(frameOf(whole).subarray(0, 60), ETHERNET, 0, 14 + 1440),
    (meter: Meter) => meter.l3(ipOf(whole).subarray(0, 60), 0, 1440),
    (meter: Meter) =>
      meter.l4(segmentOf(whole).subarray(0, 30), { src: '10.0.0.1', dst: '10.0.0.2', protocol: 6 }, 0, 1420),
  ].map((road) => added(road(collecting().meter)).bytes);
  assert.deepEqual(lengths, [1440, 1440, 1440]);
});

test('segments longer than an IP packet count in full', () => {
  for (const [src, dst, header] of [
    ['10.0.0.1', '10.0.0.2', 20],
    ['2001:db8::1', '2001:db8::2', 40],
  ] as const) {
    const { meter } = collecting();
    const flow = added(meter.l4(segmentOf({ payload: 100_000 }), { src, dst, protocol: 6 }, 0));
    assert.equal(flow.bytes, 100_020 + header);
    assert.deepEqual(meter.counters.noticed, { lengthZero: 1 });
  }
});

test('times are taken as seconds and nanoseconds, milliseconds, and nanoseconds', () => {
  const starts = [
    { seconds: 1_704_067_200, nanos: 123_456_000 },
    1_704_067_200_123.456,
    1_704_067_200_123_456_000n,
  ].map((time) => added(collecting().meter.l3(ipOf({}), time)).start);
  assert.equal(starts[0], '2024-01-01T00:00:00.123456000Z');
  assert.equal(starts[2], starts[0]);
  // Milliseconds of our days are exact to a quarter of a microsecond.
  assert.ok(Math.abs(Number(starts[1].slice(20, 29)) - 123_456_000) <= 250, starts[1]);
  const { meter } = collecting();
  assert.equal(added(meter.l3(ipOf({}), 999.9999999)).start, '1970-01-01T00:00:01.000000000Z');
  for (const time of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 43, -1n, 1n << 70n, { seconds: 1, nanos: 1e9 }]) {
    assert.throws(() => meter.l3(ipOf({}), time), usage(/time between/));
    assert.throws(() => meter.advance(time), usage(/time between/));
  }
  assert.equal(meter.counters.packets, 1);
});

test('refused packets give no flow, a reason, and a count', () => {
  const { meter } = collecting();
  const arp = frameOf({});
  arp.set([8, 6], 12);
  const reasons = [
    () => meter.frame(arp, ETHERNET, 0),
    () => meter.frame(new Uint8Array(0), ETHERNET, 0),
    () => meter.l3(ipOf({}).subarray(0, 19), 0),
    () => meter.l4(new Uint8Array(2), { src: '10.0.0.1', dst: '10.0.0.2', protocol: 17 }, 0),
    () => add(meter, { protocol: Proto.udp, fragment: { id: 1, offset: 1480, more: false }, payload: 8 }),
  ].map((road) => {
    assert.equal(road(), undefined);
    return meter.lastRefusal;
  });
  const expected = ['notIp', 'linkShort', 'networkShort', 'transportMalformed', 'held'];
  assert.deepEqual(reasons, expected);
  assert.deepEqual(meter.counters.refused, Object.fromEntries(expected.map((reason) => [reason, 1])));
  assert.deepEqual(meter.counters.imbalance, []);
  assert.ok(add(meter, { at: 1 }));
  assert.equal(meter.lastRefusal, undefined);
  const { imbalance, noticed, refused } = meter.finish();
  assert.deepEqual(imbalance, []);
  assert.equal(noticed.fragmentOrphan, 1);
  assert.equal(refused.held, undefined);
});

test('a filter chooses packets before they are decoded', () => {
  const { meter } = collecting({ filter: 'not port 99' });
  assert.ok(meter.frame(frameOf({}), ETHERNET, 0));
  for (const road of [
    () => meter.frame(frameOf({ dstPort: 99 }), ETHERNET, 0),
    () => meter.l3(ipOf({ dstPort: 99 }), 0),
    () => meter.l4(segmentOf({ srcPort: 99 }), { src: '::1', dst: '::2', protocol: 6 }, 0),
  ]) {
    assert.equal(road(), undefined);
    assert.equal(meter.lastRefusal, 'filteredOut');
  }
});

test('arguments that cannot be are refused, and the meter goes on', () => {
  const { meter } = collecting();
  const ends = { src: '10.0.0.1', dst: '10.0.0.2', protocol: 6 };
  assert.throws(() => meter.frame(new Uint8Array(60), 189, 0), code(ErrorCode.linkType, /USB/));
  assert.throws(() => meter.frame(new Uint8Array(60), 4711, 0), code(ErrorCode.linkType, /4711/));
  assert.throws(() => meter.l3(new Uint8Array(300_000), 0), usage(/300000 bytes/));
  assert.throws(() => meter.l3(ipOf({}), 0, 10), usage(/on the wire/));
  assert.throws(() => meter.l3(ipOf({}), 0, 100.5), usage(/on the wire/));
  assert.throws(() => meter.l4(segmentOf({}), { ...ends, protocol: 256 }, 0), usage(/protocol number/));
  assert.throws(() => meter.l4(segmentOf({}), { ...ends, dst: '2001:db8::1' }, 0), usage(/same IP version/));
  for (const src of ['10.0.0', '10.0.0.256', 'fe80::1%lo', 'localhost', '', 7 as never]) {
    assert.throws(() => meter.l4(segmentOf({}), { ...ends, src }, 0), usage(/expected an IP address/), String(src));
  }
  assert.equal(added(meter.l4(segmentOf({}), ends, 0)).src, '10.0.0.1');
  assert.equal(meter.counters.packets, 1);
  assert.throws(() => new Meter({ features: ['nonsense'] }), usage(/nonsense/));
  assert.throws(() => new Meter({ filter: 'host' }), code(ErrorCode.filter, /./));
  assert.throws(() => new Meter({ communityIdSeed: -1 }), usage(/communityIdSeed/));
});

test('onEnd tells of each flow at once, with its reason', () => {
  const ended: unknown[] = [];
  const meter = new Meter({
    maxFlows: 2,
    onEnd: (flow) => ended.push([flow.srcPort, flow.endReason, flow.packets]),
  });
  for (const packet of connection({ srcPort: 1 })) add(meter, packet);
  assert.deepEqual(ended, []);
  add(meter, { at: 20, srcPort: 2, protocol: Proto.udp });
  add(meter, { at: 30, srcPort: 3, protocol: Proto.udp });
  assert.deepEqual(ended, [[1, 'resources', 5]]);
  // A packet of another flow brings the time.
  add(meter, { at: 16_000, srcPort: 3, protocol: Proto.udp });
  assert.deepEqual(ended.slice(1), [
    [2, 'idle', 1],
    [3, 'idle', 1],
  ]);
  meter.finish();
  assert.deepEqual(ended.slice(3), [[3, 'forced', 1]]);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('a connection that is closed ends as such, one that lasts is cut by the active timeout', () => {
  const { meter, records } = collecting({ timeouts: { active: 10_000 } });
  for (const packet of connection({ srcPort: 1 })) add(meter, packet);
  for (let at = 10; at <= 25_000; at += 1000) add(meter, { at, srcPort: 2 });
  meter.advance(timeOf({ at: 90_000 }));
  assert.deepEqual(
    records.map((flow) => [flow.srcPort, flow.endReason, flow.packets]),
    [
      [1, 'end', 5],
      [2, 'active', 11],
      [2, 'active', 11],
      [2, 'active', 3],
    ],
  );
});

test('advance ends what is over without a packet, and never goes back', () => {
  const { meter, records } = collecting();
  add(meter, { at: 5000, protocol: Proto.udp });
  meter.advance(timeOf({ at: 0 }));
  meter.advance(timeOf({ at: 5000 }));
  meter.advance(timeOf({ at: 19_000 }));
  assert.equal(records.length, 0);
  meter.advance(timeOf({ at: 21_000 }));
  assert.equal(records.length, 1);
  assert.deepEqual(meter.counters.noticed, {});
  // The clock was set back by an hour: time goes on from there.
  add(meter, { at: -3_600_000, protocol: Proto.udp, srcPort: 5 });
  meter.advance(timeOf({ at: -3_600_000 + 20_000 }));
  assert.equal(records.length, 2);
});

test('the meter goes on after finish', () => {
  const { meter, records } = collecting();
  for (const packet of connection()) add(meter, packet);
  meter.finish();
  assert.equal(meter.finish().records, 1);
  for (const packet of connection({ at: 1000 })) add(meter, packet);
  const { imbalance, flows } = meter.finish();
  assert.deepEqual(imbalance, []);
  assert.equal(flows.ended.forced, 2);
  assert.equal(records.length, 2);
});

test('user data stays with its flow, comes to onEnd with it, and is gone then', () => {
  const ended: unknown[] = [];
  const meter = new Meter<{ name: string }>({
    onEnd(flow) {
      ended.push([flow.srcPort, flow.userData?.name]);
    },
  });
  const send = (at: number, srcPort: number): LiveFlow<{ name: string }> =>
    added(meter.l3(ipOf({ srcPort, protocol: Proto.udp }), timeOf({ at })));
  for (let port = 1; port <= 100; port++) {
    const flow = send(port, port);
    assert.equal(flow.userData, undefined);
    if (port % 3 === 0) flow.userData = { name: `flow ${port}` };
  }
  for (let port = 100; port >= 1; port--) {
    assert.equal(send(300 - port, port).userData?.name, port % 3 === 0 ? `flow ${port}` : undefined);
  }
  const last = send(400, 3);
  last.userData = undefined;
  meter.advance(timeOf({ at: 60_000 }));
  assert.equal(ended.length, 100);
  assert.deepEqual(
    new Map(ended as [number, string | undefined][]),
    new Map(
      Array.from({ length: 100 }, (_, n) => {
        const port = n + 1;
        return [port, port % 3 === 0 && port !== 3 ? `flow ${port}` : undefined];
      }),
    ),
  );
  // New flows in the rows of the old ones begin with nothing.
  for (let port = 1; port <= 100; port++) assert.equal(send(70_000 + port, port).userData, undefined);
});

test('user data can be collected when its flow has ended', {
  skip: globalThis.gc === undefined && 'needs --expose-gc',
}, async () => {
  const meter = new Meter<object>();
  let freed = 0;
  const registry = new FinalizationRegistry(() => freed++);
  for (let port = 1; port <= 50; port++) {
    const data = { port };
    registry.register(data, port);
    added(meter.l3(ipOf({ srcPort: port, protocol: Proto.udp }), timeOf({ at: port }))).userData = data;
  }
  meter.finish();
  for (let turn = 0; turn < 10 && freed < 49; turn++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  assert.ok(freed >= 49, `${freed} of 50`);
  assert.equal(meter.live, 0);
});

test('what onEnd throws comes out of the call, after all flows were told and the packet was counted', () => {
  let told = 0;
  const meter = new Meter({
    onEnd() {
      told++;
      throw new Error(`number ${told}`);
    },
  });
  for (let port = 1; port <= 3; port++) add(meter, { at: port, srcPort: port, protocol: Proto.udp });
  assert.throws(() => add(meter, { at: 60_000, srcPort: 9 }), /number 1/);
  assert.equal(told, 3);
  assert.equal(meter.counters.decoded, 4);
  assert.ok(add(meter, { at: 60_001, srcPort: 9 }));
  assert.throws(() => meter.finish(), /number 4/);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('the meter cannot be called from onEnd, and what it showed there is gone afterwards', () => {
  let kept: EndedFlow | undefined;
  const errors: unknown[] = [];
  const meter: Meter = new Meter({
    onEnd(flow) {
      kept = flow;
      for (const call of [
        () => meter.finish(),
        () => meter.advance(99e9),
        () => add(meter, {}),
        () => meter.l3(ipOf({}), 0),
      ]) {
        try {
          call();
        } catch (error) {
          errors.push(error);
        }
      }
    },
  });
  add(meter, {});
  meter.finish();
  assert.equal(errors.length, 4);
  for (const error of errors) usage(/from within onEnd/)(error);
  assert.throws(() => kept?.src, usage(/callback had returned/));
  assert.equal(meter.counters.packets, 1);
});

test('more flows end at once than fit into a batch of records', () => {
  const { meter, records } = collecting();
  const many = 12_000;
  for (let n = 0; n < many; n++) {
    add(meter, { at: n / 100, src: `10.1.${n >> 8}.${n & 0xff}`, protocol: Proto.udp });
  }
  assert.equal(meter.live, many);
  meter.advance(timeOf({ at: 60_000 }));
  assert.equal(records.length, many);
  assert.equal(new Set(records.map((flow) => flow.src)).size, many);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('a full table that refuses says so', () => {
  const { meter } = collecting({ maxFlows: 1, whenFull: 'refuse' });
  assert.ok(add(meter, { srcPort: 1 }));
  assert.equal(add(meter, { srcPort: 2 }), undefined);
  assert.equal(meter.lastRefusal, 'tableFull');
  assert.ok(add(meter, { srcPort: 1 }));
  assert.deepEqual(meter.counters.imbalance, []);
});

test('sampling leaves packets out, and scales what is read and what ends', () => {
  const { meter, records } = collecting({ sampling: { mode: 'count', n: 4, scale: true } });
  const flows = [0, 1, 2, 3, 4].map((at) => add(meter, { at })?.packets);
  assert.deepEqual(flows, [4, undefined, undefined, undefined, 8]);
  assert.equal(meter.counters.refused.sampledOut, 3);
  meter.finish();
  assert.equal(records[0].packets, 8);
  assert.deepEqual(records[0].sampling, { mode: 'count', n: 4, scaled: true });
});

test('packet by packet gives the records of the sample that reading it gives', async () => {
  const { meter, records } = collecting({ features: 'all' });
  const source = await openCapture(house);
  const batch = new Batch();
  do {
    for (let count = source.fill(batch); count > 0; count = source.fill(batch)) {
      for (let i = 0; i < count; i++) {
        const bytes = batch.bytes.subarray(batch.offset[i], batch.offset[i] + batch.captured[i]);
        const flow = meter.frame(
          bytes,
          batch.link[i],
          { seconds: batch.seconds[i], nanos: batch.nanos[i] },
          batch.wire[i],
        );
        assert.equal(flow === undefined, meter.lastRefusal !== undefined);
      }
    }
  } while (await source.more());
  await source.close();
  meter.finish();
  const flows = readFlows(house, { features: 'all' });
  const expected: FlowRecord[] = [];
  for await (const flow of flows) expected.push(flow);
  // A packet from nowhere has no interface with a name.
  for (const flow of expected) {
    delete flow.interfaceName;
    delete flow.reverseInterfaceName;
  }
  assert.deepEqual(byId(records), byId(expected));
  const { refused, octets } = await flows.summary;
  assert.deepEqual([meter.counters.refused, meter.counters.octets], [refused, octets]);
});

const somePacket: fc.Arbitrary<Packet> = fc.record(
  {
    at: fc.integer({ min: 0, max: 40_000 }),
    src: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
    dst: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
    protocol: fc.constantFrom(Proto.tcp, Proto.tcp, Proto.udp, Proto.icmp),
    srcPort: fc.integer({ min: 1, max: 3 }),
    dstPort: fc.integer({ min: 1, max: 3 }),
    flags: fc.constantFrom(Flag.syn, Flag.syn | Flag.ack, Flag.ack, Flag.fin | Flag.ack, Flag.rst),
    sequence: fc.integer({ min: 0, max: 3 }),
    acknowledged: fc.integer({ min: 0, max: 3 }),
    payload: fc.integer({ min: 0, max: 40 }),
    fragment: fc.record({
      id: fc.integer({ min: 1, max: 2 }),
      offset: fc.constantFrom(0, 0, 24, 48),
      more: fc.boolean(),
    }),
  },
  { requiredKeys: ['at', 'src', 'dst', 'protocol', 'srcPort', 'dstPort'] },
);

test('random packets one by one and in batches give the same records, also when the table is small', async () => {
  const options = fc.record({
    maxFlows: fc.constantFrom(1, 2, 1000),
    whenFull: fc.constantFrom('evict' as const, 'refuse' as const, 'early' as const),
    active: fc.constantFrom(2000, Number.POSITIVE_INFINITY),
    sorted: fc.boolean(),
  });
  const run = fc.asyncProperty(
    fc.array(somePacket, { maxLength: 60 }),
    options,
    async (packets, { maxFlows, whenFull, active, sorted }) => {
      if (sorted) packets.sort((a, b) => Number(a.at) - Number(b.at));
      const common = { maxFlows, whenFull, timeouts: { active }, features: ['splt', 'interArrival', 'fragments'] };
      const { meter, records } = collecting(common);
      for (const packet of packets) add(meter, packet);
      const counters = meter.finish();
      assert.deepEqual(counters.imbalance, []);
      const flows = readFlows(captureOf(packets), common);
      const expected: FlowRecord[] = [];
      for await (const flow of flows) expected.push(flow);
      const summary = await flows.summary;
      assert.deepEqual(summary.imbalance, []);
      assert.deepEqual(counters.refused, summary.refused);
      assert.deepEqual(counters.noticed, summary.noticed);
      assert.deepEqual(records, expected);
    },
  );
  await fc.assert(run, { numRuns: 150 });
});
