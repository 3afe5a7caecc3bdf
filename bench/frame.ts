/**
 * Ethernet frames of generated traffic, written in place: valid lengths and checksums, a payload that is the same
 * pattern everywhere.
 */
import type { Flow } from './traffic.js';

export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;
/** Longest payload of a packet in bytes. */
export const LONGEST_PAYLOAD = 1448;
/** Bytes that one frame may take at the most. */
export const LONGEST_FRAME = 18 + 40 + 40 + LONGEST_PAYLOAD;
const SHORTEST_FRAME = 60;

const PATTERN = Uint8Array.from({ length: LONGEST_PAYLOAD }, (_, i) => (i * 131 + 7) & 0xff);
/** Sum of the first n bytes of the pattern as 16-bit words (RFC 1071). */
const PATTERN_SUMS = sums(PATTERN);

function sums(bytes: Uint8Array): Float64Array {
  const out = new Float64Array(bytes.length + 1);
  for (let i = 0; i < bytes.length; i++) out[i + 1] = out[i]! + (i & 1 ? bytes[i]! : bytes[i]! << 8);
  return out;
}

/** What one packet adds to its flow. */
export interface PacketShape {
  /** From the server to the client. */
  reverse: boolean;
  /** TCP only. */
  flags: number;
  sequence: number;
  acknowledgment: number;
  payload: number;
  /** IPv4 identification. */
  id: number;
}

/** Lengths of the frame that was written last, in bytes. */
export interface FrameLengths {
  /** On the wire, padding included. */
  wire: number;
  /** Total length of the IP packet. */
  ip: number;
}

/** Writes the frame at `at`; there must be room for LONGEST_FRAME bytes. */
export function writeFrame(view: DataView, at: number, flow: Flow, packet: PacketShape, lengths: FrameLengths): void {
  const options = flow.udp ? 0 : packet.flags & TcpFlag.syn ? 20 : 12;
  const transport = (flow.udp ? 8 : 20 + options) + packet.payload;
  const ip = writeEthernet(view, at, flow, packet.reverse);
  lengths.ip = (flow.v6 ? 40 : 20) + transport;
  const sum = flow.v6 ? writeIPv6(view, ip, flow, packet, transport) : writeIPv4(view, ip, flow, packet, lengths.ip);
  const layer4 = ip + lengths.ip - transport;
  if (flow.udp) writeUdp(view, layer4, flow, packet, sum + transport + 17);
  else writeTcp(view, layer4, flow, packet, options, sum + transport + 6);

  const end = ip + lengths.ip;
  new Uint8Array(view.buffer, view.byteOffset + end - packet.payload, packet.payload).set(
    packet.payload === LONGEST_PAYLOAD ? PATTERN : PATTERN.subarray(0, packet.payload),
  );
  lengths.wire = Math.max(SHORTEST_FRAME, end - at);
  for (let i = end; i < at + SHORTEST_FRAME; i++) view.setUint8(i, 0);
}

/** Returns where the IP header begins. */
function writeEthernet(view: DataView, at: number, flow: Flow, reverse: boolean): number {
  const to = reverse ? 1 : 2;
  view.setUint32(at, 0x0200_0000);
  view.setUint16(at + 4, to);
  view.setUint32(at + 6, 0x0200_0000);
  view.setUint16(at + 10, 3 - to);
  let p = at + 12;
  if (flow.vlan) {
    view.setUint32(p, 0x8100_0000 | flow.vlan);
    p += 4;
  }
  view.setUint16(p, flow.v6 ? 0x86dd : 0x0800);
  return p + 2;
}

/** Returns the sum of the addresses for the pseudo header, as do the others. */
function writeIPv4(view: DataView, at: number, flow: Flow, packet: PacketShape, length: number): number {
  const source = packet.reverse ? flow.server[0]! : flow.client[0]!;
  const target = packet.reverse ? flow.client[0]! : flow.server[0]!;
  const addresses = words(source) + words(target);
  const protocol = 0x3e00 | (flow.udp ? 17 : 6);
  view.setUint16(at, 0x4500);
  view.setUint16(at + 2, length);
  view.setUint16(at + 4, packet.id);
  view.setUint16(at + 6, 0x4000);
  view.setUint16(at + 8, protocol);
  view.setUint16(at + 10, checksum(0x4500 + length + packet.id + 0x4000 + protocol + addresses));
  view.setInt32(at + 12, source);
  view.setInt32(at + 16, target);
  return addresses;
}

function writeIPv6(view: DataView, at: number, flow: Flow, packet: PacketShape, length: number): number {
  const source = packet.reverse ? flow.server : flow.client;
  const target = packet.reverse ? flow.client : flow.server;
  view.setUint32(at, 0x6000_0000);
  view.setUint16(at + 4, length);
  view.setUint16(at + 6, flow.udp ? 0x113e : 0x063e);
  let addresses = 0;
  for (let i = 0; i < 4; i++) {
    view.setInt32(at + 8 + 4 * i, source[i]!);
    view.setInt32(at + 24 + 4 * i, target[i]!);
    addresses += words(source[i]!) + words(target[i]!);
  }
  return addresses;
}

function writePorts(view: DataView, at: number, flow: Flow, reverse: boolean): void {
  view.setUint16(at, reverse ? flow.serverPort : flow.clientPort);
  view.setUint16(at + 2, reverse ? flow.clientPort : flow.serverPort);
}

function writeUdp(view: DataView, at: number, flow: Flow, packet: PacketShape, pseudo: number): void {
  const length = 8 + packet.payload;
  writePorts(view, at, flow, packet.reverse);
  view.setUint16(at + 4, length);
  const sum = pseudo + flow.clientPort + flow.serverPort + length + PATTERN_SUMS[packet.payload]!;
  view.setUint16(at + 6, checksum(sum) || 0xffff);
}

function writeTcp(view: DataView, at: number, flow: Flow, packet: PacketShape, options: number, pseudo: number): void {
  writePorts(view, at, flow, packet.reverse);
  view.setUint32(at + 4, packet.sequence);
  view.setUint32(at + 8, packet.acknowledgment);
  view.setUint16(at + 12, (((20 + options) / 4) << 12) | packet.flags);
  view.setUint16(at + 14, 64240);
  view.setUint32(at + 16, 0);
  let p = at + 20;
  if (options === 20) {
    view.setUint32(p, 0x0204_05b4); // maximum segment size 1460
    view.setUint32(p + 4, 0x0103_0307); // window scale 7
    p += 8;
  }
  view.setUint32(p, 0x0101_080a); // timestamps
  view.setUint32(p + 4, 1);
  view.setUint32(p + 8, 1);
  let sum = pseudo + PATTERN_SUMS[packet.payload]!;
  for (let i = at; i < p + 12; i += 2) sum += view.getUint16(i);
  view.setUint16(at + 16, checksum(sum));
}

function words(value: number): number {
  return (value >>> 16) + (value & 0xffff);
}

function checksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}
