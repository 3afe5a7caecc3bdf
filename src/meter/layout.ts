/**
 * A flow's row in the table, in two parts. The hot part is one cache line: all that a packet of an IPv4 flow reads or
 * writes. Meanings and units are those of model/row.ts, which is the order in records; copier.ts is the way there.
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
