import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import {
  type Batch,
  ErrorCode,
  type FlowHook,
  type FlowReadOptions,
  type FlowRecord,
  Meter,
  type RecordField,
  RheoError,
  readFlows,
  type SideTable,
  type Summary,
} from '../../src/index.js';
import { projectRoot } from '../support/shared.js';
import { captureOf, connection, ETHERNET, Flag, frameOf, type Packet, Proto, timeOf } from './packets.js';

const house = path.join(projectRoot, 'samples/house.pcapng');

async function read(
  source: string | Uint8Array,
  options: FlowReadOptions,
): Promise<{ records: FlowRecord[]; summary: Summary }> {
  const flows = readFlows(source, options);
  const records: FlowRecord[] = [];
  for await (const flow of flows) records.push(flow);
  const summary = await flows.summary;
  assert.deepEqual(summary.imbalance, []);
  return { records, summary };
}

/** Counts; asks for no memory. */
class Counter implements FlowHook {
  readonly words = 0;
  readonly name: string;
  created_ = 0;
  packets = 0;
  expired_ = 0;

  constructor(name = 'counter') {
    this.name = name;
  }

  created(_batch: Batch, _indexes: Int32Array, count: number): void {
    this.created_ += count;
  }

  updated(batch: Batch, from: number, to: number): void {
    for (let i = from; i < to; i++) if (batch.flow[i] >= 0) this.packets++;
  }

  expired(_rows: Int32Array, count: number): void {
    this.expired_ += count;
  }
}

/** Keeps a column: bytes on the wire, and a number that each flow gets when it begins. */
class Column implements FlowHook {
  readonly words = 2;
  readonly name: string;
  offset = -1;
  begun = 0;
  /** The numbers of flows that ended, as `expired` found them. */
  readonly ended: number[] = [];
  side!: SideTable;

  constructor(name = 'column') {
    this.name = name;
  }

  bind(side: SideTable, offset: number): void {
    this.side = side;
    this.offset = offset;
  }

  at(row: number): number {
    return row * this.side.stride + this.offset;
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    for (let n = 0; n < count; n++) {
      const at = this.at(batch.flow[indexes[n]]);
      assert.equal(this.side.words[at], 0, 'a flow begins with zeros');
      assert.equal(this.side.words[at + 1], 0);
      this.side.words[at + 1] = ++this.begun;
    }
  }

  updated(batch: Batch, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      if (batch.flow[i] < 0) continue;
      assert.ok(this.side.words[this.at(batch.flow[i]) + 1] > 0, 'created comes first');
      this.side.words[this.at(batch.flow[i])] += batch.wire[i];
    }
  }

  expired(rows: Int32Array, count: number): void {
    for (let n = 0; n < count; n++) this.ended.push(this.side.words[this.at(rows[n]) + 1]);
  }

  fields(): RecordField[] {
    const read = (word: number): RecordField['read'] => {
      return (batch, index) => batch.words[index * batch.layout.stride + batch.layout.side[this.name] + word];
    };
    return [
      { name: `${this.name}Bytes`, description: 'Bytes on the wire', type: 'number', unit: 'B', read: read(0) },
      { name: `${this.name}Number`, description: 'Number of the flow', type: 'number', read: read(1) },
    ];
  }
}

/** What the meter told a hook, in order: a letter and the rows. */
interface Told {
  hook: string;
  what: 'created' | 'updated' | 'expired';
  rows: number[];
}

/** Writes down what it is told, into a list that several may share. */
function scribe(hook: string, log: Told[]): FlowHook {
  return {
    name: hook,
    words: 0,
    created(batch, indexes, count) {
      log.push({ hook, what: 'created', rows: [...indexes.subarray(0, count)].map((i) => batch.flow[i]) });
    },
    updated(batch, from, to) {
      log.push({ hook, what: 'updated', rows: [...batch.flow.subarray(from, to)] });
    },
    expired(rows, count) {
      log.push({ hook, what: 'expired', rows: [...rows.subarray(0, count)] });
    },
  };
}

test('a hook that counts sees every flow begin and end, and every packet', async () => {
  const counter = new Counter();
  const { summary } = await read(house, { hooks: [counter] });
  assert.equal(counter.created_, summary.flows.opened);
  assert.equal(counter.expired_, summary.records);
  assert.equal(counter.packets, summary.decoded);
  assert.ok(counter.packets > 500);
});

test('a hook that keeps a column finds it in the records', async () => {
  for (const features of ['none', 'all'] as const) {
    const column = new Column();
    const common = { features: features === 'all' ? ('all' as const) : ['layer2'] };
    const { records, summary } = await read(house, { ...common, hooks: [column], fields: column.fields() });
    for (const flow of records) {
      assert.equal(flow.columnBytes, Number(flow.layer2Bytes ?? 0) + Number(flow.reverseLayer2Bytes ?? 0), flow.id);
    }
    const numbers = records.map((flow) => Number(flow.columnNumber));
    assert.deepEqual(column.ended, numbers, 'expired comes in the order of the records');
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: summary.flows.opened }, (_, n) => n + 1),
    );
    assert.equal(Object.keys(records[0]).at(-1), 'columnNumber', 'members of hooks come last');
  }
});

