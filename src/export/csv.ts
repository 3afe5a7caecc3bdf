import type { RecordFormat } from '../model/core-fields.js';
import type { RecordField } from '../model/hook.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import { ByteWriter } from './byte-writer.js';
import { type FastMember, fastMembers } from './fast-members.js';
import type { ByteSink } from './output.js';
import { csvCell, csvValue } from './value-text.js';

const FLUSH_AT = 256 * 1024;
const CELL_ROOM = 128;
const COMMA = 44;

interface Column {
  readonly fast: FastMember | undefined;
  readonly field: RecordField;
}

/**
 * Records as comma-separated values (RFC 4180) with a header line and CRLF line ends. Absent members are empty; lists and
 * objects are JSON text in quotes.
 */
export class CsvWriter implements RecordSink {
  readonly #output: ByteSink;
  readonly #columns: readonly Column[];
  readonly #out = new ByteWriter(FLUSH_AT + 64 * 1024);

  /** @param members the columns in their order */
  constructor(output: ByteSink, members: readonly RecordField[], format: RecordFormat = {}) {
    this.#output = output;
    const fast = fastMembers(format.communityIdSeed ?? 0);
    this.#columns = members.map((field) => ({
      fast: Object.hasOwn(fast, field.name) ? fast[field.name] : undefined,
      field,
    }));
    this.#out.text(`${members.map((field) => csvCell(field.name)).join(',')}\r\n`);
  }

  write(batch: RecordBatch): void {
    const out = this.#out;
    const columns = this.#columns;
    for (let index = 0; index < batch.count && !this.#output.closed; index++) {
      const at = index * batch.layout.stride;
      for (let k = 0; k < columns.length; k++) {
        const { fast, field } = columns[k];
        out.reserve(CELL_ROOM);
        if (k > 0) out.byte(COMMA);
        if (fast !== undefined) fast.write(out, batch, at);
        else out.text(csvValue(field.read(batch, index)));
      }
      out.reserve(2);
      out.byte(13);
      out.byte(10);
      if (out.pos >= FLUSH_AT) this.#flush();
    }
    this.#flush();
  }

  /** Writes the header also where no record came. */
  async close(): Promise<void> {
    this.#flush();
  }

  #flush(): void {
    const out = this.#out;
    if (out.pos > 0) this.#output.write(out.bytes, out.pos);
    out.pos = 0;
  }
}
