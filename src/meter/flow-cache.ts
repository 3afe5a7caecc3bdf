import type { WhenFull } from '../model/options.js';
import { CLASS_MASK, CLASS_SHIFT, EndReason, LAYERS_MASK, REASON_SHIFT, State } from '../model/row.js';
import { AggregateMark, type Aggregates } from '../packet/aggregates.js';
import { BATCH_SIZE, type Batch, Mark } from '../packet/batch.js';
import type { Decoder } from '../packet/decoder.js';
import { Notice, Refusal } from '../packet/refusal.js';
import { putLayers } from './layers.js';
import { COLD_WORDS, Cold, HOT_WORDS, Hot } from './layout.js';
import { PlainLimits, type PlainRoad, plainRoad } from './plain.js';
import { Quotes } from './quotes.js';
import { FlowTable } from './table.js';
import { CLOSED, EVENT_FLAGS, followTcp, TcpFlag } from './tcp.js';
import { nanosBetween } from './time.js';
import { CLASS_OF_PROTOCOL, Class, NEW_CONNECTION_GAP_NANOS } from './timeouts.js';
import { Wheel } from './wheel.js';

/** Order in which `early` gives up flows: those least likely to say anything more come first. */
const EARLY_ORDER: readonly number[] = [
  Class.syn,
  Class.single,
  Class.rst,
  Class.fin,
  Class.icmp,
  Class.udp,
  Class.other,
  Class.tcp,
];
const REASON_MASK = 15 << REASON_SHIFT;
const BOTH_FINS = State.finA | State.finB;
const WORD = 2 ** 32;
const SYN_ACK = TcpFlag.syn | TcpFlag.ack;

export interface FlowCacheOptions {
  maxFlows: number;
  whenFull: WhenFull;
  keyWords: number;
  bidirectional: boolean;
  /** Idle timeouts in ns by class number, active timeout in ns (Infinity = never). */
  idleNanos: Float64Array;
  activeNanos: number;
  /** Rows that may wait in `closing` beyond those of one segment. */
  closingRoom: number;
  /** The index has its final size from the start. */
  presized: boolean;
}

/**
 * The flow cache: which flow a packet belongs to, when a flow begins, goes on, changes its class and ends. Rows of flows
 * that ended stand in `closing` until the meter has told the hooks and copied them out.
 */
export class FlowCache {
  readonly table: FlowTable;
  readonly wheel: Wheel;
  readonly quotes: Quotes;
  /** Packets accounted, and their octets. */
  readonly totals: Float64Array = new Float64Array(2);
  opened = 0;
  peak = 0;
  /** Rows in which flows go on after the active timeout, without a packet yet: not counted as opened. */
  dormantCount = 0;
  /** By `EndReason`. */
  readonly ended: Float64Array = new Float64Array(8);
  /** Packets of the present segment that began flows. */
  readonly created: Int32Array;
  createdCount = 0;
  readonly closing: Int32Array;
  /** Rows cut by the active timeout and not yet told, and the rows in which their flows go on. */
  readonly cutFrom: Int32Array;
  readonly cutTo: Int32Array;
  cutCount = 0;
  closingCount = 0;

  private readonly options: FlowCacheOptions;
  private readonly idleNanos: Float64Array;
  private activeNanos: number;
  private readonly decoder: Decoder;
  private readonly limits = new PlainLimits();
  private readonly plain: PlainRoad;
  private readonly candidates = new Int32Array(BATCH_SIZE);
  /** Keeps the loads that only bring memory nearer from being optimised away. */
  touched = 0;
  /** The meter's clock. */
  private nowSeconds = 0;
  private nowNanos = 0;