test('the records are the same with hooks and without', async () => {
  const plain = await read(house, { features: 'all' });
  const hooked = await read(house, { features: 'all', hooks: [new Counter(), new Column()] });
  assert.deepEqual(hooked.records, plain.records);
});

test('columns of several hooks stand side by side, on even words, and hooks without one take no room', async () => {
  const hooks = [new Column('first'), new Counter(), new Column('second')];
  const odd = { name: 'odd', words: 3, bind: (_side: SideTable, offset: number) => offsets.push(offset) };
  const offsets: number[] = [];
  const last = new Column('last');
  const fields = [hooks[0], hooks[2], last].flatMap((hook) => (hook as Column).fields());
  const { records } = await read(captureOf(connection()), { features: 'none', hooks: [...hooks, odd, last], fields });
  const [first, , second] = hooks as [Column, Counter, Column];
  assert.deepEqual([first.offset, second.offset, ...offsets, last.offset], [0, 2, 4, 8]);
  assert.equal(first.side.stride, 10);
  assert.equal(first.side, last.side);
  assert.deepEqual([records[0].firstBytes, records[0].secondBytes, records[0].lastBytes], [462, 462, 462]);
});

test('hooks are called in the order in which they are given, each for all flows of a batch', async () => {
  for (const order of [
    ['a', 'b', 'c'],
    ['c', 'b', 'a'],
  ]) {
    const log: Told[] = [];
    await read(captureOf(connection()), { hooks: order.map((name) => scribe(name, log)) });
    assert.deepEqual(
      log.map(({ hook, what }) => `${hook} ${what}`),
      [...order.flatMap((name) => [`${name} created`, `${name} updated`]), ...order.map((name) => `${name} expired`)],
    );
  }
});

test('hooks come after the features', async () => {
  // A feature's column is complete when the hook is called.
  const seen: number[] = [];
  let side!: SideTable;
  const late: FlowHook = {
    name: 'late',
    words: 2,
    bind: (table, offset) => {
      side = table;
      assert.ok(offset > 0);
    },
    updated(batch, from) {
      seen.push(side.words.subarray(0, side.stride).length, side.words[batch.flow[from] * side.stride]);
    },
  };
  await read(captureOf([{ protocol: Proto.udp, payload: 50 }]), { features: ['layer2'], hooks: [late] });
  assert.equal(seen.length, 2);
  assert.notEqual(seen[1], 0);
});

test('a connection that ends and begins anew in one batch has two rows, and both columns', async () => {
  const first = connection();
  const again = connection({ at: 20 });
  const log: Told[] = [];
  const column = new Column();
  const { records } = await read(captureOf([...first, ...again.slice(0, 4)]), {
    hooks: [scribe('log', log), column],
    fields: column.fields(),
  });
  const [created, updated, expired] = log;
  assert.deepEqual([created.what, updated.what, expired.what], ['created', 'updated', 'expired']);
  const [one, two] = created.rows;
  assert.notEqual(one, two);
  assert.deepEqual(updated.rows, [...first.map(() => one), ...again.slice(0, 4).map(() => two)]);
  // The old one ended within the batch: told after all packets of the batch were.
  assert.deepEqual(expired.rows, [one]);
  assert.deepEqual(
    records.map((flow) => [flow.endReason, flow.columnNumber, flow.columnBytes]),
    [
      ['end', 1, 8 * 54 + 30],
      ['forced', 2, 4 * 54 + 10],
    ],
  );
});

test('a flow that goes on after the active timeout begins anew for the hooks', async () => {
  const column = new Column();
  const packets = Array.from({ length: 10 }, (_, n) => ({ at: n * 400, protocol: Proto.udp, payload: 10 }));
  const { records } = await read(captureOf(packets), {
    timeouts: { active: 1000 },
    hooks: [column],
    fields: column.fields(),
  });
  assert.deepEqual(
    records.map((flow) => [flow.endReason, flow.packets, flow.columnNumber, flow.columnBytes]),
    [
      ['active', 3, 1, 3 * 52],
      ['active', 3, 2, 3 * 52],
      ['active', 3, 3, 3 * 52],
      ['forced', 1, 4, 52],
    ],
  );
});

