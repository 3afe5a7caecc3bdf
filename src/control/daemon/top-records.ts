import { RecordBatch, type RecordLayout } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import type { RecordBlock } from './messages.js';
import { compareValues } from './sort-key.js';

const BLOCK_RECORDS = 512;

/** A record's place among others: its sort value, then (for those that are equal) the hash of its key. */
export function comesFirst(
  valueX: number | string,
  hashX: number,
  valueY: number | string,
  hashY: number,
  descending: boolean,
): boolean {
  const order = compareValues(valueX, valueY);
  if (order !== 0) return descending ? order > 0 : order < 0;
  return hashX < hashY;
}

/** The `keep` records that come first by a sort value: a heap with the last of them on top, in bounded memory. */
export class TopRecords {
  private readonly layout: RecordLayout;
  private readonly keep: number;
  private readonly descending: boolean;
  /** Heap of slots, with the value and hash of the record in each slot. */
  private readonly heap: number[] = [];
  private readonly values: (number | string)[] = [];
  private readonly hashes: number[] = [];
  private readonly blocks: RecordBatch[] = [];

  constructor(layout: RecordLayout, keep: number, descending: boolean) {
    this.layout = layout;
    this.keep = keep;
    this.descending = descending;
  }

  /** The value behind which nothing is kept any more; undefined while there is room. */
  get worst(): number | string | undefined {
    return this.heap.length < this.keep ? undefined : this.values[this.heap[0]];
  }

  offer(value: number | string, batch: RecordBatch, index: number): void {
    const hash = batch.unsigned[index * batch.layout.stride + Row.hash];
    const { heap, values, hashes } = this;
    if (heap.length < this.keep) {
      const slot = heap.length;
      values[slot] = value;
      hashes[slot] = hash;
      heap.push(slot);
      this.up(slot);
      this.copy(slot, batch, index);
      return;
    }
    const last = heap[0];
    if (last === undefined || !comesFirst(value, hash, values[last], hashes[last], this.descending)) return;
    values[last] = value;
    hashes[last] = hash;
    this.down();
    this.copy(last, batch, index);
  }

  /** The records, in no order, and their values. The memory is not used again. */
  take(): { records: RecordBlock[]; values: (number | string)[] } {
    const records = this.blocks.map(({ words, count, quoted }) => ({
      memory: words.buffer as SharedArrayBuffer,
      count,
      quoted,
    }));
    return { records, values: this.values };
  }

  private copy(slot: number, from: RecordBatch, index: number): void {
    const { stride } = this.layout;
    const number = Math.floor(slot / BLOCK_RECORDS);
    let block = this.blocks[number];
    if (block === undefined) {
      const records = Math.min(BLOCK_RECORDS, this.keep - number * BLOCK_RECORDS);
      block = new RecordBatch(this.layout, new SharedArrayBuffer(records * stride * 4));
      this.blocks.push(block);
    }
    const place = slot - number * BLOCK_RECORDS;
    block.count = Math.max(block.count, place + 1);
    block.words.set(from.words.subarray(index * stride, (index + 1) * stride), place * stride);
    const quoted = from.quoted.get(index);
    if (quoted === undefined) block.quoted.delete(place);
    else block.quoted.set(place, quoted);
  }

  /** True if slot x comes behind slot y in the answer. */
  private behind(x: number, y: number): boolean {
    const { values, hashes } = this;
    return comesFirst(values[y], hashes[y], values[x], hashes[x], this.descending);
  }

  private up(from: number): void {
    const { heap } = this;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.behind(heap[at], heap[parent])) return;
      [heap[at], heap[parent]] = [heap[parent], heap[at]];
      at = parent;
    }
  }

  private down(): void {
    const { heap } = this;
    for (let at = 0; ; ) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.behind(heap[child], heap[last])) last = child;
      }
      if (last === at) return;
      [heap[at], heap[last]] = [heap[last], heap[at]];
      at = last;
    }
  }
}
