import type { LinkParser } from '../walk.js';
import { ethernet, llc } from './ethernet.js';
import { linuxCooked, linuxCooked2, nflog } from './linux.js';
import { ciscoHdlc, ciscoHdlcWithDirection, ppp, pppd, pppoe, pppProtocol, pppWithDirection } from './ppp.js';
import { avs, prism, radiotap } from './radiotap.js';
import { bsdLoopback, ipnet, pflog, rawIp, rawIpv4, rawIpv6, slip } from './raw.js';
import { fddi, ipOverFibreChannel, ipOverInfiniBand, tokenRing } from './ring.js';
import { wlan } from './wlan.js';

export { ethernet, llc, pppProtocol };

/** By pcap's LINKTYPE_ number (tcpdump.org/linktypes.html), and the numbers that some systems write in its place. */
const PARSERS: ReadonlyMap<number, LinkParser> = new Map<number, LinkParser>([
  [0, bsdLoopback],
  [1, ethernet],
  [6, tokenRing],
  [8, slip],
  [9, ppp],
  [10, fddi],
  [12, rawIp], // DLT_RAW on most systems
  [14, rawIp], // DLT_RAW on OpenBSD
  [50, ppp],
  [51, pppoe],
  [101, rawIp],
  [104, ciscoHdlc],
  [105, wlan],
  [108, bsdLoopback],
  [112, ciscoHdlc], // NetBSD's number
  [113, linuxCooked],
  [117, pflog],
  [119, prism],
  [122, ipOverFibreChannel],
  [127, radiotap],
  [163, avs],
  [166, pppd],
  [204, pppWithDirection],
  [205, ciscoHdlcWithDirection],
  [226, ipnet],
  [228, rawIpv4],
  [229, rawIpv6],
  [239, nflog],
  [242, ipOverInfiniBand],
  [276, linuxCooked2],
]);

/**
 * The parser of a link type (pcap's LINKTYPE_ number), or undefined if rheo does not read that link layer. Every parser
 * sets the batch's `mac`, to 0 where the frame has no pair of addresses, destination first.
 */
export function linkParser(linkType: number): LinkParser | undefined {
  return PARSERS.get(linkType);
}
