import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipv4ChecksumOk, transportChecksumOk } from '../../src/packet/checksum.js';
import { bytes, ipv4, ipv6, u16 } from './link-support.js';

/** RFC 1071 as it is told: add 16-bit words, add the carries, complement. */
function checksum(...parts: Uint8Array[]): number {
  const all = bytes(...parts);
  let sum = 0;
  for (let i = 0; i < all.length; i++) sum += i % 2 === 0 ? all[i] << 8 : all[i];
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum ^ 0xffff;
}

function viewOf(packet: Uint8Array): DataView {
  const copy = packet.slice();
  return new DataView(copy.buffer);
}

interface Kind {
  name: string;
  version: 4 | 6;
  protocol: number;
  header: Uint8Array;
  /** Offset of the checksum in the header. */
  at: number;
}

const KINDS: readonly Kind[] = [
  { name: 'TCP', version: 4, protocol: 6, header: bytes('0050c001 00000001 00000002 5010ffff 0000 0000'), at: 16 },
  { name: 'TCP', version: 6, protocol: 6, header: bytes('0050c001 00000001 00000002 5010ffff 0000 0000'), at: 16 },
  { name: 'UDP', version: 4, protocol: 17, header: bytes('0035c001 0000 0000'), at: 6 },
  { name: 'UDP', version: 6, protocol: 17, header: bytes('0035c001 0000 0000'), at: 6 },
  { name: 'ICMP', version: 4, protocol: 1, header: bytes('0800 0000 12340001'), at: 2 },
  { name: 'ICMPv6', version: 6, protocol: 58, header: bytes('8000 0000 12340001'), at: 2 },
];

/** A packet with right checksums; `pos` is the offset of its transport header. */
function build({ version, protocol, header, at }: Kind, payload: Uint8Array): { packet: Uint8Array; pos: number } {
  const segment = bytes(header, payload);
  if (protocol === 17) segment.set(u16(segment.length), 4);
  const packet = version === 4 ? ipv4(segment, protocol) : ipv6(segment, protocol);
  const pos = version === 4 ? 20 : 40;
  const addresses = packet.subarray(version === 4 ? 12 : 8, pos);
  const pseudo =
    protocol === 1 ? bytes() : bytes(addresses, '0000', u16(segment.length), '000000', Uint8Array.of(protocol));
  const sum = checksum(pseudo, segment);
  packet.set(u16(sum === 0 && protocol === 17 ? 0xffff : sum), pos + at);
  if (version === 4) packet.set(u16(checksum(packet.subarray(0, 20))), 10);
  return { packet, pos };
}

for (const kind of KINDS) {
  test(`${kind.name} over IPv${kind.version}: the right checksum passes, any bit changed fails`, () => {
    const check = fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (payload, flip) => {
      const { packet, pos } = build(kind, payload);
      const ok = (bytesOf: Uint8Array): boolean =>
        transportChecksumOk(viewOf(bytesOf), 0, kind.version, kind.protocol, pos, bytesOf.length);
      assert.ok(ok(packet));
      const bit = flip % ((packet.length - pos) * 8);
      packet[pos + (bit >>> 3)] ^= 1 << (bit & 7);
      const unset = kind.name === 'UDP' && kind.version === 4 && packet[pos + 6] === 0 && packet[pos + 7] === 0;
      assert.equal(ok(packet), unset);
    });
    fc.assert(check, { numRuns: 300 });
  });
}

test('the largest packets of all ones do not overflow the sum', () => {
  for (const version of [4, 6] as const) {
    const kind = KINDS.find((one) => one.name === 'TCP' && one.version === version) ?? assert.fail();
    const payload = new Uint8Array(65535 - 20 - (version === 4 ? 20 : 0)).fill(0xff);
    const { packet, pos } = build(kind, payload);
    assert.ok(transportChecksumOk(viewOf(packet), 0, version, 6, pos, packet.length));
    packet[packet.length - 1] = 0xfe;
    assert.ok(!transportChecksumOk(viewOf(packet), 0, version, 6, pos, packet.length));
  }
});

test('IPv4 headers with and without options', () => {
  const check = fc.property(
    fc.uint8Array({ minLength: 20, maxLength: 20 }),
    fc.nat(10),
    fc.nat(159),
    (start, words, bit) => {
      const header = bytes(start, new Uint8Array(words * 4).fill(0x5a));
      header.set([0, 0], 10);
      header.set(u16(checksum(header)), 10);
      const around = bytes('ffffff', header, 'ffff');
      assert.ok(ipv4ChecksumOk(viewOf(around), 3, header.length));
      around[3 + (bit >>> 3)] ^= 1 << (bit & 7);
      assert.ok(!ipv4ChecksumOk(viewOf(around), 3, header.length));
    },
  );
  fc.assert(check, { numRuns: 300 });
});

test('UDP without a checksum passes over IPv4 and fails over IPv6', () => {
  const segment = bytes('0035c001 000c 0000 01020304');
  assert.ok(transportChecksumOk(viewOf(ipv4(segment)), 0, 4, 17, 20, 32));
  assert.ok(!transportChecksumOk(viewOf(ipv6(segment)), 0, 6, 17, 40, 52));
});

test('bytes behind the length that UDP says are not summed; a length that does not fit fails', () => {
  const { packet, pos } = build(KINDS[2], bytes('010203'));
  const longer = bytes(packet, 'ff');
  assert.ok(transportChecksumOk(viewOf(longer), 0, 4, 17, pos, longer.length));
  assert.ok(!transportChecksumOk(viewOf(packet), 0, 4, 17, pos, packet.length - 1));
  packet.set(u16(7), pos + 4);
  assert.ok(!transportChecksumOk(viewOf(packet), 0, 4, 17, pos, packet.length));
});

test('a header that is cut by its packet fails; protocols without this checksum pass', () => {
  const view = viewOf(ipv4(new Uint8Array(7)));
  for (const protocol of [6, 17]) assert.ok(!transportChecksumOk(view, 0, 4, protocol, 20, 27));
  assert.ok(!transportChecksumOk(view, 0, 4, 1, 20, 23));
  for (const protocol of [47, 50, 132, 255]) assert.ok(transportChecksumOk(view, 0, 4, protocol, 20, 27));
});

test('IPv6 packets whose extension headers replace an address are not judged', () => {
  const wrong = bytes('0035c001 0008 abcd');
  const routing = (left: string): Uint8Array => bytes('11 00 04', left, '00000000');
  for (const [name, extensions, first, judged] of [
    ['hop-by-hop', bytes('11 00 050200000100'), 0, true],
    ['routing, arrived', routing('00'), 43, true],
    ['routing, under way', routing('01'), 43, false],
    ['authentication, then routing', bytes('2b 01 0000 00000001 00000001', routing('01')), 51, false],
    ['destination options', bytes('11 00 010400000000'), 60, false],
    ['fragment header of a whole packet', bytes('11 00 0000 00000001'), 44, true],
  ] as const) {
    const packet = ipv6(bytes(extensions, wrong), first);
    const pos = 40 + extensions.length;
    assert.equal(transportChecksumOk(viewOf(packet), 0, 6, 17, pos, packet.length), !judged, name);
  }
});
