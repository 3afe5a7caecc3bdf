import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { openLive } from '../../src/observe/live/index.js';
import { Batch } from '../../src/packet/batch.js';
import { Lab, netnsMissing, twoHosts } from '../support/netns.js';
import { ethernet, ipv4, udp, zeros } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';
import { RawSender } from '../support/raw-sender.js';
import { Capture, until } from './live-capture.js';

const skip = netnsMissing();
const LIVE = new URL('../../src/observe/live/index.js', import.meta.url).href;
const FRAME = ethernet(ipv4('192.0.2.1', '192.0.2.2', 17, udp(9, 9, zeros(100))));

async function send(netns: string, device: string, count: number): Promise<void> {
  const sender = new RawSender(netns, device);
  await sender.sendAll(Array.from({ length: count }, () => FRAME));
  sender.close();
}

test('an interface that goes down and up again is observed on', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Capture.open(t, { interfaces: ['r0'], netns: right });
  await send(left, 'l0', 10);
  await until('ten packets', () => capture.of('r0').packets === 10);
  lab.ip(right, 'link', 'set', 'r0', 'down');
  await until('it is seen down', () => capture.of('r0').state === 'down');
  await until('the error is seen', () => capture.of('r0').lastError !== undefined);
  assert.equal(capture.of('r0').lastError, 'the interface went down');
  lab.ip(right, 'link', 'set', 'r0', 'up');
  await until('it is seen up', () => capture.of('r0').state === 'up');
  await send(left, 'l0', 10);
  await until('twenty packets', () => capture.of('r0').packets === 20);
  await capture.end();
});

test('an interface deleted while packets arrive comes back under its name, in its place', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Capture.open(t, { interfaces: ['r0'], netns: right });
  let sums = 0;
  for (let round = 1; round <= 5; round++) {
    await send(left, 'l0', 100);
    sums += lab.counters(right, 'r0').receivedPackets;
    const { kernelIndex } = capture.of('r0');
    lab.ip(left, 'link', 'del', 'l0');
    await until('it is seen gone', () => capture.of('r0').state === 'gone');
    lab.cable({ netns: left, device: 'l0' }, { netns: right, device: 'r0' });
    await until('it is seen again', () => capture.of('r0').state === 'up');
    assert.notEqual(capture.of('r0').kernelIndex, kernelIndex);
    await until('the packets of before', () => capture.of('r0').packets === sums);
  }
  await send(left, 'l0', 7);
  await until('the last packets', () => capture.of('r0').packets === sums + 7);
  const statistics = await capture.end();
  assert.equal(statistics.length, 1);
  assert.ok(capture.seen.every(({ iface }) => iface === 0));
});

test('a pattern takes up interfaces that come later; they share the memory', { skip }, async (t) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const [left, right] = [lab.netns('left'), lab.netns('right')];
  const ring = { blockBytes: 1 << 16, blocks: 16 };
  const capture = await Capture.open(t, { interfaces: ['tap[0-9]'], netns: right, ring });
  assert.equal(capture.source.interfaces.length, 0);
  for (const device of ['tap0', 'other', 'tap1', 'tap2', 'tap3']) {
    lab.cable({ netns: left, device }, { netns: right, device });
  }
  await until('four interfaces', () => capture.source.statistics().filter(({ state }) => state === 'up').length === 4);
  lab.cable({ netns: left, device: 'tap4' }, { netns: right, device: 'tap4' });
  await until('the fifth', () => capture.source.interfaces.length === 5);
  assert.match(capture.of('tap4').lastError ?? '', /no room for a ring for tap4: all 16 blocks are in use/);
  for (const device of ['tap0', 'other', 'tap1', 'tap2', 'tap3']) await send(left, device, 5);
  await until('all packets', () => capture.source.counters.packets === 20);
  // Room is made: the one that waited takes it.
  lab.ip(left, 'link', 'del', 'tap1');
  await until('the fifth is taken up', () => capture.of('tap4').state === 'up');
  await send(left, 'tap4', 5);
  await until('its packets', () => capture.of('tap4').packets === 5);
  assert.equal(capture.of('tap1').state, 'gone');
  const statistics = await capture.end();
  assert.deepEqual(statistics.map(({ name }) => name).sort(), ['tap0', 'tap1', 'tap2', 'tap3', 'tap4']);
  const names = new Map(statistics.map(({ index, name }) => [index, name]));
  for (const { iface } of capture.seen) assert.match(names.get(iface) ?? '', /^tap[0-4]$/);
});

