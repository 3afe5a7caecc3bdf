import { type FileHandle, open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import type { MrtCounters } from '../codec/mrt.js';
import { MOST_MRT_BYTES, MrtReader } from '../codec/mrt.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { RouteTable } from './route-table.js';

/**
 * Loads an MRT dump (RFC 6396), as route collectors publish them, into a table; gzip is recognised (bzip2, which many use,
 * is not). The event loop gets its turn between chunks.
 * @throws RheoError input: the file cannot be read; format: it is no MRT dump
 */
export async function loadMrt(path: string, table: RouteTable): Promise<MrtCounters> {
  const reader = new MrtReader(table.asListener());
  let held = new Uint8Array(0);
  let offset = 0;
  const take = (chunk: Uint8Array): void => {
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    const end = reader.read(new DataView(bytes.buffer), 0, bytes.length);
    if (end === -1 || bytes.length - end > MOST_MRT_BYTES + 12) {
      throw new RheoError(
        ErrorCode.format,
        `${path}: no MRT dump at offset ${offset}: a record that is longer than any can be`,
      );
    }
    offset += end;
    held = bytes.slice(end);
  };
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const magic = new Uint8Array(3);
    await file.read(magic, 0, 3, 0);
    if (magic[0] === 0x42 && magic[1] === 0x5a && magic[2] === 0x68) {
      throw new RheoError(ErrorCode.format, `${path} is compressed with bzip2`, { remedy: `bunzip2 ${path}` });
    }
    const raw = file.createReadStream({ start: 0, highWaterMark: 1 << 20, autoClose: false });
    const gzip = magic[0] === 0x1f && magic[1] === 0x8b;
    const stream = gzip ? raw.pipe(createGunzip()) : raw;
    if (gzip) raw.on('error', (error) => stream.destroy(error));
    try {
      for await (const chunk of stream) take(chunk as Uint8Array);
    } finally {
      raw.destroy();
    }
  } catch (cause) {
    if (cause instanceof RheoError) throw cause;
    throw new RheoError(ErrorCode.input, `${path} cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    await file?.close();
  }
  if (held.length > 0) reader.counters.damaged++;
  if (reader.counters.records === reader.counters.damaged) {
    throw new RheoError(ErrorCode.format, `${path} is no MRT dump: not a record of it could be read`);
  }
  return reader.counters;
}
