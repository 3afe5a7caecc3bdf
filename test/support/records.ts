import { PLAIN_LAYOUT, RecordBatch, type RecordLayout } from '../../src/model/record-batch.js';
import { EndReason, REASON_SHIFT, Row, State } from '../../src/model/row.js';
import { KeyKind } from '../../src/packet/key.js';

/** A record as a test writes it: endpoint A is the lower address unless the test wants otherwise. */
export interface TestRecord {
  a: string;
  b: string;
  protocol: number;
  portA?: number;
  portB?: number;
  icmp?: { type: number; code: number };
  spi?: number;
  /** Bits besides the ones that follow from the members above. */
  kind?: number;
  initiatorB?: boolean;
  state?: number;
  reason?: number;
  start?: [number, number];
  last?: [number, number];
  packets?: [bigint | number, bigint | number];
  octets?: [bigint | number, bigint | number];
  flagsA?: number;
  flagsB?: number;
  icmpErrors?: number;
  key?: readonly number[];
}

/** Words of an address text, network order: one for IPv4, four for IPv6. Written plainly, as an oracle. */
export function addressWords(text: string): number[] {
  if (!text.includes(':')) return [text.split('.').reduce((word, part) => (word << 8) | Number(part), 0)];
  const [head, tail] = text.split('::');
  const groups = (part: string | undefined): number[] =>
    part ? part.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const left = groups(head);
  const right = groups(tail);
  const all = [...left, ...new Array(8 - left.length - right.length).fill(0), ...right];
  return [0, 2, 4, 6].map((g) => (all[g] << 16) | all[g + 1]);
}

export function appendRecord(batch: RecordBatch, record: TestRecord): void {
  const { words, unsigned, layout } = batch;
  const at = batch.count++ * layout.stride;
  const a = addressWords(record.a);
  words.fill(0, at, at + layout.stride);
  words.set(a, at + Row.a);
  words.set(addressWords(record.b), at + Row.b);
  let kind = record.kind ?? 0;
  if (record.portA !== undefined) {
    kind |= KeyKind.ports;
    words[at + Row.ports] = (record.portA << 16) | (record.portB ?? 0);
  }
  if (record.icmp !== undefined) {
    kind |= KeyKind.icmp;
    words[at + Row.ports] = (record.icmp.type << 8) | record.icmp.code;
  }
  if (record.spi !== undefined) {
    kind |= KeyKind.spi;
    words[at + Row.ports] = record.spi;
  }
  words[at + Row.meta] = record.protocol | ((a.length === 1 ? 4 : 6) << 8) | kind;
  words[at + Row.state] =
    (record.state ?? 0) |
    (record.initiatorB === true ? State.initiatorB : 0) |
    ((record.reason ?? EndReason.idle) << REASON_SHIFT);
  const start = record.start ?? [1704067200, 0];
  const last = record.last ?? start;
  unsigned.set(start, at + Row.startSeconds);
  unsigned.set(last, at + Row.lastSeconds);
  words[at + Row.tcpFlags] = ((record.flagsB ?? 0) << 16) | (record.flagsA ?? 0);
  words[at + Row.icmpErrors] = record.icmpErrors ?? 0;
  const counter = (offset: number, value: bigint | number): void => {
    unsigned[at + offset] = Number(BigInt(value) & 0xffffffffn);
    unsigned[at + offset + 1] = Number(BigInt(value) >> 32n);
  };
  counter(Row.packetsA, record.packets?.[0] ?? 1);
  counter(Row.packetsB, record.packets?.[1] ?? 0);
  counter(Row.octetsA, record.octets?.[0] ?? 60);
  counter(Row.octetsB, record.octets?.[1] ?? 0);
  if (record.key !== undefined) words.set(record.key, at + layout.keyOffset);
}

export function batchOf(records: readonly TestRecord[], layout: RecordLayout = PLAIN_LAYOUT): RecordBatch {
  const batch = new RecordBatch(layout, new ArrayBuffer(Math.max(records.length, 1) * layout.stride * 4));
  for (const record of records) appendRecord(batch, record);
  return batch;
}

/** The record that the design shows. */
export const DESIGN_RECORD: TestRecord = {
  a: '10.0.0.1',
  b: '192.0.2.7',
  protocol: 6,
  portA: 51000,
  portB: 443,
  start: [1704067200, 1_365_000],
  last: [1704067212, 500_000_000],
  packets: [10, 8],
  octets: [1234, 43210],
  flagsA: 0x1b,
  flagsB: 0x1b,
  reason: EndReason.end,
};
