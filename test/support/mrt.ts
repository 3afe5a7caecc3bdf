import { attribute, long, prefixBytes, SEQUENCE, segments, short } from './bgp.js';

/** MRT records as a test writes them, plainly by RFC 6396. */

export function mrtRecord(type: number, subtype: number, body: readonly number[]): number[] {
  return [...long(1_704_067_200), ...short(type), ...short(subtype), ...long(body.length), ...body];
}

/** Attributes of an entry: ORIGIN, AS_PATH as a sequence, NEXT_HOP. */
export function entryAttributes(octets: 2 | 4, path: readonly number[], hop = [192, 0, 2, 9]): number[] {
  return [...attribute(1, [0]), ...attribute(2, segments(octets, [SEQUENCE, ...path])), ...attribute(3, hop)];
}

/** PEER_INDEX_TABLE (§4.3.1) with one IPv4 peer. */
export function peerIndexTable(): number[] {
  return mrtRecord(13, 1, [192, 0, 2, 1, 0, 0, 0, 1, 2, 192, 0, 2, 2, 192, 0, 2, 2, ...long(65_001)]);
}

/** RIB_IPV4_UNICAST 2, RIB_IPV6_UNICAST 4, and with additional paths 8 and 10 (RFC 8050 §4). */
export function ribRecord(subtype: 2 | 4 | 8 | 10, prefix: string, entries: readonly (readonly number[])[]): number[] {
  const pathId = subtype >= 8 ? long(7) : [];
  const list = entries.flatMap((attributes) => [
    ...short(0),
    ...long(1_704_000_000),
    ...pathId,
    ...short(attributes.length),
    ...attributes,
  ]);
  return mrtRecord(13, subtype, [...long(1), ...prefixBytes(prefix), ...short(entries.length), ...list]);
}

/** TABLE_DUMP (§4.2) of an IPv4 prefix, whose paths have two octets. */
export function oldRibRecord(address: readonly number[], length: number, attributes: readonly number[]): number[] {
  const peer = [192, 0, 2, 2, ...short(65_001)];
  const head = [...short(0), ...short(1), ...address, length, 1, ...long(1_704_000_000), ...peer];
  return mrtRecord(12, 1, [...head, ...short(attributes.length), ...attributes]);
}

/** BGP4MP (§4.4): MESSAGE 1, MESSAGE_AS4 4, LOCAL 6 and 7; `extended` with microseconds (§3). */
export function messageRecord(subtype: 1 | 4 | 6 | 7, message: Iterable<number>, extended = false): number[] {
  const as = subtype === 1 || subtype === 6 ? short : long;
  const head = [...as(65_001), ...as(65_002), ...short(0), ...short(1), 192, 0, 2, 2, 192, 0, 2, 1];
  return mrtRecord(extended ? 17 : 16, subtype, [...(extended ? long(5) : []), ...head, ...message]);
}
