import { PcapWriter } from '../../src/codec/pcap-write.js';
import { addressWords } from './records.js';

/** 2024-01-01T00:00:00Z: second 0 of the packets that tests build. */
export const EPOCH_SECONDS = 1_704_067_200;

/** A frame and when it was seen: seconds after `EPOCH_SECONDS`, exact to the nanosecond. */
export interface TimedFrame {
  at: number;
  bytes: Uint8Array;
  /** Length on the wire; default that of `bytes`. */
  wire?: number;
  /** Link type. Default Ethernet. */
  link?: number;
  iface?: number;
}

/** TCP flags by letter. */
const FLAG_BITS: Readonly<Record<string, number>> = {
  F: 1,
  S: 2,
  R: 4,
  P: 8,
  A: 16,
  U: 32,
  E: 64,
  C: 128,
  N: 256,
};

export function flagBits(letters: string): number {
  return [...letters].reduce((bits, letter) => bits | FLAG_BITS[letter], 0);
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)];
}

function addressBytes(text: string): number[] {
  return addressWords(text).flatMap(u32);
}

/** One's complement sum of RFC 1071, inverted. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let k = 0; k < bytes.length; k++) sum += k & 1 ? bytes[k] : bytes[k] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface IPv4Options {
  ttl?: number;
  tos?: number;
  id?: number;
  /** In bytes, a multiple of 8. */
  fragmentOffset?: number;
  moreFragments?: boolean;
  /** The total length that the header claims; default the true one. */
  total?: number;
}

export function ipv4(
  src: string,
  dst: string,
  protocol: number,
  payload: Uint8Array,
  options: IPv4Options = {},
): Uint8Array {
  const header = Uint8Array.from([
    0x45,
    options.tos ?? 0,
    ...u16(options.total ?? 20 + payload.length),
    ...u16(options.id ?? 0),
    ...u16(((options.fragmentOffset ?? 0) >>> 3) | (options.moreFragments === true ? 0x2000 : 0)),
    options.ttl ?? 64,
    protocol,
    0,
    0,
    ...addressBytes(src),
    ...addressBytes(dst),
  ]);
  header.set(u16(checksum(header)), 10);
  return join(header, payload);
}

export interface IPv6Options {
  hopLimit?: number;
  trafficClass?: number;
  flowLabel?: number;
}

export function ipv6(
  src: string,
  dst: string,
  next: number,
  payload: Uint8Array,
  options: IPv6Options = {},
): Uint8Array {
  const first = (0x60000000 | ((options.trafficClass ?? 0) << 20) | (options.flowLabel ?? 0)) >>> 0;
  const fixed = [...u32(first), ...u16(payload.length), next, options.hopLimit ?? 64];
  return join(fixed, addressBytes(src), addressBytes(dst), payload);
}

/** IPv4 or IPv6, by the form of the addresses. */
export function ip(src: string, dst: string, protocol: number, payload: Uint8Array): Uint8Array {
  return src.includes(':') ? ipv6(src, dst, protocol, payload) : ipv4(src, dst, protocol, payload);
}

/** IPv6 fragment header with its part of the packet; `offset` in bytes. */
export function fragmentHeader(next: number, offset: number, more: boolean, id: number, part: Uint8Array): Uint8Array {
  return join([next, 0, ...u16(offset | (more ? 1 : 0)), ...u32(id)], part);
}

export interface TcpOptions {
  flags?: string;
  seq?: number;
  ack?: number;
  window?: number;
  /** Bytes of TCP options, a multiple of 4. */
  options?: readonly number[];
}

export function tcp(
  srcPort: number,
  dstPort: number,
  options: TcpOptions = {},
  payload: Uint8Array = zeros(0),
): Uint8Array {
  const extra = options.options ?? [];
  const bits = flagBits(options.flags ?? 'A');
  const words = 5 + extra.length / 4;
  return join(
    [...u16(srcPort), ...u16(dstPort), ...u32(options.seq ?? 0), ...u32(options.ack ?? 0)],
    [...u16((words << 12) | bits), ...u16(options.window ?? 65_535), 0, 0, 0, 0],
    extra,
    payload,
  );
}

export function udp(srcPort: number, dstPort: number, payload: Uint8Array = zeros(0)): Uint8Array {
  return join([...u16(srcPort), ...u16(dstPort), ...u16(8 + payload.length), 0, 0], payload);
}

/** ICMP and ICMPv6: `rest` are the second four bytes. */
export function icmp(type: number, code: number, payload: Uint8Array = zeros(0), rest = 0): Uint8Array {
  return join([type, code, 0, 0, ...u32(rest)], payload);
}

