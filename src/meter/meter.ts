import { ErrorCode, RheoError } from '../core/errors.js';
import type { FlowHook, SideTable } from '../model/hook.js';
import type { WhenFull } from '../model/options.js';
import { RECORD_BATCH_SIZE, type RecordBatch, type RecordLayout } from '../model/record-batch.js';
import { CLASS_SHIFT, EndReason, REASON_SHIFT, ROW_WORDS, State } from '../model/row.js';
import { BATCH_SIZE, type Batch, Mark } from '../packet/batch.js';
import type { Decoder } from '../packet/decoder.js';
import { type KeyOptions, keyWords } from '../packet/key.js';
import { Notice, Refusal } from '../packet/refusal.js';
import { Fragments } from './fragments.js';
import { CARRY, CELL_WORDS, Cell } from './layout.js';
import { Quotes } from './quotes.js';
import { RecordQueue } from './record-queue.js';
import { FlowTable } from './table.js';
import { CLOSED, EVENT_FLAGS, followTcp, TcpFlag } from './tcp.js';
import { CLASS_OF_PROTOCOL, Class, NEW_CONNECTION_GAP_NANOS } from './timeouts.js';
import { TICK_NANOS, TICKS_PER_SECOND, Wheel } from './wheel.js';

/** Packets may be this many ticks older than the newest one before time counts as set back. */
const REORDER_TICKS = 2 * TICKS_PER_SECOND;
/** Rows closed before they are handed to hooks and copied out. */
const CLOSING = RECORD_BATCH_SIZE;
/** Order in which `early` gives up flows: those least likely to say anything more come first. */
const EARLY_ORDER: readonly number[] = [
  Class.syn, Class.single, Class.rst, Class.fin, Class.icmp, Class.udp, Class.other, Class.tcp,
];
const REASON_MASK = 15 << REASON_SHIFT;
const CLASS_MASK = 15 << CLASS_SHIFT;

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
}

export interface FlowCounters {
  /** Packets accounted to flows and their IP bytes. */
  packets: number;
  octets: number;
  opened: number;
  /** Flows that ended, by `EndReason`. */
  ended: Float64Array;
  peak: number;
}

/**
 * The metering process (RFC 7011 §2): takes decoded batches, keeps the flow table, hands out finished records.
 *
 *     while (at < n) { at = meter.process(batch, at, n); drain(meter.records); }
 *     while (!meter.finish()) drain(meter.records);
 *
 * Everything is driven by the packets' time in ticks of 250 ms: packets of one tick are a segment; at the border of two,
 * timers run. So the records do not depend on how the packets were cut into batches.
 */
export class FlowMeter {
  readonly table: FlowTable;
  readonly records: RecordQueue;
  readonly counters: FlowCounters = { packets: 0, octets: 0, opened: 0, ended: new Float64Array(8), peak: 0 };
  readonly side: SideTable;

  private readonly options: FlowMeterOptions;
  private readonly decoder: Decoder;
  private readonly wheel: Wheel;
  private readonly fragments: Fragments;
  private readonly quotes: Quotes;
  private readonly hooks: readonly FlowHook[];
  private readonly keyWords: number;
  private readonly bidirectional: boolean;
  /** Idle timeouts by class and active timeout, in whole seconds, rounded down: what is below cannot be over. */
  private readonly idleSeconds: Int32Array;
  private readonly activeSeconds: number;
  private readonly candidates = new Int32Array(BATCH_SIZE);
  private readonly createdAt = new Int32Array(BATCH_SIZE);
  private createdCount = 0;
  private readonly closing = new Int32Array(CLOSING + BATCH_SIZE * 2);
  private closingCount = 0;
  private nowSeconds = 0;
  private nowNanos = 0;
  private cursor = 1;
  /** Keeps the touching loads from being optimised away. */
  private touched = 0;
  private readonly expireDue = (row: number): void => this.due(row);
  private readonly closingRoom = (): boolean => this.makeRoom();

