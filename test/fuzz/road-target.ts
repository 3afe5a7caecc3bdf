import assert from 'node:assert/strict';
import { ledger, shardReport, Tally } from '../../src/control/report.js';
import { completeSettings, recordFields } from '../../src/control/settings.js';
import { type PacketFilter, Shard } from '../../src/control/shard.js';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { CsvWriter } from '../../src/export/csv.js';
import { JsonWriter } from '../../src/export/json.js';
import { compileFilter } from '../../src/filter/filter.js';
import type { FlowHook, SideTable } from '../../src/model/hook.js';
import { recordMembers } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { Row } from '../../src/model/row.js';
import { BATCH_SIZE, type Batch } from '../../src/packet/batch.js';
import { collector } from '../support/collector.js';
import { borders, decodePackets, encodePackets, type Packet, type Plan, planOf } from './packets.js';
import type { Target } from './target.js';

/** Counts each flow's packets in a side column, and holds the meter to what it promises to hooks. */
class WatchingHook implements FlowHook {
  readonly name = 'watching';
  readonly words = 2;
  private side: SideTable | undefined;
  private offset = 0;

  bind(side: SideTable, offset: number): void {
    this.side = side;
    this.offset = offset;
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    for (let k = 0; k < count; k++) {
      const at = this.at(batch.flow[indexes[k]]);
      const { words } = this.side as SideTable;
      assert.deepEqual([words[at], words[at + 1]], [0, 0], 'the side row of a new flow is zero');
      words[at + 1] = 1;
    }
  }

  updated(batch: Batch, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      if (batch.flow[i] < 0) {
        assert.notEqual(batch.verdict[i], 0, 'a packet without a flow has a reason');
        continue;
      }
      assert.equal(batch.verdict[i], 0, 'a packet with a flow has none');
      const at = this.at(batch.flow[i]);
      const { words } = this.side as SideTable;
      assert.equal(words[at + 1], 1, 'the flow was created before it was updated');
      words[at]++;
    }
  }

  expired(rows: Int32Array, count: number): void {
    for (let k = 0; k < count; k++) {
      const at = this.at(rows[k]);
      const { words } = this.side as SideTable;
      assert.equal(words[at + 1], 1, 'a flow ends once');
      words[at + 1] = 2;
    }
  }

  private at(row: number): number {
    const { side, offset } = this;
    if (side === undefined) throw new Error('not bound');
    assert.ok(row >= 1 && row * side.stride + side.stride <= side.words.length, `row ${row}`);
    return row * side.stride + offset;
  }
}

/** What came out, comparable. */
interface Outcome {
  lines: string[];
  sums: unknown;
}

/** How the packets come to the shard: lengths of batches in turn, and what stands between the packets. */
interface Delivery {
  batches: readonly number[];
  gap: number;
  fill: number;
}
const WHOLE: Delivery = { batches: [BATCH_SIZE], gap: 0, fill: 0 };
const PIECES: Delivery = { batches: [1, 7, 2, 31, 3], gap: 61, fill: 0xff };

