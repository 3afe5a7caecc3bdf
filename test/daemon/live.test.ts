import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemon } from '../../src/control/daemon/daemon.js';
import type { Loss } from '../../src/rpc/service.js';
import { netnsMissing, twoHosts } from '../support/netns.js';
import { configOf, MemoryTarget, until } from './support.js';

const skip = netnsMissing();

/** Addresses of the right side: those of a pair of addresses stay in one thread. */
const HOSTS = Array.from({ length: 10 }, (_, n) => `10.77.0.${n + 2}`);

/** Sends datagrams from many ports and gets each back. */
const CHATTER = `
  import dgram from 'node:dgram';
  const sockets = await Promise.all(Array.from({ length: 20 }, () => new Promise((ready) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(() => ready(socket));
  })));
  let answers = 0;
  for (const socket of sockets) socket.on('message', () => answers++);
  for (let round = 0; round < 50; round++) {
    for (const [n, socket] of sockets.entries()) socket.send('x'.repeat(round), 7777, '10.77.0.' + (2 + n % 10));
    await new Promise((go) => setTimeout(go, 2));
  }
  while (answers < 1000) await new Promise((go) => setTimeout(go, 5));
  for (const socket of sockets) socket.close();
`;
const ECHO = `
  import dgram from 'node:dgram';
  let up = 0;
  for (const host of process.argv.slice(1)) {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (text, from) => socket.send(text, from.port, from.address));
    socket.bind(7777, host, () => ++up === 10 && console.log('up'));
  }
`;

test('two threads over one interface: each packet once, both directions in one flow', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const target = new MemoryTarget();
  const daemon = new Daemon({
    config: configOf({
      interfaces: 'r0',
      netns: right,
      threads: 2,
      filter: 'udp port 7777',
      export: 'file:unused.ndjson',
    }),
    version: '0',
    openTarget: async () => target,
  });
  await daemon.start();
  for (const host of HOSTS.slice(1)) lab.ip(right, 'address', 'add', `${host}/24`, 'dev', 'r0');
  await lab.serve(right, ECHO, ...HOSTS);
  await lab.node(left, CHATTER);
  let loss: Loss | undefined;
  await until(async () => {
    loss = await daemon.service.loss();
    return loss.decoded === 2000;
  }, 'all packets');
  assert.deepEqual(loss?.imbalance, []);
  assert.ok(
    loss?.threads.every(({ packets }) => packets > 0),
    'both threads have got their share',
  );
  const page = await daemon.service.flows({ filter: 'dst port 7777', limit: 100 });
  assert.equal(page.matched, 20);
  for (const flow of page.flows) assert.deepEqual([flow.packets, flow.reversePackets], [50, 50]);
  await daemon.stop();
  const last = await daemon.ended;
  assert.deepEqual(last.imbalance, []);
  assert.equal(last.verdict, 'Nothing was lost.');
  assert.equal(target.flows.length, 20);
});

test('an interface that goes and comes back: health says so, its flows and counts stay', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const daemon = new Daemon({ config: configOf({ interfaces: 'r0', netns: right, filter: 'icmp' }), version: '0' });
  await daemon.start();
  const ping = (): string => lab.run(left, 'ping', '-c', '3', '-i', '0.02', '10.77.0.2');
  ping();
  await until(async () => (await daemon.service.loss()).decoded === 6, 'six packets');
  lab.ip(right, 'link', 'del', 'r0');
  await until(async () => (await daemon.service.health()).status === 'degraded', 'the loss of the interface');
  const { reasons } = await daemon.service.health();
  assert.match(reasons.join(), /interface r0 is (gone|down)/);
  assert.equal((await daemon.service.loss()).flows.live, 1);
  lab.cable(
    { netns: left, device: 'l0', addresses: ['10.77.0.1/24'] },
    { netns: right, device: 'r0', addresses: ['10.77.0.2/24'] },
  );
  await until(async () => (await daemon.service.health()).status === 'ok', 'the interface');
  ping();
  await until(async () => (await daemon.service.loss()).decoded === 12, 'twelve packets');
  const loss = await daemon.service.loss();
  assert.deepEqual(loss.imbalance, []);
  assert.equal(loss.interfaces.length, 1);
  await daemon.stop();
  assert.deepEqual((await daemon.ended).imbalance, []);
});
