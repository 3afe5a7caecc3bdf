/**
 * TCP options (RFC 9293 §3.1; kinds: IANA "TCP Option Kind Numbers"). The kinds seen are kept in 64 bits: kinds 0–60 by
 * number, and in the upper three, where no kinds are assigned, those beyond that are in use. Others are not recorded.
 */
const BEYOND: ReadonlyMap<number, number> = new Map([
  [69, 61],
  [253, 62],
  [254, 63],
]);
const HIGHEST_BY_NUMBER = 60;

/** Names by bit; numbers where there is none. */
const NAMES: readonly string[] = (() => {
  const names = Array.from({ length: 64 }, (_, bit) => String(bit));
  const known: Record<number, string> = {
    0: 'eol',
    1: 'nop',
    2: 'mss',
    3: 'wscale',
    4: 'sackPermitted',
    5: 'sack',
    8: 'timestamps',
    19: 'md5',
    28: 'timeout',
    29: 'ao',
    30: 'mptcp',
    34: 'fastopen',
  };
  for (const [bit, name] of Object.entries(known)) names[Number(bit)] = name;
  names[61] = 'eno';
  names[62] = 'exp1';
  names[63] = 'exp2';
  return names;
})();

/** First word of options that are nothing but NOP, NOP and timestamps, as in most packets, and the bits of these kinds. */
export const TIMESTAMP_ONLY = 0x0101080a;
export const TIMESTAMP_ONLY_BITS: number = (1 << 1) | (1 << 8);

/** What the options of a SYN say; -1 where they do not. One object, reused. */
const found = { mss: -1, windowScale: -1 };

/**
 * Reads the options in [from, to) and adds their kinds to the two words at `bitsAt` (-1: do not keep them).
 * Stops at the first option whose length is wrong. Returns what was found; valid until the next call.
 */
export function parseOptions(
  view: DataView,
  from: number,
  to: number,
  words: Int32Array,
  bitsAt: number,
): { readonly mss: number; readonly windowScale: number } {
  found.mss = -1;
  found.windowScale = -1;
  let low = 0;
  let high = 0;
  let at = from;
  while (at < to) {
    const kind = view.getUint8(at);
    let length = 1;
    if (kind > 1) {
      if (at + 2 > to) break;
      length = view.getUint8(at + 1);
      if (length < 2 || at + length > to) break;
      if (kind === 2 && length === 4) found.mss = view.getUint16(at + 2);
      // RFC 7323 §2.3: a greater shift is taken as 14; the header's value is kept here.
      else if (kind === 3 && length === 3) found.windowScale = view.getUint8(at + 2);
    }
    if (kind < 32) low |= 1 << kind;
    else if (kind <= HIGHEST_BY_NUMBER) high |= 1 << (kind - 32);
    else {
      const bit = BEYOND.get(kind);
      if (bit !== undefined) high |= 1 << (bit - 32);
    }
    if (kind === 0) break;
    at += length;
  }
  if (bitsAt >= 0) {
    words[bitsAt] |= low;
    words[bitsAt + 1] |= high;
  }
  return found;
}

/** Names of the kinds in the two words. */
export function optionNames(low: number, high: number): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) if ((low & (1 << bit)) !== 0) names.push(NAMES[bit]);
  for (let bit = 0; bit < 32; bit++) if ((high & (1 << bit)) !== 0) names.push(NAMES[bit + 32]);
  return names;
}
