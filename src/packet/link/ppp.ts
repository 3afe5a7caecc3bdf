import { Refusal } from '../refusal.js';
import { EtherType, type Walk } from '../walk.js';
import { limitTo, noMac } from './common.js';

/** Address (all stations) and control (unnumbered information) of PPP in HDLC-like framing (RFC 1662 §3.1). */
const HDLC_FRAMING = 0xff03;
/** Addresses that mark Cisco's HDLC where PPP could stand as well (RFC 1547 §4.3.1). */
const CISCO_UNICAST = 0x0f;
const CISCO_MULTICAST = 0x8f;

/**
 * Reads the PPP protocol field at `pos`, one byte if it is compressed (RFC 1661 §2, §6.5), and sets `pos` and
 * `etherType`. Returns 0 or a `Refusal`; what VJ compression did to the headers (RFC 1144) is not undone.
 */
export function pppProtocol(walk: Walk): number {
  const { view, pos } = walk;
  if (pos >= walk.end) return Refusal.linkShort;
  let protocol = view.getUint8(pos);
  let length = 1;
  if ((protocol & 1) === 0) {
    if (pos + 2 > walk.end) return Refusal.linkShort;
    protocol = view.getUint16(pos);
    length = 2;
  }
  switch (protocol) {
    case 0x0021:
      walk.etherType = EtherType.ipv4;
      break;
    case 0x0057:
      walk.etherType = EtherType.ipv6;
      break;
    case 0x0281:
      walk.etherType = EtherType.mpls;
      break;
    case 0x0283:
      walk.etherType = EtherType.mplsMulticast;
      break;
    default:
      return Refusal.notIp;
  }
  walk.pos = pos + length;
  return Refusal.none;
}

/** A PPP frame with or without address and control, which the peers may agree to leave out (RFC 1661 §6.6). */
export function pppFrame(walk: Walk): number {
  if (walk.pos + 2 > walk.end) return Refusal.linkShort;
  if (walk.view.getUint16(walk.pos) === HDLC_FRAMING) walk.pos += 2;
  return pppProtocol(walk);
}

/** PPP, or Cisco HDLC where its address stands first. */
export function ppp(walk: Walk): number {
  noMac(walk);
  if (walk.pos >= walk.end) return Refusal.linkShort;
  const first = walk.view.getUint8(walk.pos);
  if (first === CISCO_UNICAST || first === CISCO_MULTICAST) return ciscoHdlc(walk);
  return pppFrame(walk);
}

/** PPP behind one byte that says the direction. */
export function pppWithDirection(walk: Walk): number {
  noMac(walk);
  if (walk.pos >= walk.end) return Refusal.linkShort;
  walk.pos += 1;
  return ppp(walk);
}

/** pppd's PPP: the direction stands in the place of the address; the control byte follows. */
export function pppd(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 2 > walk.end) return Refusal.linkShort;
  walk.pos = view.getUint8(pos + 1) === (HDLC_FRAMING & 0xff) ? pos + 2 : pos + 1;
  return pppFrame(walk);
}

/** PPPoE session frame from its header on (RFC 2516 §4); discovery is not IP. */
export function pppoe(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 6 > walk.end) return Refusal.linkShort;
  if (view.getUint16(pos) !== 0x1100) return Refusal.notIp;
  walk.pos = pos + 6;
  limitTo(walk, walk.pos + view.getUint16(pos + 4));
  return pppProtocol(walk);
}

/** Cisco HDLC: address, control, EtherType. */
export function ciscoHdlc(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 4 > walk.end) return Refusal.linkShort;
  walk.etherType = view.getUint16(pos + 2);
  walk.pos = pos + 4;
  return Refusal.none;
}

/** Cisco HDLC behind one byte that says the direction. */
export function ciscoHdlcWithDirection(walk: Walk): number {
  walk.pos += 1;
  return ciscoHdlc(walk);
}
