import type { DataType, Semantics, Unit } from '../codec/ipfix/data-type.js';

/**
 * Private enterprise number under which our own elements go out unless the user gives one: 32473, the number that RFC 5612 sets
 * aside for examples. It is a placeholder: nobody else's elements can be mistaken for ours, but two products that both
 * use it can. The records of RFC 5610 tell collectors what each element is.
 */
export const DEFAULT_ENTERPRISE = 32473;

/** An element that IANA's registry does not have. Numbers are never used again for something else. */
export interface OwnElement {
  /** Below 16384: the bit above is that of the reverse element (RFC 5103 §6.2). */
  readonly id: number;
  readonly name: string;
  readonly type: DataType;
  readonly semantics: Semantics;
  readonly unit: Unit;
  readonly description: string;
}

type Row = readonly [number, string, DataType, Semantics, Unit, string];

const TABLE: readonly Row[] = [
  [1, 'communityId', 'string', 'identifier', 'none', 'Community ID v1 of the flow'],
  [2, 'flowFragmented', 'boolean', 'default', 'none', 'A packet of the flow was a fragment'],
  [3, 'icmpErrorTotalCount', 'unsigned32', 'totalCounter', 'packets', 'ICMP errors that quoted a packet of the flow'],
  [4, 'tunnelType', 'string', 'default', 'none', 'Innermost tunnel that the flow came through'],
  [5, 'tunnelId', 'unsigned32', 'identifier', 'none', 'VNI, key or TEID of that tunnel'],
  [6, 'ipTotalLengthMean', 'float32', 'quantity', 'octets', 'Mean length of the IP packets'],
  [7, 'ipTotalLengthDeviation', 'float32', 'quantity', 'octets', 'Standard deviation of the lengths of the IP packets'],
  [8, 'fragmentTotalCount', 'unsigned32', 'totalCounter', 'packets', 'Packets that were fragments'],
  [9, 'tcpWindowSizeMin', 'unsigned16', 'quantity', 'none', 'Lowest TCP window, not scaled'],
  [10, 'tcpWindowSizeMax', 'unsigned16', 'quantity', 'none', 'Highest TCP window, not scaled'],
  [11, 'tcpMaximumSegmentSize', 'unsigned16', 'quantity', 'octets', 'Maximum segment size option of the SYN'],
  [12, 'serverRoundTripTime', 'unsigned64', 'quantity', 'nanoseconds', 'Time from the SYN to the SYN/ACK'],
  [13, 'clientRoundTripTime', 'unsigned64', 'quantity', 'nanoseconds', 'Time from the SYN/ACK to the ACK'],
  [14, 'tcpRetransmissionCount', 'unsigned32', 'totalCounter', 'packets', 'Segments whose first byte was seen before'],
  [15, 'tcpOutOfOrderCount', 'unsigned32', 'totalCounter', 'packets', 'Segments that came after a later one'],
  [16, 'tcpZeroWindowCount', 'unsigned32', 'totalCounter', 'packets', 'Packets with window 0'],
  [17, 'interArrivalTimeMin', 'unsigned64', 'quantity', 'nanoseconds', 'Shortest time between packets'],
  [18, 'interArrivalTimeMax', 'unsigned64', 'quantity', 'nanoseconds', 'Longest time between packets'],
  [19, 'interArrivalTimeMean', 'unsigned64', 'quantity', 'nanoseconds', 'Mean time between packets'],
  [20, 'interArrivalTimeDeviation', 'unsigned64', 'quantity', 'nanoseconds', 'Deviation of the times between packets'],
  [21, 'slotOctetsList', 'basicList', 'list', 'octets', 'IP bytes in the first 1, 2, 4 … seconds of the flow'],
  [22, 'slotOctets', 'unsigned64', 'deltaCounter', 'octets', 'Member of slotOctetsList'],
  [23, 'payloadLengthList', 'basicList', 'list', 'octets', 'Payload lengths of the first packets with payload'],
  [24, 'payloadLength', 'unsigned16', 'quantity', 'octets', 'Member of payloadLengthList'],
  [25, 'payloadGapList', 'basicList', 'list', 'microseconds', 'Times between the first packets with payload'],
  [26, 'payloadGap', 'unsigned32', 'quantity', 'microseconds', 'Member of payloadGapList'],
  [27, 'payloadEntropy', 'float32', 'quantity', 'none', 'Entropy of the first payload in bits per byte'],
  [28, 'payloadStart', 'octetArray', 'default', 'none', 'First bytes of the first payload'],
  [29, 'sourceCountry', 'string', 'default', 'none', 'Country of the source address, ISO 3166-1 alpha-2'],
  [30, 'destinationCountry', 'string', 'default', 'none', 'Country of the destination address, ISO 3166-1 alpha-2'],
  [31, 'sourceCity', 'string', 'default', 'none', 'City of the source address'],
  [32, 'destinationCity', 'string', 'default', 'none', 'City of the destination address'],
  [33, 'sourceOrganization', 'string', 'default', 'none', 'Organisation that holds the AS of the source address'],
  [34, 'destinationOrganization', 'string', 'default', 'none', 'Organisation that holds the AS of the destination'],
];

/** Our own elements by name. */
export const OWN_ELEMENTS: ReadonlyMap<string, OwnElement> = new Map(
  TABLE.map(([id, name, type, semantics, unit, description]) => [
    name,
    { id, name, type, semantics, unit, description },
  ]),
);

/** Member of a record → our element for it, where IANA has none. */
export const OWN_ELEMENT_OF: Readonly<Record<string, string>> = {
  communityId: 'communityId',
  fragmented: 'flowFragmented',
  icmpErrors: 'icmpErrorTotalCount',
  lengthMean: 'ipTotalLengthMean',
  lengthDeviation: 'ipTotalLengthDeviation',
  fragments: 'fragmentTotalCount',
  windowMin: 'tcpWindowSizeMin',
  windowMax: 'tcpWindowSizeMax',
  mss: 'tcpMaximumSegmentSize',
  serverRoundTrip: 'serverRoundTripTime',
  clientRoundTrip: 'clientRoundTripTime',
  retransmissions: 'tcpRetransmissionCount',
  outOfOrder: 'tcpOutOfOrderCount',
  zeroWindows: 'tcpZeroWindowCount',
  interArrivalMin: 'interArrivalTimeMin',
  interArrivalMax: 'interArrivalTimeMax',
  interArrivalMean: 'interArrivalTimeMean',
  interArrivalDeviation: 'interArrivalTimeDeviation',
  slotBytes: 'slotOctetsList',
  payloadLengths: 'payloadLengthList',
  payloadGaps: 'payloadGapList',
  payloadEntropy: 'payloadEntropy',
  payloadStart: 'payloadStart',
  srcCountry: 'sourceCountry',
  dstCountry: 'destinationCountry',
  srcCity: 'sourceCity',
  dstCity: 'destinationCity',
  srcOrganization: 'sourceOrganization',
  dstOrganization: 'destinationOrganization',
};
