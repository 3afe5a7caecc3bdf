import { CLASS_SHIFT } from '../model/row.js';
import { HOT_WORDS, Hot } from './layout.js';
import type { FlowTable } from './table.js';

/** Ticks a second of packet time, and ticks that a wheel spans (17 minutes; later deadlines come round again). */
export const TICKS_PER_SECOND = 4;
export const TICK_NANOS = 1e9 / TICKS_PER_SECOND;
const SLOTS = 4096;
const SLOT_MASK = SLOTS - 1;
const CLASSES = 8;
/** Rows of a slot that eviction compares. */
const COMPARED = 16;
/** Rows of a slot that are looked at together. */
const GROUP = 64;

/**
 * Timer wheels, one for each timeout class: slots of doubly linked rows, by the tick of their deadline. A packet only
 * stores its time in the row; the row is looked at when its slot comes up and put further on if packets have come since.
 * As all flows of a class have the same idle timeout, the first untouched row of a class is its least recently seen one,
 * to within a tick: the eviction of a full table needs no other order.
 *
 * Links are kept apart from the rows, densely, so that walking a list does not wait for the memory of the rows.
 */
export class Wheel {
  private readonly table: FlowTable;
  private readonly heads = new Int32Array(CLASSES * SLOTS);
  private readonly tails = new Int32Array(CLASSES * SLOTS);
  /** By row: neighbours in its slot (0: none), and the slot. */
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly slotOf: Int32Array;
  private readonly group = new Int32Array(GROUP);
  private touched = 0;
  /** Idle timeout (ns) by class, and active timeout (ns). */
  private readonly idleNanos: Float64Array;
  private readonly activeNanos: number;
  /** Last tick that was processed. */
  tick = 0;
  private started = false;
  /** Times are reckoned from this second on, so that doubles hold their nanoseconds exactly (104 days each way). */
  private baseSeconds = 0;
  /** For eviction: by class, the first tick whose slot may hold rows. */
  private readonly first = new Float64Array(CLASSES);

  constructor(table: FlowTable, idleNanos: Float64Array, activeNanos: number) {
    this.table = table;
    this.idleNanos = idleNanos;
    this.activeNanos = activeNanos;
    this.next = new Int32Array(table.rows);
    this.previous = new Int32Array(table.rows);
    this.slotOf = new Int32Array(table.rows);
  }

  /** Sets the present tick without processing what lies between: at the first packet, and when time has stepped back. */
  reset(tick: number): void {
    if (!this.started) this.baseSeconds = Math.floor(tick / TICKS_PER_SECOND);
    this.tick = tick;
    this.first.fill(tick);
    this.started = true;
  }

  get running(): boolean {
    return this.started;
  }

  /** Tick after which the row is due: the earlier of idle and active deadline. */
  private deadline(row: number): number {
    const { hot, hotUnsigned } = this.table;
    const k = row * HOT_WORDS;
    const idle = this.idleNanos[(hot[k + Hot.state] >>> CLASS_SHIFT) & 15];
    const base = this.baseSeconds;
    const byIdle = (hotUnsigned[k + Hot.lastSeconds] - base) * 1e9 + hot[k + Hot.lastNanos] + idle;
    const byActive = (hotUnsigned[k + Hot.startSeconds] - base) * 1e9 + hot[k + Hot.startNanos] + this.activeNanos;
    return base * TICKS_PER_SECOND + Math.floor((byIdle < byActive ? byIdle : byActive) / TICK_NANOS) + 1;
  }

  /** Puts a row into the slot of its deadline (or the last slot of the wheel's span). */
  add(row: number): void {
    const { heads, tails, next, previous } = this;
    const cls = (this.table.hot[row * HOT_WORDS + Hot.state] >>> CLASS_SHIFT) & 15;
    let due = this.deadline(row);
    if (due <= this.tick) due = this.tick + 1;
    else if (due > this.tick + SLOTS - 1) due = this.tick + SLOTS - 1;
    if (due < this.first[cls]) this.first[cls] = due;
    const slot = cls * SLOTS + (due & SLOT_MASK);
    const tail = tails[slot];
    previous[row] = tail;
    next[row] = 0;
    this.slotOf[row] = slot;
    if (tail !== 0) next[tail] = row;
    else heads[slot] = row;
    tails[slot] = row;
  }

