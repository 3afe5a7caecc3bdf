import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SORT_KEYS, type SortKey } from '../../src/cli/spec.js';
import { TopSink } from '../../src/cli/top.js';
import { readRecord } from '../../src/model/read-record.js';
import type { FlowRecord } from '../../src/model/record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { batchOf, type TestRecord } from '../support/records.js';

async function topOf(limit: number, key: SortKey, batches: readonly RecordBatch[]): Promise<FlowRecord[]> {
  const records: FlowRecord[] = [];
  let closed = 0;
  const sink = new TopSink(limit, key, {
    write(batch) {
      for (let index = 0; index < batch.count; index++) records.push(readRecord(batch, index, []));
    },
    async close() {
      closed++;
    },
  });
  for (const batch of batches) sink.write(batch);
  await sink.close();
  assert.equal(closed, 1);
  return records;
}

interface Flow {
  a: string;
  port: number;
  protocol: number;
  bytes: number;
  packets: number;
  start: number;
  nanos: number;
  length: number;
  initiatorB: boolean;
}

const flow: fc.Arbitrary<Flow> = fc.record({
  a: fc.constantFrom('10.0.0.1', '10.0.0.2', '192.168.0.1', 'fe80::1', '2001:db8::5'),
  port: fc.nat(20),
  protocol: fc.constantFrom(6, 17),
  bytes: fc.nat(5),
  packets: fc.nat(5),
  start: fc.nat(3),
  nanos: fc.nat(2),
  length: fc.nat(4),
  initiatorB: fc.boolean(),
});

const toRecord = (x: Flow): TestRecord => ({
  a: x.a,
  b: x.a.includes(':') ? 'ff02::fb' : '198.51.100.7',
  protocol: x.protocol,
  portA: x.port,
  portB: 443,
  initiatorB: x.initiatorB,
  octets: [x.bytes, 1],
  packets: [x.packets, 1],
  start: [100 + x.start, x.nanos],
  last: [100 + x.start + x.length, 5],
});

/** What each key means, read from the finished record. */
const VALUE: Record<SortKey, (record: FlowRecord) => number | string> = {
  bytes: (r) => -(Number(r.bytes) + Number(r.reverseBytes)),
  packets: (r) => -(Number(r.packets) + Number(r.reversePackets)),
  duration: (r) => -r.duration,
  rate: (r) => (r.duration === 0 ? 0 : -(Number(r.bytes) + Number(r.reverseBytes)) / r.duration),
  start: (r) => r.start,
  end: (r) => r.end,
  src: (r) => addressRank(r.src),
  dst: (r) => addressRank(r.dst),
  srcPort: (r) => r.srcPort ?? -1,
  dstPort: (r) => r.dstPort ?? -1,
  proto: (r) => r.proto ?? '',
};

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '192.168.0.1', '198.51.100.7', '2001:db8::5', 'fe80::1', 'ff02::fb'];
const addressRank = (text: string): number => ADDRESSES.indexOf(text);

test('the first N are those of a full sort, for every key', async () => {
  for (const key of SORT_KEYS) {
    await fc.assert(
      fc.asyncProperty(fc.array(flow, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (flows, limit) => {
        const records = flows.map(toRecord);
        const half = records.length >> 1;
        const batches = [batchOf(records.slice(0, half)), batchOf(records.slice(half))];
        const top = await topOf(limit, key, batches);
        const values = batches
          .flatMap((batch) => Array.from({ length: batch.count }, (_, k) => VALUE[key](readRecord(batch, k, []))))
          .sort((x, y) => (x < y ? -1 : x > y ? 1 : 0));
        assert.deepEqual(top.map(VALUE[key]), values.slice(0, limit));
      }),
      { numRuns: 40 },
    );
  }
});

test('the order does not depend on the order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(flow, { maxLength: 30, selector: (x) => `${x.a} ${x.port} ${x.protocol}` }),
      async (flows) => {
        const records = flows.map(toRecord);
        const there = await topOf(10, 'bytes', [batchOf(records)]);
        const back = await topOf(10, 'bytes', [batchOf(records.toReversed())]);
        assert.deepEqual(back, there);
      },
    ),
  );
});

test('more records than the first room of memory', async () => {
  const records = Array.from(
    { length: 1000 },
    (_, k): TestRecord => ({
      a: '10.0.0.1',
      b: '10.0.0.2',
      protocol: 17,
      portA: k,
      portB: 1,
      octets: [(k * 7919) % 1000, 0],
    }),
  );
  const top = await topOf(300, 'bytes', [batchOf(records)]);
  assert.deepEqual(
    top.map((record) => record.bytes),
    Array.from({ length: 300 }, (_, k) => 999 - k),
  );
});

test('what an ICMP error quoted stays with its record', async () => {
  const icmp = (bytes: number): TestRecord => ({
    a: '10.0.0.1',
    b: '10.0.0.2',
    protocol: 1,
    icmp: { type: 3, code: 1 },
    octets: [bytes, 0],
  });
  const batch = batchOf([icmp(1), icmp(2), icmp(3), icmp(4)]);
  for (const index of [1, 3]) {
    const key = new Int32Array(11);
    key[8] = index << 16;
    key[9] = 17 | (4 << 8) | (1 << 19);
    batch.quoted.set(index, key);
  }
  const top = await topOf(3, 'bytes', [batch]);
  assert.deepEqual(
    top.map((record) => [record.bytes, record.about?.srcPort]),
    [
      [4, 3],
      [3, undefined],
      [2, 1],
    ],
  );
});
