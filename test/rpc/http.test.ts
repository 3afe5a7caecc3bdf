import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { type Socket, connect as tcpConnect } from 'node:net';
import { after, test } from 'node:test';
import { connect } from '../../src/rpc/client.js';
import { RpcCounters } from '../../src/rpc/counters.js';
import { HostCheck, isSameOrigin, readToken, Token } from '../../src/rpc/http-access.js';
import { parseListen } from '../../src/rpc/http-address.js';
import { type HttpOptions, listenHttp } from '../../src/rpc/http-server.js';
import type { RpcLimits } from '../../src/rpc/limits.js';
import type { Listener } from '../../src/rpc/unix-server.js';
import { FakeService, fakeFlow } from '../support/fake-service.js';
import { hasProgram } from '../support/programs.js';
import { TestFolder } from './folder.js';
import { until } from './until.js';

const folder = new TestFolder();
const listeners: Listener[] = [];
after(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  folder.remove();
});

const TOKEN = 'a-token-of-more-than-16-characters';
const tokenFile = folder.file('token');
writeFileSync(tokenFile, `${TOKEN}\n`);

interface Daemon {
  url: string;
  port: number;
  service: FakeService;
  counters: RpcCounters;
}

async function daemon(
  options: Partial<HttpOptions> = {},
  { flows, limits = {} }: { flows?: number; limits?: Partial<RpcLimits> } = {},
): Promise<Daemon> {
  const service = new FakeService({ flows });
  const counters = new RpcCounters();
  const context = { service, counters, log: () => {}, limits };
  const listener = await listenHttp(context, { listen: '127.0.0.1:0', ...options });
  listeners.push(listener);
  return { url: listener.address, port: Number(new URL(listener.address).port), service, counters };
}

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function ask(
  url: string,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, url), { method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts).toString(),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const VERSION = '{"jsonrpc":"2.0","id":1,"method":"version"}';

async function text(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const piece of pieces) parts.push(Buffer.from(piece));
  return Buffer.concat(parts).toString();
}

test('addresses to listen on', () => {
  assert.deepEqual(parseListen('127.0.0.1:80'), { host: '127.0.0.1', port: 80, loopback: true });
  assert.deepEqual(parseListen('[::1]:0'), { host: '::1', port: 0, loopback: true });
  assert.deepEqual(parseListen('localhost:8080'), { host: 'localhost', port: 8080, loopback: true });
  assert.deepEqual(parseListen(':8080'), { host: '127.0.0.1', port: 8080, loopback: true });
  assert.deepEqual(parseListen('0.0.0.0:65535'), { host: '0.0.0.0', port: 65_535, loopback: false });
  assert.deepEqual(parseListen('[::]:1'), { host: '::', port: 1, loopback: false });
  assert.equal(parseListen('127.99.1.2:1').loopback, true);
  assert.equal(parseListen('128.0.0.1:1').loopback, false);
  for (const wrong of [
    '',
    '80',
    '127.0.0.1',
    '127.0.0.1:65536',
    '::1:80',
    'example.org:80',
    '1.2.3:80',
    'a b:1',
    '[::1]',
  ]) {
    assert.throws(() => parseListen(wrong), { code: 'RHEO_USAGE' }, wrong);
  }
});

test('refuses to listen where others can reach it without TLS and token', async () => {
  const tls = { certFile: tokenFile, keyFile: tokenFile };
  for (const [options, missing] of [
    [{ listen: '0.0.0.0:0' }, /needs TLS and a token/],
    [{ listen: '0.0.0.0:0', tokenFile }, /needs TLS$/],
    [{ listen: '[::]:0', tls }, /needs a token$/],
    [{ listen: '192.0.2.1:0', tokenFile }, /needs TLS$/],
  ] as const) {
    await assert.rejects(daemon(options), { code: 'RHEO_USAGE', message: missing });
  }
});

