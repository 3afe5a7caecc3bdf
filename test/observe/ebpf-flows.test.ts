/** Flows that the kernel counted, against those of the ring at the same interface. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch, Mark } from '../../src/packet/batch.js';
import { Decoder } from '../../src/packet/decoder.js';
import type { FlowObject } from '../../src/rpc/service.js';
import { realFrame, tunnelFrame } from '../fuzz/frames.js';
import { Random } from '../fuzz/target.js';
import { twoHosts } from '../support/netns.js';
import {
  ah,
  dccp,
  esp,
  ethernet,
  fragmentHeader,
  fragments4,
  fragments6,
  icmp,
  ip,
  ipv4,
  ipv6,
  join,
  sctp,
  tcp,
  udp,
  zeros,
} from '../support/packets.js';
import { RawSender } from '../support/raw-sender.js';
import { ebpfMissing, Observer, timeless } from './ebpf-support.js';

const skip = await ebpfMissing();

const A4 = '10.1.0.9';
const B4 = '10.1.0.2';
const A6 = '2001:db8::9';
const B6 = '2001:db8::2';

/** Frames, and from which side they come: in, out. */
type Sent = readonly ['in' | 'out', Uint8Array];

/** A conversation of both sides for each of two versions of IP. */
function everyProtocol(): Sent[] {
  const sent: Sent[] = [];
  for (const [a, b] of [
    [A4, B4],
    [A6, B6],
  ]) {
    const six = a === A6;
    const ask = (protocol: number, payload: Uint8Array): void =>
      void sent.push(['in', ethernet(ip(a, b, protocol, payload))]);
    const answer = (protocol: number, payload: Uint8Array): void =>
      void sent.push(['out', ethernet(ip(b, a, protocol, payload))]);
    ask(6, tcp(40_000, 80, { flags: 'S', options: [2, 4, 5, 180] }));
    answer(6, tcp(80, 40_000, { flags: 'SA' }));
    ask(6, tcp(40_000, 80, { flags: 'A' }));
    ask(6, tcp(40_000, 80, { flags: 'PA' }, zeros(300)));
    answer(6, tcp(80, 40_000, { flags: 'A' }, zeros(1000)));
    answer(6, tcp(80, 40_000, { flags: 'FPA' }, zeros(7)));
    ask(6, tcp(40_000, 80, { flags: 'FA' }));
    answer(6, tcp(80, 40_000, { flags: 'A' }));
    // Answers come first: the SYN was not seen.
    answer(6, tcp(443, 40_001, { flags: 'SA' }));
    ask(6, tcp(40_001, 443, { flags: 'R' }));
    ask(17, udp(5000, 53, zeros(30)));
    answer(17, udp(53, 5000, zeros(200)));
    ask(17, udp(5000, 53, zeros(0)));
    answer(136, udp(6000, 7000, zeros(9)));
    ask(six ? 58 : 1, icmp(six ? 128 : 8, 0, zeros(56), 0x10001));
    answer(six ? 58 : 1, icmp(six ? 129 : 0, 0, zeros(56), 0x10001));
    ask(132, sctp(1, 2, zeros(10)));
    answer(33, dccp(3, 4));
    ask(50, esp(0xdeadbeef, zeros(40)));
    ask(51, ah(6, 7, tcp(1, 2)));
    ask(51, ah(103, 7, zeros(30)));
    ask(103, zeros(12));
    answer(89, zeros(1));
  }
  return sent;
}