  constructor(decoder: Decoder, options: FlowMeterOptions) {
    this.options = options;
    this.decoder = decoder;
    this.hooks = options.hooks;
    this.keyWords = keyWords(options.key);
    this.bidirectional = !options.key.unidirectional;
    this.idleSeconds = Int32Array.from(options.idleNanos, (nanos) => Math.floor(nanos / 1e9));
    this.activeSeconds = Math.min(0x7fffffff, Math.floor(options.activeNanos / 1e9));
    this.table = new FlowTable(options.maxFlows, this.keyWords);
    this.wheel = new Wheel(this.table, options.idleNanos, options.activeNanos);
    this.fragments = new Fragments(options.maxFragments, this.keyWords);
    this.quotes = new Quotes(decoder, this.keyWords);
    const keyEnd = ROW_WORDS + this.keyWords + (this.keyWords & 1);
    let stride = 0;
    const sideOffsets: Record<string, number> = {};
    for (const hook of options.hooks) {
      if (hook.words > 0) sideOffsets[hook.name] = keyEnd + stride;
      stride += hook.words + (hook.words & 1);
    }
    this.side = sideTable(this.table.rows, stride);
    stride = 0;
    for (const hook of options.hooks) {
      hook.bind?.(this.side, stride);
      stride += hook.words + (hook.words & 1);
    }
    const layout: RecordLayout = {
      stride: keyEnd + stride,
      keyOffset: ROW_WORDS,
      keyParts: options.key.extra,
      side: sideOffsets,
    };
    this.records = new RecordQueue(layout);
  }

  /** Live flows. */
  get live(): number {
    return this.table.live;
  }

  /**
   * Meters decoded packets [from, to). Returns the index behind the last packet that was taken: less than `to` when
   * finished records must be taken from `records` first.
   */
  process(batch: Batch, from: number, to: number): number {
    const { seconds, nanos, marks, verdict } = batch;
    let at = from;
    while (at < to) {
      if (!this.records.hasRoom) return at;
      const second = seconds[at];
      const part = Math.floor(nanos[at] / TICK_NANOS);
      if (!this.moveTo(second * TICKS_PER_SECOND + part, second, nanos[at])) return at;
      const low = part * TICK_NANOS;
      const high = low + TICK_NANOS;
      let end = at;
      let fragments = 0;
      let last = nanos[at];
      do {
        const now = nanos[end];
        if (now < last) this.steppedBack();
        last = now;
        if (verdict[end] === 0 || verdict[end] === Refusal.otherShard) fragments |= marks[end];
        end++;
      } while (end < to && seconds[end] === second && nanos[end] >= low && nanos[end] < high);
      if ((fragments & (Mark.fragmentFirst | Mark.fragmentLater | Mark.outerFragment)) !== 0) {
        end = this.fragments.resolve(batch, at, end, this.decoder);
        this.segment(batch, at, end);
        this.releaseFragments();
      } else this.segment(batch, at, end);
      if (second === this.nowSeconds && nanos[end - 1] > this.nowNanos) this.nowNanos = nanos[end - 1];
      at = end;
    }
    return at;
  }

  /** Advances the clock without a packet: for live sources when nothing arrives. Returns false if records must be taken. */
  idleUntil(seconds: number, nanos: number): boolean {
    return this.moveTo(seconds * TICKS_PER_SECOND + Math.floor(nanos / TICK_NANOS), seconds, nanos);
  }

  /** All shards see the clock; the first one counts. */
  private steppedBack(): void {
    if ((this.decoder.options.shard ?? 0) === 0) this.decoder.notices[Notice.timeBackwards]++;
  }

  /** Ends all flows (end of input or forced). Returns false if records must be taken first; then call again. */
  finish(): boolean {
    if (this.records.hasRoom && this.fragments.flush(this.decoder)) this.releaseFragments();
    const { words, stride } = this.table;
    while (this.cursor < this.table.used) {
      if (!this.makeRoom()) return false;
      const row = this.cursor++;
      if ((words[row * stride + Cell.state] & State.live) === 0) continue;
      const reason = this.reasonAt(row, this.nowSeconds, this.nowNanos);
      this.close(row, reason === 0 ? EndReason.forced : reason);
    }
    this.flushClosing();
    this.cursor = 1;
    return true;
  }

