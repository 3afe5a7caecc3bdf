import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDump } from '../../src/control/daemon/dump-format.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import type { FlowObject, ServiceEvent } from '../../src/rpc/service.js';
import { configOf, floodDaemon, MemoryTarget, until } from './support.js';

const FAST = 1e9;

test('packets of two threads become records of which none is lost', async () => {
  const { daemon, target } = floodDaemon({ packets: 50_000, flows: 1000, rate: FAST }, { threads: 2 });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 100_000, 'all packets');
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, []);
  assert.equal(loss.flows.live, 2000);
  assert.deepEqual(
    loss.threads.map(({ packets }) => packets),
    [50_000, 50_000],
  );
  const [iface] = loss.interfaces;
  assert.deepEqual([iface.name, iface.kernel, iface.packets], ['flood0', 100_000, 100_000]);
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(last.verdict, 'Nothing was lost.');
  assert.equal(last.records, 2000);
  assert.equal(target.flows.length, 2000);
  assert.equal(new Set(target.flows.map(({ id }) => id)).size, 2000);
  const packets = target.flows.reduce((sum, flow) => sum + Number(flow.packets) + Number(flow.reversePackets), 0);
  assert.equal(packets, 100_000);
  assert.ok(target.closed);
  assert.deepEqual([last.flows.live, last.flows.ended.forced], [0, 2000]);
});

test('flows are asked for by filter, in order, in pages', async () => {
  const { daemon } = floodDaemon({ packets: 30_030, flows: 1000, rate: FAST }, { threads: 2 });
  await daemon.start();
  const { service } = daemon;
  await until(async () => (await service.loss()).packets === 60_060, 'all packets');
  const all: FlowObject[] = [];
  for (let offset = 0; offset < 2000; offset += 300) {
    const page = await service.flows({ sort: 'packets', offset, limit: 300 });
    assert.deepEqual([page.matched, page.scanned], [2000, 2000]);
    all.push(...page.flows);
  }
  assert.equal(new Set(all.map(({ id }) => id)).size, 2000, 'pages neither overlap nor leave out');
  const sizes = all.map(({ packets, reversePackets }) => Number(packets) + Number(reversePackets));
  assert.deepEqual(
    sizes,
    [...sizes].sort((x, y) => y - x),
  );
  assert.equal(sizes[59], 31);
  assert.equal(sizes[60], 30);
  const some = await service.flows({ filter: 'src host 10.0.0.4 or dst host 10.0.0.4', sort: 'src' });
  assert.equal(some.matched, 1);
  const up = await service.flows({ sort: 'bytes', order: 'asc', limit: 1 });
  assert.equal(Number(up.flows[0].packets) + Number(up.flows[0].reversePackets), 30);
  await assert.rejects(service.flows({ sort: 'colour' }), { code: 'RHEO_USAGE' });
  await assert.rejects(service.flows({ filter: 'hots 1' }), { code: 'RHEO_FILTER' });
  await assert.rejects(service.flows({ limit: 0 }), { code: 'RHEO_USAGE' });
  await assert.rejects(service.flows({ offset: 20_000, limit: 1 }), /dump-flows|offset must be/);
  await daemon.stop();
});

test('top groups flows; the groups and other are all of them', async () => {
  const { daemon } = floodDaemon({ packets: 5000, flows: 500, rate: FAST });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 5000, 'all packets');
  const top = await daemon.service.top('src,dst', { limit: 3 });
  assert.equal(top.length, 4);
  assert.equal(top[3].key, 'other');
  assert.equal(
    top.reduce((sum, { flows }) => sum + flows, 0),
    500,
  );
  assert.equal(
    top.reduce((sum, { packets }) => sum + packets, 0),
    5000,
  );
  assert.deepEqual(await daemon.service.top('proto', {}), [{ key: 'udp', flows: 500, packets: 5000, bytes: 140_000 }]);
  await assert.rejects(daemon.service.top('colour', {}), { code: 'RHEO_USAGE' });
  await daemon.stop();
});

