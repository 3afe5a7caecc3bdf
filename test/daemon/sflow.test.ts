/** The daemon takes samples of packets and of counters, and sends them as sFlow. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { FlowSampleRead } from '../../src/codec/sflow-read.js';
import { openTarget } from '../../src/export/target.js';
import type { Loss } from '../../src/rpc/service.js';
import { netnsMissing, twoHosts } from '../support/netns.js';
import { ethernet, ip, udp, zeros } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';
import { RawSender } from '../support/raw-sender.js';
import { Sfcapd } from '../support/sfcapd.js';
import { SflowCollector } from '../support/sflow-collector.js';
import { DaemonProcess, folderOf, LedgerWatch } from './command.js';
import { configOf, floodDaemon, MemoryTarget, until } from './support.js';

function missing(): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = ['ping', 'sfcapd', 'nfdump'].find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

const FCS = 4;

/** Pools grow by what the samples stand for, and samples are numbered; one after the other, by data source. */
function checkOrder(flows: readonly FlowSampleRead[]): void {
  const last = new Map<number, FlowSampleRead>();
  for (const flow of flows) {
    const before = last.get(flow.source);
    assert.equal(flow.sequence, (before?.sequence ?? 0) + 1);
    assert.ok(flow.pool > (before?.pool ?? 0), `${flow.pool} after ${before?.pool}`);
    last.set(flow.source, flow);
  }
}

/** The number of samples is within six deviations of what is to be expected. */
function checkNumber(samples: number, packets: number, oneIn: number): void {
  const deviation = Math.sqrt((packets / oneIn) * (1 - 1 / oneIn));
  assert.ok(Math.abs(samples - packets / oneIn) <= 6 * deviation, `${samples} of ${packets}, 1 in ${oneIn}`);
}

test('real traffic: headers, directions, VLANs, pools, and the counters of the kernel', {
  skip: missing(),
  timeout: 60_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const [collector, sfcapd] = [await SflowCollector.open(t), await Sfcapd.start(t)];
  const hosts = `127.0.0.1:${collector.port},127.0.0.1:${sfcapd.port}`;
  const url = `sflow://${hosts}?sampling=5&polling=1s&header=90`;
  const daemon = new DaemonProcess(t, ['-i', 'r0', '--netns', right, '--threads', '2', '--export', url]);
  await daemon.ready();
  const client = await daemon.connect();
  t.after(() => client.close());
  const watch = new LedgerWatch(client);
  await lab.finish(left, 'ping', '-f', '-q', '-c', '3000', '-s', '300', '10.77.0.2');
  for (const [netns, device, from, to] of [
    [left, 'l0', 1, 2],
    [right, 'r0', 2, 1],
  ] as const) {
    const packet = ip(`10.78.0.${from}`, `10.78.0.${to}`, 17, udp(4000, 9, zeros(200)));
    const sender = new RawSender(netns, device);
    await sender.sendAll(new Array(1500).fill(ethernet(packet, { from, to, vlan: [0xa000 | 42] })));
    sender.close();
  }
  // Nothing moves any more: counters of now are counters of then.
  const counted = (): boolean => {
    const { receivedPackets, sentPackets } = lab.counters(right, 'r0');
    const last = collector.counters.at(-1)?.counters;
    return last?.ifInUcastPkts === receivedPackets && last.ifOutUcastPkts === sentPackets;
  };
  await daemon.until('counters after the traffic', counted);
  const kernel = lab.counters(right, 'r0');
  const [link] = JSON.parse(lab.ip(right, '-j', 'link', 'show', 'dev', 'r0')) as { ifindex: number }[];
  await watch.end();
  const loss: Loss = await client.call('loss');
  assert.deepEqual(loss.imbalance, []);
  const summary = await daemon.stop();
  assert.match(summary.msg, /Nothing was lost/);
  const [{ received, sent }] = summary.targets;
  const { flows, counters } = collector;
  await until(() => (collector.flows.length + collector.counters.length) * 2 === sent, 'all samples');
  assert.equal(received, sent);

  // The kernel says the same.
  const last = counters.at(-1)!;
  assert.deepEqual(
    [last.source, last.counters?.ifIndex, last.counters?.ifType, last.counters?.ifStatus],
    [link.ifindex, link.ifindex, 6, 3],
  );
  assert.deepEqual(
    [
      last.counters?.ifInOctets,
      last.counters?.ifOutOctets,
      last.counters?.ifInUcastPkts,
      last.counters?.ifOutUcastPkts,
    ],
    [kernel.receivedBytes, kernel.sentBytes, kernel.receivedPackets, kernel.sentPackets],
  );
  assert.deepEqual([last.counters?.ifInErrors, last.ethernet?.dot3StatsFCSErrors], [0, 0]);
  assert.deepEqual(
    counters.map(({ sequence }) => sequence),
    counters.map((_, k) => k + 1),
  );

  // Samples.
  checkNumber(flows.length, loss.packets, 5);
  checkOrder(flows);
  assert.ok(flows.at(-1)!.pool <= loss.packets);
  assert.ok(flows.at(-1)!.pool > loss.packets * 0.95);
  const ways = { in: 0, out: 0, vlanIn: 0, vlanOut: 0 };
  const wanted = { packets: 0, bytes: 0 };
  for (const { header, source, input, output, rate, drops, switched } of flows) {
    assert.deepEqual([source, rate, drops, header!.protocol, header!.stripped], [link.ifindex, 5, 0, 1, FCS]);
    const { bytes, frameLength } = header!;
    assert.equal(bytes.length, Math.min(90, frameLength - FCS));
    wanted.packets += 5;
    wanted.bytes += 5 * frameLength;
    const arrives = bytes[5] === 2;
    if (bytes[0] !== 0xff) assert.deepEqual([input, output], arrives ? [link.ifindex, 0] : [0, link.ifindex]);
    const tagged = bytes[12] === 0x81;
    assert.equal(switched === undefined, !tagged);
    const unknown = [0xffffffff, 0xffffffff];
    if (switched !== undefined) {
      const { sourceVlan, sourcePriority, destinationVlan, destinationPriority } = switched;
      const [source42, other] = [
        [sourceVlan, sourcePriority],
        [destinationVlan, destinationPriority],
      ];
      assert.deepEqual(arrives ? [source42, other] : [other, source42], [[42, 5], unknown]);
    }
    ways[`${tagged ? 'vlan' : ''}${tagged ? (arrives ? 'In' : 'Out') : arrives ? 'in' : 'out'}` as keyof typeof ways]++;
  }
  for (const [way, count] of Object.entries(ways)) assert.ok(count > 50, `${way}: ${count}`);
  const told = await sfcapd.end();
  assert.deepEqual(told.sums, { flows: flows.length, ...wanted, sequenceErrors: 0, bad: 0 });
  assert.ok(told.records.some(({ src_vlan }) => src_vlan === 42));
});

