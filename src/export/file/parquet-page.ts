import type { ByteWriter, ParquetWriter } from 'hyparquet-writer';

/**
 * Column chunks of Parquet as one data page each (version 2), with a dictionary in front where there is one. hyparquet-writer
 * does the same for values of any kind; this takes values that are bytes already, which is several times as fast.
 * Format: parquet.apache.org/docs/file-format, parquet.thrift, Encodings.md.
 */

type ColumnChunk = ParquetWriter['row_groups'][number]['columns'][number];
type Compress = (bytes: Uint8Array) => Uint8Array;

/** The values of one column of a row group. */
export interface ColumnValues {
  /** Values that are present, one after the other (PLAIN), or which texts of the dictionary they are. */
  readonly body: Uint8Array;
  readonly dictionary?: { readonly body: Uint8Array; readonly count: number };
  /** A byte for each row: 1 where it has a value. Absent: the column is required. */
  readonly present?: Uint8Array;
  readonly nulls: number;
  readonly bounds?: { readonly min: bigint | number; readonly max: bigint | number };
}

/** Of parquet.thrift. */
const PageType = { dictionary: 2, data2: 3 } as const;
const Encoding = { plain: 0, rleDictionary: 8 } as const;
/** Types of fields in Thrift's compact protocol. */
const Thrift = { true: 1, false: 2, i32: 5, struct: 12 } as const;

/** Structs of small fields in Thrift's compact protocol. */
class ThriftWriter {
  readonly #out: ByteWriter;
  #last = 0;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  i32(field: number, value: number): void {
    this.#field(field, Thrift.i32);
    this.#out.appendZigZag(value);
  }

  bool(field: number, value: boolean): void {
    this.#field(field, value ? Thrift.true : Thrift.false);
  }

  /** A struct within: its fields are written by `fields`. */
  struct(field: number, fields: () => void): void {
    this.#field(field, Thrift.struct);
    this.#last = 0;
    fields();
    this.stop();
    this.#last = field;
  }

  stop(): void {
    this.#out.appendUint8(0);
  }

  #field(field: number, type: number): void {
    this.#out.appendUint8(((field - this.#last) << 4) | type);
    this.#last = field;
  }
}

/**
 * Numbers of `width` bits as runs of equal ones and packed groups of eight (RLE / bit-packing hybrid).
 * @param width 0…24
 */
export function packHybrid(values: Uint8Array | Uint16Array, count: number, width: number): Uint8Array {
  const out = new Uint8Array(16 + (Math.ceil(count / 8) + 1) * (width + 6));
  let at = 0;
  const varint = (value: number): void => {
    for (let rest = value; ; rest >>>= 7) {
      if (rest < 0x80) {
        out[at++] = rest;
        return;
      }
      out[at++] = (rest & 0x7f) | 0x80;
    }
  };
  for (let from = 0; from < count; ) {
    const run = runLength(values, from, count);
    if (run >= 8 || from + run === count) {
      varint(run << 1);
      for (let shift = 0; shift < width; shift += 8) out[at++] = (values[from] >>> shift) & 0xff;
      from += run;
      continue;
    }
    let to = from + 8;
    while (to < count && runLength(values, to, Math.min(count, to + 8)) < 8) to += 8;
    varint((((to - from) >>> 3) << 1) | 1);
    let bits = 0;
    let held = 0;
    for (let k = from; k < to; k++) {
      // Behind the end stand zeros: groups are whole.
      bits |= (k < count ? values[k] : 0) << held;
      for (held += width; held >= 8; held -= 8) {
        out[at++] = bits & 0xff;
        bits >>>= 8;
      }
    }
    from = to;
  }
  return out.subarray(0, at);
}

function runLength(values: Uint8Array | Uint16Array, from: number, end: number): number {
  const value = values[from];
  let at = from + 1;
  while (at < end && values[at] === value) at++;
  return at - from;
}

/** Writes the chunk of a column and returns what the footer says of it. */
export function writeChunk(
  out: ByteWriter,
  name: string,
  type: NonNullable<ColumnChunk['meta_data']>['type'],
  { body, dictionary, present, nulls, bounds }: ColumnValues,
  rows: number,
  compress: Compress | undefined,
): ColumnChunk {
  const start = out.offset;
  let uncompressed = 0;
  if (dictionary !== undefined) {
    const bytes = compress?.(dictionary.body) ?? dictionary.body;
    const before = out.offset;
    writeHeader(out, PageType.dictionary, dictionary.body.length, bytes.length, (page) =>
      page.struct(7, () => {
        page.i32(1, dictionary.count);
        page.i32(2, Encoding.plain);
      }),
    );
    uncompressed += out.offset - before + dictionary.body.length;
    out.appendBytes(bytes);
  }
  const pageStart = out.offset;
  const levels = present === undefined ? new Uint8Array(0) : packHybrid(present, rows, 1);
  const bytes = compress?.(body) ?? body;
  writeHeader(out, PageType.data2, levels.length + body.length, levels.length + bytes.length, (page) =>
    page.struct(8, () => {
      page.i32(1, rows);
      page.i32(2, nulls);
      page.i32(3, rows);
      page.i32(4, dictionary === undefined ? Encoding.plain : Encoding.rleDictionary);
      page.i32(5, levels.length);
      page.i32(6, 0);
      page.bool(7, compress !== undefined);
    }),
  );
  uncompressed += out.offset - pageStart + levels.length + body.length;
  out.appendBytes(levels);
  out.appendBytes(bytes);
  return {
    file_offset: BigInt(start),
    meta_data: {
      type,
      encodings: dictionary === undefined ? ['PLAIN', 'RLE'] : ['PLAIN', 'RLE', 'RLE_DICTIONARY'],
      path_in_schema: [name],
      codec: compress === undefined ? 'UNCOMPRESSED' : 'SNAPPY',
      num_values: BigInt(rows),
      total_compressed_size: BigInt(out.offset - start),
      total_uncompressed_size: BigInt(uncompressed),
      data_page_offset: BigInt(pageStart),
      ...(dictionary !== undefined && { dictionary_page_offset: BigInt(start) }),
      statistics: {
        null_count: BigInt(nulls),
        ...(bounds !== undefined && { min_value: bounds.min, max_value: bounds.max }),
      },
    },
  };
}

function writeHeader(
  out: ByteWriter,
  type: number,
  uncompressed: number,
  compressed: number,
  more: (page: ThriftWriter) => void,
): void {
  const page = new ThriftWriter(out);
  page.i32(1, type);
  page.i32(2, uncompressed);
  page.i32(3, compressed);
  more(page);
  page.stop();
}
