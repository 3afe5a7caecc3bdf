import { ErrorCode, RheoError } from '../core/errors.js';
import type { FlowHook, SideTable } from '../model/hook.js';
import type { WhenFull } from '../model/options.js';
import { RECORD_BATCH_SIZE, type RecordBatch, type RecordLayout } from '../model/record-batch.js';
import { EndReason, REASON_SHIFT, ROW_WORDS, State } from '../model/row.js';
import { type Batch, Mark } from '../packet/batch.js';
import type { Decoder } from '../packet/decoder.js';
import { type KeyOptions, keyWords } from '../packet/key.js';
import { Refusal } from '../packet/refusal.js';
import { type RowCopier, rowCopier } from './copier.js';
import { FlowCache } from './flow-cache.js';
import { Fragments } from './fragments.js';
import { HOT_WORDS, Hot } from './layout.js';
import { RecordQueue } from './record-queue.js';
import { type Segment, segmentFinder } from './segment.js';
import type { FlowTable } from './table.js';
import { TICK_NANOS, TICKS_PER_SECOND } from './wheel.js';

/** Packets may be this many ticks older than the newest one before time counts as set back. */
const REORDER_TICKS = 2 * TICKS_PER_SECOND;
/** Flows whose side rows are brought into the cache together. */
const GROUP = 32;
/** Rows that are put anew into the wheel in one call. */
const REARMED = 4096;
/** Rows closed before they are handed to hooks and copied out; the wheel closes up to 64 at a time beyond them. */
const CLOSING = RECORD_BATCH_SIZE - 64;

export interface FlowMeterOptions {
  key: KeyOptions;
  /** Idle timeouts in ns by class number, active timeout in ns (Infinity = never). */
  idleNanos: Float64Array;
  activeNanos: number;
  maxFlows: number;
  whenFull: WhenFull;
  /** In the order in which they are called. */
  hooks: readonly FlowHook[];
  /** Fragments held that came before their first one, and for how long (ns). */
  maxFragments: number;
  fragmentNanos: number;
  /** Records in shared memory. */
  sharedRecords: boolean;
  /**
   * Rows that one call may take off the timers; the rest is due at the next call (live: a packet source must not wait until
   * a million flows have ended). Infinity: all, so that the records do not depend on how calls fall.
   */
  expiryBudget: number;
  /** All memory of the index from the start, so that it never makes packets wait by growing. */
  presized: boolean;
}

export interface FlowCounters {
  /** Packets accounted to flows and their IP bytes. */
  readonly packets: number;
  readonly octets: number;
  readonly opened: number;
  /** Flows that ended, by `EndReason`. */
  readonly ended: Float64Array;
  readonly peak: number;
}

/**
 * The metering process (RFC 7011 §2): takes decoded batches, keeps the flow table, hands out finished records.
 *
 *     while (at < n) { at = meter.process(at, n); drain(meter.records); }
 *     while (!meter.finish()) drain(meter.records);
 *
 * Everything is driven by the packets' time in ticks of 250 ms: packets of one tick are a segment; at the border of two,
 * timers run. So the records do not depend on how the packets were cut into batches.
 */
export class FlowMeter {
  readonly table: FlowTable;
  readonly records: RecordQueue;
  readonly side: SideTable;

  private readonly options: FlowMeterOptions;
  private readonly decoder: Decoder;
  private readonly cache: FlowCache;
  private readonly fragments: Fragments;
  private readonly copier: RowCopier;
  private readonly found: Segment = { marks: 0, latest: 0 };
  private readonly segmentEnd: (from: number, to: number) => number;
  /** Keeps loads that only bring memory nearer from being optimised away. */
  touched = 0;
  private nowSeconds = 0;
  private nowNanos = 0;
  private cursor = 1;
  /** Next row to be put anew into the wheel after a change of timeouts; 0: none. */
  private rearming = 0;
  private readonly expireDue = (row: number): void => this.cache.due(row);
  private readonly closingRoom = (): boolean => this.makeRoom();

  constructor(decoder: Decoder, options: FlowMeterOptions) {
    this.options = options;
    this.decoder = decoder;
    this.segmentEnd = segmentFinder(decoder.batch, this.found);
    const extra = keyWords(options.key);
    this.cache = new FlowCache(decoder, {
      maxFlows: options.maxFlows,
      whenFull: options.whenFull,
      keyWords: extra,
      bidirectional: !options.key.unidirectional,
      idleNanos: options.idleNanos,
      activeNanos: options.activeNanos,
      closingRoom: CLOSING,
      presized: options.presized,
    });
    this.table = this.cache.table;
    this.fragments = new Fragments(options.maxFragments, extra);

    const side: Record<string, number> = {};
    const offsets: number[] = [];
    const sideOffset = ROW_WORDS + extra + (extra & 1);
    let width = 0;
    for (const hook of options.hooks) {
      offsets.push(width);
      if (hook.words > 0) side[hook.name] = sideOffset + width;
      width += hook.words + (hook.words & 1);
    }
    this.side = sideTable(this.table.rows, width);
    for (const [n, hook] of options.hooks.entries()) hook.bind?.(this.side, offsets[n]);
    const layout: RecordLayout = {
      stride: sideOffset + width,
      keyOffset: ROW_WORDS,
      keyParts: options.key.extra,
      side,
    };
    this.records = new RecordQueue(layout, options.sharedRecords);
    this.copier = rowCopier(this.table, this.side);
  }

