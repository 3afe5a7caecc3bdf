import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RpcCounters } from '../../src/rpc/counters.js';
import { type Caller, Dispatcher } from '../../src/rpc/dispatcher.js';
import { isShallow } from '../../src/rpc/json-guard.js';
import { RPC_LIMITS } from '../../src/rpc/limits.js';
import type { MethodName } from '../../src/rpc/method-types.js';
import { METHOD_NAMES, METHODS } from '../../src/rpc/methods.js';
import type { Service } from '../../src/rpc/service.js';
import { FakeService } from '../support/fake-service.js';

const OWNER: Caller = { name: 'the owner', mayChange: true };

interface Rpc {
  id?: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: { code: string; remedy?: string } };
}

interface Setup {
  service: FakeService;
  counters: RpcCounters;
  logged: string[];
  text(message: string | Uint8Array, caller?: Caller): Promise<string | undefined>;
  ask(message: unknown, caller?: Caller): Promise<Rpc>;
}

function setup(service: FakeService = new FakeService()): Setup {
  const counters = new RpcCounters();
  const logged: string[] = [];
  const log = (level: string, message: string): void => {
    logged.push(`${level} ${message}`);
  };
  const dispatcher = new Dispatcher(service, RPC_LIMITS, counters, log);
  const text: Setup['text'] = async (message, caller = OWNER) =>
    (await dispatcher.answer(typeof message === 'string' ? Buffer.from(message) : message, caller)).text;
  return {
    service,
    counters,
    logged,
    text,
    async ask(message, caller) {
      const answer = await text(typeof message === 'string' ? message : JSON.stringify(message), caller);
      assert.ok(answer !== undefined, 'there is an answer');
      assert.doesNotMatch(answer, /\n/, 'it is one line');
      return JSON.parse(answer) as Rpc;
    },
  };
}

function call(method: string, params?: unknown): Record<string, unknown> {
  return { jsonrpc: '2.0', id: 7, method, ...(params === undefined ? {} : { params }) };
}

/** Parameters with which each method can be called; those that depend on the transport have tests of their own. */
const EXAMPLES: Partial<Record<MethodName, unknown>> = {
  flows: { filter: 'tcp', sort: 'bytes', order: 'asc', offset: 2, limit: 3 },
  top: { key: 'address', limit: 1 },
  expire: { filter: 'host 10.0.0.1' },
  setTimeouts: { idle: { 'tcp.fin': 5000 }, active: null },
  logLevel: { level: 'debug' },
};

for (const name of METHOD_NAMES) {
  if (['dump', 'subscribe', 'unsubscribe'].includes(name)) continue;
  test(`${name} answers what its schema says, and nothing that the schema does not know`, async () => {
    const { ask } = setup();
    const { result, error, id } = await ask(call(name, EXAMPLES[name]));
    assert.deepEqual(error, undefined);
    assert.equal(id, 7);
    assert.deepEqual(METHODS[name].result.parse(result), result);
  });
}

test('parameters get to the service, and its answers to the client', async () => {
  const { service, ask } = setup();
  const { result } = await ask(call('flows', { order: 'asc', offset: 2, limit: 3 }));
  const { flows, matched } = result as { flows: { id: string }[]; matched: number };
  assert.deepEqual(
    flows.map(({ id }) => Number.parseInt(id, 16)),
    [2, 3, 4],
  );
  assert.equal(matched, 20);
  assert.deepEqual((await ask(call('delete', { filter: 'udp' }))).result, { flows: 1 });
  assert.deepEqual((await ask(call('expire'))).result, { flows: 20 });
  await ask(call('setTimeouts', { idle: { udp: 100 }, active: 3000 }));
  assert.deepEqual(service.calls, [
    ['delete', 'udp'],
    ['expire', undefined],
    ['setTimeouts', { idle: { udp: 100 }, active: 3000 }],
  ]);
});