  constructor(decoder: Decoder, options: FlowCacheOptions) {
    this.decoder = decoder;
    this.options = options;
    this.table = new FlowTable(options.maxFlows, options.keyWords, options.presized);
    this.idleNanos = options.idleNanos.slice();
    this.activeNanos = options.activeNanos;
    this.wheel = new Wheel(this.table, options.idleNanos.slice(), options.activeNanos);
    this.quotes = new Quotes(decoder, options.keyWords);
    this.limits.set(this.idleNanos, this.activeNanos);
    this.plain = plainRoad(decoder.batch, this.table, this.candidates, this.limits, this.totals);
    this.created = new Int32Array(BATCH_SIZE);
    // A packet may end two flows: its own old one, and one that makes room.
    this.closing = new Int32Array(options.closingRoom + BATCH_SIZE * 2);
    this.cutFrom = new Int32Array(this.closing.length);
    this.cutTo = new Int32Array(this.closing.length);
  }

  /** Other timeouts from now on; rows must be put anew into the wheel where they shall end sooner. */
  setTimeouts(idleNanos: Float64Array, activeNanos: number): void {
    this.idleNanos.set(idleNanos);
    this.activeNanos = activeNanos;
    this.limits.set(idleNanos, activeNanos);
    this.wheel.setTimeouts(idleNanos, activeNanos);
  }

  setClock(seconds: number, nanos: number): void {
    this.nowSeconds = seconds;
    this.nowNanos = nanos;
  }

  /** Accounts packets [from, to) to their flows and sets `batch.flow`. */
  update(batch: Batch, from: number, to: number): void {
    this.createdCount = 0;
    const { candidates, plain } = this;
    if (batch !== this.decoder.batch) {
      // Packets that had to wait.
      for (let i = from; i < to; i++) this.account(batch, i, 0);
      return;
    }
    this.touched = plain.touch(from, to);
    if (batch.aggregates !== undefined) {
      this.updateAggregates(batch, batch.aggregates, from, to);
      return;
    }
    for (let i = from; i < to; i++) {
      i = plain.run(i, to, from);
      if (i < to) this.account(batch, i, candidates[i - from]);
    }
  }

  /** One packet, whatever is about it. */
  private account(batch: Batch, i: number, candidate: number): void {
    const { table } = this;
    const { hot, cold, coldStride } = table;
    if (batch.verdict[i] !== 0) {
      batch.flow[i] = -1;
      // Another shard's ICMP error may quote a flow of ours; nothing else of what was refused concerns the table.
      if (batch.verdict[i] === Refusal.otherShard && (batch.marks[i] & Mark.icmpError) !== 0) this.relate(batch, i, 0);
      return;
    }
    let row = candidate !== 0 && table.hasKey(candidate, batch, i) ? candidate : table.find(batch, i);
    if (row !== 0) row = this.renew(batch, i, row);
    if (row === 0) row = this.create(batch, i);
    if (row === 0) {
      batch.flow[i] = -1;
      return;
    }
    batch.flow[i] = row;
    const k = row * HOT_WORDS;
    const sent = batch.direction[i];
    const c = k + Hot.packetsA + (sent << 1);
    const high = row * coldStride + Cold.packetsHighA + (sent << 1);
    const length = batch.octets[i];
    const before = hot[c + 1];
    hot[c] = (hot[c] + 1) | 0;
    if (hot[c] === 0) cold[high]++;
    hot[c + 1] = (before + length) | 0;
    if (before < 0 && hot[c + 1] >= 0) cold[high + 1]++;
    this.totals[0]++;
    this.totals[1] += length;
    this.stretch(k, batch.seconds[i], batch.nanos[i]);

    const mark = batch.marks[i];
    if ((mark & (Mark.fragmentFirst | Mark.fragmentLater)) !== 0) hot[k + Hot.state] |= State.fragmented;
    if ((mark & Mark.icmpError) !== 0) this.relate(batch, i, row);
    const flags = batch.tcpFlags[i];
    if (flags !== 0) {
      hot[k + Hot.tcpFlags] |= flags << (sent << 4);
      const closing = (hot[k + Hot.state] & (State.finA | State.finB)) !== 0;
      if (((flags & EVENT_FLAGS) !== 0 || closing) && this.connection(batch, i, row)) return;
    }
    this.promote(row);
  }

