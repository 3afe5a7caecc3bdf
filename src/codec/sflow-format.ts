/** sFlow version 5 (sflow.org, "sFlow Version 5", July 2004): XDR, so everything is a multiple of four bytes. */
export const SFLOW_VERSION = 5;

/** Formats of samples, enterprise 0. */
export const SflowSample = { flow: 1, counters: 2, expandedFlow: 3, expandedCounters: 4 } as const;

/** Formats of flow records, enterprise 0. */
export const SflowFlowRecord = {
  rawHeader: 1,
  ethernet: 2,
  ipv4: 3,
  ipv6: 4,
  extendedSwitch: 1001,
} as const;

/** Formats of counter records, enterprise 0. */
export const SflowCounterRecord = { generic: 1, ethernet: 2 } as const;

/** Protocols of raw headers. */
export const SflowHeader = { ethernet: 1, ppp: 7, ipv4: 11, ipv6: 12, mpls: 13 } as const;

/** Address types. */
export const SflowAddress = { unknown: 0, ipv4: 1, ipv6: 2 } as const;

/** Counters of an interface (RFC 2233); 64-bit ones as whole numbers. What is not known is undefined. */
export interface InterfaceCounters {
  readonly ifIndex: number;
  readonly ifType?: number;
  /** Bits per second. */
  readonly ifSpeed?: number;
  /** 0 unknown, 1 full duplex, 2 half duplex, 3 in, 4 out. */
  readonly ifDirection?: number;
  /** Bit 0: administratively up, bit 1: operationally up. */
  readonly ifStatus?: number;
  readonly ifInOctets?: number | bigint;
  readonly ifInUcastPkts?: number;
  readonly ifInMulticastPkts?: number;
  readonly ifInBroadcastPkts?: number;
  readonly ifInDiscards?: number;
  readonly ifInErrors?: number;
  readonly ifInUnknownProtos?: number;
  readonly ifOutOctets?: number | bigint;
  readonly ifOutUcastPkts?: number;
  readonly ifOutMulticastPkts?: number;
  readonly ifOutBroadcastPkts?: number;
  readonly ifOutDiscards?: number;
  readonly ifOutErrors?: number;
  readonly ifPromiscuousMode?: number;
}

/** Counters of Ethernet (RFC 2358), in the order of the record. What is not known is undefined. */
export const ETHERNET_COUNTERS = [
  'dot3StatsAlignmentErrors',
  'dot3StatsFCSErrors',
  'dot3StatsSingleCollisionFrames',
  'dot3StatsMultipleCollisionFrames',
  'dot3StatsSQETestErrors',
  'dot3StatsDeferredTransmissions',
  'dot3StatsLateCollisions',
  'dot3StatsExcessiveCollisions',
  'dot3StatsInternalMacTransmitErrors',
  'dot3StatsCarrierSenseErrors',
  'dot3StatsFrameTooLongs',
  'dot3StatsInternalMacReceiveErrors',
  'dot3StatsSymbolErrors',
] as const;
export type EthernetCounters = Partial<Record<(typeof ETHERNET_COUNTERS)[number], number>>;
