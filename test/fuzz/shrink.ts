import { replace } from './mutate.js';

const NOTHING = new Uint8Array(0);

/**
 * A smaller input that `fails` in the same way: parts are left out, large ones first, then bytes become 0, until nothing
 * helps any more or `tries` are used up.
 */
export async function shrink(
  bytes: Uint8Array,
  fails: (bytes: Uint8Array) => Promise<boolean>,
  tries = 4000,
): Promise<Uint8Array> {
  let best = bytes;
  let left = tries;
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (left-- <= 0 || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before = -1; before !== best.length && left > 0; ) {
    before = best.length;
    for (let size = best.length; size >= 1 && left > 0; size = size >>> 1) {
      for (let at = 0; at < best.length && left > 0; ) {
        if (!(await attempt(replace(best, at, Math.min(best.length, at + size), NOTHING)))) at += size;
      }
    }
  }
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0) continue;
    const candidate = best.slice();
    candidate[at] = 0;
    await attempt(candidate);
  }
  return best;
}
