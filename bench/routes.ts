import { closeSync, openSync, writeSync } from 'node:fs';
import { RandomStream } from './random.js';

/**
 * A full table of routes as a dump, TABLE_DUMP_V2 (RFC 6396): lengths of prefixes in the shares of the Internet's tables,
 * crowded together as allocations are. The same seed gives the same bytes.
 */

/** Prefixes by length, in parts of all. */
const SHARES4: readonly (readonly [length: number, share: number])[] = [
  [24, 0.63],
  [23, 0.095],
  [22, 0.105],
  [21, 0.05],
  [20, 0.044],
  [19, 0.025],
  [18, 0.014],
  [17, 0.008],
  [16, 0.013],
  [14, 0.002],
];
const SHARES6: readonly (readonly [length: number, share: number])[] = [
  [48, 0.5],
  [44, 0.12],
  [40, 0.11],
  [36, 0.05],
  [32, 0.12],
  [46, 0.03],
  [47, 0.03],
  [42, 0.02],
  [29, 0.02],
];
const HEADS4 = 45_000;
const HEADS6 = 100_000;
const REGIONS6 = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];
const ORIGINS = 75_000;
const NEIGHBOURS = 12;
/** What is written at once. */
const CHUNK = 1 << 20;

export interface Prefix {
  readonly words: readonly number[];
  readonly length: number;
}

function* lengthsOf(count: number, shares: typeof SHARES4): Generator<number> {
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  let left = count;
  // The most frequent length gets what rounding leaves; the others come first.
  for (const [length, share] of shares.slice(1)) {
    const own = Math.min(left, Math.round((count * share) / total));
    for (let n = 0; n < own; n++) yield length;
    left -= own;
  }
  for (; left > 0; left--) yield shares[0][0];
}

/** Half of what falls on one place in four falls on one in sixteen, and so on: allocations are full or nearly empty. */
function crowded(random: RandomStream, below: number): number {
  const u = random.next();
  return Math.floor(u * u * below);
}

export function prefixes4(count: number, seed: number): Prefix[] {
  const random = new RandomStream(seed);
  const heads = Array.from(
    { length: HEADS4 },
    () => ((1 + Math.floor(random.next() * 223)) << 8) | (random.next() * 256),
  );
  const seen = new Set<number>();
  const prefixes: Prefix[] = [];
  for (const length of lengthsOf(count, SHARES4)) {
    for (;;) {
      const address = ((heads[crowded(random, HEADS4)] << 16) | (random.next() * 0x10000)) >>> 0;
      const word = ((address >>> (32 - length)) << (32 - length)) >>> 0;
      const key = word * 64 + length;
      if (seen.has(key)) continue;
      seen.add(key);
      prefixes.push({ words: [word | 0], length });
      break;
    }
  }
  return prefixes;
}

export function prefixes6(count: number, seed: number): Prefix[] {
  const random = new RandomStream(seed);
  const heads = Array.from(
    { length: HEADS6 },
    () => (REGIONS6[Math.floor(random.next() * REGIONS6.length)] << 16) | Math.floor(random.next() * 0x10000),
  );
  const seen = new Set<number>();
  const prefixes: Prefix[] = [];
  for (const length of lengthsOf(count, SHARES6)) {
    for (;;) {
      const head = heads[length <= 32 ? Math.floor(random.next() * HEADS6) : crowded(random, HEADS6)];
      const more = length <= 32 ? 0 : (crowded(random, 2 ** (length - 32)) << (64 - length)) >>> 0;
      const word = length < 32 ? (head >>> (32 - length)) << (32 - length) : head;
      const key = ((word >>> 0) * 0x10000 + (more >>> 16)) * 2 + (length & 1);
      if (seen.has(key)) continue;
      seen.add(key);
      prefixes.push({ words: [word, more | 0, 0, 0], length });
      break;
    }
  }
  return prefixes;
}

/** Writes the dump; each prefix has one entry, with a path of two to five AS. */
export function writeRoutes(path: string, four: readonly Prefix[], six: readonly Prefix[], seed: number): void {
  const random = new RandomStream(seed + 1);
  const bytes = new Uint8Array(CHUNK);
  const view = new DataView(bytes.buffer);
  const fd = openSync(path, 'w');
  let at = 0;
  let sequence = 0;
  try {
    for (const [list, subtype] of [
      [four, 2],
      [six, 4],
    ] as const) {
      for (const { words, length } of list) {
        if (CHUNK - at < 256) {
          writeSync(fd, bytes, 0, at);
          at = 0;
        }
        at = writeEntry(view, at, subtype, words, length, sequence++, random);
      }
    }
    writeSync(fd, bytes, 0, at);
  } finally {
    closeSync(fd);
  }
}

function writeEntry(
  view: DataView,
  from: number,
  subtype: 2 | 4,
  words: readonly number[],
  length: number,
  sequence: number,
  random: RandomStream,
): number {
  view.setUint32(from, 1_704_067_200);
  view.setUint16(from + 4, 13);
  view.setUint16(from + 6, subtype);
  view.setUint32(from + 12, sequence);
  view.setUint8(from + 16, length);
  let at = from + 17;
  for (let b = 0; b < Math.ceil(length / 8); b++) view.setUint8(at++, words[b >>> 2] >>> (24 - 8 * (b & 3)));
  view.setUint16(at, 1);
  view.setUint16(at + 2, 0);
  view.setUint32(at + 4, 1_704_000_000);
  const attributes = at + 10;
  at = attributes;
  const origin = Math.floor(random.next() ** 2 * ORIGINS);
  // Who is in front of an origin follows from it; some of its prefixes are announced to another neighbour.
  const neighbour = (origin + (random.next() < 0.2 ? 1 : 0)) % NEIGHBOURS;
  const middle = Array.from({ length: origin % 4 }, (_, k) => 1000 + ((origin * 7 + k) % 3000));
  const path = [174 + neighbour, ...middle, 10_000 + origin];
  view.setUint32(at, 0x40010100 | 0);
  at += 4;
  view.setUint8(at, 0x40);
  view.setUint8(at + 1, 2);
  view.setUint8(at + 2, 2 + 4 * path.length);
  view.setUint8(at + 3, 2);
  view.setUint8(at + 4, path.length);
  at += 5;
  for (const as of path) {
    view.setUint32(at, as);
    at += 4;
  }
  if (subtype === 2) {
    view.setUint32(at, 0x40030400);
    view.setUint32(at + 3, 0xc6336400 + neighbour);
    view.setUint8(at + 2, 4);
    at += 7;
  } else {
    view.setUint32(at, 0x800e1110);
    view.setUint32(at + 4, 0x20010db8);
    view.setUint32(at + 8, 0);
    view.setUint32(at + 12, 0);
    view.setUint32(at + 16, neighbour + 1);
    at += 20;
  }
  view.setUint16(attributes - 2, at - attributes);
  view.setUint32(from + 8, at - from - 12);
  return at;
}