test('a dump holds each flow once, in both forms; a reader that leaves is forgotten', async () => {
  const { daemon } = floodDaemon({ packets: 20_000, flows: 5000, rate: FAST }, { threads: 2 });
  await daemon.start();
  const { service } = daemon;
  await until(async () => (await service.loss()).packets === 40_000, 'all packets');
  const pieces: Uint8Array[] = [];
  for await (const piece of service.dump({ format: 'ndjson' })) pieces.push(piece);
  const lines = Buffer.concat(pieces).toString().trimEnd().split('\n');
  const ids = new Set(lines.map((line) => (JSON.parse(line) as FlowObject).id));
  assert.deepEqual([lines.length, ids.size], [10_000, 10_000]);
  const binary: Uint8Array[] = [];
  for await (const piece of service.dump({ format: 'binary', filter: 'dst host 192.0.2.1' })) binary.push(piece);
  let count = 0;
  for (const batch of readDump(Buffer.concat(binary))) count += batch.count;
  assert.equal(count, (await service.flows({ filter: 'dst host 192.0.2.1' })).matched);
  // More than may go on at one time, one after the other.
  for (let n = 0; n < 40; n++) {
    for await (const piece of service.dump({ format: 'ndjson' })) {
      assert.ok(piece.length > 0);
      break;
    }
  }
  const open = Array.from({ length: 9 }, () => service.dump({ format: 'ndjson' })[Symbol.asyncIterator]());
  const first = await Promise.allSettled(open.map((one) => one.next()));
  assert.deepEqual(
    first.map(({ status }) => status),
    [...Array(8).fill('fulfilled'), 'rejected'],
  );
  await Promise.all(open.map((one) => one.return?.()));
  await daemon.stop();
  assert.equal((await daemon.ended).balanced, true);
});

test('flows are expired and deleted by filter, at once and for good', async () => {
  const { daemon, target } = floodDaemon({ packets: 4000, flows: 1000, rate: FAST });
  await daemon.start();
  const { service } = daemon;
  await until(async () => (await service.loss()).packets === 4000, 'all packets');
  assert.equal(await service.expire('dst host 192.0.2.1'), 500);
  assert.equal(await service.delete('host 10.0.0.4'), 1);
  await until(() => target.flows.length === 500, 'records');
  assert.ok(target.flows.every(({ dst, endReason }) => dst === '192.0.2.1' && endReason === 'forced'));
  const loss = await service.loss();
  assert.deepEqual(loss.imbalance, []);
  assert.deepEqual([loss.flows.live, loss.flows.ended.forced, loss.flows.ended.deleted], [499, 500, 1]);
  assert.equal(await service.expire(undefined), 499);
  const { expired, protocols, activeFlows } = await service.statistics();
  assert.equal(activeFlows, 0);
  assert.equal(expired.packets.min, 4);
  assert.equal(protocols[0].proto, 'udp');
  await daemon.stop();
});

test('timeouts are changed while flows live', async () => {
  const { daemon, target } = floodDaemon({ packets: 200, flows: 100, rate: FAST });
  await daemon.start();
  const { service } = daemon;
  await until(async () => (await service.loss()).packets === 200, 'all packets');
  assert.equal(service.timeouts().idle.udp, 30_000);
  const table = await service.setTimeouts({ idle: { udp: 50 }, active: null });
  assert.deepEqual([table.idle.udp, table.idle.tcp, table.active], [50, 30_000, null]);
  await until(() => target.flows.length === 100, 'flows that are silent now');
  assert.ok(target.flows.every(({ endReason }) => endReason === 'idle'));
  await assert.rejects(service.setTimeouts({ idle: { colour: 5 } }), /no timeout class 'colour'/);
  await assert.rejects(service.setTimeouts({ idle: { udp: 0 } }), { code: 'RHEO_USAGE' });
  await daemon.stop();
});

