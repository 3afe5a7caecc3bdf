import type { QuotedFlow } from './quoted-flow.js';

/** Several VLAN ids, MAC addresses and the like that `--key` or a feature adds come as further members. */
export interface FlowRecord {
  /** Id of the flow, 16 hexadecimal digits; the same whenever the same input is read. IE 148 flowId. */
  id: string;
  /** Time of the first packet, RFC 3339 in UTC with nanoseconds. IE 156 flowStartNanoseconds. */
  start: string;
  /** Time of the last packet. IE 157 flowEndNanoseconds. */
  end: string;
  /** Seconds from first to last packet, exact to the nanosecond. IE 161 flowDurationMilliseconds has it coarser. */
  duration: number;
  /** Address of the initiator, as RFC 5952 writes it. IE 8 sourceIPv4Address, IE 27 sourceIPv6Address. */
  src: string;
  /** IE 7 sourceTransportPort. */
  srcPort?: number;
  /** Address of the responder. IE 12 destinationIPv4Address, IE 28 destinationIPv6Address. */
  dst: string;
  /** IE 11 destinationTransportPort. */
  dstPort?: number;
  /** IANA's keyword in lower case, or the number as text. IE 4 protocolIdentifier. */
  proto?: string;
  /** Type and code of the initiator's ICMP messages. IE 32 icmpTypeCodeIPv4, IE 139 icmpTypeCodeIPv6. */
  icmp?: { type: number; code: number };
  /** Security parameter index of ESP and AH. IE 295 IPSecSPI. */
  spi?: number;
  /** Packets and IP bytes (never padding) of the initiator. IE 2 packetDeltaCount, IE 1 octetDeltaCount. */
  packets: number | bigint;
  bytes: number | bigint;
  /** Of the responder: the reverse elements of RFC 5103 (PEN 29305). */
  reversePackets: number | bigint;
  reverseBytes: number | bigint;
  /** TCP flags seen, in the order FSRPAUECN. IE 6 tcpControlBits, and its reverse element. */
  tcpFlags?: string;
  reverseTcpFlags?: string;
  /** idle, active, end, forced or resources. IE 136 flowEndReason. */
  endReason: string;
  /** At least one packet was a fragment. */
  fragmented?: true;
  /** ICMP errors that quoted a packet of this flow. */
  icmpErrors?: number;
  /** ICMP errors: the packet that the first one quoted, from its sender. */
  about?: QuotedFlow;
  /** Present if packets were sampled: how, one in how many, and whether the counters were multiplied by that. IE 305. */
  sampling?: { mode: string; n: number; scaled: boolean };
  /** Community ID v1. */
  communityId?: string;
  /** Key parts and features. */
  [member: string]: unknown;
}

/**
 * Largest count that a JavaScript number holds exactly, and every smaller one too: 2^53. Counters up to it are numbers,
 * beyond it BigInt.
 */
const HIGH_LIMIT = 2 ** 21;

/** The 64-bit counter whose low word is `words[at]`, exactly: a number below 2^53, else a BigInt. */
export function readCounter(words: Uint32Array, at: number): number | bigint {
  const high = words[at + 1];
  if (high < HIGH_LIMIT) return high * 4294967296 + words[at];
  return (BigInt(high) << 32n) | BigInt(words[at]);
}

/** The same as a number, rounded beyond 2^53: for sorting and sums in views. */
export function approximateCounter(words: Uint32Array, at: number): number {
  return words[at + 1] * 4294967296 + words[at];
}
