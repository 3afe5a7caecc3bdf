import type { RecordField } from '../../model/hook.js';
import { PROTOCOL_NAMES } from '../../model/protocols.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { END_REASON_NAMES, REASON_SHIFT, Row, State } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { ByteWriter } from '../byte-writer.js';
import { type FastMember, fastMembers } from '../fast-members.js';
import { jsonText } from '../value-text.js';

/** Values of one column for one row group. */
export interface ParquetColumn {
  readonly name: string;
  /** Physical and logical type, and whether values may be absent. */
  readonly element: {
    readonly type: 'BOOLEAN' | 'INT32' | 'INT64' | 'DOUBLE' | 'BYTE_ARRAY';
    readonly repetition_type: 'REQUIRED' | 'OPTIONAL';
    readonly converted_type?: 'UTF8' | 'TIMESTAMP_MICROS';
    readonly logical_type?: { type: 'TIMESTAMP'; isAdjustedToUTC: boolean; unit: 'NANOS' };
  };
  /** As they are, without dictionary and compression: values of which hardly two are the same. */
  readonly plain: boolean;
  readonly statistics: boolean;
  /** Takes the value of record `index` of the batch as that of row `row`. */
  take(batch: RecordBatch, index: number, row: number): void;
  /** The first `rows` values. */
  values(rows: number): ArrayLike<unknown>;
}

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;

/** 64-bit values, written as two words without making a BigInt of each. */
abstract class WideColumn implements ParquetColumn {
  readonly name: string;
  abstract readonly plain: boolean;
  readonly statistics = true;
  abstract readonly element: ParquetColumn['element'];
  readonly #values: BigInt64Array;
  protected readonly words: Uint32Array;

  constructor(name: string, rows: number) {
    this.name = name;
    this.#values = new BigInt64Array(rows);
    this.words = new Uint32Array(this.#values.buffer);
  }

  abstract take(batch: RecordBatch, index: number, row: number): void;

  values(rows: number): BigInt64Array {
    return this.#values.subarray(0, rows);
  }
}

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
    this.words[row * 2] = lower;
    this.words[row * 2 + 1] = Math.floor(upper / 65536) + Math.floor(lower / 4294967296);
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
    this.words[row * 2] = over ? 0xffffffff : batch.unsigned[low];
    this.words[row * 2 + 1] = over ? 0x7fffffff : high;
  }
}

/** Any values in a list. */
class ListColumn implements ParquetColumn {
  readonly name: string;
  readonly element: ParquetColumn['element'];
  readonly plain = false;
  readonly statistics: boolean;
  readonly #values: unknown[];
  readonly #read: (batch: RecordBatch, index: number) => unknown;

  constructor(
    name: string,
    rows: number,
    element: ParquetColumn['element'],
    read: (batch: RecordBatch, index: number) => unknown,
  ) {
    this.name = name;
    this.element = element;
    // Bounds of texts cost more than they help: names and flags are in the dictionary anyway.
    this.statistics = element.type !== 'BYTE_ARRAY' && element.type !== 'BOOLEAN';
    this.#values = new Array(rows).fill(undefined);
    this.#read = read;
  }

  take(batch: RecordBatch, index: number, row: number): void {
    this.#values[row] = this.#read(batch, index);
  }

  values(rows: number): unknown[] {
    return this.#values.slice(0, rows);
  }
}

/** Texts as bytes, without a string in between. */
class TextColumn implements ParquetColumn {
  readonly name: string;
  readonly element: ParquetColumn['element'];
  readonly plain = true;
  readonly statistics = false;
  readonly #out: ByteWriter;
  readonly #member: FastMember;
  readonly #ends: Float64Array;

  constructor(name: string, rows: number, member: FastMember, required: boolean) {
    this.name = name;
    this.element = { ...TEXT, repetition_type: required ? 'REQUIRED' : 'OPTIONAL' };
    this.#member = member;
    this.#out = new ByteWriter(rows * 24);
    this.#ends = new Float64Array(rows);
  }

  take(batch: RecordBatch, index: number, row: number): void {
    if (row === 0) this.#out.pos = 0;
    this.#out.reserve(64);
    this.#member.write(this.#out, batch, index * batch.layout.stride);
    this.#ends[row] = this.#out.pos;
  }

  values(rows: number): (Uint8Array | undefined)[] {
    const { buffer, byteOffset } = this.#out.bytes;
    const values = new Array<Uint8Array | undefined>(rows);
    let from = 0;
    for (let row = 0; row < rows; row++) {
      const to = this.#ends[row];
      // No member that is absent in some records writes an empty text in others.
      values[row] = to === from ? undefined : new Uint8Array(buffer, byteOffset + from, to - from);
      from = to;
    }
    return values;
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
  const optional = 'OPTIONAL' as const;
  const required = 'REQUIRED' as const;
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
      return new ListColumn(name, rows, { type: 'DOUBLE', repetition_type: required }, duration);
    case 'srcPort':
    case 'dstPort': {
      const responder = name === 'dstPort';
      const element = { type: 'INT32', repetition_type: optional } as const;
      return new ListColumn(name, rows, element, (batch, index) => port(batch, index, responder));
    }
    case 'proto':
      return new ListColumn(name, rows, { ...TEXT, repetition_type: optional }, (batch, index) => {
        const meta = batch.words[index * batch.layout.stride + Row.meta];
        return (meta & KeyKind.anyProtocol) === 0 ? PROTOCOL_NAMES[meta & 0xff] : undefined;
      });
    case 'endReason':
      return new ListColumn(name, rows, { ...TEXT, repetition_type: optional }, (batch, index) => {
        const state = batch.words[index * batch.layout.stride + Row.state];
        return END_REASON_NAMES[(state >>> REASON_SHIFT) & 15] || undefined;
      });
    case 'id':
    case 'src':
    case 'dst':
    case 'communityId':
      return new TextColumn(name, rows, fastMembers(communityIdSeed)[name], name !== 'communityId');
  }
  const read = (batch: RecordBatch, index: number): unknown => field.read(batch, index);
  switch (field.type) {
    case 'number':
      return new ListColumn(name, rows, { type: 'DOUBLE', repetition_type: optional }, (batch, index) => {
        const value = field.read(batch, index);
        return value === undefined ? undefined : Number(value);
      });
    case 'boolean':
      return new ListColumn(name, rows, { type: 'BOOLEAN', repetition_type: optional }, read);
    case 'string':
      return new ListColumn(name, rows, { ...TEXT, repetition_type: optional }, read);
    default:
      return new ListColumn(name, rows, { ...TEXT, repetition_type: optional }, (batch, index) => {
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
