import { Refusal } from '../refusal.js';
import type { Walk } from '../walk.js';
import { limitTo, noMac } from './common.js';
import { wlanFrame } from './wlan.js';

/** Bits of the first word of present fields. */
const HAS_TSFT = 1;
const HAS_FLAGS = 2;
const HAS_MORE_WORDS = 0x8000_0000;

/** Bits of the field "flags". */
const FLAG_FCS_AT_END = 0x10;
const FLAG_PADDED = 0x20;

const FCS_LENGTH = 4;

/** Radiotap (little-endian; radiotap.org), then the 802.11 frame. */
export function radiotap(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 8 > walk.end) return Refusal.linkShort;
  if (view.getUint8(pos) !== 0) return Refusal.notIp;
  const length = view.getUint16(pos + 2, true);
  const headerEnd = pos + length;
  if (length < 8 || headerEnd > walk.end) return Refusal.linkShort;
  const present = view.getUint32(pos + 4, true);
  let flags = 0;
  if ((present & HAS_FLAGS) !== 0) {
    let field = pos + 8;
    if ((present & HAS_MORE_WORDS) !== 0) {
      let word = 0;
      do {
        if (field + 4 > headerEnd) return Refusal.linkShort;
        word = view.getUint32(field, true);
        field += 4;
      } while ((word & HAS_MORE_WORDS) !== 0);
    }
    // The timestamp is aligned to eight bytes from the start of the header.
    if ((present & HAS_TSFT) !== 0) field = pos + ((field - pos + 7) & ~7) + 8;
    if (field >= headerEnd) return Refusal.linkShort;
    flags = view.getUint8(field);
  }
  walk.pos = headerEnd;
  if ((flags & FLAG_FCS_AT_END) !== 0) limitTo(walk, walk.wireEnd - FCS_LENGTH);
  return wlanFrame(walk, (flags & FLAG_PADDED) !== 0);
}

/** Prism's header as most drivers write it; the field for its length is trusted only where it makes sense. */
const PRISM_HEADER = 144;
const PRISM_SHORTEST = 24;
/** The upper 20 bits of AVS's magic number; the rest is its version. */
const AVS_MAGIC = 0x80211000;

/** Prism's monitoring header in the byte order of the machine that captured; some drivers put AVS's in its place. */
export function prism(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 8 > walk.end) return Refusal.linkShort;
  if ((view.getUint32(pos) & 0xffff_f000) >>> 0 === AVS_MAGIC) return avs(walk);
  let length = view.getUint32(pos + 4, true);
  if (length > 0xffff) length = view.getUint32(pos + 4);
  if (length < PRISM_SHORTEST || length > 0xffff) length = PRISM_HEADER;
  if (pos + length > walk.end) return Refusal.linkShort;
  walk.pos = pos + length;
  return wlanFrame(walk, false);
}

/** AVS's monitoring header (big-endian): magic number and version, length, radio values; then the 802.11 frame. */
export function avs(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 8 > walk.end) return Refusal.linkShort;
  if ((view.getUint32(pos) & 0xffff_f000) >>> 0 !== AVS_MAGIC) return Refusal.notIp;
  const length = view.getUint32(pos + 4);
  if (length < 8 || length > 0xffff || pos + length > walk.end) return Refusal.linkShort;
  walk.pos = pos + length;
  return wlanFrame(walk, false);
}