  remove(row: number): void {
    const { next, previous } = this;
    const before = previous[row];
    const behind = next[row];
    if (before !== 0) next[before] = behind;
    else this.heads[this.slotOf[row]] = behind;
    if (behind !== 0) previous[behind] = before;
    else this.tails[this.slotOf[row]] = before;
  }

  /**
   * Advances to `tick`; calls `expire(row)` for each row that is due (which must remove it) as long as `room()` says that
   * there is room for GROUP more. Returns true when all is done; else call again.
   */
  advance(tick: number, expire: (row: number) => void, room: () => boolean): boolean {
    const { heads, group } = this;
    if (tick - this.tick > SLOTS) this.tick = tick - SLOTS;
    while (this.tick < tick) {
      const now = this.tick + 1;
      for (let cls = 0; cls < CLASSES; cls++) {
        const slot = cls * SLOTS + (now & SLOT_MASK);
        // Every row of a slot leaves it: it ends, or its deadline is later.
        while (heads[slot] !== 0) {
          if (!room()) return false;
          const count = this.touch(heads[slot]);
          for (let g = 0; g < count; g++) {
            const row = group[g];
            if (this.deadline(row) <= now) expire(row);
            else {
              this.remove(row);
              this.add(row);
            }
          }
        }
      }
      this.tick = now;
    }
    return true;
  }

  /** Collects up to GROUP rows of a list and brings what their end needs into the cache, many at a time. */
  private touch(head: number): number {
    const { next, group } = this;
    const { hot, cold, coldStride, index, mask } = this.table;
    let count = 0;
    for (let row = head; row !== 0 && count < GROUP; row = next[row]) group[count++] = row;
    let touched = 0;
    for (let g = 0; g < count; g++) touched ^= hot[group[g] * HOT_WORDS] ^ cold[group[g] * coldStride];
    for (let g = 0; g < count; g++) touched ^= index[(hot[group[g] * HOT_WORDS + Hot.hash] & mask) << 1];
    this.touched = touched;
    return count;
  }

  /**
   * The least recently seen row (to within a tick) over all classes, or of the classes in `only` (in that order, the first
   * that has one). 0 if there is none.
   */
  oldest(only?: readonly number[]): number {
    const { hot, hotUnsigned } = this.table;
    let best = 0;
    let bestSeen = Infinity;
    const n = only === undefined ? CLASSES : only.length;
    for (let c = 0; c < n; c++) {
      const row = this.oldestOf(only === undefined ? c : only[c]);
      if (row === 0) continue;
      if (only !== undefined) return row;
      const k = row * HOT_WORDS;
      const seen = (hotUnsigned[k + Hot.lastSeconds] - this.baseSeconds) * 1e9 + hot[k + Hot.lastNanos];
      if (seen < bestSeen) {
        best = row;
        bestSeen = seen;
      }
    }
    return best;
  }

  private oldestOf(cls: number): number {
    const { hot, hotUnsigned } = this.table;
    const end = this.tick + SLOTS;
    if (this.first[cls] <= this.tick) this.first[cls] = this.tick + 1;
    for (; this.first[cls] < end; this.first[cls]++) {
      const slot = cls * SLOTS + (this.first[cls] & SLOT_MASK);
      let best = 0;
      let bestSeen = Infinity;
      let compared = 0;
      for (let row = this.heads[slot]; row !== 0 && compared < COMPARED; ) {
        const k = row * HOT_WORDS;
        const next = this.next[row];
        const due = Math.min(this.deadline(row), end - 1);
        if (((hot[k + Hot.state] >>> CLASS_SHIFT) & 15) !== cls || due > this.first[cls]) {
          this.remove(row);
          this.add(row);
        } else {
          compared++;
          const seen = (hotUnsigned[k + Hot.lastSeconds] - this.baseSeconds) * 1e9 + hot[k + Hot.lastNanos];
          if (seen < bestSeen) {
            best = row;
            bestSeen = seen;
          }
        }
        row = next;
      }
      if (best !== 0) return best;
    }
    return 0;
  }
}
