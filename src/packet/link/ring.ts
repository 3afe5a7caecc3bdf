import { Refusal } from '../refusal.js';
import type { Walk } from '../walk.js';
import { noMac } from './common.js';
import { llc } from './ethernet.js';

/** FDDI: frame control, destination, source, then LLC in frames with 48-bit addresses (ANSI X3.139). */
export function fddi(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 13 > walk.end) return Refusal.linkShort;
  if ((view.getUint8(pos) & 0x70) !== 0x50) return Refusal.notIp;
  walk.batch.mac[walk.index] = pos + 1;
  walk.pos = pos + 13;
  return llc(walk);
}

/**
 * Token Ring (IEEE 802.5): access control, frame control, destination, source, then routing information if the source's
 * top bit says so, then LLC. With that bit the source is not the station's address as others see it, so `mac` is 0.
 */
export function tokenRing(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 14 > walk.end) return Refusal.linkShort;
  if ((view.getUint8(pos + 1) & 0xc0) !== 0x40) return Refusal.notIp;
  if ((view.getUint8(pos + 8) & 0x80) === 0) {
    walk.batch.mac[walk.index] = pos + 2;
    walk.pos = pos + 14;
    return llc(walk);
  }
  if (pos + 16 > walk.end) return Refusal.linkShort;
  const routing = view.getUint8(pos + 14) & 0x1f;
  if (routing < 2) return Refusal.linkShort;
  walk.pos = pos + 14 + routing;
  return llc(walk);
}

/** IP over Fibre Channel (RFC 2625): destination and source of eight bytes each, then LLC. */
export function ipOverFibreChannel(walk: Walk): number {
  noMac(walk);
  if (walk.pos + 16 > walk.end) return Refusal.linkShort;
  walk.pos += 16;
  return llc(walk);
}

/** IP over InfiniBand (RFC 4391 §6): global routing header of 40 bytes, EtherType, two bytes reserved. */
export function ipOverInfiniBand(walk: Walk): number {
  const { view, pos } = walk;
  noMac(walk);
  if (pos + 44 > walk.end) return Refusal.linkShort;
  walk.etherType = view.getUint16(pos + 40);
  walk.pos = pos + 44;
  return Refusal.none;
}