  /** Packets that stand for several: the first one as any other, then what followed it. */
  private updateAggregates(batch: Batch, rest: Aggregates, from: number, to: number): void {
    const { verdicts } = this.decoder;
    for (let i = from; i < to; i++) {
      this.account(batch, i, this.candidates[i - from]);
      if (batch.flow[i] > 0) this.addRest(batch, rest, i, batch.flow[i]);
      else if (batch.verdict[i] === Refusal.tableFull) {
        verdicts[Refusal.tableFull] += rest.packets[i];
        verdicts[0] -= rest.packets[i];
      }
    }
  }

  /** What followed packet i, which has just been accounted to this row. */
  private addRest(batch: Batch, rest: Aggregates, i: number, row: number): void {
    const { hot, hotUnsigned, cold, coldStride } = this.table;
    const k = row * HOT_WORDS;
    const sent = batch.direction[i];
    const c = k + Hot.packetsA + (sent << 1);
    const high = row * coldStride + Cold.packetsHighA + (sent << 1);
    const packets = hotUnsigned[c] + rest.packets[i];
    const octets = hotUnsigned[c + 1] + rest.octets[i];
    hotUnsigned[c] = packets % WORD;
    hotUnsigned[c + 1] = octets % WORD;
    cold[high] += Math.floor(packets / WORD);
    cold[high + 1] += Math.floor(octets / WORD);
    this.totals[0] += rest.packets[i];
    this.totals[1] += rest.octets[i];
    this.stretch(k, rest.lastSeconds[i], rest.lastNanos[i]);
    if ((rest.marks[i] & AggregateMark.fragments) !== 0) hot[k + Hot.state] |= State.fragmented;
    const flags = (batch.marks[i] & Mark.tcp) === 0 ? 0 : rest.tcpFlags[i];
    if (flags !== 0) {
      hot[k + Hot.tcpFlags] |= flags << (sent << 4);
      let state = hot[k + Hot.state];
      if ((flags & TcpFlag.rst) !== 0) state |= State.reset;
      if ((flags & TcpFlag.fin) !== 0) state |= sent === 0 ? State.finA : State.finB;
      // The numbers that acknowledge are not known: a connection is over when both sides have said so.
      if ((state & BOTH_FINS) === BOTH_FINS) state |= CLOSED;
      hot[k + Hot.state] = state;
      if ((state & State.reset) !== 0 || (state & CLOSED) === CLOSED) {
        this.setClass(row, (state & State.reset) !== 0 ? Class.rst : Class.fin);
        return;
      }
    }
    this.promote(row);
  }

  /** Takes the time of a packet into the span of its flow. */
  private stretch(k: number, second: number, nano: number): void {
    const { hot, hotUnsigned } = this.table;
    const gap = (second - hot[k + Hot.lastSeconds]) | 0;
    if (gap > 0 || (gap === 0 && nano >= hot[k + Hot.lastNanos])) {
      hotUnsigned[k + Hot.lastSeconds] = second;
      hot[k + Hot.lastNanos] = nano;
      return;
    }
    const sinceStart = (second - hot[k + Hot.startSeconds]) | 0;
    if (sinceStart < 0 || (sinceStart === 0 && nano < hot[k + Hot.startNanos])) {
      hotUnsigned[k + Hot.startSeconds] = second;
      hot[k + Hot.startNanos] = nano;
    }
  }

