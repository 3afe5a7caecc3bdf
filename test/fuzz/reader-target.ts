import assert from 'node:assert/strict';
import * as zlib from 'node:zlib';
import { PcapWriter } from '../../src/codec/pcap-write.js';
import { RheoError } from '../../src/core/errors.js';
import type { ByteSource } from '../../src/observe/bytes.js';
import { allocateMemory, CaptureReader, type Memory } from '../../src/observe/capture-reader.js';
import { CaptureState } from '../../src/observe/capture-state.js';
import { Batch } from '../../src/packet/batch.js';
import { block, bytes, enhanced, iface, option, section, u16, u32 } from '../codec/blocks.js';
import { LINK_TYPES, sampleFrames } from './frames.js';
import { mutate } from './mutate.js';
import type { Random, Target } from './target.js';

type Packer = (file: Uint8Array) => Uint8Array;
/** Node has them from 22.15 on. */
const { zstdCompressSync, zstdDecompressSync } = zlib as { zstdCompressSync?: Packer; zstdDecompressSync?: Packer };

/** In front of the file: lengths of the pieces in which it arrives (2), and of the chunks it is read into (2). */
const PREFIX = 4;
const LARGE_CHUNK = 64 * 1024;
const LARGE: Memory = allocateMemory(LARGE_CHUNK, 1);
const SMALL: Memory = allocateMemory(4096, 1);
/** Reads that one input may need at the most: more means that the reader does not come on. */
const MOST_STEPS = 200_000;

/** A file in memory, that arrives in pieces. */
class MemoryBytes implements ByteSource {
  readonly name = 'input';
  readonly totalBytes: number;
  readonly damage = undefined;
  consumed = 0;
  private readonly file: Uint8Array;
  private readonly piece: number;

  constructor(file: Uint8Array, piece: number) {
    this.file = file;
    this.totalBytes = file.length;
    this.piece = piece;
  }

  async read(target: Uint8Array): Promise<number> {
    const n = Math.min(target.length, this.piece, this.file.length - this.consumed);
    target.set(this.file.subarray(this.consumed, this.consumed + n));
    this.consumed += n;
    return n;
  }

  async close(): Promise<void> {}
}

/** What a reading gives. */
interface Reading {
  packets: string[];
  /** The error that ended it. */
  error: string | undefined;
  rest: unknown;
}

async function read(file: Uint8Array, memory: Memory, chunk: number, piece: number): Promise<Reading> {
  const state = new CaptureState();
  const source = new MemoryBytes(file, piece);
  const reader = new CaptureReader({ bytes: source, live: false, again: false }, state, memory, 0, chunk);
  const batch = new Batch();
  const packets: string[] = [];
  let error: string | undefined;
  try {
    for (let steps = 0; await reader.more(); steps++) {
      assert.ok(steps < MOST_STEPS, 'the reader comes on');
      do {
        batch.attach(memory.bytes, memory.view);
        reader.take(batch);
        for (let i = 0; i < batch.count; i++) packets.push(packetText(batch, i));
      } while (batch.count > 0);
    }
  } catch (cause) {
    if (!(cause instanceof RheoError)) throw cause;
    assert.ok(cause.remedy !== undefined, `what to do about it: ${cause.message}`);
    error = cause.message;
  }
  await reader.close();
  const { interfaces, warnings, counters, names } = state;
  assert.ok(warnings.length <= 101, 'warnings are bounded');
  const { damaged, dropped } = counters;
  return { packets, error, rest: { interfaces, warnings, damaged, dropped, names: [...names] } };
}

function packetText(batch: Batch, i: number): string {
  const start = batch.offset[i];
  const captured = batch.captured[i];
  assert.ok(start >= 1 && captured >= 0 && start + captured <= batch.bytes.length, `bytes ${start} + ${captured}`);
  assert.ok(batch.wire[i] >= captured, `${captured} of ${batch.wire[i]} bytes`);
  assert.ok(batch.nanos[i] >= 0 && batch.nanos[i] < 1e9, `${batch.nanos[i]} ns`);
  const data = Buffer.from(batch.bytes.buffer, start, captured).toString('latin1');
  return `${batch.seconds[i]}.${batch.nanos[i]} ${batch.iface[i]} ${batch.link[i]} ${batch.wire[i]} ${captured} ${data}`;
}

/** Whether the compressed data are whole. */
function unpacks(file: Uint8Array): boolean {
  try {
    if (file[0] === 0x1f) zlib.gunzipSync(file);
    else zstdDecompressSync?.(file);
    return true;
  } catch {
    return false;
  }
}

/**
 * Damage in compressed data ends them earlier or later, by the length of the pieces; the packets before are the same.
 */
