/**
 * What enrichment finds beside a record (`RecordBatch.aside`): ASIDE_WORDS words a record, those of endpoint A and behind them
 * those of endpoint B. By endpoint and not by initiator, as in the row itself. A word of 0 says that nothing is known.
 */
export const Aside = {
  /** AS number: origin, neighbour or the one before the origin, as configured. */
  as: 0,
  /** Bits 0–7: length of the prefix plus one; bits 8–15: `Hop`. */
  prefix: 1,
  /** First AS on the way to the endpoint. */
  adjacentAs: 2,
  /** Number of the place, as who filled it in counts them. */
  place: 3,
  /** Next hop on the way to the endpoint: four words, IPv4 in the first. */
  nextHop: 4,
} as const;
/** Words of one endpoint. */
export const ASIDE_END = 8;
export const ASIDE_WORDS: number = 2 * ASIDE_END;

/** Kinds of next hop, as they stand in bits 8–15 of the prefix word. */
export const Hop = { none: 0, ipv4: 1, ipv6: 2 } as const;
export const HOP_SHIFT = 8;
