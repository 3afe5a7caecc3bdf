import { RECORD_BATCH_SIZE, RecordBatch, type RecordLayout } from '../model/record-batch.js';

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

  /** The batch that the next record is to be appended to. */
  get open(): RecordBatch {
    this.current ??= this.spare.pop() ?? this.makeBatch();
    return this.current;
  }

  /** A record was appended to the open batch. */
  appended(): void {
    this.count++;
    const batch = this.current;
    if (batch === undefined || batch.count < batch.capacity) return;
    this.full.push(batch);
    this.current = undefined;
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
