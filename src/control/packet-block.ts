import { isIP } from 'node:net';
import { ErrorCode, RheoError } from '../core/errors.js';
import { parseDotted, parseIpv6 } from '../filter/address.js';
import type { Time } from '../model/summary.js';
import type { Batch } from '../packet/batch.js';

/**
 * When a packet was seen, from 1970 (UTC) to 2106: seconds and nanoseconds; or milliseconds as a number, as `Date.now()`
 * gives them (with fractions: exact to a quarter of a microsecond in our days); or nanoseconds as a bigint.
 */
export type PacketTime = Time | number | bigint;

/** What the IP header says of a packet of which only the transport part is at hand. */
export interface TransportEnds {
  /** Addresses as text, both IPv4 or both IPv6. */
  src: string;
  dst: string;
  /** IP protocol number of the transport header (IANA): 6 TCP, 17 UDP … */
  protocol: number;
}

/** Offset of the first byte of a packet: the decoder's offsets use 0 for "none". */
const START = 16;
const ROOM = 65_536 + 64;
/** Longest packet that is taken: the longest that libpcap captures. */
const LONGEST = 262_144;
const LONGEST_ON_WIRE = 0x3fffffff;

/** Memory for one packet, and the batch that shows it to the packet road. */
export class PacketBlock {
  private readonly batch: Batch;
  private bytes: Uint8Array;
  private view: DataView;
  private readonly src = new EndAddress();
  private readonly dst = new EndAddress();

  constructor(batch: Batch) {
    this.batch = batch;
    this.bytes = new Uint8Array(START + ROOM);
    this.view = new DataView(this.bytes.buffer);
  }

  /**
   * Makes a frame the one packet of the batch.
   * @param wire length on the wire in bytes
   */
  putFrame(frame: Uint8Array, linkType: number, time: PacketTime, wire: number): void {
    checkLength(frame.length, wire);
    this.setTime(time);
    this.reserve(frame.length);
    this.bytes.set(frame, START);
    this.show(frame.length, wire, linkType);
  }

  /** The same for a transport header and what follows it; an IP header without options is put in front of it. */
  putSegment(segment: Uint8Array, ends: TransportEnds, time: PacketTime, wire: number, linkType: number): void {
    checkLength(segment.length, wire);
    const { src, dst } = this;
    src.set(ends.src);
    dst.set(ends.dst);
    const { protocol } = ends;
    if (!(Number.isInteger(protocol) && protocol >= 0 && protocol <= 255)) {
      throw new RheoError(ErrorCode.usage, `expected an IP protocol number from 0 to 255, found ${protocol}`);
    }
    if (src.version !== dst.version) {
      throw new RheoError(ErrorCode.usage, `${ends.src} and ${ends.dst} are not of the same IP version`);
    }
    this.setTime(time);
    const header = src.version === 4 ? 20 : 40;
    this.reserve(header + segment.length);
    const { bytes, view } = this;
    if (src.version === 4) {
      const total = header + wire;
      view.setUint16(START, 0x4500);
      // Longer than the field can say: 0, as the kernel writes it for segmentation offload.
      view.setUint16(START + 2, total > 0xffff ? 0 : total);
      view.setUint32(START + 4, 0x4000);
      view.setUint16(START + 8, (HOPS << 8) | protocol);
      view.setUint16(START + 10, 0);
      bytes.set(src.bytes, START + 12);
      bytes.set(dst.bytes, START + 16);
      view.setUint16(START + 10, headerChecksum(view));
    } else {
      view.setUint32(START, 0x60000000);
      view.setUint16(START + 4, wire > 0xffff ? 0 : wire);
      view.setUint16(START + 6, (protocol << 8) | HOPS);
      bytes.set(src.bytes, START + 8);
      bytes.set(dst.bytes, START + 24);
    }
    bytes.set(segment, START + header);
    this.show(header + segment.length, header + wire, linkType);
  }

  private show(captured: number, wire: number, linkType: number): void {
    const { batch } = this;
    batch.attach(this.bytes, this.view);
    batch.count = 1;
    batch.offset[0] = START;
    batch.captured[0] = captured;
    batch.wire[0] = wire;
    batch.link[0] = linkType;
    batch.iface[0] = 0;
  }

  private reserve(length: number): void {
    if (START + length <= this.bytes.length) return;
    this.bytes = new Uint8Array(START + LONGEST + 64);
    this.view = new DataView(this.bytes.buffer);
  }

  private setTime(time: PacketTime): void {
    const { batch } = this;
    const { seconds, nanos } = exactTime(time);
    batch.seconds[0] = seconds;
    batch.nanos[0] = nanos;
  }
}

/** TTL or hop limit of made headers: the usual start. */
const HOPS = 64;

/** RFC 1071, over the 20 bytes of the made header. */
function headerChecksum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(START + at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}

/** An address as bytes. Neighbouring packets mostly have the same: their text is read once. */
class EndAddress {
  version = 0;
  bytes = new Uint8Array(0);
  private text = '';

  set(text: string): void {
    if (text === this.text && this.version !== 0) return;
    this.version = 0;
    const version = typeof text === 'string' ? isIP(text) : 0;
    const words = version === 4 ? [parseDotted(text)?.address ?? 0] : version === 6 ? parseIpv6(text) : undefined;
    if (words === undefined) {
      throw new RheoError(ErrorCode.usage, `expected an IP address without a zone, found '${text}'`);
    }
    this.bytes = new Uint8Array(words.length * 4);
    const view = new DataView(this.bytes.buffer);
    words.forEach((word, n) => {
      view.setInt32(n * 4, word);
    });
    this.text = text;
    this.version = version;
  }
}

/** @throws RheoError (usage) for a time that is none, or out of range */
export function exactTime(time: PacketTime): Time {
  let exact: Time;
  if (typeof time === 'bigint') {
    exact = { seconds: Number(time / 1_000_000_000n), nanos: Number(time % 1_000_000_000n) };
  } else if (typeof time === 'number') {
    const seconds = Math.floor(time / 1000);
    const nanos = Math.round((time - seconds * 1000) * 1e6);
    exact = nanos === 1e9 ? { seconds: seconds + 1, nanos: 0 } : { seconds, nanos };
  } else exact = time;
  const { seconds, nanos } = exact;
  const whole = Number.isInteger(seconds) && Number.isInteger(nanos);
  if (!(whole && seconds >= 0 && seconds <= 0xffffffff && nanos >= 0 && nanos < 1e9)) {
    throw new RheoError(ErrorCode.usage, `expected a time between 1970 and 2106, found ${timeWords(time)}`, {
      remedy: 'Give { seconds, nanos }, milliseconds as a number, or nanoseconds as a bigint.',
    });
  }
  return exact;
}

function timeWords(time: PacketTime): string {
  return typeof time === 'object' ? `${time.seconds} s ${time.nanos} ns` : `${time} (${typeof time})`;
}

function checkLength(captured: number, wire: number): void {
  if (captured > LONGEST) {
    throw new RheoError(ErrorCode.usage, `a packet of ${captured} bytes; ${LONGEST} is the most that is taken`, {
      remedy: `Give its first ${LONGEST} bytes or fewer, and its length on the wire.`,
    });
  }
  if (!(Number.isInteger(wire) && wire >= captured && wire <= LONGEST_ON_WIRE)) {
    throw new RheoError(
      ErrorCode.usage,
      `a length on the wire of ${wire} bytes; expected ${captured} (captured) to ${LONGEST_ON_WIRE}`,
    );
  }
}
