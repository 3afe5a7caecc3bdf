import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { ErrorCode, RheoError } from '../../core/errors.js';
import type { CompressionName } from '../target-url.js';

/** A chunk as a member that stands for itself: a file may end behind any of them. */
export type Compress = (chunk: Uint8Array) => Promise<Uint8Array>;

const deflateRaw = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);
const GZIP_HEAD = 20;
const ZSTD_SKIP = 12;
const ZSTD_SKIP_MAGIC = 0x184d2a5d;

/**
 * A gzip member (RFC 1952) that tells its own length in an extra field (`RH`, 4 bytes), so that whole members are found
 * without unpacking. The work is done in Node's thread pool.
 */
async function gzip(chunk: Uint8Array): Promise<Uint8Array> {
  const body = await deflateRaw(chunk, {});
  const member = Buffer.alloc(GZIP_HEAD + body.length + 8);
  member.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x52, 0x48, 4, 0]);
  member.writeUInt32LE(member.length, 16);
  member.set(body, GZIP_HEAD);
  member.writeUInt32LE(zlib.crc32(chunk), GZIP_HEAD + body.length);
  member.writeUInt32LE(chunk.length, GZIP_HEAD + body.length + 4);
  return member;
}

type ZstdCompress = (chunk: Uint8Array, done: (error: Error | null, bytes: Buffer) => void) => void;
/** Node has it since 22.15 and 23.8. */
const zstdCompress = (zlib as unknown as { zstdCompress?: ZstdCompress }).zstdCompress;

/** A zstd frame (RFC 8878) behind a skippable frame that tells its length. */
async function zstd(chunk: Uint8Array): Promise<Uint8Array> {
  const frame = await promisify(zstdCompress!)(chunk);
  const member = Buffer.alloc(ZSTD_SKIP + frame.length);
  member.writeUInt32LE(ZSTD_SKIP_MAGIC, 0);
  member.writeUInt32LE(4, 4);
  member.writeUInt32LE(frame.length, 8);
  member.set(frame, ZSTD_SKIP);
  return member;
}

/** @throws RheoError `RHEO_USAGE` where this Node cannot do it */
export function compressor(name: CompressionName, url: string): Compress | undefined {
  if (name === 'none') return undefined;
  if (name === 'gzip') return gzip;
  if (zstdCompress === undefined) {
    throw new RheoError(ErrorCode.usage, `target ${url}: Node ${process.versions.node} has no zstd`, {
      remedy: 'Use Node 22.15 or newer, or the ending .gz',
    });
  }
  return zstd;
}

/** Bytes of a member's head that `memberLength` needs. */
export const MEMBER_HEAD = GZIP_HEAD;

/** Length of the member that begins with these bytes, or 0 if none does. */
export function memberLength(head: Buffer): number {
  if (head.length < GZIP_HEAD) return 0;
  if (head.readUInt32LE(0) === ZSTD_SKIP_MAGIC)
    return head.readUInt32LE(4) === 4 ? ZSTD_SKIP + head.readUInt32LE(8) : 0;
  const gzipped = head.readUInt32BE(0) === 0x1f8b0804 && head.readUInt16BE(12) === 0x5248;
  return gzipped ? head.readUInt32LE(16) : 0;
}
