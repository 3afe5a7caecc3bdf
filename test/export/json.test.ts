import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonWriter } from '../../src/export/json.js';
import { selectMembers } from '../../src/export/select.js';
import type { RecordField } from '../../src/model/hook.js';
import { readMembers, readRecord, recordMembers } from '../../src/model/read-record.js';
import { QUOTE_WORDS, RecordBatch, type RecordLayout } from '../../src/model/record-batch.js';
import { EndReason, ROW_WORDS, Row, State } from '../../src/model/row.js';
import { KeyKind } from '../../src/packet/key.js';
import { collector } from '../support/collector.js';
import { addressWords, batchOf, DESIGN_RECORD, type TestRecord } from '../support/records.js';

function jsonOf(batch: RecordBatch, fields: readonly RecordField[] = [], names?: readonly string[]): string {
  const { output, text } = collector();
  const members = selectMembers(recordMembers(batch.layout.keyParts, fields), names);
  const writer = new JsonWriter(output, members);
  writer.write(batch);
  return text();
}

test('a TCP connection is written as the design shows it', () => {
  assert.equal(
    jsonOf(batchOf([DESIGN_RECORD])),
    '{"id":"7c3bfb9d894e8a29","start":"2024-01-01T00:00:00.001365000Z","end":"2024-01-01T00:00:12.500000000Z",' +
      '"duration":12.498635,"src":"10.0.0.1","srcPort":51000,"dst":"192.0.2.7","dstPort":443,"proto":"tcp",' +
      '"packets":10,"bytes":1234,"reversePackets":8,"reverseBytes":43210,"tcpFlags":"FSPA","reverseTcpFlags":"FSPA",' +
      '"endReason":"end","communityId":"1:K5s7V+4fIWYmlCzcRtOao8EFaQ0="}\n',
  );
});

test('the initiator is src, whichever endpoint it is', () => {
  const record = JSON.parse(jsonOf(batchOf([{ ...DESIGN_RECORD, initiatorB: true, flagsA: 0x12, flagsB: 0x02 }])));
  assert.equal(record.src, '192.0.2.7');
  assert.equal(record.srcPort, 443);
  assert.equal(record.dst, '10.0.0.1');
  assert.equal(record.dstPort, 51000);
  assert.equal(record.packets, 8);
  assert.equal(record.reverseBytes, 1234);
  assert.equal(record.tcpFlags, 'S');
  assert.equal(record.reverseTcpFlags, 'SA');
});

test('absent is absent', () => {
  const oneWay = JSON.parse(jsonOf(batchOf([{ a: '10.0.0.1', b: '10.0.0.2', protocol: 6, portA: 1, portB: 2 }])));
  assert.equal(oneWay.tcpFlags, '');
  assert.ok(!('reverseTcpFlags' in oneWay));
  const udp = JSON.parse(jsonOf(batchOf([{ a: 'fe80::1', b: 'ff02::fb', protocol: 17, portA: 5353, portB: 5353 }])));
  for (const name of ['tcpFlags', 'icmp', 'spi', 'fragmented', 'icmpErrors', 'about', 'sampling', 'vlan']) {
    assert.ok(!(name in udp), name);
  }
  const other = JSON.parse(jsonOf(batchOf([{ a: '10.0.0.1', b: '10.0.0.2', protocol: 253 }])));
  assert.equal(other.proto, '253');
  assert.ok(!('srcPort' in other) && !('dstPort' in other));
  const any = JSON.parse(jsonOf(batchOf([{ a: '10.0.0.1', b: '10.0.0.2', protocol: 0, kind: KeyKind.anyProtocol }])));
  assert.ok(!('proto' in any) && !('communityId' in any));
});