const WRONG: [what: string, message: unknown, code: number, data: string][] = [
  ['not JSON', '{"jsonrpc":', -32700, 'RHEO_FORMAT'],
  ['a number', 5, -32600, 'RHEO_USAGE'],
  ['null', null, -32600, 'RHEO_USAGE'],
  ['without version', { id: 1, method: 'version' }, -32600, 'RHEO_USAGE'],
  ['an older version', { jsonrpc: '1.0', id: 1, method: 'version' }, -32600, 'RHEO_USAGE'],
  ['an object as id', { jsonrpc: '2.0', id: {}, method: 'version' }, -32600, 'RHEO_USAGE'],
  ['a long id', { jsonrpc: '2.0', id: 'x'.repeat(257), method: 'version' }, -32600, 'RHEO_USAGE'],
  ['a number as method', { jsonrpc: '2.0', id: 1, method: 5 }, -32600, 'RHEO_USAGE'],
  ['a text as params', { jsonrpc: '2.0', id: 1, method: 'version', params: 'x' }, -32600, 'RHEO_USAGE'],
  ['no such method', call('nothing'), -32601, 'RHEO_USAGE'],
  ['a method of Object', call('constructor'), -32601, 'RHEO_USAGE'],
  ['its prototype', call('__proto__'), -32601, 'RHEO_USAGE'],
  ['params by position', call('flows', ['tcp']), -32602, 'RHEO_USAGE'],
  ['an unknown parameter', call('flows', { filtre: 'tcp' }), -32602, 'RHEO_USAGE'],
  ['params where there are none', call('version', { x: 1 }), -32602, 'RHEO_USAGE'],
  ['a limit of 0', call('flows', { limit: 0 }), -32602, 'RHEO_USAGE'],
  ['a limit of 10,001', call('flows', { limit: 10_001 }), -32602, 'RHEO_USAGE'],
  ['a limit of 2.5', call('flows', { limit: 2.5 }), -32602, 'RHEO_USAGE'],
  ['a long filter', call('flows', { filter: 'x'.repeat(4097) }), -32602, 'RHEO_USAGE'],
  ['a wrong filter', call('flows', { filter: 'wrong' }), -32602, 'RHEO_FILTER'],
  ['an unknown timeout class', call('setTimeouts', { idle: { tcpp: 1 } }), -32602, 'RHEO_USAGE'],
  ['a negative timeout', call('setTimeouts', { idle: { tcp: -1 } }), -32602, 'RHEO_USAGE'],
  ['a timeout that is too long', call('setTimeouts', { active: 2 ** 43 }), -32602, 'RHEO_USAGE'],
  ['a dump in one piece', call('dump'), -32600, 'RHEO_USAGE'],
  ['a subscription nowhere', call('subscribe', { what: 'records' }), -32600, 'RHEO_USAGE'],
  ['an empty batch', [], -32600, 'RHEO_USAGE'],
  ['a long batch', Array.from({ length: 21 }, () => call('version')), -32001, 'RHEO_LIMIT'],
];

for (const [what, message, code, data] of WRONG) {
  test(`refused: ${what}`, async () => {
    const { ask, service, counters } = setup();
    const { error, result } = await ask(message);
    assert.equal(result, undefined);
    assert.equal(error?.code, code, error?.message);
    assert.equal(error?.data?.code, data);
    assert.notEqual(error?.message, '');
    assert.deepEqual(service.calls, []);
    assert.equal(counters.errors, 1);
  });
}

test('an error has the id of its request where there is one', async () => {
  const { ask } = setup();
  assert.equal((await ask(call('nothing'))).id, 7);
  assert.equal((await ask({ jsonrpc: '3', id: 'a' })).id, 'a');
  assert.equal((await ask({ jsonrpc: '2.0', id: [], method: 'version' })).id, null);
  assert.equal((await ask('[')).id, null);
});

test('bytes that are not UTF-8 are refused', async () => {
  const { text } = setup();
  const answer = await text(
    Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), Buffer.of(0xff), Buffer.from('"}')]),
  );
  assert.match(answer ?? '', /-32700/);
});

test('nesting is counted before parsing, brackets in texts are not', async () => {
  const { ask } = setup();
  const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  assert.equal((await ask(deep(500_000))).error?.data?.code, 'RHEO_LIMIT');
  assert.equal((await ask(deep(33))).error?.data?.code, 'RHEO_LIMIT');
  assert.equal((await ask(call('flows', { filter: '[{'.repeat(100) }))).error, undefined);
  assert.equal(isShallow('[[[]]]', 3), true);
  assert.equal(isShallow('[[[]]]', 2), false);
  assert.equal(isShallow('[] [] [] {}', 1), true);
  assert.equal(isShallow('"\\"[[[["', 1), true);
  assert.equal(isShallow('"\\\\"[[', 1), false);
  assert.equal(isShallow('"unfinished [[[', 1), true);
});

test('a message of exactly the limit is read, one byte more is not', async () => {
  const { text } = setup();
  const message = JSON.stringify(call('version'));
  const padded = (length: number): string => message + ' '.repeat(length - message.length);
  assert.match((await text(padded(RPC_LIMITS.requestBytes))) ?? '', /"result"/);
  assert.match((await text(padded(RPC_LIMITS.requestBytes + 1))) ?? '', /RHEO_LIMIT/);
});