test('packets of several interfaces come out in order of time, as far as the kernel has handed them over', {
  skip,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  lab.cable({ netns: left, device: 'l1' }, { netns: right, device: 'r1' });
  const source = await openLive({ interfaces: ['r0', 'r1'], netns: right });
  t.after(() => source.close());
  const one = new RawSender(left, 'l0');
  const two = new RawSender(left, 'l1');
  for (let n = 0; n < 500; n++) {
    assert.ok(one.send(FRAME));
    assert.ok(two.send(FRAME));
  }
  one.close();
  two.close();
  // Only read when all blocks are there.
  source.stop();
  await sleep(100);
  const batch = new Batch();
  const order: number[] = [];
  let last = 0;
  for (;;) {
    const count = source.fill(batch);
    for (let i = 0; i < count; i++) {
      const time = batch.seconds[i] * 1e9 + batch.nanos[i];
      assert.ok(time >= last);
      last = time;
      order.push(batch.iface[i]);
    }
    if (count === 0 && !(await source.more())) break;
  }
  assert.equal(order.length, 1000);
  assert.ok(order.filter((face, i) => i > 0 && face !== order[i - 1]).length > 900, 'they take turns');
});

test('pause and resume: nothing comes while paused, all that came before does', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Capture.open(t, { interfaces: ['r*'], netns: right });
  await send(left, 'l0', 10);
  capture.source.pause();
  await send(left, 'l0', 100);
  // An interface that comes while it is paused is paused too.
  lab.cable({ netns: left, device: 'l1' }, { netns: right, device: 'r1' });
  await until('the new interface', () => capture.source.statistics().some(({ name }) => name === 'r1'));
  await until('it is up', () => capture.of('r1').state === 'up');
  await send(left, 'l1', 100);
  capture.source.resume();
  await send(left, 'l0', 5);
  await send(left, 'l1', 6);
  await until('all packets', () => capture.of('r0').packets === 15 && capture.of('r1').packets === 6);
  const [r0] = await capture.end();
  assert.equal(r0.kernel, 15);
});

test('stopped in the middle of traffic: what the kernel had is handed out, to the last packet', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  let going = true;
  const noise = (async () => {
    while (going) {
      for (let n = 0; n < 50; n++) sender.send(FRAME);
      await nextTurn();
    }
  })();
  for (let round = 0; round < 10; round++) {
    const capture = await Capture.open(t, { interfaces: ['r0'], netns: right });
    await until('some packets', () => capture.seen.length > 100);
    const [r0] = await capture.end();
    assert.equal(capture.seen.length, r0.packets);
    assert.equal(r0.kernel, r0.packets + r0.dropped);
  }
  going = false;
  await noise;
});

test('a namespace that vanishes while it is observed harms nobody', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Capture.open(t, { interfaces: ['r*'], netns: right });
  await send(left, 'l0', 10);
  await until('ten packets', () => capture.of('r0').packets === 10);
  // Our own sockets keep the namespace alive, but nobody can enter it by its name any more.
  lab.deleteNetns(right);
  lab.ip(left, 'link', 'del', 'l0');
  await until('its interface is seen gone', () => capture.of('r0').state === 'gone');
  const [r0] = await capture.end();
  assert.equal(r0.packets, 10);
});

test('no descriptor and no mapping is left behind, whatever happens', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const descriptors = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return !readlinkSync(`/proc/self/fd/${fd}`).startsWith('/proc/');
      } catch {
        return false;
      }
    }).length;
  const round = async (): Promise<void> => {
    const capture = await Capture.open(t, { interfaces: ['r*'], netns: right });
    lab.cable({ netns: left, device: 'l1' }, { netns: right, device: 'r1' });
    await until('both', () => capture.source.interfaces.length === 2);
    lab.ip(left, 'link', 'del', 'l1');
    await until('it is gone', () => capture.of('r1').state === 'gone');
    await capture.end();
    await assert.rejects(openLive({ interfaces: ['r0', 'nothing'], netns: right }), /there is no interface nothing/);
    await assert.rejects(
      openLive({
        interfaces: ['r0'],
        netns: right,
        kernelFilter: [
          { code: 6, jt: 0, jf: 0, k: 1 },
          { code: 0xffff, jt: 0, jf: 0, k: 0 },
        ],
      }),
      /refuses the filter/,
    );
    await assert.rejects(openLive({ interfaces: ['r0'], netns: 'rheo-no-such' }), /cannot enter the network namespace/);
    const open = await openLive({ interfaces: ['any'], netns: right });
    await open.close();
    await open.close();
    assert.equal(await open.more(), false);
  };
  await round();
  const before = descriptors();
  for (let n = 0; n < 5; n++) await round();
  assert.equal(descriptors(), before);
  assert.doesNotMatch(readFileSync('/proc/self/maps', 'utf8'), /socket:/, 'no ring is mapped any more');
});

