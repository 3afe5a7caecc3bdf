import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { MeterOptions } from '../../src/model/options.js';
import type { FlowRecord } from '../../src/model/record.js';
import { KEY_PARTS, type KeyPart } from '../../src/packet/key.js';
import { byId, meterFrames, readFiles } from '../support/drive.js';
import {
  ah,
  dccp,
  esp,
  ethernet,
  fragments4,
  fragments6,
  gre,
  icmp,
  ip,
  pcapOf,
  sctp,
  type TimedFrame,
  tcp,
  udp,
  vxlan,
  zeros,
} from '../support/packets.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-properties-'));
after(() => rmSync(folder, { recursive: true }));

/** `RHEO_RUNS=20` tries twenty times as many cases. Each run draws others; fast-check tells the seed of a failure. */
const SCALE = Number(process.env.RHEO_RUNS ?? 1);
const RUNS = { numRuns: 40 * SCALE };
const FEW = { numRuns: 8 * SCALE };

interface Step {
  /** Seconds after the packet before. */
  gap: number;
  reverse: boolean;
  flags: string;
  sequence: number;
  length: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  gap: fc.integer({ min: 0, max: 4_000_000 }).map((micros) => micros / 1e6),
  reverse: fc.boolean(),
  flags: fc.constantFrom('S', 'SA', 'A', 'A', 'A', 'PA', 'FA', 'R', 'RA', 'SF', ''),
  sequence: fc.integer({ min: -3, max: 3 }).map((n) => n >>> 0),
  length: fc.integer({ min: 0, max: 200 }),
});

/** How one flow is carried: a pair of hosts of its own, so that flows do not touch each other. */
const kinds = [
  'tcp',
  'udp',
  'icmp',
  'sctp',
  'esp',
  'fragments',
  'tunnel',
  'vxlan',
  'tcp6',
  'udp6',
  'icmp6',
  'fragments6',
] as const;
type Kind = (typeof kinds)[number];

const flow = fc.record({
  kind: fc.constantFrom(...kinds),
  start: fc.integer({ min: 0, max: 20_000 }),
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
});

function packetsOf(kind: Kind, host: number, s: Step, k: number): Uint8Array[] {
  const six = kind.endsWith('6');
  const client = six ? `2001:db8::1:${host.toString(16)}` : `10.0.${host >>> 8}.${host & 255}`;
  const server = six ? `2001:db8::2:${host.toString(16)}` : `192.0.${host >>> 8}.${host & 255}`;
  const [src, dst] = s.reverse ? [server, client] : [client, server];
  const [from, to] = s.reverse ? [443, 50_000] : [50_000, 443];
  const payload = zeros(s.length);
  const segment = tcp(from, to, { flags: s.flags, seq: s.sequence, ack: s.sequence }, payload);
  switch (kind) {
    case 'tcp':
    case 'tcp6':
      return [ip(src, dst, 6, segment)];
    case 'udp':
    case 'udp6':
      return [ip(src, dst, 17, udp(from, to, payload))];
    case 'icmp':
      return [ip(src, dst, 1, icmp(s.reverse ? 0 : 8, 0, payload))];
    case 'icmp6':
      return [ip(src, dst, 58, icmp(s.reverse ? 129 : 128, 0, payload))];
    case 'sctp':
      return [ip(src, dst, 132, sctp(from, to, payload))];
    case 'esp':
      return [ip(src, dst, 50, esp(7, payload))];
    case 'fragments':
      return fragments4(src, dst, 17, udp(from, to, zeros(s.length + 60)), k, 40).reverse();
    case 'fragments6':
      return fragments6(src, dst, 17, udp(from, to, zeros(s.length + 60)), k, 40);
    case 'tunnel':
      return [ip('198.51.100.1', '198.51.100.2', 4, ip(src, dst, 6, segment))];
    case 'vxlan':
      return [
        ip(
          '198.51.100.1',
          '198.51.100.3',
          17,
          udp(host, 4789, vxlan(5, ethernet(ip(src, dst, 17, udp(from, to, payload))))),
        ),
      ];
  }
}

/** Frames of each flow, in order and with their times. */
const flows: fc.Arbitrary<TimedFrame[][]> = fc.array(flow, { minLength: 1, maxLength: 10 }).map((all) =>
  all.map(({ kind, start, steps }, host) => {
    let at = start / 1000;
    return steps.flatMap((one, k) => {
      at += one.gap;
      return packetsOf(kind, host + 1, one, k).map((packet) => ({ at, bytes: ethernet(packet) }));
    });
  }),
);

