/** The daemon, while what it stands on fails: its accounts balance at every moment, and it is well again when the ground is. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ConfigInput } from '../../src/control/config/schema.js';
import { type DaemonClock, SYSTEM_CLOCK } from '../../src/control/daemon/clock.js';
import { Daemon, type DaemonOptions } from '../../src/control/daemon/daemon.js';
import type { Loss } from '../../src/rpc/service.js';
import { configOf, floodDaemon, MemoryTarget, until } from '../daemon/support.js';
import { Lab, netnsMissing, netnsPath } from '../support/netns.js';
import { RawSender } from '../support/raw-sender.js';
import { descriptors } from './faults.js';
import { CALLS, type FaultyOptions, Word } from './faulty-source.js';

const skip = netnsMissing();
const RING = { blockBytes: 1 << 16, blocks: 16 };

/** An IPv4 packet of 10.0.0.1 to 10.0.0.2 between two ports. */
function frame(port: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.write('020000000002020000000001080045000032', 'hex');
  bytes.set([64, 17], 22);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  bytes.writeUInt16BE(port, 34);
  bytes.writeUInt16BE(53, 36);
  bytes.writeUInt16BE(30, 38);
  return bytes;
}

function makeCable(lab: Lab, netns: string): void {
  lab.cable({ netns, device: 'd0' }, { netns, device: 'e0' });
}

async function start(
  t: TestContext,
  config: ConfigInput,
  options: Partial<DaemonOptions>,
): Promise<{ daemon: Daemon; log: string[]; target: MemoryTarget }> {
  const log: string[] = [];
  const target = new MemoryTarget();
  const daemon = new Daemon({
    config: configOf({ export: 'file:unused.ndjson', ...config }),
    version: '0',
    openTarget: async () => target,
    log: (level, message) => log.push(`${level}: ${message}`),
    ...options,
  });
  // Threads of a test that failed would keep its process alive.
  t.after(() => daemon.exitNow());
  await daemon.start();
  return { daemon, log, target };
}

async function balanced(daemon: Daemon, when: string): Promise<Loss> {
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, [], when);
  return loss;
}

test('every system call of a shard fails again and again: the daemon lives, says so, and observes when it works again', {
  skip,
  timeout: 120_000,
}, async (t: TestContext) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const netns = lab.netns('calls');
  makeCable(lab, netns);
  const words = new Int32Array(new SharedArrayBuffer(12));
  words[Word.failing] = -1;
  let hurry = true;
  // Pauses before a thread begins anew would be minutes.
  const clock: DaemonClock = {
    ...SYSTEM_CLOCK,
    after: (ms, call) => SYSTEM_CLOCK.after(hurry ? Math.min(ms, 50) : ms, call),
  };
  const options: FaultyOptions = {
    live: { interfaces: ['d*'], netns: netnsPath(netns), ring: RING },
    control: words.buffer as SharedArrayBuffer,
  };
  const url = new URL('./faulty-source.js', import.meta.url).href;
  const { daemon, log } = await start(t, {}, { clock, source: { kind: 'module', url, options } });
  const before = descriptors().length;
  let seen = 0;
  for (const [number, call] of CALLS.entries()) {
    words[Word.failed] = 0;
    Atomics.store(words, Word.failing, number);
    // What fails while it runs, then what fails when all is opened anew.
    lab.ip(netns, 'link', 'del', 'd0');
    makeCable(lab, netns);
    await balanced(daemon, `${call} fails`);
    const { restarts } = (await daemon.service.health()).threads[0];
    Atomics.store(words, Word.broken, 1);
    await until(
      async () => (await daemon.service.health()).threads[0].restarts > restarts,
      `the thread begins anew, ${call} fails`,
    );
    if (call !== 'sendto') await until(() => Atomics.load(words, Word.failed) > 0, `${call} fails`);
    await balanced(daemon, `${call} fails`);
    Atomics.store(words, Word.failing, -1);
    await until(async () => (await daemon.service.health()).status === 'ok', `health after ${call}`);
    const { packets } = await balanced(daemon, `${call} works again`);
    const sender = new RawSender(netnsPath(netns), 'e0');
    await until(async () => {
      assert.ok(sender.send(frame(4000 + number)));
      return (await balanced(daemon, `${call} works again`)).packets > packets;
    }, `packets after ${call}`);
    sender.close();
    seen++;
  }
  assert.equal(seen, CALLS.length);
  assert.ok(
    log.some((line) => /^error: thread 0 failed and begins anew/.test(line)),
    log.join('\n'),
  );
  await until(() => descriptors().length <= before, 'what failed leaves no descriptor');
  hurry = false;
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(last.recordsLost + (last.flows.ended.lost ?? 0), 0, 'a source that fails takes no flow with it');
});

