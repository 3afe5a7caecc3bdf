import type { RecordBatch } from '../model/record-batch.js';
import { State } from '../model/row.js';
import { HOT_WORDS, Hot } from './layout.js';
import type { FlowMeter } from './meter.js';

/** Rows that one step looks at, at the most: a sparse table must not make packets wait. */
const ROWS_A_STEP = 8192;

/**
 * A walk over the flows that live now, a slice at a time, between batches of packets. A flow that lives from the beginning
 * of the walk to its end is met once; one that begins or ends meanwhile may be met or not; one that is cut by the active
 * timeout meanwhile may be met as it was and as it goes on, which are two records. Flows without packets since such a cut
 * are passed over.
 */
export class TableScan {
  private readonly meter: FlowMeter;
  private cursor = 1;
  /** Rows of the records of the last slice, valid until the meter goes on. */
  readonly rows: Int32Array = new Int32Array(ROWS_A_STEP);
  /** Rows looked at so far. */
  scanned = 0;

  constructor(meter: FlowMeter) {
    this.meter = meter;
  }

  /**
   * The rows of the next slice, in `rows`: as `next`, but nothing is copied. Returns how many there are, which may be 0; −1:
   * the walk is over.
   */
  nextRows(): number {
    const { rows } = this;
    const { hot, used } = this.meter.table;
    if (this.cursor >= used) return -1;
    const to = Math.min(used, this.cursor + ROWS_A_STEP);
    let count = 0;
    for (let row = this.cursor; row < to; row++) {
      const state = hot[row * HOT_WORDS + Hot.state];
      if ((state & (State.live | State.dormant)) === State.live) rows[count++] = row;
    }
    this.scanned += to - this.cursor;
    this.cursor = to;
    return count;
  }

  /** Fills the batch (of the layout of `meter.records`) with the next slice, which may be empty. False: the walk is over. */
  next(batch: RecordBatch): boolean {
    const { meter, rows } = this;
    const { hot, used } = meter.table;
    batch.count = 0;
    batch.quoted.clear();
    const { capacity } = batch;
    const to = Math.min(used, this.cursor + ROWS_A_STEP);
    let row = this.cursor;
    for (; row < to && batch.count < capacity; row++) {
      const state = hot[row * HOT_WORDS + Hot.state];
      if ((state & (State.live | State.dormant)) !== State.live) continue;
      rows[batch.count] = row;
      meter.copy(row, batch);
    }
    this.scanned += row - this.cursor;
    this.cursor = row;
    return batch.count > 0 || row < used;
  }
}
