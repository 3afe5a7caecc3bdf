import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import type { RheoError } from '../../src/core/errors.js';
import { connect } from '../../src/rpc/client.js';
import { RpcCounters } from '../../src/rpc/counters.js';
import type { RpcLimits } from '../../src/rpc/limits.js';
import { defaultSocketPath } from '../../src/rpc/socket-path.js';
import { groupNumber } from '../../src/rpc/unix-listen.js';
import { type Listener, listenUnix } from '../../src/rpc/unix-server.js';
import { FakeService, fakeFlow } from '../support/fake-service.js';
import { TestFolder } from './folder.js';
import { RawClient, request } from './raw-client.js';

const folder = new TestFolder();
const listeners: Listener[] = [];
after(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  folder.remove();
});

interface Daemon {
  path: string;
  service: FakeService;
  counters: RpcCounters;
  logged: string[];
  listener: Listener;
}

async function daemon(options: { flows?: number; limits?: Partial<RpcLimits>; path?: string } = {}): Promise<Daemon> {
  const { flows, limits = {}, path: file = folder.file('control.sock') } = options;
  const service = new FakeService({ flows });
  const counters = new RpcCounters();
  const logged: string[] = [];
  const log = (level: string, message: string): void => {
    logged.push(`${level} ${message}`);
  };
  const listener = await listenUnix({ service, counters, log, limits }, { path: file });
  listeners.push(listener);
  return { path: file, service, counters, logged, listener };
}

async function dumpText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const piece of pieces) parts.push(Buffer.from(piece));
  return Buffer.concat(parts).toString();
}

test('only the owner may connect, and the log says who did', async () => {
  const { path: file, logged, counters } = await daemon();
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const client = await connect({ socket: file });
  await client.call('stopGather');
  if (process.platform === 'linux') {
    assert.match(
      logged[0],
      new RegExp(`^debug control: connection of process ${process.pid} of user ${process.getuid?.()}`),
    );
    assert.match(logged[1], new RegExp(`^info control: stopGather asked for by process ${process.pid} of user`));
  }
  assert.equal(counters.open, 1);
  client.close();
});

test('a group may be let in', async () => {
  const file = folder.file('group.sock');
  const group = process.getgid?.() ?? 0;
  const context = { service: new FakeService(), counters: new RpcCounters(), log: () => {} };
  listeners.push(await listenUnix(context, { path: file, group }));
  assert.equal(statSync(file).mode & 0o777, 0o660);
  assert.equal(statSync(file).gid, group);
  const table = folder.file('group');
  writeFileSync(table, 'root:x:0:\nflows:x:4711:me,you\nbroken\n');
  assert.equal(groupNumber('flows', table), 4711);
  assert.equal(groupNumber('12'), 12);
  assert.throws(() => groupNumber('nobodys', table), { code: 'RHEO_USAGE', message: /no group 'nobodys'/ });
});

test('folders are made, and one that cannot be made is told with the way out', async () => {
  const { path: file } = await daemon({ path: path.join(folder.file('new'), 'deeper', 'control.sock') });
  assert.ok(existsSync(file));
  const blocked = folder.file('file');
  writeFileSync(blocked, '');
  await assert.rejects(daemon({ path: path.join(blocked, 'control.sock') }), (error: RheoError) => {
    assert.equal(error.code, 'RHEO_CONTROL');
    assert.match(error.message, /cannot listen on .*control\.sock: (ENOTDIR|EEXIST)/);
    return error.remedy !== undefined;
  });
  await assert.rejects(daemon({ path: `/tmp/${'x'.repeat(110)}` }), { code: 'RHEO_USAGE', message: /too long/ });
});

test('a second daemon is refused and told the process of the first', async () => {
  const { path: file, service } = await daemon();
  await assert.rejects(daemon({ path: file }), (error: RheoError) => {
    assert.equal(error.code, 'RHEO_CONTROL');
    assert.match(error.message, process.platform === 'linux' ? new RegExp(`process ${process.pid}`) : /answers/);
    return /shutdown/.test(error.remedy ?? '');
  });
  const client = await connect({ socket: file });
  await client.call('startGather');
  client.close();
  assert.deepEqual(service.calls, [['startGather']]);
});

