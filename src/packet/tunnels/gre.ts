import { pppFrame } from '../link/ppp.js';
import { Refusal } from '../refusal.js';
import { Tunnel } from '../tunnel.js';
import { EtherType, type Walk } from '../walk.js';
import { enter } from './inner.js';

const CHECKSUM = 0x8000;
const KEY = 0x2000;
const SEQUENCE = 0x1000;
/** Bits 1, 4 and 5: source routing and what a receiver must refuse (RFC 2784 §2.2). The others it ignores. */
const REFUSED = 0x4c00;
const VERSION = 0x0007;
/** Acknowledgement number, in version 1 only. */
const ACKNOWLEDGEMENT = 0x0080;
/** All bits of version 1 but sequence and acknowledgement, and what they must be (RFC 2637 §4.1). */
const PPTP_MASK = 0xef7f;
const PPTP_BITS = 0x2001;

/** Protocol types, besides EtherTypes. */
const PPP = 0x880b;
const WCCP = 0x883e;
const ERSPAN_I_II = 0x88be;
const ERSPAN_III = 0x22eb;

/**
 * Looks into GRE; `pos` is at its header. Version 0 (RFC 2784, 2890) with IP, MPLS, Ethernet (with a key alone: NVGRE,
 * RFC 7637), ERSPAN I, II and III (draft-foschiano-erspan) or WCCP's redirected packets; version 1 (PPTP, RFC 2637)
 * with PPP. Returns the `Tunnel` and has set `pos`, `etherType` and the batch's `tunnelId` (key, tenant, ERSPAN session
 * or PPTP call), or returns 0 with the walk unchanged: source routed, another payload, no payload, or cut.
 */
export function gre(walk: Walk): number {
  const { view, pos } = walk;
  if (pos + 4 > walk.end) return Tunnel.none;
  const flags = view.getUint16(pos);
  const protocol = view.getUint16(pos + 2);
  if ((flags & VERSION) === 1) return protocol === PPP ? pptp(walk, flags) : Tunnel.none;
  if ((flags & (REFUSED | VERSION)) !== 0) return Tunnel.none;
  const key = pos + ((flags & CHECKSUM) !== 0 ? 8 : 4);
  let inner = key;
  if ((flags & KEY) !== 0) inner += 4;
  if ((flags & SEQUENCE) !== 0) inner += 4;
  // At least one byte of what it carries is there.
  if (inner >= walk.end) return Tunnel.none;
  const id = (flags & KEY) !== 0 ? view.getInt32(key) : 0;
  switch (protocol) {
    case EtherType.ipv4:
    case EtherType.ipv6:
    case EtherType.mpls:
    case EtherType.mplsMulticast:
      enter(walk, inner, protocol, id);
      return Tunnel.gre;
    case EtherType.ethernet:
      if ((flags & (CHECKSUM | KEY | SEQUENCE)) !== KEY) {
        enter(walk, inner, protocol, id);
        return Tunnel.gre;
      }
      enter(walk, inner, protocol, id >>> 8);
      return Tunnel.nvgre;
    case ERSPAN_I_II:
      return (flags & SEQUENCE) !== 0 ? erspan2(walk, inner) : erspan1(walk, inner);
    case ERSPAN_III:
      return erspan3(walk, inner);
    case WCCP:
      return wccp(walk, inner, id);
    default:
      return Tunnel.none;
  }
}

/** The first version has no header of its own, and so no session. */
function erspan1(walk: Walk, pos: number): number {
  enter(walk, pos, EtherType.ethernet, 0);
  return Tunnel.erspan;
}

/** Eight bytes: version (1) and VLAN, class and session, port index. */
function erspan2(walk: Walk, pos: number): number {
  const { view } = walk;
  if (pos + 8 >= walk.end || view.getUint8(pos) >>> 4 !== 1) return Tunnel.none;
  enter(walk, pos + 8, EtherType.ethernet, view.getUint16(pos + 2) & 0x3ff);
  return Tunnel.erspan;
}

const FRAME_ETHERNET = 0;
const FRAME_IP = 2;

/** Twelve bytes: version (2) and VLAN, class and session, timestamp, tag, kind of frame; eight more if bit 0 is set. */
function erspan3(walk: Walk, pos: number): number {
  const { view } = walk;
  if (pos + 12 > walk.end || view.getUint8(pos) >>> 4 !== 2) return Tunnel.none;
  const last = view.getUint16(pos + 10);
  const inner = pos + ((last & 1) !== 0 ? 20 : 12);
  const frame = (last >>> 10) & 0x1f;
  if (inner >= walk.end) return Tunnel.none;
  let etherType: number = EtherType.ethernet;
  if (frame === FRAME_IP) etherType = ipVersion(view.getUint8(inner));
  else if (frame !== FRAME_ETHERNET) return Tunnel.none;
  if (etherType === 0) return Tunnel.none;
  enter(walk, inner, etherType, view.getUint16(pos + 2) & 0x3ff);
  return Tunnel.erspan;
}

/** Version 2 of WCCP puts four bytes before the packet, whose first one cannot begin an IP header. */
function wccp(walk: Walk, pos: number, id: number): number {
  let inner = pos;
  let etherType = ipVersion(walk.view.getUint8(pos));
  if (etherType === 0) {
    inner += 4;
    if (inner >= walk.end) return Tunnel.none;
    etherType = ipVersion(walk.view.getUint8(inner));
    if (etherType === 0) return Tunnel.none;
  }
  enter(walk, inner, etherType, id);
  return Tunnel.gre;
}

/** EtherType by the first byte of an IP header (IPv4's says its length, five words or more); 0 if it begins none. */
function ipVersion(first: number): number {
  if (first >= 0x45 && first <= 0x4f) return EtherType.ipv4;
  return first >>> 4 === 6 ? EtherType.ipv6 : 0;
}

/** PPTP's GRE: payload length, call id, then sequence and acknowledgement numbers if they are there, then PPP. */
function pptp(walk: Walk, flags: number): number {
  const { view, pos, end, wireEnd } = walk;
  if ((flags & PPTP_MASK) !== PPTP_BITS || (flags & SEQUENCE) === 0) return Tunnel.none;
  const inner = pos + ((flags & ACKNOWLEDGEMENT) !== 0 ? 16 : 12);
  if (inner > end) return Tunnel.none;
  const length = view.getUint16(pos + 4);
  const call = view.getUint16(pos + 6);
  const etherType = walk.etherType;
  walk.pos = inner;
  walk.wireEnd = Math.min(wireEnd, inner + length);
  walk.end = Math.min(end, walk.wireEnd);
  if (pppFrame(walk) === Refusal.none && walk.pos < walk.end) {
    walk.batch.tunnelId[walk.index] = call;
    return Tunnel.gre;
  }
  walk.pos = pos;
  walk.end = end;
  walk.wireEnd = wireEnd;
  walk.etherType = etherType;
  return Tunnel.none;
}
