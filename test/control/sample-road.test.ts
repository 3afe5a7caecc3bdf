import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SampleRoad } from '../../src/control/sample-road.js';
import type { CounterSample, PacketSample, SampleSink } from '../../src/model/packet-sample.js';
import { SAMPLE_SLOTS, SampleRing } from '../../src/model/sample-ring.js';
import type { Target } from '../../src/model/target.js';
import { batchWith } from '../support/batches.js';

/** Keeps the samples that it gets. */
class Keeper implements SampleSink {
  readonly wish: { oneIn: number; headerBytes: number; pollingMs: number };
  readonly copies = 1;
  readonly packets: PacketSample[] = [];
  readonly counters: CounterSample[] = [];
  /** Samples that it takes before it wants to be waited for. */
  places = Number.POSITIVE_INFINITY;
  private wake: (() => void) | undefined;

  constructor(oneIn: number, headerBytes = 16) {
    this.wish = { oneIn, headerBytes, pollingMs: 0 };
  }

  takePacket(sample: PacketSample): void {
    assert.ok(this.places > 0, 'it was given more than it has room for');
    this.places--;
    this.packets.push(sample);
  }

  takeCounters(sample: CounterSample): void {
    this.counters.push(sample);
  }

  flush(): void {}

  room(): Promise<void> | undefined {
    if (this.places > 0) return undefined;
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  open(places: number): void {
    this.places = places;
    this.wake?.();
  }
}

function targetOf(samples?: Keeper): Target {
  return { url: 'sflow://192.0.2.1', ...(samples === undefined ? {} : { samples }) } as unknown as Target;
}

interface Lost {
  target: Target;
  reason: string;
  count: number;
}

function roadWith(sources: Record<string, number>): { road: SampleRoad; lost: Lost[] } {
  const lost: Lost[] = [];
  let seed = 1;
  const road = new SampleRoad({
    source: (shard, iface) => sources[`${shard}/${iface}`],
    seed: () => seed++,
    lost: (target, reason, count) => lost.push({ target, reason, count }),
  });
  return { road, lost };
}

/** The shard's end of a ring. */
function ringOf(task: { headerBytes: number; memory: SharedArrayBuffer }): SampleRing {
  return new SampleRing(task.headerBytes, task.memory);
}

const PACKET = batchWith([{ bytes: Uint8Array.from({ length: 40 }, (_, k) => k), wire: 60, direction: 1 }]);

test('targets with the same wish share a sampler, others have their own; records-only targets have none', () => {
  const { road } = roadWith({});
  const [a, b, c] = [new Keeper(10), new Keeper(10), new Keeper(20)];
  road.add([targetOf(a), targetOf(), targetOf(b), targetOf(c)]);
  const tasks = road.tasks(0, true);
  assert.deepEqual(
    tasks.map(({ oneIn, headerBytes }) => [oneIn, headerBytes]),
    [
      [10, 16],
      [20, 16],
    ],
  );
  assert.notEqual(tasks[0].id, tasks[1].id);
  // The same again for the same life of the shard, other memory for another shard, and for another life.
  assert.deepEqual(
    road.tasks(0, false).map(({ memory }) => memory === tasks[0].memory),
    [true, false],
  );
  assert.notEqual(road.tasks(1, true)[0].memory, tasks[0].memory);
  assert.notEqual(road.tasks(0, true)[0].memory, tasks[0].memory);
});

test('pools and losses of an interface are added up over shards and lives, and each target gets them', () => {
  const { road, lost } = roadWith({ '0/0': 7, '1/0': 8, '1/1': 7 });
  const [one, two] = [new Keeper(5), new Keeper(5)];
  const targets = [targetOf(one), targetOf(two)];
  road.add(targets);
  const [first, second] = [0, 1].map((shard) => ringOf(road.tasks(shard, true)[0]));
  first.put(PACKET, 0, 0, 100, 2);
  second.put(PACKET, 0, 0, 10, 0);
  second.put(PACKET, 0, 1, 1000, 30);
  road.drain();
  assert.deepEqual(
    one.packets.map(({ source, pool, drops, oneIn }) => [source, pool, drops, oneIn]),
    [
      [7, 100, 2, 5],
      [8, 10, 0, 5],
      [7, 1100, 32, 5],
    ],
  );
  const [{ header, wire, direction, link }] = one.packets;
  assert.deepEqual([[...header], wire, direction, link], [Array.from({ length: 16 }, (_, k) => k), 60, 1, 1]);
  // The shard dies with a sample in its ring: it is handed over, and its next life goes on in the same sums.
  first.put(PACKET, 0, 0, 5, 0);
  road.fold(0);
  const again = ringOf(road.tasks(0, true)[0]);
  again.put(PACKET, 0, 0, 1, 0);
  road.drain();
  assert.deepEqual(
    one.packets.slice(3).map(({ pool }) => pool),
    [1105, 1106],
  );
  assert.deepEqual(two.packets, one.packets);
  assert.deepEqual(lost, []);
  assert.deepEqual(road.imbalance(true), []);
});

test('what found no room is told to each target of the sampler, once', () => {
  const { road, lost } = roadWith({ '0/0': 1 });
  const [near, far] = [targetOf(new Keeper(1)), targetOf(new Keeper(2))];
  road.add([near, far]);
  const ring = ringOf(road.tasks(0, true)[0]);
  for (let k = 0; k < SAMPLE_SLOTS + 9; k++) ring.put(PACKET, 0, 0, 1, 0);
  road.drain();
  road.drain();
  assert.deepEqual(
    lost.map(({ target, reason, count }) => [target === near, reason, count]),
    [[true, 'ringFull', 9]],
  );
  assert.deepEqual(road.imbalance(true), []);
});

test('samples of an interface that nobody has told of wait; with their shard they are lost, and counted', () => {
  const sources: Record<string, number> = {};
  const { road, lost } = roadWith(sources);
  const keeper = new Keeper(1);
  road.add([targetOf(keeper)]);
  const ring = ringOf(road.tasks(0, true)[0]);
  ring.put(PACKET, 0, 0, 1, 0);
  road.drain();
  assert.equal(road.waiting, 1);
  assert.match(road.imbalance(true).join(), /samples that wait at the end: 1/);
  assert.deepEqual(road.imbalance(false), []);
  sources['0/0'] = 3;
  road.drain();
  assert.equal(keeper.packets.length, 1);
  ring.put(PACKET, 0, 1, 1, 0);
  road.fold(0);
  assert.deepEqual(
    lost.map(({ reason, count }) => [reason, count]),
    [['interfaceUnknown', 1]],
  );
  assert.deepEqual(road.imbalance(true), []);
});

test('a target that has no room holds the road until it has some', async () => {
  const { road } = roadWith({ '0/0': 1 });
  const [slow, other] = [new Keeper(1), new Keeper(1)];
  road.add([targetOf(slow), targetOf(other)]);
  const ring = ringOf(road.tasks(0, true)[0]);
  for (let k = 0; k < 10; k++) ring.put(PACKET, 0, 0, 1, 0);
  slow.places = 4;
  const drained = road.drain();
  assert.ok(drained instanceof Promise);
  assert.deepEqual([slow.packets.length, other.packets.length, road.waiting], [4, 4, 6]);
  slow.open(100);
  await drained;
  assert.deepEqual([slow.packets.length, other.packets.length, road.waiting], [10, 10, 0]);
});

test('a target that leaves gets nothing any more; the last one takes its sampler with it', () => {
  const { road } = roadWith({ '0/0': 1 });
  const [one, two] = [new Keeper(1), new Keeper(1)];
  const [first, second] = [targetOf(one), targetOf(two)];
  road.add([first, second]);
  const ring = ringOf(road.tasks(0, true)[0]);
  road.remove([first]);
  ring.put(PACKET, 0, 0, 1, 0);
  road.drain();
  assert.deepEqual([one.packets.length, two.packets.length], [0, 1]);
  road.remove([second]);
  assert.equal(road.active, false);
  assert.deepEqual(road.tasks(0, false), []);
});

test('too many different samplings are refused, with those that there are already', () => {
  const { road } = roadWith({});
  const many = Array.from({ length: 8 }, (_, k) => targetOf(new Keeper(k + 1)));
  road.check(many);
  road.add(many.slice(0, 7));
  road.check([targetOf(new Keeper(100)), targetOf(new Keeper(3))]);
  assert.throws(() => road.check([targetOf(new Keeper(100)), targetOf(new Keeper(101))]), /more than 8 different/);
});