  /** A new flow for packet i; 0 if the table is full and new flows are refused. */
  private create(batch: Batch, i: number): number {
    const { table } = this;
    if (table.live >= table.maxFlows && !this.evict()) {
      batch.verdict[i] = Refusal.tableFull;
      this.decoder.verdicts[Refusal.tableFull]++;
      this.decoder.verdicts[0]--;
      return 0;
    }
    const row = table.take();
    table.begin(row, batch, i);
    const { hot } = table;
    const k = row * HOT_WORDS;
    const handshake = batch.tcpFlags[i] & SYN_ACK;
    let state = State.live | ((handshake === TcpFlag.syn ? Class.syn : Class.single) << CLASS_SHIFT);
    // Who speaks first is the initiator, unless that is the answer to a SYN that was not seen.
    const answer = this.options.bidirectional && handshake === SYN_ACK ? 1 : 0;
    if ((batch.direction[i] ^ answer) === 1) state |= State.initiatorB;
    if ((batch.marks[i] & Mark.icmpReply) !== 0) state |= State.icmpReply;
    hot[k + Hot.state] = state;
    hot[k + Hot.iface] = batch.iface[i];
    this.open(batch, i, row);
    table.insert(batch.hash[i], row);
    if (table.live > this.peak) this.peak = table.live;
    return row;
  }

  /** Packet i is the first of the flow in this row. */
  private open(batch: Batch, i: number, row: number): void {
    const { hot, hotUnsigned, cold, coldStride } = this.table;
    const k = row * HOT_WORDS;
    if ((batch.vlanDepth[i] | (batch.marks[i] & Mark.tunnelled)) !== 0) {
      hot[k + Hot.state] |= putLayers(cold, row * coldStride + Cold.layers, batch, i);
    }
    hotUnsigned[k + Hot.startSeconds] = batch.seconds[i];
    hot[k + Hot.startNanos] = batch.nanos[i];
    hotUnsigned[k + Hot.lastSeconds] = batch.seconds[i];
    hot[k + Hot.lastNanos] = batch.nanos[i];
    this.wheel.add(row);
    this.opened++;
    this.created[this.createdCount++] = i;
  }

