import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { Batch, Mark } from '../../src/packet/batch.js';
import { Decoder } from '../../src/packet/decoder.js';
import { TUNNEL_NAMES, type TunnelName } from '../../src/packet/tunnel.js';
import { hasProgram } from '../support/programs.js';
import { sharedDir } from '../support/shared.js';
import { LINK_CASES } from './link-cases.js';
import { ipv4, udp } from './link-support.js';
import { TUNNEL_CASES } from './tunnels-cases.js';

const ALL_TUNNELS = TUNNEL_NAMES.slice(1) as TunnelName[];

/** The batch of one packet, decoded. */
function decode(memory: Uint8Array, link: number, offset = 0, captured = memory.length, wire = captured): Batch {
  const batch = new Batch({ capacity: 1 });
  batch.attach(memory, new DataView(memory.buffer, memory.byteOffset, memory.length));
  batch.count = 1;
  batch.offset[0] = offset;
  batch.captured[0] = captured;
  batch.wire[0] = wire;
  batch.link[0] = link;
  new Decoder(batch, { seed: [1, 2], tunnels: ALL_TUNNELS }).decode(0, 1);
  return batch;
}

/** Source address of the innermost IP header that the decoder came to, as eight or four numbers with dots. */
function source(batch: Batch): string {
  const at = batch.network[0];
  const { view } = batch;
  if (view.getUint8(at) >>> 4 === 4) return [12, 13, 14, 15].map((k) => view.getUint8(at + k)).join('.');
  return [8, 10, 12, 14, 16, 18, 20, 22].map((k) => view.getUint16(at + k)).join('.');
}

/** The same form from an address as tshark writes it (RFC 5952). */
function plain(address: string): string {
  if (!address.includes(':')) return address;
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = address.split('::');
  const head = groups(front);
  const tail = back === undefined ? [] : groups(back);
  return [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail].join('.');
}

test('the hand-made frames and tunnels come through the decoder', () => {
  for (const { name, link, frame } of LINK_CASES) {
    const batch = decode(frame, link);
    assert.deepEqual([batch.verdict[0], batch.ports[0] >>> 16, batch.ports[0] & 0xffff], [0, 4000, 4001], name);
  }
  for (const { name, port, kind, id, frame } of TUNNEL_CASES) {
    const batch = decode(port === 0 ? ipv4(frame, 47, 99) : ipv4(udp(port, port, frame), 17, 99), 101);
    assert.equal(batch.verdict[0], 0, name);
    assert.ok((batch.marks[0] & Mark.tunnelled) !== 0, name);
    assert.deepEqual([batch.tunnel[0], batch.tunnelId[0]], [kind, id], name);
  }
});

/** Captures, and how many of their packets come through which tunnel. */
const CAPTURES: readonly (readonly [string, Partial<Record<TunnelName, number>>])[] = [
  ['ndpi/dlt_ppp.pcap', {}],
  ['ndpi/BGP_Cisco_hdlc_slarp.pcap', {}],
  ['ndpi/BGP_redist.pcap', {}],
  ['ndpi/KakaoTalk_chat.pcap', {}],
  ['ndpi/rdp.pcap', {}],
  ['ndpi/codm.pcap', {}],
  ['ndpi/syslog.pcap', { ipip: 6 }],
  ['ndpi/rtmp.pcap', { gtpu: 34 }],
  ['ndpi/ipv6_in_gtp.pcap', { gtpu: 2 }],
  ['ndpi/vxlan.pcap', { vxlan: 127 }],
  ['ja4/gre-sample.pcap', { gre: 40 }],
  ['ja4/gre-erspan-vxlan.pcap', { vxlan: 7 }],
];

const shared = sharedDir();
const skip = shared === undefined ? 'no shared captures' : hasProgram('tshark') ? false : 'tshark is not installed';

for (const [name, tunnels] of CAPTURES) {
  test(`${name}: link layers and tunnels lead to the packets that tshark finds`, { skip }, () => {
    const file = path.join(shared ?? '', 'captures', name);
    // As little-endian pcap, whatever the file is.
    const pcap = spawnSync('editcap', ['-F', 'pcap', file, '-'], { maxBuffer: 1 << 28 }).stdout;
    assert.equal(pcap.readUInt32LE(0), 0xa1b2c3d4);
    const options = ['-o', 'ip.defragment:FALSE', '-T', 'fields', '-e', 'ip.src', '-e', 'ipv6.src', '-e', 'icmp.type'];
    const run = spawnSync('tshark', ['-n', '-r', file, ...options], { encoding: 'utf8', maxBuffer: 1 << 28 });
    const lines = run.stdout.split('\n').slice(0, -1);
    const seen: Partial<Record<TunnelName, number>> = {};
    let packet = 0;
    for (let at = 24; at + 16 <= pcap.length; packet++) {
      const captured = pcap.readUInt32LE(at + 8);
      const batch = decode(pcap, pcap.readUInt32LE(20), at + 16, captured, pcap.readUInt32LE(at + 12));
      at += 16 + captured;
      const [v4, v6, icmp] = lines[packet].split('\t').map((text) => (text === '' ? [] : text.split(',')));
      if (batch.verdict[0] !== 0) {
        assert.deepEqual([v4, v6], [[], []], `packet ${packet + 1} is IP`);
        continue;
      }
      const ours = source(batch);
      const theirs = (ours.split('.').length === 4 ? v4 : v6).map(plain);
      // Behind an ICMP message the addresses of the packet that it quotes may follow.
      assert.ok(
        icmp.length > 0 ? theirs.includes(ours) : theirs.at(-1) === ours,
        `packet ${packet + 1}: ${ours}, not ${theirs}`,
      );
      if ((batch.marks[0] & Mark.tunnelled) === 0) continue;
      const tunnel = TUNNEL_NAMES[batch.tunnel[0]] as TunnelName;
      seen[tunnel] = (seen[tunnel] ?? 0) + 1;
    }
    assert.equal(packet, lines.length);
    assert.deepEqual(seen, tunnels);
  });
}
