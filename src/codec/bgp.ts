import { BgpDamage, BgpError } from './bgp-error.js';

/** Messages of BGP-4 (RFC 4271 §4), as much as a passive speaker needs. Numbers are in network order. */
export const BgpType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;
export const BGP_HEADER = 19;
export const BGP_PORT = 179;
/** Longest message without the extension of RFC 8654, which is not offered. */
export const MOST_BGP_BYTES = 4096;

/** Capabilities (RFC 5492): multiprotocol RFC 4760, route refresh 2918, graceful restart 4724, AS of four octets 6793. */
const Capability = { multiprotocol: 1, routeRefresh: 2, gracefulRestart: 64, fourOctetAs: 65 } as const;
/** AS_TRANS stands in the two octets of an AS number that needs four (RFC 6793). */
const AS_TRANS = 23456;

export const Family = { ipv4: 1, ipv6: 2 } as const;
export type Family = (typeof Family)[keyof typeof Family];
export const SAFI_UNICAST = 1;

export interface BgpOpen {
  as: number;
  /** Seconds; 0: no keepalives. */
  holdTime: number;
  /** BGP identifier. */
  id: number;
  fourOctetAs: boolean;
  routeRefresh: boolean;
  /** Seconds that routes may stay after the session is lost; undefined if graceful restart was not offered. */
  restartTime: number | undefined;
  /** Address families with unicast; IPv4 if none was named. */
  families: readonly Family[];
}

/** Length of the message at `at`, or undefined if its header is not there yet. @throws BgpError 1/1, 1/2, 1/3 */
export function bgpLength(view: DataView, at: number, end: number): number | undefined {
  if (end - at < BGP_HEADER) return undefined;
  for (let w = 0; w < 16; w += 4) {
    if (view.getInt32(at + w) !== -1) throw new BgpError(BgpDamage.header, 1, 'a marker that is not all ones');
  }
  const length = view.getUint16(at + 16);
  const type = view.getUint8(at + 18);
  if (type < 1 || type > 5) throw new BgpError(BgpDamage.header, 3, `a message of type ${type}`);
  if (length < BGP_HEADER || length > MOST_BGP_BYTES) {
    throw new BgpError(BgpDamage.header, 2, `a message of ${length} bytes`);
  }
  return length;
}

/** Reads the body of an OPEN. @throws BgpError 2/x */
export function readOpen(view: DataView, from: number, to: number): BgpOpen {
  const bad = (subcode: number, what: string): BgpError => new BgpError(BgpDamage.open, subcode, what);
  if (to - from < 10) throw bad(0, 'an OPEN that is cut');
  if (view.getUint8(from) !== 4) throw bad(1, `version ${view.getUint8(from)}`);
  const holdTime = view.getUint16(from + 3);
  if (holdTime === 1 || holdTime === 2) throw bad(6, `a hold time of ${holdTime} s`);
  const id = view.getUint32(from + 5);
  if (id === 0) throw bad(3, 'the identifier 0.0.0.0');
  const open: BgpOpen = {
    as: view.getUint16(from + 1),
    holdTime,
    id,
    fourOctetAs: false,
    routeRefresh: false,
    restartTime: undefined,
    families: [],
  };
  let at = from + 10;
  let end = at + view.getUint8(from + 9);
  // RFC 9072: parameters longer than 255 bytes.
  const extended = view.getUint8(from + 9) === 255 && to - at >= 3 && view.getUint8(at) === 255;
  if (extended) {
    end = at + 3 + view.getUint16(at + 1);
    at += 3;
  }
  if (end !== to) throw bad(0, 'optional parameters whose lengths do not add up');
  const families: Family[] = [];
  while (at < end) {
    const head = extended ? 3 : 2;
    if (end - at < head) throw bad(0, 'an optional parameter that is cut');
    const length = extended ? view.getUint16(at + 1) : view.getUint8(at + 1);
    if (end - at - head < length) throw bad(0, 'an optional parameter that is cut');
    const type = view.getUint8(at);
    at += head;
    if (type !== 2) throw bad(4, `the optional parameter ${type}`);
    readCapabilities(view, at, at + length, open, families);
    at += length;
  }
  open.families = families.length === 0 ? [Family.ipv4] : families;
  if (open.as === 0) throw bad(2, 'AS 0');
  return open;
}

function readCapabilities(view: DataView, from: number, to: number, open: BgpOpen, families: Family[]): void {
  let at = from;
  while (to - at >= 2) {
    const code = view.getUint8(at);
    const length = view.getUint8(at + 1);
    at += 2;
    if (to - at < length) break;
    if (code === Capability.multiprotocol && length === 4 && view.getUint8(at + 3) === SAFI_UNICAST) {
      const family = view.getUint16(at);
      if ((family === Family.ipv4 || family === Family.ipv6) && !families.includes(family)) families.push(family);
    }
    if (code === Capability.routeRefresh) open.routeRefresh = true;
    if (code === Capability.gracefulRestart && length >= 2) open.restartTime = view.getUint16(at) & 0xfff;
    if (code === Capability.fourOctetAs && length === 4) {
      open.fourOctetAs = true;
      open.as = view.getUint32(at);
    }
    at += length;
  }
}

function message(type: number, body: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(BGP_HEADER + body.length).fill(255, 0, 16);
  bytes[16] = bytes.length >>> 8;
  bytes[17] = bytes.length & 255;
  bytes[18] = type;
  bytes.set(body, BGP_HEADER);
  return bytes;
}

const short = (value: number): number[] => [(value >>> 8) & 255, value & 255];
const long = (value: number): number[] => [...short(value >>> 16), ...short(value & 0xffff)];

/** Our OPEN: both families, route refresh, AS numbers of four octets, graceful restart as a helper (RFC 4724 §4.2). */
export function writeOpen(as: number, holdTime: number, id: number): Uint8Array {
  const capabilities = [
    [Capability.multiprotocol, 4, 0, Family.ipv4, 0, SAFI_UNICAST],
    [Capability.multiprotocol, 4, 0, Family.ipv6, 0, SAFI_UNICAST],
    [Capability.routeRefresh, 0],
    [Capability.gracefulRestart, 2, 0, 0],
    [Capability.fourOctetAs, 4, ...long(as)],
  ].flat();
  return message(BgpType.open, [
    4,
    ...short(as > 0xffff ? AS_TRANS : as),
    ...short(holdTime),
    ...long(id),
    capabilities.length + 2,
    2,
    capabilities.length,
    ...capabilities,
  ]);
}

export function writeKeepalive(): Uint8Array {
  return message(BgpType.keepalive, []);
}

export function writeNotification(code: number, subcode: number): Uint8Array {
  return message(BgpType.notification, [code, subcode]);
}

/** Asks for all routes of a family again (RFC 2918). */
export function writeRouteRefresh(family: Family): Uint8Array {
  return message(BgpType.routeRefresh, [...short(family), 0, SAFI_UNICAST]);
}