test('tokens and their files', async () => {
  const token = new Token(TOKEN);
  assert.equal(token.accepts(`Bearer ${TOKEN}`), true);
  assert.equal(token.accepts(`bearer  ${TOKEN} `), true);
  for (const wrong of [
    undefined,
    '',
    'Bearer',
    TOKEN,
    `Basic ${TOKEN}`,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
  ]) {
    assert.equal(token.accepts(wrong), false, wrong);
  }
  assert.equal(new Token('').accepts('Bearer '), false, 'an empty token is none');
  const short = folder.file('short');
  writeFileSync(short, 'short\n');
  await assert.rejects(daemon({ tokenFile: short }), { code: 'RHEO_USAGE', message: /16 to 4096/ });
  await assert.rejects(daemon({ tokenFile: folder.file('none') }), { code: 'RHEO_INPUT', message: /ENOENT/ });
  assert.ok(readToken(tokenFile).accepts(`Bearer ${TOKEN}`));
});

test('whose Host and Origin are taken', () => {
  const local = new HostCheck(['flows.example.org'], true);
  for (const host of ['127.0.0.1', '127.0.0.1:80', 'localhost:1', 'LOCALHOST', '[::1]:80', 'Flows.example.org:1']) {
    assert.equal(local.accepts(host), true, host);
  }
  for (const host of [
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '192.0.2.1',
    'a@localhost',
    'localhost:x',
  ]) {
    assert.equal(local.accepts(host), false, host);
  }
  const wide = new HostCheck([], false);
  assert.equal(wide.accepts('192.0.2.1:443'), true);
  assert.equal(wide.accepts('evil.example'), false);
  assert.equal(isSameOrigin(undefined, 'http', 'localhost:1'), true);
  assert.equal(isSameOrigin('http://localhost:1', 'http', 'localhost:1'), true);
  for (const origin of ['null', '', 'https://localhost:1', 'http://localhost:2', 'http://evil.example']) {
    assert.equal(isSameOrigin(origin, 'http', 'localhost:1'), false, origin);
  }
});

test('a name that points here, and a page of another site, get nothing', async () => {
  const { url, port, service, counters } = await daemon({ tokenFile });
  const headers = { ...JSON_TYPE, authorization: `Bearer ${TOKEN}` };
  const body = '{"jsonrpc":"2.0","id":1,"method":"stopGather"}';
  const rebound = await ask(url, 'POST', '/rpc', { ...headers, host: `evil.example:${port}` }, body);
  assert.equal(rebound.status, 421);
  const cross = await ask(url, 'POST', '/rpc', { ...headers, origin: 'http://evil.example' }, body);
  assert.equal(cross.status, 403);
  const form = await ask(url, 'POST', '/rpc', { ...headers, 'content-type': 'text/plain' }, body);
  assert.equal(form.status, 415);
  assert.equal((await ask(url, 'OPTIONS', '/rpc', { origin: 'http://evil.example' })).status, 403);
  assert.equal((await ask(url, 'GET', '/healthz', { host: 'evil.example' })).status, 421);
  assert.deepEqual(service.calls, []);
  assert.equal(counters.denied, 4);
  assert.equal((await ask(url, 'POST', '/rpc', { ...headers, origin: url }, body)).status, 200);
  assert.deepEqual(service.calls, [['stopGather']]);
});

