import { Refusal } from '../refusal.js';
import { EtherType, type Walk } from '../walk.js';
import { ipByFamily, ipByVersion, limitTo, noMac } from './common.js';

/** Raw IP, either version. */
export function rawIp(walk: Walk): number {
  noMac(walk);
  return ipByVersion(walk);
}

export function rawIpv4(walk: Walk): number {
  noMac(walk);
  walk.etherType = EtherType.ipv4;
  return Refusal.none;
}

export function rawIpv6(walk: Walk): number {
  noMac(walk);
  walk.etherType = EtherType.ipv6;
  return Refusal.none;
}

/**
 * BSD null and loop: an address family in four bytes, in the byte order of the machine that captured (null) or of the
 * network (loop). Families are small, so the half that is zero tells the order.
 */
export function bsdLoopback(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 4 > walk.end) return Refusal.linkShort;
  let family = view.getUint32(pos);
  if (family > 0xffff) family = view.getUint32(pos, true);
  walk.pos = pos + 4;
  return ipByFamily(walk, family);
}

/** SLIP as libpcap writes it: 16 bytes (direction, compressed header), then the packet as it was before compression. */
export function slip(walk: Walk): number {
  noMac(walk);
  if (walk.pos + 16 > walk.end) return Refusal.linkShort;
  walk.pos += 16;
  return ipByVersion(walk);
}

/** Shortest header of PFLOG: up to the rule's user and process id, as in OpenBSD 3.4. */
const PFLOG_SHORTEST = 45;

/**
 * The BSDs' packet filter log. The first byte is the header's length without its padding to four bytes; it differs by
 * system and version. The second is the address family of the packet behind.
 */
export function pflog(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 2 > walk.end) return Refusal.linkShort;
  const length = view.getUint8(pos);
  if (length < PFLOG_SHORTEST) return Refusal.linkShort;
  const padded = (length + 3) & ~3;
  if (pos + padded > walk.end) return Refusal.linkShort;
  walk.pos = pos + padded;
  return ipByFamily(walk, view.getUint8(pos + 1));
}

/** Solaris IPNET: 24 bytes (version 1, family, hook type, packet length, interfaces, zones), then the IP packet. */
export function ipnet(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 24 > walk.end) return Refusal.linkShort;
  if (view.getUint8(pos) !== 1) return Refusal.notIp;
  walk.pos = pos + 24;
  limitTo(walk, walk.pos + view.getUint32(pos + 4));
  return ipByFamily(walk, view.getUint8(pos + 1));
}
