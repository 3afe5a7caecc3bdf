import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledger, shardReport, Tally } from '../../src/control/report.js';
import { completeSettings } from '../../src/control/settings.js';
import { Shard } from '../../src/control/shard.js';
import { TableScan } from '../../src/meter/scan.js';
import { idleNanos } from '../../src/meter/timeouts.js';
import type { MeterOptions } from '../../src/model/options.js';
import { readRecord } from '../../src/model/read-record.js';
import { RecordBatch } from '../../src/model/record-batch.js';
import { EndReason } from '../../src/model/row.js';
import { ethernet, ip, udp } from '../support/packets.js';

/** A live shard that is fed by hand, one packet at a time. */
class Live {
  readonly shard: Shard;
  readonly tally = new Tally();
  readonly ids: string[] = [];
  readonly reasons: string[] = [];

  constructor(options: MeterOptions = {}) {
    this.shard = new Shard({
      settings: completeSettings({ maxFlows: 20_000, ...options }),
      filter: undefined,
      shard: 0,
      shards: 1,
      seed: [1, 2],
      live: true,
    });
  }

  /** A datagram of flow `n` at a time in seconds. */
  packet(n: number, second: number): void {
    const { batch, meter } = this.shard;
    const frame = ethernet(ip('10.0.0.1', destination(n), 17, udp(1000, 2000)));
    const memory = new Uint8Array(1 + frame.length);
    memory.set(frame, 1);
    batch.attach(memory, new DataView(memory.buffer));
    batch.count = 1;
    batch.offset[0] = 1;
    batch.captured[0] = frame.length;
    batch.wire[0] = frame.length;
    batch.seconds[0] = second;
    batch.nanos[0] = 0;
    batch.iface[0] = 0;
    batch.link[0] = 1;
    this.tally.add(batch);
    this.shard.decode();
    while (meter.process(0, 1) === 0) this.drain();
    this.drain();
  }

  idle(second: number): void {
    while (!this.shard.meter.idleUntil(second, 0)) this.drain();
    this.drain();
  }

  drain(): void {
    const { records } = this.shard.meter;
    for (let batch = records.take(true); batch !== undefined; batch = records.take(true)) {
      for (let i = 0; i < batch.count; i++) {
        const record = readRecord(batch, i, []);
        this.ids.push(record.dst);
        this.reasons.push(record.endReason);
      }
      records.give(batch);
    }
  }

  /** Destinations of the live flows, by a walk in slices of `size`. */
  walk(size: number, between: () => void = () => {}): string[] {
    const { layout } = this.shard.meter.records;
    const slice = new RecordBatch(layout, new ArrayBuffer(size * layout.stride * 4));
    const scan = new TableScan(this.shard.meter);
    const found: string[] = [];
    while (scan.next(slice)) {
      for (let i = 0; i < slice.count; i++) found.push(readRecord(slice, i, []).dst);
      between();
    }
    return found;
  }

  balance(): void {
    assert.deepEqual(ledger([shardReport(this.shard, this.tally)]).imbalance, []);
  }
}

const destination = (n: number): string => `10.1.${n >> 8}.${n & 255}`;

test('a walk in slices meets every flow once, also while packets come', () => {
  const live = new Live();
  const flows = 3000;
  for (let n = 0; n < flows; n++) live.packet(n, 1);
  const all = Array.from({ length: flows }, (_, n) => destination(n)).sort();
  for (const size of [1, 7, 256, 5000]) assert.deepEqual(live.walk(size).sort(), all, `slices of ${size}`);
  let second = 1;
  const found = live.walk(100, () => live.packet(second % flows, ++second / 100));
  assert.deepEqual(found.sort(), all);
  assert.deepEqual(live.ids, []);
  live.balance();
});

test('flows of a slice are ended with records, or forgotten and counted', () => {
  const live = new Live();
  const { meter } = live.shard;
  for (let n = 0; n < 2000; n++) live.packet(n, 1);
  const { layout } = meter.records;
  const slice = new RecordBatch(layout, new ArrayBuffer(500 * layout.stride * 4));
  const scan = new TableScan(meter);
  assert.ok(scan.next(slice));
  assert.equal(meter.end(scan.rows, slice.count, EndReason.forced), 500);
  live.drain();
  assert.equal(live.ids.length, 500);
  assert.deepEqual([...new Set(live.reasons)], ['forced']);
  live.balance();
  assert.ok(scan.next(slice));
  assert.equal(meter.end(scan.rows, slice.count, EndReason.deleted), 500);
  live.drain();
  assert.equal(live.ids.length, 500, 'no records of deleted flows');
  assert.equal(meter.live, 1000);
  live.balance();
  assert.equal(live.walk(64).length, 1000);
  // The same packets begin new flows.
  for (let n = 0; n < 2000; n++) live.packet(n, 2);
  assert.equal(meter.live, 2000);
  live.balance();
});

test('records must be taken before more flows can be ended', () => {
  const live = new Live();
  const { meter } = live.shard;
  const flows = 20_000;
  for (let n = 0; n < flows; n++) live.packet(n, 1);
  const rows = Int32Array.from({ length: flows }, (_, n) => n + 1);
  let ended = meter.end(rows, flows, EndReason.forced);
  assert.ok(ended > 0 && ended < flows, `${ended} in one go`);
  while (ended < flows) {
    live.drain();
    ended += meter.end(rows.subarray(ended), flows - ended, EndReason.forced);
  }
  live.drain();
  assert.equal(live.ids.length, flows);
  live.balance();
});

test('a live meter ends many flows little by little, and all of them', () => {
  const live = new Live({ timeouts: { idle: { single: 1000 } } });
  const { meter } = live.shard;
  for (let n = 0; n < 20_000; n++) live.packet(n, 1);
  meter.idleUntil(3, 0);
  assert.ok(meter.live > 15_000, `${meter.live} live after one call`);
  for (let calls = 0; meter.live > 0 && calls < 100; calls++) live.idle(3);
  assert.equal(meter.live, 0);
  assert.equal(live.ids.length, 20_000);
  live.balance();
});

test('a shorter timeout ends flows that live; a longer one lets them live', () => {
  const live = new Live({ timeouts: { idle: { single: 60_000 } } });
  const { meter } = live.shard;
  for (let n = 0; n < 10_000; n++) live.packet(n, 1);
  const timeouts = completeSettings({ timeouts: { idle: { single: 2000 } } }).timeouts;
  meter.setTimeouts(idleNanos(timeouts), timeouts.active * 1e6);
  for (let calls = 0; calls < 50; calls++) live.idle(4);
  assert.equal(meter.live, 0);
  assert.deepEqual([...new Set(live.reasons)], ['idle']);

  for (let n = 0; n < 10; n++) live.packet(n, 10);
  const longer = completeSettings({ timeouts: { idle: { single: 100_000 } } }).timeouts;
  meter.setTimeouts(idleNanos(longer), longer.active * 1e6);
  for (let calls = 0; calls < 50; calls++) live.idle(60);
  assert.equal(meter.live, 10);
  for (let calls = 0; calls < 50; calls++) live.idle(112);
  assert.equal(meter.live, 0);
  live.balance();
});
