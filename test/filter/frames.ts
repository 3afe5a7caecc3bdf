import fc from 'fast-check';
import { type Capture, captureOf, record } from './oracle.js';

/** Frames of any link layer, made and damaged: tags, labels, LLC, wrong lengths, cut anywhere. */

const short = (value: number): number[] => [(value >> 8) & 255, value & 255];
const addresses4 = fc.constantFrom([10, 0, 0, 1], [192, 0, 2, 7], [255, 255, 255, 255], [224, 0, 0, 251], [0, 0, 0, 0]);
const addresses6 = fc.constantFrom(
  [0xfe, 0x80, ...new Array<number>(13).fill(0), 1],
  [0xff, 2, ...new Array<number>(13).fill(0), 0xfb],
  [0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 9],
);
const ports = fc.constantFrom(53, 80, 443, 1024, 65535);
const protocols = fc.constantFrom(1, 2, 6, 17, 132, 50, 51, 103, 58, 44, 4, 41);
const random = fc.uint8Array({ minLength: 0, maxLength: 24 }).map((bytes) => [...bytes]);

const transport = fc
  .tuple(ports, ports, random)
  .map(([source, destination, rest]) => [...short(source), ...short(destination), ...rest]);

const ipv4 = fc
  .tuple(
    addresses4,
    addresses4,
    protocols,
    fc.constantFrom(5, 5, 5, 6, 15, 0),
    fc.constantFrom(0, 0, 0x4000, 0x2000, 185),
    transport,
  )
  .map(([source, destination, protocol, words, fragment, payload]) => [
    0x40 | words,
    0,
    ...short(20 + payload.length),
    0,
    1,
    ...short(fragment),
    64,
    protocol,
    0,
    0,
    ...source,
    ...destination,
    ...new Array<number>(Math.max(0, 4 * (words - 5))).fill(1),
    ...payload,
  ]);

const ipv6 = fc
  .tuple(addresses6, addresses6, protocols, protocols, transport)
  .map(([source, destination, protocol, inner, payload]) => [
    0x60,
    0,
    0,
    0,
    ...short(payload.length),
    protocol,
    64,
    ...source,
    ...destination,
    ...(protocol === 44 ? [inner, 0, 0, 0, 0, 0, 0, 1] : []),
    ...payload,
  ]);

const arp = fc
  .tuple(addresses4, addresses4)
  .map(([sender, target]) => [0, 1, 8, 0, 6, 4, 0, 1, 1, 2, 3, 4, 5, 6, ...sender, 0, 0, 0, 0, 0, 0, ...target]);

interface Packet {
  readonly etherType: number;
  readonly bytes: readonly number[];
}

const plain: fc.Arbitrary<Packet> = fc.oneof(
  ipv4.map((bytes) => ({ etherType: 0x800, bytes })),
  ipv6.map((bytes) => ({ etherType: 0x86dd, bytes })),
  arp.map((bytes) => ({ etherType: 0x806, bytes })),
  arp.map((bytes) => ({ etherType: 0x8035, bytes })),
  random.map((bytes) => ({ etherType: 0x88cc, bytes })),
  random.map((bytes) => ({ etherType: bytes.length, bytes: [0xe0, 0xe0, 3, ...bytes] })),
  random.map((bytes) => ({ etherType: bytes.length, bytes: [0x42, 0x42, 3, ...bytes] })),
  random.map((bytes) => ({ etherType: bytes.length, bytes: [0xfe, 0xfe, 3, ...bytes] })),
  fc.constantFrom(0x809b, 0x80f3, 0x8137).map((type) => ({
    etherType: 20,
    bytes: [0xaa, 0xaa, 3, ...(type === 0x809b ? [8, 0, 7] : [0, 0, 0]), ...short(type), 1, 2],
  })),
);

function pppNumber(etherType: number): number {
  return etherType === 0x800 ? 0x21 : etherType === 0x86dd ? 0x57 : etherType === 0x8847 ? 0x281 : etherType;
}

const wrapped: fc.Arbitrary<Packet> = fc.oneof(
  plain,
  plain,
  fc.tuple(plain, fc.constantFrom(0x8100, 0x88a8, 0x9100), fc.constantFrom(0, 1, 100)).map(([inner, tag, id]) => ({
    etherType: tag,
    bytes: [...short(id | 0x2000), ...short(inner.etherType), ...inner.bytes],
  })),
  plain.map((inner) => ({
    etherType: 0x8100,
    bytes: [0, 100, 0x81, 0, 0, 1, ...short(inner.etherType), ...inner.bytes],
  })),
  plain.map((inner) => ({ etherType: 0x8847, bytes: [0, 1, 1, 64, ...inner.bytes] })),
  plain.map((inner) => ({ etherType: 0x8847, bytes: [0, 1, 0, 64, 0, 2, 1, 64, ...inner.bytes] })),
  plain.map((inner) => ({
    etherType: 0x8864,
    bytes: [0x11, 0, 0, 1, ...short(inner.bytes.length + 2), ...short(pppNumber(inner.etherType)), ...inner.bytes],
  })),
);