test('ICMP, security parameter index and fragments have their members', () => {
  const echo: TestRecord = { a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 8, code: 0 } };
  assert.deepEqual(JSON.parse(jsonOf(batchOf([echo]))).icmp, { type: 8, code: 0 });
  const reply = { ...echo, state: State.icmpReply };
  assert.deepEqual(JSON.parse(jsonOf(batchOf([reply]))).icmp, { type: 0, code: 0 });
  const esp = JSON.parse(jsonOf(batchOf([{ a: '10.0.0.1', b: '10.0.0.2', protocol: 50, spi: 0xdeadbeef }])));
  assert.equal(esp.spi, 0xdeadbeef);
  assert.equal(esp.proto, 'esp');
  const orphan: TestRecord = {
    a: '10.0.0.1',
    b: '10.0.0.2',
    protocol: 6,
    kind: KeyKind.orphanFragments,
    state: State.fragmented,
    icmpErrors: 3,
  };
  const fragments = JSON.parse(jsonOf(batchOf([orphan])));
  assert.equal(fragments.fragmented, true);
  assert.equal(fragments.icmpErrors, 3);
  assert.ok(!('tcpFlags' in fragments));
});

test('an ICMP error says what it is about', () => {
  const batch = batchOf([{ a: '10.0.0.1', b: '10.0.0.9', protocol: 1, icmp: { type: 3, code: 3 } }]);
  const key = new Int32Array(QUOTE_WORDS);
  key.set(addressWords('10.0.0.1'), Row.a);
  key.set(addressWords('192.0.2.7'), Row.b);
  key[Row.ports] = (4000 << 16) | 53;
  key[Row.meta] = 17 | (4 << 8) | KeyKind.ports;
  batch.quoted.set(0, key);
  assert.deepEqual(JSON.parse(jsonOf(batch)).about, {
    src: '10.0.0.1',
    srcPort: 4000,
    dst: '192.0.2.7',
    dstPort: 53,
    proto: 'udp',
  });
});

test('counters are exact beyond 2^53', () => {
  const big = 2n ** 63n + 12345n;
  for (const value of [
    0n,
    9n,
    10n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    big,
    2n ** 64n - 1n,
  ]) {
    const batch = batchOf([{ ...DESIGN_RECORD, octets: [value, 0] }]);
    assert.match(jsonOf(batch), new RegExp(`"bytes":${value},`));
    assert.equal(readRecord(batch, 0, []).bytes.toString(), value.toString());
  }
});

test('durations are exact, and never negative', () => {
  const duration = (start: [number, number], last: [number, number]): string =>
    /"duration":([^,]*),/.exec(jsonOf(batchOf([{ ...DESIGN_RECORD, start, last }])))![1];
  assert.equal(duration([100, 0], [100, 0]), '0');
  assert.equal(duration([100, 999_999_999], [101, 0]), '0.000000001');
  assert.equal(duration([100, 5], [4_294_967_295, 6]), '4294967195.000000001');
  assert.equal(duration([100, 100_000_000], [102, 200_000_000]), '2.1');
  assert.equal(duration([100, 5], [100, 4]), '0');
  assert.equal(duration([101, 0], [100, 4]), '0');
});

test('parts of the key are members', () => {
  const layout: RecordLayout = {
    stride: ROW_WORDS + 8,
    keyOffset: ROW_WORDS,
    keyParts: ['vlan', 'mac', 'mpls', 'tunnel', 'dscp'],
    side: {},
  };
  const key = [(101 << 16) | 203, 0x00112233, 0x4455aabb, 0xccddeeff | 0, 17, 5, 77, 46];
  const record = JSON.parse(jsonOf(batchOf([{ ...DESIGN_RECORD, key }], layout)));
  assert.deepEqual(record.vlan, [100, 202]);
  assert.equal(record.srcMac, '00:11:22:33:44:55');
  assert.equal(record.dstMac, 'aa:bb:cc:dd:ee:ff');
  assert.equal(record.mplsLabel, 16);
  assert.deepEqual(record.tunnel, { type: 'vxlan', id: 77 });
  assert.equal(record.dscp, 46);
  const other = batchOf([{ ...DESIGN_RECORD, initiatorB: true, key: [0, 0, 0, 0, 0, 0, 0, 0] }], layout);
  const none = JSON.parse(jsonOf(other));
  for (const name of ['vlan', 'srcMac', 'dstMac', 'mplsLabel', 'tunnel']) assert.ok(!(name in none), name);
  assert.equal(none.dscp, 0);
});

