import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type GroupOrder, GroupSink, type Groups, parseGroupBy } from '../../src/cli/group.js';
import { batchOf, type TestRecord } from '../support/records.js';

async function groupsOf(
  by: string,
  records: readonly TestRecord[],
  { order = 'bytes', top = 100, limit = 1000 }: { order?: GroupOrder; top?: number; limit?: number } = {},
): Promise<Groups> {
  let groups: Groups | undefined;
  const sink = new GroupSink(
    parseGroupBy(by),
    (done) => {
      groups = done.result(order, top);
    },
    limit,
  );
  sink.write(batchOf(records));
  await sink.close();
  return groups!;
}

const TRAFFIC: readonly TestRecord[] = [
  { a: '10.0.0.1', b: '192.0.2.7', protocol: 6, portA: 51000, portB: 443, packets: [10, 8], octets: [1000, 9000] },
  {
    a: '10.0.0.1',
    b: '192.0.2.7',
    protocol: 6,
    portA: 80,
    portB: 52000,
    initiatorB: true,
    packets: [1, 2],
    octets: [10, 20],
  },
  { a: '10.0.0.2', b: '192.0.2.7', protocol: 17, portA: 5000, portB: 443, packets: [1, 1], octets: [100, 200] },
  { a: 'fe80::1', b: 'ff02::fb', protocol: 58, icmp: { type: 135, code: 0 }, packets: [3, 0], octets: [300, 0] },
];

const rows = (groups: Groups): unknown[] =>
  groups.shown.map((g) => [...g.key, g.flows, g.packets, g.bytes, g.bytesSent, g.bytesReceived]);

test('addresses: what each sent and received', async () => {
  assert.deepEqual(rows(await groupsOf('address', TRAFFIC)), [
    ['192.0.2.7', 3, 23, 10330, 9220, 1110],
    ['10.0.0.1', 2, 21, 10030, 1010, 9020],
    ['10.0.0.2', 1, 2, 300, 100, 200],
    ['fe80::1', 1, 3, 300, 300, 0],
    ['ff02::fb', 1, 3, 300, 0, 300],
  ]);
});

test('src and dst are initiator and responder', async () => {
  assert.deepEqual(
    rows(await groupsOf('src', TRAFFIC)).map((row) => (row as unknown[])[0]),
    ['10.0.0.1', '10.0.0.2', 'fe80::1', '192.0.2.7'],
  );
  assert.deepEqual(rows(await groupsOf('dst', TRAFFIC))[0], ['192.0.2.7', 2, 20, 10300, 9200, 1100]);
});

test('port, protocol, conversation', async () => {
  assert.deepEqual(rows(await groupsOf('port', TRAFFIC)), [
    ['tcp', 443, 1, 18, 10000, 1000, 9000],
    ['udp', 443, 1, 2, 300, 100, 200],
    ['ipv6-icmp', undefined, 1, 3, 300, 300, 0],
    ['tcp', 80, 1, 3, 30, 20, 10],
  ]);
  assert.deepEqual(rows(await groupsOf('protocol', TRAFFIC))[0], ['tcp', 2, 21, 10030, 1020, 9010]);
  assert.deepEqual(rows(await groupsOf('conversation', TRAFFIC))[0], [
    '10.0.0.1',
    '192.0.2.7',
    2,
    21,
    10030,
    1010,
    9020,
  ]);
});

test('prefixes; a flow inside one is in it once', async () => {
  const inside: TestRecord = { a: '10.0.0.1', b: '10.0.0.200', protocol: 17, portA: 1, portB: 2, octets: [5, 6] };
  assert.deepEqual(rows(await groupsOf('prefix', [inside])), [['10.0.0.0/24', 1, 1, 11, 5, 6]]);
  assert.deepEqual(
    rows(await groupsOf('prefix/25', [inside])).map((row) => (row as unknown[])[0]),
    ['10.0.0.0/25', '10.0.0.128/25'],
  );
  const six: TestRecord = { a: '2001:db8:ffff:1::1', b: '2001:db8:ffff:ff::1', protocol: 59 };
  const keys = async (by: string): Promise<unknown[]> =>
    rows(await groupsOf(by, [six], { order: 'key' })).map((row) => (row as unknown[])[0]);
  assert.deepEqual(await keys('prefix'), ['2001:db8:ffff:1::/64', '2001:db8:ffff:ff::/64']);
  assert.deepEqual(await keys('prefix/24,/56'), ['2001:db8:ffff::/56']);
  assert.deepEqual(await keys('prefix/0,0'), ['::/0']);
  assert.deepEqual(await keys('prefix/32,128'), ['2001:db8:ffff:1::1/128', '2001:db8:ffff:ff::1/128']);
});

test('wrong groups are refused', () => {
  for (const text of ['adress', 'port/16', 'prefix/33', 'prefix/24,/129', 'prefix/', 'prefix/x', '']) {
    assert.throws(() => parseGroupBy(text), { code: 'RHEO_USAGE', message: /--group-by/ }, text);
  }
});

test('what is not shown is added up', async () => {
  const groups = await groupsOf('address', TRAFFIC, { top: 2 });
  assert.equal(groups.otherCount, 3);
  assert.deepEqual([groups.other!.flows, groups.other!.bytes], [3, 900]);
  assert.equal((await groupsOf('address', TRAFFIC)).other, undefined);
});

test('memory is bounded, and nothing is lost by it', async () => {
  const records = Array.from(
    { length: 2000 },
    (_, k): TestRecord => ({
      a: `10.${k >> 8}.${k & 255}.1`,
      b: '192.0.2.1',
      protocol: 17,
      portA: k,
      portB: 53,
      octets: [1, 0],
    }),
  );
  const groups = await groupsOf('src', records, { limit: 300, top: 1000 });
  assert.equal(groups.shown.length, 300);
  assert.equal(groups.otherCount, undefined);
  assert.equal(groups.other!.flows, 1700);
  assert.equal(
    groups.shown.reduce((sum, group) => sum + group.bytes, groups.other!.bytes),
    2000,
  );
});

test('sums are those of a Map', async () => {
  const flow = fc.record({ x: fc.nat(40), y: fc.nat(40), bytes: fc.nat(1000), reverse: fc.nat(1000) });
  await fc.assert(
    fc.asyncProperty(fc.array(flow, { maxLength: 300 }), async (flows) => {
      const expected = new Map<string, number>();
      const records = flows.map(({ x, y, bytes, reverse }): TestRecord => {
        const a = `10.0.0.${x}`;
        expected.set(a, (expected.get(a) ?? 0) + bytes + reverse);
        return { a, b: `10.1.0.${y}`, protocol: 6, portA: 1, portB: 2, octets: [bytes, reverse] };
      });
      const groups = await groupsOf('src', records, { top: 1e6 });
      assert.deepEqual(new Map(groups.shown.map((group) => [String(group.key[0]), group.bytes])), expected);
    }),
  );
});
