import { Refusal } from '../refusal.js';
import { EtherType, type Walk } from '../walk.js';

/** Ends the frame at `wireEnd`, if a length field says that it ends earlier than the walk knows (padding, trailers). */
export function limitTo(walk: Walk, wireEnd: number): void {
  if (wireEnd < walk.wireEnd) walk.wireEnd = wireEnd;
  if (walk.end > walk.wireEnd) walk.end = walk.wireEnd;
}

/** For link layers that carry bare IP: sets `etherType` by the version in the first four bits at `pos`. */
export function ipByVersion(walk: Walk): number {
  if (walk.pos >= walk.end) return Refusal.linkShort;
  const version = walk.view.getUint8(walk.pos) >>> 4;
  if (version === 4) walk.etherType = EtherType.ipv4;
  else if (version === 6) walk.etherType = EtherType.ipv6;
  else return Refusal.networkMalformed;
  return Refusal.none;
}

/**
 * Sets `etherType` by the address family of a socket address. IPv6's number differs: Linux 10, Windows 23, NetBSD,
 * OpenBSD and BSD/OS 24, Solaris 26, FreeBSD and DragonFly 28, Darwin 30. IPv4 is 2 everywhere.
 */
export function ipByFamily(walk: Walk, family: number): number {
  switch (family) {
    case 2:
      walk.etherType = EtherType.ipv4;
      return Refusal.none;
    case 10:
    case 23:
    case 24:
    case 26:
    case 28:
    case 30:
      walk.etherType = EtherType.ipv6;
      return Refusal.none;
    default:
      return Refusal.notIp;
  }
}

/** Says that the frame has no MAC addresses in the order that the column `mac` wants. */
export function noMac(walk: Walk): void {
  walk.batch.mac[walk.index] = 0;
}
