import { type FileHandle, open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import type { MrtCounters } from '../codec/mrt.js';
import { MrtReader } from '../codec/mrt.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { RouteTable } from './route-table.js';

/** Bytes that are unpacked at once. */
const CHUNK = 1 << 20;

/** The records of a dump that arrives in pieces, into a table. */
export class MrtStream {
  private readonly reader: MrtReader;
  /** The beginning of a record whose end has not come. */
  private held = new Uint8Array(0);
  private offset = 0;

  constructor(table: RouteTable) {
    this.reader = new MrtReader(table.asListener());
  }

  /** Takes the next piece. Returns the offset in the dump of a record that is longer than any can be; undefined: all is well. */
  take(chunk: Uint8Array): number | undefined {
    const { held } = this;
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    const end = this.reader.read(new DataView(bytes.buffer), 0, bytes.length);
    if (end === -1) return this.offset;
    this.offset += end;
    this.held = bytes.slice(end);
    return undefined;
  }

  /** Nothing more comes: what was left is a record that is cut. */
  end(): MrtCounters {
    if (this.held.length > 0) {
      this.reader.counters.records++;
      this.reader.counters.damaged++;
    }
    return this.reader.counters;
  }
}

/**
 * Loads an MRT dump (RFC 6396), as route collectors publish them, into a table; gzip is recognised (bzip2, which many use,
 * is not). The event loop gets its turn between chunks.
 * @throws RheoError input: the file cannot be read; format: it is no MRT dump
 */
export async function loadMrt(path: string, table: RouteTable): Promise<MrtCounters> {
  const records = new MrtStream(table);
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const magic = new Uint8Array(3);
    await file.read(magic, 0, 3, 0);
    if (magic[0] === 0x42 && magic[1] === 0x5a && magic[2] === 0x68) {
      throw new RheoError(ErrorCode.format, `${path} is compressed with bzip2`, { remedy: `bunzip2 ${path}` });
    }
    const raw = file.createReadStream({ start: 0, highWaterMark: CHUNK, autoClose: false });
    const gzip = magic[0] === 0x1f && magic[1] === 0x8b;
    const stream = gzip ? raw.pipe(createGunzip({ chunkSize: CHUNK })) : raw;
    if (gzip) raw.on('error', (error) => stream.destroy(error));
    try {
      for await (const chunk of stream) {
        const wrong = records.take(chunk as Uint8Array);
        if (wrong !== undefined) throw noMrt(path, `a record at offset ${wrong} that is longer than any can be`);
      }
    } finally {
      raw.destroy();
    }
  } catch (cause) {
    if (cause instanceof RheoError) throw cause;
    throw new RheoError(ErrorCode.input, `${path} cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    await file?.close();
  }
  const counters = records.end();
  if (counters.records === counters.damaged) throw noMrt(path, 'not a record of it could be read');
  return counters;
}

function noMrt(path: string, why: string): RheoError {
  return new RheoError(ErrorCode.format, `${path} is no MRT dump: ${why}`, {
    remedy: 'Give a dump of routes or updates as route collectors publish them, plain or compressed with gzip.',
  });
}
