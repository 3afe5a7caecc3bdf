import { Row } from '../model/row.js';

/**
 * A flow's row in the table, in two parts. The hot part is one cache line: all that a packet of an IPv4 flow reads or
 * writes. Meanings and units are those of model/row.ts, which is the order in records; `copyRecord` is the way there.
 */
export const Hot = {
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
} as const;
export const HOT_WORDS = 16;

/** The cold part: the rest of IPv6 addresses, rare events, then the additional key words. */
export const Cold = {
  a1: 0,
  a2: 1,
  a3: 2,
  b1: 3,
  b2: 4,
  b3: 5,
  /** High words of the counters, in the order of the low ones. */
  packetsHighA: 6,
  octetsHighA: 7,
  packetsHighB: 8,
  octetsHighB: 9,
  finA: 10,
  finB: 11,
  icmpErrors: 12,
  layers: 13,
} as const;
export const COLD_WORDS = 16;

/** Copies the row of a flow (first words `hot`, `cold`) to a record (first word `to`). */
export function copyRecord(
  hotWords: Int32Array,
  hot: number,
  coldWords: Int32Array,
  cold: number,
  record: Int32Array,
  to: number,
): void {
  record[to + Row.a] = hotWords[hot + Hot.a0];
  record[to + Row.b] = hotWords[hot + Hot.b0];
  for (let w = 0; w < 3; w++) {
    record[to + Row.a + 1 + w] = coldWords[cold + Cold.a1 + w];
    record[to + Row.b + 1 + w] = coldWords[cold + Cold.b1 + w];
  }
  record[to + Row.ports] = hotWords[hot + Hot.ports];
  record[to + Row.meta] = hotWords[hot + Hot.meta];
  record[to + Row.state] = hotWords[hot + Hot.state];
  record[to + Row.hash] = hotWords[hot + Hot.hash];
  record[to + Row.lastSeconds] = hotWords[hot + Hot.lastSeconds];
  record[to + Row.lastNanos] = hotWords[hot + Hot.lastNanos];
  record[to + Row.tcpFlags] = hotWords[hot + Hot.tcpFlags];
  record[to + Row.icmpErrors] = coldWords[cold + Cold.icmpErrors];
  record[to + Row.startSeconds] = hotWords[hot + Hot.startSeconds];
  record[to + Row.startNanos] = hotWords[hot + Hot.startNanos];
  for (let c = 0; c < 4; c++) {
    record[to + Row.packetsA + c * 2] = hotWords[hot + Hot.packetsA + c];
    record[to + Row.packetsA + c * 2 + 1] = coldWords[cold + Cold.packetsHighA + c];
  }
  record[to + Row.finA] = coldWords[cold + Cold.finA];
  record[to + Row.finB] = coldWords[cold + Cold.finB];
  record[to + Row.iface] = hotWords[hot + Hot.iface];
  for (let w = 0; w < 3; w++) record[to + Row.layers + w] = coldWords[cold + Cold.layers + w];
}
