import { type Frame, readByte, readShort, readWord } from './frame.js';

/** How the field that says what a frame carries is coded. */
export type TypeField =
  /** EtherType, or length of an 802.3 frame with an LLC header. */
  | 'ethernet'
  /** EtherType, or 4 before an LLC header (Linux cooked, version 1). */
  | 'cooked'
  /** EtherType and nothing else. */
  | 'etherType'
  /** EtherType lookalike of Cisco HDLC. */
  | 'hdlc'
  | 'ppp'
  /** LLC header with SNAP at the beginning of the payload. */
  | 'llc'
  /** The same behind a header of 802.11, if that is of a data frame. */
  | 'wlan'
  /** Only IPv4 or IPv6; `ipVersion` tells. */
  | 'ip';

/** Where a link layer has its fields. Offsets are from the start of the frame, after the varying parts of `measure`. */
export interface Layout {
  readonly name: string;
  readonly field: TypeField;
  /** Start of the link header: what `link[…]` counts from. */
  readonly header: number;
  /** Offset of the type field. */
  readonly type: number;
  /** Offset of the payload. */
  readonly payload: number;
  /** Offset of the network header in the payload (8 behind LLC and SNAP). */
  readonly network: number;
  /** Offset of the 12 bytes of addresses, destination first; undefined if there are none. */
  readonly mac: number | undefined;
  /** May carry VLAN tags; may carry MPLS, and as what value of the type field. */
  readonly vlan: boolean;
  readonly mpls: number | undefined;
  /** For `ip`: 0x0800, 0x86dd or 0. */
  readonly ipVersion?: (frame: Frame) => number;
  /** Sets `linkBase` and `payloadBase` where they vary. */
  readonly measure?: (frame: Frame) => void;
}

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const MPLS = 0x8847;
const PPP_MPLS = 0x0281;

const plain = { header: 0, network: 0, mac: undefined, vlan: false, mpls: undefined } as const;

export const ETHERNET: Layout = {
  ...plain,
  name: 'Ethernet',
  field: 'ethernet',
  type: 12,
  payload: 14,
  mac: 0,
  vlan: true,
  mpls: MPLS,
};

/** PPP without the framing of HDLC begins at `header` (as in PPPoE). */
export function pppAt(header: number): Layout {
  return { ...plain, name: 'PPP', field: 'ppp', header, type: header, payload: header + 2, mpls: PPP_MPLS };
}

/** BSD's address families. AF_INET is 2 everywhere; AF_INET6 is not. */
function fromFamily(family: number): number {
  if (family === 2) return IPV4;
  return family === 24 || family === 28 || family === 30 ? IPV6 : 0;
}

function ipFrom(name: string, payload: number, ipVersion: (frame: Frame) => number): Layout {
  return { ...plain, name, field: 'ip', type: 0, payload, ipVersion };
}

/** The host's byte order of the capturing machine is not known here; families are small, so either is recognised. */
function familyOfNull(frame: Frame): number {
  const word = readWord(frame, 0);
  return fromFamily((word & 0xffffff) === 0 ? word >>> 24 : word);
}

function byVersion(offset: number): (frame: Frame) => number {
  return (frame) => {
    const version = readByte(frame, offset) & 0xf0;
    return version === 0x40 ? IPV4 : version === 0x60 ? IPV6 : 0;
  };
}

function familyOfPflog(frame: Frame): number {
  const family = readByte(frame, 1);
  return family === 10 ? IPV6 : fromFamily(family);
}

function familyOfIpnet(frame: Frame): number {
  const family = readByte(frame, 1);
  return family === 2 ? IPV4 : family === 26 ? IPV6 : 0;
}

const raw = ipFrom('raw IP', 0, byVersion(0));

const hdlc: Layout = { ...plain, name: 'Cisco HDLC', field: 'hdlc', type: 2, payload: 4, mpls: MPLS };

function ppp(name: string, type: number, mpls: number | undefined): Layout {
  return { ...plain, name, field: 'ppp', type, payload: type + 2, mpls };
}

function llc(name: string, payload: number, mac: number | undefined): Layout {
  return { ...plain, name, field: 'llc', type: payload, payload, network: 8, mac };
}

export function isWlanData(frame: Frame): boolean {
  return (readByte(frame, frame.linkBase) & 0x0c) === 0x08;
}

