import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row, State } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { ByteWriter } from '../byte-writer.js';
import { type FastMember, fastMembers } from '../fast-members.js';
import { jsonText } from '../value-text.js';
import { type ColumnValues, packHybrid } from './parquet-page.js';

/** Collects the values of one column of a row group. */
export interface ParquetColumn {
  readonly name: string;
  /** Physical and logical type, and whether values may be absent. */
  readonly element: {
    readonly type: 'BOOLEAN' | 'INT32' | 'INT64' | 'DOUBLE' | 'BYTE_ARRAY';
    readonly repetition_type: 'REQUIRED' | 'OPTIONAL';
    readonly converted_type?: 'UTF8';
    readonly logical_type?: { type: 'TIMESTAMP'; isAdjustedToUTC: boolean; unit: 'NANOS' };
  };
  /** Not compressed: values of which hardly two are the same. */
  readonly plain: boolean;
  /** Takes the value of record `index` of the batch as that of row `row`; rows come in order, from 0. */
  take(batch: RecordBatch, index: number, row: number): void;
  /** The first `rows` values; valid until the next `take`. */
  values(rows: number): ColumnValues;
}

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const bigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

/** Bytes of numbers as Parquet has them: the lowest first. */
function littleEndian({ buffer }: Float64Array | BigInt64Array | Int32Array, count: number, width: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(buffer, 0, count * width);
  if (!bigEndian) return bytes;
  const copy = Buffer.from(bytes);
  return width === 4 ? copy.swap32() : copy.swap64();
}

/** 64-bit values that are not negative, written as two words without making a BigInt of each. */
abstract class WideColumn implements ParquetColumn {
  readonly name: string;
  abstract readonly plain: boolean;
  abstract readonly element: ParquetColumn['element'];
  readonly #values: BigInt64Array;
  readonly #words: Uint32Array;

  constructor(name: string, rows: number) {
    this.name = name;
    this.#values = new BigInt64Array(rows);
    this.#words = new Uint32Array(this.#values.buffer);
  }

  abstract take(batch: RecordBatch, index: number, row: number): void;

  protected set(row: number, high: number, low: number): void {
    this.#words[row * 2 + HIGH_WORD] = high;
    this.#words[row * 2 + 1 - HIGH_WORD] = low;
  }

