/**
 * Retransmissions and reordering of one direction of a TCP connection, from sequence numbers alone (32 bits, compared
 * by their signed distance, RFC 9293 §3.4), as they pass the observation point:
 *
 *  - `next` is the end of the highest segment so far. A segment that begins there is in order.
 *  - A segment that begins above it leaves a hole; so does a pure acknowledgement, which shows what was sent. Before the
 *    first segment, if that is not a SYN, all is a hole. Three holes are remembered, as many as TCP's own SACK option
 *    tells beside timestamps (RFC 2018 §3); a fourth pushes out the oldest.
 *  - A segment that begins inside a hole is out of order: its first byte was not seen before (it was overtaken, or lost
 *    before the observation point and sent again). What it covers is taken from the holes.
 *  - Any other segment that begins below `next` is a retransmission: its first byte was seen before.
 *  - A keep-alive (RFC 9293 §3.8.4: at most one byte, just below `next`, without SYN and FIN) is neither. A segment of
 *    one byte that is sent again looks the same and is taken for one.
 *  - SYN and FIN take one sequence number each. Segments with RST are not looked at.
 *  - A SYN with another number, or a jump by more than 1 GiB (the largest window), starts afresh and counts nothing.
 *
 * Columns in `words`: `next` at `nextAt`, the holes' begins and ends at `holesAt` (equal = none).
 */
const HOLES = 3;
/** Words that the holes take. */
export const HOLE_WORDS: number = HOLES * 2;

export const Segment = { inOrder: 0, retransmission: 1, outOfOrder: 2, keepAlive: 3 } as const;
export type Segment = (typeof Segment)[keyof typeof Segment];

/** Largest window that TCP can have (RFC 7323 §2.3), in bytes. */
const LARGEST_WINDOW = 1 << 30;

/** Begins with the first segment that is seen of a direction. */
export function beginSequence(
  words: Int32Array,
  nextAt: number,
  holesAt: number,
  sequence: number,
  length: number,
  syn: boolean,
): void {
  words[nextAt] = sequence + length;
  if (syn) return;
  words[holesAt] = sequence - LARGEST_WINDOW;
  words[holesAt + 1] = sequence;
}

/**
 * Judges a segment that does not begin at `next`, and moves `next` and the holes.
 * @param length sequence numbers that it takes (payload, SYN, FIN)
 */
export function judgeSegment(
  words: Int32Array,
  nextAt: number,
  holesAt: number,
  sequence: number,
  length: number,
  syn: boolean,
  fin: boolean,
): Segment {
  const next = words[nextAt];
  const distance = (sequence - next) | 0;
  const end = (sequence + length) | 0;
  if (syn) {
    if (end === next || distance === -1) return Segment.retransmission;
    return restart(words, nextAt, holesAt, end);
  }
  if (length === 0) {
    if (distance > 0 && distance <= LARGEST_WINDOW) {
      addHole(words, holesAt, next, sequence);
      words[nextAt] = sequence;
    }
    return Segment.inOrder;
  }
  if (distance > LARGEST_WINDOW || distance < -LARGEST_WINDOW) return restart(words, nextAt, holesAt, end);
  if (distance > 0) {
    addHole(words, holesAt, next, sequence);
    words[nextAt] = end;
    return Segment.inOrder;
  }
  if (distance === -1 && length === 1 && !fin) return Segment.keepAlive;
  const filled = fillHoles(words, next, holesAt, sequence, end);
  if (((end - next) | 0) > 0) words[nextAt] = end;
  return filled ? Segment.outOfOrder : Segment.retransmission;
}

function restart(words: Int32Array, nextAt: number, holesAt: number, end: number): Segment {
  words[nextAt] = end;
  words.fill(0, holesAt, holesAt + HOLE_WORDS);
  return Segment.inOrder;
}

function addHole(words: Int32Array, holesAt: number, from: number, to: number): void {
  let at = holesAt;
  const last = holesAt + HOLE_WORDS - 2;
  while (at < last && words[at] !== words[at + 1]) at += 2;
  if (words[at] !== words[at + 1]) words.copyWithin(holesAt, holesAt + 2, holesAt + HOLE_WORDS);
  words[at] = from;
  words[at + 1] = to;
}

/** Takes [from, to) out of the holes; true if `from` lay in one. */
function fillHoles(words: Int32Array, next: number, holesAt: number, from: number, to: number): boolean {
  let inside = false;
  for (let at = holesAt; at < holesAt + HOLE_WORDS; at += 2) {
    const begin = words[at];
    const end = words[at + 1];
    if (begin === end) continue;
    const age = (next - end) | 0;
    if (age < 0 || age > LARGEST_WINDOW) {
      words[at] = end;
      continue;
    }
    if (((to - begin) | 0) <= 0 || ((from - end) | 0) >= 0) continue;
    const before = ((from - begin) | 0) > 0;
    const behind = ((end - to) | 0) > 0;
    if (((from - begin) | 0) >= 0) inside = true;
    if (before) {
      words[at + 1] = from;
      if (behind) splitHole(words, holesAt, to, end);
    } else {
      words[at] = behind ? to : end;
    }
  }
  return inside;
}

/** Keeps the upper part of a hole that was filled in its middle, if there is room. */
function splitHole(words: Int32Array, holesAt: number, from: number, to: number): void {
  for (let at = holesAt; at < holesAt + HOLE_WORDS; at += 2) {
    if (words[at] !== words[at + 1]) continue;
    words[at] = from;
    words[at + 1] = to;
    return;
  }
}