const odd: RecordField = {
  name: 'odd "name"',
  description: 'text with everything in it',
  type: 'object',
  read: (batch, index) => ({
    text: `é"\n\\${index}`,
    big: 2n ** 64n,
    list: [1, 2.5],
    missing: undefined,
    n: batch.count,
  }),
};
const sometimes: RecordField = {
  name: 'sometimes',
  description: 'odd records only',
  type: 'number',
  read: (_batch, index) => (index % 2 === 1 ? index : undefined),
};

test('features are written as JSON, big integers as digits', () => {
  const lines = jsonOf(batchOf([DESIGN_RECORD, DESIGN_RECORD]), [odd, sometimes])
    .trimEnd()
    .split('\n');
  assert.match(
    lines[0],
    /"odd \\"name\\"":\{"text":"é\\"\\n\\\\0","big":18446744073709551616,"list":\[1,2.5\],"n":2\}\}$/,
  );
  assert.ok(!lines[0].includes('sometimes'));
  assert.ok(lines[1].endsWith('"sometimes":1}'));
});

test('fields are selected and ordered; a feature that is long makes the buffer grow', () => {
  const long: RecordField = { name: 'long', description: '', type: 'string', read: () => 'ü'.repeat(500_000) };
  assert.equal(jsonOf(batchOf([DESIGN_RECORD]), [], ['dst', 'icmp', 'src']), '{"dst":"192.0.2.7","src":"10.0.0.1"}\n');
  const record = JSON.parse(jsonOf(batchOf([DESIGN_RECORD]), [long], ['long', 'proto']));
  assert.equal(record.long.length, 500_000);
  assert.equal(record.proto, 'tcp');
  assert.throws(() => jsonOf(batchOf([DESIGN_RECORD]), [], ['nothing']), {
    code: 'RHEO_USAGE',
    message: /'nothing'/,
    remedy: /id, start, end, duration/,
  });
});

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test('what is written parses to what readRecord reads, for any words', () => {
  const nanos = fc.nat(999_999_999);
  fc.assert(
    fc.property(
      fc.array(word, { minLength: ROW_WORDS, maxLength: ROW_WORDS }),
      nanos,
      nanos,
      fc.boolean(),
      (row, n1, n2, v6) => {
        const batch = new RecordBatch({ stride: ROW_WORDS, keyOffset: ROW_WORDS, keyParts: [], side: {} });
        batch.words.set(row);
        batch.words[Row.startNanos] = n1;
        batch.words[Row.lastNanos] = n2;
        // Counters below 2^53, for JSON.parse; others have a test of their own.
        for (const high of [Row.packetsA, Row.packetsB, Row.octetsA, Row.octetsB]) batch.words[high + 1] &= 0x1fffff;
        batch.words[Row.meta] = (batch.words[Row.meta] & ~0xff00) | ((v6 ? 6 : 4) << 8);
        batch.count = 1;
        const parsed = JSON.parse(jsonOf(batch));
        assert.deepEqual(parsed, readRecord(batch, 0, []));
        assert.deepEqual(Object.keys(parsed), Object.keys(readMembers(batch, 0, recordMembers([], []))));
      },
    ),
    { numRuns: 300 },
  );
});

test('end reasons have their names', () => {
  const reasons = Object.entries(EndReason).map(([name, reason]) => {
    assert.equal(JSON.parse(jsonOf(batchOf([{ ...DESIGN_RECORD, reason }]))).endReason, name);
    return name;
  });
  assert.deepEqual(reasons, ['idle', 'active', 'end', 'forced', 'resources', 'deleted']);
});

test('sampling is said in every record', () => {
  const { output, text } = collector();
  const format = { sampling: { mode: 'count' as const, n: 100, scale: false } };
  new JsonWriter(output, recordMembers([], [], format), format).write(batchOf([DESIGN_RECORD]));
  assert.deepEqual(JSON.parse(text()).sampling, { mode: 'count', n: 100, scaled: false });
});
