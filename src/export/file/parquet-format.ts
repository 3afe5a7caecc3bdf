import { randomBytes } from 'node:crypto';
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import type { Emit, FileFormat } from './format.js';
import { type ParquetColumn, parquetColumn } from './parquet-columns.js';
import { writeChunk } from './parquet-page.js';
import { type FindWhole, readAt } from './recover.js';

/** Rows of a group: few enough that encoding them holds nobody up for long. */
export const ROW_GROUP_ROWS = 16_384;
/** Calls of `flush` (about a second each) after which rows go out though the group is not full. */
const MOST_FLUSHES = 60;
/** A footer goes out after so many times its own length of rows: a file that is cut there is whole. */
const CHECKPOINT_FACTOR = 16;
const MARK_BYTES = 16;
const MAGIC = 0x31524150;

/**
 * Parquet: typed columns, row groups of at most ROW_GROUP_ROWS rows with bounds of numbers and times, snappy. Between row groups
 * stand footers now and then, each over all rows so far. Readers see the last one only; a file whose writer was killed is whole
 * up to one of them.
 */
export class ParquetFormat implements FileFormat {
  readonly refused = {};
  readonly #members: readonly RecordField[];
  readonly #columns: readonly ParquetColumn[];
  readonly #emit: Emit;
  readonly #schema: SchemaElement[];
  #bytes = new ByteWriter();
  #writer: ParquetWriter | undefined;
  #rows = 0;
  #flushes = 0;
  /** Records in row groups that were not counted as emitted. */
  #sinceFooter = 0;
  #footerBytes = 0;

  constructor(members: readonly RecordField[], communityIdSeed: number, emit: Emit) {
    this.#members = members;
    this.#columns = members.map((field) => parquetColumn(field, ROW_GROUP_ROWS, communityIdSeed));
    this.#emit = emit;
    const root = { name: 'flow', num_children: this.#columns.length };
    this.#schema = [root, ...this.#columns.map(({ name, element }) => ({ name, ...element }))];
  }

  get waiting(): number {
    return this.#rows;
  }

  begin(): void {
    this.#bytes = new ByteWriter(1 << 20);
    // The mark tells footers from bytes that only look like one: nobody knows it before.
    const mark = randomBytes(MARK_BYTES);
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: this.#schema,
      createdBy: 'rheo',
      kvMetadata: [
        { key: 'rheo.mark', value: mark.toString('hex') },
        {
          key: 'rheo.members',
          value: JSON.stringify(this.#members.map(({ name, description }) => [name, description])),
        },
      ],
    });
    this.#bytes.appendBytes(mark);
    this.#sinceFooter = 0;
    this.#footer();
  }

  write(batch: RecordBatch): void {
    const columns = this.#columns;
    for (let index = 0; index < batch.count; ) {
      const rows = Math.min(batch.count - index, ROW_GROUP_ROWS - this.#rows);
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c];
        for (let k = 0; k < rows; k++) column.take(batch, index + k, this.#rows + k);
      }
      index += rows;
      this.#rows += rows;
      if (this.#rows === ROW_GROUP_ROWS) this.#group();
    }
  }

  flush(): void {
    if (this.#rows === 0 || ++this.#flushes < MOST_FLUSHES) return;
    this.#group();
  }

  end(): void {
    this.#group();
    if (this.#sinceFooter > 0 || this.#writer?.num_rows === 0n) this.#footer();
    this.#writer = undefined;
  }

  #group(): void {
    this.#flushes = 0;
    const rows = this.#rows;
    if (rows === 0 || this.#writer === undefined) return;
    const writer = this.#writer;
    const bytes = this.#bytes;
    const before = bytes.offset;
    const { SNAPPY } = writer.compressors;
    const columns = this.#columns.map((column) =>
      writeChunk(bytes, column.name, column.element.type, column.values(rows), rows, column.plain ? undefined : SNAPPY),
    );
    writer.num_rows += BigInt(rows);
    writer.row_groups.push({
      columns,
      total_byte_size: columns.reduce((sum, { meta_data }) => sum + (meta_data?.total_uncompressed_size ?? 0n), 0n),
      num_rows: BigInt(rows),
      total_compressed_size: BigInt(bytes.offset - before),
    });
    this.#rows = 0;
    this.#sinceFooter += bytes.offset - before;
    this.#hand(rows);
    if (this.#sinceFooter >= this.#footerBytes * CHECKPOINT_FACTOR) this.#footer();
  }

  #footer(): void {
    const before = this.#bytes.offset;
    void this.#writer?.finish();
    this.#footerBytes = this.#bytes.offset - before;
    this.#sinceFooter = 0;
    this.#hand(0);
  }

  #hand(records: number): void {
    const bytes = this.#bytes;
    this.#emit(bytes.getBytes(), bytes.index, records);
    bytes.index = 0;
  }
}

/** The end of the last footer that is complete: found backwards by its magic, known by the mark of the file. */
export const wholeParquet: FindWhole = async (file, size) => {
  const head = await readAt(file, 0, 4 + MARK_BYTES);
  if (head.length < 4 + MARK_BYTES || head.readUInt32LE(0) !== MAGIC) return 0;
  const mark = Buffer.from(head.subarray(4).toString('hex'));
  const magic = Buffer.from('PAR1');
  const block = 1 << 20;
  for (let end = size; end > head.length; ) {
    const from = Math.max(0, end - block);
    const bytes = await readAt(file, from, end - from);
    for (let at = bytes.lastIndexOf(magic); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(magic, at - 1)) {
      const position = from + at;
      if (position < head.length + 4) break;
      const length = (await readAt(file, position - 4, 4)).readUInt32LE(0);
      if (length === 0 || length > position - 4 - head.length) continue;
      const footer = await readAt(file, position - 4 - length, length);
      if (footer.includes(mark)) return position + 4;
    }
    // Blocks overlap, so that no magic is cut in two.
    end = from === 0 ? 0 : from + 3;
  }
  return 0;
};
