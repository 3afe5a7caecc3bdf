import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Value } from '../../src/codec/ipfix/value.js';
import type { DecodedMessage, DecodedRecord } from '../../src/codec/ipfix-read.js';
import { NETFLOW9_SCOPE_PEN, NetFlow9Reader } from '../../src/codec/netflow9-read.js';
import { elementLookup } from '../../src/model/elements-lookup.js';
import { DEFAULT_ENTERPRISE } from '../../src/model/elements-own.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { encodeAll, encoderOf, INFO, START_MS } from '../support/encoding.js';
import { batchOf, type TestRecord } from '../support/records.js';

const T = START_MS / 1000;
const NOW = START_MS + 60_250;
const DAY = 86_400;

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
};

function named(record: DecodedRecord): Record<string, Value> {
  return Object.fromEntries(
    record.template.fields.map((field, k) => [field.info?.name ?? `${field.pen}/${field.id}`, record.values[k]]),
  );
}

function readAll(messages: readonly Uint8Array[]): { messages: DecodedMessage[]; records: DecodedRecord[] } {
  const reader = new NetFlow9Reader({ lookup: elementLookup(DEFAULT_ENTERPRISE) });
  const read = messages.map((bytes) => {
    assert.equal(bytes.length % 4, 0, 'sets are padded');
    const message = reader.read(bytes);
    assert.ok(message);
    assert.equal(message.count, message.records.length + message.templates.length);
    return message;
  });
  assert.deepEqual(reader.damage, {});
  return { messages: read, records: read.flatMap((message) => message.records) };
}

/** Times of the flows as a collector works them out: header's time − uptime is boot. */
function flowTimes(messages: readonly DecodedMessage[]): [startMs: number, endMs: number][] {
  return messages.flatMap(({ exportSeconds, uptimeMs, records }) => {
    const boot = exportSeconds * 1000 - (uptimeMs ?? 0);
    return records.map((record): [number, number] => {
      const flow = named(record);
      assert.ok((flow.flowEndSysUpTime as number) <= uptimeMs!, 'no flow ends after the header');
      return [boot + (flow.flowStartSysUpTime as number), boot + (flow.flowEndSysUpTime as number)];
    });
  });
}

function times(batch: RecordBatch, nowMs: number, startedMs = START_MS): [number, number][] {
  const { messages } = encodeAll(encoderOf('netflow9', { fields: ['start', 'end'] }, { startedMs }), [batch], nowMs);
  return flowTimes(readAll(messages).messages);
}

