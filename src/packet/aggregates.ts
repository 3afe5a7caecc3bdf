/** Bits of `Aggregates.marks`. */
export const AggregateMark = {
  /** At least one of the packets was a fragment. */
  fragments: 1,
  /** They are later fragments of datagrams whose first fragment was not seen. */
  orphans: 2,
} as const;

/**
 * Packets that were counted before they came to us, as columns beside a batch. The batch has the first packet of each
 * aggregate, one direction of one flow; here is what followed it.
 */
export class Aggregates {
  /** Packets without the first one, their IP bytes, their bytes on the wire. */
  readonly packets: Float64Array;
  readonly octets: Float64Array;
  readonly wire: Float64Array;
  /** Time of the last packet. */
  readonly lastSeconds: Uint32Array;
  readonly lastNanos: Int32Array;
  /** TCP flags of all packets together, the first one included. */
  readonly tcpFlags: Int32Array;
  /** `AggregateMark` bits. */
  readonly marks: Uint8Array;
  /** Why they are not metered (`Refusal`); 0: they are. */
  readonly refusal: Uint8Array;

  constructor(capacity: number) {
    this.packets = new Float64Array(capacity);
    this.octets = new Float64Array(capacity);
    this.wire = new Float64Array(capacity);
    this.lastSeconds = new Uint32Array(capacity);
    this.lastNanos = new Int32Array(capacity);
    this.tcpFlags = new Int32Array(capacity);
    this.marks = new Uint8Array(capacity);
    this.refusal = new Uint8Array(capacity);
  }
}
