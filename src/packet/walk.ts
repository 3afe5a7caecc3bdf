import type { Batch } from './batch.js';

/** EtherTypes that the decoder follows (IEEE registry). */
export const EtherType = {
  ipv4: 0x0800,
  ipv6: 0x86dd,
  vlan: 0x8100,
  serviceVlan: 0x88a8,
  /** Older double tagging. */
  vlan9100: 0x9100,
  vlan9200: 0x9200,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  pppoeSession: 0x8864,
  /** Transparent Ethernet bridging: a whole Ethernet frame follows (GRE, Geneve). */
  ethernet: 0x6558,
} as const;

/**
 * Where the decoder stands in a frame: one object, reused for every packet. A link layer or tunnel parser reads at `pos`,
 * checks its length against `end` once, then moves `pos` to the next header and says in `etherType` what that is.
 */
export class Walk {
  /** The batch and the index of the packet in it, for columns that a parser fills (mac, vlan, tunnelId …). */
  batch: Batch;
  index = 0;
  view: DataView;
  /** Next byte to read. */
  pos = 0;
  /** End of the captured bytes: nothing at or behind it may be read. */
  end = 0;
  /** End of the frame on the wire (≥ end), made smaller by length fields of outer headers. */
  wireEnd = 0;
  /** What stands at `pos`. */
  etherType = 0;

  constructor(batch: Batch) {
    this.batch = batch;
    this.view = batch.view;
  }
}

/**
 * Parses a link layer. Returns 0 and has set `pos` and `etherType`, or returns a `Refusal`.
 * Never throws, never reads at or behind `end`, and its work is bounded.
 */
export type LinkParser = (walk: Walk) => number;

/**
 * Looks into a tunnel whose header begins at `pos`. Returns true and has set `pos`, `etherType` and the batch's
 * `tunnelId`, or returns false with the walk unchanged: not this tunnel (by its own validation), or cut by the snap length.
 */
export type TunnelParser = (walk: Walk) => boolean;
