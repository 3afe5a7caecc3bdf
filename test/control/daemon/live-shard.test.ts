import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts, type LiveReport } from '../../../src/control/daemon/accounts.js';
import { LiveShard } from '../../../src/control/daemon/live-shard.js';
import type { LiveMessage } from '../../../src/control/daemon/messages.js';
import { completeSettings } from '../../../src/control/settings.js';
import type { MeterOptions } from '../../../src/model/options.js';
import { readMembers, recordMembers } from '../../../src/model/read-record.js';
import { RecordBatch, type RecordLayout } from '../../../src/model/record-batch.js';
import type { FlowObject } from '../../../src/rpc/service.js';
import { FRAME_BYTES, writeFrame } from '../../daemon/made-frames.js';
import { SimClock } from '../../daemon/simulation/sim-clock.js';
import { SimSource } from '../../daemon/simulation/sim-source.js';

const members = recordMembers([], []);

/** A shard in this thread, over a source into which the test puts packets. */
class Bench {
  readonly clock = new SimClock();
  readonly source = new SimSource(this.clock, this);
  readonly accounts = new Accounts();
  readonly said: LiveMessage[] = [];
  readonly shard: LiveShard;
  readonly running: Promise<void>;
  /** Gives batches back as soon as they come. */
  giving = true;

  constructor(options: MeterOptions = {}) {
    this.source.release();
    this.shard = new LiveShard({
      task: {
        settings: completeSettings({ maxFlows: 1 << 17, features: 'none', ...options }),
        filter: undefined,
        seed: [1, 2],
        shard: 0,
        shards: 1,
        samplers: [],
        source: { kind: 'pipe', path: 'unused' },
        accounts: this.accounts.memory,
      },
      source: this.source,
      filter: undefined,
      say: (message) => this.said.push(message),
      now: () => this.clock.monotonicMs(),
      turn: () => this.clock.turn(),
    });
    this.running = this.shard.run();
  }

  offer(flow: number, flags?: number): void {
    const bytes = new Uint8Array(FRAME_BYTES);
    writeFrame(bytes, 0, flow, false, flags);
    this.source.offer(bytes, 0, 0);
  }

  /** Lets the shard do its work for so many ms. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.monotonicMs() + ms;
    do {
      await this.settle();
      this.clock.advance(until - this.clock.monotonicMs());
    } while (this.clock.monotonicMs() < until);
    await this.settle();
  }

  private async settle(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const turns = this.clock.turns.splice(0);
      for (const { resume } of turns) resume();
      if (this.giving) this.give();
      if (turns.length === 0) return;
    }
  }

  private given = 0;

  /** The accounts as of now. */
  read(): LiveReport {
    this.shard.order({ type: 'report', id: 0 });
    return this.accounts.read();
  }

  give(): void {
    for (; this.given < this.said.length; this.given++) {
      const message = this.said[this.given];
      if (message.type === 'records') this.shard.order({ type: 'give', id: message.id });
    }
  }

  get layout(): RecordLayout {
    const [ready] = this.of('ready');
    return ready.layout;
  }

  of<T extends LiveMessage['type']>(type: T): Extract<LiveMessage, { type: T }>[] {
    return this.said.filter((message): message is Extract<LiveMessage, { type: T }> => message.type === type);
  }

  flows({
    memory,
    count,
    quoted,
  }: {
    memory: SharedArrayBuffer;
    count: number;
    quoted: RecordBatch['quoted'];
  }): FlowObject[] {
    const batch = new RecordBatch(this.layout, memory, quoted);
    batch.count = count;
    return Array.from({ length: count }, (_, index) => readMembers(batch, index, members));
  }
}

test('records of silent flows come by the clock, without a packet', async () => {
  const bench = new Bench();
  bench.offer(1);
  await bench.pass(1000);
  assert.equal(bench.read().live, 1);
  await bench.pass(20_000);
  const [records] = bench.of('records');
  const [flow] = bench.flows(records);
  assert.equal(flow.endReason, 'idle');
  assert.equal(flow.src, '10.0.0.1');
  assert.equal(bench.read().live, 0);
  bench.shard.order({ type: 'stop' });
  await bench.pass(500);
  await bench.running;
  assert.equal(bench.of('done').length, 1);
});

test('records are moved when the clock was set, and no flow ends by that', async () => {
  const bench = new Bench();
  bench.offer(1);
  await bench.pass(1000);
  bench.clock.set(3_600_000);
  await bench.pass(1000);
  assert.equal(bench.read().live, 1, 'an hour has not passed');
  bench.shard.order({
    type: 'query',
    id: 5,
    query: { kind: 'flows', filter: undefined, sort: 'bytes', descending: true, keep: 9 },
  });
  await bench.pass(10);
  const [{ answer }] = bench.of('answer');
  const asked = bench.flows(answer.records![0]);
  assert.match(String(asked[0].start), /^2024-01-01T01:00:00/);
  bench.shard.order({ type: 'stop' });
  await bench.pass(1000);
  const flow = bench.of('records').flatMap((one) => bench.flows(one))[0];
  assert.equal(flow.start, asked[0].start);
  assert.equal(flow.id, asked[0].id);
  assert.match(bench.of('event')[0].message, /the clock was set by 3600\.000 s/);
});

