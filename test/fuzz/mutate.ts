import type { Random } from './target.js';

/** Numbers at which lengths, counts and signs turn over. */
const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 5, 7, 8, 12, 14, 16, 19, 20, 21, 39, 40, 41, 63, 64, 127, 128, 255, 256, 1500, 1501, 1535, 1536, 4095,
  4096, 8191, 32767, 32768, 65534, 65535, 65536, 262143, 262144, 262145, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];

function writeNumber(bytes: Uint8Array, at: number, width: 1 | 2 | 4, value: number, little: boolean): void {
  for (let k = 0; k < width; k++) {
    const shift = 8 * (little ? k : width - 1 - k);
    bytes[at + k] = value >>> shift;
  }
}

function readNumber(bytes: Uint8Array, at: number, width: 1 | 2 | 4, little: boolean): number {
  let value = 0;
  for (let k = 0; k < width; k++) value = value * 256 + bytes[at + (little ? width - 1 - k : k)];
  return value;
}

/** Bytes [from, to) replaced by others. */
export function replace(bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  const out = new Uint8Array(from + by.length + bytes.length - to);
  out.set(bytes.subarray(0, from));
  out.set(by, from);
  out.set(bytes.subarray(to), from + by.length);
  return out;
}

/** One change: a bit, a byte, a number, a cut, a splice. Headers stand in front, so the front is changed more often. */
function change(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const { length } = bytes;
  if (length === 0) return random.bytes(1 + random.below(8));
  const place = (): number => random.below(random.once(2) ? length : Math.min(length, 64));
  const out = bytes.slice();
  const at = place();
  switch (random.below(12)) {
    case 0:
    case 1:
      out[at] ^= 1 << random.below(8);
      return out;
    case 2:
      out[at] = random.byte();
      return out;
    case 3:
    case 4:
    case 5: {
      const width = random.pick([1, 2, 2, 2, 4] as const);
      if (at + width > length) return out;
      const little = random.once(3);
      const rest = length - at;
      const value = random.pick([
        random.pick(EDGES),
        rest - random.below(24),
        readNumber(out, at, width, little) + random.below(9) - 4,
        random.below(length + 1),
      ]);
      writeNumber(out, at, width, value >>> 0, little);
      return out;
    }
    case 6:
      return bytes.slice(0, random.below(length));
    case 7:
      return replace(bytes, at, Math.min(length, at + 1 + random.below(16)), new Uint8Array(0));
    case 8:
      return replace(bytes, at, at, random.bytes(1 + random.below(8)));
    case 9: {
      const to = Math.min(length, at + 1 + random.below(32));
      return replace(bytes, at, at, bytes.subarray(at, to));
    }
    case 10: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      return replace(bytes, at, length, other.subarray(from));
    }
    default: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      const part = other.subarray(from, from + 1 + random.below(64));
      return replace(bytes, at, Math.min(length, at + part.length), part);
    }
  }
}

/** Some changes, one after the other; most inputs get few, so that they still reach far. */
export function mutate(bytes: Uint8Array, random: Random, others: readonly Uint8Array[] = [bytes]): Uint8Array {
  let out = bytes;
  let changes = 1 + random.below(random.once(4) ? 12 : 3);
  while (changes-- > 0) out = change(out, random, others);
  return out;
}
