import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { type Batch, Mark } from '../../packet/batch.js';
import { nanosBetween } from '../time.js';
import {
  countShort,
  directed,
  FEATURES_HOOK,
  type FeatureGroup,
  type FeatureLayout,
  FeaturePass,
  type FieldText,
  type PassUpdate,
  sideBase,
  single,
  toMicros,
} from './group.js';
import { beginSequence, HOLE_WORDS, judgeSegment, Segment } from './sequence.js';
import { optionNames, parseOptions, TIMESTAMP_ONLY, TIMESTAMP_ONLY_BITS } from './tcp-options.js';

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
/** Bytes of a TCP header without options. */
const HEADER_BYTES = 20;

/** Bits of the state word; the window scale stands in bits 8–15. */
const State = {
  /** A TCP header was seen. */
  seen: 1,
  /** `next` holds a sequence number. */
  sequence: 2,
  /** The other side sent its SYN/ACK: the next ACK completes the handshake. */
  awaitsAck: 4,
  mss: 8,
  scale: 16,
  /** `first` and `window` hold a window. */
  window: 32,
} as const;
const SCALE_SHIFT = 8;

/** Bits above the nanoseconds of the handshake's time: a SYN was seen, and who sent it. */
const SYN_SEEN = 1 << 30;
const SYN_FROM_B = 1 << 31;
const NANOS_MASK = SYN_SEEN - 1;

interface TcpColumns {
  /** Hot words; -1: not wanted. */
  state: number;
  next: number;
  /** (65535 − lowest window) << 16 | highest window. */
  window: number;
  options: number;
  /** Window of the first packet << 16 | MSS. */
  first: number;
  /** Cold words: packets with FIN << 16 | with SYN; with window 0 << 16 | with RST; up to 65535 each. */
  syns: number;
  rsts: number;
  retransmissions: number;
  outOfOrder: number;
  holes: number;
  /** Of both: time of the SYN, then of the SYN/ACK (2 words); the two round trips (`packNanos`). */
  time: number;
  roundTrips: number;
}

const MICROS_FLAG = 0x8000_0000;

/** A time span in an unsigned word: 0 = unknown; below 2 s in ns (+ 1), else in µs, up to 35 minutes. */
function packNanos(nanos: number): number {
  return nanos + 1 < MICROS_FLAG ? nanos + 1 : MICROS_FLAG + Math.min(MICROS_FLAG - 1, Math.floor(nanos / 1000));
}

function unpackNanos(word: number): number {
  return word < MICROS_FLAG ? word - 1 : (word - MICROS_FLAG) * 1000;
}

/** What TCP headers say. Packets whose TCP header was not captured, and later fragments, are passed over. */
class TcpPass extends FeaturePass {
  readonly #at: TcpColumns;
  readonly #zeroWindows: boolean;
  readonly #control: boolean;

  constructor(at: TcpColumns, control: boolean, zeroWindows: boolean) {
    super();
    this.#at = at;
    this.#control = control;
    this.#zeroWindows = zeroWindows;
  }

