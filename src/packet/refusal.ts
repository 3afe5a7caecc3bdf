/**
 * Why a packet was not metered: one small number a reason, so that each is a counter and none is an exception.
 * Every packet of a source has exactly one verdict, so that packets = decoded + sum of refusals.
 */
export const Refusal = {
  none: 0,
  /** The captured bytes or the frame end before the link-layer header does. */
  linkShort: 1,
  /** The link layer carries something that is not IP (ARP, LLDP, spanning tree, 802.11 management …). */
  notIp: 2,
  /** More VLAN tags, MPLS labels or extension headers than are followed. */
  tooDeep: 3,
  /** The IP header is cut, or its lengths contradict each other. */
  networkShort: 4,
  networkMalformed: 5,
  /** IPv6 jumbogram (RFC 2675). */
  jumbogram: 6,
  /** The transport header is shorter than its protocol allows, or contradicts itself. */
  transportMalformed: 7,
  /** Cut by the snap length before the ports. */
  transportShort: 8,
  /** A checksum is wrong (only with verification on). */
  checksum: 9,
  /** Not selected by sampling. */
  sampledOut: 10,
  /** Not selected by the filter. */
  filteredOut: 11,
  /** Belongs to another shard; counted there. */
  otherShard: 12,
  /** 802.11 or other frame whose content is encrypted. */
  encrypted: 13,
  /** A fragment of a tunnel's outer packet whose inner packet was already counted in full with the first fragment. */
  tunnelContinuation: 14,
  /** A fragment held until its first fragment comes; it is counted as decoded when it leaves. */
  held: 15,
  /** The flow table was full and new flows are refused. */
  tableFull: 16,
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

/** Names in counters and output, by number. */
export const REFUSAL_NAMES: readonly string[] = Object.keys(Refusal);

/** Things noticed in packets that are metered all the same. */
export const Notice = {
  /** The IP header claims more bytes than the frame had; counted with the frame's. */
  lengthBeyondFrame: 0,
  /** IP length 0 (segmentation offload): counted with the frame's length. */
  lengthZero: 1,
  /** The snap length cut the transport header behind its ports. */
  headerCut: 2,
  /** A fragment overlapped one that was already seen. */
  fragmentOverlap: 3,
  /** Fragments accounted without ports, as their first one never came or came too late. */
  fragmentOrphan: 4,
  /** The packet's time was before that of the one before it. */
  timeBackwards: 5,
  /** A SYN showed that the direction had been guessed wrongly. */
  directionCorrected: 6,
  /** ICMP errors that quote a flow in the table. */
  icmpRelated: 7,
  /** A tunnel carried something that is not IP, or is damaged; the packet was metered as the tunnel's own flow. */
  tunnelContent: 8,
  /** Datagrams forgotten before their time, and fragments not held, as too many were. */
  fragmentEvicted: 9,
  /** Flows of ICMP errors that do not say what they are about, as too many are. */
  quoteDropped: 10,
} as const;
export type Notice = (typeof Notice)[keyof typeof Notice];
export const NOTICE_NAMES: readonly string[] = Object.keys(Notice);
