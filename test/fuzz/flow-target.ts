import assert from 'node:assert/strict';
import type { Value } from '../../src/codec/ipfix/value.js';
import { type DecodedMessage, IpfixReader } from '../../src/codec/ipfix-read.js';
import { LegacyReader } from '../../src/codec/netflow5-read.js';
import { NetFlow9Reader } from '../../src/codec/netflow9-read.js';
import { SflowReader } from '../../src/codec/sflow-read.js';
import { SflowWriter } from '../../src/codec/sflow-write.js';
import type { RecordProtocol } from '../../src/export/encode/options.js';
import { elementLookup } from '../../src/model/elements-lookup.js';
import { DEFAULT_ENTERPRISE } from '../../src/model/elements-own.js';
import { encodeAll, encoderOf, INFO, START_MS } from '../support/encoding.js';
import { batchOf, DESIGN_RECORD } from '../support/records.js';
import { structuredMessage } from '../support/structured.js';
import { mutate } from './mutate.js';
import type { Random, Target } from './target.js';

/** Readers of flow export: whatever comes, no exception, no more templates than allowed, no more values than bytes. */

const MOST_TEMPLATES = 16;
const lookup = elementLookup(DEFAULT_ENTERPRISE);

function messagesOf(protocol: RecordProtocol): Uint8Array[] {
  const ipv6 = { ...DESIGN_RECORD, a: '2001:db8::1', b: '2001:db8::2' };
  return encodeAll(encoderOf(protocol), [batchOf([DESIGN_RECORD, ipv6])], START_MS + 20_000, INFO).messages;
}

function sflowMessage(): Uint8Array {
  const writer = new SflowWriter({ agent: '127.0.0.1', expanded: true });
  writer.flowSample(1, 1, 2, 10, 10, 0, new Uint8Array(60).fill(7), 0, 60, 1500);
  writer.counterSample({ ifIndex: 1, ifInOctets: 5 }, { dot3StatsFCSErrors: 1 });
  return writer.finish(10);
}

/** Each message with two bytes of length in front. */
function joined(messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((bytes) => [bytes.length >>> 8, bytes.length & 0xff, ...bytes]));
}

function parts(bytes: Uint8Array): number[] {
  const begins: number[] = [];
  for (let at = 0; at + 2 <= bytes.length; at += 2 + ((bytes[at] << 8) | bytes[at + 1])) begins.push(at);
  return begins.slice(1);
}

function* split(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = (bytes[at] << 8) | bytes[at + 1];
    yield bytes.subarray(at + 2, Math.min(bytes.length, at + 2 + length));
    at += 2 + length;
  }
}

function valuesIn(values: readonly Value[]): number {
  let count = 0;
  for (const value of values) {
    count++;
    if (typeof value !== 'object' || !('semantic' in value)) continue;
    count += valuesIn(value.values ?? []);
    for (const record of value.records ?? []) count += valuesIn(record.values);
  }
  return count;
}

function checkMessage(message: DecodedMessage | undefined, bytes: Uint8Array): void {
  let values = 0;
  for (const record of message?.records ?? []) {
    assert.equal(record.values.length, record.template.fields.length);
    values += valuesIn(record.values);
  }
  assert.ok(values <= bytes.length, `${values} values of ${bytes.length} bytes`);
}

function target(name: string, about: string, seeds: readonly Uint8Array[], read: (bytes: Uint8Array) => void): Target {
  const whole = joined(seeds);
  return {
    name,
    about,
    tries: 400,
    parts,
    make: (random: Random) => {
      if (random.once(10)) return random.bytes(random.below(300));
      // Mostly messages that are whole in themselves, changed inside.
      if (random.once(4)) return mutate(whole, random);
      return joined(seeds.map((seed) => (random.once(2) ? seed : mutate(seed, random, seeds).subarray(0, 65_535))));
    },
    run: read,
  };
}

export const FLOW_TARGETS: readonly Target[] = [
  target('ipfix', 'IPFIX messages of a stranger', [...messagesOf('ipfix'), structuredMessage()], (input) => {
    const reader = new IpfixReader({ lookup, maxTemplates: MOST_TEMPLATES });
    for (const bytes of split(input)) {
      checkMessage(reader.read(bytes), bytes);
      assert.ok(reader.templates <= MOST_TEMPLATES);
    }
  }),
  target('netflow9', 'NetFlow v9 datagrams of a stranger', messagesOf('netflow9'), (input) => {
    const reader = new NetFlow9Reader({ lookup, maxTemplates: MOST_TEMPLATES });
    for (const bytes of split(input)) {
      checkMessage(reader.read(bytes), bytes);
      assert.ok(reader.templates <= MOST_TEMPLATES);
    }
  }),
  target('netflow5', 'NetFlow v5 and v1', [...messagesOf('netflow5'), ...messagesOf('netflow1')], (input) => {
    const reader = new LegacyReader();
    for (const bytes of split(input)) {
      assert.ok((reader.read(bytes)?.records.length ?? 0) * 48 <= bytes.length);
    }
  }),
  target('sflow', 'sFlow datagrams of a stranger', [sflowMessage()], (input) => {
    const reader = new SflowReader();
    for (const bytes of split(input)) {
      const message = reader.read(bytes);
      assert.ok((message?.samples.length ?? 0) * 16 <= bytes.length);
    }
  }),
];