async function run(input: Uint8Array): Promise<void> {
  if (input.length < PREFIX) return;
  const file = input.subarray(PREFIX);
  const piece = 1 + ((input[0] << 8) | input[1]);
  const chunk = 1 + (((input[2] << 8) | input[3]) & 0xfff);
  const whole = await read(file, LARGE, LARGE_CHUNK, file.length);
  const packed = file[0] === 0x1f || file[0] === 0x28;
  if (!packed) assert.ok(whole.packets.length <= file.length / 16, 'a packet takes 16 bytes of the file, or more');
  const pieces = await read(file, SMALL, chunk, piece);
  if (packed && !unpacks(file)) {
    const [less, more] = [whole.packets, pieces.packets].sort((a, b) => a.length - b.length);
    assert.deepEqual(more.slice(0, less.length), less, 'the same packets as far as they go');
    return;
  }
  assert.deepEqual(pieces, whole, 'the same, however the bytes arrive');
}

let frames: Uint8Array[] | undefined;
function frameOf(random: Random): Uint8Array {
  frames ??= sampleFrames();
  return random.once(3) ? random.bytes(random.below(80)) : random.pick(frames).subarray(0, 20 + random.below(200));
}

function pcapFile(random: Random): Uint8Array {
  const linkType = random.once(4) ? random.pick(LINK_TYPES) : 1;
  const variant = random.pick(['micro', 'nano', 'modified'] as const);
  const writer = new PcapWriter({ linkType, variant, bigEndian: random.once(3) });
  const out = new Uint8Array(64 * 1024);
  let at = writer.writeHeader(out, 0);
  for (let count = random.below(30); count > 0; count--) {
    const frame = frameOf(random);
    at = writer.writeRecord(out, at, random.below(2 ** 32), random.below(1e9), frame, frame.length + random.below(100));
  }
  return out.slice(0, at);
}

const OPTION_CODES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 14, 0xffff];

function pcapngFile(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let sections = 1 + random.below(3); sections > 0; sections--) {
    const little = !random.once(3);
    const options = (): Uint8Array[] =>
      Array.from({ length: random.below(3) }, () =>
        option(random.pick(OPTION_CODES), random.bytes(random.pick([0, 1, 4, 8, 17])), little),
      );
    parts.push(section(little));
    const interfaces = random.below(4);
    for (let n = 0; n < interfaces; n++) {
      parts.push(iface(random.once(4) ? random.pick(LINK_TYPES) : 1, random.below(300), options(), little));
    }
    for (let count = random.below(20); count > 0; count--) {
      const data = frameOf(random);
      const id = random.below(interfaces + 1);
      const ticks = (BigInt(random.below(0x100000)) << 32n) | BigInt(random.below(2 ** 32));
      switch (random.below(9)) {
        case 0:
          parts.push(block(3, bytes(u32(data.length, little), padded(data)), little));
          break;
        case 1: {
          const head = bytes(u16(id, little), u16(random.below(9), little), u32(1, little), u32(2, little));
          parts.push(block(2, bytes(head, u32(data.length, little), u32(data.length, little), padded(data)), little));
          break;
        }
        case 2:
          parts.push(
            block(4, bytes(option(1, bytes([10, 0, 0, 1], 'host.example\0'), little), u32(0, little)), little),
          );
          break;
        case 3:
          parts.push(block(5, bytes(u32(id, little), u32(0, little), u32(0, little), ...options()), little));
          break;
        case 4:
          parts.push(
            block(random.pick([0x0a, 0xbad, 0x40000bad, 7, 0x80000001]), random.bytes(4 * random.below(20)), little),
          );
          break;
        default:
          parts.push(enhanced({ iface: id, ticks, data, little, options: options() }));
      }
    }
  }
  return bytes(...parts);
}

function padded(data: Uint8Array): Uint8Array {
  return bytes(data, new Uint8Array((4 - (data.length & 3)) & 3));
}

function withPrefix(random: Random, file: Uint8Array): Uint8Array {
  const prefix = random.bytes(PREFIX);
  if (random.once(2)) prefix[0] = 0;
  if (random.once(2)) prefix[2] = 0;
  return bytes(prefix, file);
}

function damaged(random: Random, file: Uint8Array): Uint8Array {
  return random.once(5) ? file : mutate(file, random);
}

const pack: Packer[] = [(file) => zlib.gzipSync(file)];
if (zstdCompressSync !== undefined) pack.push((file) => zstdCompressSync(file));

/** Captures compressed in one piece or several, whole or damaged before or after. */
function compressed(random: Random): Uint8Array {
  const file = damaged(random, random.once(2) ? pcapFile(random) : pcapngFile(random));
  const cut = random.below(file.length + 1);
  const one = pack[random.below(pack.length)];
  const packed = random.once(2) ? one(file) : bytes(one(file.subarray(0, cut)), one(file.subarray(cut)));
  return damaged(random, packed);
}

export const READER_TARGETS: readonly Target[] = [
  {
    name: 'pcap',
    about: 'damaged pcap files through the reader, in pieces of any length',
    tries: 400,
    make: (random) => withPrefix(random, damaged(random, pcapFile(random))),
    run,
  },
  {
    name: 'pcapng',
    about: 'damaged pcapng files through the reader, in pieces of any length',
    tries: 400,
    make: (random) => withPrefix(random, damaged(random, pcapngFile(random))),
    run,
  },
  {
    name: 'packed',
    about: 'captures in gzip (and zstd, where Node has it), damaged inside and outside',
    tries: 100,
    make: (random) => withPrefix(random, compressed(random)),
    run,
  },
];
