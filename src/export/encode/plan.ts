import type { RecordBatch } from '../../model/record-batch.js';
import { writeMilliseconds } from './times.js';
import type { WireField } from './variant.js';

/**
 * How words of a record go out as they stand. Most fields are that, and a function for each of them takes longer to call
 * than to run.
 */
export const Copy = {
  /** The field has a function of its own. */
  none: 0,
  /** Bits 0–7, 8–15, 16–23 of a word. */
  byte0: 1,
  byte1: 2,
  byte2: 3,
  /** The lower, the higher half of a word. */
  low: 4,
  high: 5,
  word: 6,
  /** Two words, the lower one first. */
  counter: 7,
  /** Four words. */
  ipv6: 8,
  /** Seconds, nanoseconds as milliseconds since 1970 (RFC 7011 §6.1.8). */
  milliseconds: 9,
} as const;
export type Copy = (typeof Copy)[keyof typeof Copy];

/** A way, and the first word in the record. */
export interface WordCopy {
  readonly way: Copy;
  readonly word: number;
}

/** Copies from the record's word `from`; returns where the next value goes. */
function copyWords(view: DataView, at: number, words: Int32Array, from: number, way: number): number {
  switch (way) {
    case Copy.byte0:
      view.setUint8(at, words[from] & 0xff);
      return at + 1;
    case Copy.byte1:
      view.setUint8(at, (words[from] >>> 8) & 0xff);
      return at + 1;
    case Copy.byte2:
      view.setUint8(at, (words[from] >>> 16) & 0xff);
      return at + 1;
    case Copy.low:
      view.setUint16(at, words[from] & 0xffff);
      return at + 2;
    case Copy.high:
      view.setUint16(at, words[from] >>> 16);
      return at + 2;
    case Copy.word:
      view.setInt32(at, words[from]);
      return at + 4;
    case Copy.counter:
      view.setInt32(at, words[from + 1]);
      view.setInt32(at + 4, words[from]);
      return at + 8;
    case Copy.ipv6:
      for (let k = 0; k < 4; k++) view.setInt32(at + k * 4, words[from + k]);
      return at + 16;
    default:
      return writeMilliseconds(view, at, words[from] >>> 0, words[from + 1]);
  }
}

/**
 * A field that is copied.
 * @param copies where the source of the record is endpoint A, and where it is B
 */
export function copiedField(
  pen: number,
  id: number,
  length: number,
  copies: readonly [WordCopy, WordCopy],
  key = false,
): WireField {
  return {
    pen,
    id,
    length,
    copies,
    write(view, at, batch, _index, base, source) {
      const { way, word } = copies[source];
      return copyWords(view, at, batch.words, base + word, way);
    },
    ...(key && { key }),
  };
}

/** The fields of a template for records of one source: pairs of way and word. */
export function planOf(fields: readonly WireField[], source: 0 | 1): Int32Array {
  return Int32Array.from(
    fields.flatMap(({ copies }) => (copies === undefined ? [Copy.none, 0] : [copies[source].way, copies[source].word])),
  );
}

/** Writes all fields of a record by their plan, and returns the end. */
export function writeFields(
  view: DataView,
  from: number,
  fields: readonly WireField[],
  plan: Int32Array,
  batch: RecordBatch,
  index: number,
  source: number,
): number {
  const { words, layout } = batch;
  const base = index * layout.stride;
  let at = from;
  for (let k = 0; k < fields.length; k++) {
    const way = plan[k * 2];
    if (way === Copy.none) at = fields[k].write(view, at, batch, index, base, source);
    else at = copyWords(view, at, words, base + plan[k * 2 + 1], way);
  }
  return at;
}
