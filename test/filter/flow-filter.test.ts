import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RheoError } from '../../src/core/errors.js';
import { compileFlowFilter } from '../../src/filter/flow-filter.js';
import { readRecord } from '../../src/model/read-record.js';
import { RECORD_BATCH_SIZE, RecordBatch } from '../../src/model/record-batch.js';
import { meterFrames } from '../support/drive.js';
import { EPOCH_SECONDS, icmp, ip, type TimedFrame, tcp, timed, udp, zeros } from '../support/packets.js';

const frames: TimedFrame[] = timed(
  [0, ip('10.0.0.1', '192.0.2.7', 6, tcp(51000, 443, { flags: 'S' }))],
  [1, ip('192.0.2.7', '10.0.0.1', 6, tcp(443, 51000, { flags: 'SA' }))],
  [2, ip('10.0.0.1', '192.0.2.7', 6, tcp(51000, 443, { flags: 'A' }))],
  [9, ip('10.0.0.2', '10.9.9.9', 17, udp(5000, 53, zeros(1000)))],
  [9, ip('2001:db8::1', '2001:db8:1::2', 17, udp(4000, 8080))],
  [9, ip('2001:db8::1', '2001:db8:1::2', 17, udp(4000, 8081))],
  [9, ip('10.0.0.3', '10.0.0.1', 1, icmp(8, 0))],
  [9, ip('10.0.0.4', '10.0.0.5', 47, zeros(20))],
  [9, ip('10.0.0.6', '10.0.0.7', 6, tcp(1, 2, { flags: 'S' }))],
);

/** The records of the frames above, in one batch. */
async function records(): Promise<RecordBatch> {
  let all: RecordBatch | undefined;
  await meterFrames(
    frames,
    { features: 'none' },
    {
      onRecords(batch: RecordBatch) {
        const { stride } = batch.layout;
        all ??= new RecordBatch(batch.layout, new ArrayBuffer(RECORD_BATCH_SIZE * stride * 4));
        all.words.set(batch.words.subarray(0, batch.count * stride), all.count * stride);
        all.count += batch.count;
      },
    },
  );
  return all as RecordBatch;
}

/** Short names of the flows that an expression chooses, 12 s after the first packet. */
async function chosen(expression: string): Promise<string[]> {
  const batch = await records();
  const matches = compileFlowFilter(expression);
  const found: string[] = [];
  const now = EPOCH_SECONDS + 12;
  for (let i = 0; i < batch.count; i++) {
    const { src, dstPort, proto } = readRecord(batch, i, []);
    if (matches(batch, i, now)) found.push(`${src} ${proto}${dstPort === undefined ? '' : ` ${dstPort}`}`);
  }
  return found.sort();
}

const WEB = '10.0.0.1 tcp 443';
const DNS = '10.0.0.2 udp 53';
const SIX = '2001:db8::1 udp 8080';
const SIX2 = '2001:db8::1 udp 8081';
const PING = '10.0.0.3 icmp';
const GRE = '10.0.0.4 gre';
const SCAN = '10.0.0.6 tcp 2';

const CASES: readonly (readonly [expression: string, flows: readonly string[]])[] = [
  ['', [WEB, DNS, SIX, SIX2, PING, GRE, SCAN]],
  ['host 10.0.0.1', [WEB, PING]],
  ['src host 10.0.0.1', [WEB]],
  ['src 10.0.0.1', [WEB]],
  ['dst 10.0.0.1', [PING]],
  ['net 10.0.0.0/8 and not host 10.0.0.1', [DNS, GRE, SCAN]],
  ['net 10.9', [DNS]],
  ['net 2001:db8:1::/48', [SIX, SIX2]],
  ['host 2001:db8::1', [SIX, SIX2]],
  ['src net 2001:db8:1::/48', []],
  ['host 0.0.0.0/0', [WEB, DNS, PING, GRE, SCAN]],
  ['port 443', [WEB]],
  ['port https', [WEB]],
  ['src port 443', []],
  ['dst port 443', [WEB]],
  ['portrange 8080-8081', [SIX, SIX2]],
  ['portrange 0-65535', [WEB, DNS, SIX, SIX2, SCAN]],
  ['tcp', [WEB, SCAN]],
  ['udp and ip6', [SIX, SIX2]],
  ['ip and udp', [DNS]],
  ['proto 47', [GRE]],
  ['proto gre or icmp', [GRE, PING]],
  ['bytes >= 1000', [DNS]],
  ['bytes = 1028', [DNS]],
  ['bytes > 1k', [DNS]],
  ['packets > 1', [WEB]],
  ['packets != 1', [WEB]],
  ['duration >= 2s', [WEB]],
  ['duration < 1s and tcp', [SCAN]],
  ['age > 11s', [WEB]],
  ['age <= 3s', [DNS, SIX, SIX2, PING, GRE, SCAN]],
  ['idle >= 10s', [WEB]],
  ['rate > 500', [DNS]],
  ['state established', [WEB]],
  ['state syn', [SCAN]],
  ['state tcp.syn or state established', [WEB, SCAN]],
  ['(tcp or udp) and !(port 443 || port 53)', [SCAN, SIX, SIX2]],
  // From the left, as in pcap-filter: (udp or tcp) and port 443.
  ['udp or tcp and port 443', [WEB]],
];

for (const [expression, flows] of CASES) {
  test(`flow filter: ${expression || '(empty)'}`, async () => {
    assert.deepEqual(await chosen(expression), [...flows].sort());
  });
}

const ERRORS: readonly (readonly [expression: string, message: RegExp])[] = [
  ['10.0.0.1', /column 1: "10.0.0.1" is no test/],
  ['host 10.0.0.256', /column 6: .*no address/],
  ['host 10.0.0.1/33', /no address/],
  ['host ::1/129', /no address/],
  ['net 10.0.0.0/8/9', /no address/],
  ['port 65536', /column 6: .*no port/],
  ['portrange 1-2-3', /no port/],
  ['proto nosuch', /no IP protocol/],
  ['state asleep', /column 7: .*no state/],
  ['bytes 10', /no comparison/],
  ['bytes > ten', /not a number/],
  ['age > 10x', /not a time/],
  ['tcp udp', /column 5: "udp" makes no sense here/],
  ['(tcp', /ends too early/],
  ['tcp and', /ends too early/],
  ['host', /ends too early/],
  ['constructor > 1', /no test/],
  ['$', /no test/],
  ['not '.repeat(100), /within each other/],
  [Array(600).fill('tcp').join(' or '), /more than 512 tests/],
  ['x'.repeat(9000), /longer than/],
];

for (const [expression, message] of ERRORS) {
  test(`flow filter, error: ${expression.slice(0, 30)}`, () => {
    assert.throws(
      () => compileFlowFilter(expression),
      (error) => error instanceof RheoError && message.test(error.message),
    );
  });
}

test('flow filter: whatever the text, it compiles or is a RheoError', () => {
  const words = CASES.flatMap(([expression]) => expression.split(' '));
  const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 }));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (list) => {
      try {
        compileFlowFilter(list.join(' '));
      } catch (error) {
        assert.ok(error instanceof RheoError, String(error));
      }
    }),
  );
});