  protected updater(batch: Batch): PassUpdate {
    const { words } = this.side;
    const { cold } = this;
    const { marks, transport, tcpFlags, payloadLength, offset, captured } = batch;
    const { state: stateAt, window, first, options, next, holes, rsts } = this.#at;
    const hasWindow = window >= 0;
    const hasZeroWindows = this.#zeroWindows;
    const readsWindow = hasWindow || hasZeroWindows;
    const hasOptions = options >= 0;
    const hasSequence = next >= 0;
    return (from, to, bases) => {
      const { view } = batch;
      for (let i = from; i < to; i++) {
        const base = bases[i];
        if (base < 0 || (marks[i] & Mark.tcp) === 0) continue;
        const header = transport[i];
        const flags = tcpFlags[i];
        const before = words[base + stateAt];
        let state = before | State.seen;
        // Without these 16 bytes of the header it was cut, and its window is not known.
        if (readsWindow && ((marks[i] & Mark.cut) === 0 || header + 16 <= offset[i] + captured[i])) {
          const size = view.getUint16(header + 14);
          if (hasWindow) {
            if ((before & State.window) === 0) {
              words[base + first] |= size << 16;
              state |= State.window;
            }
            const range = words[base + window];
            if (0xffff - size > range >>> 16 || size > (range & 0xffff)) {
              words[base + window] = (Math.max(0xffff - size, range >>> 16) << 16) | Math.max(size, range & 0xffff);
            }
          }
          if (hasZeroWindows && size === 0 && (flags & (SYN | FIN | RST)) === 0)
            countShort(words, base + cold + rsts, 16);
        }
        if (hasOptions && (flags & SYN) === 0) {
          const length = (view.getUint8(header + 12) >>> 4) << 2;
          if (length > HEADER_BYTES) {
            const end = Math.min(header + length, offset[i] + captured[i]);
            const at = header + HEADER_BYTES;
            if (length === 32 && end === at + 12 && view.getInt32(at) === TIMESTAMP_ONLY) {
              words[base + options] |= TIMESTAMP_ONLY_BITS;
            } else parseOptions(view, at, end, words, base + options);
          }
        }
        if (hasSequence && (flags & RST) === 0) {
          const sequence = view.getInt32(header + 4);
          const length = payloadLength[i] + ((flags & SYN) >>> 1) + (flags & FIN);
          if ((before & State.sequence) === 0) {
            state |= State.sequence;
            beginSequence(words, base + next, base + cold + holes, sequence, length, (flags & SYN) !== 0);
          } else if (sequence === words[base + next]) {
            words[base + next] = sequence + length;
          } else this.#judge(base, sequence, length, flags);
        }
        if (state !== before) words[base + stateAt] = state;
        if ((flags & (SYN | FIN | RST)) !== 0) this.#special(batch, i, base, flags);
        else if ((state & State.awaitsAck) !== 0 && (flags & ACK) !== 0) this.#established(batch, i, base);
      }
    };
  }