describe('NetFlow v9', () => {
  it('holds two records a biflow, without enterprises and variable lengths', () => {
    const { messages } = encodeAll(encoderOf('netflow9'), [batchOf([TCP])], NOW);
    const { records } = readAll(messages);
    assert.equal(records.length, 2);
    const [there, back] = records.map(named);
    assert.deepEqual([...(there.sourceIPv4Address as Uint8Array)], [10, 0, 0, 1]);
    assert.deepEqual([...(back.sourceIPv4Address as Uint8Array)], [192, 0, 2, 7]);
    assert.deepEqual([there.packetDeltaCount, there.octetDeltaCount, there.tcpControlBits], [10, 1234, 0x1b]);
    assert.deepEqual([back.packetDeltaCount, back.octetDeltaCount, back.tcpControlBits], [8, 43210, 0x12]);
    assert.equal(back.sourceTransportPort, 443);
    for (const { template } of records)
      for (const { pen, length } of template.fields) assert.ok(pen === 0 && length <= 16);
  });

  it('counts messages', () => {
    const batch = batchOf(new Array<TestRecord>(100).fill(TCP));
    const { messages } = encodeAll(encoderOf('netflow9'), [batch], NOW, INFO);
    const read = readAll(messages).messages;
    assert.ok(read.length > 3);
    assert.deepEqual(
      read.map((message) => message.sequence),
      read.map((_, k) => k),
    );
  });

  it('sends each direction once, whatever the place where a message ends', () => {
    const batch = batchOf(Array.from({ length: 60 }, (_, k) => ({ ...TCP, octets: [1000 + k, 2000 + k] })));
    for (let size = 512; size < 700; size += 12) {
      const { messages, records, dataRecords } = encodeAll(
        encoderOf('netflow9', { maxMessageBytes: size }),
        [batch],
        NOW,
      );
      assert.equal(records, 60);
      assert.equal(dataRecords, 120);
      assert.deepEqual(
        readAll(messages).records.map((record) => named(record).octetDeltaCount),
        Array.from({ length: 120 }, (_, k) => ((k & 1) === 0 ? 1000 : 2000) + (k >> 1)),
      );
    }
  });

  it('tells sampling and interfaces', () => {
    const { records } = readAll(encodeAll(encoderOf('netflow9'), [], NOW, INFO).messages);
    const [sampling, first, second] = records.map(named);
    assert.deepEqual(sampling, {
      [`${NETFLOW9_SCOPE_PEN}/1`]: Uint8Array.of(0, 0, 0, 0),
      samplingInterval: 100,
      samplingAlgorithm: 1,
    });
    assert.equal(first.interfaceName, 'eth0');
    assert.equal(first.interfaceDescription, 'to the world');
    assert.deepEqual(second[`${NETFLOW9_SCOPE_PEN}/2`], Uint8Array.of(0, 0, 0, 2));
  });

  it('tells absolute times if asked', () => {
    const { messages } = encodeAll(encoderOf('netflow9', { time: 'ms' }), [batchOf([TCP])], NOW);
    assert.deepEqual(named(readAll(messages).records[0]).flowStartMilliseconds, { seconds: T + 1, nanos: 1_000_000 });
  });

  it('tells times exactly in ms, whatever the fraction of the clock', () => {
    for (const now of [NOW, NOW + 1, NOW + 749, NOW + 750, NOW + 999]) {
      assert.deepEqual(times(batchOf([{ ...TCP, packets: [1, 0] }]), now), [[START_MS + 1001, START_MS + 12_500]]);
    }
  });

  it('tells times before the start, and after the clock', () => {
    const early = { ...TCP, packets: [1, 0], start: [T - 100, 0], last: [T - 90, 0] } satisfies TestRecord;
    const late = { ...TCP, packets: [1, 0], start: [T + 70, 0], last: [T + 100, 500_000_000] } satisfies TestRecord;
    const usual = { ...TCP, packets: [1, 0] } satisfies TestRecord;
    assert.deepEqual(times(batchOf([usual, early, late, usual]), NOW), [
      [START_MS + 1001, START_MS + 12_500],
      [START_MS - 100_000, START_MS - 90_000],
      [START_MS + 70_000, START_MS + 100_500],
      [START_MS + 1001, START_MS + 12_500],
    ]);
  });

  it('wraps never: not at 49.7 days, not after', () => {
    const encoder = encoderOf('netflow9', { fields: ['start', 'end'] });
    let uptime = 0;
    for (const day of [1, 49, 49.7, 49.72, 50, 60, 99.5, 400, 5000]) {
      const seconds = T + Math.floor(day * DAY);
      const batch = batchOf([{ ...TCP, packets: [1, 0], start: [seconds - 300, 1_000_000], last: [seconds - 1, 0] }]);
      encoder.announce(undefined);
      const reader = new NetFlow9Reader({ lookup: elementLookup(DEFAULT_ENTERPRISE) });
      const { messages } = encodeAll(encoder, [batch], seconds * 1000 + 5);
      const read = messages.map((bytes) => reader.read(bytes)!);
      assert.deepEqual(flowTimes(read), [[(seconds - 300) * 1000 + 1, (seconds - 1) * 1000]], `day ${day}`);
      assert.ok(read[0].uptimeMs! >= uptime, 'never looks like a restart');
      uptime = read[0].uptimeMs!;
    }
  });

  it('tells any times that span less than 49.7 days', () => {
    const span = fc.record({
      start: fc.integer({ min: 0, max: 2 ** 32 - 1 - 50 * DAY }),
      length: fc.integer({ min: 0, max: 49 * DAY }),
      ms: fc.integer({ min: 0, max: 999 }),
    });
    fc.assert(
      fc.property(
        fc.array(span, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 2 ** 32 }),
        (spans, now) => {
          const batch = batchOf(
            spans.map(({ start, length, ms }) => ({
              ...TCP,
              packets: [1, 0],
              start: [start, ms * 1_000_000],
              last: [start + length, ms * 1_000_000],
            })),
          );
          assert.deepEqual(
            times(batch, now * 1000),
            spans.map(({ start, length, ms }) => [start * 1000 + ms, (start + length) * 1000 + ms]),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is exact to the byte', () => {
    const encoder = encoderOf('netflow9', { fields: ['srcPort', 'packets'], observationDomain: 9 });
    const { messages } = encodeAll(encoder, [batchOf([{ ...TCP, packets: [2, 0] }])], NOW);
    const seconds = Math.ceil(NOW / 1000);
    assert.equal(
      Buffer.from(messages[0]).toString('hex'),
      // Version 9, 2 records, uptime, seconds, first message, source 9.
      `00090002${(61_000).toString(16).padStart(8, '0')}${seconds.toString(16)}0000000000000009` +
        // Template 300: port in 2 bytes, packets in 8.
        '00000010012c00020007000200020008' +
        // A record, two bytes of padding.
        '012c0010c73800000000000000020000',
    );
  });
});
