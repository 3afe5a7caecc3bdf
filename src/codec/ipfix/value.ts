import { type ElementInfo, type ElementLookup, NTP_UNIX_OFFSET, VARIABLE_LENGTH } from './data-type.js';
import type { FlowTemplate } from './template-cache.js';

/**
 * A value as it was on the wire. Integers are numbers where a number holds them exactly, else bigint; addresses (also MAC) and
 * octets are bytes; times are seconds and nanoseconds.
 */
export type Value = number | bigint | string | boolean | Uint8Array | TimeValue | ListValue;

export interface TimeValue {
  readonly seconds: number;
  readonly nanos: number;
}

/** A list of RFC 6313: of one element, or of records of one or several templates. */
export interface ListValue {
  /** 0 none of, 1 exactly one of, 2 one or more of, 3 all of, 4 ordered, 255 undefined. */
  readonly semantic: number;
  readonly element?: { readonly pen: number; readonly id: number };
  readonly values?: readonly Value[];
  readonly records?: readonly { readonly template: FlowTemplate; readonly values: readonly Value[] }[];
}

/** Lists may hold lists; deeper ones than this are damage. */
const DEEPEST = 4;
const WORD = 0x1_0000_0000;
const UTF8 = new TextDecoder('utf-8');

/** Reads values; `damage` counts what is not right, by reason. Bytes are copied: nothing points into the message. */
export class ValueReader {
  readonly #lookup: ElementLookup;
  readonly #templates: (id: number) => FlowTemplate | undefined;
  readonly #damage: (reason: string) => void;

  constructor(
    lookup: ElementLookup,
    templates: (id: number) => FlowTemplate | undefined,
    damage: (reason: string) => void,
  ) {
    this.#lookup = lookup;
    this.#templates = templates;
    this.#damage = damage;
  }

  /** Where the record's reading stopped; valid after `record`. */
  next = 0;

  /** One record of a template in [at, end); undefined if it is not whole. */
  record(view: DataView, from: number, end: number, template: FlowTemplate, depth = 0): Value[] | undefined {
    const values: Value[] = [];
    let at = from;
    for (const field of template.fields) {
      let { length } = field;
      if (length === VARIABLE_LENGTH) {
        if (at >= end) return undefined;
        length = view.getUint8(at++);
        if (length === 255) {
          if (at + 2 > end) return undefined;
          length = view.getUint16(at);
          at += 2;
        }
      }
      if (at + length > end) return undefined;
      values.push(this.value(view, at, length, field.info, depth));
      at += length;
    }
    this.next = at;
    return values;
  }

  value(view: DataView, at: number, length: number, info: ElementInfo | undefined, depth: number): Value {
    switch (info?.type) {
      case 'unsigned8':
      case 'unsigned16':
      case 'unsigned32':
      case 'unsigned64':
        return length <= 8 ? unsigned(view, at, length) : copy(view, at, length);
      case 'signed8':
      case 'signed16':
      case 'signed32':
      case 'signed64':
        return length <= 8 && length > 0 ? signed(view, at, length) : copy(view, at, length);
      case 'float32':
      case 'float64':
        if (length === 4) return view.getFloat32(at);
        return length === 8 ? view.getFloat64(at) : copy(view, at, length);
      case 'boolean': {
        const value = length === 1 ? view.getUint8(at) : 0;
        return value === 1 || value === 2 ? value === 1 : copy(view, at, length);
      }
      case 'string':
        return UTF8.decode(copy(view, at, length)).replace(/\0+$/, '');
      case 'dateTimeSeconds':
        return length === 4 ? { seconds: view.getUint32(at), nanos: 0 } : copy(view, at, length);
      case 'dateTimeMilliseconds': {
        if (length !== 8) return copy(view, at, length);
        const ms = BigInt.asUintN(64, view.getBigUint64(at));
        return { seconds: Number(ms / 1000n), nanos: Number(ms % 1000n) * 1_000_000 };
      }
      case 'dateTimeMicroseconds':
      case 'dateTimeNanoseconds':
        return length === 8 ? ntpTime(view, at, info.type === 'dateTimeMicroseconds') : copy(view, at, length);
      case 'basicList':
        return this.#basicList(view, at, at + length, depth) ?? this.#damaged(view, at, length);
      case 'subTemplateList':
        return this.#templateList(view, at, at + length, depth, false) ?? this.#damaged(view, at, length);
      case 'subTemplateMultiList':
        return this.#templateList(view, at, at + length, depth, true) ?? this.#damaged(view, at, length);
      default:
        return copy(view, at, length);
    }
  }

