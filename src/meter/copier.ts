import type { SideTable } from '../model/hook.js';
import type { RecordBatch } from '../model/record-batch.js';
import { ROW_WORDS, Row } from '../model/row.js';
import { COLD_WORDS, Cold, HOT_WORDS, Hot } from './layout.js';
import type { FlowTable } from './table.js';

/** The way from a flow's row, in three parts, to its record. */
export interface RowCopier {
  /**
   * Brings the side rows of these flows into the cache, many lines at a time. The return value only keeps the loads from
   * being optimised away.
   */
  touch(rows: Int32Array, from: number, to: number): number;
  /** Appends the flow to a batch that has room: row, additional key words, side row, and what stands aside of it. */
  copy(row: number, quoted: Int32Array | undefined, batch: RecordBatch): void;
  /** Sets the side row to zeros, as it must be found by the next flow. */
  clear(row: number): void;
}

/** Words of a cache line. */
const LINE_WORDS = 16;

/** Makes them for a table; see docs/decisions/0014-functions-of-the-road.md. */
export function rowCopier(table: FlowTable, side: SideTable): RowCopier {
  const { hot, cold, coldStride, keyWords } = table;
  const { words, stride } = side;

  function touch(rows: Int32Array, from: number, to: number): number {
    let touched = 0;
    for (let r = from; r < to; r++) {
      const first = rows[r] * stride;
      for (let w = 0; w < stride; w += LINE_WORDS) touched ^= words[first + w];
    }
    return touched;
  }

  function copy(row: number, quoted: Int32Array | undefined, batch: RecordBatch): void {
    const record = batch.words;
    const to = batch.count * batch.layout.stride;
    const h = row * HOT_WORDS;
    const c = row * coldStride;
    record[to + Row.a] = hot[h + Hot.a0];
    record[to + Row.b] = hot[h + Hot.b0];
    for (let w = 0; w < 3; w++) {
      record[to + Row.a + 1 + w] = cold[c + Cold.a1 + w];
      record[to + Row.b + 1 + w] = cold[c + Cold.b1 + w];
    }
    record[to + Row.ports] = hot[h + Hot.ports];
    record[to + Row.meta] = hot[h + Hot.meta];
    record[to + Row.state] = hot[h + Hot.state];
    record[to + Row.hash] = hot[h + Hot.hash];
    record[to + Row.lastSeconds] = hot[h + Hot.lastSeconds];
    record[to + Row.lastNanos] = hot[h + Hot.lastNanos];
    record[to + Row.tcpFlags] = hot[h + Hot.tcpFlags];
    record[to + Row.icmpErrors] = cold[c + Cold.icmpErrors];
    record[to + Row.startSeconds] = hot[h + Hot.startSeconds];
    record[to + Row.startNanos] = hot[h + Hot.startNanos];
    for (let w = 0; w < 4; w++) {
      record[to + Row.packetsA + w * 2] = hot[h + Hot.packetsA + w];
      record[to + Row.packetsA + w * 2 + 1] = cold[c + Cold.packetsHighA + w];
    }
    record[to + Row.finA] = cold[c + Cold.finA];
    record[to + Row.finB] = cold[c + Cold.finB];
    record[to + Row.iface] = hot[h + Hot.iface];
    for (let w = 0; w < 3; w++) record[to + Row.layers + w] = cold[c + Cold.layers + w];
    let at = to + ROW_WORDS;
    for (let w = 0; w < keyWords; w++) record[at + w] = cold[c + COLD_WORDS + w];
    at += keyWords + (keyWords & 1);
    const first = row * stride;
    for (let w = 0; w < stride; w++) record[at + w] = words[first + w];
    if (quoted !== undefined) batch.quoted.set(batch.count, quoted);
    batch.count++;
  }

  function clear(row: number): void {
    const first = row * stride;
    for (let w = 0; w < stride; w++) words[first + w] = 0;
  }

  return { touch, copy, clear };
}
