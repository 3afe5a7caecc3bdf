import { Refusal } from '../refusal.js';
import type { Walk } from '../walk.js';
import { limitTo, noMac } from './common.js';
import { llc } from './ethernet.js';

/** First byte of frame control: version, type, subtype (IEEE 802.11 §9.2.4.1). */
const VERSION_AND_TYPE = 0x0f;
const DATA = 0x08;
const SUBTYPE_NO_DATA = 0x40;
const SUBTYPE_QOS = 0x80;

/** Second byte. */
const TO_DS = 0x01;
const FROM_DS = 0x02;
const PROTECTED = 0x40;
const ORDER = 0x80;

/** First byte of QoS control: the body is an aggregate of MSDUs, each with a header of its own. */
const AMSDU_PRESENT = 0x80;
const AMSDU_HEADER = 14;

/** Bare IEEE 802.11. */
export function wlan(walk: Walk): number {
  noMac(walk);
  return wlanFrame(walk, false);
}

/**
 * An 802.11 frame at `pos`. `padded`: the header is padded to a multiple of four bytes, as some adapters do. Management
 * and control frames, frames without data and later fragments are not IP. Of an A-MSDU the first one is followed. The
 * addresses stand as `mac` wants them only in ad-hoc frames and A-MSDUs.
 */
export function wlanFrame(walk: Walk, padded: boolean): number {
  const { view, pos } = walk;
  if (pos + 2 > walk.end) return Refusal.linkShort;
  const type = view.getUint8(pos);
  const flags = view.getUint8(pos + 1);
  if ((type & VERSION_AND_TYPE) !== DATA || (type & SUBTYPE_NO_DATA) !== 0) return Refusal.notIp;
  if ((flags & PROTECTED) !== 0) return Refusal.encrypted;
  const distribution = flags & (TO_DS | FROM_DS);
  let length = distribution === (TO_DS | FROM_DS) ? 30 : 24;
  const qos = pos + length;
  if ((type & SUBTYPE_QOS) !== 0) length += (flags & ORDER) !== 0 ? 6 : 2;
  if (padded) length = (length + 3) & ~3;
  if (pos + length > walk.end) return Refusal.linkShort;
  const fragment = view.getUint8(pos + 22) & 0x0f;
  if (fragment !== 0) return Refusal.notIp;
  walk.pos = pos + length;
  if ((type & SUBTYPE_QOS) !== 0 && (view.getUint8(qos) & AMSDU_PRESENT) !== 0) return firstOfAggregate(walk);
  if (distribution === 0) walk.batch.mac[walk.index] = pos + 4;
  return llc(walk);
}

/** Subframe of an A-MSDU: destination, source, length, MSDU. */
function firstOfAggregate(walk: Walk): number {
  const { view, pos } = walk;
  if (pos + AMSDU_HEADER > walk.end) return Refusal.linkShort;
  walk.batch.mac[walk.index] = pos;
  walk.pos = pos + AMSDU_HEADER;
  limitTo(walk, walk.pos + view.getUint16(pos + 12));
  return llc(walk);
}
