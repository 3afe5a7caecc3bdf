import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { connect } from '../../src/rpc/client.js';
import { RpcCounters } from '../../src/rpc/counters.js';
import type { RpcLimits } from '../../src/rpc/limits.js';
import { type Listener, listenUnix } from '../../src/rpc/unix-server.js';
import { FakeService, fakeFlow } from '../support/fake-service.js';
import { TestFolder } from './folder.js';
import { RawClient, request } from './raw-client.js';
import { until } from './until.js';

/** Clients that mean harm, or know no better. After each of them the daemon answers others as before. */

const folder = new TestFolder();
const listeners: Listener[] = [];
let service: FakeService;
let counters: RpcCounters;
let path: string;

async function daemon(limits: Partial<RpcLimits> = {}, flows = 20): Promise<void> {
  service = new FakeService({ flows });
  counters = new RpcCounters();
  path = folder.file('control.sock');
  listeners.push(await listenUnix({ service, counters, log: () => {}, limits }, { path }));
}

async function answersOthers(): Promise<void> {
  const client = await connect({ socket: path });
  assert.equal((await client.call('version')).version, '0.1.0');
  client.close();
}

beforeEach(() => daemon());
after(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  folder.remove();
});

test('garbage is answered with errors, line by line', async () => {
  const client = await RawClient.connect(path);
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, n) => (n * 7919) & 0xff));
  const lines = bytes.filter((byte) => byte === 10).length;
  client.socket.end(Buffer.concat([bytes, Buffer.from('\n')]));
  const answers = (await client.gone()).trimEnd().split('\n');
  assert.ok(answers.length > lines / 2, `${answers.length} answers to ${lines} lines`);
  for (const answer of answers) assert.match(answer, /"error":\{"code":-32\d+,/);
  await answersOthers();
});

test('a line of 100 MB is refused when it passes the limit, and not kept', async () => {
  const client = await RawClient.connect(path);
  const before = process.memoryUsage().rss;
  const chunk = Buffer.alloc(1 << 20, 'x');
  const closed = new Promise((resolve) => client.socket.once('close', resolve));
  for (let n = 0; n < 100 && !client.socket.destroyed; n++) {
    if (!client.socket.write(chunk)) {
      await Promise.race([new Promise((resolve) => client.socket.once('drain', resolve)), closed]);
    }
  }
  const text = await client.gone();
  assert.match(text, /"code":-32001,"message":"a request has at most 1048576 bytes"/);
  assert.equal(text.split('\n').length, 2, 'it is told once');
  assert.ok(process.memoryUsage().rss - before < 60 << 20);
  await answersOthers();
});

test('a line of the longest length is read, with one byte more it is not', async () => {
  const text = JSON.stringify(request('version'));
  const padded = (length: number): string => text + ' '.repeat(length - text.length);
  const client = await RawClient.connect(path);
  assert.equal((await client.ask(padded(1 << 20))).error, undefined);
  assert.match(JSON.stringify(await client.ask(padded((1 << 20) + 1))), /RHEO_LIMIT/);
  await client.gone();
});

test('half a request is given up', async () => {
  await daemon({ requestMs: 50 });
  const client = await RawClient.connect(path);
  client.socket.write('{"jsonrpc":"2.0",');
  assert.match(await client.gone(), /must be whole/);
  const silent = await RawClient.connect(path);
  assert.equal((await silent.ask(request('version'))).error, undefined);
  await answersOthers();
  assert.equal(silent.ended, false, 'one that only waits is left in peace');
  silent.close();
});

test('half a request and gone', async () => {
  for (let n = 0; n < 50; n++) {
    const client = await RawClient.connect(path);
    client.socket.write('{"jsonrpc":"2.0","id":1,"method":"version"}'.slice(0, n));
    client.close();
  }
  await answersOthers();
  await until(() => counters.open === 0);
});

test('a thousand connections that say nothing keep nobody out', async () => {
  const many = await Promise.all(Array.from({ length: 1000 }, () => RawClient.connect(path)));
  await answersOthers();
  assert.ok(counters.refusedConnections >= 1000 - 64);
  for (const client of many) client.close();
  await until(() => counters.open === 0);
});

test('when all connections are busy, a new one is told so', async () => {
  await daemon({ connections: 2 });
  const busy = await Promise.all([RawClient.connect(path), RawClient.connect(path)]);
  for (const client of busy) await client.ask(request('subscribe', { what: 'events' }));
  const late = await RawClient.connect(path);
  assert.match(await late.gone(), /more than 2 connections/);
  for (const client of busy) assert.equal(client.ended, false);
  busy[0].close();
  await until(() => counters.open === 1);
  await answersOthers();
  busy[1].close();
});

