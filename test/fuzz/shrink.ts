import { replace } from './mutate.js';

const NOTHING = new Uint8Array(0);

export interface ShrinkOptions {
  /** Inputs that are tried at the most. */
  tries?: number;
  /** Where the parts begin that can be left out as a whole, the first one aside. */
  parts?: ((bytes: Uint8Array) => number[]) | undefined;
}

/**
 * A smaller input that `fails` in the same way: first whole parts, then runs of bytes are left out, long ones first;
 * then bytes become 0. Ends when nothing helps any more, or when the tries are used up.
 */
export async function shrink(
  bytes: Uint8Array,
  fails: (bytes: Uint8Array) => Promise<boolean>,
  { tries = 4000, parts }: ShrinkOptions = {},
): Promise<Uint8Array> {
  let best = bytes;
  let left = tries;
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (left-- <= 0 || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };

  /** Leaves out runs between borders: of half of them, a quarter … one. */
  const cut = async (bordersOf: (bytes: Uint8Array) => number[]): Promise<void> => {
    for (let size = bordersOf(best).length; size >= 1 && left > 0; size >>>= 1) {
      for (let at = 0; left > 0; ) {
        const borders = bordersOf(best);
        if (at >= borders.length) break;
        if (!(await attempt(replace(best, borders[at], borders[at + size] ?? best.length, NOTHING)))) at += size;
      }
    }
  };
  if (parts !== undefined) await cut(parts);
  for (let before = -1; before !== best.length && left > 0; ) {
    before = best.length;
    await cut((now) => Array.from(now.keys()));
  }
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0) continue;
    const candidate = best.slice();
    candidate[at] = 0;
    await attempt(candidate);
  }
  return best;
}