  #damaged(view: DataView, at: number, length: number): Uint8Array {
    this.#damage('list');
    return copy(view, at, length);
  }

  /** RFC 6313 §4.5.1. */
  #basicList(view: DataView, from: number, end: number, depth: number): ListValue | undefined {
    if (depth >= DEEPEST || from + 5 > end) return undefined;
    const semantic = view.getUint8(from);
    const number = view.getUint16(from + 1);
    const length = view.getUint16(from + 3);
    let at = from + 5;
    let pen = 0;
    if ((number & 0x8000) !== 0) {
      if (at + 4 > end) return undefined;
      pen = view.getUint32(at);
      at += 4;
    }
    if (length === 0) return undefined;
    const id = number & 0x7fff;
    const info = this.#lookup(pen, id);
    const values: Value[] = [];
    while (at < end) {
      let size = length;
      if (length === VARIABLE_LENGTH) {
        size = view.getUint8(at++);
        if (size === 255) {
          if (at + 2 > end) return undefined;
          size = view.getUint16(at);
          at += 2;
        }
      }
      if (at + size > end) return undefined;
      values.push(this.value(view, at, size, info, depth + 1));
      at += size;
    }
    return { semantic, element: { pen, id }, values };
  }

  /** RFC 6313 §4.5.2, §4.5.3: records of one template, or runs of records, each with its template and length. */
  #templateList(view: DataView, from: number, end: number, depth: number, multi: boolean): ListValue | undefined {
    if (depth >= DEEPEST || from + 1 > end) return undefined;
    const records: { template: FlowTemplate; values: Value[] }[] = [];
    let at = from + 1;
    do {
      if (at + (multi ? 4 : 2) > end) return at === end ? { semantic: view.getUint8(from), records } : undefined;
      const template = this.#templates(view.getUint16(at));
      const stop = multi ? at + view.getUint16(at + 2) : end;
      at += multi ? 4 : 2;
      if (template === undefined || stop < at || stop > end) return undefined;
      while (at < stop) {
        const values = this.record(view, at, stop, template, depth + 1);
        if (values === undefined) return undefined;
        records.push({ template, values });
        at = this.next;
      }
    } while (at < end);
    return { semantic: view.getUint8(from), records };
  }
}

function copy(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

function unsigned(view: DataView, at: number, length: number): number | bigint {
  let value = 0;
  if (length <= 6) {
    for (let k = 0; k < length; k++) value = value * 256 + view.getUint8(at + k);
    return value;
  }
  let big = 0n;
  for (let k = 0; k < length; k++) big = (big << 8n) | BigInt(view.getUint8(at + k));
  return big <= Number.MAX_SAFE_INTEGER ? Number(big) : big;
}

function signed(view: DataView, at: number, length: number): number | bigint {
  const value = BigInt.asIntN(8 * length, BigInt(unsigned(view, at, length)));
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** NTP's 64 bits; what is below a microsecond in a microsecond time means nothing (RFC 7011 §6.1.9). */
function ntpTime(view: DataView, at: number, micros: boolean): TimeValue {
  const seconds = (view.getUint32(at) - NTP_UNIX_OFFSET + WORD) % WORD;
  const fraction = BigInt(view.getUint32(at + 4));
  if (!micros) return { seconds, nanos: Number((fraction * 1_000_000_000n) >> 32n) };
  return { seconds, nanos: Number((fraction * 1_000_000n) >> 32n) * 1000 };
}