test('deep JSON is refused before it is parsed', async () => {
  const client = await RawClient.connect(path);
  for (const deep of ['['.repeat(500_000), '{"a":'.repeat(100_000), `${'['.repeat(33)}${']'.repeat(33)}`]) {
    assert.match(JSON.stringify(await client.ask(deep)), /nested deeper than 32/);
  }
  client.close();
  await answersOthers();
});

test('a client that never reads its answers is not read any more, and let go', async () => {
  await daemon({ stallMs: 200, queueBytes: 64 << 10 }, 1000);
  const client = await RawClient.connect(path);
  client.socket.pause();
  const line = `${JSON.stringify(request('flows', { limit: 1000 }))}\n`;
  client.socket.write(line.repeat(2000));
  await until(() => counters.stalledConnections === 1);
  assert.ok(counters.requests < 100, `${counters.requests} of 2000 requests were begun`);
  client.close();
  await answersOthers();
});

test('events for a client that never reads are dropped and counted, and it learns how many', async () => {
  await daemon({ queueBytes: 64 << 10 });
  const slow = await RawClient.connect(path);
  const quick = await RawClient.connect(path);
  const subscribe = request('subscribe', { what: 'records' });
  await Promise.all([slow.ask(subscribe), quick.ask(subscribe)]);
  slow.text = '';
  quick.text = '';
  slow.socket.pause();
  const flows = Array.from({ length: 50 }, (_, n) => fakeFlow(n));
  const told = 200;
  for (let n = 0; n < told; n++) {
    service.tell({ type: 'records', flows });
    await quick.until((text) => text.split('\n').length === n + 2);
  }
  const { eventsDropped } = counters;
  assert.ok(eventsDropped > 0 && eventsDropped < told);
  assert.equal(counters.recordsDropped, eventsDropped * 50);
  assert.equal(quick.text.split('\n').length, told + 1, 'the quick one got all');
  slow.socket.resume();
  await slow.until((text) => text.split('\n').length === told - eventsDropped + 1);
  service.tell({ type: 'records', flows: [] });
  await slow.until((text) => text.split('\n').length === told - eventsDropped + 2);
  assert.match(slow.text.split('\n').at(-2) ?? '', new RegExp(`"dropped":${eventsDropped},`));
  slow.close();
  quick.close();
  await until(() => service.listeners.size === 0);
});

test('a client that vanishes in the middle of a dump ends it', async () => {
  await daemon({}, 1_000_000);
  const client = await RawClient.connect(path);
  client.socket.write(`${JSON.stringify(request('dump'))}\n`);
  await client.until((text) => text.length > 100_000);
  client.close();
  await until(() => service.dumpsLeft === 1);
  assert.ok(service.dumped < 1_000_000);
  assert.equal(service.dumpsEnded, 0);
  await answersOthers();
});

test('a dump that nobody reads is held back, and let go', async () => {
  await daemon({ stallMs: 200 }, 1_000_000);
  const client = await RawClient.connect(path);
  client.socket.pause();
  client.socket.write(`${JSON.stringify(request('dump'))}\n`);
  await until(() => service.dumpsLeft === 1);
  // What the buffers of the system hold, and no more.
  assert.ok(service.dumped < 20_000, `${service.dumped} flows were read`);
  assert.equal(counters.stalledConnections, 1);
  client.close();
  await answersOthers();
});

test('leaving the loop over a dump ends it', async () => {
  await daemon({}, 1_000_000);
  const client = await connect({ socket: path });
  for await (const piece of client.dump()) {
    assert.ok(piece.length > 0);
    break;
  }
  await until(() => service.dumpsLeft === 1);
  client.close();
  await answersOthers();
});

test('a client that vanishes before its answers come', async () => {
  for (const method of ['version', 'flows', 'dump', 'metrics', 'rpc.discover']) {
    const client = await RawClient.connect(path);
    await new Promise((resolve) => client.socket.write(`${JSON.stringify(request(method))}\n`.repeat(20), resolve));
    client.close();
    const subscriber = await RawClient.connect(path);
    await subscriber.ask(request('subscribe', { what: 'records' }));
    subscriber.close();
    service.tell({ type: 'records', flows: [fakeFlow(1)] });
  }
  await until(() => counters.open === 0);
  assert.equal(counters.subscriptions, 0);
  await answersOthers();
});

test('all queues together are bounded', async () => {
  await daemon({ queueBytes: 1 << 20 }, 10_000);
  const clients = await Promise.all(Array.from({ length: 30 }, () => RawClient.connect(path)));
  for (const client of clients) {
    client.socket.pause();
    client.socket.write(`${JSON.stringify(request('flows', { limit: 10_000 }))}\n`.repeat(4));
  }
  await until(() => counters.stalledConnections > 0);
  for (const client of clients) client.close();
  await until(() => counters.open === 0);
  await answersOthers();
});
