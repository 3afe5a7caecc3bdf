import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type LegacyMessage, LegacyReader, type LegacyRecord } from '../../src/codec/netflow5-read.js';
import { encodeAll, encoderOf, INFO, START_MS } from '../support/encoding.js';
import { batchOf, type TestRecord } from '../support/records.js';

const T = START_MS / 1000;
const NOW = START_MS + 60_250;
const MOST = 2n ** 32n - 1n;

const TCP: TestRecord = {
  a: '10.0.0.1',
  b: '192.0.2.7',
  protocol: 6,
  portA: 51000,
  portB: 443,
  start: [T + 1, 1_365_999],
  last: [T + 12, 500_000_001],
  packets: [10, 8],
  octets: [1234, 43210],
  flagsA: 0x1b,
  flagsB: 0x12,
};

function readAll(messages: readonly Uint8Array[]): LegacyMessage[] {
  const reader = new LegacyReader();
  const read = messages.map((bytes) => reader.read(bytes)!);
  assert.deepEqual(reader.damage, {});
  return read;
}

function recordsOf(version: 1 | 5, records: readonly TestRecord[], nowMs = NOW): LegacyRecord[] {
  const { messages } = encodeAll(encoderOf(`netflow${version}`), [batchOf(records)], nowMs);
  return readAll(messages).flatMap((message) => message.records);
}

/** Absolute times in ms. */
function timesOf(messages: readonly LegacyMessage[]): [number, number][] {
  return messages.flatMap(({ seconds, nanos, uptimeMs, records }) => {
    const boot = seconds * 1000 + nanos / 1e6 - uptimeMs;
    return records.map(({ first, last }): [number, number] => {
      assert.ok(first <= last && last <= uptimeMs);
      return [boot + first, boot + last];
    });
  });
}

