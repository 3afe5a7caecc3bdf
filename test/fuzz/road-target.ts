import assert from 'node:assert/strict';
import { ledger, shardReport, Tally } from '../../src/control/report.js';
import { completeSettings, recordFields } from '../../src/control/settings.js';
import { type PacketFilter, Shard } from '../../src/control/shard.js';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { CsvWriter } from '../../src/export/csv.js';
import { JsonWriter } from '../../src/export/json.js';
import { compileFilter } from '../../src/filter/filter.js';
import type { FlowHook, SideTable } from '../../src/model/hook.js';
import type { MeterOptions } from '../../src/model/options.js';
import { recordMembers } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { Row } from '../../src/model/row.js';
import { BATCH_SIZE, type Batch } from '../../src/packet/batch.js';
import { KEY_PARTS, type KeyPart } from '../../src/packet/key.js';
import { collector } from '../support/collector.js';
import { anyFrame, type HostileFrame } from './frames.js';
import type { Random, Target } from './target.js';

/** In front of the packets: how to meter. */
const SETTINGS = 8;
/** In front of each frame: step of time (2), link type (2), bytes on the wire beyond the frame (4), length (2). */
const PREFIX = 10;

interface Packet extends HostileFrame {
  seconds: number;
  nanos: number;
}

/** Steps of time in nanoseconds: nothing, a little, past the timeouts, back, and far. */
const STEPS: readonly number[] = [
  0, 0, 0, 1, 1000, 1e6, 249_999_999, 250e6, 1e9, 5e9, 16e9, 31e9, 121e9, 301e9, 1025e9, 86_400e9, -1, -1e6, -1e9, -3e9,
  -40e9, -400e9, 4e18, -4e18,
];
const LATEST = 0xffffffff;

function encodePackets(random: Random): Uint8Array {
  const count = 1 + random.below(random.once(4) ? 200 : 30);
  const pool = Array.from({ length: 1 + random.below(12) }, () => anyFrame(random));
  const calm = random.once(2);
  const parts = [random.bytes(SETTINGS)];
  for (let n = 0; n < count; n++) {
    const frame = random.once(3) ? anyFrame(random) : random.pick(pool);
    const head = new Uint8Array(PREFIX);
    const view = new DataView(head.buffer);
    view.setUint8(0, random.below(calm ? 11 : STEPS.length));
    view.setUint8(1, random.byte());
    view.setUint16(2, frame.link);
    view.setUint32(4, frame.more);
    view.setUint16(8, frame.bytes.length);
    parts.push(head, frame.bytes);
  }
  return Buffer.concat(parts);
}

function decodePackets(input: Uint8Array): Packet[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const packets: Packet[] = [];
  let seconds = 1_704_067_200;
  let nanos = 0;
  for (let at = SETTINGS; at + PREFIX <= input.length; ) {
    const step = STEPS[view.getUint8(at) % STEPS.length] + view.getUint8(at + 1) * 1000;
    const whole = Math.floor((nanos + step) / 1e9);
    nanos = nanos + step - whole * 1e9;
    seconds = Math.min(LATEST, Math.max(0, seconds + whole));
    const from = at + PREFIX;
    const bytes = input.subarray(from, Math.min(input.length, from + view.getUint16(at + 8)));
    packets.push({ seconds, nanos, link: view.getUint16(at + 2), more: view.getUint32(at + 4), bytes });
    at = from + bytes.length;
  }
  return packets;
}

/** Where the packets begin. */
function borders(input: Uint8Array): number[] {
  const list: number[] = [];
  for (let at = SETTINGS; at + PREFIX <= input.length; ) {
    list.push(at);
    at += PREFIX + (input[at + 8] << 8) + input[at + 9];
  }
  return list;
}

interface Plan {
  options: MeterOptions;
  filter: string | undefined;
  /** Neither table nor fragments are limited more than the packets need. */
  roomy: boolean;
}

const FILTERS = ['tcp or udp', 'ip6 or vlan or less 100', 'not ip[0] & 0xf != 5', 'len > ip[2:2]', 'port 53 or icmp'];

function planOf(input: Uint8Array, packets: number): Plan {
  const at = (k: number): number => input[k] ?? 0;
  const roomy = at(0) % 3 === 0;
  const parts = Object.keys(KEY_PARTS) as KeyPart[];
  const timeouts = [undefined, { active: 1000 }, { idle: { tcp: 1, udp: 1, other: 1, single: 1 }, active: 1 }];
  const sampling = { mode: (['count', 'random', 'hash'] as const)[at(5) % 3], n: 1 + (at(5) % 4), scale: false };
  const timeout = timeouts[at(1) % timeouts.length];
  return {
    options: {
      maxFlows: roomy ? packets * 2 + 16 : 1 + (at(0) % 8),
      whenFull: (['evict', 'refuse', 'early'] as const)[at(2) % 3],
      features: at(3) % 4 === 0 ? 'none' : 'all',
      key: {
        base: (['port', 'port', 'proto', 'ip'] as const)[at(4) & 3],
        extra: parts.filter((_, k) => (at(4) & 0x80) !== 0 && ((at(6) >> k) & 1) === 1),
        unidirectional: (at(4) & 0x30) === 0x30,
      },
      tunnels: (at(4) & 0x0c) === 0x0c ? 'none' : 'all',
      checksums: (at(4) & 0x40) !== 0,
      maxFragments: roomy ? packets + 1 : 1 + (at(7) & 3),
      fragmentTimeout: [15_000, 1, 1000][at(7) % 3],
      ...(timeout === undefined ? {} : { timeouts: timeout }),
      ...((at(5) & 0xf0) === 0xf0 ? { sampling } : {}),
    },
    filter: (at(7) & 0xc0) === 0xc0 ? FILTERS[at(7) % FILTERS.length] : undefined,
    roomy,
  };
}

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
      at = meter.process(batch, at, batch.count);
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