test('a small ring is gone round many times; each frame stays whole', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const ring = { blockBytes: 1 << 16, blocks: 4 };
  const capture = await Capture.open(t, { interfaces: ['r0'], netns: right, ring });
  const sender = new RawSender(left, 'l0');
  const sent: string[] = [];
  for (let n = 0; n < 3000; n++) {
    const frame = ethernet(ipv4('192.0.2.1', '192.0.2.2', 17, udp(n, 9, zeros(n % 1400)), { id: n }));
    assert.ok(sender.send(frame));
    sent.push(Buffer.from(frame).toString('hex'));
    if (n % 60 === 59) await until('they are read', () => capture.seen.length === n + 1);
  }
  sender.close();
  const [r0] = await capture.end();
  assert.equal(r0.dropped, 0);
  assert.deepEqual(capture.hex, sent);
});

test('a batch that outlives its source reads zeros, not freed memory', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const source = await openLive({ interfaces: ['r0'], netns: right });
  t.after(() => source.close());
  const batch = new Batch();
  await send(left, 'l0', 3);
  while (source.fill(batch) === 0) assert.ok(await source.more());
  assert.equal(batch.bytes[batch.offset[0] + 12], 8);
  await source.close();
  assert.equal(batch.bytes[batch.offset[0] + 12], 0);
  assert.equal(source.fill(batch), 0);
});

test('without the right: the error names the capability and how to give it', {
  skip: skip || (!hasProgram('setpriv') && 'setpriv is not installed'),
}, () => {
  const script = `
    const { openLive } = await import(${JSON.stringify(LIVE)});
    for (const options of [{ interfaces: ['lo'] }, { interfaces: ['any'] }, { interfaces: ['lo'], netns: '/proc/1/ns/net' }])
      try { await openLive(options); console.log('opened'); }
      catch (error) { console.log(error.name + ' ' + error.code + ' ' + error.message + ' ' + error.remedy); }`;
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--no-new-privs'];
  const { stdout, stderr } = spawnSync('setpriv', [...nobody, process.execPath, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: '/',
  });
  assert.match(stdout, /RheoError RHEO_INPUT no right to capture at lo: the capability CAP_NET_RAW is missing/, stderr);
  assert.match(stdout, /no right to capture at any/);
  assert.match(stdout, /sudo setcap cap_net_raw=ep .*node/);
  assert.match(stdout, /AmbientCapabilities=CAP_NET_RAW/);
  assert.match(stdout, /cannot enter the network namespace \/proc\/1\/ns\/net: the capability/);
  assert.doesNotMatch(stdout, /opened/);
});

test('on another system: the error says that a pipe works', () => {
  const script = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const { openLive } = await import(${JSON.stringify(LIVE)});
    await openLive({ interfaces: ['en0'] }).catch((error) => console.log(error.name, error.message, error.remedy));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.match(stdout, /RheoError .*Linux only, this is darwin.*tcpdump -w - -U \| rheo run -/);
});

test('wrong options are refused in words', {
  skip: process.platform !== 'linux' && 'live capture needs Linux',
}, async () => {
  const refused = (options: Parameters<typeof openLive>[0], pattern: RegExp): Promise<void> =>
    assert.rejects(openLive(options), { name: 'RheoError', code: 'RHEO_USAGE', message: pattern });
  await refused({ interfaces: [] }, /no interface/);
  await refused({ interfaces: ['any', 'lo'] }, /'any' stands for all/);
  await refused({ interfaces: ['lo'], ring: { blockBytes: 100_000, blocks: 10 } }, /power of two/);
  await refused({ interfaces: ['lo'], ring: { blockBytes: 65_536, blocks: 1 } }, /ring blocks/);
  await refused({ interfaces: ['lo'], ring: { blockBytes: 1 << 20, blocks: 3000 } }, /less than 2 GiB/);
  await refused({ interfaces: ['lo'], fanout: { id: 1, size: 2, index: 2 } }, /out of range/);
  await refused({ interfaces: ['lo'], sampleOneIn: 0 }, /one packet in 0/);
  await refused({ interfaces: ['lo'], snapLength: -1 }, /snap length/);
});