test('every path but /healthz needs the token', async () => {
  const { url, service } = await daemon({ tokenFile });
  for (const [method, path] of [
    ['POST', '/rpc'],
    ['GET', '/events?what=records'],
    ['GET', '/dump'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/nothing'],
    ['GET', '/healthz/../metrics'],
  ]) {
    for (const authorization of [undefined, 'Bearer wrong-wrong-wrong-wrong', `Basic ${TOKEN}`]) {
      const headers = { ...JSON_TYPE, ...(authorization === undefined ? {} : { authorization }) };
      const reply = await ask(url, method, path, headers, method === 'POST' ? VERSION : undefined);
      assert.equal(reply.status, 401, `${method} ${path}`);
      assert.equal(reply.headers['www-authenticate'], 'Bearer');
      assert.match(reply.body, /RHEO_ACCESS/);
    }
  }
  assert.equal(service.dumped, 0);
  assert.deepEqual(JSON.parse((await ask(url, 'GET', '/healthz')).body), { status: 'degraded' });
  await assert.rejects(connect({ url, token: `${TOKEN}x` }), { code: 'RHEO_ACCESS', message: /token is wrong/ });
  await assert.rejects(connect({ url }), { code: 'RHEO_ACCESS', message: /a token is needed/ });
});

test('without a token nothing is changed, and all can be read', async () => {
  const { url, service } = await daemon();
  const client = await connect({ url });
  assert.equal((await client.call('loss')).balanced, true);
  await assert.rejects(client.call('delete'), { code: 'RHEO_ACCESS', message: /delete is not allowed here/ });
  assert.deepEqual(service.calls, []);
  client.close();
});

test('the client does over HTTP what it does over the socket', async () => {
  const { url, service } = await daemon({ tokenFile }, { flows: 3000 });
  const client = await connect({ url, token: TOKEN });
  assert.equal((await client.call('flows', { limit: 5 })).flows.length, 5);
  assert.deepEqual(await client.call('expire', { filter: 'tcp' }), { flows: 20 });
  await assert.rejects(client.call('flows', { filter: 'wrong' }), { code: 'RHEO_FILTER' });
  const lines = (await text(client.dump({ filter: 'tcp and bytes > 1M' }))).trimEnd().split('\n');
  assert.equal(lines.length, 3000);
  assert.deepEqual(JSON.parse(lines[2999]), fakeFlow(2999));
  assert.match(await text(client.dump({ format: 'binary' })), /^0,1,.*2999,$/);
  await assert.rejects(text(client.dump({ filter: 'wrong' })), { code: 'RHEO_FILTER' });
  await assert.rejects(text(client.dump({ filter: 'breaks' })), { code: 'RHEO_CONTROL', message: /middle of a dump/ });
  const subscription = await client.subscribe('records');
  for (const n of [1, 2]) service.tell({ type: 'records', flows: [fakeFlow(n)] });
  const seen: unknown[] = [];
  for await (const event of subscription) {
    seen.push(event);
    if (seen.length === 2) break;
  }
  assert.deepEqual(
    seen,
    [1, 2].map((n) => ({ type: 'records', flows: [fakeFlow(n)] })),
  );
  await until(() => service.listeners.size === 0);
  client.close();
});

test('paths, types and lengths that are wrong', async () => {
  const { url, service } = await daemon();
  assert.equal((await ask(url, 'GET', '/nothing')).status, 404);
  assert.equal((await ask(url, 'GET', '/rpc')).status, 404);
  assert.equal((await ask(url, 'POST', '/rpc', {}, VERSION)).status, 415);
  assert.equal((await ask(url, 'POST', '/rpc', JSON_TYPE, 'x'.repeat((1 << 20) + 1))).status, 413);
  assert.equal((await ask(url, 'GET', '/events')).status, 400);
  assert.equal((await ask(url, 'GET', '/events?what=records,nothing')).status, 400);
  assert.equal((await ask(url, 'GET', '/events?what=records,records')).status, 400);
  assert.equal((await ask(url, 'GET', '/dump?format=xml')).status, 400);
  assert.equal((await ask(url, 'GET', '/dump?x=1')).status, 400);
  assert.match((await ask(url, 'POST', '/rpc', JSON_TYPE, '[[')).body, /-32700/);
  assert.match((await ask(url, 'POST', '/rpc', JSON_TYPE, '')).body, /"error"/);
  const notified = await ask(url, 'POST', '/rpc', JSON_TYPE, '{"jsonrpc":"2.0","method":"version"}');
  assert.deepEqual([notified.status, notified.body], [204, '']);
  const inBody = await ask(url, 'POST', '/rpc', JSON_TYPE, '{"jsonrpc":"2.0","id":1,"method":"dump"}');
  assert.match(inBody.body, /GET \/dump/);
  assert.equal(service.dumped, 0);
});

test('/metrics, /openapi.json', async () => {
  const { url } = await daemon();
  const metrics = await ask(url, 'GET', '/metrics');
  assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^# TYPE/);
  const { openapi, paths } = JSON.parse((await ask(url, 'GET', '/openapi.json')).body) as Record<string, object>;
  assert.equal(openapi, '3.1.0');
  assert.deepEqual(Object.keys(paths).sort(), ['/dump', '/events', '/healthz', '/metrics', '/openapi.json', '/rpc']);
});

/** A connection on which anything can be written. */
function raw(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = tcpConnect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
    socket.on('error', () => {});
  });
}

