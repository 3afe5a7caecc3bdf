import { EtherType, type Walk } from '../walk.js';
import { enter, innerIp } from './inner.js';

const AUTHENTICATION = 0x0001;
/** Indicator, two lengths, nonce, confirmation (RFC 4380 §5.1.1). */
const AUTHENTICATION_FIXED = 13;
const ORIGIN = 0x0000;
const ORIGIN_LENGTH = 8;
const TEREDO_PREFIX = 0x2001_0000;

/** Teredo (RFC 4380): IPv6 with a Teredo or link-local address, behind authentication and origin if they are there. */
export function teredo(walk: Walk): boolean {
  const { view, end } = walk;
  let pos = walk.pos;
  if (pos + 4 > end) return false;
  if (view.getUint16(pos) === AUTHENTICATION) {
    pos += AUTHENTICATION_FIXED + view.getUint8(pos + 2) + view.getUint8(pos + 3);
    if (pos + 4 > end) return false;
  }
  if (view.getUint16(pos) === ORIGIN) pos += ORIGIN_LENGTH;
  if (innerIp(walk, pos, walk.wireEnd) !== EtherType.ipv6) return false;
  if (!isTeredoOrLinkLocal(view.getUint32(pos + 8)) && !isTeredoOrLinkLocal(view.getUint32(pos + 24))) return false;
  return enter(walk, pos, EtherType.ipv6, 0);
}

/** The first 32 bits of an address in 2001:0::/32 or fe80::/10. */
function isTeredoOrLinkLocal(word: number): boolean {
  return word === TEREDO_PREFIX || word >>> 22 === 0xfe80 >>> 6;
}
