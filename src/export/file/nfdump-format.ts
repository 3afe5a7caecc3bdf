import { icmpType } from '../../model/core-fields.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { REASON_SHIFT, Row, State } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { Protocol } from '../../packet/transport.js';
import type { Emit, FileFormat } from './format.js';
import { type FindWhole, readAt, wholeUnits } from './recover.js';

/**
 * Files of nfdump 1.7, layout 2, in the byte order of little-endian machines: a header, blocks of records, and an appendix with
 * the sums of the file. A record has extensions, each behind its number and length.
 */
const MAGIC = 0xa50c;
const LAYOUT = 2;
/** Whose files ours look like: 1.7.1, release 1. */
const NFDUMP_VERSION = 0x01070101;
const HEADER_BYTES = 40;
const BLOCK_HEADER_BYTES = 12;
const BLOCK_TYPE = 3;
/** nfdump takes blocks of up to 5 MiB; this is what it writes itself. */
const BLOCK_BYTES = 1 << 20;
/** Of 1 MiB, flushed at most so seldom. */
const FLUSH_BYTES = 256 * 1024;
const RECORD_TYPE = 11;
const RECORD_HEADER_BYTES = 12;
const Extension = { generic: 1, ipv4: 2, ipv6: 3, misc: 4, counters: 5 } as const;
const GENERIC_BYTES = 52;
const IPV4_BYTES = 12;
const IPV6_BYTES = 36;
const MISC_BYTES = 20;
const COUNTERS_BYTES = 28;
const MOST_RECORD_BYTES = RECORD_HEADER_BYTES + GENERIC_BYTES + IPV6_BYTES + MISC_BYTES + COUNTERS_BYTES;
const APPENDIX_IDENT = 0x8001;
const APPENDIX_STAT = 0x8002;
const STAT_WORDS = 18;
const IDENT = 'rheo';

/** Sums by protocol as nfdump keeps them: all, TCP, UDP, ICMP, others. */
class Sums {
  readonly flows = [0, 0, 0, 0, 0];
  readonly bytes = [0n, 0n, 0n, 0n, 0n];
  readonly packets = [0n, 0n, 0n, 0n, 0n];
  firstMs = Number.MAX_SAFE_INTEGER;
  lastMs = 0;
}

function group(protocol: number): number {
  if (protocol === Protocol.tcp) return 1;
  if (protocol === Protocol.udp) return 2;
  return protocol === Protocol.icmp || protocol === Protocol.icmp6 ? 3 : 4;
}

export class NfdumpFormat implements FileFormat {
  readonly refused = {};
  readonly #emit: Emit;
  readonly #now: () => number;
  readonly #block = Buffer.alloc(BLOCK_HEADER_BYTES + BLOCK_BYTES);
  #length = BLOCK_HEADER_BYTES;
  #records = 0;
  #blocks = 0;
  #offset = 0;
  #createdMs = 0;
  #sums = new Sums();

  /** @param now time in ms since 1970 */
  constructor(emit: Emit, now: () => number) {
    this.#emit = emit;
    this.#now = now;
  }

  get waiting(): number {
    return this.#records;
  }

  begin(): void {
    this.#blocks = 0;
    this.#sums = new Sums();
    this.#createdMs = this.#now();
    this.#offset = HEADER_BYTES;
    this.#emit(this.#header(0), HEADER_BYTES, 0);
  }