function meter(packets: readonly Packet[], plan: Plan, delivery: Delivery, shards: number): Outcome {
  const settings = completeSettings(plan.options);
  const members = recordMembers(settings.key.extra, recordFields(plan.options.features));
  const json = collector();
  const csv = collector();
  const writers = [new JsonWriter(json.output, members), new CsvWriter(csv.output, members)];
  let sentPackets = 0n;
  let sentOctets = 0n;
  const deliver = (records: RecordBatch): void => {
    for (let n = 0; n < records.count; n++) {
      const at = n * records.layout.stride;
      const counted = counter(records, at + Row.packetsA) + counter(records, at + Row.packetsB);
      sentPackets += counted;
      sentOctets += counter(records, at + Row.octetsA) + counter(records, at + Row.octetsB);
      const side = records.layout.side.watching;
      assert.equal(BigInt(records.words[at + side]), counted, 'the hook saw as many packets as the record counts');
      assert.equal(records.words[at + side + 1], 2, 'a record is of a flow that ended');
    }
    for (const writer of writers) writer.write(records);
  };
  const reports = Array.from({ length: shards }, (_, number) => {
    const filter: PacketFilter | undefined = plan.filter === undefined ? undefined : compileFilter(plan.filter);
    const hooks = [new WatchingHook()];
    const shard = new Shard({ settings, filter, shard: number, shards, seed: [11, 12], hooks });
    const tally = new Tally();
    feed(shard, packets, delivery, tally, deliver);
    return shardReport(shard, tally);
  });
  const { imbalance, ...sums } = ledger(reports);
  assert.deepEqual(imbalance, [], 'the ledger balances');
  assert.equal(sentPackets, BigInt(sums.decoded), 'the records have all packets that were decoded');
  assert.equal(sentOctets, BigInt(sums.octets), 'the records have all bytes');
  const lines = json.text().split('\n').slice(0, -1);
  assert.equal(lines.length, sums.records, 'a line a record');
  for (const line of lines) checkRecord(line);
  const rows = csv.text().split('\r\n');
  const bare = rows.slice(1).filter((row) => !row.includes('"'));
  for (const row of bare.slice(0, -1)) assert.equal(row.split(',').length, members.length, 'a cell a column');
  return {
    lines: lines.map((line) => line.replace(/"id":"[^"]*",/, '')),
    sums: { ...sums, flows: { ...sums.flows, peak: 0 } },
  };
}

function counter(records: RecordBatch, at: number): bigint {
  return BigInt(records.unsigned[at]) + (BigInt(records.unsigned[at + 1]) << 32n);
}

function checkRecord(line: string): void {
  const record = JSON.parse(line) as Record<string, unknown>;
  assert.ok(
    (record.packets as number) + ((record.reversePackets as number | undefined) ?? 0) >= 1,
    'a record has a packet',
  );
  assert.ok((record.start as string) <= (record.end as string), `${record.start} … ${record.end}`);
  assert.ok((record.duration as number) >= 0, `${record.duration} s`);
  for (const [name, value] of Object.entries(record)) {
    // TCP flags may be none.
    const empty = value === null || (value === '' && !/tcpflags/i.test(name));
    assert.ok(!empty, `${name} is ${JSON.stringify(value)}: absent is absent`);
    if (typeof value === 'number') assert.ok(value >= 0, `${name} is ${value}`);
  }
}

function feed(
  shard: Shard,
  packets: readonly Packet[],
  delivery: Delivery,
  tally: Tally,
  deliver: (records: RecordBatch) => void,
): void {
  const { batch, meter } = shard;
  const drain = (partial: boolean): void => {
    for (let records = meter.records.take(partial); records !== undefined; records = meter.records.take(partial)) {
      deliver(records);
      meter.records.give(records);
    }
  };
  for (let from = 0, turn = 0; from < packets.length; turn++) {
    const to = Math.min(packets.length, from + delivery.batches[turn % delivery.batches.length]);
    fill(batch, packets.slice(from, to), delivery);
    tally.add(batch);
    shard.decode();
    for (let at = 0; at < batch.count; ) {
      at = meter.process(at, batch.count);
      drain(false);
    }
    assert.ok(meter.live <= meter.table.maxFlows, `${meter.live} flows, not more than ${meter.table.maxFlows}`);
    from = to;
  }
  while (!meter.finish()) drain(false);
  drain(true);
  assert.equal(meter.live, 0, 'no flow is left');
}

/** The last packet ends where the memory ends. */
function fill(batch: Batch, packets: readonly Packet[], { gap, fill: filler }: Delivery): void {
  const length = packets.reduce((total, packet) => total + gap + packet.bytes.length, 1);
  const memory = new Uint8Array(length).fill(filler);
  batch.attach(memory, new DataView(memory.buffer));
  let at = 1;
  for (const [i, packet] of packets.entries()) {
    at += gap;
    memory.set(packet.bytes, at);
    batch.offset[i] = at;
    batch.captured[i] = packet.bytes.length;
    batch.wire[i] = Math.min(0x7fffffff, packet.bytes.length + packet.more);
    batch.seconds[i] = packet.seconds;
    batch.nanos[i] = packet.nanos;
    batch.iface[i] = 0;
    batch.link[i] = packet.link;
    at += packet.bytes.length;
  }
  batch.count = packets.length;
}

function run(input: Uint8Array): void {
  const packets = decodePackets(input);
  const plan = planOf(input, packets.length);
  let whole: Outcome;
  try {
    whole = meter(packets, plan, WHOLE, 1);
  } catch (error) {
    // A filter may say that it makes no sense on a link layer; that ends the run.
    if (error instanceof RheoError && error.code === ErrorCode.filter) return;
    throw error;
  }
  equal(meter(packets, plan, PIECES, 1), whole, 'however the packets were cut into batches');
  if (plan.roomy) equal(meter(packets, plan, WHOLE, 2), whole, 'of two shards');
}

/** The same records, in whatever order, and the same sums. */
function equal(found: Outcome, expected: Outcome, what: string): void {
  const left = new Set(expected.lines);
  const added = found.lines.find((line) => !left.has(line));
  const right = new Set(found.lines);
  const missing = expected.lines.find((line) => !right.has(line));
  assert.equal(added, missing, `the same records ${what}`);
  assert.deepEqual(found.lines.sort(), expected.lines.sort(), `each record as often ${what}`);
  assert.deepEqual(found.sums, expected.sums, `the same sums ${what}`);
}

export const ROAD_TARGETS: readonly Target[] = [
  {
    name: 'road',
    about: 'packets of any time and kind through filter, sampling, decoder, meter, all features, JSON and CSV',
    tries: 150,
    make: encodePackets,
    parts: borders,
    run,
  },
];
