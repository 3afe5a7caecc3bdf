import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Added } from '../../src/codec/flow-encoder.js';
import { type FlowSampleRead, SflowReader } from '../../src/codec/sflow-read.js';
import { SflowEncoder } from '../../src/export/sflow/encoder.js';

const packet = fc.record({
  source: fc.integer({ min: 1, max: 5 }),
  direction: fc.integer({ min: 0, max: 2 }),
  link: fc.constantFrom(0, 1, 9, 12, 101, 105, 108, 113, 228, 276),
  header: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // What begins like IP, or like a tagged frame.
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Uint8Array.of(0x45, ...bytes)),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Uint8Array.of(...new Array(12).fill(2), 0x81, 0, ...bytes)),
  ),
  beyond: fc.integer({ min: 0, max: 65_000 }),
  timeMs: fc.integer({ min: 1_704_067_200_000, max: 1_704_067_203_000 }),
  oneIn: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  pool: fc.integer({ min: 1, max: 2 ** 40 }),
  drops: fc.integer({ min: 0, max: 2 ** 40 }),
  lost: fc.boolean(),
});

test('whatever the packets: each is in a datagram, as it was, or refused; what was lost is told', () => {
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 40 }),
      fc.boolean(),
      fc.integer({ min: 500, max: 1400 }),
      fc.boolean(),
      (packets, expanded, maxMessageBytes, live) => {
        let uptime = 0;
        const encoder = new SflowEncoder({
          maxMessageBytes,
          agent: '192.0.2.1',
          subAgent: 0,
          expanded,
          headerBytes: 128,
          uptimeMs: live ? () => (uptime += 0.7) : undefined,
        });
        const read: FlowSampleRead[] = [];
        let told = 0;
        const finish = (): void => {
          const { bytes, records } = encoder.finish();
          told += records;
          if (bytes.length === 0) return;
          assert.ok(bytes.length <= maxMessageBytes);
          const reader = new SflowReader();
          const message = reader.read(bytes);
          assert.ok(message);
          assert.deepEqual(reader.damage, {});
          assert.equal(message.samples.length, records);
          read.push(...(message.samples as FlowSampleRead[]));
        };
        const lost = new Map<number, number>();
        const expected: [source: number, pool: number, drops: number][] = [];
        let refused = 0;
        for (const { beyond, lost: loses, ...one } of packets) {
          const sample = { ...one, wire: one.header.length + beyond };
          if (loses) {
            encoder.noteLost(sample);
            lost.set(one.source, (lost.get(one.source) ?? 0) + 1);
            continue;
          }
          if (!encoder.open) encoder.begin();
          let added = encoder.add(sample);
          if (added === Added.full) {
            finish();
            encoder.begin();
            added = encoder.add(sample);
          }
          assert.notEqual(added, Added.full);
          if (added === Added.refused) refused++;
          else {
            const drops = one.drops + (lost.get(one.source) ?? 0);
            expected.push([one.source, one.pool % 2 ** 32, drops % 2 ** 32]);
          }
        }
        if (encoder.open) finish();
        assert.equal(told, expected.length);
        assert.deepEqual(
          read.map(({ source, pool, drops }) => [source, pool, drops]),
          expected,
        );
        assert.equal(refused, encoder.refused.linkType ?? 0);
        for (const { header } of read) {
          assert.ok(header!.bytes.length <= 128);
          assert.ok(header!.frameLength - header!.stripped >= header!.bytes.length);
          // IPv4 or IPv6, as it says.
          if (header!.protocol === 11 || header!.protocol === 12) {
            assert.equal(header!.bytes[0] >>> 4, header!.protocol === 11 ? 4 : 6);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});
