import { pcap } from '../observe/collect.js';
import { addressWords } from '../support/records.js';

/** TCP flags. */
export const Flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;
export const Proto = { icmp: 1, tcp: 6, udp: 17 } as const;
export const ETHERNET = 1;
/** 2024-01-01, in seconds. */
export const EPOCH = 1_704_067_200;

/** A packet as a test writes it. */
export interface Packet {
  /** Milliseconds after EPOCH. */
  at?: number;
  src?: string;
  dst?: string;
  protocol?: number;
  srcPort?: number;
  dstPort?: number;
  /** TCP. */
  flags?: number;
  sequence?: number;
  acknowledged?: number;
  /** Bytes behind the transport header, all zero. */
  payload?: number;
  /** A fragment of an IPv4 packet: offset in bytes (a later one has no transport header), and whether more follow. */
  fragment?: { id: number; offset: number; more: boolean };
}

/** Transport header and payload; of a later fragment only payload. */
export function segmentOf(packet: Packet): Uint8Array {
  const payload = packet.payload ?? 0;
  if (packet.fragment !== undefined && packet.fragment.offset > 0) return new Uint8Array(payload);
  const protocol = packet.protocol ?? Proto.tcp;
  const header = protocol === Proto.tcp ? 20 : 8;
  const bytes = new Uint8Array(header + payload);
  const view = new DataView(bytes.buffer);
  if (protocol === Proto.icmp) {
    view.setUint8(0, 8);
    return bytes;
  }
  view.setUint16(0, packet.srcPort ?? 1024);
  view.setUint16(2, packet.dstPort ?? 80);
  if (protocol === Proto.udp) {
    // The length of the whole datagram is not known in its first fragment: 0 stands for that here.
    view.setUint16(4, packet.fragment === undefined ? bytes.length : 0);
    return bytes;
  }
  view.setUint32(4, packet.sequence ?? 0);
  view.setUint32(8, packet.acknowledged ?? 0);
  view.setUint16(12, 0x5000 | (packet.flags ?? Flag.ack));
  view.setUint16(14, 1000);
  return bytes;
}

/** IPv4 or IPv6 packet, by its addresses. The header is that which `Meter.l4` makes. */
export function ipOf(packet: Packet): Uint8Array {
  const segment = segmentOf(packet);
  const src = addressWords(packet.src ?? '10.0.0.1');
  const dst = addressWords(packet.dst ?? '10.0.0.2');
  const v4 = src.length === 1;
  const header = v4 ? 20 : 40;
  const bytes = new Uint8Array(header + segment.length);
  const view = new DataView(bytes.buffer);
  const protocol = packet.protocol ?? Proto.tcp;
  if (v4) {
    view.setUint16(0, 0x4500);
    view.setUint16(2, bytes.length);
    const { fragment } = packet;
    view.setUint16(4, fragment?.id ?? 0);
    view.setUint16(6, fragment === undefined ? 0x4000 : (fragment.more ? 0x2000 : 0) | (fragment.offset >> 3));
    view.setUint16(8, (64 << 8) | protocol);
  } else {
    view.setUint32(0, 0x60000000);
    view.setUint16(4, segment.length);
    view.setUint16(6, (protocol << 8) | 64);
  }
  [...src, ...dst].forEach((word, n) => {
    view.setInt32((v4 ? 12 : 8) + n * 4, word);
  });
  bytes.set(segment, header);
  return bytes;
}

/** Ends in the last byte of the IP address. */
function macOf(address: string): number[] {
  return [2, 0, 0, 0, 0, (addressWords(address).at(-1) as number) & 0xff];
}

export function frameOf(packet: Packet): Uint8Array {
  const ip = ipOf(packet);
  const frame = new Uint8Array(14 + ip.length);
  frame.set([...macOf(packet.dst ?? '10.0.0.2'), ...macOf(packet.src ?? '10.0.0.1')]);
  new DataView(frame.buffer).setUint16(12, ip[0] >> 4 === 4 ? 0x0800 : 0x86dd);
  frame.set(ip, 14);
  return frame;
}

/** Time of a packet, exact. */
export function timeOf(packet: Packet): { seconds: number; nanos: number } {
  const at = packet.at ?? 0;
  const seconds = Math.floor(at / 1000);
  return { seconds: EPOCH + seconds, nanos: Math.round((at - seconds * 1000) * 1e6) };
}

/** A pcap file of the packets, with times in nanoseconds. */
export function captureOf(packets: readonly Packet[]): Uint8Array {
  const samples = packets.map((packet) => ({ ...timeOf(packet), data: frameOf(packet) }));
  return pcap(samples, { variant: 'nano' });
}

/** The packets of a TCP connection from SYN to the last ACK, a millisecond apart. */
export function connection(from: Packet = {}): Packet[] {
  const { src = '10.0.0.1', dst = '10.0.0.2', srcPort = 1024, dstPort = 80, at = 0 } = from;
  const forth = { src, dst, srcPort, dstPort };
  const back = { src: dst, dst: src, srcPort: dstPort, dstPort: srcPort };
  const steps: Packet[] = [
    { ...forth, flags: Flag.syn, sequence: 100 },
    { ...back, flags: Flag.syn | Flag.ack, sequence: 500, acknowledged: 101 },
    { ...forth, flags: Flag.ack, sequence: 101, acknowledged: 501 },
    { ...forth, flags: Flag.psh | Flag.ack, sequence: 101, acknowledged: 501, payload: 10 },
    { ...back, flags: Flag.psh | Flag.ack, sequence: 501, acknowledged: 111, payload: 20 },
    { ...forth, flags: Flag.fin | Flag.ack, sequence: 111, acknowledged: 521 },
    { ...back, flags: Flag.fin | Flag.ack, sequence: 521, acknowledged: 112 },
    { ...forth, flags: Flag.ack, sequence: 112, acknowledged: 522 },
  ];
  return steps.map((step, n) => ({ ...step, at: at + n }));
}