const options: fc.Arbitrary<MeterOptions> = fc.record({
  timeouts: fc.record({
    idle: fc.record({
      tcp: fc.integer({ min: 500, max: 9000 }),
      'tcp.syn': fc.integer({ min: 200, max: 5000 }),
      'tcp.fin': fc.integer({ min: 100, max: 3000 }),
      'tcp.rst': fc.integer({ min: 100, max: 3000 }),
      udp: fc.integer({ min: 500, max: 9000 }),
      single: fc.integer({ min: 500, max: 9000 }),
    }),
    active: fc.integer({ min: 1000, max: 20_000 }),
  }),
  features: fc.constantFrom('none' as const, 'all' as const),
  key: fc.record({ unidirectional: fc.boolean() }),
});

/** All frames in the order of time; at equal times each flow keeps its order, and `order` decides between flows. */
function merge(all: readonly TimedFrame[][], order: readonly number[]): TimedFrame[] {
  const tagged = all.flatMap((frames, k) =>
    frames.map((frame, n) => ({ frame, n, rank: order[k % order.length] * 100 + k })),
  );
  tagged.sort((a, b) => a.frame.at - b.frame.at || a.rank - b.rank || a.n - b.n);
  return tagged.map(({ frame }) => frame);
}

/** Reading can only tell by the clock whether a flow was over at the end: all flows are over by then. */
const CLOCK: TimedFrame = { at: 10_000, bytes: ethernet(ip('203.0.113.1', '203.0.113.2', 17, udp(9, 9))) };

function records(result: { flowRecords: readonly FlowRecord[] }): FlowRecord[] {
  return byId(result.flowRecords);
}

test('how independent flows lie between each other does not matter', async () => {
  await fc.assert(
    fc.asyncProperty(
      flows,
      fc.array(fc.nat(9), { minLength: 10, maxLength: 10 }),
      options,
      async (all, order, given) => {
        const one = await meterFrames([...merge(all, [0]), CLOCK], given);
        const other = await meterFrames([...merge(all, order), CLOCK], given);
        assert.deepEqual(one.imbalance, []);
        assert.deepEqual(records(other), records(one));
      },
    ),
    RUNS,
  );
});

test('each flow alone gives the records that it gives among others', async () => {
  await fc.assert(
    fc.asyncProperty(flows, options, async (all, given) => {
      const together = await meterFrames([...merge(all, [0]), CLOCK], given);
      const alone: FlowRecord[] = [];
      for (const frames of all) {
        const { flowRecords } = await meterFrames([...frames, CLOCK], given);
        alone.push(...flowRecords.filter((record) => record.srcPort !== 9));
      }
      assert.deepEqual(
        byId(alone),
        records(together).filter((record) => record.srcPort !== 9),
      );
    }),
    RUNS,
  );
});

test('shards and batches do not matter', async () => {
  const batches = fc.array(fc.constantFrom(1, 2, 7, 100, 256), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(flows, options, fc.integer({ min: 2, max: 5 }), batches, async (all, given, shards, lengths) => {
      const frames = merge(all, [0]);
      const one = await meterFrames(frames, given);
      const many = await meterFrames(frames, given, { shards, batches: lengths, seed: [shards, 99] });
      assert.deepEqual(many.imbalance, []);
      assert.deepEqual(records(many), records(one));
      assert.deepEqual(many.refused, one.refused);
      assert.deepEqual(many.noticed, one.noticed);
      assert.deepEqual(many.flows.ended, one.flows.ended);
    }),
    RUNS,
  );
});

test('a capture split into several that are read together, with one thread or two', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(flows, options, fc.array(fc.nat(2), { minLength: 5, maxLength: 20 }), async (all, given, deal) => {
      // Distinct times: which of two files comes first at equal times is another matter.
      const frames = merge(all, [0]).map((frame, k) => ({ ...frame, at: Math.round(frame.at * 1e6) / 1e6 + k / 1e8 }));
      const parts: TimedFrame[][] = [[], [], []];
      for (const [k, frame] of frames.entries()) parts[deal[k % deal.length]].push(frame);
      const files = [frames, ...parts].map((part, k) => {
        const file = path.join(folder, `${run}-${k}.pcap`);
        writeFileSync(file, pcapOf(part));
        return file;
      });
      run++;
      // The number of the file is in no record but as the interface.
      const features =
        given.features === 'all' ? ['length', 'splt', 'interArrival', 'slots', 'retransmissions'] : 'none';
      const whole = await readFiles(files.slice(0, 1), { ...given, features });
      assert.deepEqual(whole.summary.imbalance, []);
      for (const threads of [1, 2]) {
        const split = await readFiles(files.slice(1), { ...given, features, threads });
        assert.deepEqual(split.summary.imbalance, []);
        assert.deepEqual(records(split), records(whole), `${threads} threads`);
      }
    }),
    FEW,
  );
});

