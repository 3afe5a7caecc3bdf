import { type Batch, Mark } from './batch.js';
import { KeyKind } from './key.js';
import { Refusal } from './refusal.js';

/** IP protocol numbers that are read (IANA). */
export const Protocol = {
  icmp: 1,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  icmp6: 58,
  noNext: 59,
  sctp: 132,
  udplite: 136,
} as const;

/** ICMP type → type of the request, for messages that come in pairs; 255 = one-way. Replies have bit 8 set. */
const REPLY = 256;
const ICMP_PAIRS: readonly (readonly [number, number])[] = [
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
  [10, 9],
];
const ICMP6_PAIRS: readonly (readonly [number, number])[] = [
  [128, 129],
  [133, 134],
  [135, 136],
  [130, 131],
  [144, 145],
  [139, 140],
];
const ONE_WAY = -1;

function pairTable(pairs: readonly (readonly [number, number])[]): Int16Array {
  const table = new Int16Array(256).fill(ONE_WAY);
  for (const [request, reply] of pairs) {
    table[request] = request;
    table[reply] = request | REPLY;
  }
  return table;
}
const icmpPair = pairTable(ICMP_PAIRS);
const icmp6Pair = pairTable(ICMP6_PAIRS);

/** The reply's type of an ICMP request that has one (`version` 4 or 6), else the type itself. */
export function icmpReplyType(type: number, version: number): number {
  for (const [request, reply] of version === 4 ? ICMP_PAIRS : ICMP6_PAIRS) if (request === type) return reply;
  return type;
}

/**
 * Reads the transport header at `pos`: sets `ports` (in packet order), `meta` (with `version` 4 or 6), payload columns and
 * TCP flags. `end`: end of the captured bytes; `realEnd`: end of the IP packet by its length field. Returns a `Refusal`.
 */
export function readTransport(
  batch: Batch,
  i: number,
  protocol: number,
  version: number,
  pos: number,
  end: number,
  realEnd: number,
): number {
  const view = batch.view;
  const captured = end - pos;
  const real = realEnd - pos;
  let meta = protocol | (version << 8);
  let header = 0;
  let realPayloadEnd = realEnd;
  batch.transport[i] = pos;
  switch (protocol) {
    case Protocol.tcp: {
      if (captured < 14) {
        if (real < 20) return Refusal.transportMalformed;
        if (captured < 4) return Refusal.transportShort;
        batch.marks[i] |= Mark.cut;
        header = 20;
      } else {
        header = (view.getUint8(pos + 12) >>> 2) & 0x3c;
        if (header < 20 || header > real) return Refusal.transportMalformed;
        batch.tcpFlags[i] = view.getUint16(pos + 12) & 0x1ff;
        batch.marks[i] |= captured < header ? Mark.tcp | Mark.cut : Mark.tcp;
      }
      batch.ports[i] = view.getInt32(pos);
      meta |= KeyKind.ports;
      break;
    }
    case Protocol.udp:
    case Protocol.udplite: {
      if (real < 8) return Refusal.transportMalformed;
      if (captured < 4) return Refusal.transportShort;
      header = 8;
      if (protocol === Protocol.udp && captured >= 6) {
        // 0 stands for "up to the end" in jumbograms and offloaded super-frames.
        const length = view.getUint16(pos + 4);
        if (length !== 0) {
          if (length < 8) return Refusal.transportMalformed;
          if (length < real) realPayloadEnd = pos + length;
        }
      }
      batch.ports[i] = view.getInt32(pos);
      meta |= KeyKind.ports;
      break;
    }
    case Protocol.sctp:
    case Protocol.dccp:
      if (real < 12) return Refusal.transportMalformed;
      if (captured < 4) return Refusal.transportShort;
      header = 12;
      batch.ports[i] = view.getInt32(pos);
      meta |= KeyKind.ports;
      break;
    case Protocol.icmp:
    case Protocol.icmp6: {
      if (real < 4) return Refusal.transportMalformed;
      if (captured < 2) return Refusal.transportShort;
      header = real < 8 ? 4 : 8;
      const type = view.getUint8(pos);
      const code = view.getUint8(pos + 1);
      const v4 = protocol === Protocol.icmp;
      const pair = v4 ? icmpPair[type] : icmp6Pair[type];
      // Taken back when it turns out that endpoint A sent it (of pairs: that A is who asks).
      meta |= KeyKind.icmp | KeyKind.reversed;
      if (pair === ONE_WAY) {
        batch.ports[i] = (type << 8) | code;
        const error = v4
          ? type === 3 || type === 4 || type === 5 || type === 11 || type === 12
          : type < 128 && type > 0;
        if (error && real > 8) {
          batch.marks[i] |= Mark.icmpError;
          batch.quote[i] = pos + 8;
        }
      } else {
        if ((pair & REPLY) !== 0) batch.marks[i] |= Mark.icmpReply;
        batch.ports[i] = ((pair & 0xff) << 8) | code;
      }
      break;
    }
    case Protocol.esp:
      if (real < 8) return Refusal.transportMalformed;
      if (captured < 4) return Refusal.transportShort;
      header = 8;
      batch.ports[i] = view.getInt32(pos);
      meta |= KeyKind.spi;
      break;
    case Protocol.ah:
      if (real < 12) return Refusal.transportMalformed;
      if (captured < 8) return Refusal.transportShort;
      header = 12;
      batch.ports[i] = view.getInt32(pos + 4);
      meta |= KeyKind.spi;
      break;
    default:
      batch.ports[i] = 0;
      if (captured <= 0) batch.transport[i] = 0;
  }
  batch.meta[i] = meta;
  const payload = pos + header;
  const length = realPayloadEnd - payload;
  batch.payload[i] = payload;
  batch.payloadLength[i] = length > 0 ? length : 0;
  const capturedEnd = end < realPayloadEnd ? end : realPayloadEnd;
  batch.payloadCaptured[i] = capturedEnd > payload ? capturedEnd - payload : 0;
  return Refusal.none;
}