const macs = [2, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255];
const snap = (packet: Packet): number[] => [0xaa, 0xaa, 3, 0, 0, 0, ...short(packet.etherType), ...packet.bytes];

function family(packet: Packet, of6: number): number {
  return packet.etherType === 0x800 ? 2 : packet.etherType === 0x86dd ? of6 : 7;
}

function wlan(packet: Packet, control: number): number[] {
  const qos = (control & 0x8c) === 0x88 ? [0, 0] : [];
  return [control, 1, 0, 0, ...macs, ...macs.slice(0, 6), 0, 0, ...qos, ...snap(packet)];
}

/** Link header by LINKTYPE_ number; `variant` is any small number. */
const LINKS: ReadonlyMap<number, (packet: Packet, variant: number) => number[]> = new Map([
  [0, (packet, variant) => [family(packet, [24, 28, 30][variant % 3] ?? 0), 0, 0, 0, ...packet.bytes]],
  [1, (packet) => [...macs, ...short(packet.etherType), ...packet.bytes]],
  [6, (packet) => [16, 64, ...macs, ...snap(packet)]],
  [9, (packet) => [255, 3, ...short(pppNumber(packet.etherType)), ...packet.bytes]],
  [10, (packet) => [0x54, ...macs, ...snap(packet)]],
  [50, (packet) => [255, 3, ...short(pppNumber(packet.etherType)), ...packet.bytes]],
  [51, (packet) => [0x11, 0, 0, 1, 0, 9, ...short(pppNumber(packet.etherType)), ...packet.bytes]],
  [101, (packet) => [...packet.bytes]],
  [104, (packet) => [15, 0, ...short(packet.etherType), ...packet.bytes]],
  [105, (packet, variant) => wlan(packet, [8, 0x88, 0x80, 0x0c][variant % 4] ?? 8)],
  [108, (packet, variant) => [0, 0, 0, family(packet, [24, 28, 30][variant % 3] ?? 0), ...packet.bytes]],
  [
    113,
    (packet) => [
      0,
      0,
      0,
      1,
      0,
      6,
      ...macs.slice(0, 8),
      ...short(packet.etherType > 1500 ? packet.etherType : 4),
      ...packet.bytes,
    ],
  ],
  [119, (packet, variant) => [0, 0, 0, 0x44, ...new Array<number>(140).fill(variant), ...wlan(packet, 8)]],
  [122, (packet) => [0, 0, ...macs.slice(0, 6), 0, 0, ...macs.slice(6), ...snap(packet)]],
  [
    127,
    (packet, variant) => [
      ...[0, 0, 18, 0, variant & 3, 0, 0, variant & 4 ? 0x80 : 0, variant & 8 ? 0x20 : 0],
      ...[0, 0, 0, 0, 0, 0, 0, variant & 8 ? 0x20 : 0, 0],
      ...wlan(packet, variant & 1 ? 0x88 : 8),
    ],
  ],
  [163, (packet) => [0x80, 0x21, 0x10, 1, 0, 0, 0, 64, ...new Array<number>(56).fill(0), ...wlan(packet, 0x88)]],
  [226, (packet) => [1, family(packet, 26), ...new Array<number>(22).fill(0), ...packet.bytes]],
  [228, (packet) => [...packet.bytes]],
  [229, (packet) => [...packet.bytes]],
  [276, (packet) => [...short(packet.etherType), ...new Array<number>(18).fill(0), ...packet.bytes]],
]);

export const LINK_TYPES: readonly number[] = [...LINKS.keys()];

/**
 * 802.11: libpcap keeps the length of the header in a register that it also gives to arithmetic, so that an expression with
 * both finds addresses in the wrong place. The filter here does not.
 */
export const WITHOUT_ARITHMETIC: readonly number[] = [105, 119, 127, 163];

/** Captures of some hundred made frames of a link type, one in three of them cut. */
export function madeCapture(link: number): fc.Arbitrary<Capture> {
  const header = LINKS.get(link);
  const frame = fc.tuple(wrapped, fc.nat(15), fc.nat(260), fc.nat(2)).map(([packet, variant, length, cut]) => {
    const bytes = Uint8Array.from(header?.(packet, variant) ?? []);
    return cut === 0 ? record(bytes.subarray(0, length), bytes.length) : record(bytes);
  });
  return fc.array(frame, { minLength: 150, maxLength: 150 }).map((frames) => captureOf(link, frames));
}
