import type { SideTable } from '../model/hook.js';
import { RECORD_BATCH_SIZE, RecordBatch, type RecordLayout } from '../model/record-batch.js';
import { ROW_WORDS } from '../model/row.js';
import { COLD_WORDS, copyRecord, HOT_WORDS } from './layout.js';
import type { FlowTable } from './table.js';

/** Batches that may wait to be taken; the meter stops when there is no room for what one step can produce. */
const WAITING = 8;
const STEP_BATCHES = 2;

/** Finished records on their way out of the meter, copied from their rows into batches. Bounded. */
export class RecordQueue {
  readonly layout: RecordLayout;
  /** Records that were put in. */
  count = 0;
  private current: RecordBatch | undefined;
  private readonly full: RecordBatch[] = [];
  private readonly spare: RecordBatch[] = [];

  private readonly shared: boolean;

  constructor(layout: RecordLayout, shared = false) {
    this.layout = layout;
    this.shared = shared;
  }

  /** True while there is room for at least RECORD_BATCH_SIZE records. */
  get hasRoom(): boolean {
    return this.full.length <= WAITING - STEP_BATCHES;
  }

  /** True if a full batch waits. */
  get ready(): boolean {
    return this.full.length > 0;
  }

  /** Copies one record: the row and its additional key words, its side row, and what stands aside of it. */
  put(table: FlowTable, row: number, side: SideTable, quoted: Int32Array | undefined): void {
    this.current ??= this.spare.pop() ?? this.makeBatch();
    const batch = this.current;
    copyFlow(table, row, side, quoted, batch);
    this.count++;
    if (batch.count === batch.capacity) {
      this.full.push(batch);
      this.current = undefined;
    }
  }

  private makeBatch(): RecordBatch {
    const bytes = RECORD_BATCH_SIZE * this.layout.stride * 4;
    return new RecordBatch(this.layout, this.shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  }

  /** The next full batch; with `partial`, also one that is not full. Give it back when done. */
  take(partial: boolean): RecordBatch | undefined {
    const batch = this.full.shift();
    if (batch !== undefined || !partial) return batch;
    const rest = this.current;
    this.current = undefined;
    return rest;
  }

  give(batch: RecordBatch): void {
    batch.count = 0;
    batch.quoted.clear();
    if (this.spare.length < WAITING) this.spare.push(batch);
  }
}

/** Appends a flow to a batch that has room: row and additional key words, side row, and what stands aside of it. */
export function copyFlow(
  table: FlowTable,
  row: number,
  side: SideTable,
  quoted: Int32Array | undefined,
  batch: RecordBatch,
): void {
  const target = batch.words;
  let at = batch.count * batch.layout.stride;
  const cold = row * table.coldStride;
  copyRecord(table.hot, row * HOT_WORDS, table.cold, cold, target, at);
  at += ROW_WORDS;
  const { keyWords } = table;
  for (let w = 0; w < keyWords; w++) target[at + w] = table.cold[cold + COLD_WORDS + w];
  at += keyWords + (keyWords & 1);
  const from = row * side.stride;
  for (let w = 0; w < side.stride; w++) target[at + w] = side.words[from + w];
  if (quoted !== undefined) batch.quoted.set(batch.count, quoted);
  batch.count++;
}
