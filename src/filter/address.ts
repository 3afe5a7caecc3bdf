/**
 * IPv4 address or the first parts of one, as numbers with dots (`10.1` is the network 10.1.0.0/16).
 * Returns the address left-justified as an unsigned 32-bit number and the bits given, or undefined if a part exceeds 255.
 */
export function parseDotted(text: string): { address: number; bits: number } | undefined {
  const parts = text.split('.');
  let address = 0;
  for (const part of parts) {
    const value = Number(part);
    if (!(value <= 255)) return undefined;
    address = address * 256 + value;
  }
  for (let k = parts.length; k < 4; k++) address *= 256;
  return { address, bits: parts.length * 8 };
}

function pushGroups(text: string, words: number[]): boolean {
  if (text === '') return true;
  const groups = text.split(':');
  for (let k = 0; k < groups.length; k++) {
    const group = groups[k] ?? '';
    if (/^[0-9A-Fa-f]{1,4}$/.test(group)) {
      words.push(Number.parseInt(group, 16));
    } else if (k === groups.length - 1 && /^\d{1,3}(\.\d{1,3}){3}$/.test(group)) {
      const dotted = parseDotted(group);
      if (dotted === undefined) return false;
      words.push(Math.floor(dotted.address / 65536), dotted.address % 65536);
    } else {
      return false;
    }
  }
  return true;
}

/** IPv6 address (RFC 4291, section 2.2) as four 32-bit words, signed, first word first; undefined if it is none. */
export function parseIpv6(text: string): Int32Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head: number[] = [];
  const tail: number[] = [];
  if (!pushGroups(halves[0] ?? '', head) || !pushGroups(halves[1] ?? '', tail)) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const words = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Int32Array.from({ length: 4 }, (_, k) => ((words[2 * k] ?? 0) << 16) | (words[2 * k + 1] ?? 0));
}

/** Network mask of IPv6 with `bits` leading ones, as four signed words. */
export function ipv6Mask(bits: number): Int32Array {
  return Int32Array.from({ length: 4 }, (_, k) => maskWord(Math.min(32, Math.max(0, bits - 32 * k))));
}

/** Signed 32-bit word with `bits` leading ones. */
export function maskWord(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits);
}

/** Six bytes of an Ethernet address written with colons, hyphens, dots, or as twelve digits. */
export function parseMac(text: string): Uint8Array {
  const parts = text.split(/[:.-]/);
  const digits = parts.length === 6 ? parts.map((part) => part.padStart(2, '0')).join('') : parts.join('');
  return Uint8Array.from({ length: 6 }, (_, k) => Number.parseInt(digits.slice(2 * k, 2 * k + 2), 16));
}
