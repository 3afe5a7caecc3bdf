import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Places } from '../../src/enrich/places.js';
import { addressWords } from './records.js';

/** A value as MMDB files have them. */
export type MmdbValue = string | number | boolean | { readonly [name: string]: MmdbValue } | readonly MmdbValue[];

/** Writes files in the MaxMind DB format 2.0, as its specification has them; for tests, plainly and without pointers. */
export function mmdbFile(
  entries: readonly (readonly [prefix: string, value: MmdbValue])[],
  { type = 'Test', version = 6, recordSize = 28 }: { type?: string; version?: 4 | 6; recordSize?: 24 | 28 | 32 } = {},
): Uint8Array {
  // Children of each node: a node, `-1 - offset` of a value in the data section, or undefined.
  const nodes: [number | undefined, number | undefined][] = [[undefined, undefined]];
  const data: number[] = [];
  for (const [prefix, value] of entries) {
    const [address, bits] = prefix.split('/');
    const six = address.includes(':');
    const words = six || version === 4 ? addressWords(address) : [0, 0, 0, ...addressWords(address)];
    const length = Number(bits) + (six || version === 4 ? 0 : 96);
    const at = data.length;
    data.push(...encode(value));
    let node = 0;
    for (let depth = 0; depth < length; depth++) {
      const bit = (words[depth >>> 5] >>> (31 - (depth & 31))) & 1;
      if (depth === length - 1) {
        nodes[node][bit] = -1 - at;
        break;
      }
      let next = nodes[node][bit];
      if (next === undefined || next < 0) {
        // A shorter prefix goes on holding in the parts that the longer one does not cover.
        next = nodes.push([next, next]) - 1;
        nodes[node][bit] = next;
      }
      node = next;
    }
  }
  const record = (child: number | undefined): number =>
    child === undefined ? nodes.length : child >= 0 ? child : nodes.length + 16 + (-1 - child);
  const tree = nodes.flatMap(([left, right]) => pair(record(left), record(right), recordSize));
  // Of other types than numbers elsewhere: 5 is uint16, 6 is uint32, 9 is uint64.
  const numbers: [name: string, type: number, bytes: number, value: number][] = [
    ['binary_format_major_version', 5, 2, 2],
    ['binary_format_minor_version', 5, 2, 0],
    ['build_epoch', 9, 8, 1_704_067_200],
    ['ip_version', 5, 2, version],
    ['node_count', 6, 4, nodes.length],
    ['record_size', 5, 2, recordSize],
  ];
  const metadata = [
    ...control(7, numbers.length + 3),
    ...numbers.flatMap(([name, kind, bytes, value]) => [
      ...encode(name),
      ...control(kind, bytes),
      ...big(value, bytes),
    ]),
    ...[...encode('database_type'), ...encode(type)],
    ...[...encode('description'), ...encode({ en: 'made by a test' })],
    ...[...encode('languages'), ...encode(['en'])],
  ];
  const marker = [0xab, 0xcd, 0xef, ...Buffer.from('MaxMind.com')];
  return Uint8Array.from([...tree, ...new Array(16).fill(0), ...data, ...marker, ...metadata]);
}

function big(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, k) => Math.floor(value / 256 ** (bytes - 1 - k)) % 256);
}

function pair(left: number, right: number, size: 24 | 28 | 32): number[] {
  if (size !== 28) return [...big(left, size / 8), ...big(right, size / 8)];
  const middle = ((left >>> 24) << 4) | (right >>> 24);
  return [...big(left % 2 ** 24, 3), middle, ...big(right % 2 ** 24, 3)];
}

function control(type: number, size: number): number[] {
  const [short, rest] = size < 29 ? [size, []] : size < 285 ? [29, [size - 29]] : [30, big(size - 285, 2)];
  return type < 8 ? [(type << 5) | short, ...rest] : [short, type - 7, ...rest];
}

function encode(value: MmdbValue): number[] {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return [...control(2, bytes.length), ...bytes];
  }
  if (typeof value === 'number') return [...control(6, 4), ...big(value, 4)];
  if (typeof value === 'boolean') return control(14, value ? 1 : 0);
  if (Array.isArray(value)) return [...control(11, value.length), ...value.flatMap(encode)];
  const members = Object.entries(value);
  return [...control(7, members.length), ...members.flatMap(([name, one]) => [...encode(name), ...encode(one)])];
}

/** Places of one such file. */
export async function placesOf(entries: Parameters<typeof mmdbFile>[0]): Promise<Places> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-mmdb-'));
  try {
    const file = path.join(dir, 'test.mmdb');
    writeFileSync(file, mmdbFile(entries));
    const places = new Places();
    await places.open(file);
    return places;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
