import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Daemon } from '../../src/control/daemon/daemon.js';
import { openPipe } from '../../src/control/daemon/pipe-source.js';
import { Batch } from '../../src/packet/batch.js';
import { EPOCH_SECONDS, ethernet, ip, pcapOf, type TimedFrame, udp } from '../support/packets.js';
import { configOf, MemoryTarget, until } from './support.js';

const dir = mkdtempSync(path.join(tmpdir(), 'rheo-pipe-'));
after(() => rmSync(dir, { recursive: true }));

function makePipe(name: string): string {
  const pipe = path.join(dir, name);
  execFileSync('mkfifo', [pipe]);
  return pipe;
}

function frame(at: number, port: number): TimedFrame {
  return { at, bytes: ethernet(ip('10.0.0.1', '10.0.0.2', 17, udp(port, 53))) };
}

const HEADER_BYTES = 24;

test('a capture in a named pipe is metered as it comes; the daemon ends with it', async () => {
  const pipe = makePipe('a');
  const target = new MemoryTarget();
  const daemon = new Daemon({
    config: configOf({ interfaces: pipe, export: 'file:unused.ndjson' }),
    version: '0',
    openTarget: async () => target,
  });
  await daemon.start();
  const fd = openSync(pipe, 'w');
  const bytes = pcapOf([frame(0, 1), frame(1, 1), frame(2, 2), frame(100, 3)]);
  writeSync(fd, bytes.subarray(0, bytes.length - 10));
  // Packets' time drives expiry: what is silent for 98 s has ended. The last packet is not whole yet.
  await until(async () => (await daemon.service.loss()).packets === 3, 'three packets');
  writeSync(fd, bytes.subarray(bytes.length - 10));
  await until(() => target.flows.length === 2, 'records');
  assert.deepEqual(target.flows.map(({ srcPort, packets }) => [srcPort, packets]).sort(), [
    [1, 2],
    [2, 1],
  ]);
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, []);
  assert.deepEqual([loss.interfaces[0].packets, loss.interfaces[0].state], [4, 'up']);
  closeSync(fd);
  const last = await daemon.ended;
  assert.deepEqual([last.packets, last.records, last.balanced], [4, 3, true]);
});

test('a pipe without a writer can be stopped', async () => {
  const pipe = makePipe('b');
  const daemon = new Daemon({ config: configOf({ interfaces: pipe }), version: '0' });
  await daemon.start();
  assert.equal((await daemon.service.loss()).packets, 0);
  await daemon.stop();
  assert.equal((await daemon.ended).balanced, true);
});

test('the clock of a pipe is that of its packets, and goes on when none come, some seconds behind', async () => {
  const pipe = makePipe('c');
  let ms = 1000;
  const source = await openPipe(pipe, () => ms);
  const fd = openSync(pipe, 'r+');
  const bytes = pcapOf([frame(0.5, 1)]);
  assert.deepEqual(source.now(), { seconds: 0, nanos: 0 });
  writeSync(fd, bytes);
  const batch = new Batch();
  while (source.fill(batch) === 0) assert.ok(await source.more());
  assert.deepEqual(source.now(), { seconds: EPOCH_SECONDS, nanos: 500_000_000 });
  ms += 4000;
  assert.deepEqual(source.now(), { seconds: EPOCH_SECONDS, nanos: 500_000_000 });
  ms += 2750;
  assert.deepEqual(source.now(), { seconds: EPOCH_SECONDS + 2, nanos: 250_000_000 });
  writeSync(fd, pcapOf([frame(60, 2)]).subarray(HEADER_BYTES));
  while (source.fill(batch) === 0) assert.ok(await source.more());
  assert.deepEqual(source.now(), { seconds: EPOCH_SECONDS + 60, nanos: 0 });
  const [iface] = source.statistics();
  assert.deepEqual([iface.kernel, iface.packets, iface.waiting], [2, 2, 0]);
  source.stop();
  assert.equal(await source.more(), false);
  await source.close();
  closeSync(fd);
});

test('a pipe is read by one thread and alone', async () => {
  const pipe = makePipe('d');
  const daemon = new Daemon({ config: configOf({ interfaces: pipe, threads: 2 }), version: '0' });
  await assert.rejects(daemon.start(), /a pipe is read by one thread, not by 2/);
  assert.throws(() => new Daemon({ config: configOf({ interfaces: [pipe, 'lo'] }), version: '0' }), {
    code: 'RHEO_USAGE',
  });
});