function oddities(): Sent[] {
  const inner = udp(1000, 2000, zeros(20));
  const options = ipv4(A4, B4, 17, join(zeros(4), udp(1001, 2001)));
  options[0] = 0x46;
  const beyond = ipv4(A4, B4, 17, udp(1002, 2002, zeros(50)), { total: 900 });
  const none = ipv4(A4, B4, 17, udp(1003, 2003, zeros(50)), { total: 0 });
  const frames = [
    // Padding does not count.
    join(ethernet(ipv4(A4, B4, 17, udp(1, 2))), zeros(18)),
    ethernet(ipv4(A4, B4, 17, inner, { tos: 0x88, ttl: 3 }), { vlan: [100] }),
    ethernet(ipv4(A4, B4, 17, inner), { vlan: [100] }),
    ethernet(ipv4(A4, B4, 17, inner), { vlan: [200, 0] }),
    ethernet(ipv6(A6, B6, 17, inner, { trafficClass: 0xb8 }), { vlan: [200, 4095] }),
    ethernet(options),
    ethernet(beyond),
    ethernet(none),
    ethernet(ipv6(A6, B6, 0, join([60, 1], zeros(14), [17, 0], zeros(6), inner))),
    ethernet(ipv6(A6, B6, 44, fragmentHeader(17, 0, false, 9, inner))),
    ethernet(ipv6(A6, B6, 59, zeros(0))),
    ethernet(ipv4(A4, B4, 4, ipv4('192.0.2.1', '192.0.2.2', 6, tcp(1, 2)))),
    // Refused, each for another reason.
    join([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6], zeros(28)),
    ethernet(Uint8Array.of(0x45, 0, 0, 40)),
    ethernet(join([0x42], zeros(30))),
    ethernet(ipv4(A4, B4, 6, zeros(10))),
    ethernet(ipv4(A4, B4, 17, join([0, 1, 0, 2, 0, 5, 0, 0]))),
    ethernet(ipv4(A4, B4, 6, tcp(1, 2), { total: 400 }).subarray(0, 30)),
    ethernet(ipv6(A6, B6, 0, zeros(0))),
    ethernet(ipv6(A6, B6, 0, join(...Array.from({ length: 12 }, () => join([0, 0], zeros(6))), inner))),
  ];
  return frames.map((frame) => ['in', frame] as const);
}

function fragmented(): Sent[] {
  const long = udp(7000, 8000, zeros(900));
  const four = fragments4(A4, B4, 17, long, 77, 400);
  const six = fragments6(A6, B6, 17, long, 78, 400);
  // These have no first one.
  const orphans = [
    ...fragments4(A4, B4, 17, long, 79, 400).slice(1),
    ...fragments6(A6, B6, 17, long, 80, 400).slice(1),
  ];
  const back = fragments4(B4, A4, 17, udp(8000, 7000, zeros(100)), 77, 64);
  return [
    ...[...four, ...six, ...orphans].map((packet) => ['in', ethernet(packet)] as const),
    ...back.map((packet) => ['out', ethernet(packet)] as const),
  ];
}

for (const [name, frames, rounds] of [
  // A connection that begins anew at once is one flow here and two at the ring.
  ['all protocols, both ways', everyProtocol(), 1],
  ['tags, lengths, options, extension headers, and what is refused', oddities(), 3],
  ['fragments', fragmented(), 3],
] as const) {
  test(`${name}: flows and accounts as those of the ring`, { skip, timeout: 30_000 }, async (t) => {
    const { lab, left, right } = twoHosts();
    t.after(() => lab.close());
    const [counted, ring] = [
      await Observer.start(t, 'ebpf', right),
      // So that the first fragment that never comes is not waited for.
      await Observer.start(t, 'ring', right, { fragmentTimeout: '1s' }),
    ];
    const sides = { in: new RawSender(left, 'l0'), out: new RawSender(right, 'r0') };
    t.after(() => sides.in.close());
    t.after(() => sides.out.close());
    for (let round = 0; round < rounds; round++) for (const [side, frame] of frames) await sides[side].sendAll([frame]);
    const ours = await counted.end(rounds * frames.length);
    const theirs = await ring.end(rounds * frames.length);
    assert.ok(!counted.log.some((line) => /ebpf/.test(line)), 'no way out was taken');
    assert.deepEqual([ours.imbalance, ours.dropped, theirs.dropped], [[], 0, 0]);
    assert.deepEqual(ours.refused, theirs.refused);
    for (const same of ['packets', 'decoded', 'octets', 'wireBytes'] as const) assert.equal(ours[same], theirs[same]);
    assert.deepEqual(timeless(counted.flows), timeless(ring.flows));
    const [one, other] = [ours.interfaces[0], theirs.interfaces[0]];
    assert.deepEqual(
      [one?.packets, one?.bytes, one?.received, one?.transmitted],
      [other?.packets, other?.bytes, other?.received, other?.transmitted],
    );
    assert.ok(counted.flows.length > 1);
  });
}