test('fragments that were held come to the hooks when they are released, with their flow', async () => {
  const datagram = { src: '10.0.0.1', dst: '10.0.0.2', protocol: Proto.udp, srcPort: 7, dstPort: 9 };
  const late: Packet = { ...datagram, fragment: { id: 5, offset: 24, more: false }, payload: 40, at: 0 };
  const first: Packet = { ...datagram, fragment: { id: 5, offset: 0, more: true }, payload: 16, at: 1 };
  const log: Told[] = [];
  const column = new Column();
  const { records, summary } = await read(captureOf([late, first]), {
    hooks: [scribe('log', log), column],
    fields: column.fields(),
  });
  assert.equal(records.length, 1);
  const [{ packets, bytes, srcPort, fragmented, columnBytes }] = records;
  assert.deepEqual([packets, bytes, srcPort, fragmented], [2, 104, 7, true]);
  assert.equal(columnBytes, 104 + 28);
  assert.equal(summary.decoded, 2);
  const [created, updated, released] = log;
  const [row] = created.rows;
  // The held one passes as a packet of no flow, and comes again.
  assert.deepEqual(
    [created.what, updated.rows, released.what, released.rows],
    ['created', [-1, row], 'updated', [row]],
  );
});

test('when the table is full, rows stay valid until all hooks ran, and none serves two flows of a batch', async () => {
  const packets: Packet[] = Array.from({ length: 600 }, (_, n) => ({
    at: n / 10,
    srcPort: 1 + (n % 40),
    protocol: Proto.udp,
    payload: n % 7,
  }));
  const log: Told[] = [];
  const column = new Column();
  const check: FlowHook = {
    name: 'check',
    words: 2,
    expired(rows, count) {
      // The hook before has read these, and the meter has not yet taken them back.
      for (let n = 0; n < count; n++) assert.ok(column.side.words[column.at(rows[n]) + 1] > 0);
    },
  };
  const { records, summary } = await read(captureOf(packets), {
    maxFlows: 10,
    hooks: [scribe('log', log), column, check],
    fields: column.fields(),
  });
  // Nearly each of the 40 has been evicted when it comes again.
  const { opened, ended, peak } = summary.flows;
  assert.ok(opened > 500);
  assert.deepEqual([peak, ended.resources], [10, opened - 10]);
  assert.equal(new Set(records.map((flow) => flow.columnNumber)).size, opened);
  for (let n = 0; n + 1 < log.length; n++) {
    if (log[n].what !== 'created') continue;
    const { rows } = log[n];
    assert.equal(new Set(rows).size, rows.length, 'each new flow has a row of its own');
  }
  const expired = log.filter(({ what }) => what === 'expired').flatMap(({ rows }) => rows);
  assert.equal(expired.length, opened);
});

test('packets that a full table refuses come to hooks as packets of no flow', async () => {
  const log: Told[] = [];
  const counter = new Counter();
  const packets = [1, 2, 1, 3].map((srcPort, at) => ({ at, srcPort, protocol: Proto.udp }));
  const { summary } = await read(captureOf(packets), {
    maxFlows: 1,
    whenFull: 'refuse',
    hooks: [scribe('log', log), counter],
  });
  const [row] = log[0].rows;
  assert.deepEqual(log[1].rows, [row, -1, row, -1]);
  assert.deepEqual([counter.created_, counter.packets, summary.refused.tableFull], [1, 2, 2]);
});

test('packets that are refused are of no flow, also where a flow stood at that place before', async () => {
  const log: Told[] = [];
  const arp = frameOf({});
  arp.set([8, 6], 12);
  const meter = new Meter({ hooks: [scribe('log', log)] });
  meter.frame(frameOf({}), ETHERNET, 0);
  meter.frame(arp, ETHERNET, 1);
  assert.deepEqual(
    log.map(({ what, rows }) => [what, rows]),
    [
      ['created', [1]],
      ['updated', [1]],
      ['updated', [-1]],
    ],
  );
});

test('a meter of single packets serves hooks as reading does', async () => {
  const packets = [...connection(), ...connection({ srcPort: 2000, at: 20 }), { at: 60_000, flags: Flag.syn }];
  const byReading = new Column();
  const { records } = await read(captureOf(packets), { hooks: [byReading], fields: byReading.fields() });
  const byPacket = new Column();
  const ended: FlowRecord[] = [];
  const meter = new Meter({
    hooks: [byPacket],
    fields: byPacket.fields(),
    onEnd: (flow) => ended.push(flow.record()),
  });
  for (const packet of packets) {
    const flow = meter.frame(frameOf(packet), ETHERNET, timeOf(packet));
    assert.ok(Number(flow?.record().columnNumber) > 0, 'a live flow shows its columns, too');
  }
  meter.finish();
  assert.deepEqual(ended, records);
});

test('hooks work with one thread only', async () => {
  const flows = readFlows(house, { threads: 2, hooks: [new Counter()] });
  const loop = async (): Promise<void> => {
    for await (const flow of flows) assert.fail(flow.id);
  };
  await assert.rejects(loop, (error) => error instanceof RheoError && error.code === ErrorCode.usage);
});
