import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dumpBlock, dumpEnd, dumpHeader, readDump } from '../../../src/control/daemon/dump-format.js';
import { Gate } from '../../../src/control/daemon/gate.js';
import { Groups, SUMS } from '../../../src/control/daemon/groups.js';
import { InterfaceTable } from '../../../src/control/daemon/interfaces.js';
import { RecordStatistics } from '../../../src/control/daemon/record-statistics.js';
import { shiftTimes } from '../../../src/control/daemon/shift-times.js';
import { sortKey, totalBytes } from '../../../src/control/daemon/sort-key.js';
import { comesFirst, TopRecords } from '../../../src/control/daemon/top-records.js';
import type { LiveInterface } from '../../../src/model/live-source.js';
import { recordMembers } from '../../../src/model/read-record.js';
import { PLAIN_LAYOUT, RecordBatch } from '../../../src/model/record-batch.js';
import { Row } from '../../../src/model/row.js';
import { batchOf, DESIGN_RECORD, type TestRecord } from '../../support/records.js';

const members = recordMembers([], []);

function flow(octets: number, hash: number): { record: TestRecord; hash: number } {
  return { record: { a: '10.0.0.1', b: '10.0.0.2', protocol: 17, portA: 1, portB: 2, octets: [octets, 0] }, hash };
}

test('the heap keeps the records that come first, as sorting does', () => {
  const flows = fc.array(fc.tuple(fc.nat(50), fc.nat(1000)), { maxLength: 700 });
  fc.assert(
    fc.property(flows, fc.integer({ min: 1, max: 600 }), fc.boolean(), (given, keep, descending) => {
      const made = given.map(([octets, hash]) => flow(octets, hash));
      const batch = batchOf(made.map(({ record }) => record));
      for (const [k, { hash }] of made.entries()) batch.words[k * batch.layout.stride + Row.hash] = hash;
      const top = new TopRecords(batch.layout, keep, descending);
      for (let k = 0; k < made.length; k++) top.offer(totalBytes(batch, k), batch, k);
      const { records, values } = top.take();
      const found: [number, number][] = [];
      for (const block of records) {
        const kept = new RecordBatch(batch.layout, block.memory);
        for (let k = 0; k < block.count; k++) {
          assert.equal(totalBytes(kept, k), values[found.length], 'values belong to their records');
          found.push([totalBytes(kept, k), kept.words[k * batch.layout.stride + Row.hash]]);
        }
      }
      const order = (x: [number, number], y: [number, number]): number =>
        comesFirst(x[0], x[1], y[0], y[1], descending) ? -1 : comesFirst(y[0], y[1], x[0], x[1], descending) ? 1 : 0;
      const wanted = [...given].sort(order).slice(0, keep);
      assert.deepEqual(found.sort(order), wanted);
    }),
    { numRuns: 60 },
  );
});

test('groups and the rest add up to all, and what is large stays', () => {
  const groups = new Groups(64);
  let bytes = 0;
  const add = (key: string, size: number): void => {
    groups.add(key, 1, 1, size);
    bytes += size;
  };
  for (let n = 0; n < 5000; n++) {
    add(`small ${n}`, 1 + (n % 7));
    if (n % 10 === 0) add('large', 1000);
  }
  const { keys, sums, other } = groups.take();
  assert.equal(keys.length, 64);
  assert.equal(new Set(keys).size, 64);
  const large = keys.indexOf('large');
  assert.equal(sums[large * SUMS + 2], 500_000);
  const sum = (column: number): number => keys.reduce((all, _, k) => all + sums[k * SUMS + column], other[column]);
  assert.equal(sum(2), bytes);
  assert.equal(sum(0), 5500);
});

test('times move by the step of the clock, over seconds and back', () => {
  const step = fc.double({ min: -1e15, max: 1e15, noNaN: true }).map(Math.round);
  fc.assert(
    fc.property(step, fc.nat(999_999_999), (nanos, start) => {
      const batch = batchOf([{ ...DESIGN_RECORD, start: [1_704_067_200, start], last: [1_704_067_260, 0] }]);
      shiftTimes(batch, nanos);
      const at = (seconds: number, part: number): bigint =>
        BigInt(batch.unsigned[seconds]) * 1_000_000_000n + BigInt(batch.unsigned[part]);
      const moved = (seconds: number, part: number): bigint =>
        BigInt(seconds) * 1_000_000_000n + BigInt(part) + BigInt(nanos);
      assert.equal(at(Row.startSeconds, Row.startNanos), moved(1_704_067_200, start));
      assert.equal(at(Row.lastSeconds, Row.lastNanos), moved(1_704_067_260, 0));
      assert.ok(batch.unsigned[Row.startNanos] < 1e9);
    }),
  );
});

test('sort keys: sizes of both directions, addresses by number, absent members last', () => {
  const batch = batchOf([
    { ...DESIGN_RECORD, a: '9.0.0.1', b: '10.0.0.1', octets: [1, 5] },
    { ...DESIGN_RECORD, a: '2001:db8::1', b: '2001:db8::2', octets: [3, 0] },
  ]);
  const read = (name: string): (number | string)[] => [0, 1].map((k) => sortKey(name, members).value(batch, k));
  assert.deepEqual(read('bytes'), [6, 3]);
  const [first, second] = read('src');
  assert.ok(first < second, 'IPv4 comes first');
  assert.ok(sortKey('bytes', members).descending);
  assert.ok(!sortKey('srcPort', members).descending);
  assert.ok(!sortKey('start', members).descending);
  assert.throws(() => sortKey('colour', members), /RHEO_USAGE|no member of a flow record is called 'colour'/);
});

