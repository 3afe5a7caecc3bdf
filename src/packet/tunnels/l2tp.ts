import { pppFrame } from '../link/ppp.js';
import { Refusal } from '../refusal.js';
import type { Walk } from '../walk.js';
import { enter, innerIp } from './inner.js';

const LENGTH = 0x4000;
const SEQUENCE = 0x0800;
const OFFSET = 0x0200;
/** Type (0 = data), the reserved bits and the version; the rest may be set. */
const FIXED_BITS = 0xb4ff;
const VERSION_2 = 0x0002;

/** L2TP version 2 data message (RFC 2661 §3.1) with PPP and IP in it. Its id is the tunnel's << 16 | the session's. */
export function l2tp(walk: Walk): boolean {
  const { view, pos, end, wireEnd } = walk;
  if (pos + 6 > end) return false;
  const flags = view.getUint16(pos);
  if ((flags & FIXED_BITS) !== VERSION_2) return false;
  let field = pos + 2;
  let messageEnd = wireEnd;
  if ((flags & LENGTH) !== 0) {
    messageEnd = pos + view.getUint16(field);
    field += 2;
  }
  const ids = field;
  field += (flags & SEQUENCE) !== 0 ? 8 : 4;
  if ((flags & OFFSET) !== 0) {
    if (field + 2 > end) return false;
    field += 2 + view.getUint16(field);
  }
  if (field > end || messageEnd > wireEnd) return false;
  const id = view.getInt32(ids);
  if (id >>> 16 === 0 || (id & 0xffff) === 0) return false;
  const etherType = walk.etherType;
  walk.pos = field;
  walk.wireEnd = messageEnd;
  walk.end = Math.min(end, messageEnd);
  if (pppFrame(walk) === Refusal.none && innerIp(walk, walk.pos, messageEnd) === walk.etherType) {
    return enter(walk, walk.pos, walk.etherType, id);
  }
  walk.pos = pos;
  walk.end = end;
  walk.wireEnd = wireEnd;
  walk.etherType = etherType;
  return false;
}