for (const version of [5, 1] as const) {
  describe(`NetFlow v${version}`, () => {
    it('holds a record of each direction', () => {
      const [there, back] = recordsOf(version, [TCP]);
      assert.equal(there.source, 0x0a000001);
      assert.equal(there.destination, 0xc0000207);
      assert.equal(there.input, 1);
      assert.deepEqual([there.packets, there.octets, there.flags, there.protocol], [10, 1234, 0x1b, 6]);
      assert.deepEqual([there.sourcePort, there.destinationPort], [51000, 443]);
      assert.deepEqual([back.source, back.destination], [0xc0000207, 0x0a000001]);
      assert.deepEqual([back.packets, back.octets, back.flags], [8, 43210, 0x12]);
      assert.deepEqual([back.sourcePort, back.destinationPort], [443, 51000]);
    });

    it('holds ICMP type and code as the destination port', () => {
      const [there, back] = recordsOf(version, [
        { a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 8, code: 3 }, packets: [1, 1] },
      ]);
      assert.deepEqual([there.sourcePort, there.destinationPort], [0, 0x803]);
      assert.deepEqual([back.sourcePort, back.destinationPort], [0, 3]);
    });

    it('counts what is not IPv4', () => {
      const encoder = encoderOf(`netflow${version}`);
      const batch = batchOf([TCP, { ...TCP, a: '2001:db8::1', b: '2001:db8::2' }, TCP]);
      const { records, dataRecords } = encodeAll(encoder, [batch], NOW);
      assert.deepEqual(encoder.refused, { notIpv4: 1 });
      assert.equal(records, 2);
      assert.equal(dataRecords, 4);
    });

    it('fills messages to what they may hold, and counts records before them', () => {
      const { messages } = encodeAll(encoderOf(`netflow${version}`), [batchOf(new Array(40).fill(TCP))], NOW, INFO);
      const read = readAll(messages);
      // 1232 bytes hold 25 records; of v1 none has more than 24.
      const fitting = version === 5 ? 25 : 24;
      assert.deepEqual(
        read.map((message) => message.records.length),
        [fitting, fitting, fitting, 80 - 3 * fitting],
      );
      const before = version === 5 ? [0, 25, 50, 75] : [0, 0, 0, 0];
      assert.deepEqual(
        read.map((message) => message.sequence),
        before,
      );
      const large = encodeAll(
        encoderOf(`netflow${version}`, { maxMessageBytes: 9000 }),
        [batchOf(new Array(40).fill(TCP))],
        NOW,
      );
      assert.equal(readAll(large.messages)[0].records.length, version === 5 ? 30 : 24);
    });

    it('splits counters that do not fit, without a rest', () => {
      for (const octets of [MOST, MOST + 1n, 2n ** 33n, 2n ** 40n + 12_345n]) {
        const records = recordsOf(version, [{ ...TCP, packets: [1_000_003, 0], octets: [octets, 0] }]);
        const parts = Number((octets + MOST - 1n) / MOST);
        assert.equal(records.length, parts);
        assert.equal(
          records.reduce((sum, record) => sum + BigInt(record.octets), 0n),
          octets,
        );
        assert.equal(
          records.reduce((sum, record) => sum + record.packets, 0),
          1_000_003,
        );
      }
    });

    it('splits whatever the counters and the room', () => {
      const counter = fc.bigInt({ min: 0n, max: 2n ** 38n });
      fc.assert(
        fc.property(counter, counter, counter, counter, fc.integer({ min: 512, max: 1500 }), (p, q, o, r, size) => {
          const encoder = encoderOf(`netflow${version}`, { maxMessageBytes: size });
          const batch = batchOf([TCP, { ...TCP, packets: [p, q], octets: [o, r] }, TCP]);
          const { messages, records } = encodeAll(encoder, [batch], NOW);
          assert.equal(records, 3);
          const sums = { packets: 0n, octets: 0n };
          for (const message of readAll(messages)) {
            for (const record of message.records) {
              sums.packets += BigInt(record.packets);
              sums.octets += BigInt(record.octets);
            }
          }
          // A side without packets has no record, unless both have none.
          const there = p > 0n || q === 0n;
          assert.equal(sums.packets, p + q + 36n);
          assert.equal(sums.octets, (there ? o : 0n) + (q > 0n ? r : 0n) + 2n * 44_444n);
        }),
        { numRuns: 60 },
      );
    });

    it('splits what lasted longer than 49.7 days into records that follow upon each other', () => {
      const days = 120;
      const record: TestRecord = { ...TCP, packets: [100, 0], start: [T, 0], last: [T + days * 86_400, 7_000_000] };
      const now = START_MS + days * 86_400_000 + 60_000;
      const { messages, records } = encodeAll(encoderOf(`netflow${version}`), [batchOf([record])], now);
      assert.equal(records, 1);
      const times = timesOf(readAll(messages));
      assert.equal(times.length, 3);
      assert.equal(times[0][0], START_MS);
      assert.equal(times[1][0], times[0][1]);
      assert.equal(times[2][0], times[1][1]);
      assert.equal(times[2][1], START_MS + days * 86_400_000 + 7);
    });

    it('tells times in ms whatever they are', () => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 0, max: 2 ** 32 - 100 }), { minLength: 1, maxLength: 10 }),
          fc.integer({ min: 0, max: (2 ** 32 - 1) * 1000 }),
          (starts, now) => {
            const batch = batchOf(
              starts.map((start) => ({ ...TCP, packets: [1, 0], start: [start, 5_000_000], last: [start + 9, 0] })),
            );
            const { messages } = encodeAll(encoderOf(`netflow${version}`), [batch], now);
            assert.deepEqual(
              timesOf(readAll(messages)),
              starts.map((start) => [start * 1000 + 5, (start + 9) * 1000]),
            );
          },
        ),
        { numRuns: 100 },
      );
    });
  });
}

describe('NetFlow v5', () => {
  it('is exact to the byte', () => {
    const encoder = encoderOf('netflow5', { observationDomain: 0x0203 }, { sampling: { mode: 'count', n: 100 } });
    const { messages } = encodeAll(encoder, [batchOf([{ ...TCP, packets: [10, 0] }])], NOW);
    assert.equal(
      Buffer.from(messages[0]).toString('hex'),
      // Version, count, uptime 60250, seconds, nanoseconds, sequence, engine, sampling 1 in 100.
      '000500010000eb5a659200bc0ee6b28000000000' +
        '02034064' +
        // Addresses, next hop, interfaces, packets, bytes, first 1001, last 12500, ports, flags, protocol, ToS, zeros.
        '0a000001c0000207000000000001' +
        '00000000000a000004d2000003e9000030d4c73801bb001b060000000000' +
        '00000000',
    );
  });

  it('tells the interval as far as 14 bits go', () => {
    const { messages } = encodeAll(
      encoderOf('netflow5', {}, { sampling: { mode: 'random', n: 100_000 } }),
      [batchOf([TCP])],
      NOW,
    );
    const [message] = readAll(messages);
    assert.deepEqual([message.samplingMode, message.samplingInterval], [2, 16_383]);
  });
});