  #judge(base: number, sequence: number, length: number, flags: number): void {
    const { words } = this.side;
    const { next, holes, retransmissions, outOfOrder } = this.#at;
    const cold = base + this.cold;
    const syn = (flags & SYN) !== 0;
    const verdict = judgeSegment(words, base + next, cold + holes, sequence, length, syn, (flags & FIN) !== 0);
    if (verdict === Segment.retransmission && retransmissions >= 0) words[cold + retransmissions]++;
    if (verdict === Segment.outOfOrder && outOfOrder >= 0) words[cold + outOfOrder]++;
  }

  /** SYN, FIN, RST: a few packets of a flow. */
  #special(batch: Batch, i: number, base: number, flags: number): void {
    if (this.#control) {
      const { words } = this.side;
      const cold = base + this.cold;
      if ((flags & SYN) !== 0) countShort(words, cold + this.#at.syns, 0);
      if ((flags & FIN) !== 0) countShort(words, cold + this.#at.syns, 16);
      if ((flags & RST) !== 0) countShort(words, cold + this.#at.rsts, 0);
    }
    if ((flags & SYN) === 0 || (flags & RST) !== 0) return;
    this.#synOptions(batch, i, base);
    if (this.#at.time >= 0) this.#handshake(batch, i, base, (flags & ACK) !== 0);
  }

  #synOptions(batch: Batch, i: number, base: number): void {
    const { words } = this.side;
    const { view } = batch;
    const { state: stateAt, first, options } = this.#at;
    const header = batch.transport[i];
    const end = Math.min(header + ((view.getUint8(header + 12) >>> 4) << 2), batch.offset[i] + batch.captured[i]);
    const found = parseOptions(view, header + HEADER_BYTES, end, words, options < 0 ? -1 : base + options);
    if (first < 0) return;
    let state = words[base + stateAt];
    if (found.mss >= 0 && (state & State.mss) === 0) {
      words[base + first] |= found.mss;
      state |= State.mss;
    }
    if (found.windowScale >= 0 && (state & State.scale) === 0) {
      state |= State.scale | (found.windowScale << SCALE_SHIFT);
    }
    words[base + stateAt] = state;
  }

  #handshake(batch: Batch, i: number, base: number, ack: boolean): void {
    const { words, unsigned } = this.side;
    const direction = batch.direction[i];
    const both = this.bothOf(base, direction);
    const time = both + this.#at.time;
    const server = both + this.#at.roundTrips;
    const nowSeconds = batch.seconds[i];
    const nowNanos = batch.nanos[i];
    let bits = words[time + 1] & ~NANOS_MASK;
    if (!ack) {
      // A SYN sent again before any answer: the answer is timed from the last one.
      if (words[server] !== 0) return;
      bits = SYN_SEEN | (direction === 0 ? 0 : SYN_FROM_B);
    } else {
      if (words[server + 1] !== 0) return;
      if ((bits & SYN_SEEN) !== 0) {
        if (((bits & SYN_FROM_B) !== 0) === (direction !== 0)) return;
        const trip = nanosBetween(unsigned[time], words[time + 1] & NANOS_MASK, nowSeconds, nowNanos);
        if (words[server] === 0 && trip >= 0) unsigned[server] = packNanos(trip);
      }
      const other = base + (direction === 0 ? this.half : -this.half);
      words[other + this.#at.state] |= State.awaitsAck;
    }
    words[time] = nowSeconds;
    words[time + 1] = nowNanos | bits;
  }

  /** The first ACK after a SYN/ACK. */
  #established(batch: Batch, i: number, base: number): void {
    const { words, unsigned } = this.side;
    words[base + this.#at.state] &= ~State.awaitsAck;
    const both = this.bothOf(base, batch.direction[i]);
    const time = both + this.#at.time;
    const trip = nanosBetween(unsigned[time], words[time + 1] & NANOS_MASK, batch.seconds[i], batch.nanos[i]);
    if (trip >= 0) unsigned[both + this.#at.roundTrips + 1] = packNanos(trip);
  }
}

/** Features of the TCP header. */
export function createTcp(selected: ReadonlySet<string>, layout: FeatureLayout): FeatureGroup {
  const { hot, cold, both } = layout;
  const has = (...features: string[]): boolean => features.some((feature) => selected.has(feature));
  const hasSequence = has('retransmissions', 'outOfOrder');
  const hasRoundTrips = has('roundTrip');
  const at: TcpColumns = {
    state: hot.word(),
    next: hasSequence ? hot.word() : -1,
    window: has('window') ? hot.word() : -1,
    options: has('tcpOptions') ? hot.word(2) : -1,
    first: has('window', 'mss', 'windowScale') ? hot.word() : -1,
    syns: has('controlCounts') ? cold.word() : -1,
    rsts: has('controlCounts', 'zeroWindows') ? cold.word() : -1,
    retransmissions: has('retransmissions') ? cold.word() : -1,
    outOfOrder: has('outOfOrder') ? cold.word() : -1,
    holes: hasSequence ? cold.word(HOLE_WORDS) : -1,
    time: hasRoundTrips ? both.word(2) : -1,
    roundTrips: hasRoundTrips ? both.word(2) : -1,
  };

  const fields: RecordField[] = [];
  type Read = (batch: RecordBatch, hot: number, cold: number) => unknown;
  const field = (feature: string, text: FieldText, read: Read): void => {
    if (!selected.has(feature)) return;
    const ofTcp: Parameters<typeof directed>[3] = (batch, base) =>
      (batch.words[base + at.state] & State.seen) === 0 ? undefined : read(batch, base, base + layout.hot.words);
    fields.push(...directed(layout, 'hot', text, ofTcp));
  };
  const count = (feature: string, name: string, description: string, read: Read, element?: FieldText['element']) =>
    field(feature, { name, description, type: 'number', ...(element && { element }) }, read);
  const short = (column: number, shift: 0 | 16): Read => {
    return (batch, _hot, coldBase) => (batch.words[coldBase + column] >>> shift) & 0xffff;
  };
  const roundTrip = (name: string, description: string, column: number): void => {
    fields.push(
      single({ name, description, type: 'number', unit: 'µs' }, (batch, index) => {
        const first = sideBase(batch, index, FEATURES_HOOK);
        const word = first < 0 ? 0 : batch.unsigned[first + layout.half * 2 + at.roundTrips + column];
        return word === 0 ? undefined : toMicros(unpackNanos(word));
      }),
    );
  };
  const withWindow = (batch: RecordBatch, base: number, value: number): number | undefined =>
    (batch.words[base + at.state] & State.window) === 0 ? undefined : value;

  field(
    'window',
    {
      name: 'window',
      description: 'TCP window of the first packet, as the header has it (not scaled)',
      type: 'number',
      element: { name: 'tcpWindowSize', id: 186 },
    },
    (batch, base) => withWindow(batch, base, batch.words[base + at.first] >>> 16),
  );
  field('window', { name: 'windowMin', description: 'Lowest TCP window, not scaled', type: 'number' }, (batch, base) =>
    withWindow(batch, base, 0xffff - (batch.words[base + at.window] >>> 16)),
  );
  field('window', { name: 'windowMax', description: 'Highest TCP window, not scaled', type: 'number' }, (batch, base) =>
    withWindow(batch, base, batch.words[base + at.window] & 0xffff),
  );
  field(
    'windowScale',
    {
      name: 'windowScale',
      description: 'Shift of the window scale option of the SYN (RFC 7323)',
      type: 'number',
      element: { name: 'tcpWindowScale', id: 238 },
    },
    (batch, base) => {
      const state = batch.words[base + at.state];
      return (state & State.scale) === 0 ? undefined : (state >>> SCALE_SHIFT) & 255;
    },
  );
  field(
    'mss',
    { name: 'mss', description: 'Maximum segment size option of the SYN', type: 'number', unit: 'B' },
    (batch, base) => {
      const state = batch.words[base + at.state];
      return (state & State.mss) === 0 ? undefined : batch.words[base + at.first] & 0xffff;
    },
  );
  field(
    'tcpOptions',
    {
      name: 'tcpOptions',
      description: 'TCP options seen in any packet, by name, or number where they have none',
      type: 'list',
      element: { name: 'tcpOptionsFull', id: 520 },
    },
    (batch, base) => {
      const names = optionNames(batch.words[base + at.options], batch.words[base + at.options + 1]);
      return names.length === 0 ? undefined : names;
    },
  );
  if (hasRoundTrips) {
    roundTrip('serverRoundTrip', 'Time from the SYN to the SYN/ACK', 0);
    roundTrip('clientRoundTrip', 'Time from the SYN/ACK to the ACK that completes the handshake', 1);
  }
  const upTo = '; 65535 stands for more, too';
  const controls = 'controlCounts';
  count(controls, 'syns', `Packets with SYN${upTo}`, short(at.syns, 0), { name: 'tcpSynTotalCount', id: 218 });
  count(controls, 'fins', `Packets with FIN${upTo}`, short(at.syns, 16), { name: 'tcpFinTotalCount', id: 219 });
  count(controls, 'rsts', `Packets with RST${upTo}`, short(at.rsts, 0), { name: 'tcpRstTotalCount', id: 220 });
  count(
    'retransmissions',
    'retransmissions',
    'Segments whose first byte was seen before',
    (batch, _hot, coldBase) => batch.unsigned[coldBase + at.retransmissions],
  );
  count(
    'outOfOrder',
    'outOfOrder',
    'Segments that came after a later one, and whose first byte was not seen before',
    (batch, _hot, coldBase) => batch.unsigned[coldBase + at.outOfOrder],
  );
  count('zeroWindows', 'zeroWindows', `Packets with window 0 and without SYN, FIN and RST${upTo}`, short(at.rsts, 16));
  return { pass: new TcpPass(at, has(controls), has('zeroWindows')), fields };
}
