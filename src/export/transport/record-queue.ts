import { ASIDE_WORDS } from '../../model/aside.js';
import { RecordBatch } from '../../model/record-batch.js';

/** Buffers that are kept for use again. */
const MOST_SPARE = 4;

/**
 * Records that wait to be encoded, oldest first, bounded by bytes. The records of the batch at hand are read where they are;
 * only what is left of them when the call returns is copied.
 */
export class RecordQueue {
  readonly #mostBytes: number;
  #batches: RecordBatch[] = [];
  /** Of each batch: is it the caller's, not a copy? Only the last one can be. */
  #borrowed = false;
  #head = 0;
  #spare: RecordBatch[] = [];
  /** The record that is next: `batch` is undefined where none waits. */
  index = 0;
  /** Records that wait. */
  records = 0;
  /** Bytes of the copies. */
  bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get batch(): RecordBatch | undefined {
    return this.#batches[this.#head];
  }

  get full(): boolean {
    return this.bytes >= this.#mostBytes;
  }

  /** True while more than half of the room is taken. */
  get crowded(): boolean {
    return this.bytes > this.#mostBytes / 2;
  }

  /** Appends the caller's batch; `keep` must be called before it becomes invalid. */
  borrow(batch: RecordBatch): void {
    if (batch.count === 0) return;
    this.#batches.push(batch);
    this.#borrowed = true;
    this.records += batch.count;
  }

  /** Copies what is left of the borrowed batch. */
  keep(): void {
    if (!this.#borrowed) return;
    this.#borrowed = false;
    const last = this.#batches.length - 1;
    const batch = this.#batches[last];
    const from = last === this.#head ? this.index : 0;
    const copy = this.#copy(batch, from);
    if (last === this.#head) this.index = 0;
    this.#batches[last] = copy;
    this.bytes += copy.bytes.length;
  }

  /** The record at `index` was taken. */
  advance(): void {
    const batch = this.#batches[this.#head];
    this.records--;
    if (++this.index < batch.count) return;
    this.index = 0;
    if (this.#borrowed && this.#head === this.#batches.length - 1) this.#borrowed = false;
    else this.#release(batch);
    this.#head++;
    if (this.#head === this.#batches.length) {
      this.#batches = [];
      this.#head = 0;
    } else if (this.#head >= 256) {
      this.#batches.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Throws all records away and says how many there were. */
  clear(): number {
    const { records } = this;
    this.#batches = [];
    this.#head = 0;
    this.#borrowed = false;
    this.index = 0;
    this.records = 0;
    this.bytes = 0;
    return records;
  }

  #copy(batch: RecordBatch, from: number): RecordBatch {
    const { layout } = batch;
    const { stride } = layout;
    const count = batch.count - from;
    let copy = this.#spare.pop();
    if (copy === undefined || copy.layout !== layout || copy.capacity < count) {
      // Not the whole capacity where few records came: many small batches must not take the room of large ones.
      copy = new RecordBatch(layout, new ArrayBuffer(count * stride * 4));
    }
    copy.words.set(batch.words.subarray(from * stride, batch.count * stride));
    copy.count = count;
    copy.quoted.clear();
    for (const [index, key] of batch.quoted) if (index >= from) copy.quoted.set(index - from, key.slice());
    copy.aside = batch.aside?.slice(from * ASIDE_WORDS, batch.count * ASIDE_WORDS);
    return copy;
  }

  #release(batch: RecordBatch): void {
    this.bytes -= batch.bytes.length;
    if (this.#spare.length < MOST_SPARE) this.#spare.push(batch);
  }
}