test('a dump reads back: records, what they quote, and its header', () => {
  const quoted = Int32Array.from({ length: 11 }, (_, k) => k * 1000 - 5);
  const batch = batchOf([DESIGN_RECORD, { ...DESIGN_RECORD, octets: [2n ** 40n, 0] }, DESIGN_RECORD]);
  batch.quoted.set(1, quoted);
  const header = { layout: PLAIN_LAYOUT, interfaces: ['eth0', 'ü'], takenMs: 1234, version: '1.2.3' };
  const bytes = Buffer.concat([dumpHeader(header), dumpBlock(batch), dumpBlock(batchOf([DESIGN_RECORD])), dumpEnd(4)]);
  const reading = readDump(bytes);
  const first = reading.next().value as RecordBatch;
  assert.equal(first.count, 3);
  assert.deepEqual(first.words, batch.words);
  assert.deepEqual([...first.quoted], [[1, quoted]]);
  assert.equal((reading.next().value as RecordBatch).count, 1);
  assert.deepEqual(reading.next(), { done: true, value: header });
});

test('a dump that was cut anywhere, or changed, is told from a whole one, and reading it stays in its bounds', () => {
  const batch = batchOf([DESIGN_RECORD, DESIGN_RECORD]);
  batch.quoted.set(0, new Int32Array(11));
  const header = { layout: PLAIN_LAYOUT, interfaces: [], takenMs: 0, version: '0' };
  const whole = Buffer.concat([dumpHeader(header), dumpBlock(batch), dumpEnd(2)]);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => [...readDump(whole.subarray(0, length))], { code: 'RHEO_FORMAT' }, `cut at ${length}`);
  }
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
      const changed = Buffer.from(whole);
      changed[at] = value;
      try {
        for (const one of readDump(changed)) assert.ok(one.count <= 2 ** 20);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'RHEO_FORMAT', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

function iface(name: string, index: number, packets: number, state: LiveInterface['state'] = 'up'): LiveInterface {
  return {
    index,
    name,
    linkType: 1,
    snapLength: 0,
    kernelIndex: 3,
    state,
    kernel: packets + 2,
    packets,
    bytes: 0,
    received: 0,
    transmitted: 0,
    dropped: 1,
    waiting: 1,
    superFrames: 0,
    segments: 0,
    duplicates: 0,
    sampledOneIn: 1,
    lastError: undefined,
  };
}

test('the same interface has one number, whatever order shards meet them in, and keeps what former threads counted', () => {
  const table = new InterfaceTable();
  table.tell(0, [iface('a', 0, 0), iface('b', 1, 0)]);
  table.tell(1, [iface('b', 0, 0), iface('c', 1, 0, 'down')]);
  assert.deepEqual(
    table.list.map(({ name, index }) => [name, index]),
    [
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ],
  );
  const batch = batchOf([DESIGN_RECORD, DESIGN_RECORD]);
  batch.words[Row.iface] = 0;
  batch.words[batch.layout.stride + Row.iface] = 1;
  table.renumber(1, batch);
  assert.deepEqual([batch.words[Row.iface], batch.words[batch.layout.stride + Row.iface]], [1, 2]);
  table.fold(1, [iface('b', 0, 10), iface('c', 1, 5)]);
  const [a, b, c] = table.merge([[iface('a', 0, 1), iface('b', 1, 7)], undefined]);
  assert.equal(a.packets, 1);
  assert.deepEqual([b.packets, b.dropped, b.waiting, b.kernel], [17, 3, 1, 21]);
  assert.deepEqual([c.packets, c.dropped, c.waiting, c.kernel, c.state], [5, 2, 0, 7, 'gone']);
  const [, , , untold] = table.merge([[], [iface('x', 0, 4)]]);
  assert.equal(untold.packets, 4, 'counted before it was told of');
  assert.deepEqual(table.tell(0, [iface('a', 0, 0, 'gone')]), ['interface a is gone']);
});

test('statistics of ended flows by protocol, with minimum, mean and maximum', () => {
  const statistics = new RecordStatistics();
  assert.deepEqual(statistics.expired.bytes, { min: 0, mean: 0, max: 0 });
  const base = { a: '10.0.0.1', b: '10.0.0.2' };
  statistics.add(
    batchOf([
      { ...base, protocol: 17, octets: [100, 50], packets: [1, 1], start: [10, 0], last: [12, 500_000_000] },
      { ...base, protocol: 17, octets: [30, 0], packets: [1, 0], start: [10, 0], last: [10, 0] },
      { ...base, protocol: 6, octets: [1000, 0], packets: [4, 0], start: [10, 0], last: [11, 0] },
    ]),
  );
  const { bytes, packets, durationMs } = statistics.expired;
  assert.deepEqual(bytes, { min: 30, mean: 1180 / 3, max: 1000 });
  assert.deepEqual(packets, { min: 1, mean: 7 / 3, max: 4 });
  assert.deepEqual(durationMs, { min: 0, mean: 3500 / 3, max: 2500 });
  assert.deepEqual(statistics.protocols, [
    { proto: 'tcp', flows: 1, packets: 4, bytes: 1000, meanDurationMs: 1000, maxDurationMs: 1000 },
    { proto: 'udp', flows: 2, packets: 3, bytes: 180, meanDurationMs: 1250, maxDurationMs: 2500 },
  ]);
});

test('a gate lets so many through at one time, the others in order, also past those that fail', async () => {
  const gate = new Gate(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 6 }, (_, n) =>
    gate.through(async () => {
      begun.push(n);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (n === 1) throw new Error('failed');
      return n;
    }),
  );
  const settled = Promise.allSettled(all);
  for (let n = 0; n < 6; n++) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5].slice(0, n + 2));
    ends[n]();
  }
  assert.deepEqual(
    (await settled).map(({ status }) => status === 'fulfilled'),
    [true, false, true, true, true, true],
  );
});
