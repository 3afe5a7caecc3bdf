import { randomBytes } from 'node:crypto';

export interface DedupeOptions {
  /** Sights of a packet that are further apart are two packets. */
  readonly windowMs: number;
  /** Packets that are remembered. Rounded up to a power of two. */
  readonly entries: number;
}

const WAYS = 4;
/** Bytes of the transport header and payload that are compared. */
const COMPARED = 24;

/**
 * Tells the second sight of a packet on another interface: same addresses, protocol, length, IP id and first bytes behind
 * the IP header, within a window of time. What routers change on the way (TTL, header checksum, ToS) and what offload
 * leaves open (checksums of TCP and UDP) is not compared. Memory is bounded; the oldest of four is forgotten.
 *
 * A packet seen again on the interface that saw it first is a new packet (a retransmission), not a second sight.
 */
export class Dedupe {
  private readonly windowNanos: number;
  private readonly mask: number;
  /** Four words an entry: hash (2), seconds, nanoseconds. */
  private readonly words: Int32Array;
  private readonly interfaces: Int32Array;
  private readonly seeds: Int32Array;
  private low = 0;
  private high = 0;

  constructor({ windowMs, entries }: DedupeOptions) {
    const size = 2 ** Math.max(4, Math.ceil(Math.log2(entries)));
    this.windowNanos = windowMs * 1e6;
    this.mask = size - 1;
    this.words = new Int32Array(size * 4);
    this.interfaces = new Int32Array(size).fill(-1);
    const seeds = randomBytes(8);
    this.seeds = Int32Array.of(seeds.readInt32LE(0), seeds.readInt32LE(4));
  }

  /**
   * True if the packet was seen before on another interface. Packets that are not IP never are.
   * @param at first byte of the frame, Ethernet or (`ethernet` false) bare IP
   */
  seen(
    view: DataView,
    at: number,
    captured: number,
    ethernet: boolean,
    face: number,
    seconds: number,
    nanos: number,
  ): boolean {
    if (!this.hash(view, at, at + captured, ethernet)) return false;
    const { words, interfaces, low, high } = this;
    const first = low & this.mask & ~(WAYS - 1);
    let oldest = first;
    let oldestAge = -1;
    for (let entry = first; entry < first + WAYS; entry++) {
      const w = entry * 4;
      const age = (seconds - words[w + 2]) * 1e9 + (nanos - words[w + 3]);
      if (interfaces[entry] === -1) {
        oldest = entry;
        oldestAge = Number.POSITIVE_INFINITY;
      } else if (words[w] === low && words[w + 1] === high) {
        // Rings are read one after the other: the second sight may be stamped before the first.
        if (interfaces[entry] !== face && Math.abs(age) <= this.windowNanos) return true;
        oldest = entry;
        break;
      } else if (Math.abs(age) > oldestAge) {
        oldestAge = Math.abs(age);
        oldest = entry;
      }
    }
    interfaces[oldest] = face;
    words[oldest * 4] = low;
    words[oldest * 4 + 1] = high;
    words[oldest * 4 + 2] = seconds;
    words[oldest * 4 + 3] = nanos;
    return false;
  }

  private mix(word: number): void {
    this.low = Math.imul(this.low ^ word, 0x9e3779b1);
    this.low ^= this.low >>> 15;
    this.high = Math.imul(this.high + word, 0x85ebca6b);
    this.high = (this.high << 13) | (this.high >>> 19);
  }

  /** False if it is not IP or cut too early. */
  private hash(view: DataView, start: number, end: number, ethernet: boolean): boolean {
    let at = start;
    if (ethernet) {
      at += 12;
      // Tags differ from one interface to the other: they are passed over.
      for (let tags = 0; at + 4 <= end && tags < 3; tags++) {
        const type = view.getUint16(at);
        if (type !== 0x8100 && type !== 0x88a8) break;
        at += 4;
      }
      if (at + 2 > end) return false;
      const type = view.getUint16(at);
      if (type !== 0x0800 && type !== 0x86dd) return false;
      at += 2;
    }
    if (at + 20 > end) return false;
    this.low = this.seeds[0];
    this.high = this.seeds[1];
    let protocol: number;
    let transport: number;
    const version = view.getUint8(at) >>> 4;
    if (version === 4) {
      protocol = view.getUint8(at + 9);
      transport = at + (view.getUint8(at) & 15) * 4;
      this.mix(view.getInt32(at + 2)); // length, and half of the id
      this.mix(view.getInt32(at + 4)); // id, fragment
      this.mix(view.getInt32(at + 12));
      this.mix(view.getInt32(at + 16));
    } else if (version === 6 && at + 40 <= end) {
      protocol = view.getUint8(at + 6);
      transport = at + 40;
      this.mix(view.getInt32(at) & 0xfffff); // flow label
      this.mix(view.getInt32(at + 4) >>> 8); // length, next header
      for (let word = 8; word < 40; word += 4) this.mix(view.getInt32(at + word));
    } else return false;
    this.mix(protocol);
    const checksum = protocol === 6 ? transport + 16 : protocol === 17 ? transport + 4 : -1;
    for (let p = transport; p + 4 <= end && p < transport + COMPARED; p += 4) {
      const word = view.getInt32(p);
      if (p !== checksum) this.mix(word);
      else this.mix(protocol === 6 ? word & 0xffff : word >>> 16);
    }
    return true;
  }
}
