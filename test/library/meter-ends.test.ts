import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type EndedFlow, type LiveFlow, Meter } from '../../src/index.js';
import { add, added, collecting, sorted, usage } from './meters.js';
import { connection, ipOf, Proto, timeOf } from './packets.js';

test('onEnd tells of each flow at once, with its reason', () => {
  const ended: unknown[] = [];
  const meter = new Meter({
    maxFlows: 2,
    onEnd: (flow) => ended.push([flow.srcPort, flow.endReason, flow.packets]),
  });
  for (const packet of connection({ srcPort: 1 })) add(meter, packet);
  assert.deepEqual(ended, []);
  add(meter, { at: 20, srcPort: 2, protocol: Proto.udp });
  add(meter, { at: 30, srcPort: 3, protocol: Proto.udp });
  assert.deepEqual(ended, [[1, 'resources', 5]]);
  // A packet of another flow brings the time.
  add(meter, { at: 16_000, srcPort: 3, protocol: Proto.udp });
  assert.deepEqual(ended.slice(1), [
    [2, 'idle', 1],
    [3, 'idle', 1],
  ]);
  meter.finish();
  assert.deepEqual(ended.slice(3), [[3, 'forced', 1]]);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('a connection that is closed ends as such, one that lasts is cut by the active timeout', () => {
  const { meter, records } = collecting({ timeouts: { active: 10_000 } });
  for (const packet of connection({ srcPort: 1 })) add(meter, packet);
  for (let at = 10; at <= 25_000; at += 1000) add(meter, { at, srcPort: 2 });
  meter.advance(timeOf({ at: 90_000 }));
  assert.deepEqual(
    records.map((flow) => [flow.srcPort, flow.endReason, flow.packets]),
    [
      [1, 'end', 5],
      [2, 'active', 11],
      [2, 'active', 11],
      [2, 'active', 3],
    ],
  );
});

test('advance ends what is over without a packet, and never goes back', () => {
  const { meter, records } = collecting();
  add(meter, { at: 5000, protocol: Proto.udp });
  meter.advance(timeOf({ at: 0 }));
  meter.advance(timeOf({ at: 5000 }));
  meter.advance(timeOf({ at: 19_000 }));
  assert.equal(records.length, 0);
  meter.advance(timeOf({ at: 21_000 }));
  assert.equal(records.length, 1);
  assert.deepEqual(meter.counters.noticed, {});
  // The clock was set back by an hour: time goes on from there.
  add(meter, { at: -3_600_000, protocol: Proto.udp, srcPort: 5 });
  meter.advance(timeOf({ at: -3_600_000 + 20_000 }));
  assert.equal(records.length, 2);
});

test('the meter goes on after finish', () => {
  const { meter, records } = collecting();
  for (const packet of connection()) add(meter, packet);
  meter.finish();
  assert.equal(meter.finish().records, 1);
  for (const packet of connection({ at: 1000 })) add(meter, packet);
  const { imbalance, flows } = meter.finish();
  assert.deepEqual(imbalance, []);
  assert.equal(flows.ended.end, 2);
  assert.equal(records.length, 2);
});

test('a flow finds nothing of the one that had its row before', () => {
  const later = [2, 3, 4].map((srcPort) => ({ at: 30, srcPort, protocol: Proto.udp, payload: 9 }));
  const { meter: alone, records: expected } = collecting({ features: 'all' });
  for (const packet of later) add(alone, packet);
  alone.finish();
  const { meter, records } = collecting({ features: 'all', timeouts: { active: 1000 } });
  for (const packet of connection({ at: -90_000, srcPort: 1 })) add(meter, packet);
  // Is cut by the active timeout, and has a second row that never gets a packet.
  for (const at of [-90_000, -89_900, -89_100]) add(meter, { at, srcPort: 9, payload: 5 });
  meter.advance(timeOf({ at: -10 }));
  assert.equal(meter.counters.flows.live, 0);
  const before = records.length;
  assert.ok(before >= 2);
  for (const packet of later) add(meter, packet);
  meter.finish();
  assert.deepEqual(sorted(records.slice(before)), sorted(expected));
});

test('user data stays with its flow, comes to onEnd with it, and is gone then', () => {
  const ended: unknown[] = [];
  const meter = new Meter<{ name: string }>({
    onEnd(flow) {
      ended.push([flow.srcPort, flow.userData?.name]);
    },
  });
  const send = (at: number, srcPort: number): LiveFlow<{ name: string }> =>
    added(meter.l3(ipOf({ srcPort, protocol: Proto.udp }), timeOf({ at })));
  for (let port = 1; port <= 100; port++) {
    const flow = send(port, port);
    assert.equal(flow.userData, undefined);
    if (port % 3 === 0) flow.userData = { name: `flow ${port}` };
  }
  for (let port = 100; port >= 1; port--) {
    assert.equal(send(300 - port, port).userData?.name, port % 3 === 0 ? `flow ${port}` : undefined);
  }
  const last = send(400, 3);
  last.userData = undefined;
  meter.advance(timeOf({ at: 60_000 }));
  assert.equal(ended.length, 100);
  assert.deepEqual(
    new Map(ended as [number, string | undefined][]),
    new Map(
      Array.from({ length: 100 }, (_, n) => {
        const port = n + 1;
        return [port, port % 3 === 0 && port !== 3 ? `flow ${port}` : undefined];
      }),
    ),
  );
  // New flows in the rows of the old ones begin with nothing.
  for (let port = 1; port <= 100; port++) assert.equal(send(70_000 + port, port).userData, undefined);
});

test('user data can be collected when its flow has ended', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const meter = new Meter<object>();
  const refs: WeakRef<object>[] = [];
  for (let port = 1; port <= 50; port++) {
    const data = { port };
    refs.push(new WeakRef(data));
    added(meter.l3(ipOf({ srcPort: port, protocol: Proto.udp }), timeOf({ at: port }))).userData = data;
  }
  const kept = (): number => refs.filter((ref) => ref.deref() !== undefined).length;
  // What a WeakRef has shown stays until the end of the turn.
  await new Promise(setImmediate);
  collect();
  assert.equal(kept(), 50, 'as long as the flows live');
  meter.finish();
  await new Promise(setImmediate);
  collect();
  assert.ok(kept() <= 1, `${kept()} are left`);
  assert.equal(meter.live, 0);
});

test('what onEnd throws comes out of the call, after all flows were told and the packet was counted', () => {
  let told = 0;
  const meter = new Meter({
    onEnd() {
      told++;
      throw new Error(`number ${told}`);
    },
  });
  for (let port = 1; port <= 3; port++) add(meter, { at: port, srcPort: port, protocol: Proto.udp });
  assert.throws(() => add(meter, { at: 60_000, srcPort: 9 }), /number 1/);
  assert.equal(told, 3);
  assert.equal(meter.counters.decoded, 4);
  assert.ok(add(meter, { at: 60_001, srcPort: 9 }));
  assert.throws(() => meter.finish(), /number 4/);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('the meter cannot be called from onEnd, and what it showed there is gone afterwards', () => {
  let kept: EndedFlow | undefined;
  const errors: unknown[] = [];
  const meter: Meter = new Meter({
    onEnd(flow) {
      kept = flow;
      for (const call of [
        () => meter.finish(),
        () => meter.advance(99e9),
        () => add(meter, {}),
        () => meter.l3(ipOf({}), 0),
      ]) {
        try {
          call();
        } catch (error) {
          errors.push(error);
        }
      }
    },
  });
  add(meter, {});
  meter.finish();
  assert.equal(errors.length, 4);
  for (const error of errors) usage(/from within onEnd/)(error);
  assert.throws(() => kept?.src, usage(/callback had returned/));
  assert.equal(meter.counters.packets, 1);
});

test('more flows end at once than fit into a batch of records', () => {
  const { meter, records } = collecting();
  const many = 12_000;
  for (let n = 0; n < many; n++) {
    add(meter, { at: n / 100, src: `10.1.${n >> 8}.${n & 0xff}`, protocol: Proto.udp });
  }
  assert.equal(meter.live, many);
  meter.advance(timeOf({ at: 60_000 }));
  assert.equal(records.length, many);
  assert.equal(new Set(records.map((flow) => flow.src)).size, many);
  assert.deepEqual(meter.counters.imbalance, []);
});

test('a full table that refuses says so', () => {
  const { meter } = collecting({ maxFlows: 1, whenFull: 'refuse' });
  assert.ok(add(meter, { srcPort: 1 }));
  assert.equal(add(meter, { srcPort: 2 }), undefined);
  assert.equal(meter.lastRefusal, 'tableFull');
  assert.ok(add(meter, { srcPort: 1 }));
  assert.deepEqual(meter.counters.imbalance, []);
});

test('sampling leaves packets out, and scales what is read and what ends', () => {
  const { meter, records } = collecting({ sampling: { mode: 'count', n: 4, scale: true } });
  const flows = [0, 1, 2, 3, 4].map((at) => add(meter, { at })?.packets);
  assert.deepEqual(flows, [4, undefined, undefined, undefined, 8]);
  assert.equal(meter.counters.refused.sampledOut, 3);
  meter.finish();
  assert.equal(records[0].packets, 8);
  assert.deepEqual(records[0].sampling, { mode: 'count', n: 4, scaled: true });
});
