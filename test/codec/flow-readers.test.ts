import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ListValue } from '../../src/codec/ipfix/value.js';
import { IpfixReader } from '../../src/codec/ipfix-read.js';
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

const lookup = elementLookup(DEFAULT_ENTERPRISE);

interface Reader {
  readonly damage: Record<string, number>;
  read(bytes: Uint8Array): unknown;
}

function messagesOf(protocol: RecordProtocol): Uint8Array[] {
  const batch = batchOf([DESIGN_RECORD, { ...DESIGN_RECORD, a: '2001:db8::1', b: '2001:db8::2' }]);
  return encodeAll(encoderOf(protocol), [batch], START_MS + 20_000, INFO).messages;
}

function sflowMessage(): Uint8Array {
  const writer = new SflowWriter({ agent: '127.0.0.1' });
  const frame = new Uint8Array(128).fill(7);
  writer.flowSample(1, 1, 2, 10, 10, 0, frame, 0, 128, 1500, 1, {
    sourceVlan: 1,
    sourcePriority: 0,
    destinationVlan: 2,
    destinationPriority: 0,
  });
  writer.counterSample({ ifIndex: 1, ifInOctets: 5 }, { dot3StatsFCSErrors: 1 });
  return writer.finish(10);
}

const READERS: [name: string, make: () => Reader, seeds: Uint8Array[]][] = [
  ['IPFIX', () => new IpfixReader({ lookup, maxTemplates: 64 }), messagesOf('ipfix')],
  ['NetFlow v9', () => new NetFlow9Reader({ lookup, maxTemplates: 64 }), messagesOf('netflow9')],
  ['NetFlow v5', () => new LegacyReader(), messagesOf('netflow5')],
  ['NetFlow v1', () => new LegacyReader(), messagesOf('netflow1')],
  ['sFlow', () => new SflowReader(), [sflowMessage()]],
];

describe("readers of strangers' bytes", () => {
  for (const [name, make, seeds] of READERS) {
    it(`${name}: takes any bytes without an exception`, () => {
      const reader = make();
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
          reader.read(bytes);
        }),
        { numRuns: 500 },
      );
    });

    it(`${name}: takes its own messages with bytes changed, cut and put together`, () => {
      const change = fc.record({
        seed: fc.nat(seeds.length - 1),
        cut: fc.option(fc.nat(2000)),
        edits: fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
      });
      const reader = make();
      let read = 0;
      fc.assert(
        fc.property(change, ({ seed, cut, edits }) => {
          const bytes = seeds[seed].slice(0, cut ?? undefined);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          // Behind the view lies memory that is not the message's.
          const padded = new Uint8Array(bytes.length + 64).fill(0xee);
          padded.set(bytes, 32);
          if (reader.read(padded.subarray(32, 32 + bytes.length)) !== undefined) read++;
        }),
        { numRuns: 1500 },
      );
      assert.ok(read > 0);
    });

    it(`${name}: reads every beginning of a message, and counts the damage`, () => {
      for (const seed of seeds) {
        for (let length = 0; length < seed.length; length++) {
          const reader = make();
          reader.read(seed.subarray(0, length));
        }
        const cut = make();
        cut.read(seed.subarray(0, seed.length - 1));
        assert.notDeepEqual(cut.damage, {});
        const whole = make();
        for (const bytes of seeds) whole.read(bytes);
        assert.deepEqual(whole.damage, {});
      }
    });
  }

  it('reads lists of RFC 6313: of an element, of records of one template, of several', () => {
    const reader = new IpfixReader({ lookup });
    const message = reader.read(structuredMessage());
    assert.deepEqual(reader.damage, {});
    assert.equal(message?.records.length, 1);
    const [basic, list, multi] = message.records[0].values as ListValue[];
    assert.deepEqual(basic, { semantic: 4, element: { pen: 0, id: 82 }, values: ['ab', 'c', ''] });
    const plain = (value: ListValue): unknown => value.records?.map(({ template, values }) => [template.id, ...values]);
    assert.equal(list.semantic, 3);
    assert.deepEqual(plain(list), [
      [400, 5, 'x'],
      [400, 6, 'yz'],
    ]);
    assert.deepEqual(plain(multi), [
      [400, 7, 'q'],
      [401, 80],
    ]);
  });

  it('counts lists that it cannot read, and keeps their bytes', () => {
    // Another template, a length that leads out of the list, one that ends within its own header.
    for (const [at, value] of [
      [93, 0x02],
      [95, 0xff],
      [96, 0x03],
    ]) {
      const bytes = structuredMessage();
      bytes[at] = value;
      const reader = new IpfixReader({ lookup });
      const values = reader.read(bytes)?.records[0].values;
      assert.deepEqual(reader.damage, { list: 1 }, `${at}`);
      assert.ok(values?.[2] instanceof Uint8Array);
    }
  });

  it('reads no byte behind the set', () => {
    const padded = new Uint8Array(200);
    padded.set(structuredMessage());
    // The last value, by its length, ends one byte behind its set and the message.
    padded[91]++;
    const reader = new IpfixReader({ lookup });
    assert.deepEqual(reader.read(padded)?.records, []);
    assert.deepEqual(reader.damage, { record: 1 });
  });

  it('keeps a bounded number of templates', () => {
    const reader = new IpfixReader({ lookup, maxTemplates: 100 });
    for (let id = 256; id < 1256; id++) {
      const bytes = new Uint8Array(28);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, 10);
      view.setUint16(2, 28);
      view.setUint32(12, id);
      view.setUint16(16, 2);
      view.setUint16(18, 12);
      view.setUint16(20, id);
      view.setUint16(22, 1);
      view.setUint16(24, 1);
      view.setUint16(26, 8);
      reader.read(bytes);
    }
    assert.equal(reader.templates, 100);
    assert.deepEqual(reader.damage, { templateLimit: 900 });
  });

  it('takes no template with fields of no bytes', () => {
    const reader = new NetFlow9Reader({ lookup });
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 9);
    view.setUint16(22, 12);
    view.setUint16(24, 300);
    view.setUint16(26, 1);
    view.setUint16(28, 1);
    reader.read(bytes);
    assert.equal(reader.templates, 0);
    assert.deepEqual(reader.damage, { template: 1 });
  });

  it('counts data whose template it does not know', () => {
    const reader = new IpfixReader({ lookup });
    const messages = messagesOf('ipfix');
    reader.read(messages.at(-1)!);
    assert.deepEqual(Object.keys(reader.damage), ['noTemplate']);
  });
});
