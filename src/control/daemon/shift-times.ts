import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';

/** Moves the times of all records of a batch by so many ns (of either sign). */
export function shiftTimes(batch: RecordBatch, stepNanos: number): void {
  if (stepNanos === 0) return;
  const seconds = Math.floor(stepNanos / 1e9);
  const nanos = Math.round(stepNanos - seconds * 1e9);
  const { unsigned } = batch;
  const { stride } = batch.layout;
  for (let at = 0, end = batch.count * stride; at < end; at += stride) {
    move(unsigned, at + Row.startSeconds, at + Row.startNanos, seconds, nanos);
    move(unsigned, at + Row.lastSeconds, at + Row.lastNanos, seconds, nanos);
  }
}

function move(words: Uint32Array, atSeconds: number, atNanos: number, seconds: number, nanos: number): void {
  const sum = words[atNanos] + nanos;
  const carry = sum >= 1e9 ? 1 : 0;
  words[atNanos] = sum - carry * 1e9;
  // Times before 1970 there are none.
  words[atSeconds] = Math.max(0, words[atSeconds] + seconds + carry);
}