  /** Row of the flow with the key of packet i; 0 if there is none. */
  find(batch: Batch, i: number): number {
    const { index, mask, stride } = this.table;
    const hash = batch.hash[i];
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = index[slot << 1];
      if (row === 0) return 0;
      if (index[(slot << 1) | 1] === hash && this.sameKey(row * stride, batch, i)) return row;
    }
  }

  private moveTo(tick: number, seconds: number, nanos: number): boolean {
    const { wheel } = this;
    if (tick === wheel.tick) return true;
    if (tick > wheel.tick && wheel.running) {
      if (this.fragments.expire(seconds, nanos, this.options.fragmentNanos, this.decoder)) this.releaseFragments();
      if (!this.records.hasRoom) return false;
      if (!wheel.advance(tick, this.expireDue, this.closingRoom)) return false;
      this.flushClosing();
    } else {
      if (wheel.running) this.steppedBack();
      if (wheel.running && tick >= wheel.tick - REORDER_TICKS) return true;
      // First packet, or the clock was set back: timers go on from here.
      wheel.reset(tick);
    }
    this.nowSeconds = seconds;
    this.nowNanos = nanos;
    return true;
  }

  private segment(batch: Batch, from: number, to: number): void {
    this.createdCount = 0;
    this.update(batch, from, to);
    for (const hook of this.hooks) {
      if (this.createdCount > 0) hook.created?.(batch, this.createdAt, this.createdCount);
      hook.updated?.(batch, from, to);
    }
    if (this.closingCount > 0) this.flushClosing();
  }

  private releaseFragments(): void {
    const { fragments } = this;
    for (let released = fragments.release(); released !== undefined; released = fragments.release()) {
      this.decoder.verdicts[Refusal.held] -= released.count;
      this.decoder.verdicts[0] += released.count;
      this.segment(released, 0, released.count);
    }
  }

  /**
   * The inner loop, in passes over the segment: touch the index, find the candidate rows and touch them, update. The loads
   * of a pass do not depend on each other and overlap; the last pass finds all it needs in the cache.
   */
  private update(batch: Batch, from: number, to: number): void {
    const { table, candidates } = this;
    const { words, stride } = table;
    const { a0, b0, ports, meta, hash, marks, verdict, direction, octets, seconds, nanos, tcpFlags, flow } = batch;
    const { idleSeconds, activeSeconds } = this;
    const plainKey = this.keyWords === 0;
    this.touch(hash, from, to);

    let packets = 0;
    let bytes = 0;
    for (let i = from; i < to; i++) {
      if (verdict[i] !== 0) {
        flow[i] = -1;
        if (verdict[i] === Refusal.otherShard && (marks[i] & Mark.icmpError) !== 0) this.relate(batch, i, 0);
        continue;
      }
      const mark = marks[i];
      let row = candidates[i - from];
      let k = row * stride;
      let state = words[k + Cell.state];
      if (
        words[k] !== a0[i] ||
        words[k + Cell.b0] !== b0[i] ||
        words[k + Cell.ports] !== ports[i] ||
        words[k + Cell.meta] !== meta[i] ||
        (state & State.live) === 0 ||
        (((mark & Mark.ipv6) !== 0 || !plainKey) && !this.sameKey(k, batch, i))
      ) {
        // Made or ended within this segment, or another flow with the same hash.
        row = this.find(batch, i);
        k = row * stride;
        state = words[k + Cell.state];
      }
      const second = seconds[i];
      const nano = nanos[i];
      const flags = tcpFlags[i];
      let backwards = false;
      if (row !== 0) {
        const gap = (second - words[k + Cell.lastSeconds]) | 0;
        backwards = gap < 0 || (gap === 0 && nano < words[k + Cell.lastNanos]);
        const idle = idleSeconds[(state >>> CLASS_SHIFT) & 15];
        // In whole seconds, as an upper bound: exact in `renew`.
        if (
          gap >= idle ||
          gap <= -idle ||
          ((second - words[k + Cell.startSeconds]) | 0) >= activeSeconds ||
          (state & State.dormant) !== 0 ||
          (flags & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn
        ) {
          const next = this.renew(batch, i, row);
          if (next !== row) {
            row = next;
            backwards = false;
          }
          k = row * stride;
          state = words[k + Cell.state];
        }
      }
      if (row === 0) {
        row = this.create(batch, i);
        if (row === 0) {
          flow[i] = -1;
          continue;
        }
        k = row * stride;
        state = words[k + Cell.state];
      }
      flow[i] = row;

      const sent = direction[i];
      const c = k + Cell.packetsA + (sent << 1);
      const packetsNow = (words[c] + 1) | 0;
      words[c] = packetsNow;
      if (packetsNow === 0) words[c + CARRY]++;
      const length = octets[i];
      const before = words[c + 1];
      const octetsNow = (before + length) | 0;
      words[c + 1] = octetsNow;
      // Only an addition that crosses 2^32 turns the sign from minus to plus.
      if (before < 0 && octetsNow >= 0) words[c + 1 + CARRY]++;
      packets++;
      bytes += length;
      if (!backwards) {
        words[k + Cell.lastSeconds] = second;
        words[k + Cell.lastNanos] = nano;
      } else this.earlier(k, second, nano);

      if ((mark & (Mark.icmpError | Mark.fragmentFirst | Mark.fragmentLater)) !== 0) {
        if ((mark & Mark.icmpError) !== 0) this.relate(batch, i, row);
        if ((mark & (Mark.fragmentFirst | Mark.fragmentLater)) !== 0) words[k + Cell.state] |= State.fragmented;
        state = words[k + Cell.state];
      }
      const cls = (state >>> CLASS_SHIFT) & 15;
      if (flags !== 0) {
        words[k + Cell.tcpFlags] |= flags << (sent << 4);
        if ((flags & EVENT_FLAGS) !== 0 || (state & (State.finA | State.finB)) !== 0) {
          if (this.connection(batch, i, row, state)) continue;
        }
      }
      if (cls === Class.single || cls === Class.syn) this.promote(row, k, cls);
    }
    this.counters.packets += packets;
    this.counters.octets += bytes;
  }

  /** Brings the index slots and rows of packets [from, to) into the cache; leaves the rows with equal hashes in `candidates`. */
  private touch(hash: Int32Array, from: number, to: number): void {
    const { candidates } = this;
    const { index, mask, words, stride } = this.table;
    let touched = 0;
    for (let i = from; i < to; i++) candidates[i - from] = index[(hash[i] & mask) << 1];
    for (let i = from; i < to; i++) touched ^= words[candidates[i - from] * stride];
    this.touched = touched;
  }

  /** Events of a TCP connection. True if the flow came into the class of reset or closed ones. */
  private connection(batch: Batch, i: number, row: number, state: number): boolean {
    const { words, stride } = this.table;
    const k = row * stride;
    const flags = batch.tcpFlags[i];
    let next = followTcp(words, k, state, batch, i, batch.direction[i]);
    if ((flags & TcpFlag.syn) !== 0 && this.bidirectional) next = this.decideDirection(next, flags, batch.direction[i]);
    words[k + Cell.state] = next;
    const cls = (state >>> CLASS_SHIFT) & 15;
    const target = (next & State.reset) !== 0 ? Class.rst : (next & CLOSED) === CLOSED ? Class.fin : cls;
    if (target === cls) return false;
    this.setClass(row, k, target);
    return true;
  }

  private sameKey(k: number, batch: Batch, i: number): boolean {
    const { words } = this.table;
    if (words[k] !== batch.a0[i] || words[k + Cell.b0] !== batch.b0[i]) return false;
    if (words[k + Cell.ports] !== batch.ports[i] || words[k + Cell.meta] !== batch.meta[i]) return false;
    if ((batch.marks[i] & Mark.ipv6) !== 0) {
      if (words[k + Cell.a1] !== batch.a1[i] || words[k + Cell.a2] !== batch.a2[i] || words[k + Cell.a3] !== batch.a3[i]) return false;
      if (words[k + Cell.b1] !== batch.b1[i] || words[k + Cell.b2] !== batch.b2[i] || words[k + Cell.b3] !== batch.b3[i]) return false;
    }
    for (let w = 0; w < this.keyWords; w++) {
      if (words[k + CELL_WORDS + w] !== batch.keyExtra[i * this.keyWords + w]) return false;
    }
    return true;
  }

  /** A new flow for packet i; 0 if the table is full and new flows are refused. */
  private create(batch: Batch, i: number): number {
    const { table, counters } = this;
    if (table.live >= table.maxFlows && !this.evict()) {
      batch.verdict[i] = Refusal.tableFull;
      this.decoder.verdicts[Refusal.tableFull]++;
      this.decoder.verdicts[0]--;
      return 0;
    }
    const row = table.take();
    const { words, stride } = table;
    const k = row * stride;
    words.fill(0, k, k + stride);
    words[k] = batch.a0[i];
    words[k + Cell.b0] = batch.b0[i];
    if ((batch.marks[i] & Mark.ipv6) !== 0) {
      words[k + Cell.a1] = batch.a1[i];
      words[k + Cell.a2] = batch.a2[i];
      words[k + Cell.a3] = batch.a3[i];
      words[k + Cell.b1] = batch.b1[i];
      words[k + Cell.b2] = batch.b2[i];
      words[k + Cell.b3] = batch.b3[i];
    }
    for (let w = 0; w < this.keyWords; w++) words[k + CELL_WORDS + w] = batch.keyExtra[i * this.keyWords + w];
    const hash = batch.hash[i];
    words[k + Cell.ports] = batch.ports[i];
    words[k + Cell.meta] = batch.meta[i];
    words[k + Cell.hash] = hash;
    words[k + Cell.iface] = batch.iface[i];
    const handshake = batch.tcpFlags[i] & (TcpFlag.syn | TcpFlag.ack);
    const cls = handshake === TcpFlag.syn ? Class.syn : Class.single;
    let state = State.live | (cls << CLASS_SHIFT);
    // Who speaks first is the initiator, unless that is the answer to a SYN that was not seen.
    const answer = this.bidirectional && handshake === (TcpFlag.syn | TcpFlag.ack) ? 1 : 0;
    if ((batch.direction[i] ^ answer) === 1) state |= State.initiatorB;
    if ((batch.marks[i] & Mark.icmpReply) !== 0) state |= State.icmpReply;
    words[k + Cell.state] = state;
    this.begin(batch, i, row);
    table.insert(hash, row);
    if (table.live > counters.peak) counters.peak = table.live;
    return row;
  }

  /** Sets the times of a flow that packet i begins, puts it on the wheel and tells the hooks. */
  private begin(batch: Batch, i: number, row: number): void {
    const { words, stride } = this.table;
    const k = row * stride;
    words[k + Cell.startSeconds] = batch.seconds[i];
    words[k + Cell.startNanos] = batch.nanos[i];
    words[k + Cell.lastSeconds] = batch.seconds[i];
    words[k + Cell.lastNanos] = batch.nanos[i];
    const width = this.side.stride;
    if (width > 0) this.side.words.fill(0, row * width, row * width + width);
    this.wheel.add(row);
    this.counters.opened++;
    this.createdAt[this.createdCount++] = i;
  }

  /**
   * A packet that may find its flow over. Returns the row it belongs to: the same, the one in which the flow goes on after
   * the active timeout, or 0 if the flow was closed and a new one begins.
   */
  private renew(batch: Batch, i: number, row: number): number {
    const { words, unsigned, stride } = this.table;
    const k = row * stride;
    const state = words[k + Cell.state];
    const idle = this.options.idleNanos[(state >>> CLASS_SHIFT) & 15];
    const gap =
      (batch.seconds[i] - unsigned[k + Cell.lastSeconds]) * 1e9 + (batch.nanos[i] - words[k + Cell.lastNanos]);
    if ((batch.tcpFlags[i] & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn && beginsAnew(state, gap)) {
      this.close(row, EndReason.end);
      return 0;
    }
    const reason = gap < -idle ? EndReason.forced : this.reasonAt(row, batch.seconds[i], batch.nanos[i]);
    if (reason === 0) {
      if ((state & State.dormant) === 0) return row;
      this.wheel.remove(row);
      words[k + Cell.state] = state & ~State.dormant;
      this.begin(batch, i, row);
      return row;
    }
    if (reason === EndReason.active) {
      const next = this.split(row);
      this.wheel.remove(next);
      words[next * stride + Cell.state] &= ~State.dormant;
      this.begin(batch, i, next);
      return next;
    }
    this.close(row, reason);
    return 0;
  }

  /** Ends a flow by the active timeout; it goes on in a new row, which is returned: same key, direction and state. */
  private split(row: number): number {
    const { table } = this;
    const { words, stride } = table;
    const next = table.take();
    const k = row * stride;
    const n = next * stride;
    words.copyWithin(n, k, k + stride);
    words[n + Cell.tcpFlags] = 0;
    words[n + Cell.icmpErrors] = 0;
    words.fill(0, n + Cell.packetsA, n + Cell.packetsA + 4);
    words.fill(0, n + Cell.packetsHighA, n + Cell.packetsHighA + 4);
    words[n + Cell.state] |= State.dormant;
    words[n + Cell.startSeconds] = words[k + Cell.lastSeconds];
    words[n + Cell.startNanos] = words[k + Cell.lastNanos];
    table.replace(words[k + Cell.hash], row, next);
    this.wheel.remove(row);
    this.wheel.add(next);
    this.end(row, EndReason.active);
    return next;
  }

  /** The end reason of a row whose deadline has passed at this time; 0 if it has not. The earlier deadline decides. */
  private reasonAt(row: number, seconds: number, nanos: number): number {
    const { words, unsigned, stride } = this.table;
    const k = row * stride;
    const { idleNanos, activeNanos } = this.options;
    const cls = (words[k + Cell.state] >>> CLASS_SHIFT) & 15;
    const sinceLast = (seconds - unsigned[k + Cell.lastSeconds]) * 1e9 + (nanos - words[k + Cell.lastNanos]);
    const sinceStart = (seconds - unsigned[k + Cell.startSeconds]) * 1e9 + (nanos - words[k + Cell.startNanos]);
    const pastIdle = sinceLast - idleNanos[cls];
    const pastActive = (words[k + Cell.state] & State.dormant) !== 0 ? -1 : sinceStart - activeNanos;
    if (pastIdle <= 0 && pastActive <= 0) return 0;
    if (pastActive > pastIdle) return EndReason.active;
    return cls === Class.fin || cls === Class.rst ? EndReason.end : EndReason.idle;
  }

  /** The wheel found that one of the row's deadlines has passed. */
  private due(row: number): void {
    const { words, unsigned, stride } = this.table;
    const { idleNanos, activeNanos } = this.options;
    const k = row * stride;
    const state = words[k + Cell.state];
    const cls = (state >>> CLASS_SHIFT) & 15;
    const lasted =
      (unsigned[k + Cell.lastSeconds] - unsigned[k + Cell.startSeconds]) * 1e9 +
      (words[k + Cell.lastNanos] - words[k + Cell.startNanos]);
    if ((state & State.dormant) === 0 && activeNanos < lasted + idleNanos[cls]) this.split(row);
    else this.close(row, cls === Class.fin || cls === Class.rst ? EndReason.end : EndReason.idle);
  }

  private close(row: number, reason: number): void {
    const { words, stride } = this.table;
    this.table.remove(words[row * stride + Cell.hash], row);
    this.wheel.remove(row);
    this.end(row, reason);
  }

  private end(row: number, reason: number): void {
    const { words, stride } = this.table;
    const k = row * stride;
    words[k + Cell.state] = (words[k + Cell.state] & ~(REASON_MASK | State.live)) | (reason << REASON_SHIFT);
    if ((words[k + Cell.state] & State.dormant) === 0) this.counters.ended[reason]++;
    this.closing[this.closingCount++] = row;
  }

  private evict(): boolean {
    const { whenFull } = this.options;
    if (whenFull === 'refuse') return false;
    const row = this.wheel.oldest(whenFull === 'early' ? EARLY_ORDER : undefined);
    if (row === 0) return false;
    this.close(row, EndReason.resources);
    return true;
  }

  /** Between segments: makes sure that another row can be closed. */
  private makeRoom(): boolean {
    if (this.closingCount < CLOSING) return true;
    this.flushClosing();
    return this.records.hasRoom;
  }

  private flushClosing(): void {
    const { closing, table, side, records } = this;
    const { words, stride } = table;
    let count = 0;
    for (let c = 0; c < this.closingCount; c++) {
      const row = closing[c];
      // A dormant row has no packets: nothing to report.
      if ((words[row * stride + Cell.state] & State.dormant) !== 0) table.give(row);
      else closing[count++] = row;
    }
    this.closingCount = 0;
    if (count === 0) return;
    for (const hook of this.hooks) hook.expired?.(closing, count);
    for (let c = 0; c < count; c++) {
      const row = closing[c];
      const k = row * stride;
      const quoted = (words[k + Cell.state] & State.quotes) === 0 ? undefined : this.quotes.take(row);
      records.put(words, k, this.keyWords, side.words, row * side.stride, side.stride, quoted);
      table.give(row);
    }
  }

  /** A packet whose time is before that of the flow's last one. */
  private earlier(k: number, second: number, nano: number): void {
    const { words, unsigned } = this.table;
    const start = unsigned[k + Cell.startSeconds];
    if (second < start || (second === start && nano < words[k + Cell.startNanos])) {
      unsigned[k + Cell.startSeconds] = second;
      words[k + Cell.startNanos] = nano;
    }
  }

  /** Moves a flow into another timeout class; at once if that ends sooner, else when its slot comes up. */
  private setClass(row: number, k: number, cls: number): void {
    const { words } = this.table;
    const { idleNanos } = this.options;
    const before = (words[k + Cell.state] >>> CLASS_SHIFT) & 15;
    if (idleNanos[cls] >= idleNanos[before]) {
      words[k + Cell.state] = (words[k + Cell.state] & ~CLASS_MASK) | (cls << CLASS_SHIFT);
      return;
    }
    this.wheel.remove(row);
    words[k + Cell.state] = (words[k + Cell.state] & ~CLASS_MASK) | (cls << CLASS_SHIFT);
    this.wheel.add(row);
  }

  /** A flow of one packet or of unanswered SYNs becomes an ordinary one when more comes. */
  private promote(row: number, k: number, cls: number): void {
    const { words } = this.table;
    const single = words[k + Cell.packetsA] + words[k + Cell.packetsB] === 1;
    if (single) return;
    if (cls === Class.syn) {
      const seen = words[k + Cell.tcpFlags];
      const oneWay = (seen & 0xffff) === 0 || seen >>> 16 === 0;
      if (oneWay && ((seen | (seen >>> 16)) & TcpFlag.ack) === 0) return;
    }
    this.setClass(row, k, CLASS_OF_PROTOCOL[words[k + Cell.meta] & 0xff]);
  }

  /** The initiator is who sent a SYN, and not who answered it; a wrong guess is corrected once. */
  private decideDirection(state: number, flags: number, sent: number): number {
    if ((state & State.synSeen) !== 0) return state;
    const answer = (flags & TcpFlag.ack) !== 0;
    const initiator = (answer ? 1 - sent : sent) === 1 ? State.initiatorB : 0;
    if ((state & State.initiatorB) !== initiator) this.decoder.notices[Notice.directionCorrected]++;
    return (state & ~State.initiatorB) | initiator | State.synSeen;
  }

  /** An ICMP error: counts it on the flow that it quotes, and notes in its own flow (`row`, 0: in another shard) which. */
  private relate(batch: Batch, i: number, row: number): void {
    const { quotes } = this;
    if (!quotes.read(batch, i)) return;
    const { words, stride } = this.table;
    const target = this.find(quotes.batch, 0);
    if (target !== 0) {
      words[target * stride + Cell.icmpErrors]++;
      this.decoder.notices[Notice.icmpRelated]++;
    }
    if (row !== 0 && (words[row * stride + Cell.state] & State.quotes) === 0 && quotes.keep(row)) {
      words[row * stride + Cell.state] |= State.quotes;
    }
  }
}

/** A SYN that begins a new connection on an old 5-tuple. */
function beginsAnew(state: number, gap: number): boolean {
  if ((state & (State.reset | State.finA | State.finB)) !== 0) return true;
  return (state & State.synSeen) !== 0 && gap > NEW_CONNECTION_GAP_NANOS;
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