test('a target that a reload adds gets samples, one that it removes gets none any more; the accounts balance', async (t) => {
  const [one, two] = [await SflowCollector.open(t), await SflowCollector.open(t)];
  const urls = [one, two].map(({ port }, k) => `sflow://127.0.0.1:${port}?sampling=${50 + k}`);
  const memory = new MemoryTarget('file:unused.ndjson', false);
  const flood = { packets: Number.POSITIVE_INFINITY, flows: 100, rate: 40_000 };
  const { daemon } = floodDaemon(
    flood,
    { threads: 2 },
    { openTarget: async (url, context) => (url.startsWith('sflow') ? openTarget(url, context) : memory) },
  );
  await daemon.start();
  const to = (...targets: string[]) =>
    daemon.reload(configOf({ threads: 2, export: ['file:unused.ndjson', ...targets] }));
  await to(urls[0]);
  await until(() => one.flows.length > 200, 'samples');
  await Promise.all([to(...urls), daemon.service.loss().then(({ imbalance }) => assert.deepEqual(imbalance, []))]);
  await until(() => two.flows.length > 200, 'samples of the second one');
  await to(urls[1]);
  const chosen = daemon.exporting.samplers(0).map(({ oneIn }) => oneIn);
  assert.deepEqual(chosen, [51], 'nothing is chosen for it any more');
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, []);
  const gone = loss.targets.find(({ url }) => url === urls[0])!;
  assert.deepEqual([gone.state, gone.unit, gone.waiting], ['closed', 'samples', 0]);
  assert.equal(gone.received, gone.sent);
  await until(() => one.flows.length === gone.sent, 'the rest');
  const before = two.flows.length;
  await until(() => two.flows.length > before + 500, 'more samples');
  assert.equal(one.flows.length, gone.sent);
  await assert.rejects(
    to(...Array.from({ length: 9 }, (_, k) => `sflow://127.0.0.1:9?sampling=${k + 1}`)),
    /more than 8 different samplings/,
  );
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(last.verdict, 'Nothing was lost.');
  for (const [k, collector] of [one, two].entries()) {
    const status = last.targets.find(({ url }) => url === urls[k])!;
    await until(() => collector.flows.length === status.sent, 'all samples');
    checkOrder(collector.flows);
    assert.ok(collector.flows.every(({ rate }) => rate === 50 + k));
  }
  const records = last.targets.find(({ url }) => url.startsWith('file'))!;
  assert.deepEqual([records.unit, records.received], [undefined, last.records]);
});

