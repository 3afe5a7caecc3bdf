import { NTP_UNIX_OFFSET } from '../../codec/ipfix/data-type.js';
import type { TimeUnit } from './options.js';

const WORD = 0x1_0000_0000;
/** The lower 11 bits of the fraction of microsecond times are zero (RFC 7011 §6.1.9). */
const MICRO_GRAIN = 2048;

/** Writes a time in one of IPFIX's four ways (RFC 7011 §6.1.7–6.1.10) and returns the end. What is finer is cut off. */
export type WriteTime = (view: DataView, at: number, seconds: number, nanos: number) => number;

export function writeMilliseconds(view: DataView, at: number, seconds: number, nanos: number): number {
  const ms = seconds * 1000 + Math.floor(nanos / 1_000_000);
  const high = Math.floor(ms / WORD);
  view.setUint32(at, high);
  // Less than a remainder of doubles takes.
  view.setUint32(at + 4, ms - high * WORD);
  return at + 8;
}

/** NTP's fraction that a reader who cuts off gets the same microsecond from. */
function writeMicroseconds(view: DataView, at: number, seconds: number, nanos: number): number {
  const micros = Math.floor(nanos / 1000);
  view.setUint32(at, seconds + NTP_UNIX_OFFSET);
  view.setUint32(at + 4, Math.ceil((micros * WORD) / 1_000_000 / MICRO_GRAIN) * MICRO_GRAIN);
  return at + 8;
}

/** As above for nanoseconds: 2^32 / 10^9 = 4 + 576108/1953125, which keeps all products below 2^53. */
function writeNanoseconds(view: DataView, at: number, seconds: number, nanos: number): number {
  view.setUint32(at, seconds + NTP_UNIX_OFFSET);
  view.setUint32(at + 4, nanos * 4 + Math.ceil((nanos * 576_108) / 1_953_125));
  return at + 8;
}

function writeSeconds(view: DataView, at: number, seconds: number): number {
  view.setUint32(at, seconds);
  return at + 4;
}

export const TIME_ELEMENTS: Readonly<
  Record<TimeUnit, { start: number; end: number; name: string; length: number; write: WriteTime }>
> = {
  s: { start: 150, end: 151, name: 'Seconds', length: 4, write: writeSeconds },
  ms: { start: 152, end: 153, name: 'Milliseconds', length: 8, write: writeMilliseconds },
  us: { start: 154, end: 155, name: 'Microseconds', length: 8, write: writeMicroseconds },
  ns: { start: 156, end: 157, name: 'Nanoseconds', length: 8, write: writeNanoseconds },
};
