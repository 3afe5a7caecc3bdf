import { Refusal } from '../refusal.js';
import { EtherType, type Walk } from '../walk.js';
import { limitTo } from './common.js';

/** Numbers from here on are EtherTypes; below stands a length (IEEE 802.3 §3.2.6). */
const FIRST_ETHERTYPE = 0x600;
const LONGEST_LLC_FRAME = 1500;

const LLC_HEADER = 3;
const SNAP_HEADER = 8;
const SAP_SNAP = 0xaaaa;
const SAP_IP = 0x0606;
const UNNUMBERED_INFORMATION = 0x03;
/** SNAP organization codes whose protocol field is an EtherType: plain (RFC 1042) and 802.1H's bridge tunnel. */
const OUI_ETHERTYPE = 0x000000;
const OUI_BRIDGE_TUNNEL = 0x0000f8;

/** Ethernet II and IEEE 802.3 with LLC or LLC/SNAP. Novell's raw 802.3 (IPX) has no LLC and is not IP. */
export function ethernet(walk: Walk): number {
  const { view, pos } = walk;
  if (pos + 14 > walk.end) return Refusal.linkShort;
  walk.batch.mac[walk.index] = pos;
  const type = view.getUint16(pos + 12);
  walk.pos = pos + 14;
  if (type >= FIRST_ETHERTYPE) {
    walk.etherType = type;
    return Refusal.none;
  }
  if (type > LONGEST_LLC_FRAME) return Refusal.notIp;
  limitTo(walk, walk.pos + type);
  return llc(walk);
}

/** IEEE 802.2 LLC at `pos`, with SNAP where it has it (RFC 1042); also after a VLAN tag that holds a length. */
export function llc(walk: Walk): number {
  const { view, pos } = walk;
  if (pos + LLC_HEADER > walk.end) return Refusal.linkShort;
  if (view.getUint8(pos + 2) !== UNNUMBERED_INFORMATION) return Refusal.notIp;
  const saps = view.getUint16(pos);
  if (saps === SAP_IP) {
    walk.etherType = EtherType.ipv4;
    walk.pos = pos + LLC_HEADER;
    return Refusal.none;
  }
  if (saps !== SAP_SNAP) return Refusal.notIp;
  if (pos + SNAP_HEADER > walk.end) return Refusal.linkShort;
  const oui = view.getUint32(pos + 2) & 0xffffff;
  if (oui !== OUI_ETHERTYPE && oui !== OUI_BRIDGE_TUNNEL) return Refusal.notIp;
  walk.etherType = view.getUint16(pos + 6);
  walk.pos = pos + SNAP_HEADER;
  return Refusal.none;
}
