import assert from 'node:assert/strict';
import { RpcCounters } from '../../src/rpc/counters.js';
import { Dispatcher } from '../../src/rpc/dispatcher.js';
import { RPC_LIMITS } from '../../src/rpc/limits.js';
import { METHOD_NAMES } from '../../src/rpc/methods.js';
import { FakeService } from '../support/fake-service.js';
import { mutate } from './mutate.js';
import type { Random, Target } from './target.js';

const NAMES = [
  'filter',
  'sort',
  'order',
  'offset',
  'limit',
  'key',
  'format',
  'idle',
  'active',
  'level',
  'what',
  '__proto__',
];
const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -0,
    1,
    10_000,
    10_001,
    -1,
    1.5,
    1e308,
    2 ** 53,
    '',
    'tcp',
    'wrong',
    'fault',
    'bytes',
    'asc',
    'address',
  ],
  ...['ndjson', 'binary', 'debug', 'records', '\u0000', '\ud800', 'é', 'x'.repeat(5000), [], {}, [[]], { tcp: 5 }],
  ...[{ tcp: -1 }, { __proto__: 1 }, { constructor: {} }],
];
const IDS: readonly unknown[] = [1, 0, -1, 1.5, 'a', '', null, {}, [], true, 'x'.repeat(300)];

function params(random: Random): unknown {
  if (random.once(6)) return random.pick(VALUES);
  const entries = Array.from({ length: random.below(4) }, () => [random.pick(NAMES), random.pick(VALUES)] as const);
  return Object.fromEntries(entries);
}

function message(random: Random): unknown {
  if (random.once(12)) return random.pick(VALUES);
  return {
    jsonrpc: random.once(12) ? random.pick(VALUES) : '2.0',
    ...(random.once(6) ? {} : { id: random.pick(IDS) }),
    method: random.once(8) ? random.pick(VALUES) : random.pick(METHOD_NAMES),
    ...(random.once(3) ? {} : { params: params(random) }),
  };
}

function make(random: Random): Uint8Array {
  if (random.once(50)) return new TextEncoder().encode(random.pick(['[', '{"a":', '"\\']).repeat(random.below(50_000)));
  const whole = random.once(5) ? Array.from({ length: random.below(25) }, () => message(random)) : message(random);
  const bytes = new TextEncoder().encode(JSON.stringify(whole) ?? '');
  return random.once(2) ? bytes : mutate(bytes, random);
}

interface Answer {
  jsonrpc: string;
  id: unknown;
  result?: unknown;
  error?: { code: number; message: string };
}

function checkAnswer(answer: Answer): void {
  assert.equal(answer.jsonrpc, '2.0');
  assert.ok('id' in answer);
  assert.notEqual('result' in answer, 'error' in answer, 'a result or an error');
  if (answer.error === undefined) return;
  assert.ok(Number.isInteger(answer.error.code) && answer.error.code < 0);
  assert.ok(answer.error.message.length > 0 && answer.error.message.length < 2000);
  assert.doesNotMatch(answer.error.message, /secret|TypeError/);
}

async function run(bytes: Uint8Array): Promise<void> {
  const counters = new RpcCounters();
  const service = new FakeService();
  const faults: string[] = [];
  const log = (level: string, text: string): void => {
    // The one fault that the fake has on purpose.
    if (level === 'error' && !text.includes('secret detail')) faults.push(text);
  };
  const dispatcher = new Dispatcher(service, RPC_LIMITS, counters, log);
  const owner = { name: 'fuzz', mayChange: true, mayDump: () => true, subscribe: () => 1, unsubscribe: () => false };
  const { text, after, dump } = await dispatcher.answer(bytes, owner);
  await dump?.return?.();
  after?.();
  await new Promise(setImmediate);
  if (text !== undefined) {
    assert.ok(!text.includes('\n'), 'an answer is one line');
    const answer = JSON.parse(text) as Answer | Answer[];
    for (const one of Array.isArray(answer) ? answer : [answer]) checkAnswer(one);
  }
  assert.ok(counters.requests >= 1);
  assert.deepEqual(faults, []);
  const guest = { name: 'guest', mayChange: false };
  const changed = service.calls.length;
  await dispatcher.answer(bytes, guest);
  assert.equal(service.calls.length, changed, 'a guest changes nothing');
}

export const RPC_TARGETS: readonly Target[] = [
  { name: 'rpc', about: 'JSON-RPC messages, right, wrong and damaged', tries: 2000, make, run },
];