const FRAGMENT = Mark.fragmentFirst | Mark.fragmentLater | Mark.outerFragment;

/** True if both ways of observing promise the same for this frame. */
class Judge {
  private readonly batch = new Batch();
  private readonly decoder = new Decoder(this.batch, { tunnels: [], seed: [1, 2] });

  takes(frame: Uint8Array): boolean {
    if (frame.length < 14 || frame.length > 1514) return false;
    let at = 12;
    const type = (): number => (frame[at] << 8) | frame[at + 1];
    while ([0x8100, 0x88a8, 0x9100, 0x9200].includes(type()) && at + 5 < frame.length) at += 4;
    // The kernel itself drops frames that end in a tag.
    if (at > 20 || (at > 12 && frame.length < at + 8) || (type() !== 0x800 && type() !== 0x86dd)) return false;
    const { batch } = this;
    const bytes = join([0], frame);
    batch.attach(bytes, new DataView(bytes.buffer));
    batch.count = 1;
    batch.offset[0] = 1;
    batch.captured[0] = frame.length;
    batch.wire[0] = frame.length;
    batch.link[0] = 1;
    batch.verdict[0] = 0;
    this.decoder.decode(0, 1);
    // A fragment that comes before the first one is held by the ring only.
    return batch.verdict[0] !== 0 || (batch.marks[0] & FRAGMENT) === 0;
  }
}

/** Packets and bytes of each direction of each key: who began, and where flows are cut, is left out. */
function sums(flows: readonly FlowObject[]): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  const add = (key: string, packets: unknown, bytes: unknown): void => {
    const [p, b] = all[key] ?? [0, 0];
    all[key] = [p + Number(packets), b + Number(bytes)];
  };
  for (const flow of flows) {
    const { src, srcPort, dst, dstPort, proto, icmp: message, spi, vlan } = flow;
    const from = `${src} ${srcPort ?? ''}`;
    const to = `${dst} ${dstPort ?? ''}`;
    const rest = `${proto} ${JSON.stringify([message, spi, vlan])}`;
    if (Number(flow.packets) > 0) add(`${from} ${to} ${rest}`, flow.packets, flow.bytes);
    if (Number(flow.reversePackets) > 0) add(`${to} ${from} ${rest}`, flow.reversePackets, flow.reverseBytes);
  }
  return all;
}

/** What one has and the other has not, or has otherwise. */
function difference(one: Record<string, number[]>, other: Record<string, number[]>): string[] {
  const lines: string[] = [];
  for (const [key, sum] of Object.entries(one)) {
    if (String(sum) !== String(other[key])) lines.push(`${key}: ${sum}, not ${other[key]}`);
  }
  return lines;
}

test('thousands of frames that are broken somehow: the kernel judges as the decoder does', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const counted = await Observer.start(t, 'ebpf', right);
  const ring = await Observer.start(t, 'ring', right);
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  const judge = new Judge();
  const frames: Uint8Array[] = [];
  for (let n = 0; n < 20_000; n++) {
    const random = new Random(4, 'ebpf', n);
    const { bytes } = random.once(3) ? realFrame(random) : tunnelFrame(random);
    if (judge.takes(bytes)) frames.push(bytes);
  }
  t.diagnostic(`${frames.length} frames`);
  const before = lab.counters(right, 'r0').receivedPackets;
  for (let at = 0; at < frames.length; at += 500) {
    await sender.sendAll(frames.slice(at, at + 500));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const arrived = lab.counters(right, 'r0').receivedPackets - before;
  assert.equal(arrived, frames.length);
  const ours = await counted.end(arrived);
  const theirs = await ring.end(arrived);
  assert.deepEqual([ours.imbalance, ours.dropped, theirs.dropped], [[], 0, 0]);
  assert.deepEqual(ours.refused, theirs.refused);
  assert.ok(ours.decoded > 3000 && Object.keys(ours.refused).length > 3, JSON.stringify(ours.refused));
  assert.deepEqual([ours.octets, ours.wireBytes], [theirs.octets, theirs.wireBytes]);
  const [counts, truth] = [sums(counted.flows), sums(ring.flows)];
  assert.deepEqual([difference(counts, truth), difference(truth, counts)], [[], []]);
  assert.ok(Object.keys(truth).length > 1000);
});
