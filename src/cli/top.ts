import { ASIDE_WORDS } from '../model/aside.js';
import { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import { compareRows, MEASURES } from './order.js';
import type { SortKey } from './spec.js';

/** Rows at the start; the memory grows up to the limit as records come. */
const FIRST_ROOM = 64;

/**
 * Keeps the first N records by a sort key and hands them on, in order, when no more will come. Memory is that of N rows at
 * the most; a record that does not make it costs one comparison.
 */
export class TopSink implements RecordSink {
  readonly #limit: number;
  readonly #key: SortKey;
  readonly #next: RecordSink;
  /** Rows that are kept; a row stays in its slot, the heap moves slots. Made with the first batch, whose layout it takes. */
  #rows: RecordBatch | undefined;
  #measures = new Float64Array(FIRST_ROOM);
  /** Binary heap of slots; the one that goes first is at the root. */
  #heap = new Int32Array(FIRST_ROOM);
  #size = 0;

  constructor(limit: number, key: SortKey, next: RecordSink) {
    this.#limit = limit;
    this.#key = key;
    this.#next = next;
  }

  write(batch: RecordBatch): void {
    const measure = MEASURES[this.#key];
    const { stride } = batch.layout;
    for (let index = 0; index < batch.count; index++) {
      const at = index * stride;
      const value = measure(batch, at);
      let slot: number;
      if (this.#size < this.#limit) slot = this.#add(batch, at, value);
      else if (this.#beatsRoot(batch, at, value)) slot = this.#replaceRoot(batch, at, value);
      else continue;
      const quoted = batch.quoted.get(index);
      if (quoted !== undefined) this.#rows!.quoted.set(slot, quoted);
      else this.#rows!.quoted.delete(slot);
      if (batch.aside !== undefined) this.#storeAside(slot, batch.aside, index);
    }
  }

  async close(): Promise<void> {
    const rows = this.#rows;
    if (rows !== undefined) {
      const { layout } = rows;
      const slots = [...this.#heap.subarray(0, this.#size)].sort((x, y) => this.#compare(x, y));
      const sorted = new RecordBatch(layout, new ArrayBuffer(slots.length * layout.stride * 4));
      for (const slot of slots) {
        const from = slot * layout.stride;
        sorted.words.set(rows.words.subarray(from, from + layout.stride), sorted.count * layout.stride);
        const aside = rows.aside?.subarray(slot * ASIDE_WORDS, (slot + 1) * ASIDE_WORDS);
        if (aside !== undefined) {
          sorted.aside ??= new Int32Array(slots.length * ASIDE_WORDS);
          sorted.aside.set(aside, sorted.count * ASIDE_WORDS);
        }
        const quoted = rows.quoted.get(slot);
        if (quoted !== undefined) sorted.quoted.set(sorted.count, quoted);
        sorted.count++;
      }
      await this.#next.write(sorted);
    }
    await this.#next.close();
  }

  /** Negative if slot x comes before slot y in the output. */
  #compare(x: number, y: number): number {
    const difference = this.#measures[y] - this.#measures[x];
    if (difference !== 0) return difference;
    const rows = this.#rows!;
    return compareRows(this.#key, rows, x * rows.layout.stride, rows, y * rows.layout.stride);
  }

  #beatsRoot(batch: RecordBatch, at: number, value: number): boolean {
    const root = this.#heap[0];
    const worst = this.#measures[root];
    if (value !== worst) return value > worst;
    const rows = this.#rows!;
    return compareRows(this.#key, batch, at, rows, root * rows.layout.stride) < 0;
  }

  #add(batch: RecordBatch, at: number, value: number): number {
    const slot = this.#size++;
    this.#makeRoom(batch, slot);
    this.#store(slot, batch, at, value);
    let child = slot;
    this.#heap[child] = slot;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#compare(this.#heap[child], this.#heap[parent]) <= 0) break;
      this.#swap(child, parent);
      child = parent;
    }
    return slot;
  }

  #replaceRoot(batch: RecordBatch, at: number, value: number): number {
    const slot = this.#heap[0];
    this.#store(slot, batch, at, value);
    let parent = 0;
    for (;;) {
      let last = parent;
      for (let child = 2 * parent + 1; child <= 2 * parent + 2 && child < this.#size; child++) {
        if (this.#compare(this.#heap[child], this.#heap[last]) > 0) last = child;
      }
      if (last === parent) return slot;
      this.#swap(parent, last);
      parent = last;
    }
  }

  #swap(x: number, y: number): void {
    const slot = this.#heap[x];
    this.#heap[x] = this.#heap[y];
    this.#heap[y] = slot;
  }

  #store(slot: number, batch: RecordBatch, at: number, value: number): void {
    const rows = this.#rows!;
    const { stride } = rows.layout;
    const to = slot * stride;
    for (let k = 0; k < stride; k++) rows.words[to + k] = batch.words[at + k];
    this.#measures[slot] = value;
  }

  #storeAside(slot: number, aside: Int32Array, index: number): void {
    const rows = this.#rows!;
    const wanted = rows.capacity * ASIDE_WORDS;
    if (rows.aside === undefined || rows.aside.length < wanted) {
      const grown = new Int32Array(wanted);
      if (rows.aside !== undefined) grown.set(rows.aside);
      rows.aside = grown;
    }
    rows.aside.set(aside.subarray(index * ASIDE_WORDS, (index + 1) * ASIDE_WORDS), slot * ASIDE_WORDS);
  }

  #makeRoom(batch: RecordBatch, slot: number): void {
    const bytesOf = (count: number): number => count * batch.layout.stride * 4;
    if (this.#rows === undefined) {
      const room = Math.min(FIRST_ROOM, this.#limit);
      this.#rows = new RecordBatch(batch.layout, new ArrayBuffer(bytesOf(room)));
    } else if (slot >= this.#rows.capacity) {
      const room = Math.min(this.#rows.capacity * 2, this.#limit);
      const rows = new RecordBatch(batch.layout, new ArrayBuffer(bytesOf(room)), this.#rows.quoted);
      rows.words.set(this.#rows.words);
      rows.aside = this.#rows.aside;
      this.#rows = rows;
      const measures = new Float64Array(room);
      measures.set(this.#measures.subarray(0, slot));
      this.#measures = measures;
      const heap = new Int32Array(room);
      heap.set(this.#heap.subarray(0, slot));
      this.#heap = heap;
    }
  }
}
