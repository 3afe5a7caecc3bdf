/** Rows in one chunk; a chunk is one more word, the number of the next chunk. */
export const CHUNK_ROWS = 63;
const CHUNK_WORDS = CHUNK_ROWS + 1;

/**
 * Lists of row numbers, one a slot (numbered from 1): chunks out of a pool whose size is given at the start. An entry counts only while
 * `slotOf` of its row is that slot; others are left over from rows that have gone elsewhere. When the pool is used up, all
 * left-over entries are cleared out: at most one a row remains, and those fit.
 */
export class Slots {
  /** First chunk by slot; 0: empty. */
  readonly heads: Int32Array;
  private readonly tails: Int32Array;
  /** Entries in the last chunk of a slot. */
  private readonly filled: Uint8Array;
  private readonly words: Int32Array;
  private readonly chunks: number;
  private readonly slotOf: Int32Array;
  private fresh = 1;
  private free = 0;

  /** @param rows how many rows there are: each stands in one slot at the most */
  constructor(slots: number, rows: number, slotOf: Int32Array) {
    this.slotOf = slotOf;
    this.heads = new Int32Array(slots);
    this.tails = new Int32Array(slots);
    this.filled = new Uint8Array(slots);
    // Twice what full chunks would need, and a chunk that is not full for every slot.
    this.chunks = 1 + Math.ceil((2 * rows) / CHUNK_ROWS) + slots;
    this.words = new Int32Array(this.chunks * CHUNK_WORDS);
  }

  append(slot: number, row: number): void {
    const { words, tails, filled } = this;
    let tail = tails[slot];
    if (tail === 0 || filled[slot] === CHUNK_ROWS) {
      if (this.free === 0 && this.fresh === this.chunks) {
        this.clearOut();
        tail = tails[slot];
      }
      if (tail === 0 || filled[slot] === CHUNK_ROWS) tail = this.extend(slot);
    }
    words[tail * CHUNK_WORDS + 1 + filled[slot]++] = row;
  }

  /** Takes the first chunk out of a slot: copies the entries that count to `rows` and returns how many. */
  takeChunk(slot: number, rows: Int32Array): number {
    const { words, heads } = this;
    const chunk = heads[slot];
    const count = this.peekChunk(slot, rows, true);
    heads[slot] = words[chunk * CHUNK_WORDS];
    if (heads[slot] === 0) {
      this.tails[slot] = 0;
      this.filled[slot] = 0;
    }
    words[chunk * CHUNK_WORDS] = this.free;
    this.free = chunk;
    return count;
  }

  /** As `takeChunk`, but leaves the entries where they are; a first chunk without any that count is dropped. */
  peekChunk(slot: number, rows: Int32Array, keepEmpty = false): number {
    const { words, heads, tails, slotOf } = this;
    for (;;) {
      const chunk = heads[slot];
      if (chunk === 0) return 0;
      const from = chunk * CHUNK_WORDS + 1;
      const size = chunk === tails[slot] ? this.filled[slot] : CHUNK_ROWS;
      let count = 0;
      for (let w = 0; w < size; w++) {
        const row = words[from + w];
        if (slotOf[row] === slot) rows[count++] = row;
      }
      if (count > 0 || keepEmpty) return count;
      this.takeChunk(slot, rows);
    }
  }

  private extend(slot: number): number {
    const { words, tails } = this;
    let chunk = this.free;
    if (chunk !== 0) this.free = words[chunk * CHUNK_WORDS];
    else chunk = this.fresh++;
    words[chunk * CHUNK_WORDS] = 0;
    if (tails[slot] === 0) this.heads[slot] = chunk;
    else words[tails[slot] * CHUNK_WORDS] = chunk;
    tails[slot] = chunk;
    this.filled[slot] = 0;
    return chunk;
  }

  /** Rewrites every list with only the entries that count, each row once. */
  private clearOut(): void {
    const { words, heads, tails, filled, slotOf } = this;
    const rows = new Int32Array(CHUNK_ROWS);
    for (let slot = 0; slot < heads.length; slot++) {
      let chunk = heads[slot];
      const last = tails[slot];
      const lastSize = filled[slot];
      heads[slot] = 0;
      tails[slot] = 0;
      filled[slot] = 0;
      while (chunk !== 0) {
        const from = chunk * CHUNK_WORDS;
        const next = words[from];
        const size = chunk === last ? lastSize : CHUNK_ROWS;
        for (let w = 0; w < size; w++) rows[w] = words[from + 1 + w];
        words[from] = this.free;
        this.free = chunk;
        for (let w = 0; w < size; w++) {
          if (slotOf[rows[w]] !== slot) continue;
          // Marked while the list is rewritten, so that a second entry of the same row is dropped.
          slotOf[rows[w]] = -1;
          this.append(slot, rows[w]);
        }
        chunk = next;
      }
      for (chunk = heads[slot]; chunk !== 0; chunk = words[chunk * CHUNK_WORDS]) {
        const size = chunk === tails[slot] ? filled[slot] : CHUNK_ROWS;
        for (let w = 0; w < size; w++) slotOf[words[chunk * CHUNK_WORDS + 1 + w]] = slot;
      }
    }
  }
}
