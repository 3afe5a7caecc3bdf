import { Protocol } from './transport.js';

/** The Internet checksum (RFC 1071) over bytes in place. Every function wants a whole header or packet: none is cut. */

/** IPv6 extension headers. */
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;

/**
 * One's complement sum of `length` bytes at `pos`, added to `sum`, not folded. An odd last byte counts as the upper
 * half of a word. With up to 65,535 bytes and a folded or small `sum` to begin with, 32 bits are enough.
 */
function addWords(view: DataView, pos: number, length: number, sum: number): number {
  let total = sum | 0;
  const end = pos + length;
  let at = pos;
  for (const last = end - 15; at < last; at += 16) {
    const a = view.getInt32(at);
    const b = view.getInt32(at + 4);
    const c = view.getInt32(at + 8);
    const d = view.getInt32(at + 12);
    total = (total + (a >>> 16) + (a & 0xffff) + (b >>> 16) + (b & 0xffff)) | 0;
    total = (total + (c >>> 16) + (c & 0xffff) + (d >>> 16) + (d & 0xffff)) | 0;
  }
  for (; at + 2 <= end; at += 2) total = (total + view.getUint16(at)) | 0;
  if (at < end) total = (total + (view.getUint8(at) << 8)) | 0;
  return total;
}

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** True if the IPv4 header of `length` bytes (20 … 60) at `pos` has the right checksum (RFC 791 §3.1). */
export function ipv4ChecksumOk(view: DataView, pos: number, length: number): boolean {
  return fold(addWords(view, pos, length, 0)) === 0xffff;
}

/**
 * True if the transport checksum is right, or if there is none to check: protocols other than TCP, UDP, ICMP, ICMPv6,
 * UDP over IPv4 whose checksum is 0 (RFC 768), and IPv6 packets whose addresses an extension header replaces.
 *
 * @param ip offset of the IP header, whose addresses go into the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1)
 * @param version 4 or 6
 * @param protocol IP protocol number of the header at `pos`
 * @param pos offset of the transport header
 * @param realEnd end of the IP packet by its length field; all bytes up to there are captured
 */
export function transportChecksumOk(
  view: DataView,
  ip: number,
  version: number,
  protocol: number,
  pos: number,
  realEnd: number,
): boolean {
  let length = realEnd - pos;
  switch (protocol) {
    case Protocol.tcp:
      if (length < 20) return false;
      break;
    case Protocol.udp: {
      if (length < 8) return false;
      if (version === 4 && view.getUint16(pos + 6) === 0) return true;
      const claimed = view.getUint16(pos + 4);
      if (claimed > length || (claimed !== 0 && claimed < 8)) return false;
      if (claimed !== 0) length = claimed;
      break;
    }
    case Protocol.icmp:
      return length >= 4 && fold(addWords(view, pos, length, 0)) === 0xffff;
    case Protocol.icmp6:
      if (length < 4) return false;
      break;
    default:
      return true;
  }
  if (version === 6 && pos !== ip + 40 && replacesAddresses(view, ip, pos)) return true;
  const addresses = version === 6 ? addWords(view, ip + 8, 32, 0) : addWords(view, ip + 12, 8, 0);
  return fold(addWords(view, pos, length, addresses + protocol + length)) === 0xffff;
}

/**
 * True if between the IPv6 header at `ip` and the transport header at `pos` stands a routing header with segments left
 * (the pseudo header wants the final destination) or destination options (where a home address may stand, RFC 6275).
 * The headers were followed before, so their lengths lead to `pos`.
 */
function replacesAddresses(view: DataView, ip: number, pos: number): boolean {
  let next = view.getUint8(ip + 6);
  let at = ip + 40;
  while (at + 8 <= pos) {
    if (next === DESTINATION_OPTIONS || (next === ROUTING && view.getUint8(at + 3) !== 0)) return true;
    const following = view.getUint8(at);
    const length = view.getUint8(at + 1);
    if (next === FRAGMENT) at += 8;
    else at += next === Protocol.ah ? (length + 2) << 2 : (length + 1) << 3;
    next = following;
  }
  return false;
}
