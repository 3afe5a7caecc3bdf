/** From the kernel's records to flows, without a kernel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ledger, shardReport, Tally } from '../../src/control/report.js';
import { completeSettings } from '../../src/control/settings.js';
import { Shard } from '../../src/control/shard.js';
import type { MeterOptions } from '../../src/model/options.js';
import { readRecord } from '../../src/model/read-record.js';
import type { FlowRecord } from '../../src/model/record.js';
import { Frames, type TimeMover } from '../../src/observe/ebpf/frames.js';
import { KEY_BYTES, Key, KeyFlag, RECORD_BYTES, Value } from '../../src/observe/ebpf/layout.js';
import { Refusal } from '../../src/packet/refusal.js';
import { flagBits } from '../support/packets.js';

/** What a record of the kernel says. */
interface Counted {
  /** The last bytes of two IPv4 addresses. */
  from: number;
  to: number;
  ports?: readonly [number, number];
  protocol?: number;
  packets: number;
  octets: number;
  /** Seconds of the first and the last packet. */
  first: number;
  last?: number;
  flags?: string;
  firstFlags?: string;
  refusal?: number;
  orphan?: boolean;
  fragments?: boolean;
  firstOctets?: number;
}

class Unmoved implements TimeMover {
  placedSeconds = 0;
  placedNanos = 0;
  placeSteady(seconds: number, nanos: number): void {
    this.placedSeconds = seconds;
    this.placedNanos = nanos;
  }
}

function memoryOf(records: readonly Counted[]): DataView {
  const view = new DataView(new ArrayBuffer(records.length * RECORD_BYTES));
  const put64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(Math.round(value)), true);
  for (const [n, one] of records.entries()) {
    const k = n * RECORD_BYTES;
    const v = k + KEY_BYTES;
    const protocol = one.protocol ?? 17;
    view.setUint8(k + Key.direction, 1);
    put64(v + Value.packets, one.packets);
    put64(v + Value.wire, one.octets + 14 * one.packets);
    put64(v + Value.first, one.first * 1e9);
    put64(v + Value.last, (one.last ?? one.first) * 1e9);
    if (one.refusal !== undefined) {
      view.setUint8(k + Key.protocol, one.refusal);
      continue;
    }
    view.setUint32(k + Key.source, 0x0a000000 + one.from);
    view.setUint32(k + Key.destination, 0x0a000000 + one.to);
    view.setUint16(k + Key.ports, one.ports?.[0] ?? 1000 + one.from);
    view.setUint16(k + Key.ports + 2, one.ports?.[1] ?? 1000 + one.to);
    view.setUint8(k + Key.protocol, protocol);
    view.setUint8(k + Key.version, 4);
    view.setUint16(k + Key.flags, one.orphan === true ? KeyFlag.orphan : 0, true);
    put64(v + Value.octets, one.octets);
    view.setUint32(v + Value.firstOctets, one.firstOctets ?? 40, true);
    view.setUint32(v + Value.flags, flagBits(one.flags ?? ''), true);
    view.setUint16(v + Value.firstFlags, flagBits(one.firstFlags ?? one.flags ?? ''), true);
    view.setUint32(v + Value.fragments, one.fragments === true ? 1 : 0, true);
  }
  return view;
}

/** Meters records and ends all flows. */
function meter(records: readonly Counted[], options: MeterOptions = {}) {
  const settings = completeSettings({ features: 'none', tunnels: [], ...options });
  const shard = new Shard({ settings, filter: undefined, shard: 0, shards: 1, seed: [1, 2] });
  const frames = new Frames(256, new Unmoved());
  const tally = new Tally();
  const flows: FlowRecord[] = [];
  const drain = (partial: boolean): void => {
    for (let taken = shard.meter.records.take(partial); taken; taken = shard.meter.records.take(partial)) {
      for (let i = 0; i < taken.count; i++) flows.push(readRecord(taken, i, []));
      shard.meter.records.give(taken);
    }
  };
  frames.use(memoryOf(records));
  for (let at = 0; at < records.length; ) {
    const { batch } = shard;
    frames.attach(batch);
    for (; at < records.length && batch.count < 200; at++) frames.put(batch, at);
    tally.add(batch);
    shard.decode();
    for (let done = 0; done < batch.count; drain(false)) done = shard.meter.process(done, batch.count);
  }
  while (!shard.meter.finish()) drain(false);
  drain(true);
  return { flows, accounts: ledger([{ ...shardReport(shard, tally), records: flows.length }]) };
}

