import { Refusal } from '../refusal.js';
import { EtherType, type Walk } from '../walk.js';
import { ipByFamily, limitTo, noMac } from './common.js';
import { llc } from './ethernet.js';
import { radiotap } from './radiotap.js';

/** Device types for which the protocol field of a cooked header is not an EtherType (Linux if_arp.h). */
const ARPHRD_FRAME_RELAY = 770;
const ARPHRD_RADIOTAP = 803;
const ARPHRD_NETLINK = 824;

/** Linux's own numbers in the protocol field, below any EtherType (if_ether.h): here LLC. */
const ETH_P_802_2 = 0x0004;

/** Linux cooked capture, version 1 (16 bytes). */
export function linuxCooked(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 16 > walk.end) return Refusal.linkShort;
  walk.pos = pos + 16;
  return cookedPayload(walk, view.getUint16(pos + 2), view.getUint16(pos + 14));
}

/** Linux cooked capture, version 2 (20 bytes). */
export function linuxCooked2(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 20 > walk.end) return Refusal.linkShort;
  walk.pos = pos + 20;
  return cookedPayload(walk, view.getUint16(pos + 8), view.getUint16(pos));
}

/** GRE devices (ARPHRD 778) have a GRE protocol type, whose numbers are EtherTypes too. */
function cookedPayload(walk: Walk, deviceType: number, protocol: number): number {
  if (deviceType === ARPHRD_RADIOTAP) return radiotap(walk);
  if (deviceType === ARPHRD_NETLINK || deviceType === ARPHRD_FRAME_RELAY) return Refusal.notIp;
  if (protocol === ETH_P_802_2) return llc(walk);
  walk.etherType = protocol;
  return Refusal.none;
}

const NFULA_PAYLOAD = 9;
/** The two top bits of an attribute's type are flags (netlink.h). */
const ATTRIBUTE_TYPE = 0x3fff;
/** The kernel knows about twenty attributes, each at most once; more are not searched. */
const MOST_ATTRIBUTES = 64;

/**
 * Linux NFLOG: address family, version, resource id, then attributes (length with its header, type, value, padded to
 * four bytes) in the byte order of the machine that captured; the packet is the value of one of them.
 */
export function nflog(walk: Walk): number {
  const { view, end } = walk;
  noMac(walk);
  let pos = walk.pos;
  if (pos + 8 > end) return Refusal.linkShort;
  const family = view.getUint8(pos);
  if (view.getUint8(pos + 1) !== 0) return Refusal.notIp;
  pos += 4;
  // Types are small and never 0: the byte that is zero (but for the flags) is the upper one.
  const little = (view.getUint8(pos + 3) & 0x3f) === 0 && view.getUint8(pos + 2) !== 0;
  for (let k = 0; k < MOST_ATTRIBUTES; k++) {
    if (pos + 4 > end) return Refusal.linkShort;
    const length = view.getUint16(pos, little);
    if (length < 4) return Refusal.linkShort;
    if ((view.getUint16(pos + 2, little) & ATTRIBUTE_TYPE) === NFULA_PAYLOAD) {
      walk.pos = pos + 4;
      limitTo(walk, pos + length);
      const refused = ipByFamily(walk, family);
      if (refused === Refusal.none) undoCopyRange(walk);
      return refused;
    }
    pos += (length + 3) & ~3;
  }
  return Refusal.notIp;
}

/**
 * The kernel copies as much of a packet as the rule asks for (--nflog-size) and says nowhere how much there was, but
 * the IP header does. A packet cut in this way counts with its real length, as one cut by the snap length does.
 */
function undoCopyRange(walk: Walk): void {
  const { view, pos, end } = walk;
  if (pos + 6 > end) return;
  const length = walk.etherType === EtherType.ipv4 ? view.getUint16(pos + 2) : view.getUint16(pos + 4) + 40;
  if (pos + length > walk.wireEnd) walk.wireEnd = pos + length;
}