/** Packets of many kinds, to be damaged. */
const MATERIAL: Uint8Array[] = [
  ...kinds
    .flatMap((kind) => packetsOf(kind, 5, { gap: 0, reverse: false, flags: 'PA', sequence: 5, length: 40 }, 1))
    .map((packet) => ethernet(packet)),
  ethernet(ip('10.0.0.1', '10.0.0.2', 6, tcp(1, 2, { options: [2, 4, 5, 180, 1, 3, 3, 7] })), { vlan: [1, 2] }),
  ethernet(
    ip(
      '10.0.0.1',
      '10.0.0.2',
      47,
      gre(
        0x6558,
        ethernet(ip('2001:db8::1', '2001:db8::2', 58, icmp(1, 0, ip('2001:db8::2', '2001:db8::1', 17, udp(1, 2))))),
      ),
    ),
  ),
  ethernet(ip('10.0.0.1', '10.0.0.2', 1, icmp(3, 3, ip('10.0.0.2', '10.0.0.1', 17, udp(1, 2)))), { mpls: [5, 6] }),
  ethernet(ip('10.0.0.1', '10.0.0.2', 51, ah(4, 7, ip('10.1.0.1', '10.1.0.2', 33, dccp(5, 6))))),
];

const damaged = fc.record({
  from: fc.nat(MATERIAL.length - 1),
  edits: fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
  cut: fc.option(fc.nat(120), { nil: undefined, freq: 3 }),
  /** Mostly forward, now and then back. */
  gap: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 2000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -5_000_000, max: 5_000_000 }) },
  ),
  link: fc.constantFrom(1, 1, 1, 101, 113, 276, 0, 105, 127),
});

const anything: fc.Arbitrary<TimedFrame[]> = fc.array(damaged, { minLength: 1, maxLength: 60 }).map((all) => {
  let at = 1_000_000;
  return all.map(({ from, edits, cut, gap, link }) => {
    at += gap / 1000;
    const bytes = MATERIAL[from].slice(link === 101 ? 14 : 0, cut === undefined ? undefined : cut + 1);
    for (const [position, value] of edits) if (position < bytes.length) bytes[position] = value;
    return { at: Math.max(0, at), bytes, link, wire: MATERIAL[from].length };
  });
});

const anyOptions: fc.Arbitrary<MeterOptions> = fc.record({
  key: fc.record({
    base: fc.constantFrom('ip' as const, 'proto' as const, 'port' as const),
    extra: fc.uniqueArray(fc.constantFrom(...(Object.keys(KEY_PARTS) as KeyPart[]))),
    unidirectional: fc.boolean(),
  }),
  checksums: fc.boolean(),
  maxFragments: fc.integer({ min: 1, max: 20 }),
  tunnels: fc.constantFrom('all' as const, 'none' as const),
  features: fc.constantFrom('all' as const, 'none' as const),
});

test('whatever comes, the ledger balances; with several shards too', async () => {
  await fc.assert(
    fc.asyncProperty(
      anything,
      anyOptions,
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('evict', 'refuse', 'early'),
      fc.integer({ min: 1, max: 30 }),
      async (frames, given, shards, whenFull, maxFlows) => {
        const settings = { ...given, maxFlows, whenFull: whenFull as 'evict' };
        const result = await meterFrames(frames, settings, { shards, batches: [7, 256] });
        assert.deepEqual(result.imbalance, []);
        assert.equal(result.packets, frames.length);
        const sum = (member: string): number =>
          result.flowRecords.reduce((all, record) => all + Number(record[member]), 0);
        assert.equal(sum('packets') + sum('reversePackets'), result.decoded);
        assert.equal(sum('bytes') + sum('reverseBytes'), result.octets);
        for (const record of result.flowRecords) assert.ok(record.duration >= 0 && record.start <= record.end);
      },
    ),
    { numRuns: 200 * SCALE },
  );
});

test('whatever comes, one shard and several say the same', async () => {
  await fc.assert(
    fc.asyncProperty(anything, anyOptions, fc.integer({ min: 2, max: 4 }), async (frames, given, shards) => {
      const roomy = { ...given, maxFragments: 1000 };
      const one = await meterFrames(frames, roomy);
      const many = await meterFrames(frames, roomy, { shards, batches: [3] });
      assert.deepEqual(records(many), records(one));
      assert.deepEqual(many.refused, one.refused);
      assert.deepEqual(many.noticed, one.noticed);
    }),
    { numRuns: 80 * SCALE },
  );
});
