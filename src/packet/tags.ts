import { MAX_VLAN_DEPTH } from './batch.js';
import { llc, pppProtocol } from './link/index.js';
import { Refusal } from './refusal.js';
import { EtherType, type Walk } from './walk.js';

/** What may stand between the link layer and IP. Each returns 0 and has moved the walk on, or a `Refusal`. */

const MAX_MPLS_DEPTH = 16;

/** One tag of 802.1Q or 802.1ad. */
export function vlan(walk: Walk): number {
  const { batch, index: i } = walk;
  if (walk.end - walk.pos < 4) return Refusal.linkShort;
  const depth = batch.vlanDepth[i];
  if (depth === MAX_VLAN_DEPTH) return Refusal.tooDeep;
  batch.vlan[i * MAX_VLAN_DEPTH + depth] = walk.view.getUint16(walk.pos) & 0xfff;
  batch.vlanDepth[i] = depth + 1;
  walk.etherType = walk.view.getUint16(walk.pos + 2);
  walk.pos += 4;
  return walk.etherType < 0x600 ? llc(walk) : 0;
}

/** Label stack (RFC 3032); what follows the last label is told by its first nibble (RFC 4928 §3). */
export function mpls(walk: Walk): number {
  const { batch, index: i } = walk;
  for (let depth = 0; ; depth++) {
    if (depth === MAX_MPLS_DEPTH) return Refusal.tooDeep;
    if (walk.end - walk.pos < 4) return Refusal.linkShort;
    const entry = walk.view.getUint32(walk.pos);
    if (batch.mplsDepth[i] === 0) batch.mplsTop[i] = entry >>> 12;
    batch.mplsDepth[i]++;
    walk.pos += 4;
    if ((entry & 0x100) !== 0) break;
  }
  if (walk.end - walk.pos < 1) return Refusal.linkShort;
  const nibble = walk.view.getUint8(walk.pos) >>> 4;
  if (nibble === 4) walk.etherType = EtherType.ipv4;
  else if (nibble === 6) walk.etherType = EtherType.ipv6;
  else if (nibble === 0 && walk.end - walk.pos >= 18) {
    // A pseudowire's control word (RFC 4448 §4.6), then Ethernet.
    walk.pos += 4;
    walk.etherType = EtherType.ethernet;
  } else return Refusal.notIp;
  return 0;
}

/** PPPoE session stage (RFC 2516 §4): six bytes, then PPP. */
export function pppoeSession(walk: Walk): number {
  const { view, pos } = walk;
  if (walk.end - pos < 8) return Refusal.linkShort;
  if (view.getUint16(pos) !== 0x1100) return Refusal.notIp;
  const end = pos + 6 + view.getUint16(pos + 4);
  if (end < walk.wireEnd) walk.wireEnd = end;
  if (end < walk.end) walk.end = end;
  walk.pos = pos + 6;
  return pppProtocol(walk);
}
