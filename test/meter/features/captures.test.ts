import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { readCaptures } from '../../../src/control/read.js';
import { createFeatures } from '../../../src/meter/features/index.js';
import type { RecordSink } from '../../../src/model/sink.js';
import type { Interface } from '../../../src/model/source.js';
import { membersOf } from '../../support/hook-harness.js';
import { hasProgram } from '../../support/programs.js';
import { sharedDir } from '../../support/shared.js';

const shared = sharedDir();
const skip = shared === undefined ? 'no shared captures' : hasProgram('tshark') ? false : 'no tshark';
const fileOf = (name: string): string => path.join(shared ?? '', 'captures/peafowl', name);

type Members = Record<string, unknown>;

/** All features of all flows of a capture. */
async function measure(file: string): Promise<Members[]> {
  const interfaces: Interface[] = [];
  const { fields } = createFeatures('all', { interfaces });
  const flows: Members[] = [];
  const sink: RecordSink = {
    write(records) {
      for (let index = 0; index < records.count; index++) flows.push(membersOf(fields, records, index));
    },
    async close() {},
  };
  await readCaptures([file], { features: 'all', maxFlows: 10_000 }, sink, { interfaces });
  return flows;
}

/** Values of the fields of each TCP packet, as tshark reads them. */
function tshark(file: string, fields: readonly string[]): string[][] {
  const names = fields.flatMap((field) => ['-e', field]);
  const output = execFileSync('tshark', ['-r', file, '-Y', 'tcp', '-T', 'fields', '-E', 'occurrence=f', ...names], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  });
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

function twin(name: string): string {
  return `reverse${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** Sum of a member over both directions of all flows. */
function total(flows: readonly Members[], name: string): number {
  const value = (members: Members, key: string): number => (members[key] as number | undefined) ?? 0;
  return flows.reduce((sum, members) => sum + value(members, name) + value(members, twin(name)), 0);
}

const MANY = [
  'bgp.pcap',
  'git.pcap',
  'mysql.pcap',
  'ssh.cap',
  'smtp.pcap',
  'ssl-3.pcap',
  'whatsapp.pcap',
  'ethereum.pcap',
  'stratum.pcap',
  'monero.pcap',
  'viber.pcap',
  'imap-ssl.pcapng',
  'tcp_resegment/http_no_syn_synack_ack.pcap',
  'tcp_resegment/http_out_of_order_1.pcap',
  'tcp_resegment/http_seq_num_wrapping.pcap',
  'tcp_resegment/http_seq_num_wrapping_out_of_order.pcap',
];

for (const name of MANY) {
  test(`TCP counts are tshark's: ${name}`, { skip }, async () => {
    const flows = (await measure(fileOf(name))).filter((members) => 'syns' in members || 'reverseSyns' in members);
    const analysis = ['retransmission', 'out_of_order'].map((kind) => `tcp.analysis.${kind}`);
    const columns = ['tcp.flags.syn', 'tcp.flags.fin', 'tcp.flags.reset', 'tcp.analysis.zero_window', 'tcp.len'];
    const rows = tshark(fileOf(name), [...columns, ...analysis]);
    // Headers that an ICMP error quotes have no length.
    const packets = rows.filter((row) => row[4] !== undefined && row[4] !== '');
    const set = (value: string | undefined): boolean => value === '1' || value === 'True';
    const count = (column: number): number => packets.filter((row) => set(row[column])).length;
    assert.equal(total(flows, 'syns'), count(0));
    assert.equal(total(flows, 'fins'), count(1));
    assert.equal(total(flows, 'rsts'), count(2));
    assert.equal(total(flows, 'zeroWindows'), count(3));
    assert.equal(
      total(flows, 'payloadBytes'),
      packets.reduce((sum, row) => sum + Number(row[4]), 0),
    );
    // Which of the two a late segment is, tshark tells by time; that it is one, both tell by number.
    const late = packets.filter((row) => set(row[5]) || set(row[6])).length;
    assert.equal(total(flows, 'retransmissions') + total(flows, 'outOfOrder'), late);
  });
}

