import { CLASS_MASK, CLASS_SHIFT, State } from '../model/row.js';
import { type Batch, Mark } from '../packet/batch.js';
import { Refusal } from '../packet/refusal.js';
import { COLD_WORDS, Cold, HOT_WORDS, Hot } from './layout.js';
import type { FlowTable } from './table.js';
import { EVENT_FLAGS } from './tcp.js';
import { CLASS_OF_PROTOCOL, CLASSES, Class } from './timeouts.js';

const SPECIAL_MARKS = Mark.icmpError | Mark.fragmentFirst | Mark.fragmentLater;
const CLOSING_STATE = State.finA | State.finB | State.dormant;

/** The two steps that every packet takes; see `plainRoad`. */
export interface PlainRoad {
  /**
   * Brings the index slots and rows of packets [from, to) into the cache, and leaves in `candidates` the rows whose hash is
   * equal in the first two slots where they may stand. The loads of each pass do not depend on each other and there is no
   * branch that could be mispredicted, so that many loads are under way at once; the update that follows finds nearly all
   * it needs at hand. The return value only keeps the loads from being optimised away.
   */
  touch(from: number, to: number): number;
  /**
   * Accounts packets of [from, to) to their flows as long as nothing special is about them: the flow is the candidate, goes
   * on, and no event changes its state. Returns the index of the first packet that needs more (`to` if none does). Most
   * packets end here; there is no call in the loop, so that it stays in registers.
   *
   * @param base first packet of the last `touch`
   */
  run(from: number, to: number, base: number): number;
}

/** What the plain road needs to know of the timeouts. */
export class PlainLimits {
  /** Whole seconds by class number, rounded down: what is below cannot be over. */
  readonly idleSeconds: Int32Array = new Int32Array(CLASSES);
  /** One number, the same of the active timeout. */
  readonly activeSeconds: Int32Array = new Int32Array(1);
  /**
   * By protocol: the class bits (of the state word) that a flow of one packet gets with its second one; -1 if such a flow
   * would end sooner then, and so must be moved on the timer wheel.
   */
  readonly promoted: Int32Array = new Int32Array(256);

  set(idleNanos: Float64Array, activeNanos: number): void {
    for (const [cls, nanos] of idleNanos.entries()) this.idleSeconds[cls] = wholeSeconds(nanos);
    this.activeSeconds[0] = wholeSeconds(activeNanos);
    for (const [protocol, cls] of CLASS_OF_PROTOCOL.entries()) {
      this.promoted[protocol] = idleNanos[cls] < idleNanos[Class.single] ? -1 : cls << CLASS_SHIFT;
    }
  }
}

function wholeSeconds(nanos: number): number {
  return Math.min(0x7fffffff, Math.floor(nanos / 1e9));
}

/**
 * Makes the steps for the packets of a batch and the flows of a table. Why functions are made for each:
 * docs/decisions/0014-functions-of-the-road.md.
 *
 * @param candidates gets the row that packet `from + k` probably belongs to, at `k`; 0: none
 * @param limits may be changed
 * @param totals packets and octets accounted are added to its first two elements
 */
export function plainRoad(
  batch: Batch,
  table: FlowTable,
  candidates: Int32Array,
  limits: PlainLimits,
  totals: Float64Array,
): PlainRoad {
  const { a0, a1, a2, a3, b0, b1, b2, b3, ports, meta, keyExtra, hash } = batch;
  const { marks, verdict, direction, octets, seconds, nanos, tcpFlags, flow } = batch;
  const { index, hot, cold, coldStride, keyWords } = table;
  const { idleSeconds, activeSeconds, promoted } = limits;

  function touch(from: number, to: number): number {
    const { mask } = table;
    const wrap = (mask << 1) | 1;
    let touched = 0;
    for (let i = from; i < to; i++) touched ^= index[(hash[i] & mask) << 1];
    for (let i = from; i < to; i++) {
      const slot = (hash[i] & mask) << 1;
      const difference = index[slot | 1] ^ hash[i];
      // All ones if the first slot has another hash.
      const other = (difference | -difference) >> 31;
      candidates[i - from] = (index[slot] & ~other) | (index[(slot + 2) & wrap] & other);
    }
    for (let i = from; i < to; i++) touched ^= hot[candidates[i - from] * HOT_WORDS];
    // IPv4 packets look at row 0 here.
    for (let i = from; i < to; i++) touched ^= cold[(candidates[i - from] & -(marks[i] & Mark.ipv6)) * coldStride];
    return touched;
  }

  function run(from: number, to: number, base: number): number {
    const active = activeSeconds[0];
    let bytes = 0;
    let refused = 0;
    let i = from;
    packets: for (; i < to; i++) {
      if (verdict[i] !== 0) {
        // Another shard's ICMP error may quote a flow of ours; nothing else of what was refused concerns the table.
        if (verdict[i] === Refusal.otherShard && (marks[i] & Mark.icmpError) !== 0) break;
        flow[i] = -1;
        refused++;
        continue;
      }
      const row = candidates[i - base];
      const k = row * HOT_WORDS;
      const state = hot[k + Hot.state];
      const mark = marks[i];
      const flags = tcpFlags[i];
      if (
        hot[k] !== a0[i] ||
        hot[k + Hot.b0] !== b0[i] ||
        hot[k + Hot.ports] !== ports[i] ||
        hot[k + Hot.meta] !== meta[i] ||
        (state & (State.live | CLOSING_STATE)) !== State.live ||
        (mark & SPECIAL_MARKS) !== 0 ||
        (flags & EVENT_FLAGS) !== 0
      ) {
        break;
      }
      if ((mark & Mark.ipv6) !== 0) {
        const c = row * coldStride;
        if (cold[c] !== a1[i] || cold[c + Cold.a2] !== a2[i] || cold[c + Cold.a3] !== a3[i]) break;
        if (cold[c + Cold.b1] !== b1[i] || cold[c + Cold.b2] !== b2[i] || cold[c + Cold.b3] !== b3[i]) break;
      }
      for (let w = 0; w < keyWords; w++) {
        if (cold[row * coldStride + COLD_WORDS + w] !== keyExtra[i * keyWords + w]) break packets;
      }
      const second = seconds[i];
      const nano = nanos[i];
      const cls = (state >>> CLASS_SHIFT) & 15;
      const gap = (second - hot[k + Hot.lastSeconds]) | 0;
      if (
        gap < 0 ||
        gap >= idleSeconds[cls] ||
        ((second - hot[k + Hot.startSeconds]) | 0) >= active ||
        (gap === 0 && nano < hot[k + Hot.lastNanos]) ||
        cls === Class.syn
      ) {
        break;
      }
      const sent = direction[i];
      const c = k + Hot.packetsA + (sent << 1);
      const packets = (hot[c] + 1) | 0;
      const length = octets[i];
      const before = hot[c + 1];
      const after = (before + length) | 0;
      // A counter's low word runs over: only then does 0 come after a count, and plus after minus.
      if (packets === 0 || (before < 0 && after >= 0)) break;
      if (cls === Class.single) {
        const bits = promoted[meta[i] & 0xff];
        if (bits < 0) break;
        hot[k + Hot.state] = (state & ~CLASS_MASK) | bits;
      }
      hot[c] = packets;
      hot[c + 1] = after;
      hot[k + Hot.lastSeconds] = second;
      hot[k + Hot.lastNanos] = nano;
      hot[k + Hot.tcpFlags] |= flags << (sent << 4);
      flow[i] = row;
      bytes += length;
    }
    totals[0] += i - from - refused;
    totals[1] += bytes;
    return i;
  }

  return { touch, run };
}