test('a main thread that gives nothing back costs records, counted, but never packets', async () => {
  const bench = new Bench({ maxFlows: 64 });
  bench.giving = false;
  let packets = 0;
  for (let round = 0; round < 400; round++) {
    for (let n = 0; n < 500; n++) bench.offer(packets++);
    await bench.pass(10);
  }
  const report = bench.read();
  assert.equal(report.packets, packets);
  assert.equal(report.metered, packets);
  assert.ok(report.recordsDropped > 0);
  const said = bench.of('records').reduce((sum, { count }) => sum + count, 0);
  // Some more may wait in the meter.
  assert.ok(report.records - report.recordsDropped - said < 9 * 1024);
  assert.ok(bench.of('records').length <= 64);
  bench.giving = true;
  bench.shard.order({ type: 'stop' });
  await bench.pass(1000);
  await bench.running;
  const last = bench.read();
  const all = bench.of('records').reduce((sum, { count }) => sum + count, 0);
  assert.equal(last.live, 0);
  assert.equal(last.opened, packets);
  assert.equal(all + last.recordsDropped, packets);
});

test('stopping waits for room and drops nothing', async () => {
  const bench = new Bench({ maxFlows: 1 << 17 });
  const flows = 90_000;
  for (let n = 0; n < flows; n++) {
    bench.offer(n);
    if (n % 500 === 499) await bench.pass(1);
  }
  bench.giving = false;
  bench.shard.order({ type: 'stop' });
  await bench.pass(1000);
  assert.equal(bench.of('done').length, 0);
  assert.equal(bench.of('records').length, 64);
  bench.giving = true;
  await bench.pass(1000);
  await bench.running;
  assert.equal(
    bench.of('records').reduce((sum, { count }) => sum + count, 0),
    flows,
  );
  assert.equal(bench.read().recordsDropped, 0);
});

test('flows are handed out when the source breaks, and the error is told', async () => {
  const bench = new Bench();
  bench.offer(1);
  await bench.pass(100);
  bench.source.fails = new Error('the ring broke');
  const failed = assert.rejects(bench.running, /the ring broke/);
  await bench.pass(1000);
  await failed;
  assert.equal(bench.of('records').flatMap((one) => bench.flows(one)).length, 1);
  assert.equal(bench.read().live, 0);
});

test('exit loses what is in the table, and says so in the accounts', async () => {
  const bench = new Bench();
  for (let n = 0; n < 10; n++) bench.offer(n);
  await bench.pass(100);
  bench.shard.order({ type: 'exit' });
  await bench.pass(1000);
  await bench.running;
  assert.equal(bench.read().live, 10);
  assert.equal(bench.of('records').length, 0);
});

test('a dump waits for its reader, packets do not', async () => {
  const bench = new Bench();
  const flows = 3000;
  for (let n = 0; n < flows; n++) {
    bench.offer(n);
    if (n % 500 === 499) await bench.pass(1);
  }
  bench.shard.order({ type: 'query', id: 9, query: { kind: 'dump', filter: undefined } });
  await bench.pass(100);
  const waiting = bench.of('slice');
  assert.equal(waiting.length, 4);
  assert.equal(bench.of('answer').length, 0);
  const before = bench.read().packets;
  bench.offer(1);
  await bench.pass(300);
  assert.equal(bench.read().packets, before + 1);
  const seen = new Set<unknown>();
  for (let n = 0; n < bench.of('slice').length; n++) {
    const { block, buffer } = bench.of('slice')[n];
    for (const { id } of bench.flows(block)) seen.add(id);
    bench.shard.order({ type: 'more', id: 9, buffer });
    await bench.pass(1);
  }
  assert.equal(seen.size, flows);
  const [{ answer }] = bench.of('answer');
  assert.equal(answer.matched, flows);
});

test('a dump that nobody wants any more is forgotten', async () => {
  const bench = new Bench();
  // More than one slice looks at.
  for (let n = 0; n < 5000; n++) {
    bench.offer(n);
    if (n % 500 === 499) await bench.pass(1);
  }
  await bench.pass(10);
  for (let id = 1; id <= 40; id++)
    bench.shard.order({ type: 'query', id, query: { kind: 'dump', filter: 'bytes > 1G' } });
  assert.equal(bench.of('refused').length, 8, 'there is a limit to them');
  for (let id = 1; id <= 40; id++) bench.shard.order({ type: 'cancel', id });
  bench.shard.order({ type: 'query', id: 99, query: { kind: 'end', filter: undefined, reason: 'deleted' } });
  await bench.pass(100);
  assert.deepEqual(
    bench.of('answer').map(({ id, answer }) => [id, answer.matched]),
    [[99, 5000]],
  );
  assert.equal(bench.read().ended[6], 5000);
});

test('what cannot be asked is refused', async () => {
  const bench = new Bench();
  bench.shard.order({ type: 'query', id: 1, query: { kind: 'dump', filter: 'hots 1.2.3.4' } });
  bench.shard.order({ type: 'query', id: 2, query: { kind: 'top', filter: undefined, key: 'colour' } });
  assert.deepEqual(
    bench.of('refused').map(({ id, code }) => [id, code]),
    [
      [1, 'RHEO_FILTER'],
      [2, 'RHEO_USAGE'],
    ],
  );
});