/** SCTP common header and nothing else (ports, tag, checksum). */
export function sctp(srcPort: number, dstPort: number, payload: Uint8Array = zeros(0)): Uint8Array {
  return join([...u16(srcPort), ...u16(dstPort), ...u32(1), ...u32(0)], payload);
}

/** DCCP generic header, 12 bytes. */
export function dccp(srcPort: number, dstPort: number): Uint8Array {
  return join([...u16(srcPort), ...u16(dstPort), 3, 0, 0, 0, 0, 0, 0, 0]);
}

export function esp(spi: number, payload: Uint8Array): Uint8Array {
  return join(u32(spi), u32(1), payload);
}

/** Authentication header of 24 bytes, and what follows it. */
export function ah(next: number, spi: number, payload: Uint8Array): Uint8Array {
  return join([next, 4, 0, 0], u32(spi), u32(1), zeros(12), payload);
}

/** GRE version 0, with a key if one is given. */
export function gre(etherType: number, payload: Uint8Array, key?: number): Uint8Array {
  return key === undefined
    ? join([0, 0, ...u16(etherType)], payload)
    : join([0x20, 0, ...u16(etherType), ...u32(key)], payload);
}

export function vxlan(vni: number, frame: Uint8Array): Uint8Array {
  return join([8, 0, 0, 0], u32(vni << 8), frame);
}

export interface EthernetOptions {
  vlan?: readonly number[];
  mpls?: readonly number[];
  /** MAC addresses end in these bytes. */
  from?: number;
  to?: number;
}

/** Ethernet frame around an IP packet. */
export function ethernet(packet: Uint8Array, options: EthernetOptions = {}): Uint8Array {
  const etherType = packet[0] >>> 4 === 6 ? 0x86dd : 0x0800;
  const labels = options.mpls ?? [];
  const tags = (options.vlan ?? []).flatMap((id) => [0x81, 0x00, ...u16(id)]);
  const type = labels.length > 0 ? 0x8847 : etherType;
  const stack = labels.flatMap((label, k) => u32(((label << 12) | (k === labels.length - 1 ? 0x100 : 0) | 64) >>> 0));
  return join([2, 0, 0, 0, 0, options.to ?? 2, 2, 0, 0, 0, 0, options.from ?? 1], tags, u16(type), stack, packet);
}

/** Splits the IPv4 packet's payload into fragments that carry `size` bytes each (a multiple of 8). */
export function fragments4(
  src: string,
  dst: string,
  protocol: number,
  payload: Uint8Array,
  id: number,
  size: number,
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const moreFragments = offset + size < payload.length;
    const part = payload.subarray(offset, offset + size);
    parts.push(ipv4(src, dst, protocol, part, { id, fragmentOffset: offset, moreFragments }));
  }
  return parts;
}

export function fragments6(
  src: string,
  dst: string,
  protocol: number,
  payload: Uint8Array,
  id: number,
  size: number,
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const part = payload.subarray(offset, offset + size);
    parts.push(ipv6(src, dst, 44, fragmentHeader(protocol, offset, offset + size < payload.length, id, part)));
  }
  return parts;
}

/** Ethernet frames of IP packets at times in seconds. */
export function timed(
  ...packets: readonly (readonly [at: number, packet: Uint8Array, options?: EthernetOptions])[]
): TimedFrame[] {
  return packets.map(([at, packet, options]) => ({ at, bytes: ethernet(packet, options) }));
}

/** Seconds since 1970 and nanoseconds of a frame. */
export function timeOf(frame: TimedFrame): { seconds: number; nanos: number } {
  const nanos = Math.round((frame.at - Math.floor(frame.at)) * 1e9);
  const carry = nanos === 1e9 ? 1 : 0;
  return { seconds: EPOCH_SECONDS + Math.floor(frame.at) + carry, nanos: carry === 1 ? 0 : nanos };
}

/** A pcap file with nanosecond times; all frames have the link type of the first one. */
export function pcapOf(frames: readonly TimedFrame[]): Uint8Array {
  const writer = new PcapWriter({ linkType: frames[0]?.link ?? 1, variant: 'nano' });
  const lengths = frames.reduce((sum, frame) => sum + writer.recordHeaderLength + frame.bytes.length, 0);
  const file = new Uint8Array(writer.fileHeaderLength + lengths);
  let end = writer.writeHeader(file, 0);
  for (const frame of frames) {
    const { seconds, nanos } = timeOf(frame);
    end = writer.writeRecord(file, end, seconds, nanos, frame.bytes, frame.wire ?? frame.bytes.length);
  }
  return file;
}
