import { compileFlowFilter } from '../../filter/flow-filter.js';
import type { FlowMeter } from '../../meter/meter.js';
import { TableScan } from '../../meter/scan.js';
import type { RecordField } from '../../model/hook.js';
import { RecordBatch } from '../../model/record-batch.js';
import { EndReason } from '../../model/row.js';
import { groupKeys } from './group-keys.js';
import { Groups } from './groups.js';
import type { RecordBlock, ShardAnswer, ShardQuery } from './messages.js';
import { type RankRows, ROW_RANKS } from './row-rank.js';
import { type SortValue, sortKey, TABLE_ORDER, totalBytes, totalPackets } from './sort-key.js';
import { TopRecords } from './top-records.js';

/** Records of one slice: what is done with them takes a few tenths of a millisecond. */
export const SLICE_RECORDS = 256;
/** Slices of a dump that may be on their way. */
const DUMP_BUFFERS = 4;

/** What the jobs of a shard work with. */
export interface JobContext {
  readonly meter: FlowMeter;
  /** All members that a record has. */
  readonly members: readonly RecordField[];
  /** Batch for the slices that stay in the shard. */
  readonly slice: RecordBatch;
  /** Time of the records in seconds. */
  nowSeconds(): number;
  /** Moves the times of the records onto the wall clock. */
  shift(batch: RecordBatch): void;
  /** True if records of flows that are ended now find room. */
  hasRoom(): boolean;
  /** Makes room for them. */
  makeRoom(): void;
  saySlice(id: number, buffer: number, block: RecordBlock, seconds: number): void;
}

/** A walk over the table, a slice at a time, between batches of packets. */
export interface Job {
  readonly id: number;
  /** False while it waits for its asker. */
  readonly ready: boolean;
  /** Does a slice. Returns the answer when it is done. */
  step(): ShardAnswer | undefined;
  /** The asker gives buffer `buffer` back. */
  more(buffer: number): void;
}

/** @throws RheoError filter, usage */
export function createJob(id: number, query: ShardQuery, context: JobContext): Job {
  if (query.kind === 'dump') return new DumpJob(id, query.filter, context);
  if (query.kind === 'flows' && query.filter === undefined && Object.hasOwn(ROW_RANKS, query.sort)) {
    return new RankJob(id, query, ROW_RANKS[query.sort], context);
  }
  return new SliceJob(id, query.filter, context, handlerOf(query, context));
}

/** What is done with a slice. */
interface Handler {
  readonly needsRoom: boolean;
  /** True when the rest of the table would not change the answer. */
  readonly hasEnough?: () => boolean;
  /** Takes `count` records of the slice: those at `indexes`. */
  take(slice: RecordBatch, indexes: Int32Array, count: number, rows: Int32Array): void;
  finish(): Partial<ShardAnswer>;
}

function handlerOf(query: Exclude<ShardQuery, { kind: 'dump' }>, context: JobContext): Handler {
  switch (query.kind) {
    case 'flows': {
      const asStored = query.sort === TABLE_ORDER;
      let met = 0;
      const value = asStored ? () => met++ : sortKey(query.sort, context.members).value;
      const top = new TopRecords(context.meter.records.layout, query.keep, query.descending && !asStored);
      return {
        needsRoom: false,
        hasEnough: () => asStored && met >= query.keep,
        take(slice, indexes, count) {
          for (let k = 0; k < count; k++) top.offer(value(slice, indexes[k]), slice, indexes[k]);
        },
        finish: () => top.take(),
      };
    }
    case 'top': {
      const groups = new Groups();
      const keysOf = groupKeys(query.key, context.members);
      return {
        needsRoom: false,
        take(slice, indexes, count) {
          for (let k = 0; k < count; k++) {
            const index = indexes[k];
            for (const key of keysOf(slice, index)) {
              groups.add(key, 1, totalPackets(slice, index), totalBytes(slice, index));
            }
          }
        },
        finish: () => ({ groups: groups.take() }),
      };
    }
    case 'end': {
      const { meter } = context;
      const reason = EndReason[query.reason];
      const ending = new Int32Array(SLICE_RECORDS);
      return {
        needsRoom: true,
        take(_slice, indexes, count, rows) {
          for (let k = 0; k < count; k++) ending[k] = rows[indexes[k]];
          for (let done = 0; done < count; ) {
            done += meter.end(ending.subarray(done, count), count - done, reason);
            if (done < count) context.makeRoom();
          }
        },
        finish: () => ({}),
      };
    }
  }
}

type Matches = (batch: RecordBatch, index: number, nowSeconds: number) => boolean;

class SliceJob implements Job {
  readonly id: number;
  private readonly context: JobContext;
  private readonly handler: Handler;
  private readonly scan: TableScan;
  private readonly matches: Matches | undefined;
  private readonly indexes = new Int32Array(SLICE_RECORDS);
  private scanned = 0;
  private matched = 0;

  constructor(id: number, filter: string | undefined, context: JobContext, handler: Handler) {
    this.id = id;
    this.context = context;
    this.handler = handler;
    this.scan = new TableScan(context.meter);
    this.matches = filter === undefined ? undefined : compileFlowFilter(filter);
  }