test('a reader of events that never reads loses events, and is let go', async () => {
  const { port, service, counters } = await daemon({}, { limits: { queueBytes: 64 << 10, stallMs: 300 } });
  const slow = await raw(port);
  slow.pause();
  slow.write('GET /events?what=records HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => service.listeners.size === 1);
  const flows = Array.from({ length: 100 }, (_, n) => fakeFlow(n));
  while (counters.eventsDropped === 0) {
    service.tell({ type: 'records', flows });
    await new Promise(setImmediate);
  }
  assert.equal(counters.recordsDropped, 100);
  await until(() => service.listeners.size === 0);
  assert.equal(counters.subscriptions, 0);
  slow.destroy();
});

test('clients that vanish, stay silent, or send half a request harm nobody', async () => {
  const { url, port, service, counters } = await daemon({}, { flows: 1_000_000, limits: { connections: 10 } });
  const gone = await raw(port);
  gone.write('GET /dump HTTP/1.1\r\nHost: localhost\r\n\r\n');
  gone.once('data', () => gone.destroy());
  await until(() => service.dumpsLeft === 1);
  assert.ok(service.dumped < 1_000_000);
  const half = await raw(port);
  half.write(
    'POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
  );
  await until(() => counters.open >= 1);
  half.destroy();
  const garbage = await raw(port);
  garbage.write(Buffer.alloc(100_000, 0xe5));
  await new Promise((resolve) => garbage.once('close', resolve).resume());
  const many = await Promise.all(Array.from({ length: 50 }, () => raw(port)));
  await until(() => counters.refusedConnections >= 40);
  // Nor do they keep others out while they stay, not even with requests that never come whole.
  assert.equal((await ask(url, 'POST', '/rpc', JSON_TYPE, VERSION)).status, 200);
  const halves = await Promise.all(Array.from({ length: 20 }, () => raw(port)));
  for (const socket of halves) {
    socket.write(
      'POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
  }
  assert.equal((await ask(url, 'POST', '/rpc', JSON_TYPE, VERSION)).status, 200);
  for (const socket of [...many, ...halves]) socket.destroy();
  await until(() => counters.open === 0);
  assert.equal((await ask(url, 'POST', '/rpc', JSON_TYPE, VERSION)).status, 200);
});

test('when all connections are busy, a new one is closed, and those that are open go on', async () => {
  const { port, service, counters } = await daemon({}, { limits: { connections: 2 } });
  const busy = await Promise.all([raw(port), raw(port)]);
  for (const socket of busy) socket.write('GET /events?what=records HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => service.listeners.size === 2);
  const late = await raw(port);
  await new Promise((resolve) => late.once('close', resolve).resume());
  assert.deepEqual([counters.open, counters.refusedConnections, service.listeners.size], [2, 1, 2]);
  for (const socket of busy) socket.destroy();
});

test('subscriptions are bounded', async () => {
  const { url, port, service } = await daemon({}, { limits: { subscriptions: 2 } });
  const one = await raw(port);
  one.write('GET /events?what=records,events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => service.listeners.size === 2);
  assert.equal((await ask(url, 'GET', '/events?what=statistics')).status, 503);
  one.destroy();
  await until(() => service.listeners.size === 0);
});

test('an address that is taken, and a URL that is none', async () => {
  const { port, url } = await daemon();
  await assert.rejects(daemon({ listen: `127.0.0.1:${port}` }), { code: 'RHEO_CONTROL', message: /EADDRINUSE/ });
  await assert.rejects(connect({ url: 'ftp://x' }), { code: 'RHEO_USAGE' });
  await assert.rejects(connect({ url: 'nonsense' }), { code: 'RHEO_USAGE' });
  await assert.rejects(connect({ url: url.replace('http:', 'https:') }), { code: /RHEO_(CONTROL|ACCESS)/ });
  await listeners.pop()?.close();
  await assert.rejects(connect({ url }), { code: 'RHEO_CONTROL', message: /no daemon answers at http/ });
});

const needsOpenssl = { skip: !hasProgram('openssl') && 'needs openssl' };

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** A certificate for localhost and 127.0.0.1 that signs itself. */
function certificate(name: string): { cert: string; key: string } {
  const cert = folder.file(`${name}.pem`);
  const key = folder.file(`${name}.key`);
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', names, '-keyout', key, '-out', cert],
  );
  return { cert, key };
}

test('TLS: token and certificate accepted and refused', needsOpenssl, async () => {
  const { readFileSync } = await import('node:fs');
  const server = certificate('server');
  const mine = certificate('client');
  const strange = certificate('stranger');
  const read = (file: string): string => readFileSync(file, 'utf8');
  const tls = { certFile: server.cert, keyFile: server.key };
  const ca = read(server.cert);

  const { port, service } = await daemon({ listen: '0.0.0.0:0', tokenFile, tls });
  const url = `https://127.0.0.1:${port}`;
  const client = await connect({ url, ca, token: TOKEN });
  await client.call('stopGather');
  assert.deepEqual(service.calls, [['stopGather']]);
  client.close();
  await assert.rejects(connect({ url, ca }), { code: 'RHEO_ACCESS', message: /a token is needed/ });
  await assert.rejects(connect({ url, ca, token: 'wrong' }), { code: 'RHEO_ACCESS', message: /token is wrong/ });
  await assert.rejects(connect({ url, token: TOKEN }), { code: 'RHEO_ACCESS', message: /is not trusted/ });
  await assert.rejects(connect({ url: `http://127.0.0.1:${port}`, token: TOKEN }), { code: 'RHEO_CONTROL' });

  const mutual = await daemon({ tokenFile, tls: { ...tls, clientCaFile: mine.cert } });
  const known = await connect({ url: mutual.url, ca, token: TOKEN, cert: read(mine.cert), key: read(mine.key) });
  assert.equal((await known.call('version')).version, '0.1.0');
  known.close();
  await assert.rejects(connect({ url: mutual.url, ca, token: TOKEN }), { code: /RHEO_(CONTROL|ACCESS)/ });
  const stranger = { cert: read(strange.cert), key: read(strange.key) };
  await assert.rejects(connect({ url: mutual.url, ca, token: TOKEN, ...stranger }), { code: /RHEO_(CONTROL|ACCESS)/ });
  assert.deepEqual(mutual.service.calls, []);

  await assert.rejects(daemon({ tls: { certFile: server.cert, keyFile: mine.key } }), {
    code: 'RHEO_INPUT',
    message: /^TLS: /,
  });
  await assert.rejects(daemon({ tls: { certFile: tokenFile, keyFile: server.key } }), { code: 'RHEO_INPUT' });
  await assert.rejects(daemon({ tls: { certFile: folder.file('none'), keyFile: server.key } }), {
    code: 'RHEO_INPUT',
    message: /the certificate cannot be read: ENOENT/,
  });
});
