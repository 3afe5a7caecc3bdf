import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ListValue, TimeValue, Value } from '../../src/codec/ipfix/value.js';
import { type DecodedMessage, type DecodedRecord, IpfixReader } from '../../src/codec/ipfix-read.js';
import { RheoError } from '../../src/core/errors.js';
import type { EncodeOptions, TimeUnit } from '../../src/export/encode/options.js';
import { createFeatures } from '../../src/meter/features/index.js';
import { elementLookup } from '../../src/model/elements-lookup.js';
import { DEFAULT_ENTERPRISE } from '../../src/model/elements-own.js';
import { readRecord } from '../../src/model/read-record.js';
import { PLAIN_LAYOUT, RecordBatch } from '../../src/model/record-batch.js';
import { encodeAll, encoderOf, INFO, START_MS } from '../support/encoding.js';
import { appendRecord, type TestRecord } from '../support/records.js';

const T = START_MS / 1000;
const NOW = START_MS + 60_000;

function batchWith(...records: TestRecord[]): RecordBatch {
  const batch = new RecordBatch(PLAIN_LAYOUT);
  for (const record of records) appendRecord(batch, record);
  return batch;
}

const TCP: TestRecord = {
  a: '10.0.0.1',
  b: '192.0.2.7',
  protocol: 6,
  portA: 51000,
  portB: 443,
  start: [T + 1, 1_365_999],
  last: [T + 12, 500_000_001],
  packets: [10, 8],
  octets: [1234, 43210],
  flagsA: 0x1b,
  flagsB: 0x12,
  reason: 3,
};

interface Read {
  messages: DecodedMessage[];
  /** Records of flows, by name of element. */
  flows: Record<string, Value>[];
  options: DecodedRecord[];
  reader: IpfixReader;
}

function named(record: DecodedRecord): Record<string, Value> {
  const entries: [string, Value][] = record.template.fields.map((field, k) => [
    field.info?.name ?? `${field.pen}/${field.id}`,
    record.values[k],
  ]);
  return Object.fromEntries(entries);
}

function readAll(messages: readonly Uint8Array[], enterprise = DEFAULT_ENTERPRISE): Read {
  const reader = new IpfixReader({ lookup: elementLookup(enterprise) });
  const read: Read = { messages: [], flows: [], options: [], reader };
  for (const bytes of messages) {
    const message = reader.read(bytes);
    assert.ok(message);
    read.messages.push(message);
    for (const record of message.records) {
      if (record.template.scopes > 0) read.options.push(record);
      else read.flows.push(named(record));
    }
  }
  assert.deepEqual(reader.damage, {});
  return read;
}

function roundTrip(batch: RecordBatch, options: Partial<EncodeOptions> = {}): Read {
  return readAll(encodeAll(encoderOf('ipfix', options), [batch], NOW).messages);
}

function addressText(value: Value): string {
  return [...(value as Uint8Array)].join('.');
}

