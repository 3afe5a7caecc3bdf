import { type Family, MOST_BGP_BYTES } from '../../src/codec/bgp.js';

/** BGP messages as a test writes them, plainly by RFC 4271 §4. */

export const short = (value: number): number[] => [(value >>> 8) & 255, value & 255];
export const long = (value: number): number[] => [...short(value >>> 16), ...short(value & 0xffff)];

export function bgpMessage(type: number, body: readonly number[]): Uint8Array {
  const length = 19 + body.length;
  if (length > MOST_BGP_BYTES) throw new RangeError(`a message of ${length} bytes`);
  return Uint8Array.from([...new Array(16).fill(255), ...short(length), type, ...body]);
}

/** A path attribute; the length takes two bytes where it must, or where `extended` says so. */
export function attribute(type: number, value: readonly number[], extended = value.length > 255): number[] {
  return [extended ? 0x50 : 0x40, type, ...(extended ? short(value.length) : [value.length]), ...value];
}

export const SEQUENCE = 2;
export const SET = 1;

/** Segments of AS_PATH. */
export function segments(octets: 2 | 4, ...list: readonly [kind: number, ...numbers: number[]][]): number[] {
  return list.flatMap(([kind, ...numbers]) => [
    kind,
    numbers.length,
    ...numbers.flatMap((as) => (octets === 4 ? long(as) : short(as))),
  ]);
}

/** `20.1.0.0/16` or `2001:db8::/32` (groups in full before `::`) as NLRI: the length in bits and as many bytes as that takes. */
export function prefixBytes(text: string): number[] {
  const [address, bits] = text.split('/');
  const all = address.includes(':')
    ? address
        .replace(/::.*$/, '')
        .split(':')
        .filter((group) => group !== '')
        .flatMap((group) => short(Number.parseInt(group, 16)))
    : address.split('.').map(Number);
  const bytes = [...all, ...new Array<number>(16).fill(0)];
  return [Number(bits), ...bytes.slice(0, Math.ceil(Number(bits) / 8))];
}

export interface UpdateParts {
  withdrawn?: readonly string[];
  attributes?: readonly number[];
  announced?: readonly string[];
}

/** Body of an UPDATE. */
export function updateBody({ withdrawn = [], attributes = [], announced = [] }: UpdateParts): number[] {
  const gone = withdrawn.flatMap(prefixBytes);
  return [
    ...short(gone.length),
    ...gone,
    ...short(attributes.length),
    ...attributes,
    ...announced.flatMap(prefixBytes),
  ];
}

export function reach(family: Family, hop: readonly number[], prefixes: readonly string[]): number[] {
  return attribute(14, [...short(family), 1, hop.length, ...hop, 0, ...prefixes.flatMap(prefixBytes)]);
}

export function unreach(family: Family, prefixes: readonly string[]): number[] {
  return attribute(15, [...short(family), 1, ...prefixes.flatMap(prefixBytes)]);
}

export interface OpenParts {
  as?: number;
  holdTime?: number;
  id?: number;
  version?: number;
  capabilities?: readonly number[];
}

/** Body of an OPEN with one parameter of capabilities. */
export function openBody({
  as = 65_002,
  holdTime = 90,
  id = 1,
  version = 4,
  capabilities = [],
}: OpenParts = {}): number[] {
  const parameter = capabilities.length === 0 ? [] : [2, capabilities.length, ...capabilities];
  const shortAs = as > 0xffff ? 23_456 : as;
  return [version, ...short(shortAs), ...short(holdTime), ...long(id), parameter.length, ...parameter];
}

export const capability = (code: number, ...value: readonly number[]): number[] => [code, value.length, ...value];
export const FOUR_OCTETS = (as: number): number[] => capability(65, ...long(as));
