import type { RecordFormat } from '../model/core-fields.js';
import type { RecordField } from '../model/hook.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import { ByteWriter } from './byte-writer.js';
import { type FastMember, fastMembers } from './fast-members.js';
import type { ByteSink } from './output.js';
import { jsonText } from './value-text.js';

/** The buffer goes out when it holds so much. */
const FLUSH_AT = 256 * 1024;
/** More than any fast member and its name take. */
const MEMBER_ROOM = 160;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;
const COMMA = 44;
const QUOTE = 34;
const NEWLINE = 10;

interface Member {
  /** `"name":`, with the opening quote of the value if it is text. */
  readonly prefix: Uint8Array;
  readonly fast: FastMember | undefined;
  readonly quoted: boolean;
  readonly field: RecordField;
}

/** Records as JSON, one object a line (NDJSON). */
export class JsonWriter implements RecordSink {
  readonly #output: ByteSink;
  readonly #members: readonly Member[];
  readonly #out = new ByteWriter(FLUSH_AT + 64 * 1024);

  /** @param members in the order of the output (`recordMembers`, `selectMembers`) */
  constructor(output: ByteSink, members: readonly RecordField[], format: RecordFormat = {}) {
    this.#output = output;
    const fast = fastMembers(format.communityIdSeed ?? 0);
    this.#members = members.map((field) => {
      const writer = Object.hasOwn(fast, field.name) ? fast[field.name] : undefined;
      const quoted = writer?.quoted ?? false;
      const prefix = new Uint8Array(Buffer.from(`${JSON.stringify(field.name)}:${quoted ? '"' : ''}`));
      return { prefix, fast: writer, quoted, field };
    });
  }

  write(batch: RecordBatch): void {
    const out = this.#out;
    for (let index = 0; index < batch.count && !this.#output.closed; index++) {
      this.#record(out, batch, index);
      if (out.pos >= FLUSH_AT) this.#flush();
    }
    // Records of a source that pauses must not wait for the next ones.
    this.#flush();
  }

  async close(): Promise<void> {
    this.#flush();
  }

  #record(out: ByteWriter, batch: RecordBatch, index: number): void {
    const at = index * batch.layout.stride;
    const members = this.#members;
    out.reserve(MEMBER_ROOM);
    out.byte(BRACE_OPEN);
    let first = true;
    for (let k = 0; k < members.length; k++) {
      const member = members[k];
      const { fast } = member;
      out.reserve(MEMBER_ROOM + member.prefix.length);
      const before = out.pos;
      if (!first) out.byte(COMMA);
      if (fast !== undefined) {
        out.raw(member.prefix);
        if (!fast.write(out, batch, at)) {
          out.pos = before;
          continue;
        }
        if (member.quoted) out.byte(QUOTE);
      } else {
        const value = member.field.read(batch, index);
        if (value === undefined) {
          out.pos = before;
          continue;
        }
        out.raw(member.prefix);
        out.text(jsonText(value));
      }
      first = false;
    }
    out.reserve(2);
    out.byte(BRACE_CLOSE);
    out.byte(NEWLINE);
  }

  #flush(): void {
    const out = this.#out;
    if (out.pos > 0) this.#output.write(out.bytes, out.pos);
    out.pos = 0;
  }
}