/** Length of the 802.11 header at `linkBase`, into `payloadBase`: longer if the frame carries QoS. */
function measureWlan(frame: Frame): void {
  let end = frame.linkBase + 24;
  const control = readByte(frame, frame.linkBase);
  if ((control & 0x8c) === 0x88) end += 2;
  frame.payloadBase = end;
}

function measureRadiotap(frame: Frame): void {
  frame.linkBase = readByte(frame, 2) | (readByte(frame, 3) << 8);
  measureWlan(frame);
  if (!isWlanData(frame)) return;
  // Some drivers pad the header to a multiple of four and say so in the flags (present bit 1, value 0x20).
  const present = readByte(frame, 4);
  if ((present & 2) === 0 || (readByte(frame, 7) & 0x80) !== 0) return;
  const flags = readByte(frame, (present & 1) !== 0 ? 16 : 8);
  if ((flags & 0x20) !== 0) frame.payloadBase = (frame.payloadBase + 3) & ~3;
}

function measureAvs(frame: Frame): void {
  frame.linkBase = readWord(frame, 4) >>> 0;
  measureWlan(frame);
}

function measurePrism(frame: Frame): void {
  const avs = (readWord(frame, 0) & 0xfffff000) === (0x80211000 | 0);
  frame.linkBase = avs ? readWord(frame, 4) >>> 0 : 144;
  measureWlan(frame);
}

function wlan(name: string, measure: (frame: Frame) => void): Layout {
  return { ...llc(name, 0, undefined), field: 'wlan', vlan: true, measure };
}

function measurePflog(frame: Frame): void {
  frame.payloadBase = (readByte(frame, 0) + 3) & ~3;
}

/** Layouts by pcap's LINKTYPE_ number. */
const LAYOUTS: ReadonlyMap<number, Layout> = new Map([
  [0, ipFrom('BSD loopback', 4, familyOfNull)],
  [1, ETHERNET],
  [6, llc('Token Ring', 14, 2)],
  [8, ipFrom('SLIP', 16, byVersion(16))],
  [9, ppp('PPP', 2, PPP_MPLS)],
  [10, llc('FDDI', 13, 1)],
  [12, raw],
  [14, raw],
  [50, ppp('PPP in HDLC framing', 2, undefined)],
  [51, ppp('PPP over Ethernet', 6, undefined)],
  [101, raw],
  [104, hdlc],
  [105, wlan('802.11', measureWlan)],
  [108, ipFrom('OpenBSD loopback', 4, (frame) => fromFamily(readWord(frame, 0)))],
  [112, hdlc],
  [113, { ...plain, name: 'Linux cooked', field: 'cooked', type: 14, payload: 16 }],
  [117, { ...ipFrom('PFLOG', 0, familyOfPflog), measure: measurePflog }],
  [119, wlan('802.11 with Prism header', measurePrism)],
  [122, llc('IP over Fibre Channel', 16, undefined)],
  [127, wlan('802.11 with radiotap header', measureRadiotap)],
  [163, wlan('802.11 with AVS header', measureAvs)],
  [166, ppp('PPP with direction', 2, undefined)],
  [226, ipFrom('IPNET', 24, familyOfIpnet)],
  [228, ipFrom('raw IPv4', 0, () => IPV4)],
  [229, ipFrom('raw IPv6', 0, () => IPV6)],
  [276, { ...plain, name: 'Linux cooked, version 2', field: 'etherType', type: 0, payload: 20 }],
]);

export function layoutOf(linkType: number): Layout | undefined {
  return LAYOUTS.get(linkType);
}

/**
 * What the network layer of a frame is, as EtherType, by the layout's type field; 0 or any other
 * number if it is none.
 */
export function networkType(layout: Layout, type: number, payload: number): (frame: Frame) => number {
  switch (layout.field) {
    case 'ip':
      return layout.ipVersion ?? (() => 0);
    case 'ppp':
      return (frame) => {
        const protocol = readShort(frame, type);
        if (protocol === 0x0021) return IPV4;
        if (protocol === 0x0057) return IPV6;
        return protocol === IPV4 || protocol === IPV6 ? 0 : protocol;
      };
    case 'llc':
      return (frame) => readShort(frame, payload + 6);
    case 'wlan':
      return (frame) => (isWlanData(frame) ? readShort(frame, frame.payloadBase + payload + 6) : 0);
    default:
      return (frame) => readShort(frame, type);
  }
}