test('the socket of a daemon that was killed is taken over', async () => {
  const file = folder.file('stale.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(file)}, () => console.log('ready'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(file), 'it left its socket behind');
  await daemon({ path: file });
  const client = await connect({ socket: file });
  assert.equal((await client.call('version')).pid, process.pid);
  client.close();
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.includes('stale.sock.')),
    [],
  );
});

test('what is no socket is not touched', async () => {
  const file = folder.file('precious');
  writeFileSync(file, 'content');
  await assert.rejects(daemon({ path: file }), { code: 'RHEO_CONTROL', message: /is no socket/ });
  const directory = folder.file('directory');
  mkdirSync(directory);
  await assert.rejects(daemon({ path: directory }), { code: 'RHEO_CONTROL', message: /is no socket/ });
  assert.ok(existsSync(file) && existsSync(directory));
});

test('closing ends connections and removes the socket', async () => {
  const { path: file, listener, counters } = await daemon();
  const client = await connect({ socket: file });
  await client.call('version');
  const idle = await RawClient.connect(file);
  await listener.close();
  await client.closed;
  await idle.gone();
  assert.ok(!existsSync(file));
  assert.equal(counters.open, 0);
  await assert.rejects(client.call('version'), { code: 'RHEO_CONTROL' });
});

test('no daemon: the error says which socket, and how to start one', async () => {
  const missing = folder.file('nothing.sock');
  await assert.rejects(connect({ socket: missing }), (error: RheoError) => {
    assert.equal(error.code, 'RHEO_CONTROL');
    assert.ok(error.message.includes(missing));
    return /rheo run/.test(error.remedy ?? '') && /RHEO_CONTROL_SOCKET/.test(error.remedy ?? '');
  });
  assert.equal(defaultSocketPath({}, 0), '/run/rheo/control.sock');
  assert.equal(defaultSocketPath({ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000), '/run/user/1000/rheo/control.sock');
  assert.match(defaultSocketPath({ XDG_RUNTIME_DIR: 'relative' }, 1000), /\.local\/state\/rheo\/control\.sock$/);
});

test('answers come for several requests in one write, in two halves, and behind a half-close', async () => {
  const { path: file } = await daemon();
  const client = await RawClient.connect(file);
  const one = JSON.stringify(request('version', undefined, 'a'));
  client.socket.write(`${one}\r\n\n${JSON.stringify(request('timeouts', {}, 'b'))}\n${one.slice(0, 20)}`);
  await client.until((text) => text.split('\n').length === 3);
  client.socket.end(one.slice(20));
  const lines = (await client.gone()).trimEnd().split('\n');
  assert.deepEqual(lines.map((line) => (JSON.parse(line) as { id: unknown }).id).sort(), ['a', 'a', 'b']);
});

test('a dump is whole, in either format, and the connection goes on', async () => {
  const { path: file, service } = await daemon({ flows: 3000 });
  const client = await connect({ socket: file });
  const lines = (await dumpText(client.dump())).trimEnd().split('\n');
  assert.equal(lines.length, 3000);
  assert.deepEqual(JSON.parse(lines[2999]), fakeFlow(2999));
  assert.match(await dumpText(client.dump({ format: 'binary' })), /^0,1,2,.*2999,$/);
  assert.equal(service.dumpsEnded, 2);
  client.close();

  const raw = await RawClient.connect(file);
  raw.socket.write(`${JSON.stringify(request('dump', { filter: 'udp' }))}\n`);
  await raw.until((come) => come.includes('"format"'));
  // Sent while the dump goes on, answered behind it.
  raw.socket.write(`${JSON.stringify(request('version', {}, 2))}\n`);
  const text = await raw.until((come) => come.includes('"id":2'));
  assert.match(text, /\n0\n\{"bytes":\d+,"complete":true\}\n\{"jsonrpc":"2.0","id":2/);
  raw.close();
});

test('an error of a dump is told at its begin and in its middle', async () => {
  const { path: file } = await daemon({ flows: 3000 });
  const client = await connect({ socket: file });
  await assert.rejects(dumpText(client.dump({ filter: 'wrong' })), { code: 'RHEO_FILTER' });
  await assert.rejects(dumpText(client.dump({ filter: 'breaks' })), { code: 'RHEO_WORKER', message: /shard 0/ });
  client.close();
  const raw = await RawClient.connect(file);
  await raw.ask(request('subscribe', { what: 'events' }));
  assert.match(JSON.stringify(await raw.ask(request('dump'))), /connection of its own/);
  raw.close();
});

test('events come in order until the subscription is ended', async () => {
  const { path: file, service, counters } = await daemon();
  const raw = await RawClient.connect(file);
  assert.deepEqual((await raw.ask(request('subscribe', { what: 'records' }))).result, { subscription: 1 });
  assert.equal(counters.subscriptions, 1);
  raw.text = '';
  service.tell({ type: 'records', flows: [fakeFlow(1)] });
  service.tell({ type: 'records', flows: [fakeFlow(2)] });
  const events = (await raw.until((text) => text.split('\n').length === 3)).trimEnd().split('\n');
  assert.deepEqual(
    events.map((line) => (JSON.parse(line) as { params: unknown }).params),
    [1, 2].map((n) => ({ subscription: 1, event: { type: 'records', flows: [fakeFlow(n)] } })),
  );
  assert.deepEqual((await raw.ask(request('unsubscribe', { subscription: 1 }))).result, { ended: true });
  assert.deepEqual((await raw.ask(request('unsubscribe', { subscription: 1 }))).result, { ended: false });
  assert.equal(service.listeners.size, 0);
  assert.equal(counters.subscriptions, 0);
  raw.close();
});

test('the client iterates over events, and leaving the loop unsubscribes', async () => {
  const { path: file, service } = await daemon();
  const client = await connect({ socket: file });
  const subscription = await client.subscribe('events');
  for (const n of [1, 2, 3]) service.tell({ type: 'event', time: `${n}`, level: 'info', message: 'x' });
  const seen: string[] = [];
  for await (const event of subscription) {
    if (event.type === 'event') seen.push(event.time);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['1', '2']);
  while (service.listeners.size > 0) await new Promise(setImmediate);
  client.close();
});

test('subscriptions are bounded, and end with their connection', async () => {
  const { path: file, service, counters } = await daemon({ limits: { subscriptionsEach: 2, subscriptions: 3 } });
  const one = await RawClient.connect(file);
  const other = await RawClient.connect(file);
  const subscribe = request('subscribe', { what: 'records' });
  await one.ask(subscribe);
  await one.ask(subscribe);
  assert.match(JSON.stringify(await one.ask(subscribe)), /RHEO_LIMIT/);
  await other.ask(subscribe);
  assert.match(JSON.stringify(await other.ask(subscribe)), /RHEO_LIMIT/);
  assert.equal(counters.subscriptions, 3);
  one.close();
  other.close();
  while (service.listeners.size > 0) await new Promise(setImmediate);
  assert.equal(counters.subscriptions, 0);
});

test('a client that is not understood, and a daemon that is none', async () => {
  const file = folder.file('other.sock');
  const other = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 mail.example.org ESMTP\r\n');
  });
  await new Promise<void>((resolve) => other.listen(file, resolve));
  const client = await connect({ socket: file });
  await assert.rejects(client.call('version'), { code: 'RHEO_CONTROL', message: /no rheo daemon/ });
  await assert.rejects(dumpText(client.dump()), { code: 'RHEO_CONTROL' });
  client.close();
  other.close();
});

test('a daemon that does not answer is given up', async () => {
  const file = folder.file('silent.sock');
  const silent = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => silent.listen(file, resolve));
  const client = await connect({ socket: file, timeoutMs: 50 });
  await assert.rejects(client.call('version'), { code: 'RHEO_CONTROL', message: /did not answer 'version' within/ });
  client.close();
  silent.close();
});
