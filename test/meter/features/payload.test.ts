import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFeatures } from '../../../src/meter/features/index.js';
import { ENTROPY_BYTES, entropy } from '../../../src/meter/features/payload.js';
import { Mark } from '../../../src/packet/batch.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

function measure(packets: TestPacket[], features = ['entropy', 'firstBytes']): Record<string, unknown> {
  const { hooks, fields } = createFeatures(features);
  return membersOf(fields, runHooks(hooks, packets));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** By the definition: −Σ p log2 p. */
function plainEntropy(bytes: Uint8Array): number {
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) sum -= (count / bytes.length) * Math.log2(count / bytes.length);
  return sum;
}

test('entropy: by its definition', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: ENTROPY_BYTES }), (bytes) => {
      assert.ok(Math.abs(entropy(bytes, 0, bytes.length) - plainEntropy(bytes)) < 1e-9);
    }),
  );
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.equal(entropy(all, 0, 256), 8);
});

test('the first payload of each direction, not an empty packet, not a later one', () => {
  const packets: TestPacket[] = [
    { payload: 0 },
    { payload: text('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n') },
    { payload: text('zzzz') },
    { direction: 1, payload: text('abab') },
  ];
  assert.deepEqual(measure(packets), {
    payloadEntropy: Math.round(plainEntropy(packets[1].payload as Uint8Array) * 1000) / 1000,
    reversePayloadEntropy: 1,
    payloadStart: '474554202f20485454502f312e310d0a',
    reversePayloadStart: '61626162',
  });
});

test('all byte values at once: 8 bits a byte', () => {
  const payload = Uint8Array.from({ length: 1000 }, (_, k) => k & 255);
  assert.equal(measure([{ payload }]).payloadEntropy, 8);
});

test('a payload cut by the snap length: only what was captured; none captured: the next one', () => {
  const headers = 14 + 20 + 8;
  assert.equal(measure([{ payload: text('abcdef'), snap: headers + 2 }]).payloadStart, '6162');
  const packets: TestPacket[] = [
    { payload: text('abcdef'), snap: headers },
    { payload: text('xy'), marks: Mark.fragmentLater },
    { payload: text('cd') },
  ];
  assert.equal(measure(packets, ['firstBytes']).payloadStart, '6364');
  assert.deepEqual(measure(packets.slice(0, 1)), {});
});
