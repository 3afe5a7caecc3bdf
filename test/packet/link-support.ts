import { Batch } from '../../src/packet/batch.js';
import { Walk } from '../../src/packet/walk.js';

/** Bytes from hexadecimal text (spaces ignored) and other bytes, one after the other. */
export function bytes(...parts: (string | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part.replace(/\s+/g, ''), 'hex')] : [...part])),
  );
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

/** Little-endian 32-bit words. */
export function words(...values: number[]): Uint8Array {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) out.writeUInt32LE(value >>> 0, i * 4);
  return out;
}

/** A UDP datagram; the checksum is left out. */
export function udp(source: number, destination: number, payload: Uint8Array): Uint8Array {
  return bytes(u16(source), u16(destination), u16(payload.length + 8), '0000', payload);
}

/** An IPv4 packet from 10.1.2.3 to 10.9.8.7 (or with the last byte of the source given). */
export function ipv4(payload: Uint8Array, protocol = 17, host = 3): Uint8Array {
  const length = u16(20 + payload.length);
  return bytes(
    '4500',
    length,
    '1234 0000 40',
    Uint8Array.of(protocol),
    '0000 0a0102',
    Uint8Array.of(host),
    '0a090807',
    payload,
  );
}

/** An IPv6 packet from 2001:db8::1 to 2001:db8::2, or from other addresses (of 32 hexadecimal digits). */
export function ipv6(
  payload: Uint8Array,
  protocol = 17,
  source = '20010db8000000000000000000000001',
  destination = '20010db8000000000000000000000002',
): Uint8Array {
  return bytes('60000000', u16(payload.length), Uint8Array.of(protocol), '40', source, destination, payload);
}

export const PACKET_V4: Uint8Array = ipv4(udp(4000, 4001, bytes('68656c6c6f')));
export const PACKET_V6: Uint8Array = ipv6(udp(4000, 4001, bytes('68656c6c6f')));

/** Where a parser left its walk, offsets counted from the first byte of the frame. */
export interface Parsed {
  result: number | boolean;
  pos: number;
  end: number;
  wireEnd: number;
  etherType: number;
  /** -1 if the parser said there is none. */
  mac: number;
  tunnelId: number;
}

export interface ParseOptions {
  /** Bytes captured; default: all. */
  captured?: number;
  /** Length on the wire; default: that of the frame. */
  wire?: number;
  /** What stands behind the captured bytes; without it there is nothing, and reading it throws. */
  behind?: number;
}

const START = 24;
const INDEX = 3;
const STALE = 0x7e7e;
export const UNTOUCHED = -2;

/** Runs a parser on a frame in the middle of a buffer, with stale values in all that it is to set. */
export function parse(
  parser: (walk: Walk) => number | boolean,
  frame: Uint8Array,
  { captured = frame.length, wire = frame.length, behind }: ParseOptions = {},
): Parsed {
  const memory = new Uint8Array(START + captured + (behind === undefined ? 0 : 4096)).fill(behind ?? 0);
  memory.fill(0x5a, 0, START);
  memory.set(frame.subarray(0, captured), START);
  const batch = new Batch({ capacity: INDEX + 1 });
  batch.attach(memory, new DataView(memory.buffer));
  batch.mac.fill(STALE);
  batch.tunnelId.fill(STALE);
  const walk = new Walk(batch);
  walk.index = INDEX;
  walk.pos = START;
  walk.end = START + captured;
  walk.wireEnd = START + wire;
  walk.etherType = STALE;
  const result = parser(walk);
  const mac = batch.mac[INDEX];
  return {
    result,
    pos: walk.pos - START,
    end: walk.end - START,
    wireEnd: walk.wireEnd - START,
    etherType: walk.etherType,
    mac: mac === STALE ? UNTOUCHED : mac === 0 ? -1 : mac - START,
    tunnelId: batch.tunnelId[INDEX] === STALE ? UNTOUCHED : batch.tunnelId[INDEX],
  };
}