  values(rows: number): ColumnValues {
    const words = this.#words;
    let least = 0;
    let most = 0;
    for (let row = 1; row < rows; row++) {
      const high = words[row * 2 + HIGH_WORD];
      const low = words[row * 2 + 1 - HIGH_WORD];
      const leastHigh = words[least * 2 + HIGH_WORD];
      if (high < leastHigh || (high === leastHigh && low < words[least * 2 + 1 - HIGH_WORD])) least = row;
      const mostHigh = words[most * 2 + HIGH_WORD];
      if (high > mostHigh || (high === mostHigh && low > words[most * 2 + 1 - HIGH_WORD])) most = row;
    }
    const bounds = { min: this.#values[least], max: this.#values[most] };
    return { body: littleEndian(this.#values, rows, 8), nulls: 0, bounds };
  }
}

/** Which of the two words of a 64-bit number is the upper one on this machine. */
const HIGH_WORD = bigEndian ? 0 : 1;

/** Time in nanoseconds since 1970. */
class TimeColumn extends WideColumn {
  readonly plain = true;
  readonly element = {
    type: 'INT64',
    repetition_type: 'REQUIRED',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' },
  } as const;
  readonly #word: number;

  /** @param word of the row: seconds; nanoseconds are in the next */
  constructor(name: string, rows: number, word: number) {
    super(name, rows);
    this.#word = word;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    const at = index * batch.layout.stride + this.#word;
    const seconds = batch.unsigned[at];
    // seconds · 10⁹ + nanoseconds in parts that a double holds exactly.
    const upper = (seconds >>> 16) * 1e9;
    const lower = (seconds & 0xffff) * 1e9 + (upper % 65536) * 65536 + batch.unsigned[at + 1];
    this.set(row, Math.floor(upper / 65536) + Math.floor(lower / 4294967296), lower);
  }
}

/** Counter of the initiator or responder; what is beyond 2^63 − 1 becomes that. */
class CounterColumn extends WideColumn {
  readonly plain = false;
  readonly element = { type: 'INT64', repetition_type: 'REQUIRED' } as const;
  readonly #a: number;
  readonly #b: number;

  constructor(name: string, rows: number, a: number, b: number) {
    super(name, rows);
    this.#a = a;
    this.#b = b;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    const at = index * batch.layout.stride;
    const low = at + ((batch.words[at + Row.state] & State.initiatorB) === 0 ? this.#a : this.#b);
    const high = batch.unsigned[low + 1];
    const over = high > 0x7fffffff;
    this.set(row, over ? 0x7fffffff : high, over ? 0xffffffff : batch.unsigned[low]);
  }
}

/** Numbers; those that are absent take no room. */
class NumberColumn implements ParquetColumn {
  readonly name: string;
  readonly element: ParquetColumn['element'];
  readonly plain = false;
  readonly #values: Float64Array | Int32Array;
  readonly #present: Uint8Array;
  readonly #read: (batch: RecordBatch, index: number) => number | undefined;
  #count = 0;

  constructor(
    name: string,
    rows: number,
    element: { readonly type: 'DOUBLE' | 'INT32'; readonly repetition_type: 'REQUIRED' | 'OPTIONAL' },
    read: (batch: RecordBatch, index: number) => number | undefined,
  ) {
    this.name = name;
    this.element = element;
    this.#values = element.type === 'DOUBLE' ? new Float64Array(rows) : new Int32Array(rows);
    this.#present = new Uint8Array(rows);
    this.#read = read;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    if (row === 0) this.#count = 0;
    const value = this.#read(batch, index);
    if (value !== undefined) this.#values[this.#count++] = value;
    this.#present[row] = value === undefined ? 0 : 1;
  }

  values(rows: number): ColumnValues {
    const values = this.#values;
    const count = this.#count;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < count; k++) {
      const value = values[k];
      if (value < min) min = value;
      if (value > max) max = value;
    }
    // Zeros of either sign are equal: bounds hold both (parquet.thrift, ColumnOrder).
    if (min === 0) min = -0;
    if (max === 0) max = 0;
    return {
      body: littleEndian(values, count, this.element.type === 'DOUBLE' ? 8 : 4),
      ...(this.element.repetition_type === 'OPTIONAL' && { present: this.#present }),
      nulls: rows - count,
      ...(min <= max && { bounds: { min, max } }),
    };
  }
}

/** Yes, no or absent: a bit each. */
class BooleanColumn implements ParquetColumn {
  readonly name: string;
  readonly element = { type: 'BOOLEAN', repetition_type: 'OPTIONAL' } as const;
  readonly plain = true;
  readonly #bits: Uint8Array;
  readonly #present: Uint8Array;
  readonly #read: (batch: RecordBatch, index: number) => unknown;
  #count = 0;

  constructor(name: string, rows: number, read: (batch: RecordBatch, index: number) => unknown) {
    this.name = name;
    this.#bits = new Uint8Array(Math.ceil(rows / 8));
    this.#present = new Uint8Array(rows);
    this.#read = read;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    if (row === 0) {
      this.#count = 0;
      this.#bits.fill(0);
    }
    const value = this.#read(batch, index);
    this.#present[row] = value === undefined ? 0 : 1;
    if (value === undefined) return;
    if (value === true) this.#bits[this.#count >>> 3] |= 1 << (this.#count & 7);
    this.#count++;
  }

  values(rows: number): ColumnValues {
    const body = this.#bits.subarray(0, Math.ceil(this.#count / 8));
    return { body, present: this.#present, nulls: rows - this.#count };
  }
}

/** Appends a text with its length in front. */
function appendText(out: ByteWriter, text: string): void {
  out.reserve(4 + text.length * 3);
  const from = out.pos;
  out.pos += 4;
  out.text(text);
  out.bytes.writeUInt32LE(out.pos - from - 4, from);
}

/** Texts of which many are the same: each stands once in the dictionary, and the rows say which. */
class NameColumn implements ParquetColumn {
  readonly name: string;
  readonly element = { ...TEXT, repetition_type: 'OPTIONAL' } as const;
  readonly plain = false;
  readonly #numbers = new Map<string, number>();
  readonly #which: Uint16Array;
  readonly #present: Uint8Array;
  readonly #read: (batch: RecordBatch, index: number) => string | undefined;
  #count = 0;

  /** @param rows 65536 at the most */
  constructor(name: string, rows: number, read: (batch: RecordBatch, index: number) => string | undefined) {
    this.name = name;
    this.#which = new Uint16Array(rows);
    this.#present = new Uint8Array(rows);
    this.#read = read;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    if (row === 0) {
      this.#count = 0;
      this.#numbers.clear();
    }
    const text = this.#read(batch, index);
    this.#present[row] = text === undefined ? 0 : 1;
    if (text === undefined) return;
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(text, number);
    }
    this.#which[this.#count++] = number;
  }

  values(rows: number): ColumnValues {
    const count = this.#count;
    const size = this.#numbers.size;
    const shared = { present: this.#present, nulls: rows - count };
    const out = new ByteWriter(1024);
    if (size * 2 > count) {
      // Hardly two are the same: as they are.
      const texts = [...this.#numbers.keys()];
      for (let k = 0; k < count; k++) appendText(out, texts[this.#which[k]]);
      return { ...shared, body: out.bytes.subarray(0, out.pos) };
    }
    for (const text of this.#numbers.keys()) appendText(out, text);
    const width = 32 - Math.clz32(size - 1);
    const packed = packHybrid(this.#which, count, width);
    const body = new Uint8Array(1 + packed.length);
    body[0] = width;
    body.set(packed, 1);
    return { ...shared, body, dictionary: { body: out.bytes.subarray(0, out.pos), count: size } };
  }
}

/** Texts that hardly ever come twice, without a string in between. */
class TextColumn implements ParquetColumn {
  readonly name: string;
  readonly element: ParquetColumn['element'];
  readonly plain = true;
  readonly #out: ByteWriter;
  readonly #member: FastMember;
  readonly #present: Uint8Array;
  #count = 0;

  constructor(name: string, rows: number, member: FastMember, required: boolean) {
    this.name = name;
    this.element = { ...TEXT, repetition_type: required ? 'REQUIRED' : 'OPTIONAL' };
    this.#member = member;
    this.#out = new ByteWriter(rows * 24);
    this.#present = new Uint8Array(rows);
  }

  take(batch: RecordBatch, index: number, row: number): void {
    const out = this.#out;
    if (row === 0) {
      out.pos = 0;
      this.#count = 0;
    }
    out.reserve(68);
    const from = out.pos;
    out.pos += 4;
    const written = this.#member.write(out, batch, index * batch.layout.stride);
    this.#present[row] = written ? 1 : 0;
    if (!written) {
      out.pos = from;
      return;
    }
    this.#count++;
    // Less than 256 bytes.
    const { bytes } = out;
    bytes[from] = out.pos - from - 4;
    bytes[from + 1] = 0;
    bytes[from + 2] = 0;
    bytes[from + 3] = 0;
  }

  values(rows: number): ColumnValues {
    return {
      body: this.#out.bytes.subarray(0, this.#out.pos),
      ...(this.element.repetition_type === 'OPTIONAL' && { present: this.#present }),
      nulls: rows - this.#count,
    };
  }
}

function port(batch: RecordBatch, index: number, responder: boolean): number | undefined {
  const at = index * batch.layout.stride;
  if ((batch.words[at + Row.meta] & KeyKind.ports) === 0) return undefined;
  const ports = batch.words[at + Row.ports];
  return ((batch.words[at + Row.state] & State.initiatorB) !== 0) === responder ? ports >>> 16 : ports & 0xffff;
}

/** The column of a member. Lists and objects are JSON text. */
export function parquetColumn(field: RecordField, rows: number, communityIdSeed: number): ParquetColumn {
  const { name } = field;
  switch (name) {
    case 'start':
      return new TimeColumn(name, rows, Row.startSeconds);
    case 'end':
      return new TimeColumn(name, rows, Row.lastSeconds);
    case 'packets':
      return new CounterColumn(name, rows, Row.packetsA, Row.packetsB);
    case 'bytes':
      return new CounterColumn(name, rows, Row.octetsA, Row.octetsB);
    case 'reversePackets':
      return new CounterColumn(name, rows, Row.packetsB, Row.packetsA);
    case 'reverseBytes':
      return new CounterColumn(name, rows, Row.octetsB, Row.octetsA);
    case 'duration':
      return new NumberColumn(name, rows, { type: 'DOUBLE', repetition_type: 'REQUIRED' }, duration);
    case 'srcPort':
    case 'dstPort': {
      const responder = name === 'dstPort';
      const element = { type: 'INT32', repetition_type: 'OPTIONAL' } as const;
      return new NumberColumn(name, rows, element, (batch, index) => port(batch, index, responder));
    }
    case 'id':
    case 'src':
    case 'dst':
    case 'communityId':
      return new TextColumn(name, rows, fastMembers(communityIdSeed)[name], name !== 'communityId');
  }
  switch (field.type) {
    case 'number':
      return new NumberColumn(name, rows, { type: 'DOUBLE', repetition_type: 'OPTIONAL' }, (batch, index) => {
        const value = field.read(batch, index);
        return value === undefined ? undefined : Number(value);
      });
    case 'boolean':
      return new BooleanColumn(name, rows, (batch, index) => field.read(batch, index));
    case 'string':
      return new NameColumn(name, rows, (batch, index) => field.read(batch, index) as string | undefined);
    default:
      return new NameColumn(name, rows, (batch, index) => {
        const value = field.read(batch, index);
        return value === undefined ? undefined : jsonText(value);
      });
  }
}

function duration(batch: RecordBatch, index: number): number {
  const at = index * batch.layout.stride;
  const { unsigned } = batch;
  const seconds = unsigned[at + Row.lastSeconds] - unsigned[at + Row.startSeconds];
  const nanos = unsigned[at + Row.lastNanos] - unsigned[at + Row.startNanos];
  // In nanoseconds first: the quotient is then the double next to the true value.
  return Math.max(0, (seconds * 1e9 + nanos) / 1e9);
}
