import type { FieldSpecifier } from './data-type.js';

/**
 * Room behind the limit of a message: a record is written first and then seen whether it fitted, so that records with
 * variable lengths need no measuring. No record may be longer.
 */
const SLACK = 65_536;
const SET_HEADER = 4;

/**
 * A message of sets: IPFIX (RFC 7011 §3) and NetFlow v9 (RFC 3954 §5) under construction. Memory is taken once. `at` is where
 * the next byte goes; what lies behind `limit` when a record is complete is taken back with `rollback`.
 */
export class SetWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly limit: number;
  readonly #headerBytes: number;
  /** Sets are padded to multiples of this: 4 where they must be (v9), 1 where they need not. */
  readonly #alignment: number;
  at = 0;
  #set = -1;
  #setId = -1;
  /** Before the set that `record` opened, or the end of the last record: where to return to. */
  #restore = 0;
  #restoreSet = -1;
  #restoreId = -1;

  constructor(limit: number, headerBytes: number, alignment: number) {
    this.bytes = new Uint8Array(limit + SLACK);
    this.view = new DataView(this.bytes.buffer);
    this.limit = limit;
    this.#headerBytes = headerBytes;
    this.#alignment = alignment;
  }

  get empty(): boolean {
    return this.at === this.#headerBytes;
  }

  begin(): void {
    this.at = this.#headerBytes;
    this.#set = -1;
    this.#setId = -1;
  }

  /** Makes `at` the place of a record of set `id`; the set is opened if another one or none is open. */
  record(id: number): void {
    if (this.#setId !== id) {
      this.closeSet();
      this.#restore = this.at;
      this.#restoreSet = -1;
      this.#restoreId = -1;
      this.#set = this.at;
      this.#setId = id;
      this.view.setUint16(this.at, id);
      this.at += SET_HEADER;
      return;
    }
    this.#restore = this.at;
    this.#restoreSet = this.#set;
    this.#restoreId = id;
  }

  /** True if the record that was just written fits, with the padding of its set; else it is taken back. */
  accept(): boolean {
    const length = this.at - this.#set;
    const padding = (this.#alignment - (length & (this.#alignment - 1))) & (this.#alignment - 1);
    if (this.at + padding <= this.limit) return true;
    this.rollback();
    return false;
  }

  rollback(): void {
    this.at = this.#restore;
    this.#set = this.#restoreSet;
    this.#setId = this.#restoreId;
  }

  closeSet(): void {
    if (this.#set < 0) return;
    while (((this.at - this.#set) & (this.#alignment - 1)) !== 0) this.bytes[this.at++] = 0;
    this.view.setUint16(this.#set + 2, this.at - this.#set);
    this.#set = -1;
    this.#setId = -1;
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value);
    this.at += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value);
    this.at += 4;
  }

  /** A whole number up to 2^53. */
  u64(value: number): void {
    this.view.setUint32(this.at, Math.floor(value / 0x1_0000_0000));
    this.view.setUint32(this.at + 4, value % 0x1_0000_0000);
    this.at += 8;
  }

  /** UTF-8 with the length in front (RFC 7011 §7); cut at `most` bytes, never within a character. */
  variableText(text: string, most = 254): void {
    const from = this.at + 1;
    const { written } = ENCODER.encodeInto(text, this.bytes.subarray(from, from + Math.min(most, 254)));
    this.bytes[this.at] = written;
    this.at = from + written;
  }

  /** UTF-8 in a fixed number of bytes, filled with zeros. */
  fixedText(text: string, length: number): void {
    const { written } = ENCODER.encodeInto(text, this.bytes.subarray(this.at, this.at + length));
    this.bytes.fill(0, this.at + written, this.at + length);
    this.at += length;
  }

  /** A field specifier (RFC 7011 §3.2); v9 has no enterprises. */
  specifier(field: FieldSpecifier): void {
    this.u16(field.pen === 0 ? field.id : field.id | 0x8000);
    this.u16(field.length);
    if (field.pen !== 0) this.u32(field.pen);
  }
}

const ENCODER = new TextEncoder();
