/*
 * What the kernel's program keeps: offsets in bytes. Numbers are those of a little-endian machine; addresses, ports and the
 * like stand as they stand in the packet.
 */

/** The first record of a map of records: index of the next free one (64 bits), generation of the map (32 bits). */
export const Head = { next: 0, generation: 8 } as const;

/**
 * Where records are found by the hash of their key: two words of 64 bits, each the index of a record, and above it the
 * generation of the map in which it stands (32 bits each). Words of other generations are free.
 */
export const BUCKET_BYTES = 16;

/** A record: the key, and behind it the value. */
export const Key = {
  /** 16 bytes each; IPv4 uses the first four. */
  source: 0,
  destination: 16,
  /** The first four bytes of the transport header; ICMP: type and code; ESP, AH: the SPI; else 0. */
  ports: 32,
  /** VLAN ids + 1, 16 bits each; 0: no tag. */
  outerVlan: 36,
  innerVlan: 38,
  protocol: 40,
  /** 4 or 6: IP. 0: a packet that is not metered, `protocol` is the reason (a number of `Refusal`). */
  version: 41,
  /** 1 in, 2 out. */
  direction: 42,
  /** ToS byte, if it is part of the key. */
  tos: 43,
  /** Index of the interface in the source's list. */
  slot: 44,
  /** `KeyFlag` bits. */
  flags: 46,
} as const;
export const KEY_BYTES = 48;

/** A later fragment whose first one was not seen: it has no ports. */
export const KeyFlag = { orphan: 1 } as const;

export const Value = {
  packets: 0,
  /** IP bytes, and bytes of the frames. */
  octets: 8,
  wire: 16,
  /** Time of the first and the last packet: ns of CLOCK_BOOTTIME. */
  first: 24,
  last: 32,
  /** IP bytes of the first packet. */
  firstOctets: 40,
  /** TCP flags of all packets (32 bits), and of the first one (16 bits). */
  flags: 44,
  firstFlags: 48,
  /** ToS and TTL of the first packet. */
  tos: 50,
  ttl: 51,
  /** Not 0: at least one was a fragment (32 bits). */
  fragments: 52,
} as const;
export const VALUE_BYTES = 56;
export const RECORD_BYTES: number = KEY_BYTES + VALUE_BYTES;

/**
 * Counters of an interface, of each CPU: 64 bits each. What was dropped comes first, as the kernel copies from the
 * beginning to the end while programs count: so never more is dropped than came.
 */
export const Counter = { dropped: 0, superFrames: 8, segments: 16, packets: 24 } as const;
export const COUNTER_BYTES = 32;

/** Ports by datagram, for later fragments. Key: addresses as in `Key`, IP id (32 bits), protocol, direction, slot. */
export const Datagram = { id: 32, protocol: 36, direction: 37, slot: 38 } as const;
export const DATAGRAM_BYTES = 40;