describe('IPFIX: records', () => {
  it('holds a biflow with the reverse elements of RFC 5103', () => {
    const [flow] = roundTrip(batchWith(TCP)).flows;
    assert.equal(addressText(flow.sourceIPv4Address), '10.0.0.1');
    assert.equal(addressText(flow.destinationIPv4Address), '192.0.2.7');
    assert.equal(flow.sourceTransportPort, 51000);
    assert.equal(flow.destinationTransportPort, 443);
    assert.equal(flow.protocolIdentifier, 6);
    assert.equal(flow.ipVersion, 4);
    assert.equal(flow.packetDeltaCount, 10);
    assert.equal(flow.octetDeltaCount, 1234);
    assert.equal(flow.reversePacketDeltaCount, 8);
    assert.equal(flow.reverseOctetDeltaCount, 43210);
    assert.equal(flow.tcpControlBits, 0x1b);
    assert.equal(flow.reverseTcpControlBits, 0x12);
    assert.equal(flow.flowEndReason, 3);
    assert.equal(flow.biflowDirection, 1);
    assert.equal(flow.ingressInterface, 1);
    assert.equal(flow.flowFragmented, false);
    assert.deepEqual(flow.flowStartMilliseconds, { seconds: T + 1, nanos: 1_000_000 });
    assert.deepEqual(flow.flowEndMilliseconds, { seconds: T + 12, nanos: 500_000_000 });
  });

  it('turns a biflow round whose initiator is B', () => {
    const [flow] = roundTrip(batchWith({ ...TCP, initiatorB: true })).flows;
    assert.equal(addressText(flow.sourceIPv4Address), '192.0.2.7');
    assert.equal(flow.sourceTransportPort, 443);
    assert.equal(flow.packetDeltaCount, 8);
    assert.equal(flow.reversePacketDeltaCount, 10);
    assert.equal(flow.tcpControlBits, 0x12);
  });

  it('tells TCP flags in one byte, and in two where the ninth is set', () => {
    const { flows, messages } = roundTrip(batchWith(TCP, { ...TCP, flagsA: 0x102, flagsB: 0x1ff }));
    assert.deepEqual(
      flows.map((flow) => [flow.tcpControlBits, flow.reverseTcpControlBits]),
      [
        [0x1b, 0x12],
        [0x102, 0x1ff],
      ],
    );
    const lengths = messages
      .flatMap((message) => message.records)
      .filter(({ template }) => template.scopes === 0)
      .map(({ template }) => template.fields.find((field) => field.pen === 0 && field.id === 6)?.length);
    assert.deepEqual(lengths, [1, 2]);
  });

  it('leaves the reverse elements out where nobody answered', () => {
    const [flow] = roundTrip(batchWith({ ...TCP, packets: [10, 0], octets: [1234, 0] })).flows;
    assert.ok(!('reversePacketDeltaCount' in flow));
    assert.ok(!('biflowDirection' in flow));
  });

  it('makes two records of a biflow with biflow=no, and one where only one side was seen', () => {
    const batch = batchWith(TCP, { ...TCP, packets: [0, 8], octets: [0, 43210] });
    const { flows } = roundTrip(batch, { biflow: false });
    assert.deepEqual(
      flows.map((flow) => [addressText(flow.sourceIPv4Address), flow.packetDeltaCount, flow.tcpControlBits]),
      [
        ['10.0.0.1', 10, 0x1b],
        ['192.0.2.7', 8, 0x12],
        ['192.0.2.7', 8, 0x12],
      ],
    );
  });

  it('has templates for what records have: ports, ICMP, SPI, nothing, both IP versions', () => {
    const { flows } = roundTrip(
      batchWith(
        { a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 8, code: 0 }, packets: [1, 1] },
        { a: '2001:db8::1', b: '2001:db8::2', protocol: 58, icmp: { type: 128, code: 0 } },
        { a: '2001:db8::1', b: '2001:db8::2', protocol: 50, spi: 0xdeadbeef },
        { a: '10.0.0.1', b: '10.0.0.2', protocol: 47 },
      ),
    );
    assert.equal(flows[0].icmpTypeCodeIPv4, 0x800);
    assert.equal(flows[1].icmpTypeCodeIPv6, 0x8000);
    assert.equal(flows[2].IPSecSPI, 0xdeadbeef);
    for (const flow of flows) assert.ok(!('sourceTransportPort' in flow) && !('tcpControlBits' in flow));
    assert.equal((flows[1].sourceIPv6Address as Uint8Array).length, 16);
  });

  it('tells the type of the answers in the record of the other direction', () => {
    const { flows } = roundTrip(
      batchWith({ a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 8, code: 0 }, packets: [1, 1] }),
      { biflow: false },
    );
    assert.deepEqual(
      flows.map((flow) => flow.icmpTypeCodeIPv4),
      [0x800, 0],
    );
  });

  it('keeps counters exact past 2^53', () => {
    const values = [0n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n];
    const batch = batchWith(
      ...values.map((value): TestRecord => ({ ...TCP, packets: [1, 1], octets: [value, value] })),
    );
    const { flows } = roundTrip(batch);
    assert.deepEqual(
      flows.map((flow) => [BigInt(flow.octetDeltaCount as number), BigInt(flow.reverseOctetDeltaCount as number)]),
      values.map((value) => [value, value]),
    );
  });

  it('tells times in each unit, cut off and never rounded up', () => {
    const cases: [TimeUnit, number, string][] = [
      ['s', 0, 'Seconds'],
      ['ms', 1_000_000, 'Milliseconds'],
      ['us', 1_365_000, 'Microseconds'],
      ['ns', 1_365_999, 'Nanoseconds'],
    ];
    for (const [time, nanos, name] of cases) {
      const [flow] = roundTrip(batchWith(TCP), { time }).flows;
      assert.deepEqual(flow[`flowStart${name}`], { seconds: T + 1, nanos }, time);
    }
  });

  it('keeps every nanosecond and microsecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), fc.integer({ min: 0, max: 2 ** 31 }), (nanos, seconds) => {
        const batch = batchWith({ ...TCP, start: [seconds, nanos], last: [seconds, nanos] });
        const exact = roundTrip(batch, { time: 'ns' }).flows[0].flowStartNanoseconds as TimeValue;
        assert.deepEqual(exact, { seconds, nanos });
        const micros = roundTrip(batch, { time: 'us' }).flows[0].flowStartMicroseconds as TimeValue;
        assert.deepEqual(micros, { seconds, nanos: Math.floor(nanos / 1000) * 1000 });
      }),
      { numRuns: 200 },
    );
  });

  it('masks what microsecond times do not mean (RFC 7011 6.1.9)', () => {
    const { messages } = encodeAll(encoderOf('ipfix', { time: 'us', fields: ['start'] }), [batchWith(TCP)], NOW);
    const data = messages.at(-1)!;
    // A set of one record: 4 bytes of set header, 8 of the time, 1 of the direction.
    const at = data.length - 9;
    assert.equal(new DataView(data.buffer, data.byteOffset).getUint32(at + 4) & 2047, 0);
  });

  it('agrees with what JSON says of the same record, whatever the record', () => {
    const record = fc.record({
      ipv6: fc.boolean(),
      initiatorB: fc.boolean(),
      protocol: fc.constantFrom(6, 17, 132),
      portA: fc.integer({ min: 0, max: 65535 }),
      portB: fc.integer({ min: 0, max: 65535 }),
      packets: fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      octets: fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      flagsA: fc.integer({ min: 0, max: 511 }),
      reason: fc.integer({ min: 1, max: 5 }),
      nanos: fc.integer({ min: 0, max: 999_999_999 }),
    });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 600, max: 9000 }),
        (list, size) => {
          const batch = batchWith(
            ...list.map(
              ({ ipv6, nanos, ...rest }): TestRecord => ({
                a: ipv6 ? '2001:db8::1' : '10.0.0.1',
                b: ipv6 ? '2001:db8::ffff:2' : '10.0.0.2',
                start: [T, nanos],
                last: [T + 1, nanos],
                ...rest,
              }),
            ),
          );
          const { flows } = roundTrip(batch, { time: 'ns', maxMessageBytes: size });
          assert.equal(flows.length, list.length);
          for (let k = 0; k < list.length; k++) {
            const json = readRecord(batch, k, []);
            const flow = flows[k];
            assert.equal(flow.sourceTransportPort, json.srcPort);
            assert.equal(flow.destinationTransportPort, json.dstPort);
            assert.equal(BigInt(flow.octetDeltaCount as number), BigInt(json.bytes));
            assert.equal(BigInt(flow.packetDeltaCount as number), BigInt(json.packets));
            assert.equal(
              BigInt((flow.reverseOctetDeltaCount as number) ?? 0),
              BigInt(flow.biflowDirection ? json.reverseBytes : 0),
            );
            const id = flow.flowId as number | bigint;
            assert.equal(BigInt(id).toString(16).padStart(16, '0'), json.id);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('IPFIX: messages', () => {
  it('counts data records sent before the message, of each observation domain', () => {
    const batch = batchWith(...new Array<TestRecord>(200).fill(TCP));
    const encoder = encoderOf('ipfix', { observationDomain: 7 });
    const { messages, records, dataRecords } = encodeAll(encoder, [batch], NOW, INFO);
    const read = readAll(messages);
    const next = new Map<number, number>();
    for (const message of read.messages) {
      assert.equal(message.sequence, next.get(message.domain) ?? 0);
      next.set(message.domain, message.sequence + message.records.length);
    }
    assert.deepEqual([...next.keys()], [0, 7]);
    assert.equal(records, 200);
    assert.equal(dataRecords, read.flows.length + read.options.length);
    assert.equal(read.flows.length, 200);
  });

  it('never makes a message longer than it may be, at any size', () => {
    const batch = batchWith(TCP, { ...TCP, a: '2001:db8::1', b: '2001:db8::2' }, TCP, TCP, TCP, TCP, TCP, TCP);
    for (let size = 512; size < 1100; size += 7) {
      const encoder = encoderOf('ipfix', { maxMessageBytes: size });
      const { messages, records } = encodeAll(encoder, [batch], NOW, INFO);
      for (const message of messages) assert.ok(message.length <= size);
      assert.equal(records, 8, `${size}`);
      assert.equal(readAll(messages).flows.length, 8);
    }
  });

  it('refuses a record whose template fits into no message', () => {
    const { fields } = createFeatures('all');
    const encoder = encoderOf('ipfix', { maxMessageBytes: 512 }, { fields });
    const { records } = encodeAll(encoder, [batchWith(TCP)], NOW);
    assert.equal(records, 0);
    assert.deepEqual(encoder.refused, { tooLarge: 1 });
  });

  it('sends all templates again when asked, and nothing before them', () => {
    const encoder = encoderOf('ipfix');
    const batch = batchWith(TCP, { a: '10.0.0.1', b: '10.0.0.2', protocol: 50, spi: 5 });
    const first = encodeAll(encoder, [batch], NOW);
    const again = encodeAll(encoder, [batch], NOW, INFO);
    // A collector that came late reads everything from then on.
    const late = readAll(again.messages);
    assert.equal(late.flows.length, 2);
    assert.equal(first.records + again.records, 4);
    assert.equal(late.messages.find((message) => message.domain === 1)!.sequence, first.dataRecords);
  });

  it('begins anew after reset', () => {
    const encoder = encoderOf('ipfix');
    encodeAll(encoder, [batchWith(TCP)], NOW);
    encoder.reset();
    const { messages } = encodeAll(encoder, [batchWith(TCP)], NOW);
    const read = readAll(messages);
    assert.equal(read.flows.length, 1);
    assert.equal(read.messages[0].sequence, 0);
  });

  it('withdraws templates', () => {
    const encoder = encoderOf('ipfix', { reliable: true });
    const { messages } = encodeAll(encoder, [batchWith(TCP)], NOW, INFO);
    const { reader } = readAll(messages);
    const known = reader.templates;
    assert.ok(known > 0);
    encoder.withdraw();
    encoder.begin(NOW);
    reader.read(encoder.finish().bytes);
    // Those of domain 0, which tells of the exporter, stay.
    assert.ok(reader.templates < known);
    // What is sent next brings its template along.
    const after = encodeAll(encoder, [batchWith(TCP)], NOW);
    for (const bytes of after.messages) reader.read(bytes);
    assert.deepEqual(reader.damage, {});
  });

  it('is exact to the byte', () => {
    const encoder = encoderOf('ipfix', { fields: ['srcPort', 'packets'], observationDomain: 9, biflow: false });
    const batch = batchWith({ ...TCP, packets: [2, 0] });
    encodeAll(encoder, [batch], NOW);
    const { messages } = encodeAll(encoder, [batch], NOW);
    assert.equal(
      Buffer.from(messages[0]).toString('hex'),
      // Version 10, 30 bytes, export time, 9 records before (8 of options), domain 9; set 300 of 14 bytes; port, counter.
      `000a001e${(NOW / 1000).toString(16)}0000000900000009012c000ec7380000000000000002`,
    );
  });
});

describe('IPFIX: options', () => {
  const { options } = readAll(encodeAll(encoderOf('ipfix'), [batchWith(TCP)], NOW, INFO).messages);
  const all = options.map(named);
  const with_ = (name: string): Record<string, Value>[] => all.filter((record) => name in record);

  it('tell what was exported and what was lost', () => {
    assert.deepEqual(with_('exportedOctetTotalCount'), [
      {
        observationDomainId: 1,
        exportedMessageTotalCount: 5,
        exportedFlowRecordTotalCount: 50,
        exportedOctetTotalCount: 5000,
      },
    ]);
    assert.deepEqual(with_('ignoredPacketTotalCount'), [
      { meteringProcessId: 1, ignoredPacketTotalCount: 7, ignoredOctetTotalCount: 700 },
    ]);
    assert.deepEqual(with_('notSentFlowTotalCount'), [
      { exportingProcessId: 1, notSentFlowTotalCount: 3, notSentPacketTotalCount: 30, notSentOctetTotalCount: 3000 },
    ]);
  });

  it('tell how packets were sampled', () => {
    assert.deepEqual(with_('selectorAlgorithm'), [
      {
        selectorId: 1,
        selectorAlgorithm: 1,
        samplingPacketInterval: 1,
        samplingPacketSpace: 99,
        samplingProbability: 0.01,
      },
    ]);
    const hash = encodeAll(encoderOf('ipfix'), [], NOW, { ...INFO, sampling: { mode: 'hash', n: 16 } });
    const [record] = readAll(hash.messages)
      .options.map(named)
      .filter((one) => 'flowSelectorAlgorithm' in one);
    assert.deepEqual(record, {
      selectorId: 1,
      flowSelectorAlgorithm: 6,
      samplingFlowInterval: 1,
      samplingFlowSpacing: 15,
    });
  });

  it('name interfaces by the numbers that records carry', () => {
    assert.deepEqual(
      with_('interfaceName').map((one) => [one.ingressInterface, one.interfaceName, one.interfaceDescription]),
      [
        [1, 'eth0', 'to the world'],
        [2, 'eth1', ''],
      ],
    );
  });

  it('tell the flow key of each template', () => {
    const keys = with_('flowKeyIndicator');
    assert.equal(keys.length, 16);
    // IPv4, TCP: times, then addresses, ports and protocol.
    assert.deepEqual(keys[0], { templateId: 300, flowKeyIndicator: 0b1111100 });
  });

  it('tell the types of our own elements (RFC 5610)', () => {
    const types = with_('informationElementDataType');
    const fragmented = types.find((one) => one.informationElementName === 'flowFragmented');
    assert.equal(fragmented?.privateEnterpriseNumber, DEFAULT_ENTERPRISE);
    assert.equal(fragmented?.informationElementDataType, 11);
  });
});

describe('IPFIX: fields', () => {
  it('takes members, elements and profiles, in order', () => {
    const [flow] = roundTrip(batchWith(TCP), { fields: ['dstPort', 'octetDeltaCount', 'src'] }).flows;
    assert.deepEqual(Object.keys(flow), [
      'destinationTransportPort',
      'reverseOctetDeltaCount',
      'octetDeltaCount',
      'sourceIPv4Address',
      'biflowDirection',
    ]);
    assert.ok('communityId' in roundTrip(batchWith(TCP), { fields: ['security'] }).flows[0]);
    assert.ok(!('communityId' in roundTrip(batchWith(TCP), { fields: ['full'] }).flows[0]));
    assert.ok(!('flowId' in roundTrip(batchWith(TCP), { fields: ['basic'] }).flows[0]));
  });

  it('sends the Community ID that JSON has', () => {
    const batch = batchWith(TCP);
    const [flow] = roundTrip(batch, { fields: ['communityId'] }).flows;
    assert.equal(flow.communityId, readRecord(batch, 0, []).communityId);
  });

  it('names what there is when a field is not known', () => {
    assert.throws(
      () => encoderOf('ipfix', { fields: ['source'] }),
      (error: unknown) =>
        error instanceof RheoError && /'source'/.test(error.message) && /srcPort/.test(error.remedy ?? ''),
    );
  });

  it('sends our own elements under another enterprise number', () => {
    const { messages } = encodeAll(encoderOf('ipfix', { enterprise: 4242 }), [batchWith(TCP)], NOW);
    assert.equal(readAll(messages, 4242).flows[0].flowFragmented, false);
  });

  it('carries VLAN stacks and keys: two fields, and a list of more', () => {
    const layout = { ...PLAIN_LAYOUT, stride: 40, keyParts: ['vlan', 'tos'] };
    const batch = new RecordBatch(layout);
    // Ids are stored plus one.
    appendRecord(batch, { ...TCP, key: [(101 << 16) | 202, 0xb8] });
    appendRecord(batch, { ...TCP, key: [101 << 16, 0] });
    appendRecord(batch, { ...TCP, key: [0, 0] });
    const { flows } = roundTrip(batch);
    assert.deepEqual(
      flows.map((flow) => [flow.vlanId, flow.dot1qVlanId, flow.dot1qCustomerVlanId, flow.ipClassOfService]),
      [
        [100, 100, 201, 0xb8],
        [100, 100, undefined, 0],
        [undefined, undefined, undefined, 0],
      ],
    );
  });

  it('carries lists as basicList (RFC 6313) and every other kind of value', () => {
    const field = (
      name: string,
      type: 'number' | 'list' | 'string' | 'object',
      read: () => unknown,
      element?: [string, string],
    ) => ({
      name,
      description: name,
      type,
      read,
      ...(element && { element: { name: element[0], id: element[1] } }),
    });
    const fields = [
      field('vlan', 'list', () => [1, 2, 3], ['dot1qVlanId', '243']),
      field('payloadLengths', 'list', () => [1460, 12, 65535]),
      field('reversePayloadLengths', 'list', () => undefined),
      field('slotBytes', 'list', () => [2 ** 40 + 1]),
      field('payloadEntropy', 'number', () => 7.5),
      field('payloadStart', 'string', () => '16030100'),
      field('srcMac', 'string', () => '02:00:00:00:00:01', ['sourceMacAddress', '56']),
      field('dstMac', 'string', () => '02:00:00:00:00:02', ['destinationMacAddress', '80']),
      field('serverRoundTrip', 'number', () => 1234.567),
      field('mpls', 'number', () => 0xabcde, ['mplsTopLabelStackSection', '70']),
      field('tcpOptions', 'list', () => ['mss', 'exp2', '61'], ['tcpOptionsFull', '520']),
      field('tunnel', 'object', () => ({ type: 'vxlan', id: 77 })),
      field('interfaceName', 'string', () => 'eth0', ['interfaceName', '82']),
    ];
    const encoder = encoderOf('ipfix', { biflow: false }, { fields });
    const { flows } = readAll(encodeAll(encoder, [batchWith(TCP)], NOW, INFO).messages);
    const [flow, back] = flows;
    assert.deepEqual((flow.basicList as ListValue).values, [1, 2, 3]);
    assert.deepEqual((flow.payloadLengthList as ListValue).values, [1460, 12, 65535]);
    assert.deepEqual((back.payloadLengthList as ListValue).values, []);
    assert.deepEqual((flow.slotOctetsList as ListValue).values, [2 ** 40 + 1]);
    assert.equal(flow.payloadEntropy, 7.5);
    assert.equal(Buffer.from(flow.payloadStart as Uint8Array).toString('hex'), '16030100');
    assert.equal(addressText(flow.sourceMacAddress), '2.0.0.0.0.1');
    assert.equal(addressText(back.sourceMacAddress), '2.0.0.0.0.2');
    assert.equal(flow.serverRoundTripTime, 1_234_567);
    assert.equal(Buffer.from(flow.mplsTopLabelStackSection as Uint8Array).toString('hex'), 'abcde0');
    const bits = flow.tcpOptionsFull as Uint8Array;
    assert.equal(BigInt(`0x${Buffer.from(bits).toString('hex')}`), 2n ** 2n + 2n ** 254n + 2n ** 61n);
    assert.equal(flow.tunnelType, 'vxlan');
    assert.equal(flow.tunnelId, 77);
    assert.equal(flow.interfaceName, 'eth0');
  });
});
