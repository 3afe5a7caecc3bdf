import { Cold, HOT_WORDS, Hot } from '../../meter/layout.js';
import type { FlowTable } from '../../meter/table.js';

/** Puts the sort values of the first `count` of these rows, as they stand in the table, into `ranks`. */
export type RankRows = (table: FlowTable, rows: Int32Array, count: number, ranks: Float64Array) => void;

const WORD = 2 ** 32;

function counter(table: FlowTable, row: number, low: number, high: number): number {
  return table.hotUnsigned[row * HOT_WORDS + low] + (table.cold[row * table.coldStride + high] >>> 0) * WORD;
}

function bytes(table: FlowTable, row: number): number {
  return counter(table, row, Hot.octetsA, Cold.octetsHighA) + counter(table, row, Hot.octetsB, Cold.octetsHighB);
}

function packets(table: FlowTable, row: number): number {
  return counter(table, row, Hot.packetsA, Cold.packetsHighA) + counter(table, row, Hot.packetsB, Cold.packetsHighB);
}

function duration({ hot, hotUnsigned }: FlowTable, row: number): number {
  const k = row * HOT_WORDS;
  const seconds = hotUnsigned[k + Hot.lastSeconds] - hotUnsigned[k + Hot.startSeconds];
  return Math.max(0, seconds + (hot[k + Hot.lastNanos] - hot[k + Hot.startNanos]) / 1e9);
}

function rate(table: FlowTable, row: number): number {
  return bytes(table, row) / Math.max(1, duration(table, row));
}

/**
 * The sort keys (sort-key.ts) whose value can be told without a copy of the flow, and is the same for the copy: a flow that
 * does not come into the answer need not be copied then, which takes nearly all the time of a walk over a million flows.
 * A loop each, so that no number is put on the heap.
 */
export const ROW_RANKS: Readonly<Record<string, RankRows>> = {
  bytes(table, rows, count, ranks) {
    for (let r = 0; r < count; r++) ranks[r] = bytes(table, rows[r]);
  },
  packets(table, rows, count, ranks) {
    for (let r = 0; r < count; r++) ranks[r] = packets(table, rows[r]);
  },
  duration(table, rows, count, ranks) {
    for (let r = 0; r < count; r++) ranks[r] = duration(table, rows[r]);
  },
  rate(table, rows, count, ranks) {
    for (let r = 0; r < count; r++) ranks[r] = rate(table, rows[r]);
  },
};
