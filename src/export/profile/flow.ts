import type { RecordField } from '../../model/hook.js';
import { PROTOCOL_NAMES } from '../../model/protocols.js';
import { readMembers } from '../../model/read-record.js';
import type { FlowRecord } from '../../model/record.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';

/** A record as profiles see it: its members, and what they leave out. */
export interface ProfileFlow {
  readonly record: FlowRecord;
  /** 4 or 6. */
  readonly ipVersion: number;
  /** IANA's number; undefined where protocols are not in the key. */
  readonly protocol: number | undefined;
  readonly startSeconds: number;
  readonly startNanos: number;
  readonly endSeconds: number;
  readonly endNanos: number;
}

const NUMBER_OF = new Map(PROTOCOL_NAMES.map((name, number) => [name, number]));

export function profileFlow(batch: RecordBatch, index: number, members: readonly RecordField[]): ProfileFlow {
  const at = index * batch.layout.stride;
  const record = readMembers(batch, index, members) as FlowRecord;
  return {
    record,
    ipVersion: (batch.words[at + Row.meta] >>> 8) & 0xff,
    protocol: record.proto === undefined ? undefined : NUMBER_OF.get(record.proto),
    startSeconds: batch.unsigned[at + Row.startSeconds],
    startNanos: batch.unsigned[at + Row.startNanos],
    endSeconds: batch.unsigned[at + Row.lastSeconds],
    endNanos: batch.unsigned[at + Row.lastNanos],
  };
}

const BITS = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100];
const LETTERS = 'FSRPAUECN';

/** The TCP flags of a member as bits. */
export function flagBits(letters: string | undefined): number {
  let bits = 0;
  for (const letter of letters ?? '') bits |= BITS[LETTERS.indexOf(letter)];
  return bits;
}

/** Microseconds of the second, six digits, as text: `.123456`. */
export function microText(nanos: number): string {
  return String(Math.floor(nanos / 1000)).padStart(6, '0');
}

/** A counter as a number; beyond 2^53 the nearest one. */
export function count(value: number | bigint): number {
  return Number(value);
}
