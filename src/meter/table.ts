import { ErrorCode, RheoError } from '../core/errors.js';
import { State } from '../model/row.js';
import { type Batch, Mark } from '../packet/batch.js';
import { COLD_WORDS, Cold, HOT_WORDS, Hot } from './layout.js';

/** Rows that may be taken beyond `maxFlows`: flows that ended in the present batch keep theirs until its end. */
const SPARE_ROWS = 2048;
const SMALLEST_INDEX = 1 << 12;
/**
 * Large blocks of memory come from the system with 16 bytes of the allocator's in front; beginning 48 bytes later puts rows
 * on cache lines. Where that is not so, only a little speed is lost.
 */
const ALIGNMENT_BYTES = 48;
/** Word offsets stay within 31 bits. */
export const MOST_FLOWS = 1 << 25;

/**
 * The flow table: rows of fixed width in two typed arrays (layout.ts), and an index of (row, hash) pairs, open addressing
 * with linear probing and backward-shift deletion, never more than a third full, so that two
 * slots hold nearly every search. Row 0 is never used: 0 means "none".
 *
 * All memory is reserved at the start and taken from the system page by page as it is used; the part of the index that is
 * in use grows by doubling, so that a small table stays in the cache.
 */
export class FlowTable {
  readonly maxFlows: number;
  readonly keyWords: number;
  /** Hot parts of the rows, HOT_WORDS each. */
  readonly hot: Int32Array;
  readonly hotUnsigned: Uint32Array;
  /** Cold parts, `coldStride` words each: COLD_WORDS and the additional key words. */
  readonly cold: Int32Array;
  readonly coldStride: number;
  /** Pairs of words: row (0 = free), hash. Only the first `mask` + 1 pairs are used. */
  readonly index: Int32Array;
  /** Slots − 1. */
  mask: number;
  /** Flows in the table. */
  live = 0;

  private nextFresh = 1;
  private freeCount = 0;
  private readonly freeRows: Int32Array;

  /** @param presized the index has its final size from the start: no pause when it grows */
  constructor(maxFlows: number, keyWords: number, presized = false) {
    if (!(maxFlows >= 1 && maxFlows <= MOST_FLOWS)) {
      throw new RheoError(ErrorCode.usage, `max-flows must be between 1 and ${MOST_FLOWS}, not ${maxFlows}`);
    }
    this.maxFlows = Math.floor(maxFlows);
    this.keyWords = keyWords;
    this.coldStride = COLD_WORDS + keyWords;
    const rows = this.rows;
    try {
      const hot = new ArrayBuffer(rows * HOT_WORDS * 4 + ALIGNMENT_BYTES);
      this.hot = new Int32Array(hot, ALIGNMENT_BYTES);
      this.hotUnsigned = new Uint32Array(hot, ALIGNMENT_BYTES);
      this.cold = new Int32Array(new ArrayBuffer(rows * this.coldStride * 4 + ALIGNMENT_BYTES), ALIGNMENT_BYTES);
      this.freeRows = new Int32Array(rows);
      this.index = new Int32Array(mostSlots(this.maxFlows) * 2);
    } catch (cause) {
      throw new RheoError(ErrorCode.limit, `no memory for a table of ${maxFlows} flows`, {
        remedy: 'give a smaller --max-flows',
        cause,
      });
    }
    this.mask = (presized ? mostSlots(this.maxFlows) : SMALLEST_INDEX) - 1;
  }

  /** Rows in all, row 0 and spare ones included. */
  get rows(): number {
    return this.maxFlows + SPARE_ROWS + 1;
  }

  /** A free row; its words are those of the flow before. There is always one while at most SPARE_ROWS are closing. */
  take(): number {
    if (this.freeCount > 0) return this.freeRows[--this.freeCount];
    return this.nextFresh++;
  }

  give(row: number): void {
    this.freeRows[this.freeCount++] = row;
  }

  /** Highest row number ever used, plus one. */
  get used(): number {
    return this.nextFresh;
  }

