import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Dedupe } from '../../src/observe/live/dedupe.js';
import { Lab, netnsMissing, twoHosts } from '../support/netns.js';
import { ethernet, fragments4, ipv4, ipv6, tcp, udp, zeros } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';
import { Capture, until } from './live-capture.js';

const OPTIONS = { windowMs: 100, entries: 1024 };

function see(dedupe: Dedupe, frame: Uint8Array, face: number, milliseconds: number, raw = false): boolean {
  const seconds = Math.floor(milliseconds / 1000);
  const view = new DataView(frame.buffer, frame.byteOffset);
  return dedupe.seen(view, 0, frame.length, !raw, face, seconds, (milliseconds - seconds * 1000) * 1e6);
}

function frame(
  id: number,
  options: { ttl?: number; vlan?: number[]; checksum?: number; seq?: number } = {},
): Uint8Array {
  const segment = tcp(1234, 80, { seq: options.seq ?? 1 }, zeros(30));
  segment[16] = options.checksum ?? 0;
  return ethernet(ipv4('192.0.2.1', '192.0.2.2', 6, segment, { id, ttl: options.ttl ?? 64 }), {
    vlan: options.vlan ?? [],
  });
}

test('the second sight on another interface is told, whatever routers and offload changed', () => {
  const dedupe = new Dedupe(OPTIONS);
  assert.equal(see(dedupe, frame(1), 0, 1000), false);
  assert.equal(see(dedupe, frame(1, { ttl: 63 }), 1, 1001), true);
  assert.equal(see(dedupe, frame(1, { vlan: [5] }), 2, 1002), true);
  assert.equal(see(dedupe, frame(1, { checksum: 99 }), 1, 1003), true);
  assert.equal(see(dedupe, frame(1).subarray(14).slice(), 3, 1003, true), true, 'without a link layer too');
  assert.equal(see(dedupe, frame(1, { ttl: 63 }), 1, 999), true, 'stamped earlier, read later');
});

test('what is another packet is no second sight', () => {
  const dedupe = new Dedupe(OPTIONS);
  assert.equal(see(dedupe, frame(1), 0, 1000), false);
  assert.equal(see(dedupe, frame(1), 0, 1001), false, 'again on the same interface: sent again');
  assert.equal(see(dedupe, frame(2), 1, 1002), false, 'another id');
  assert.equal(see(dedupe, frame(1, { seq: 2 }), 1, 1002), false, 'another sequence number');
  assert.equal(see(dedupe, frame(1), 1, 1102), false, 'after the window');
  assert.equal(see(dedupe, frame(1), 0, 1103), true, 'which begins anew');
  const parts = fragments4('192.0.2.1', '192.0.2.2', 17, udp(1, 2, zeros(64)), 9, 32);
  for (const part of parts) assert.equal(see(dedupe, ethernet(part), 0, 1000), false, 'fragments differ by offset');
  for (const part of parts) assert.equal(see(dedupe, ethernet(part), 1, 1000), true);
  const arp = new Uint8Array(60);
  arp.set([8, 6], 12);
  assert.equal(see(dedupe, arp, 0, 1000), false);
  assert.equal(see(dedupe, arp, 1, 1000), false, 'not IP: never');
  const six = (hopLimit: number): Uint8Array =>
    ethernet(ipv6('2001:db8::1', '2001:db8::2', 17, udp(1, 2, zeros(8)), { hopLimit }));
  assert.equal(see(dedupe, six(64), 0, 1000), false);
  assert.equal(see(dedupe, six(63), 1, 1000), true);
});

test('memory is bounded, and what is forgotten is only ever taken for new', () => {
  const dedupe = new Dedupe({ windowMs: 1000, entries: 64 });
  let again = 0;
  for (let id = 0; id < 10_000; id++) assert.equal(see(dedupe, frame(id & 0xffff, { seq: id }), 0, 1000), false);
  for (let id = 0; id < 10_000; id++) if (see(dedupe, frame(id & 0xffff, { seq: id }), 1, 1000)) again++;
  assert.ok(again <= 64);
});

test('bytes of strangers are read within their bounds', () => {
  const dedupe = new Dedupe(OPTIONS);
  const bytes = fc.uint8Array({ maxLength: 80 });
  const ipBytes = bytes.map((tail) => Uint8Array.from([...zeros(12), 8, 0, 0x40 | (tail[0] ?? 5), ...tail]));
  fc.assert(
    fc.property(fc.oneof(bytes, ipBytes), fc.boolean(), (packet, raw) => {
      // The view ends where the packet ends: a read past it throws.
      see(dedupe, packet.slice(), 0, 1000, raw);
    }),
  );
});

test('a bridge: each packet once, although three of its interfaces are watched', {
  skip: netnsMissing() || (!hasProgram('ping') && 'ping is not installed'),
}, async (t) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const [left, right, bridge] = [lab.netns('left'), lab.netns('right'), lab.netns('bridge')];
  try {
    lab.ip(bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
  } catch {
    t.skip('this kernel has no bridges');
    return;
  }
  lab.cable({ netns: left, device: 'l0', addresses: ['10.77.0.1/24'] }, { netns: bridge, device: 'p0' });
  lab.cable({ netns: right, device: 'r0', addresses: ['10.77.0.2/24'] }, { netns: bridge, device: 'p1' });
  for (const port of ['p0', 'p1']) lab.ip(bridge, 'link', 'set', port, 'master', 'br0');
  lab.ip(bridge, 'link', 'set', 'br0', 'up');
  // One ring for all: packets come in the order in which they passed.
  const capture = await Capture.open(t, {
    interfaces: ['any'],
    netns: bridge,
    dedupe: { windowMs: 50, entries: 4096 },
  });
  await lab.finish(left, 'ping', '-c', '20', '-i', '0.02', '10.77.0.2');
  await until('all pings', () => capture.seen.filter(({ bytes }) => bytes.readUInt16BE(12) === 0x800).length === 40);
  const statistics = await capture.end();
  const duplicates = statistics.reduce((sum, entry) => sum + entry.duplicates, 0);
  assert.ok(duplicates >= 40, `${duplicates} second sights`);
  const pings = capture.seen.filter(({ bytes }) => bytes.readUInt16BE(12) === 0x800);
  assert.equal(pings.length, 40, 'twenty requests, twenty replies');
});

test('two rings, the same packet on both', {
  skip: netnsMissing() || (!hasProgram('ping') && 'ping is not installed'),
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const middle = lab.netns('middle');
  lab.cable(
    { netns: middle, device: 'm0', addresses: ['10.79.0.1/24'] },
    { netns: right, device: 'r1', addresses: ['10.79.0.2/24'] },
  );
  // left – right – middle: right forwards.
  lab.run(right, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  lab.ip(left, 'route', 'add', '10.79.0.0/24', 'via', '10.77.0.2');
  lab.ip(middle, 'route', 'add', '10.77.0.0/24', 'via', '10.79.0.2');
  const capture = await Capture.open(t, {
    interfaces: ['r0', 'r1'],
    netns: right,
    dedupe: { windowMs: 500, entries: 4096 },
  });
  await lab.finish(left, 'ping', '-c', '20', '-i', '0.02', '10.79.0.1');
  const echoes = (): number => capture.seen.filter(({ bytes }) => bytes.readUInt16BE(12) === 0x800).length;
  await until('all pings', () => capture.source.statistics().reduce((sum, one) => sum + one.duplicates, 0) === 40);
  await capture.end();
  assert.equal(echoes(), 40);
});
