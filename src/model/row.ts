/**
 * A flow's record: 32 words of 32 bits in a RecordBatch. In the flow table the same words have another order
 * (meter/layout.ts).
 * Everything is kept by endpoint (A, B), not by initiator, so that correcting a wrong guess of the direction is one bit.
 */
export const Row = {
  /** Endpoint A, B: four words each, network order; IPv4 uses the first. */
  a: 0,
  b: 4,
  /** As `Batch.ports`. */
  ports: 8,
  /** As `Batch.meta`. */
  meta: 9,
  /** `State` bits. */
  state: 10,
  hash: 11,
  /** Time of the last packet: seconds, nanoseconds. */
  lastSeconds: 12,
  lastNanos: 13,
  /** TCP flags seen: of A's packets in the low half, of B's in the high half. */
  tcpFlags: 14,
  /** ICMP errors that quoted this flow. */
  icmpErrors: 15,
  /** Time of the first packet. */
  startSeconds: 16,
  startNanos: 17,
  /** 64-bit counters, low word first: packets and IP bytes sent by A, then by B. */
  packetsA: 18,
  octetsA: 20,
  packetsB: 22,
  octetsB: 24,
  /** TCP sequence number after A's and B's FIN, valid with State.finA / finB. */
  finA: 26,
  finB: 27,
  /** Source interface of the first packet. */
  iface: 28,
  /**
   * Three words: VLAN ids of the first packet, 12 bits each, the outermost in the lowest bits of the first word. If it came
   * through a tunnel, the third word is the tunnel's id (VNI, key, TEID; 0 if it has none), and there is room for five ids.
   */
  layers: 29,
} as const;
/** Words of a row without additional key words and side columns. */
export const ROW_WORDS = 32;

/** Bits of the state word. */
export const State = {
  /** The initiator is B (else A). */
  initiatorB: 1,
  /** A SYN without ACK decided the direction. */
  synSeen: 2,
  finA: 4,
  finB: 8,
  finAckedA: 16,
  finAckedB: 32,
  reset: 64,
  /** Continues a flow that was expired by the active timeout: has no packets of its own yet. */
  dormant: 128,
  /** Row is in use. */
  live: 256,
  /** At least one packet was a fragment. */
  fragmented: 512,
  /** ICMP errors: the key of the first packet that was quoted stands aside (`RecordBatch.quoted`). */
  quotes: 1024,
  /** ICMP: the first packet was of the answering kind (echo reply …). */
  icmpReply: 2048,
} as const;
/** Timeout class in bits 16–19, end reason in bits 20–23 of the state word. */
export const CLASS_SHIFT = 16;
export const CLASS_MASK: number = 15 << CLASS_SHIFT;
export const REASON_SHIFT = 20;
/** Of the first packet: its innermost tunnel (packet/tunnel.ts, 0: none) in bits 24–27, VLAN ids kept in bits 28–31. */
export const TUNNEL_SHIFT = 24;
export const VLANS_SHIFT = 28;
export const LAYERS_MASK: number = 0xff << TUNNEL_SHIFT;
/** VLAN ids that are kept of a flow in a tunnel. */
export const VLANS_IN_TUNNEL = 5;

/** flowEndReason (IE 136). `deleted` is ours, for flows that somebody had forgotten: they leave no record. */
export const EndReason = { idle: 1, active: 2, end: 3, forced: 4, resources: 5, deleted: 6 } as const;
export type EndReason = (typeof EndReason)[keyof typeof EndReason];
export const END_REASON_NAMES: readonly string[] = ['', 'idle', 'active', 'end', 'forced', 'resources', 'deleted'];
