import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode, type FlowRecord, Meter } from '../../src/index.js';
import { add, added, code, collecting, usage } from './meters.js';
import { connection, ETHERNET, frameOf, ipOf, type Packet, Proto, segmentOf, timeOf } from './packets.js';

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
  assert.equal(ended.endReason, 'end');
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
