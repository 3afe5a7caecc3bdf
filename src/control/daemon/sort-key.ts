import { ErrorCode, RheoError } from '../../core/errors.js';
import { endpoint } from '../../model/core-fields.js';
import type { RecordField } from '../../model/hook.js';
import { approximateCounter } from '../../model/record.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';

/** Rank of a record: numbers by size, texts by code units. */
export type SortValue = (batch: RecordBatch, index: number) => number | string;

export interface SortKey {
  readonly value: SortValue;
  /** Order where none is asked for: sizes and lengths of time begin with the largest, all else with the smallest. */
  readonly descending: boolean;
}

function total(batch: RecordBatch, index: number, a: number, b: number): number {
  const at = index * batch.layout.stride;
  return approximateCounter(batch.unsigned, at + a) + approximateCounter(batch.unsigned, at + b);
}

/** Bytes of both directions. */
export function totalBytes(batch: RecordBatch, index: number): number {
  return total(batch, index, Row.octetsA, Row.octetsB);
}

/** Packets of both directions. */
export function totalPackets(batch: RecordBatch, index: number): number {
  return total(batch, index, Row.packetsA, Row.packetsB);
}

/** Seconds from first to last packet, 0 where the clock stepped back. */
export function durationSeconds(batch: RecordBatch, index: number): number {
  const at = index * batch.layout.stride;
  const { unsigned } = batch;
  const seconds = unsigned[at + Row.lastSeconds] - unsigned[at + Row.startSeconds];
  return Math.max(0, seconds + (unsigned[at + Row.lastNanos] - unsigned[at + Row.startNanos]) / 1e9);
}

/** Bytes of both directions a second; a flow of a moment counts as one of a second. */
function rate(batch: RecordBatch, index: number): number {
  return totalBytes(batch, index) / Math.max(1, durationSeconds(batch, index));
}

function time(seconds: number, nanos: number): SortValue {
  return (batch, index) => {
    const at = index * batch.layout.stride;
    return batch.unsigned[at + seconds] + batch.unsigned[at + nanos] / 1e9;
  };
}

/** Addresses in the order of their numbers, IPv4 first. */
function address(responder: boolean): SortValue {
  return (batch, index) => {
    const at = index * batch.layout.stride;
    const from = endpoint(batch, at, responder);
    const version = (batch.words[at + Row.meta] >>> 8) & 0xff;
    let text = String(version);
    for (let w = 0; w < (version === 6 ? 4 : 1); w++) text += batch.unsigned[from + w].toString(16).padStart(8, '0');
    return text;
  };
}

/** The sort key for no order: the walk over the table ends as soon as there are flows enough for the page. */
export const TABLE_ORDER = 'none';

/** As `rheo read --sort`: packets and bytes are those of both directions together. */
const OWN: Readonly<Record<string, SortKey>> = {
  bytes: { value: totalBytes, descending: true },
  packets: { value: totalPackets, descending: true },
  duration: { value: durationSeconds, descending: true },
  rate: { value: rate, descending: true },
  start: { value: time(Row.startSeconds, Row.startNanos), descending: false },
  end: { value: time(Row.lastSeconds, Row.lastNanos), descending: false },
  src: { value: address(false), descending: false },
  dst: { value: address(true), descending: false },
  // The number in which the walk meets them, which only that knows.
  [TABLE_ORDER]: { value: () => 0, descending: false },
};

/**
 * The sort key of this name: a member of the record, `rate`, or `none`.
 * @throws RheoError usage
 */
export function sortKey(name: string, members: readonly RecordField[]): SortKey {
  if (Object.hasOwn(OWN, name)) return OWN[name];
  const field = members.find((member) => member.name === name);
  if (field === undefined) throw unknownMember('sort', name, ['none', 'rate', ...members.map((member) => member.name)]);
  const size = field.type === 'number' && !name.endsWith('Port');
  return { value: (batch, index) => comparable(field.read(batch, index), size), descending: size };
}

/** Absent members come last among sizes, first among texts. */
function comparable(value: unknown, size: boolean): number | string {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value === undefined) return size ? -1 : '';
  return JSON.stringify(value);
}

/** Order of two sort values, ascending. Numbers come before texts. */
export function compareValues(x: number | string, y: number | string): number {
  if (typeof x === typeof y) return x < y ? -1 : x > y ? 1 : 0;
  return typeof x === 'number' ? -1 : 1;
}

export function unknownMember(what: string, name: string, known: readonly string[]): RheoError {
  return new RheoError(ErrorCode.usage, `${what}: no member of a flow record is called '${name.slice(0, 64)}'`, {
    remedy: `Known here: ${known.join(', ')}.`,
  });
}
