import { Row } from '../model/row.js';

/**
 * A flow's row in the table, 32 words: the first cache line (16 words) has all that an IPv4 packet reads or writes, the
 * second what IPv6 and rare events need. Records have the order of model/row.ts; `copyRecord` is the way from one to the
 * other. Meanings and units are those of `Row`.
 */
export const Cell = {
  a0: 0,
  b0: 1,
  ports: 2,
  meta: 3,
  state: 4,
  tcpFlags: 5,
  lastSeconds: 6,
  lastNanos: 7,
  startSeconds: 8,
  startNanos: 9,
  /** Low words of the counters: packets and octets of A, then of B. */
  packetsA: 10,
  octetsA: 11,
  packetsB: 12,
  octetsB: 13,
  hash: 14,
  iface: 15,
  a1: 16,
  a2: 17,
  a3: 18,
  b1: 19,
  b2: 20,
  b3: 21,
  /** High words, each CARRY words behind its low one. */
  packetsHighA: 22,
  octetsHighA: 23,
  packetsHighB: 24,
  octetsHighB: 25,
  previous: 26,
  next: 27,
  slot: 28,
  finA: 29,
  finB: 30,
  icmpErrors: 31,
} as const;
/** From the low word of a counter to its high word. */
export const CARRY: number = Cell.packetsHighA - Cell.packetsA;
/** Words of a row without additional key words. */
export const CELL_WORDS = 32;
/** Rows begin on a cache line: their width is a multiple of this. */
export const LINE_WORDS = 16;

/** Position in the record → cell of the row, for all words of a record that come from the table. */
const CELL_OF: Int32Array = new Int32Array(32);
for (const [name, at] of Object.entries({
  a: Cell.a0,
  b: Cell.b0,
  ports: Cell.ports,
  meta: Cell.meta,
  state: Cell.state,
  hash: Cell.hash,
  lastSeconds: Cell.lastSeconds,
  lastNanos: Cell.lastNanos,
  tcpFlags: Cell.tcpFlags,
  icmpErrors: Cell.icmpErrors,
  startSeconds: Cell.startSeconds,
  startNanos: Cell.startNanos,
  packetsA: Cell.packetsA,
  octetsA: Cell.octetsA,
  packetsB: Cell.packetsB,
  octetsB: Cell.octetsB,
  previous: Cell.previous,
  next: Cell.next,
  slot: Cell.slot,
  finA: Cell.finA,
  finB: Cell.finB,
  iface: Cell.iface,
} satisfies Record<keyof typeof Row, number>)) {
  CELL_OF[Row[name as keyof typeof Row]] = at;
}
for (let k = 1; k < 4; k++) {
  CELL_OF[Row.a + k] = Cell.a1 + k - 1;
  CELL_OF[Row.b + k] = Cell.b1 + k - 1;
}
for (const counter of ['packetsA', 'octetsA', 'packetsB', 'octetsB'] as const) {
  CELL_OF[Row[counter] + 1] = Cell[counter] + CARRY;
}

/** Copies a row of the table (first word `from`) to a record (first word `to`). */
export function copyRecord(words: Int32Array, from: number, record: Int32Array, to: number): void {
  for (let w = 0; w < 32; w++) record[to + w] = words[from + CELL_OF[w]];
}