  get ready(): boolean {
    return !this.handler.needsRoom || this.context.hasRoom();
  }

  step(): ShardAnswer | undefined {
    const { context, indexes, matches } = this;
    const { slice } = context;
    const more = this.scan.next(slice);
    context.shift(slice);
    const now = context.nowSeconds();
    let count = 0;
    for (let index = 0; index < slice.count; index++) {
      if (matches === undefined || matches(slice, index, now)) indexes[count++] = index;
    }
    this.scanned += slice.count;
    this.matched += count;
    this.handler.take(slice, indexes, count, this.scan.rows);
    if (more && this.handler.hasEnough?.() !== true) return undefined;
    return { scanned: this.scanned, matched: this.matched, ...this.handler.finish() };
  }

  more(): void {}
}

/** The best flows of all by a value that the row tells: only those are copied. */
class RankJob implements Job {
  readonly id: number;
  readonly ready = true;
  private readonly context: JobContext;
  private readonly rankRows: RankRows;
  private readonly ranks: Float64Array;
  private readonly value: SortValue;
  private readonly descending: boolean;
  private readonly top: TopRecords;
  private readonly scan: TableScan;
  private seen = 0;

  constructor(id: number, query: Extract<ShardQuery, { kind: 'flows' }>, rankRows: RankRows, context: JobContext) {
    this.id = id;
    this.context = context;
    this.rankRows = rankRows;
    this.value = sortKey(query.sort, context.members).value;
    this.descending = query.descending;
    this.top = new TopRecords(context.meter.records.layout, query.keep, query.descending);
    this.scan = new TableScan(context.meter);
    this.ranks = new Float64Array(this.scan.rows.length);
  }

  step(): ShardAnswer | undefined {
    const { context, scan, ranks, top, descending } = this;
    const { meter, slice } = context;
    const { rows } = scan;
    const count = scan.nextRows();
    this.seen += Math.max(0, count);
    this.rankRows(meter.table, rows, count, ranks);
    // What is not behind this comes into question; until the heap is full, all does.
    let worst = this.worst();
    for (let r = 0; r < count; r++) {
      if (descending ? ranks[r] < worst : ranks[r] > worst) continue;
      slice.count = 0;
      slice.quoted.clear();
      meter.copy(rows[r], slice);
      context.shift(slice);
      top.offer(this.value(slice, 0), slice, 0);
      worst = this.worst();
    }
    return count < 0 ? { scanned: this.seen, matched: this.seen, ...top.take() } : undefined;
  }

  private worst(): number {
    // The values that rows tell are numbers.
    return (this.top.worst ?? (this.descending ? -Infinity : Infinity)) as number;
  }

  more(): void {}
}

/** Sends slices as long as buffers are free: who reads slowly makes nobody wait. */
class DumpJob implements Job {
  readonly id: number;
  private readonly context: JobContext;
  private readonly scan: TableScan;
  private readonly matches: Matches | undefined;
  private readonly buffers: RecordBatch[];
  private readonly free: number[];
  private scanned = 0;
  private matched = 0;

  constructor(id: number, filter: string | undefined, context: JobContext) {
    this.id = id;
    this.context = context;
    this.scan = new TableScan(context.meter);
    this.matches = filter === undefined ? undefined : compileFlowFilter(filter);
    const { layout } = context.meter.records;
    this.buffers = Array.from(
      { length: DUMP_BUFFERS },
      () => new RecordBatch(layout, new SharedArrayBuffer(SLICE_RECORDS * layout.stride * 4)),
    );
    this.free = this.buffers.map((_, number) => number);
  }

  get ready(): boolean {
    return this.free.length > 0;
  }

  step(): ShardAnswer | undefined {
    const { context, free, buffers } = this;
    const number = free[free.length - 1];
    const batch = buffers[number];
    const more = this.scan.next(batch);
    context.shift(batch);
    this.scanned += batch.count;
    const seconds = context.nowSeconds();
    if (this.matches !== undefined) keepMatching(batch, this.matches, seconds);
    this.matched += batch.count;
    if (batch.count > 0) {
      free.pop();
      const { words, count, quoted } = batch;
      context.saySlice(this.id, number, { memory: words.buffer as SharedArrayBuffer, count, quoted }, seconds);
    }
    return more ? undefined : { scanned: this.scanned, matched: this.matched };
  }

  more(buffer: number): void {
    if (buffer >= 0 && buffer < this.buffers.length && !this.free.includes(buffer)) this.free.push(buffer);
  }
}

/** Moves the records that match to the front. */
function keepMatching(batch: RecordBatch, matches: Matches, nowSeconds: number): void {
  const { stride } = batch.layout;
  let kept = 0;
  for (let index = 0; index < batch.count; index++) {
    if (!matches(batch, index, nowSeconds)) continue;
    if (kept !== index) {
      batch.words.copyWithin(kept * stride, index * stride, (index + 1) * stride);
      const quoted = batch.quoted.get(index);
      if (quoted === undefined) batch.quoted.delete(kept);
      else batch.quoted.set(kept, quoted);
    }
    kept++;
  }
  for (const index of batch.quoted.keys()) if (index >= kept) batch.quoted.delete(index);
  batch.count = kept;
}
