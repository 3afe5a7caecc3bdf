import { CLASS_SHIFT } from '../model/row.js';
import { HOT_WORDS, Hot } from './layout.js';
import { CHUNK_ROWS, SLOT_BITS, Slots } from './slots.js';
import type { FlowTable } from './table.js';
import { nanosBetween } from './time.js';
import { CLASSES } from './timeouts.js';

/** Ticks a second of packet time, and slots of a wheel (17 minutes, if one is for one tick). */
export const TICKS_PER_SECOND = 4;
export const TICK_NANOS = 1e9 / TICKS_PER_SECOND;
const SLOTS = 4096;
const SLOT_MASK = SLOTS - 1;
/** Rows of a slot that eviction compares. */
const COMPARED = 16;

/**
 * Timer wheels, one for each timeout class: slots of rows, by the tick of their deadline. A packet only stores its time in
 * the row; the row is looked at when its slot comes up and put further on if packets have come since. As all flows of a
 * class have the same idle timeout, the first untouched row of a class is its least recently seen one, to within a tick:
 * the eviction of a full table needs no other order.
 *
 * A slot is a list of chunks of row numbers (slots.ts), so that the memory of many rows is asked for at once. A row that
 * leaves a slot before its time only forgets that it stands there (`slotOf`); its entry is skipped later.
 */
export class Wheel {
  private readonly table: FlowTable;
  private readonly slots: Slots;
  /** Slot in which a row stands, by row, in the bits SLOT_BITS; 0: in none (slot 0 is not used). */
  private readonly slotOf: Int32Array;
  private readonly group = new Int32Array(CHUNK_ROWS);
  /** Keeps the loads that only bring memory nearer from being optimised away. */
  touched = 0;
  private moved = false;
  /** Idle timeout (ns) by class, and active timeout (ns). */
  private readonly idleNanos: Float64Array;
  private activeNanos: number;
  /** The present tick of the clock. */
  tick = 0;
  /** True while rows that are due at `tick` wait for their turn (see `advance`). */
  behind = false;
  /**
   * The wheel turns once in `divisor` ticks, so that it spans the longest idle timeout: the order of last sight, by which
   * eviction chooses, would be lost beyond it.
   */
  private readonly divisor: number;
  /** Last turn that was processed, counted from the first tick. */
  private turn = 0;
  private started = false;
  /** Times are reckoned from this second on, so that doubles hold their nanoseconds exactly (104 days each way). */
  private baseSeconds = 0;
  /** For eviction: by class, the first turn whose slot may hold rows. */
  private readonly first = new Float64Array(CLASSES);

  constructor(table: FlowTable, idleNanos: Float64Array, activeNanos: number) {
    this.table = table;
    this.idleNanos = idleNanos;
    this.activeNanos = activeNanos;
    const longest = Math.max(...idleNanos) / TICK_NANOS;
    this.divisor = Math.max(1, Math.ceil(longest / (SLOTS - 2)));
    this.slotOf = new Int32Array(table.rows);
    this.slots = new Slots(1 + CLASSES * SLOTS, table.rows, this.slotOf);
  }

  /**
   * Other timeouts from now on. Rows stand where the old ones have put them until they are added anew; the span of the wheel
   * stays, so that eviction may choose less exactly if the longest timeout has grown beyond it.
   */
  setTimeouts(idleNanos: Float64Array, activeNanos: number): void {
    this.idleNanos.set(idleNanos);
    this.activeNanos = activeNanos;
  }

  /** Sets the present tick without processing what lies between: at the first packet, and when time has stepped back. */
  reset(tick: number): void {
    if (!this.started) this.baseSeconds = Math.floor(tick / TICKS_PER_SECOND);
    this.tick = tick;
    this.turn = this.turnOf(tick);
    this.first.fill(this.turn);
    this.started = true;
    this.behind = false;
  }

  private turnOf(tick: number): number {
    return Math.floor((tick - this.baseSeconds * TICKS_PER_SECOND) / this.divisor);
  }

  /** The turn behind a time in ns from the base. */
  private turnBehind(nanos: number): number {
    return Math.floor(nanos / (TICK_NANOS * this.divisor)) + 1;
  }

  get running(): boolean {
    return this.started;
  }