test('notifications are done and not answered, not even with errors', async () => {
  const { text, service, counters } = setup();
  assert.equal(await text('{"jsonrpc":"2.0","method":"stopGather"}'), undefined);
  assert.equal(await text('{"jsonrpc":"2.0","method":"nothing"}'), undefined);
  assert.deepEqual(service.calls, [['stopGather']]);
  assert.equal(counters.errors, 1);
});

test('a batch is answered in order, without its notifications', async () => {
  const { text, service } = setup();
  const batch = [
    { ...call('version'), id: 'a' },
    { jsonrpc: '2.0', method: 'stopGather' },
    5,
    { ...call('nothing'), id: null },
    { ...call('startGather'), id: 2 },
  ];
  const answers = JSON.parse((await text(JSON.stringify(batch))) ?? '') as Rpc[];
  assert.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [
      ['a', undefined],
      [null, -32600],
      [null, -32601],
      [2, undefined],
    ],
  );
  assert.deepEqual(service.calls, [['stopGather'], ['startGather']]);
  assert.equal(await text('[{"jsonrpc":"2.0","method":"version"}]'), undefined);
});

test('the answers of a batch are bounded', async () => {
  const { text } = setup(new FakeService({ flows: 10_000 }));
  const batch = Array.from({ length: 20 }, () => call('flows', { limit: 10_000 }));
  const answer = (await text(JSON.stringify(batch))) ?? '';
  const answers = JSON.parse(answer) as Rpc[];
  assert.equal(answers.length, 20);
  assert.ok(answers.some(({ error }) => error?.code === -32001));
  assert.ok(answer.length < RPC_LIMITS.batchAnswerBytes + 4_000_000);
});

test('faults are logged and not told', async () => {
  const { ask, logged } = setup();
  const { error } = await ask(call('flows', { filter: 'fault' }));
  assert.equal(error?.code, -32603);
  assert.doesNotMatch(JSON.stringify(error), /secret|TypeError/);
  assert.match(logged.join('\n'), /^error control: internal error in flows: TypeError: secret detail/m);
});

test('changes are logged with who asked for them, and refused to those who may not', async () => {
  const { ask, logged, service, counters } = setup();
  await ask(call('stopGather'));
  assert.deepEqual(logged, ['info control: stopGather asked for by the owner']);
  const guest: Caller = { name: 'a guest', mayChange: false, mayNotBecause: 'Take the socket.' };
  for (const name of METHOD_NAMES.filter((one) => METHODS[one].changes)) {
    const { error } = await ask(call(name, EXAMPLES[name]), guest);
    assert.deepEqual([error?.code, error?.data], [-32002, { code: 'RHEO_ACCESS', remedy: 'Take the socket.' }], name);
  }
  const inBatch = (await ask([call('delete')], guest)) as unknown as Rpc[];
  assert.equal(inBatch[0].error?.code, -32002);
  assert.deepEqual(service.calls, [['stopGather']]);
  assert.ok(counters.denied > 5);
  assert.equal((await ask(call('loss'), guest)).error, undefined);
});

test('shutdown is answered before it is done', async () => {
  const service = new FakeService();
  const dispatcher = new Dispatcher(service, RPC_LIMITS, new RpcCounters(), () => {});
  for (const message of [call('shutdown'), [call('exit')]]) {
    service.calls.length = 0;
    const { text, after } = await dispatcher.answer(Buffer.from(JSON.stringify(message)), OWNER);
    assert.match(text ?? '', /"result":null/);
    assert.deepEqual(service.calls, []);
    after?.();
    await new Promise(setImmediate);
    assert.equal(service.calls.length, 1);
  }
});

test('counters beyond 2^53 come as numbers', async () => {
  class Big extends FakeService {
    override async flows(): Promise<{ flows: Record<string, unknown>[]; matched: number; scanned: number }> {
      return { flows: [{ bytes: 2n ** 63n }], matched: 1, scanned: 1 };
    }
  }
  const { ask } = setup(new Big());
  assert.deepEqual(((await ask(call('flows'))).result as { flows: unknown[] }).flows, [{ bytes: 2 ** 63 }]);
});

test('every method of the service can be called', () => {
  const members = Object.getOwnPropertyNames(FakeService.prototype) as (keyof Service | 'constructor' | 'tell')[];
  const methods = members.filter((name) => name !== 'constructor' && name !== 'tell');
  assert.deepEqual(
    methods.filter((name) => !METHOD_NAMES.includes(name as MethodName)),
    [],
  );
});