const SINGLE = ['git.pcap', 'mysql.pcap', 'ssh.cap', 'ssl-3.pcap'];
const COLUMNS = [
  'tcp.srcport',
  'frame.time_epoch',
  'tcp.len',
  'ip.ttl',
  'ip.len',
  'tcp.window_size_value',
  'tcp.flags.str',
  'tcp.options.mss_val',
  'tcp.options.wscale.shift',
  'frame.len',
  'ip.dsfield',
] as const;

interface Packet {
  port: string;
  nanos: bigint;
  payload: number;
  ttl: number;
  length: number;
  window: number;
  mss: string;
  scale: string;
  frame: number;
  tos: number;
}

for (const name of SINGLE) {
  test(`features of one connection are what its packets say: ${name}`, { skip }, async () => {
    const packets = tshark(fileOf(name), COLUMNS).map((row): Packet => {
      const [seconds, fraction = ''] = row[1].split('.');
      return {
        port: row[0],
        nanos: BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9)),
        payload: Number(row[2]),
        ttl: Number(row[3]),
        length: Number(row[4]),
        window: Number(row[5]),
        mss: row[7] ?? '',
        scale: row[8] ?? '',
        frame: Number(row[9]),
        tos: Number(row[10]),
      };
    });
    const flows = await measure(fileOf(name));
    assert.equal(flows.length, 1);
    const [members] = flows;
    for (const reverse of [false, true]) {
      const own = packets.filter((packet) => (packet.port === packets[0].port) !== reverse);
      const expected = expectedOf(own, packets[0].nanos);
      for (const [key, value] of Object.entries(expected)) {
        const member = members[reverse ? twin(key) : key];
        if (typeof value === 'number' && typeof member === 'number') {
          assert.ok(Math.abs(member - value) <= Math.abs(value) * 1e-6 + 0.0011, `${key}: ${member}, not ${value}`);
        } else assert.deepEqual(member, value, key);
      }
    }
    const micros = (from: number, to: number): number => Number(packets[to].nanos - packets[from].nanos) / 1000;
    assert.equal(members.serverRoundTrip, micros(0, 1));
    assert.equal(members.clientRoundTrip, micros(1, 2));
  });
}

/** The members of one direction, plainly computed. */
function expectedOf(packets: readonly Packet[], start: bigint): Members {
  const gaps = packets.slice(1).map((packet, k) => Math.max(0, Number(packet.nanos - packets[k].nanos) / 1000));
  const lengths = packets.map((packet) => packet.length);
  const windows = packets.map((packet) => packet.window);
  const ttls = packets.map((packet) => packet.ttl);
  const loaded = packets.filter((packet) => packet.payload > 0);
  const first = loaded.slice(0, 10);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = (values: readonly number[]): number => {
    const middle = mean(values);
    return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  };
  const slots: number[] = [];
  for (const packet of packets) {
    const seconds = Number((packet.nanos - start) / 1_000_000_000n);
    const slot = Math.min(7, Math.floor(Math.log2(seconds + 1)));
    while (slots.length <= slot) slots.push(0);
    slots[slot] += packet.length;
  }
  const { mss, scale } = packets[0];
  return {
    tos: packets[0].tos,
    ttlMin: Math.min(...ttls),
    ttlMax: Math.max(...ttls),
    lengthMin: Math.min(...lengths),
    lengthMax: Math.max(...lengths),
    lengthMean: mean(lengths),
    lengthDeviation: deviation(lengths),
    layer2Bytes: packets.reduce((sum, packet) => sum + packet.frame, 0),
    payloadPackets: loaded.length,
    payloadBytes: loaded.reduce((sum, packet) => sum + packet.payload, 0),
    window: windows[0],
    windowMin: Math.min(...windows),
    windowMax: Math.max(...windows),
    mss: mss === '' ? undefined : Number(mss),
    windowScale: scale === '' ? undefined : Number(scale),
    interArrivalMin: Math.min(...gaps),
    interArrivalMax: Math.max(...gaps),
    interArrivalMean: mean(gaps),
    interArrivalDeviation: deviation(gaps),
    payloadLengths: first.map((packet) => packet.payload),
    payloadGaps: first.map((packet, k) => (k === 0 ? 0 : Math.floor(Number(packet.nanos - first[k - 1].nanos) / 1000))),
    slotBytes: slots,
  };
}