  /** Turn after which the row is due: the earlier of idle and active deadline. */
  private deadline(row: number): number {
    const { hot, hotUnsigned } = this.table;
    const k = row * HOT_WORDS;
    const idle = this.idleNanos[(hot[k + Hot.state] >>> CLASS_SHIFT) & 15];
    const base = this.baseSeconds;
    const byIdle = nanosBetween(base, 0, hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos]) + idle;
    const byActive =
      nanosBetween(base, 0, hotUnsigned[k + Hot.startSeconds], hot[k + Hot.startNanos]) + this.activeNanos;
    return this.turnBehind(byIdle < byActive ? byIdle : byActive);
  }

  /** Turn after which the row is due by its idle timeout. */
  private idleDeadline(row: number): number {
    const { hot, hotUnsigned } = this.table;
    const k = row * HOT_WORDS;
    const idle = this.idleNanos[(hot[k + Hot.state] >>> CLASS_SHIFT) & 15];
    const at = nanosBetween(this.baseSeconds, 0, hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos]) + idle;
    return this.turnBehind(at);
  }

  /** A turn within the wheel's span. */
  private clamp(due: number): number {
    return Math.min(Math.max(due, this.turn + 1), this.turn + SLOTS - 1);
  }

  /** Puts a row into the slot of its deadline (or the last slot of the wheel's span). */
  add(row: number): void {
    const cls = (this.table.hot[row * HOT_WORDS + Hot.state] >>> CLASS_SHIFT) & 15;
    this.put(row, cls, this.clamp(this.deadline(row)));
  }

  private put(row: number, cls: number, due: number): void {
    if (due < this.first[cls]) this.first[cls] = due;
    const slot = slotAt(cls, due);
    this.slotOf[row] = slot;
    this.slots.append(slot, row);
  }

  remove(row: number): void {
    this.slotOf[row] = 0;
  }

  /**
   * Advances to `tick`; calls `expire(row)` for each row that is due (which must remove it) as long as `room()` says that
   * there is room for CHUNK_ROWS more. Returns true when all is done, or when about `budget` rows were looked at: then
   * `behind` is set, and the next call goes on. False if there was no room; then call again.
   */
  advance(tick: number, expire: (row: number) => void, room: () => boolean, budget: number): boolean {
    const { slots, slotOf, group } = this;
    const target = this.turnOf(tick);
    if (target - this.turn > SLOTS) this.turn = target - SLOTS;
    let left = budget;
    this.behind = false;
    while (this.turn < target) {
      const now = this.turn + 1;
      for (let cls = 0; cls < CLASSES; cls++) {
        const slot = slotAt(cls, now);
        // Every row of a slot leaves it: it ends, or its deadline is later.
        while (slots.heads[slot] !== 0) {
          if (!room()) return false;
          if (left <= 0) {
            this.tick = tick;
            this.behind = true;
            return true;
          }
          left -= CHUNK_ROWS;
          const count = slots.takeChunk(slot, group);
          const due = this.partition(count, now);
          for (let g = 0; g < due; g++) if ((slotOf[group[g]] & SLOT_BITS) === slot) expire(group[g]);
          for (let g = due; g < count; g++) if ((slotOf[group[g]] & SLOT_BITS) === slot) this.add(group[g]);
        }
      }
      this.turn = now;
    }
    this.tick = tick;
    return true;
  }

  /**
   * Puts the rows of the group that are due before those that are not; returns how many are. Brings what their end needs
   * into the cache, many at a time.
   */
  private partition(count: number, now: number): number {
    const { group } = this;
    const { hot, cold, coldStride, index, mask } = this.table;
    let touched = 0;
    for (let g = 0; g < count; g++) touched ^= hot[group[g] * HOT_WORDS];
    let due = 0;
    for (let g = 0; g < count; g++) {
      const row = group[g];
      if (this.deadline(row) > now) continue;
      group[g] = group[due];
      group[due++] = row;
    }
    for (let g = 0; g < due; g++) {
      const row = group[g];
      touched ^= cold[row * coldStride] ^ index[(hot[row * HOT_WORDS + Hot.hash] & mask) << 1];
    }
    this.touched = touched;
    return due;
  }

  /**
   * The least recently seen row (to within a tick) over all classes, or of the classes in `only` (in that order, the first
   * that has one). 0 if there is none.
   */
  oldest(only?: readonly number[]): number {
    for (;;) {
      this.moved = false;
      const row = this.search(only);
      // Rows that had to be put where they belong now may have come into a class that was searched before.
      if (!this.moved) return row;
    }
  }

  private search(only?: readonly number[]): number {
    const { hot, hotUnsigned } = this.table;
    let best = 0;
    let bestSeen = Infinity;
    const n = only === undefined ? CLASSES : only.length;
    for (let c = 0; c < n; c++) {
      const row = this.oldestOf(only === undefined ? c : only[c]);
      if (row === 0) continue;
      if (only !== undefined) return row;
      const k = row * HOT_WORDS;
      const seen = nanosBetween(this.baseSeconds, 0, hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos]);
      if (seen < bestSeen) {
        best = row;
        bestSeen = seen;
      }
    }
    return best;
  }

  private oldestOf(cls: number): number {
    const { slots, group, first } = this;
    const { hot, hotUnsigned } = this.table;
    const end = this.turn + SLOTS;
    if (first[cls] <= this.turn) first[cls] = this.turn + 1;
    while (first[cls] < end) {
      const slot = slotAt(cls, first[cls]);
      const count = Math.min(COMPARED, slots.peekChunk(slot, group));
      let best = 0;
      let bestSeen = Infinity;
      for (let g = 0; g < count; g++) {
        const row = group[g];
        const k = row * HOT_WORDS;
        const own = (hot[k + Hot.state] >>> CLASS_SHIFT) & 15;
        const due = this.clamp(this.idleDeadline(row));
        // Here only when it was last seen counts: a row that stands at its active deadline goes on to its idle one.
        if (own !== cls || due > first[cls]) {
          this.put(row, own, due);
          this.moved = true;
          continue;
        }
        const seen = nanosBetween(this.baseSeconds, 0, hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos]);
        if (seen < bestSeen) {
          best = row;
          bestSeen = seen;
        }
      }
      if (best !== 0) return best;
      if (count === 0 && slots.heads[slot] === 0) first[cls]++;
    }
    return 0;
  }
}

function slotAt(cls: number, turn: number): number {
  return 1 + cls * SLOTS + (turn & SLOT_MASK);
}