test('gathering stops and goes on', async () => {
  const { daemon } = floodDaemon({ packets: 1e9, flows: 100, rate: 20_000 });
  await daemon.start();
  const { service } = daemon;
  await service.stopGather();
  await until(async () => {
    const { packets } = await service.loss();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return (await service.loss()).packets === packets;
  }, 'silence');
  assert.deepEqual((await service.health()).reasons, ['gathering is stopped']);
  const before = (await service.loss()).packets;
  await service.startGather();
  await until(async () => (await service.loss()).packets > before, 'packets again');
  assert.equal((await service.health()).status, 'ok');
  await daemon.stop();
});

test('a thread that fails begins anew, health says so, and its flows are handed out', async () => {
  const { daemon, target, log } = floodDaemon({ packets: 900_000, flows: 50, rate: 100_000, failAfter: 5000 });
  await daemon.start();
  await until(() => log.some((line) => line.includes('begins anew')), 'the failure');
  const health = await daemon.service.health();
  assert.equal(health.status, 'degraded');
  assert.match(health.reasons.join(), /thread 0 is restarting: .*the flood broke/);
  await until(() => log.some((line) => line.includes('observes again')), 'the new beginning');
  assert.ok(target.flows.length >= 50);
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, []);
  assert.ok(loss.packets >= 5000);
  assert.equal((await daemon.service.health()).threads[0].restarts >= 1, true);
  await daemon.stop();
  assert.deepEqual((await daemon.ended).imbalance, []);
});

test('a source that cannot be opened is told at once, and targets are closed', async () => {
  const { daemon, target } = floodDaemon(
    { packets: 1, flows: 1, rate: 1, refuse: 'no right to capture' },
    { threads: 2 },
  );
  await assert.rejects(daemon.start(), /no right to capture/);
  assert.ok(target.closed);
  assert.equal(daemon.state, 'ended');
});

test('the daemon ends when its source does', async () => {
  const { daemon, target } = floodDaemon({ packets: 1000, flows: 10, rate: FAST, ends: true });
  await daemon.start();
  const loss = await daemon.ended;
  assert.deepEqual([loss.packets, loss.records, loss.balanced], [1000, 10, true]);
  assert.equal(target.flows.length, 10);
});

test('exit loses the flows in the table and counts them', async () => {
  const { daemon, target } = floodDaemon({ packets: 1000, flows: 100, rate: FAST });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 1000, 'all packets');
  await daemon.service.exit();
  const loss = await daemon.ended;
  assert.deepEqual(loss.imbalance, []);
  assert.equal(loss.flows.ended.lost, 100);
  assert.equal(loss.interrupted, true);
  assert.match(loss.verdict, /^100 flows were lost with their thread/);
  assert.equal(target.flows.length, 0);
});

test('a second stop does not wait', async () => {
  const { daemon } = floodDaemon({ packets: 1000, flows: 100, rate: FAST });
  await daemon.start();
  await Promise.all([daemon.stop(), daemon.stop()]);
  assert.deepEqual((await daemon.ended).imbalance, []);
  await daemon.stop();
});

test('subscribers hear of records, statistics and events; one that throws is let go', async () => {
  const { daemon } = floodDaemon({ packets: 400, flows: 100, rate: FAST });
  const heard: ServiceEvent[] = [];
  let thrown = 0;
  const { service } = daemon;
  const listen = (event: ServiceEvent): void => void heard.push(event);
  service.subscribe('records', listen);
  service.subscribe('records', () => {
    thrown++;
    throw new Error('broken');
  });
  service.subscribe('statistics', listen);
  const end = service.subscribe('events', listen);
  await daemon.start();
  await until(async () => (await service.loss()).packets === 400, 'all packets');
  await service.expire(undefined);
  const flows = (): FlowObject[] => heard.flatMap((event) => (event.type === 'records' ? event.flows : []));
  await until(() => flows().length === 100, 'records');
  assert.equal(thrown, 1);
  await until(() => heard.some(({ type }) => type === 'statistics'), 'statistics');
  assert.ok(heard.some((event) => event.type === 'event' && /expired by request/.test(event.message)));
  end();
  const before = heard.filter(({ type }) => type === 'event').length;
  await service.stopGather();
  assert.equal(heard.filter(({ type }) => type === 'event').length, before);
  await daemon.stop();
});

