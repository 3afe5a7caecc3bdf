import { EtherType, type Walk } from '../walk.js';
import { enter, innerFits } from './inner.js';

const HEADER = 8;
const FLAG_VNI = 0x08;
/** Group based policy (draft-smith-vxlan-group-policy): the second word then holds policy bits and a group. */
const FLAG_GROUP_POLICY = 0x80;
/** Don't learn, policy applied: the only bits that group policy defines in the second byte. */
const POLICY_BITS = 0x48;

/** VXLAN (RFC 7348 §5), also with group based policy. Reserved bits must be zero. */
export function vxlan(walk: Walk): boolean {
  const { view, pos } = walk;
  if (pos + HEADER > walk.end) return false;
  const flags = view.getUint8(pos);
  if ((flags & ~FLAG_GROUP_POLICY) !== FLAG_VNI || view.getUint8(pos + 7) !== 0) return false;
  if ((flags & FLAG_GROUP_POLICY) === 0) {
    if ((view.getUint32(pos) & 0xffffff) !== 0) return false;
  } else if ((view.getUint8(pos + 1) & ~POLICY_BITS) !== 0) return false;
  if (!innerFits(walk, pos + HEADER, EtherType.ethernet)) return false;
  return enter(walk, pos + HEADER, EtherType.ethernet, view.getUint32(pos + 4) >>> 8);
}

const GPE_NEXT_PROTOCOL = 0x04;

/** VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe) version 0 with IP, Ethernet or MPLS inside; not OAM, not replicated. */
export function vxlanGpe(walk: Walk): boolean {
  const { view, pos } = walk;
  if (pos + HEADER > walk.end) return false;
  const flags = view.getUint8(pos);
  if ((flags & ~GPE_NEXT_PROTOCOL) !== FLAG_VNI) return false;
  if (view.getUint16(pos + 1) !== 0 || view.getUint8(pos + 7) !== 0) return false;
  const etherType = gpePayload((flags & GPE_NEXT_PROTOCOL) !== 0, view.getUint8(pos + 3));
  if (!innerFits(walk, pos + HEADER, etherType)) return false;
  return enter(walk, pos + HEADER, etherType, view.getUint32(pos + 4) >>> 8);
}

function gpePayload(hasNextProtocol: boolean, nextProtocol: number): number {
  if (!hasNextProtocol) return nextProtocol === 0 ? EtherType.ethernet : 0;
  switch (nextProtocol) {
    case 1:
      return EtherType.ipv4;
    case 2:
      return EtherType.ipv6;
    case 3:
      return EtherType.ethernet;
    case 5:
      return EtherType.mpls;
    default:
      return 0;
  }
}
