import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { type CaptureOptions, generateCapture } from '../../bench/generate.js';
import { TimeHeap } from '../../bench/time-heap.js';
import { hasProgram } from '../support/programs.js';

const dir = mkdtempSync(path.join(tmpdir(), 'rheo-generate-'));
after(() => rmSync(dir, { recursive: true }));
const noTshark = hasProgram('tshark') ? false : 'tshark is not installed';

function generate(name: string, options: Omit<CaptureOptions, 'path'>): ReturnType<typeof generateCapture> {
  return generateCapture({ path: path.join(dir, name), ...options });
}

/** One line a packet, the fields as tshark prints them. */
function packetsOf(file: string, fields: string[]): string[][] {
  const named = fields.flatMap((field) => ['-e', field]);
  const args = ['-n', '-r', file, '-T', 'fields', '-E', 'occurrence=f', ...named];
  const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((p) => ['-o', `${p}:TRUE`]);
  const run = spawnSync('tshark', [...args, ...checks], { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.replace(/\n$/, '').split('\n');
  return lines.map((line) => line.split('\t'));
}

const KEY = ['ip.src', 'ipv6.src', 'ip.dst', 'ipv6.dst', 'tcp.srcport', 'udp.srcport', 'tcp.dstport', 'udp.dstport'];

function endpoints(p: string[]): [string, string] {
  return [`${p[0] || p[1]} ${p[4] || p[5]}`, `${p[2] || p[3]} ${p[6] || p[7]}`];
}

test('the truth of mixed traffic is what tshark counts', { skip: noTshark }, () => {
  const { path: file, truth } = generate('mixed.pcap', { packets: 5000, flows: 700, seed: 7, vlan: 0.2 });
  const packets = packetsOf(file, [...KEY, 'ip.len', 'ipv6.plen', 'frame.len', 'frame.cap_len', 'frame.time_epoch']);
  assert.equal(packets.length, truth.packets);
  const biflows = new Set<string>();
  const uniflows = new Set<string>();
  const sums = { tcp4: [0, 0], udp4: [0, 0], tcp6: [0, 0], udp6: [0, 0] };
  let wire = 0;
  let captured = 0;
  for (const p of packets) {
    const [from, to] = endpoints(p);
    const kind = `${p[5] ? 'udp' : 'tcp'}${p[0] ? '4' : '6'}` as keyof typeof sums;
    uniflows.add(`${kind} ${from} ${to}`);
    biflows.add(`${kind} ${[from, to].sort().join(' ')}`);
    sums[kind][0]! += 1;
    sums[kind][1]! += p[0] ? Number(p[8]) : Number(p[9]) + 40;
    wire += Number(p[10]);
    captured += Number(p[11]);
  }
  assert.equal(biflows.size, truth.biflows);
  assert.equal(uniflows.size, truth.uniflows);
  for (const [kind, [count, octets]] of Object.entries(sums)) {
    const totals = truth.byProtocol[kind as keyof typeof sums];
    assert.deepEqual([totals.packets, totals.octets], [count, octets], kind);
    assert.ok(count! > 0, `${kind} has packets`);
  }
  assert.equal(wire, truth.wireOctets);
  assert.equal(captured, truth.capturedOctets);
  const seconds = (time: { seconds: number; nanos: number }) =>
    `${time.seconds}.${time.nanos.toString().padStart(9, '0')}`;
  assert.equal(packets[0]![12], seconds(truth.first));
  assert.equal(packets.at(-1)![12], seconds(truth.last));
  assert.ok(
    packets.every((p, i) => i === 0 || p[12]! >= packets[i - 1]![12]!),
    'time never steps back',
  );
});

test('checksums are right and connections are whole, in full packets', { skip: noTshark }, () => {
  const options = { packets: 3000, flows: 100, snapLength: 65535, nanoseconds: true };
  const { path: file, truth } = generate('full.pcap', options);
  assert.equal(readFileSync(file).readUInt32LE(0), 0xa1b23c4d);
  assert.equal(truth.fileBytes, readFileSync(file).length);
  const statuses = ['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status', 'frame.time_epoch'];
  const flaws = ['retransmission', 'out_of_order', 'lost_segment', 'ack_lost_segment'].map((n) => `tcp.analysis.${n}`);
  const packets = packetsOf(file, [...statuses, ...flaws]);
  for (const [ip, tcp, udp] of packets) {
    assert.ok(ip === '' || ip === '1', `IPv4 header checksum: ${ip}`);
    assert.equal(tcp || udp, '1', 'checksum of TCP or UDP');
  }
  assert.ok(
    packets.some((p) => !p[3]!.endsWith('000')),
    'times are finer than microseconds',
  );
  flaws.forEach((flaw, i) => {
    assert.equal(packets.filter((p) => p[4 + i] !== '').length, 0, flaw);
  });
});

test('one seed gives one file, another seed another', () => {
  const digest = (name: string, seed: number) => {
    const { path: file } = generate(name, { packets: 2000, flows: 300, seed });
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  };
  assert.equal(digest('one.pcap', 3), digest('two.pcap', 3));
  assert.notEqual(digest('one.pcap', 3), digest('two.pcap', 4));
});

test('the truth is beside the file', () => {
  const { path: file, truth } = generate('beside.pcap', { packets: 100, flows: 10 });
  assert.deepEqual(JSON.parse(readFileSync(`${file}.json`, 'utf8')), truth);
});

test('in a SYN flood every packet is a flow, with a key of its own', { skip: noTshark }, () => {
  const { path: file, truth } = generate('syn.pcap', { packets: 2000, flows: 2000, mode: 'syn-flood' });
  const packets = packetsOf(file, [...KEY, 'tcp.flags']);
  assert.equal(truth.biflows, 2000);
  assert.equal(new Set(packets.map((p) => endpoints(p).join(' '))).size, 2000);
  assert.ok(packets.every((p) => p[8] === '0x0002'));
});

test('in a flood aimed at the hash, keys differ but their low bits and their differences do not', {
  skip: noTshark,
}, () => {
  const { path: file } = generate('hash.pcap', { packets: 6000, flows: 3000, mode: 'hash-flood' });
  const packets = packetsOf(file, KEY);
  const keys = new Set(packets.map((p) => endpoints(p).sort().join(' ')));
  assert.equal(keys.size, 3000);
  const word = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const differences = new Set(packets.map((p) => (word(p[0]!) ^ word(p[2]!)) >>> 0));
  assert.equal(differences.size, 1);
  assert.equal(new Set(packets.map((p) => word(p[0]!) & 0xfff)).size, 1);
});

test('options that cannot be are refused', () => {
  assert.throws(() => generate('no.pcap', { packets: 5, flows: 10 }), /as many packets as flows/);
  assert.throws(() => generate('no.pcap', { packets: 5, flows: 0 }), /at least one flow/);
  assert.throws(() => generate('no.pcap', { packets: 20, flows: 10, mode: 'syn-flood' }), /every packet is a flow/);
});

test('the heap hands out slots by time', () => {
  const heap = new TimeHeap();
  const times = Array.from({ length: 3000 }, (_, i) => (i * 7919) % 3001);
  times.forEach((time, slot) => {
    heap.push(time, slot);
  });
  const out: number[] = [];
  while (heap.size > 0) {
    assert.equal(times[heap.slot], heap.time);
    out.push(heap.time);
    // Some come a second time, later.
    if (heap.time < 100) {
      times[heap.slot] = heap.time + 5000;
      heap.delay(heap.time + 5000);
    } else heap.pop();
  }
  assert.deepEqual(
    out,
    out.slice().sort((a, b) => a - b),
  );
  assert.equal(heap.time, Infinity);
});