  /** Live flows: those that were opened and have not ended. */
  get live(): number {
    return this.table.live - this.cache.dormantCount;
  }

  /** Flows whose time is over wait for the next call of `process` or `idleUntil` (`expiryBudget`). */
  get behind(): boolean {
    return this.cache.wheel.behind || this.rearming !== 0;
  }

  get counters(): FlowCounters {
    const { totals, opened, ended, peak } = this.cache;
    return { packets: totals[0], octets: totals[1], opened, ended, peak };
  }

  /**
   * Meters packets [from, to) of the decoder's batch. Returns the index behind the last packet that was taken: less than `to`
   * when finished records must be taken from `records` first.
   */
  process(from: number, to: number): number {
    const { batch } = this.decoder;
    const { seconds, nanos } = batch;
    const { found } = this;
    let at = from;
    while (at < to) {
      if (!this.records.hasRoom) return at;
      const second = seconds[at];
      const tick = second * TICKS_PER_SECOND + Math.floor(nanos[at] / TICK_NANOS);
      if (!this.moveTo(tick, second, nanos[at])) return at;
      let end = this.segmentEnd(at, to);
      if ((found.marks & (Mark.fragmentFirst | Mark.fragmentLater | Mark.outerFragment)) !== 0) {
        const whole = end;
        end = this.fragments.resolve(batch, at, end, this.decoder);
        this.segment(batch, at, end);
        this.releaseFragments();
        if (end < whole && end > at) this.segmentEnd(at, end);
      } else this.segment(batch, at, end);
      if (second === this.nowSeconds && found.latest > this.nowNanos) this.nowNanos = found.latest;
      at = end;
    }
    return at;
  }

  /** Advances the clock without a packet: for live sources when nothing arrives. Returns false if records must be taken. */
  idleUntil(seconds: number, nanos: number): boolean {
    return this.moveTo(seconds * TICKS_PER_SECOND + Math.floor(nanos / TICK_NANOS), seconds, nanos);
  }

  /** Ends all flows (end of input or forced). Returns false if records must be taken first; then call again. */
  finish(): boolean {
    if (!this.records.hasRoom) return false;
    if (this.fragments.flush(this.decoder)) this.releaseFragments();
    const { hot } = this.table;
    while (this.cursor < this.table.used) {
      if (!this.makeRoom()) return false;
      const row = this.cursor++;
      if ((hot[row * HOT_WORDS + Hot.state] & State.live) === 0) continue;
      this.cache.close(row, this.cache.lastReason(row, this.nowSeconds, this.nowNanos));
    }
    this.flushClosing();
    this.cursor = 1;
    return true;
  }

  /**
   * Ends flows of rows that a scan has just found live (meter/scan.ts). Returns how many were ended: fewer than `count` if
   * records must be taken first.
   */
  end(rows: Int32Array, count: number, reason: EndReason): number {
    const { hot } = this.table;
    for (let r = 0; r < count; r++) {
      if (!this.records.hasRoom || !this.makeRoom()) {
        this.flushClosing();
        return r;
      }
      if ((hot[rows[r] * HOT_WORDS + Hot.state] & State.live) !== 0) this.cache.close(rows[r], reason);
    }
    this.flushClosing();
    return count;
  }

  /** Copies a live flow as a record to the end of the batch, which must be of this meter's layout and have room. */
  copy(row: number, batch: RecordBatch): void {
    const aside = (this.table.hot[row * HOT_WORDS + Hot.state] & State.quotes) !== 0;
    this.copier.copy(row, aside ? this.cache.quotes.get(row) : undefined, batch);
  }

  /** Other timeouts (ns, as in the options) from now on, also for flows that live: those are put anew little by little. */
  setTimeouts(idleNanos: Float64Array, activeNanos: number): void {
    this.cache.setTimeouts(idleNanos, activeNanos);
    this.rearming = 1;
  }

  /** Puts some rows into the wheel where the timeouts of now want them. */
  private rearm(): void {
    const { hot, used } = this.table;
    const to = Math.min(used, this.rearming + REARMED);
    for (let row = this.rearming; row < to; row++) {
      if ((hot[row * HOT_WORDS + Hot.state] & State.live) !== 0) this.cache.wheel.add(row);
    }
    this.rearming = to < used ? to : 0;
  }

