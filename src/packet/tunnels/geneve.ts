import type { Walk } from '../walk.js';
import { enter, innerFits } from './inner.js';

const HEADER = 8;
const OPTION_HEADER = 4;
/** Second byte: control packet, and the six reserved bits; the bit between them ("critical options") may be set. */
const CONTROL_AND_RESERVED = 0xbf;

/** Geneve version 0 (RFC 8926 §3) with IP, Ethernet or MPLS inside. The options must fill their length exactly. */
export function geneve(walk: Walk): boolean {
  const { view, pos } = walk;
  if (pos + HEADER > walk.end) return false;
  const first = view.getUint8(pos);
  if (first >>> 6 !== 0) return false;
  if ((view.getUint8(pos + 1) & CONTROL_AND_RESERVED) !== 0 || view.getUint8(pos + 7) !== 0) return false;
  const inner = pos + HEADER + ((first & 0x3f) << 2);
  const etherType = view.getUint16(pos + 2);
  if (!innerFits(walk, inner, etherType)) return false;
  // At most 63 turns: each moves on by four bytes or more, and the options are 252 bytes at most.
  let option = pos + HEADER;
  while (option < inner) option += OPTION_HEADER + ((view.getUint8(option + 3) & 0x1f) << 2);
  if (option !== inner) return false;
  return enter(walk, inner, etherType, view.getUint32(pos + 4) >>> 8);
}
