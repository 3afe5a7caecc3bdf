import type { Batch } from '../packet/batch.js';
import { Refusal } from '../packet/refusal.js';
import { TICK_NANOS } from './wheel.js';

/** Packets of one tick that stand together in a batch. */
export interface Segment {
  /** Mark bits of all that the meter looks at. */
  marks: number;
  /** Nanoseconds of the latest packet, in the second of the first one. */
  latest: number;
}

/**
 * Makes the function that finds the end of the segment which begins at `from`, and says of it what `found` has. Made for a
 * batch: docs/decisions/0014-functions-of-the-road.md.
 */
export function segmentFinder(batch: Batch, found: Segment): (from: number, to: number) => number {
  const { seconds, nanos, marks, verdict } = batch;
  return (from, to) => {
    const second = seconds[from];
    const low = Math.floor(nanos[from] / TICK_NANOS) * TICK_NANOS;
    const high = low + TICK_NANOS;
    let end = from;
    let seen = 0;
    let latest = 0;
    do {
      if (verdict[end] === 0 || verdict[end] === Refusal.otherShard) seen |= marks[end];
      latest = Math.max(latest, nanos[end]);
      end++;
    } while (end < to && seconds[end] === second && nanos[end] >= low && nanos[end] < high);
    found.marks = seen;
    found.latest = latest;
    return end;
  };
}
