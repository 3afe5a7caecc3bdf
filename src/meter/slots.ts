/** Rows in one chunk; a chunk is one more word, the number of the next chunk. */
export const CHUNK_ROWS = 63;
const CHUNK_WORDS = CHUNK_ROWS + 1;
/** The low half of a word of `slotOf` is the slot; the high half is the number of the sweep that has passed the row. */
export const SLOT_BITS = 0xffff;
const SWEEP_SHIFT = 16;
const MOST_SWEEPS = 0x7fff;
/** Chunks that are swept for each one that is taken from the pool. */
const SWEPT_CHUNKS = 8;

/**
 * Lists of row numbers, one a slot (numbered from 1): chunks out of a pool whose size is given at the start. An entry counts
 * only while `slotOf` of its row is that slot; others are left over from rows that have gone elsewhere, or are second
 * entries of a row that came back. When little of the pool is left, each append pays for a part of a sweep, which drops what does not count:
 * at most one entry a row remains. So no append takes long, however many rows there are.
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
  /** Chunks in use, and from how many on there is sweeping. */
  private used = 0;
  private readonly crowded: number;
  /** The slot being swept, the last chunk of it that is still to be swept (0: none), and the number of the sweep. */
  private swept = 0;
  private until = 0;
  private sweep = 1;
  private readonly sweptRows = new Int32Array(CHUNK_ROWS);

  /** @param slots at most 65,535 @param rows how many rows there are: each stands in one slot at the most */
  constructor(slots: number, rows: number, slotOf: Int32Array) {
    this.slotOf = slotOf;
    this.heads = new Int32Array(slots);
    this.tails = new Int32Array(slots);
    this.filled = new Uint8Array(slots);
    // Twice what full chunks would need, and a chunk that is not full for every slot.
    const full = Math.ceil((2 * rows) / CHUNK_ROWS);
    this.chunks = 1 + full + slots;
    this.crowded = this.chunks - Math.ceil(full * 0.375);
    this.words = new Int32Array(this.chunks * CHUNK_WORDS);
  }

  append(slot: number, row: number): void {
    if (this.used >= this.crowded && this.isFull(slot)) this.sweepSome();
    this.put(slot, row);
  }

  private isFull(slot: number): boolean {
    return this.tails[slot] === 0 || this.filled[slot] === CHUNK_ROWS;
  }

  private put(slot: number, row: number): void {
    const { words, filled } = this;
    const tail = this.isFull(slot) ? this.extend(slot) : this.tails[slot];
    words[tail * CHUNK_WORDS + 1 + filled[slot]++] = row;
  }

  /** Takes the first chunk out of a slot: copies the entries that count to `rows` and returns how many. */
  takeChunk(slot: number, rows: Int32Array): number {
    const { words, heads } = this;
    const chunk = heads[slot];
    const count = this.peekChunk(slot, rows, true);
    if (chunk === this.until) this.until = 0;
    this.used--;
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
        if ((slotOf[row] & SLOT_BITS) === slot) rows[count++] = row;
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
    this.used++;
    words[chunk * CHUNK_WORDS] = 0;
    if (tails[slot] === 0) this.heads[slot] = chunk;
    else words[tails[slot] * CHUNK_WORDS] = chunk;
    tails[slot] = chunk;
    this.filled[slot] = 0;
    return chunk;
  }

  /**
   * Goes on with the sweep: a few chunks, and as many more as it takes until one is free. As long as it is crowded, there are
   * more chunks than slots, so that one of these has several.
   */
  private sweepSome(): void {
    for (let n = 0; this.used >= this.crowded; n++) {
      if (n >= SWEPT_CHUNKS && (this.free !== 0 || this.fresh < this.chunks)) return;
      while (this.until === 0) this.nextSlot();
      this.sweepChunk();
    }
  }

  /** Goes on to the next slot of more than one chunk; those of one chunk are within what the pool has for each slot. */
  private nextSlot(): void {
    const { heads, tails, filled, words } = this;
    this.swept++;
    if (this.swept === heads.length) {
      this.swept = 0;
      this.sweep = this.sweep === MOST_SWEEPS ? 1 : this.sweep + 1;
    }
    const tail = tails[this.swept];
    if (heads[this.swept] === tail) return;
    // What counts goes behind the last chunk: that one is filled up with row 0, which stands nowhere.
    const from = tail * CHUNK_WORDS + 1;
    words.fill(0, from + filled[this.swept], from + CHUNK_ROWS);
    filled[this.swept] = CHUNK_ROWS;
    this.until = tail;
  }

  /** Takes the first chunk of the slot that is swept, and appends what counts in it again, each row once in a sweep. */
  private sweepChunk(): void {
    const { slotOf, swept, sweptRows } = this;
    const mark = (this.sweep << SWEEP_SHIFT) | swept;
    const count = this.takeChunk(swept, sweptRows);
    for (let r = 0; r < count; r++) {
      const row = sweptRows[r];
      if (slotOf[row] === mark) continue;
      slotOf[row] = mark;
      this.put(swept, row);
    }
  }
}