test('a new configuration is taken on as far as that loses nothing, and as a whole or not at all', async () => {
  const targets: MemoryTarget[] = [];
  let config = configOf({ export: ['file:a.ndjson', 'file:b.ndjson'] });
  const { daemon } = floodDaemon(
    { packets: 1e9, flows: 100, rate: 50_000 },
    {},
    {
      config,
      readConfig: async () => config,
      openTarget: async (url) => {
        if (url.includes('wrong')) throw new Error('it cannot be opened');
        const target = new MemoryTarget(url);
        targets.push(target);
        return target;
      },
    },
  );
  await daemon.start();
  const { service } = daemon;
  config = configOf({
    export: ['file:b.ndjson', 'file:c.ndjson'],
    timeouts: { udp: '1m' },
    threads: 2,
    statisticsInterval: '1h',
  });
  assert.deepEqual(await service.reload(), {
    changed: ['timeouts.udp', 'export', 'statisticsInterval'],
    needsRestart: ['threads'],
  });
  assert.equal(service.timeouts().idle.udp, 60_000);
  assert.deepEqual(
    targets.map(({ url, closed }) => [url, closed]),
    [
      ['file:a.ndjson', true],
      ['file:b.ndjson', false],
      ['file:c.ndjson', false],
    ],
  );
  const inForce = service.config() as { export: string[]; threads: number };
  assert.deepEqual([inForce.export, inForce.threads], [['file:b.ndjson', 'file:c.ndjson'], 1]);
  config = configOf({ export: ['file:d.ndjson', 'file:wrong.ndjson'], timeouts: { udp: '5s' } });
  await assert.rejects(service.reload(), /it cannot be opened/);
  assert.equal(targets[3].closed, true, 'the one that was opened is closed again');
  assert.equal(service.timeouts().idle.udp, 60_000);
  await service.expire(undefined);
  await daemon.stop();
  const loss = await daemon.ended;
  assert.deepEqual(loss.imbalance, []);
  assert.ok(targets[1].flows.length > 0);
  assert.deepEqual(
    targets.map(({ closed }) => closed),
    [true, true, true, true],
  );
});

test('metrics are given, and each who asks gets the longest gap since it asked', async () => {
  const { daemon } = floodDaemon({ packets: 1e9, flows: 10, rate: 1000 });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets > 10, 'packets');
  assert.match(await daemon.service.metrics(), /^rheo_meter_packets_total [1-9]/m);
  const { threads } = await daemon.service.health();
  assert.ok(threads[0].longestGapMs > 0, 'the metrics have not taken it away');
  await daemon.stop();
});

test('a target that keeps records for a moment has them until it is done, and before the daemon ends', async () => {
  let writing = 0;
  class Waiting extends MemoryTarget {
    override write(batch: RecordBatch): void | Promise<void> {
      writing++;
      const first = batch.words.slice(0, batch.layout.stride);
      return new Promise((resolve) => {
        setTimeout(() => {
          assert.deepEqual(batch.words.slice(0, batch.layout.stride), first);
          super.write(batch);
          writing--;
          resolve();
        }, 30);
      });
    }
  }
  const target = new Waiting();
  const { daemon } = floodDaemon({ packets: 20_000, flows: 5000, rate: FAST }, {}, { openTarget: async () => target });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 20_000, 'all packets');
  await daemon.stop();
  assert.equal(writing, 0);
  assert.equal(target.flows.length, 5000);
  assert.equal((await daemon.ended).verdict, 'Nothing was lost.');
});
