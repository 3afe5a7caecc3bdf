import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemClock } from '../../src/system/clock.js';
import { check, libc, SystemError } from '../../src/system/libc.js';
import { LinkMonitor } from '../../src/system/links.js';
import { Region } from '../../src/system/memory.js';
import { inNetns } from '../../src/system/netns.js';
import { Poller } from '../../src/system/poller.js';
import { Lab, netnsMissing, netnsPath } from '../support/netns.js';

const skip = process.platform !== 'linux' && 'system calls are those of Linux';

test('a call that fails says which one, and why', { skip }, () => {
  assert.throws(
    () => check('close', libc().close(-1)),
    (error) => error instanceof SystemError && error.code === 'EBADF' && error.call === 'close' && error.errno === 9,
  );
  assert.equal(check('close', 0), 0);
});

test('reading captures loads no koffi', () => {
  const entry = new URL('../../src/index.js', import.meta.url).href;
  const script = `await import(${JSON.stringify(entry)}); const { createRequire } = await import('node:module');
    const cache = Object.keys(createRequire(import.meta.url).cache); console.log(cache.filter((x) => x.includes('koffi')).length);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(stdout.trim(), '0', stderr);
});

test('clocks agree with those of Node', { skip }, () => {
  const clock = new SystemClock();
  const before = Date.now();
  clock.wall();
  const after = Date.now();
  const wall = clock.seconds * 1000 + clock.nanos / 1e6;
  // A clock that is being set while this runs is not looked for.
  assert.ok(wall >= before && wall < after + 1, `${before} ${wall} ${after}`);
  clock.steady();
  const first = clock.seconds * 1e9 + clock.nanos;
  clock.steady();
  assert.ok(clock.seconds * 1e9 + clock.nanos > first);
});

test('a region reads zeros where nothing is mapped, before and after', { skip }, () => {
  const region = new Region(1 << 16);
  const bytes = new Uint8Array(region.buffer);
  assert.equal(bytes.length, 1 << 16);
  assert.ok(bytes.every((byte) => byte === 0));
  bytes[4096] = 7;
  bytes[8192] = 8;
  region.clear(4096, 4096);
  assert.equal(bytes[4096], 0);
  assert.equal(bytes[8192], 8);
  assert.throws(() => region.map(-1, 0, 4096), SystemError);
});

test('interfaces come with name, index, hardware type; changes are noticed', { skip: netnsMissing() }, async (t) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const [left, right] = [lab.netns('left'), lab.netns('right')];
  const home = readlinkSync('/proc/thread-self/ns/net');
  const monitor = inNetns(left, () => {
    assert.notEqual(readlinkSync('/proc/thread-self/ns/net'), home);
    return new LinkMonitor();
  });
  t.after(() => monitor.close());
  assert.equal(readlinkSync('/proc/thread-self/ns/net'), home);
  assert.throws(
    () =>
      inNetns(netnsPath(right), () => {
        throw new Error('inside');
      }),
    /inside/,
  );
  assert.equal(readlinkSync('/proc/thread-self/ns/net'), home, 'the thread comes home after an error too');
  assert.throws(() => inNetns('rheo-no-such', () => 0), { name: 'RheoError', code: 'RHEO_INPUT' });

  assert.deepEqual(
    monitor.list().map(({ name, hardware, up }) => ({ name, hardware, up })),
    [{ name: 'lo', hardware: 772, up: true }],
  );
  monitor.changed();
  assert.equal(monitor.changed(), false);
  const poller = new Poller();
  t.after(() => poller.close());
  poller.add(monitor.changes);
  let woken = false;
  const waiting = poller.wait(20_000).then(() => {
    woken = true;
  });
  await sleep(20);
  assert.equal(woken, false);
  lab.cable({ netns: left, device: 'l0' }, { netns: right, device: 'r0' });
  await waiting;
  assert.ok(woken);
  assert.equal(monitor.changed(), true);
  for (let n = 0; n < 100; n++) lab.ip(left, 'link', 'add', `v${n}`, 'type', 'veth', 'peer', 'name', `w${n}`);
  const expected = JSON.parse(lab.ip(left, '-j', 'link', 'show')) as { ifindex: number; ifname: string; mtu: number }[];
  const byIndex = (a: { index: number }, b: { index: number }): number => a.index - b.index;
  assert.deepEqual(
    monitor
      .list()
      .sort(byIndex)
      .map(({ index, name, mtu }) => ({ index, name, mtu })),
    expected.map(({ ifindex, ifname, mtu }) => ({ index: ifindex, name: ifname, mtu })).sort(byIndex),
  );
});

test('a poller ends its waiting by time, by interrupt and by close', { skip }, async () => {
  const poller = new Poller();
  await poller.wait(1);
  const interrupted = poller.wait(60_000);
  poller.interrupt();
  await interrupted;
  const closed = poller.wait(60_000);
  poller.close();
  await closed;
  await poller.wait(60_000);
  poller.close();
});
