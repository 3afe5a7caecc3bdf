import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compileFilter } from '../../src/filter/filter.js';
import { BATCH_SIZE, Batch } from '../../src/packet/batch.js';

/** Compares the filter with tcpdump, packet for packet. */

/**
 * Records of pcap (header of 16 bytes and frame, little endian, microseconds), one after the other, of one link type.
 * The time of each, in seconds, is its index.
 */
export interface Capture {
  readonly link: number;
  readonly records: Buffer;
  /** Offset of each record in `records`. */
  readonly offsets: readonly number[];
}

const RECORD = 16;

export function fileHeader(link: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(link, 20);
  return header;
}

export function record(frame: Uint8Array, wire = frame.length): Buffer {
  const header = Buffer.alloc(RECORD);
  header.writeUInt32LE(frame.length, 8);
  header.writeUInt32LE(Math.max(wire, frame.length), 12);
  return Buffer.concat([header, frame]);
}

export function captureOf(link: number, frames: readonly Buffer[]): Capture {
  const offsets: number[] = [];
  let at = 0;
  for (const frame of frames) {
    offsets.push(at);
    at += frame.length;
  }
  const records = Buffer.concat(frames);
  offsets.forEach((offset, index) => {
    records.writeUInt32LE(index, offset);
  });
  return { link, records, offsets };
}

/** The records of a pcap file of any byte order; those of a pcapng file by way of tcpdump. Undefined: not readable. */
function readRecords(file: string): { link: number; records: Buffer[] } | undefined {
  let bytes: Buffer = readFileSync(file);
  if (bytes.length >= 24 && bytes.readUInt32BE(0) === 0x0a0d0d0a) {
    bytes = spawnSync('tcpdump', ['-r', file, '-w', '-'], { maxBuffer: 1 << 30 }).stdout;
  }
  if (bytes.length < 24) return undefined;
  const little = bytes[0] === 0xd4 || bytes[0] === 0x4d;
  if (!little && bytes[0] !== 0xa1) return undefined;
  const word = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const records: Buffer[] = [];
  let at = 24;
  while (at + RECORD <= bytes.length) {
    const captured = word(at + 8);
    if (captured > 262_144 || at + RECORD + captured > bytes.length) break;
    records.push(record(bytes.subarray(at + RECORD, at + RECORD + captured), word(at + 12)));
    at += RECORD + captured;
  }
  return { link: word(20) & 0xffff, records };
}

/** All captures under a folder, joined by link type. */
export function joinCaptures(folder: string): Capture[] {
  const byLink = new Map<number, Buffer[]>();
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /cap(ng)?$/.test(name));
  for (const name of names.sort()) {
    const found = readRecords(path.join(folder, name));
    if (found === undefined) continue;
    const frames = byLink.get(found.link) ?? [];
    for (const one of found.records) frames.push(one);
    byLink.set(found.link, frames);
  }
  return [...byLink].map(([link, frames]) => captureOf(link, frames));
}

/** Every k-th packet, `limit` at most: for runs that need many expressions rather than many packets. */
export function thin(capture: Capture, limit: number): Capture {
  const step = Math.max(1, Math.ceil(capture.offsets.length / limit));
  const frames: Buffer[] = [];
  for (let k = 0; k < capture.offsets.length; k += step) frames.push(recordAt(capture, k));
  return captureOf(capture.link, frames);
}

export function recordAt(capture: Capture, index: number): Buffer {
  const end = capture.offsets[index + 1] ?? capture.records.length;
  return capture.records.subarray(capture.offsets[index], end);
}

export function frameAt(capture: Capture, index: number): Buffer {
  return recordAt(capture, index).subarray(RECORD);
}