  /** Row of the live flow with the key of packet i; 0 if there is none. */
  find(batch: Batch, i: number): number {
    const { index, mask } = this;
    const hash = batch.hash[i];
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = index[slot << 1];
      if (row === 0) return 0;
      if (index[(slot << 1) | 1] === hash && this.hasKey(row, batch, i)) return row;
    }
  }

  /** True if the row is of a live flow with the key of packet i. */
  hasKey(row: number, batch: Batch, i: number): boolean {
    const { hot, cold, keyWords } = this;
    const h = row * HOT_WORDS;
    if (hot[h] !== batch.a0[i] || hot[h + Hot.b0] !== batch.b0[i]) return false;
    if (hot[h + Hot.ports] !== batch.ports[i] || hot[h + Hot.meta] !== batch.meta[i]) return false;
    if ((hot[h + Hot.state] & State.live) === 0) return false;
    const c = row * this.coldStride;
    if ((batch.marks[i] & Mark.ipv6) !== 0) {
      if (cold[c] !== batch.a1[i] || cold[c + Cold.a2] !== batch.a2[i] || cold[c + Cold.a3] !== batch.a3[i])
        return false;
      if (cold[c + Cold.b1] !== batch.b1[i] || cold[c + Cold.b2] !== batch.b2[i] || cold[c + Cold.b3] !== batch.b3[i]) {
        return false;
      }
    }
    for (let w = 0; w < keyWords; w++) {
      if (cold[c + COLD_WORDS + w] !== batch.keyExtra[i * keyWords + w]) return false;
    }
    return true;
  }

  /** Sets all words of a row to 0 but for the key of packet i. */
  begin(row: number, batch: Batch, i: number): void {
    const { hot, cold, coldStride, keyWords } = this;
    const h = row * HOT_WORDS;
    const c = row * coldStride;
    for (let w = 4; w < HOT_WORDS; w++) hot[h + w] = 0;
    for (let w = 0; w < COLD_WORDS; w++) cold[c + w] = 0;
    hot[h] = batch.a0[i];
    hot[h + Hot.b0] = batch.b0[i];
    hot[h + Hot.ports] = batch.ports[i];
    hot[h + Hot.meta] = batch.meta[i];
    hot[h + Hot.hash] = batch.hash[i];
    if ((batch.marks[i] & Mark.ipv6) !== 0) {
      cold[c] = batch.a1[i];
      cold[c + Cold.a2] = batch.a2[i];
      cold[c + Cold.a3] = batch.a3[i];
      cold[c + Cold.b1] = batch.b1[i];
      cold[c + Cold.b2] = batch.b2[i];
      cold[c + Cold.b3] = batch.b3[i];
    }
    for (let w = 0; w < keyWords; w++) cold[c + COLD_WORDS + w] = batch.keyExtra[i * keyWords + w];
  }

  /** Enters a row that is not in the index. */
  insert(hash: number, row: number): void {
    if (this.live * 3 > this.mask) this.grow();
    place(this.index, this.mask, hash, row);
    this.live++;
  }

  /** Takes a row out of the index, moving back those behind it that may stand nearer to their place. */
  remove(hash: number, row: number): void {
    const { index, mask } = this;
    let slot = hash & mask;
    while (index[slot << 1] !== row) slot = (slot + 1) & mask;
    let hole = slot;
    for (;;) {
      slot = (slot + 1) & mask;
      const other = index[slot << 1];
      if (other === 0) break;
      const home = index[(slot << 1) | 1] & mask;
      // The entry may move into the hole unless its home lies cyclically in (hole, slot].
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        index[hole << 1] = other;
        index[(hole << 1) | 1] = index[(slot << 1) | 1];
        hole = slot;
      }
    }
    index[hole << 1] = 0;
    this.live--;
  }

  /** Points the entry of a row at another row with the same key. */
  replace(hash: number, row: number, by: number): void {
    const { index, mask } = this;
    let slot = hash & mask;
    while (index[slot << 1] !== row) slot = (slot + 1) & mask;
    index[slot << 1] = by;
  }

  private grow(): void {
    const { index } = this;
    const words = (this.mask + 1) * 2;
    const old = index.slice(0, words);
    index.fill(0, 0, words);
    this.mask = (this.mask << 1) | 1;
    for (let at = 0; at < words; at += 2) {
      if (old[at] !== 0) place(index, this.mask, old[at + 1], old[at]);
    }
  }
}

/** Slots of an index that so many flows fill up to a third at the most. */
function mostSlots(flows: number): number {
  let slots = SMALLEST_INDEX;
  while (slots <= flows * 3) slots *= 2;
  return slots;
}

function place(index: Int32Array, mask: number, hash: number, row: number): void {
  let slot = hash & mask;
  while (index[slot << 1] !== 0) slot = (slot + 1) & mask;
  index[slot << 1] = row;
  index[(slot << 1) | 1] = hash;
}