  /**
   * A packet that may find its flow over. Returns the row it belongs to: the same, the one in which the flow goes on after
   * the active timeout, or 0 if the flow was closed and a new one begins.
   */
  private renew(batch: Batch, i: number, row: number): number {
    const { hot, hotUnsigned } = this.table;
    const k = row * HOT_WORDS;
    const state = hot[k + Hot.state];
    const second = batch.seconds[i];
    const nano = batch.nanos[i];
    const gap = nanosBetween(hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos], second, nano);
    if ((batch.tcpFlags[i] & SYN_ACK) === TcpFlag.syn && beginsAnew(state, gap)) {
      this.close(row, EndReason.end);
      return 0;
    }
    const idle = this.idleNanos[(state >>> CLASS_SHIFT) & 15];
    const { nowSeconds, nowNanos } = this;
    const sinceLast = nanosBetween(hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos], nowSeconds, nowNanos);
    // Not a late packet, but a clock that was set back: the flow is of another time.
    const reason = sinceLast < -idle ? EndReason.forced : this.reasonAt(row, second, nano);
    if (reason === 0 && (state & State.dormant) === 0) return row;
    if (reason !== 0 && reason !== EndReason.active) {
      this.close(row, reason);
      return 0;
    }
    const next = reason === 0 ? row : this.split(row);
    this.wheel.remove(next);
    hot[next * HOT_WORDS + Hot.state] &= ~State.dormant;
    this.dormantCount--;
    this.open(batch, i, next);
    return next;
  }

  /**
   * Ends a flow by the active timeout; it goes on in a new row, which is returned: same key, direction and state, no
   * packets yet.
   */
  split(row: number): number {
    const { table } = this;
    const { hot, cold, coldStride } = table;
    const next = table.take();
    const k = row * HOT_WORDS;
    const n = next * HOT_WORDS;
    hot.copyWithin(n, k, k + HOT_WORDS);
    hot.fill(0, n + Hot.packetsA, n + Hot.packetsA + 4);
    hot[n + Hot.tcpFlags] = 0;
    hot[n + Hot.startSeconds] = hot[n + Hot.lastSeconds];
    hot[n + Hot.startNanos] = hot[n + Hot.lastNanos];
    hot[n + Hot.state] = (hot[n + Hot.state] & ~(State.quotes | State.fragmented | LAYERS_MASK)) | State.dormant;
    this.dormantCount++;
    const c = next * coldStride;
    cold.copyWithin(c, row * coldStride, row * coldStride + COLD_WORDS + table.keyWords);
    cold.fill(0, c + Cold.packetsHighA, c + Cold.packetsHighA + 4);
    cold.fill(0, c + Cold.icmpErrors, c + Cold.layers + 3);
    table.replace(hot[k + Hot.hash], row, next);
    this.wheel.remove(row);
    this.wheel.add(next);
    this.end(row, EndReason.active);
    this.cutFrom[this.cutCount] = row;
    this.cutTo[this.cutCount++] = next;
    return next;
  }

  /** The end reason of a row whose deadline has passed at this time; 0 if none has. The earlier deadline decides. */
  reasonAt(row: number, seconds: number, nanos: number): number {
    const { hot, hotUnsigned } = this.table;
    const { idleNanos, activeNanos } = this;
    const k = row * HOT_WORDS;
    const state = hot[k + Hot.state];
    const cls = (state >>> CLASS_SHIFT) & 15;
    const sinceLast = nanosBetween(hotUnsigned[k + Hot.lastSeconds], hot[k + Hot.lastNanos], seconds, nanos);
    const sinceStart = nanosBetween(hotUnsigned[k + Hot.startSeconds], hot[k + Hot.startNanos], seconds, nanos);
    const pastIdle = sinceLast - idleNanos[cls];
    const pastActive = (state & State.dormant) !== 0 ? -1 : sinceStart - activeNanos;
    if (pastIdle <= 0 && pastActive <= 0) return 0;
    return pastActive > pastIdle ? EndReason.active : quietReason(cls);
  }

  /** Why a row ends when the input does. */
  lastReason(row: number, seconds: number, nanos: number): number {
    const reason = this.reasonAt(row, seconds, nanos);
    if (reason !== 0) return reason;
    const cls = (this.table.hot[row * HOT_WORDS + Hot.state] >>> CLASS_SHIFT) & 15;
    return cls === Class.fin || cls === Class.rst ? EndReason.end : EndReason.forced;
  }

  /** The wheel found that one of the row's deadlines has passed. */
  due(row: number): void {
    const { hot, hotUnsigned } = this.table;
    const { idleNanos, activeNanos } = this;
    const k = row * HOT_WORDS;
    const state = hot[k + Hot.state];
    const cls = (state >>> CLASS_SHIFT) & 15;
    const lasted = nanosBetween(
      hotUnsigned[k + Hot.startSeconds],
      hot[k + Hot.startNanos],
      hotUnsigned[k + Hot.lastSeconds],
      hot[k + Hot.lastNanos],
    );
    if ((state & State.dormant) === 0 && activeNanos < lasted + idleNanos[cls]) this.split(row);
    else this.close(row, quietReason(cls));
  }

  close(row: number, reason: number): void {
    this.table.remove(this.table.hot[row * HOT_WORDS + Hot.hash], row);
    this.wheel.remove(row);
    this.end(row, reason);
  }

  private end(row: number, reason: number): void {
    const { hot } = this.table;
    const at = row * HOT_WORDS + Hot.state;
    const state = hot[at];
    hot[at] = (state & ~(REASON_MASK | State.live)) | (reason << REASON_SHIFT);
    // A dormant row has no packets and was not opened.
    if ((state & State.dormant) === 0) this.ended[reason]++;
    else this.dormantCount--;
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

  /** Events of a TCP connection. True if the flow is in the class of reset or closed ones now. */
  private connection(batch: Batch, i: number, row: number): boolean {
    const { hot, cold, coldStride } = this.table;
    const at = row * HOT_WORDS + Hot.state;
    const sent = batch.direction[i];
    const flags = batch.tcpFlags[i];
    let state = followTcp(cold, row * coldStride, hot[at], batch, i, sent);
    if ((flags & TcpFlag.syn) !== 0 && this.options.bidirectional) state = this.decideDirection(state, flags, sent);
    hot[at] = state;
    if ((state & State.reset) !== 0) this.setClass(row, Class.rst);
    else if ((state & CLOSED) === CLOSED) this.setClass(row, Class.fin);
    else return false;
    return true;
  }

  /** The initiator is who sent a SYN, and not who answered it; a wrong guess is corrected once. */
  private decideDirection(state: number, flags: number, sent: number): number {
    if ((state & State.synSeen) !== 0) return state;
    const answer = (flags & TcpFlag.ack) !== 0;
    const initiator = (answer ? 1 - sent : sent) === 1 ? State.initiatorB : 0;
    if ((state & State.initiatorB) !== initiator) this.decoder.notices[Notice.directionCorrected]++;
    return (state & ~State.initiatorB) | initiator | State.synSeen;
  }

  /** A flow of one packet or of unanswered SYNs becomes an ordinary one when more comes. */
  private promote(row: number): void {
    const { hot } = this.table;
    const k = row * HOT_WORDS;
    const cls = (hot[k + Hot.state] >>> CLASS_SHIFT) & 15;
    if (cls !== Class.single && cls !== Class.syn) return;
    if (hot[k + Hot.packetsA] + hot[k + Hot.packetsB] === 1) return;
    if (cls === Class.syn) {
      const seen = hot[k + Hot.tcpFlags];
      const oneWay = (seen & 0xffff) === 0 || seen >>> 16 === 0;
      if (oneWay && ((seen | (seen >>> 16)) & TcpFlag.ack) === 0) return;
    }
    this.setClass(row, CLASS_OF_PROTOCOL[hot[k + Hot.meta] & 0xff]);
  }

  /** Moves a flow into another timeout class; at once if that ends sooner, else when its slot comes up. */
  private setClass(row: number, cls: number): void {
    const { idleNanos } = this;
    const { hot } = this.table;
    const at = row * HOT_WORDS + Hot.state;
    const before = (hot[at] >>> CLASS_SHIFT) & 15;
    if (before === cls) return;
    const sooner = idleNanos[cls] < idleNanos[before];
    if (sooner) this.wheel.remove(row);
    hot[at] = (hot[at] & ~CLASS_MASK) | (cls << CLASS_SHIFT);
    if (sooner) this.wheel.add(row);
  }

  /** An ICMP error: counts it on the flow that it quotes, and notes in its own flow (`row`, 0: in another shard) which. */
  private relate(batch: Batch, i: number, row: number): void {
    const { quotes, table } = this;
    if (!quotes.read(batch, i)) return;
    const target = table.find(quotes.batch, 0);
    if (target !== 0) {
      table.cold[target * table.coldStride + Cold.icmpErrors]++;
      this.decoder.notices[Notice.icmpRelated]++;
    }
    const at = row * HOT_WORDS + Hot.state;
    if (row === 0 || (table.hot[at] & State.quotes) !== 0) return;
    if (quotes.keep(row)) table.hot[at] |= State.quotes;
    else this.decoder.notices[Notice.quoteDropped]++;
  }
}

/** A SYN that begins a new connection on an old 5-tuple. */
function beginsAnew(state: number, gap: number): boolean {
  if ((state & (State.reset | State.finA | State.finB)) !== 0) return true;
  return (state & State.synSeen) !== 0 && gap > NEW_CONNECTION_GAP_NANOS;
}

/** Why a flow of this class ends when nothing more comes. */
function quietReason(cls: number): number {
  return cls === Class.fin || cls === Class.rst ? EndReason.end : EndReason.idle;
}