  write(batch: RecordBatch): void {
    const { stride } = batch.layout;
    for (let at = 0, end = batch.count * stride; at < end; at += stride) {
      if (this.#length + MOST_RECORD_BYTES > this.#block.length) this.#finishBlock();
      this.#record(batch, at);
    }
    if (this.#length >= FLUSH_BYTES) this.#finishBlock();
  }

  flush(): void {
    this.#finishBlock();
  }

  end(): void {
    this.#finishBlock();
    const appendix = this.#appendix();
    this.#emit(appendix, appendix.length, 0);
    const header = this.#header(this.#offset);
    this.#emit(header, header.length, 0, 0);
  }

  #header(appendixOffset: number): Buffer {
    return nfdumpHeader(this.#createdMs, this.#blocks, appendixOffset);
  }

  #finishBlock(): void {
    if (this.#records === 0) return;
    const block = this.#block;
    block.writeUInt32LE(this.#records, 0);
    block.writeUInt32LE(this.#length - BLOCK_HEADER_BYTES, 4);
    block.writeUInt16LE(BLOCK_TYPE, 8);
    block.writeUInt16LE(0, 10);
    const records = this.#records;
    this.#blocks++;
    this.#offset += this.#length;
    this.#records = 0;
    this.#emit(block, this.#length, records);
    this.#length = BLOCK_HEADER_BYTES;
  }

  #record(batch: RecordBatch, at: number): void {
    const { words, unsigned } = batch;
    const out = this.#block;
    const start = this.#length;
    const meta = words[at + Row.meta];
    const state = words[at + Row.state];
    const swapped = (state & State.initiatorB) !== 0;
    const sender = at + (swapped ? Row.packetsB : Row.packetsA);
    const answer = at + (swapped ? Row.packetsA : Row.packetsB);
    const answered = words[answer] !== 0 || words[answer + 1] !== 0;
    const protocol = (meta & KeyKind.anyProtocol) === 0 ? meta & 0xff : 0;

    let pos = start + RECORD_HEADER_BYTES;
    pos = element(out, pos, Extension.generic, GENERIC_BYTES);
    const firstMs = milliseconds(unsigned, at + Row.startSeconds);
    const lastMs = milliseconds(unsigned, at + Row.lastSeconds);
    pos = wide(out, pos, firstMs % 4294967296, Math.floor(firstMs / 4294967296));
    pos = wide(out, pos, lastMs % 4294967296, Math.floor(lastMs / 4294967296));
    const nowMs = this.#now();
    pos = wide(out, pos, nowMs % 4294967296, Math.floor(nowMs / 4294967296));
    pos = wide(out, pos, unsigned[sender], unsigned[sender + 1]);
    pos = wide(out, pos, unsigned[sender + 2], unsigned[sender + 3]);
    let source = 0;
    let target = 0;
    if ((meta & KeyKind.ports) !== 0) {
      const ports = words[at + Row.ports];
      source = swapped ? ports & 0xffff : ports >>> 16;
      target = swapped ? ports >>> 16 : ports & 0xffff;
    } else if ((meta & KeyKind.icmp) !== 0) target = (icmpType(words, at) << 8) | (words[at + Row.ports] & 0xff);
    const flags = words[at + Row.tcpFlags];
    out.writeUInt16LE(source, pos);
    out.writeUInt16LE(target, pos + 2);
    out[pos + 4] = protocol;
    // The flags of the initiator: a record has one set of them.
    out[pos + 5] = (swapped ? flags >>> 16 : flags) & 0xff;
    out[pos + 6] = 0;
    out[pos + 7] = 0;
    pos += 8;

    const from = at + (swapped ? Row.b : Row.a);
    const to = at + (swapped ? Row.a : Row.b);
    if (((meta >>> 8) & 0xff) === 6) {
      pos = element(out, pos, Extension.ipv6, IPV6_BYTES);
      // Two numbers of 64 bits each, so their words change places.
      for (const end of [from, to]) {
        pos = wide(out, pos, unsigned[end + 1], unsigned[end]);
        pos = wide(out, pos, unsigned[end + 3], unsigned[end + 2]);
      }
    } else {
      pos = element(out, pos, Extension.ipv4, IPV4_BYTES);
      pos = out.writeUInt32LE(unsigned[from], pos);
      pos = out.writeUInt32LE(unsigned[to], pos);
    }

    pos = element(out, pos, Extension.misc, MISC_BYTES);
    pos = wide(out, pos, unsigned[at + Row.iface] + 1, 0);
    out.fill(0, pos, pos + 8);
    out[pos + 5] = (state >>> REASON_SHIFT) & 15;
    pos += 8;

    if (answered) {
      pos = element(out, pos, Extension.counters, COUNTERS_BYTES);
      pos = wide(out, pos, 1, 0);
      pos = wide(out, pos, unsigned[answer], unsigned[answer + 1]);
      pos = wide(out, pos, unsigned[answer + 2], unsigned[answer + 3]);
    }

    out.writeUInt16LE(RECORD_TYPE, start);
    out.writeUInt16LE(pos - start, start + 2);
    out.writeUInt16LE(answered ? 4 : 3, start + 4);
    out.fill(0, start + 6, start + RECORD_HEADER_BYTES);
    // Of a record made from IPFIX.
    out[start + 11] = 10;
    this.#length = pos;
    this.#records++;

    const sums = this.#sums;
    // Both directions, as nfdump adds them up when it lists the file.
    const packets = counter(unsigned, sender) + counter(unsigned, answer);
    const bytes = counter(unsigned, sender + 2) + counter(unsigned, answer + 2);
    for (const k of [0, group(protocol)]) {
      sums.flows[k]++;
      sums.packets[k] += packets;
      sums.bytes[k] += bytes;
    }
    if (firstMs < sums.firstMs) sums.firstMs = firstMs;
    if (lastMs > sums.lastMs) sums.lastMs = lastMs;
  }

  #appendix(): Buffer {
    const { flows, bytes, packets, firstMs, lastMs } = this.#sums;
    const identBytes = 4 + IDENT.length + 1;
    const statBytes = 4 + STAT_WORDS * 8;
    const out = Buffer.alloc(BLOCK_HEADER_BYTES + identBytes + statBytes);
    out.writeUInt32LE(2, 0);
    out.writeUInt32LE(identBytes + statBytes, 4);
    out.writeUInt16LE(BLOCK_TYPE, 8);
    let pos = BLOCK_HEADER_BYTES;
    out.writeUInt16LE(APPENDIX_IDENT, pos);
    out.writeUInt16LE(identBytes, pos + 2);
    out.write(IDENT, pos + 4, 'latin1');
    pos += identBytes;
    out.writeUInt16LE(APPENDIX_STAT, pos);
    out.writeUInt16LE(statBytes, pos + 2);
    pos += 4;
    const values = [
      ...[BigInt(flows[0]), bytes[0], packets[0]],
      ...flows.slice(1).map(BigInt),
      ...bytes.slice(1),
      ...packets.slice(1),
      ...[flows[0] === 0 ? 0n : BigInt(firstMs), BigInt(lastMs), 0n],
    ];
    for (const value of values) pos = out.writeBigUInt64LE(BigInt.asUintN(64, value), pos);
    return out;
  }
}

function nfdumpHeader(createdMs: number, blocks: number, appendixOffset: number): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  out.writeUInt16LE(MAGIC, 0);
  out.writeUInt16LE(LAYOUT, 2);
  out.writeUInt32LE(NFDUMP_VERSION, 4);
  out.writeBigInt64LE(BigInt(Math.floor(createdMs / 1000)), 8);
  out.writeUInt16LE(appendixOffset === 0 ? 0 : 1, 18);
  out.writeBigInt64LE(BigInt(appendixOffset), 24);
  out.writeUInt32LE(BLOCK_BYTES, 32);
  out.writeUInt32LE(blocks, 36);
  return out;
}

function element(out: Buffer, pos: number, type: number, length: number): number {
  out.writeUInt16LE(type, pos);
  out.writeUInt16LE(length, pos + 2);
  return pos + 4;
}

function wide(out: Buffer, pos: number, low: number, high: number): number {
  out.writeUInt32LE(low, pos);
  return out.writeUInt32LE(high, pos + 4);
}

function milliseconds(unsigned: Uint32Array, at: number): number {
  return unsigned[at] * 1000 + Math.floor(unsigned[at + 1] / 1e6);
}

function counter(unsigned: Uint32Array, at: number): bigint {
  return (BigInt(unsigned[at + 1]) << 32n) | BigInt(unsigned[at]);
}

/** Whole blocks; the header then says how many there are. The sums of the appendix are lost. */
export const wholeNfdump: FindWhole = async (file, size) => {
  const header = await readAt(file, 0, HEADER_BYTES);
  if (header.length < HEADER_BYTES || header.readUInt16LE(0) !== MAGIC) return 0;
  let blocks = 0;
  const whole = await wholeUnits(
    BLOCK_HEADER_BYTES,
    (head) => {
      const length = BLOCK_HEADER_BYTES + head.readUInt32LE(4);
      if (head.readUInt32LE(0) === 0 || length > 5 * BLOCK_BYTES) return 0;
      blocks++;
      return length;
    },
    HEADER_BYTES,
  )(file, size);
  // A block that is counted but reaches behind the end.
  let at = HEADER_BYTES;
  let kept = 0;
  for (; at < whole; kept++) at += BLOCK_HEADER_BYTES + (await readAt(file, at + 4, 4)).readUInt32LE(0);
  const repaired = nfdumpHeader(Number(header.readBigInt64LE(8)) * 1000, Math.min(kept, blocks), 0);
  await file.write(repaired, 0, HEADER_BYTES, 0);
  return whole;
};