test('a thread that fails and begins anew: pools and numbers of samples go on, none is lost', async (t) => {
  const collector = await SflowCollector.open(t);
  const flood = { packets: 60_000, flows: 100, rate: 60_000, failAfter: 20_000 };
  const { daemon, log } = floodDaemon(
    flood,
    { threads: 2, export: `sflow://127.0.0.1:${collector.port}?sampling=20` },
    { openTarget },
  );
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets >= 100_000, 'the third lives');
  await daemon.stop();
  const last = await daemon.ended;
  assert.ok(log.some((line) => /failed and begins anew/.test(line)));
  assert.deepEqual(last.imbalance, []);
  const [target] = last.targets;
  assert.deepEqual([target.sent, target.dropped, target.waiting], [target.received, {}, 0]);
  await until(() => collector.flows.length === target.sent, 'all samples');
  checkOrder(collector.flows);
  checkNumber(collector.flows.length, last.packets, 20);
  const { pool } = collector.flows.at(-1)!;
  assert.ok(pool <= last.packets && pool > last.packets * 0.95, `${pool} of ${last.packets}`);
});

test('samplers that a collector cannot keep up with: what is lost is counted, by reason, and told', async (t) => {
  const collector = await SflowCollector.open(t);
  const url = `sflow://127.0.0.1:${collector.port}?sampling=1&rate=500&queue=64k`;
  const { daemon } = floodDaemon({ packets: 30_000, flows: 10, rate: 100_000 }, { export: url }, { openTarget });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 30_000, 'all packets');
  const client = await daemon.service.health();
  assert.equal(client.status, 'ok');
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  const [{ received, sent, dropped, waiting }] = last.targets;
  assert.equal(received, 30_000, 'each packet was chosen');
  assert.equal(sent + waiting + Object.values(dropped).reduce((sum, count) => sum + count, 0), received);
  assert.ok(dropped.queueFull > 1000, JSON.stringify(dropped));
  assert.match(last.verdict, /samples were dropped on the way to sflow:/);
  checkOrder(collector.flows);
});

test('a configuration file: SIGHUP adds and removes sFlow', { skip: missing(), timeout: 60_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const collector = await SflowCollector.open(t);
  const folder = folderOf(t);
  const file = path.join(folder, 'rheo.yaml');
  const write = (...urls: string[]): void => {
    writeFileSync(file, JSON.stringify({ interfaces: ['r0'], netns: right, threads: 1, export: urls }));
  };
  const records = `file:${path.join(folder, 'flows.ndjson')}`;
  const samples = `sflow://127.0.0.1:${collector.port}?sampling=1&polling=1s`;
  write(records);
  const daemon = new DaemonProcess(t, ['-c', file], { folder });
  await daemon.ready();
  const ping = (): string => lab.run(left, 'ping', '-q', '-c', '20', '-i', '0.01', '10.77.0.2');
  const reload = async (...urls: string[]): Promise<void> => {
    const before = daemon.log.filter(({ msg }) => /configuration read again/.test(msg)).length;
    write(...urls);
    daemon.child.kill('SIGHUP');
    await daemon.until('the reload', () => {
      return daemon.log.filter(({ msg }) => /configuration read again/.test(msg)).length > before;
    });
  };
  ping();
  await reload(records, samples);
  ping();
  await daemon.until('samples', () => collector.flows.length >= 40 && collector.counters.length > 0);
  await reload(records);
  ping();
  const after = collector.flows.length;
  const summary = await daemon.stop();
  assert.equal(collector.flows.length, after);
  assert.match(summary.msg, /Nothing was lost/);
  assert.ok(after < 60, `${after} samples`);
  const target = summary.targets.find(({ url }) => url.startsWith('sflow'))!;
  assert.deepEqual([target.received, target.sent], [target.sent, after + collector.counters.length]);
  if (daemon.child.exitCode === null) await once(daemon.child, 'close');
});