/** Indexes of the packets that the filter selects. */
export function selected(capture: Capture, expression: string): number[] {
  const filter = compileFilter(expression);
  const { records, offsets } = capture;
  const batch = new Batch();
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  const indexes: number[] = [];
  for (let first = 0; first < offsets.length; first += BATCH_SIZE) {
    batch.attach(records, view);
    batch.count = Math.min(BATCH_SIZE, offsets.length - first);
    for (let i = 0; i < batch.count; i++) {
      const at = offsets[first + i] ?? 0;
      batch.offset[i] = at + RECORD;
      batch.captured[i] = view.getUint32(at + 8, true);
      batch.wire[i] = view.getUint32(at + 12, true);
      batch.link[i] = capture.link;
      batch.verdict[i] = 0;
    }
    const matched = filter.select(batch, 0, batch.count);
    const before = indexes.length;
    for (let i = 0; i < batch.count; i++) {
      if (batch.verdict[i] === 0) indexes.push(first + i);
    }
    if (indexes.length - before !== matched) throw new Error(`select counted ${matched}`);
  }
  return indexes;
}

/** A capture as a file that tcpdump reads. */
export class Oracle {
  readonly capture: Capture;
  readonly #folder: string;
  readonly #file: string;

  /** Runs `use` with an oracle whose files are there for so long. */
  static over(capture: Capture, use: (oracle: Oracle) => void): void {
    const oracle = new Oracle(capture);
    try {
      use(oracle);
    } finally {
      rmSync(oracle.#folder, { recursive: true });
    }
  }

  private constructor(capture: Capture) {
    this.capture = capture;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'rheo-filter-'));
    this.#file = path.join(this.#folder, 'capture.pcap');
    writeFileSync(this.#file, Buffer.concat([fileHeader(capture.link), capture.records]));
  }

  /** Indexes of the packets that tcpdump selects, or its complaint. */
  select(expression: string, optimize: boolean): number[] | string {
    const options = optimize ? [] : ['-O'];
    const args = [...options, '-r', this.#file, '-w', '-', '--', expression];
    const { stdout, stderr, status } = spawnSync('tcpdump', args, { maxBuffer: 1 << 30 });
    if (status !== 0) {
      const complaint = stderr.toString();
      return complaint.includes('expression rejects all packets') ? [] : complaint;
    }
    const indexes: number[] = [];
    for (let at = 24; at + RECORD <= stdout.length; at += RECORD + stdout.readUInt32LE(at + 8)) {
      indexes.push(stdout.readUInt32LE(at));
    }
    return indexes;
  }

  /**
   * Undefined if the filter selects what tcpdump selects, or both refuse the expression, or the filter says that it does
   * not support it yet; else the difference. With
   * `cut`, packets are left out for which tcpdump's own optimizer changes the result: it drops reads that decide nothing,
   * and with them the rejection of packets that end before what was to be read.
   */
  difference(expression: string, cut = false): string | undefined {
    const theirs = this.select(expression, true);
    let indexes: number[];
    try {
      indexes = selected(this.capture, expression);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return typeof theirs === 'string' || message.includes('not supported yet') ? undefined : `refused: ${message}`;
    }
    // Its check for these takes the first number on the right for the whole of it: 1 / (0 + len).
    if (typeof theirs === 'string' && /by zero|more than 31 bits/.test(theirs)) return undefined;
    if (typeof theirs === 'string') return `tcpdump refuses: ${theirs}`;
    const ours = new Set(indexes);
    const optimized = new Set(theirs);
    const found = cut ? this.select(expression, false) : theirs;
    const unoptimized = typeof found === 'string' ? optimized : new Set(found);
    for (let k = 0; k < this.capture.offsets.length; k++) {
      if (ours.has(k) === optimized.has(k) || optimized.has(k) !== unoptimized.has(k)) continue;
      const who = ours.has(k) ? 'only the filter' : 'only tcpdump';
      const hex = frameAt(this.capture, k).toString('hex').slice(0, 400);
      return `link ${this.capture.link}, "${expression}": ${who} selects packet ${k}: ${hex}`;
    }
    return undefined;
  }
}
