import { Row } from './row.js';

/**
 * Two 32-bit lanes of MurmurHash3's mixing with different constants. The id names a flow in output; it must be the same for
 * every run and every number of threads, so it has no secret, and nothing may use it to choose a bucket.
 */
function mix(state: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = state ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function mixOther(state: number, word: number): number {
  let k = Math.imul(word, 0x239b961b);
  k = Math.imul((k << 17) | (k >>> 15), 0xab0e9789);
  const h = state ^ k;
  return (Math.imul((h << 16) | (h >>> 16), 9) + 0x561ccd1b) | 0;
}

function finish(state: number): number {
  let h = state;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * Writes the 64-bit id of a flow to `out` (high word, low word): a hash of its key and the time of its first packet.
 *
 * @param words memory that holds the row (layout of model/row.ts)
 * @param at first word of the row
 * @param keyAt first word of the additional key words in `words`
 * @param keyWords how many additional key words there are
 */
export function flowId(words: Int32Array, at: number, keyAt: number, keyWords: number, out: Int32Array): void {
  const meta = words[at + Row.meta];
  const addressWords = ((meta >>> 8) & 0xff) === 6 ? 4 : 1;
  let high = mix(0, meta);
  let low = mixOther(0, meta);
  for (let k = 0; k < addressWords; k++) {
    const a = words[at + Row.a + k];
    const b = words[at + Row.b + k];
    high = mix(mix(high, a), b);
    low = mixOther(mixOther(low, a), b);
  }
  const ports = words[at + Row.ports];
  const seconds = words[at + Row.startSeconds];
  const nanos = words[at + Row.startNanos];
  high = mix(mix(mix(high, ports), seconds), nanos);
  low = mixOther(mixOther(mixOther(low, ports), seconds), nanos);
  for (let k = 0; k < keyWords; k++) {
    high = mix(high, words[keyAt + k]);
    low = mixOther(low, words[keyAt + k]);
  }
  high = finish(high);
  low = finish(low ^ high);
  out[0] = high;
  out[1] = low;
}

/** An id as 16 hexadecimal digits. */
export function flowIdText(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