test('the main thread stands still for 2 s while packets come: none is lost, those of the interface are those metered', {
  skip,
  timeout: 60_000,
}, async (t: TestContext) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const netns = lab.netns('still');
  makeCable(lab, netns);
  const { daemon, target } = await start(
    t,
    { interfaces: 'd0', netns, idleTimeout: '1s', timeouts: { single: '200ms' } },
    {},
  );
  // From a process of its own: this one stands still.
  const { child } = await lab.serve(netns, FLOOD, 'e0');
  await until(async () => (await daemon.service.loss()).packets > 100, 'packets');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  const { receivedPackets, sentPackets } = lab.counters(netns, 'd0');
  let loss: Loss | undefined;
  await until(async () => {
    loss = await balanced(daemon, 'after the stop');
    return loss.packets + loss.dropped >= receivedPackets + sentPackets;
  }, 'all packets');
  assert.deepEqual([loss?.packets, loss?.dropped], [receivedPackets + sentPackets, 0]);
  t.diagnostic(`${receivedPackets} packets, of which most came while the main thread stood still`);
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual([last.imbalance, last.recordsLost], [[], 0]);
  assert.equal(last.records, target.flows.length);
});

/** Datagrams to ever new ports, as fast as they go out for a while, until it is ended. Needs no answer. */
const FLOOD = `
  import dgram from 'node:dgram';
  import { execFileSync } from 'node:child_process';
  const [device] = process.argv.slice(1);
  execFileSync('ip', ['address', 'add', '10.78.0.1/24', 'dev', device]);
  execFileSync('ip', ['neighbour', 'replace', '10.78.0.2', 'lladdr', '02:00:00:00:00:99', 'dev', device]);
  const socket = dgram.createSocket('udp4');
  let port = 1;
  console.log('up');
  setInterval(() => {
    for (let n = 0; n < 20; n++) socket.send('x', (port++ & 0x7fff) + 1, '10.78.0.2');
  }, 2);
`;

test('the main thread stands still until records have no room: packets go on, and what is dropped is counted', {
  timeout: 60_000,
}, async (t: TestContext) => {
  const { daemon, target } = floodDaemon(
    { packets: 3_000_000, flows: 1 << 18, rate: 300_000 },
    { maxFlows: 1 << 18, timeouts: { udp: '250ms', single: '250ms' } },
  );
  t.after(() => daemon.exitNow());
  await daemon.start();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const begun = performance.now();
  // The accounts are in shared memory: they can be read where no message is.
  while (daemon.shards.report().recordsDropped === 0 || performance.now() - begun < 2000) {
    assert.ok(performance.now() - begun < 40_000, 'records find room for ever');
    Atomics.wait(pause, 0, 0, 50);
  }
  const loss = await daemon.service.loss();
  assert.deepEqual([loss.imbalance, loss.dropped], [[], 0]);
  assert.match(loss.verdict, /^\d+ records were dropped before the targets/);
  t.diagnostic(`${loss.packets} packets; ${loss.recordsDropped} records dropped, ${loss.records} handed on`);
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(target.counters.received, last.records);
});

test('a namespace vanishes and another one gets its name: that is observed, by itself', {
  skip,
  timeout: 60_000,
}, async (t: TestContext) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const netns = lab.netns('again');
  makeCable(lab, netns);
  const { daemon, log } = await start(t, { interfaces: 'd*', netns, ring: RING }, {});
  const send = async (port: number): Promise<void> => {
    const { packets } = await balanced(daemon, 'before');
    const sender = new RawSender(netnsPath(netns), 'e0');
    await until(async () => {
      assert.ok(sender.send(frame(port)));
      return (await balanced(daemon, 'sent')).packets > packets;
    }, `packets of port ${port}`);
    sender.close();
  };
  await send(4000);
  lab.deleteNetns(netns);
  await balanced(daemon, 'without namespace');
  assert.equal(lab.netns('again'), netns);
  makeCable(lab, netns);
  await until(() => log.some((line) => /is another one now/.test(line)), 'the change is seen');
  await until(async () => (await daemon.service.health()).status === 'ok', 'health');
  await send(4001);
  const loss = await balanced(daemon, 'both');
  assert.equal(loss.interfaces.length, 1, 'one account for both of that name');
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(last.flows.opened, 2);
  assert.equal(last.recordsLost + (last.flows.ended.lost ?? 0), 0);
});
