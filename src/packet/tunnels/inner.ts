import { EtherType, type Walk } from '../walk.js';

const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;

/**
 * The EtherType of the IP header at `pos`, or 0 if none stands there, if it was cut, or if its packet ends behind
 * `wireEnd`, where the outer headers end. Strict, because the header of a tunnel over UDP is weak evidence on a port
 * that anyone may use.
 */
export function innerIp(walk: Walk, pos: number, wireEnd: number): number {
  const { view, end } = walk;
  if (pos + IPV4_HEADER > end) return 0;
  const first = view.getUint8(pos);
  if (first >>> 4 === 4) {
    const header = (first & 0x0f) << 2;
    const total = view.getUint16(pos + 2);
    return header >= IPV4_HEADER && total >= header && pos + total <= wireEnd ? EtherType.ipv4 : 0;
  }
  if (first >>> 4 !== 6 || pos + IPV6_HEADER > end) return 0;
  return pos + IPV6_HEADER + view.getUint16(pos + 4) <= wireEnd ? EtherType.ipv6 : 0;
}

/** True if the bytes captured at `pos` hold what `etherType` says: a sane IP header, an Ethernet header, a label. */
export function innerFits(walk: Walk, pos: number, etherType: number): boolean {
  switch (etherType) {
    case EtherType.ipv4:
    case EtherType.ipv6:
      return innerIp(walk, pos, walk.wireEnd) === etherType;
    case EtherType.ethernet:
      return pos + ETHERNET_HEADER <= walk.end;
    case EtherType.mpls:
    case EtherType.mplsMulticast:
      return pos + 4 <= walk.end;
    default:
      return false;
  }
}

/** Moves the walk into the tunnel. */
export function enter(walk: Walk, pos: number, etherType: number, id: number): true {
  walk.pos = pos;
  walk.etherType = etherType;
  walk.batch.tunnelId[walk.index] = id;
  return true;
}