test('counters beyond 32 bits', () => {
  const big = 2 ** 33 + 5;
  const { flows, accounts } = meter([
    { from: 1, to: 2, packets: big, octets: 3 * 2 ** 40 + 7, first: 100, last: 101 },
    { from: 2, to: 1, packets: 2 ** 32 - 1, octets: 2 ** 32 - 1, first: 100.5, last: 101, firstOctets: 65_000 },
    { from: 2, to: 1, packets: 1, octets: 64, first: 101, last: 101 },
    { from: 1, to: 2, packets: 2 ** 32, octets: 2 ** 45, first: 101, last: 102 },
  ]);
  assert.equal(flows.length, 1);
  const [flow] = flows;
  assert.deepEqual([Number(flow.packets), Number(flow.bytes)], [big + 2 ** 32, 3 * 2 ** 40 + 7 + 2 ** 45]);
  assert.deepEqual([Number(flow.reversePackets), Number(flow.reverseBytes)], [2 ** 32, 2 ** 32 + 63]);
  assert.deepEqual(accounts.imbalance, []);
});

test('who sent the SYN is the initiator; FIN of both sides and RST end a connection', () => {
  const tcp = { protocol: 6, packets: 5, octets: 500, ports: [4000, 80] as const };
  const back = { ...tcp, ports: [80, 4000] as const };
  const { flows } = meter([
    { ...tcp, from: 1, to: 2, first: 10, last: 10.5, flags: 'FSPA', firstFlags: 'S' },
    { ...back, from: 2, to: 1, first: 10.1, last: 10.6, flags: 'FSA', firstFlags: 'SA' },
    // The answer came first.
    { ...back, from: 2, to: 3, first: 10, last: 10.5, flags: 'SPA', firstFlags: 'SA' },
    { ...tcp, from: 3, to: 2, first: 10.1, last: 10.5, flags: 'RA', firstFlags: 'A' },
    // A packet half a minute later sets the clock.
    { from: 9, to: 8, packets: 1, octets: 50, first: 40 },
  ]);
  const [closed, reset] = ['10.0.0.1', '10.0.0.3'].map((src) => flows.find((flow) => flow.src === src));
  assert.deepEqual([closed?.tcpFlags, closed?.reverseTcpFlags, closed?.endReason], ['FSPA', 'FSA', 'end']);
  assert.deepEqual([reset?.tcpFlags, reset?.reverseTcpFlags, reset?.endReason], ['RA', 'SPA', 'end']);
  assert.ok(Math.abs(Number(closed?.duration) - 0.6) < 1e-6);
});

test('refused packets, fragments without their first one, and a table that is full', () => {
  const { flows, accounts } = meter(
    [
      { from: 0, to: 0, packets: 7, octets: 0, first: 1, refusal: Refusal.notIp },
      { from: 1, to: 2, packets: 4, octets: 4000, first: 1, orphan: true, fragments: true, firstOctets: 1000 },
      { from: 3, to: 4, packets: 6, octets: 600, first: 1 },
    ],
    { maxFlows: 1, whenFull: 'refuse' },
  );
  assert.deepEqual(accounts.refused, { notIp: 7, tableFull: 6 });
  assert.deepEqual([accounts.packets, accounts.decoded, accounts.imbalance], [17, 4, []]);
  assert.equal(accounts.noticed.fragmentOrphan, 4);
  assert.deepEqual(
    flows.map(({ packets, bytes, srcPort }) => [Number(packets), Number(bytes), srcPort]),
    [[4, 4000, undefined]],
  );
});

test('however packets are gathered to records, flows have their sums', () => {
  const packet = fc.record({
    from: fc.integer({ min: 1, max: 4 }),
    to: fc.integer({ min: 1, max: 4 }),
    packets: fc.integer({ min: 1, max: 1e9 }),
    more: fc.integer({ min: 0, max: 1e12 }),
    gap: fc.integer({ min: 0, max: 2000 }),
  });
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 600 }), (list) => {
      let first = 1000;
      const records = list.map(({ from, to, packets, more, gap }): Counted => {
        first += gap / 1e6;
        return { from, to, packets, octets: 40 * packets + more, first };
      });
      const { flows, accounts } = meter(records, { key: { base: 'ip' } });
      const sum = (of: (flow: FlowRecord) => unknown): number => flows.reduce((n, flow) => n + Number(of(flow)), 0);
      const all = (of: (one: Counted) => number): number => records.reduce((n, one) => n + of(one), 0);
      assert.deepEqual(accounts.imbalance, []);
      assert.equal(
        accounts.octets,
        all(({ octets }) => octets),
      );
      assert.equal(
        accounts.wireBytes,
        all(({ octets, packets }) => octets + 14 * packets),
      );
      assert.equal(
        sum((flow) => flow.packets) + sum((flow) => flow.reversePackets),
        all(({ packets }) => packets),
      );
      const pairs = new Set(records.map(({ from, to }) => [from, to].sort().join()));
      assert.equal(flows.length, pairs.size);
    }),
    { numRuns: 50 },
  );
});