  /** Brings the clock to a tick and runs the timers. False if there was no room for all records that came of it. */
  private moveTo(tick: number, seconds: number, nanos: number): boolean {
    const { wheel } = this.cache;
    if (tick === wheel.tick && wheel.running && !wheel.behind && this.rearming === 0) return true;
    if (tick >= wheel.tick && wheel.running) {
      if (this.rearming !== 0) this.rearm();
      if (this.fragments.expire(seconds, nanos, this.options.fragmentNanos, this.decoder)) this.releaseFragments();
      if (!this.records.hasRoom) return false;
      if (!wheel.advance(tick, this.expireDue, this.closingRoom, this.options.expiryBudget)) return false;
      this.flushClosing();
    } else {
      if (wheel.running && tick >= wheel.tick - REORDER_TICKS) return true;
      // First packet, or the clock was set back: timers go on from here. Differences of seconds are kept in 32 bits.
      if (wheel.running && this.nowSeconds - seconds > 0x7fffffff && !this.finish()) return false;
      wheel.reset(tick);
      if (this.fragments.flush(this.decoder)) this.releaseFragments();
    }
    this.fragments.setClock(seconds, nanos);
    this.cache.setClock(seconds, nanos);
    this.nowSeconds = seconds;
    this.nowNanos = nanos;
    return true;
  }

  private segment(batch: Batch, from: number, to: number): void {
    const { cache } = this;
    const { hooks } = this.options;
    cache.update(batch, from, to);
    if (hooks.length > 0) {
      this.tellCuts();
      for (const hook of hooks) {
        if (cache.createdCount > 0) hook.created?.(batch, cache.created, cache.createdCount);
        hook.updated?.(batch, from, to);
      }
    }
    if (cache.closingCount > 0) this.flushClosing();
  }

  /** Tells the hooks of flows that were cut by the active timeout. */
  private tellCuts(): void {
    const { cache } = this;
    if (cache.cutCount === 0) return;
    for (const hook of this.options.hooks) hook.continued?.(cache.cutFrom, cache.cutTo, cache.cutCount);
    cache.cutCount = 0;
  }

  private releaseFragments(): void {
    const { fragments } = this;
    for (let released = fragments.release(); released !== undefined; released = fragments.release()) {
      this.decoder.verdicts[Refusal.held] -= released.count;
      this.decoder.verdicts[0] += released.count;
      this.segment(released, 0, released.count);
    }
  }

  /** Between segments: makes sure that another row can be closed. */
  private makeRoom(): boolean {
    if (this.cache.closingCount < CLOSING) return true;
    this.flushClosing();
    return this.records.hasRoom;
  }

  /** Tells the hooks which flows ended, copies their records out and frees the rows. */
  private flushClosing(): void {
    const { cache, table } = this;
    const { closing } = cache;
    const { hot } = table;
    this.tellCuts();
    let count = 0;
    for (let c = 0; c < cache.closingCount; c++) {
      const row = closing[c];
      // A dormant row has no packets: nothing to report.
      if ((hot[row * HOT_WORDS + Hot.state] & State.dormant) !== 0) this.free(row);
      else closing[count++] = row;
    }
    cache.closingCount = 0;
    if (count === 0) return;
    for (const hook of this.options.hooks) hook.expired?.(closing, count);
    for (let from = 0; from < count; from += GROUP) this.copyOut(closing, from, Math.min(from + GROUP, count));
  }

  private copyOut(rows: Int32Array, from: number, to: number): void {
    const { cache, copier, records, table } = this;
    this.touched = copier.touch(rows, from, to);
    for (let c = from; c < to; c++) {
      const row = rows[c];
      const state = table.hot[row * HOT_WORDS + Hot.state];
      const quoted = (state & State.quotes) !== 0 ? cache.quotes.take(row) : undefined;
      if (!isDeleted(state)) {
        copier.copy(row, quoted, records.open);
        records.appended();
      }
      this.free(row);
    }
  }

  /** Side rows of new flows begin with zeros: those of old ones are cleared while they are at hand. */
  private free(row: number): void {
    this.copier.clear(row);
    this.table.give(row);
  }
}

function isDeleted(state: number): boolean {
  return ((state >>> REASON_SHIFT) & 15) === EndReason.deleted;
}

function sideTable(rows: number, stride: number): SideTable {
  try {
    const buffer = new ArrayBuffer(stride === 0 ? 0 : rows * stride * 4);
    return {
      words: new Int32Array(buffer),
      unsigned: new Uint32Array(buffer),
      bytes: new Uint8Array(buffer),
      shorts: new Uint16Array(buffer),
      doubles: new Float64Array(buffer),
      stride,
    };
  } catch (cause) {
    throw new RheoError(ErrorCode.limit, `no memory for the features of ${rows} flows`, {
      remedy: 'give a smaller --max-flows or fewer --features',
      cause,
    });
  }
}
