import { endianness } from 'node:os';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { QUOTE_WORDS, RecordBatch, type RecordLayout } from '../../model/record-batch.js';

/**
 * The binary form of `dump-flows` (docs/dump-format.md): a header, then blocks of records as they lie in memory, then an
 * end that says how many there were, so that a dump that was cut is told from a whole one.
 */

const MAGIC = 'RHEODUMP';
const VERSION = 1;
const HEADER_BYTES = 24;
/** Words in front of the records of a block: kind, count, quotes, spare. */
const BLOCK_WORDS = 4;
const Kind = { records: 1, end: 2 } as const;
/** Word that tells the byte order. */
const ORDER_MARK = 0x01020304;
/** Longest description that is read. */
const MOST_DESCRIPTION = 1 << 20;
const MOST_RECORDS = 1 << 20;

/** What a dump says of itself. */
export interface DumpHeader {
  layout: RecordLayout;
  /** Names of the interfaces that records refer to. */
  interfaces: string[];
  /** Milliseconds since 1970. */
  takenMs: number;
  version: string;
}

/** Bytes in front of the first block; a multiple of 8, as all that follows. */
export function dumpHeader(header: DumpHeader): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = Buffer.alloc(HEADER_BYTES + padded, 0x20);
  bytes.write(MAGIC, 0, 'latin1');
  new Uint32Array(bytes.buffer, bytes.byteOffset + 8, 4).set([ORDER_MARK, VERSION, padded, 0]);
  text.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** A copy of the records of a batch as one block. */
export function dumpBlock(batch: RecordBatch): Uint8Array {
  const { stride } = batch.layout;
  const quoteWords = 1 + QUOTE_WORDS;
  const quotes = batch.quoted.size * quoteWords;
  const words = new Int32Array(BLOCK_WORDS + batch.count * stride + quotes + (quotes & 1));
  words.set([Kind.records, batch.count, batch.quoted.size, 0]);
  words.set(batch.words.subarray(0, batch.count * stride), BLOCK_WORDS);
  let at = BLOCK_WORDS + batch.count * stride;
  for (const [index, key] of batch.quoted) {
    words[at] = index;
    words.set(key, at + 1);
    at += quoteWords;
  }
  return new Uint8Array(words.buffer);
}

/** The end: how many records there were. */
export function dumpEnd(records: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(Kind.end, records >>> 0, Math.floor(records / 2 ** 32), 0).buffer);
}

/**
 * Reads a dump.
 * @throws RheoError format: not a dump, of another version or byte order, or cut
 */
export function* readDump(bytes: Uint8Array): Generator<RecordBatch, DumpHeader, void> {
  // Words must be aligned. (A Buffer's `slice` would be no copy.)
  const copy = new Uint8Array(bytes);
  const words = new Uint32Array(copy.buffer, 0, copy.length >> 2);
  if (copy.length < HEADER_BYTES || Buffer.from(copy.buffer, 0, 8).toString('latin1') !== MAGIC) {
    throw damaged('it does not begin as one');
  }
  if (words[2] !== ORDER_MARK) throw damaged(`its byte order is not that of this machine (${endianness()})`);
  if (words[3] !== VERSION) throw damaged(`its version is ${words[3]}, not ${VERSION}`);
  const length = words[4];
  if (length > MOST_DESCRIPTION || length % 8 !== 0 || HEADER_BYTES + length > copy.length) throw damaged('it is cut');
  const header = parseHeader(Buffer.from(copy.buffer, HEADER_BYTES, length).toString());
  const { stride } = header.layout;
  const quoteWords = 1 + QUOTE_WORDS;
  let at = (HEADER_BYTES + length) / 4;
  let total = 0;
  for (;;) {
    if (at + BLOCK_WORDS > words.length) throw damaged('it has no end: it was cut');
    const [kind, count, quotes] = words.subarray(at, at + 3);
    at += BLOCK_WORDS;
    if (kind === Kind.end) {
      if (count + quotes * 2 ** 32 !== total) throw damaged(`it has ${total} records and says ${count}`);
      return header;
    }
    if (kind !== Kind.records || count > MOST_RECORDS || quotes > count) throw damaged('a block begins wrongly');
    const end = at + count * stride + quotes * quoteWords;
    if (end > words.length) throw damaged('a block is cut');
    const quoted = new Map<number, Int32Array>();
    for (let q = 0; q < quotes; q++) {
      const from = at + count * stride + q * quoteWords;
      quoted.set(words[from], Int32Array.from(words.subarray(from + 1, from + quoteWords)));
    }
    const batch = new RecordBatch(header.layout, words.slice(at, at + count * stride).buffer, quoted);
    batch.count = count;
    total += count;
    yield batch;
    at = end + ((quotes * quoteWords) & 1);
  }
}

function parseHeader(text: string): DumpHeader {
  let header: DumpHeader;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw damaged('its description is not JSON', cause);
  }
  const stride = header?.layout?.stride;
  if (!(Number.isInteger(stride) && stride >= 32 && stride <= 4096 && stride % 2 === 0)) {
    throw damaged('its description has no layout');
  }
  return header;
}

function damaged(why: string, cause?: unknown): RheoError {
  return new RheoError(ErrorCode.format, `this is not a dump of flows: ${why}`, cause === undefined ? {} : { cause });
}
