import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceManager, watchdogInterval } from '../../src/system/notify.js';
import { NotifySocket } from '../support/notify-socket.js';

const skip = process.platform !== 'linux' && 'needs Linux';

for (const kind of ['path', 'abstract'] as const) {
  test(`a service manager on ${kind === 'path' ? 'a path' : 'an abstract name'} hears what it is told`, {
    skip,
  }, () => {
    using socket = new NotifySocket(kind);
    const manager = new ServiceManager(socket.name);
    const before = process.hrtime.bigint() / 1000n;
    manager.ready('2 flows\nnow');
    manager.reloading();
    manager.alive();
    manager.stopping('bye');
    manager.close();
    const [ready, reloading, alive, stopping] = socket.take();
    assert.equal(ready, 'READY=1\nSTATUS=2 flows now');
    assert.match(reloading, /^RELOADING=1\nMONOTONIC_USEC=\d+\n/);
    const since = BigInt(/USEC=(\d+)/.exec(reloading)?.[1] ?? '0');
    assert.ok(since >= before && since <= process.hrtime.bigint() / 1000n);
    assert.equal(alive, 'WATCHDOG=1');
    assert.equal(stopping, 'STOPPING=1\nSTATUS=bye');
  });
}

test('a service manager that is not there, or does not read, is no failure', { skip }, () => {
  const nobody = new ServiceManager('/nonexistent/notify');
  assert.equal(nobody.send('READY=1'), false);
  nobody.close();
  using socket = new NotifySocket('abstract');
  const manager = new ServiceManager(socket.name);
  let taken = 0;
  while (manager.send('WATCHDOG=1') && taken < 100_000) taken++;
  assert.ok(taken < 100_000);
  manager.close();
});

test('names that are no addresses are refused', { skip }, () => {
  for (const name of ['relative', '@', '/', `/${'x'.repeat(107)}`, 'vsock:2:1']) {
    assert.throws(() => new ServiceManager(name), /NOTIFY_SOCKET/, name);
  }
  new ServiceManager(`/${'x'.repeat(106)}`).close();
});

test('the watchdog wants a sign at half of its time, from the process that it names', () => {
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000' }), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7), undefined);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '1' }), 1);
  for (const none of [undefined, '', '0', '-1', 'x'])
    assert.equal(watchdogInterval({ WATCHDOG_USEC: none }), undefined);
});
