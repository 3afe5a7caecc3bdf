/** IPv4 address of one word (network order) as dotted decimal. */
export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/**
 * Where the longest run of zero groups begins and ends: start << 4 | end, or 0 if no run of two or more is there (a run that
 * begins at 0 ends at 2 or later, so 0 is free). The first of equally long runs wins (RFC 5952 §4.2.3).
 */
export function zeroRun(w0: number, w1: number, w2: number, w3: number): number {
  let zeros = 0;
  if (w0 >>> 16 === 0) zeros |= 1;
  if ((w0 & 0xffff) === 0) zeros |= 2;
  if (w1 >>> 16 === 0) zeros |= 4;
  if ((w1 & 0xffff) === 0) zeros |= 8;
  if (w2 >>> 16 === 0) zeros |= 16;
  if ((w2 & 0xffff) === 0) zeros |= 32;
  if (w3 >>> 16 === 0) zeros |= 64;
  if ((w3 & 0xffff) === 0) zeros |= 128;
  return ZERO_RUNS[zeros];
}

/** Longest run for each set of zero groups. */
const ZERO_RUNS: Uint8Array = Uint8Array.from({ length: 256 }, (_, zeros) => {
  let best = 0;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && (zeros & (1 << end)) !== 0) end++;
    if (end - start > bestLength) {
      bestLength = end - start;
      best = (start << 4) | end;
    }
  }
  return best;
});

/** True if the text ends in dotted decimal: IPv4-mapped addresses, ::ffff:0:0/96 (RFC 5952 §5). */
export function isMapped(w0: number, w1: number, w2: number): boolean {
  return w0 === 0 && w1 === 0 && w2 === 0xffff;
}

/** IPv6 address of four words (network order) as RFC 5952 writes it. */
export function ipv6Text(w0: number, w1: number, w2: number, w3: number): string {
  if (isMapped(w0, w1, w2)) return `::ffff:${ipv4Text(w3)}`;
  const run = zeroRun(w0, w1, w2, w3);
  const start = run === 0 ? 8 : run >> 4;
  const end = run === 0 ? 8 : run & 15;
  const words = [w0, w1, w2, w3];
  let text = '';
  for (let g = 0; g < 8; g++) {
    if (g === start) {
      text += '::';
      g = end - 1;
      continue;
    }
    if (g !== 0 && g !== end) text += ':';
    const word = words[g >> 1];
    text += ((g & 1) === 0 ? word >>> 16 : word & 0xffff).toString(16);
  }
  return text;
}

/**
 * Text of the address at `words[at]`.
 * @param version IP version, 4 or 6: IPv4 takes one word, IPv6 four
 */
export function addressText(words: Int32Array, at: number, version: number): string {
  if (version !== 6) return ipv4Text(words[at]);
  return ipv6Text(words[at], words[at + 1], words[at + 2], words[at + 3]);
}
