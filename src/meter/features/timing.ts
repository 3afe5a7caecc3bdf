import type { RecordField } from '../../model/hook.js';
import type { Batch } from '../../packet/batch.js';
import { nanosBetween } from '../time.js';
import {
  directed,
  type FeatureGroup,
  type FeatureLayout,
  FeaturePass,
  type PassUpdate,
  packetsOf,
  TIME_KNOWN,
  toMicros,
} from './group.js';

/** Payload-bearing packets of each direction whose length and gap are kept. */
const SPLT_LENGTH = 10;
/** Slots of the bytes over time; slot k begins 2^k − 1 seconds after the first packet, the last one has no end. */
const SLOTS = 8;
const WORD = 0x1_0000_0000;
const LONGEST_GAP_MICROS = WORD - 1;
/** The least gap is kept as distance from this, so that a row of zeros is a right beginning. */
const LONGEST_GAP_NANOS: number = Number.MAX_SAFE_INTEGER;
const MOST_CARRIES = 255;

interface TimingColumns {
  /** Hot: time of the last packet (seconds, nanoseconds with TIME_KNOWN); -1: not wanted. */
  last: number;
  /** Hot doubles: sum of the gaps in ns, of their squares, LONGEST_GAP_NANOS − least, greatest. */
  statistics: number;
  /** Hot: time of the flow's first packet, bytes of each slot (low 32 bits), and their carries (8 bits each). */
  start: number;
  slots: number;
  carries: number;
  /** Hot: payload packets seen, up to SPLT_LENGTH. */
  spltCount: number;
  /** Cold: time of the last payload packet; lengths, two a word; gaps in µs, one a word, without the first. */
  spltLast: number;
  spltLengths: number;
  spltGaps: number;
}

/**
 * When packets come. Time may step back (fragments that were held, merged files, clocks): a gap is never negative, it
 * counts as 0, and the later of the two times stays the one that the next gap is measured from.
 */
class TimingPass extends FeaturePass {
  readonly #at: TimingColumns;

  constructor(at: TimingColumns) {
    super();
    this.#at = at;
  }

  override created(batch: Batch, indexes: Int32Array, count: number): void {
    const { start } = this.#at;
    if (start < 0) return;
    const { words, stride } = this.side;
    for (let k = 0; k < count; k++) {
      const i = indexes[k];
      const a = Math.imul(batch.flow[i], stride) + this.offset + start;
      const b = a + this.half;
      words[a] = batch.seconds[i];
      words[b] = batch.seconds[i];
      words[a + 1] = batch.nanos[i];
      words[b + 1] = batch.nanos[i];
    }
  }

  protected updater(batch: Batch): PassUpdate {
    const { words, unsigned, doubles } = this.side;
    const { seconds, nanos, octets, payloadLength } = batch;
    const { last, statistics, spltCount, start, slots } = this.#at;
    const hasGaps = statistics >= 0;
    const hasSplt = spltCount >= 0;
    const hasSlots = slots >= 0;
    return (from, to, bases) => {
      for (let i = from; i < to; i++) {
        const base = bases[i];
        if (base < 0) continue;
        const nowSeconds = seconds[i];
        const nowNanos = nanos[i];
        if (hasGaps) {
          const before = words[base + last + 1];
          let gap = 0;
          if (before !== 0) {
            gap = nanosBetween(unsigned[base + last], before ^ TIME_KNOWN, nowSeconds, nowNanos);
            const counted = Math.max(0, gap);
            const at = (base >> 1) + statistics;
            doubles[at] += counted;
            doubles[at + 1] += counted * counted;
            doubles[at + 2] = Math.max(doubles[at + 2], LONGEST_GAP_NANOS - counted);
            doubles[at + 3] = Math.max(doubles[at + 3], counted);
          }
          if (gap >= 0) {
            words[base + last] = nowSeconds;
            words[base + last + 1] = nowNanos | TIME_KNOWN;
          }
        }
        if (hasSlots) {
          const at = base + start;
          const elapsed = nowSeconds - unsigned[at] - (nowNanos < words[at + 1] ? 1 : 0);
          const slot = Math.min(SLOTS - 1, 31 - Math.clz32(Math.max(0, elapsed) + 1));
          const bytes = unsigned[base + slots + slot] + octets[i];
          unsigned[base + slots + slot] = bytes;
          if (bytes >= WORD) this.#carry(base, slot);
        }
        if (hasSplt && words[base + spltCount] < SPLT_LENGTH && payloadLength[i] > 0) this.#splt(batch, i, base);
      }
    };
  }

  #carry(base: number, slot: number): void {
    const { words } = this.side;
    const at = base + this.#at.carries + (slot >> 2);
    const shift = (slot & 3) << 3;
    if (((words[at] >>> shift) & MOST_CARRIES) !== MOST_CARRIES) words[at] += 1 << shift;
  }

  /** Keeps length and gap of one of the first payload packets of a direction. */
  #splt(batch: Batch, i: number, base: number): void {
    const { words, unsigned } = this.side;
    const at = this.#at;
    const cold = base + this.cold;
    const count = words[base + at.spltCount];
    const last = cold + at.spltLast;
    const nowSeconds = batch.seconds[i];
    const nowNanos = batch.nanos[i];
    let gap = 0;
    if (count > 0) {
      gap = nanosBetween(unsigned[last], words[last + 1], nowSeconds, nowNanos);
      unsigned[cold + at.spltGaps + count - 1] = Math.min(LONGEST_GAP_MICROS, Math.floor(Math.max(0, gap) / 1000));
    }
    if (gap >= 0) {
      words[last] = nowSeconds;
      words[last + 1] = nowNanos;
    }
    words[cold + at.spltLengths + (count >> 1)] |= Math.min(0xffff, batch.payloadLength[i]) << ((count & 1) << 4);
    words[base + at.spltCount] = count + 1;
  }
}

/** Features of time: `interArrival`, `splt`, `slots`. */
export function createTiming(selected: ReadonlySet<string>, layout: FeatureLayout): FeatureGroup {
  const { hot, cold } = layout;
  const hasGaps = selected.has('interArrival');
  const hasSplt = selected.has('splt');
  const hasSlots = selected.has('slots');
  const at: TimingColumns = {
    spltCount: hasSplt ? hot.word() : -1,
    last: hasGaps ? hot.word(2) : -1,
    statistics: hasGaps ? hot.double(4) : -1,
    start: hasSlots ? hot.word(2) : -1,
    slots: hasSlots ? hot.word(SLOTS) : -1,
    carries: hasSlots ? hot.word(SLOTS / 4) : -1,
    spltLast: hasSplt ? cold.word(2) : -1,
    spltLengths: hasSplt ? cold.word(SPLT_LENGTH / 2) : -1,
    spltGaps: hasSplt ? cold.word(SPLT_LENGTH - 1) : -1,
  };
  const fields: RecordField[] = [];
  if (hasGaps) fields.push(...interArrivalFields(layout, at));
  if (hasSplt) fields.push(...spltFields(layout, at));
  if (hasSlots) fields.push(...slotFields(layout, at));
  return { pass: new TimingPass(at), fields };
}

function interArrivalFields(layout: FeatureLayout, at: TimingColumns): RecordField[] {
  /** `read` gets the statistics and the number of gaps, and returns nanoseconds. */
  const field = (name: string, what: string, read: (doubles: Float64Array, first: number, gaps: number) => number) =>
    directed(
      layout,
      'hot',
      { name, description: `${what} time between packets of this direction`, type: 'number', unit: 'µs' },
      (batch, base, index, endpoint) => {
        const gaps = packetsOf(batch, index, endpoint) - 1;
        return gaps === 0 ? undefined : toMicros(read(batch.doubles, (base >> 1) + at.statistics, gaps));
      },
    );
  return [
    ...field('interArrivalMin', 'Shortest', (doubles, first) => LONGEST_GAP_NANOS - doubles[first + 2]),
    ...field('interArrivalMax', 'Longest', (doubles, first) => doubles[first + 3]),
    ...field('interArrivalMean', 'Mean', (doubles, first, gaps) => doubles[first] / gaps),
    ...field('interArrivalDeviation', 'Standard deviation (of the population) of the', (doubles, first, gaps) => {
      const mean = doubles[first] / gaps;
      return Math.sqrt(Math.max(0, doubles[first + 1] / gaps - mean * mean));
    }),
  ];
}

function spltFields(layout: FeatureLayout, at: TimingColumns): RecordField[] {
  return [
    ...directed(
      layout,
      'hot',
      {
        name: 'payloadLengths',
        description: `Payload lengths of the first ${SPLT_LENGTH} packets that carry payload`,
        type: 'list',
        unit: 'B',
      },
      (batch, base) => {
        const count = batch.words[base + at.spltCount];
        if (count === 0) return undefined;
        const first = base + layout.hot.words + at.spltLengths;
        const lengths: number[] = [];
        for (let k = 0; k < count; k++) lengths.push((batch.words[first + (k >> 1)] >>> ((k & 1) << 4)) & 0xffff);
        return lengths;
      },
    ),
    ...directed(
      layout,
      'hot',
      {
        name: 'payloadGaps',
        description:
          `Times from the packet with payload before to each of the first ${SPLT_LENGTH}; ` +
          'the first is 0, what is below 1 µs is cut off',
        type: 'list',
        unit: 'µs',
      },
      (batch, base) => {
        const count = batch.words[base + at.spltCount];
        if (count === 0) return undefined;
        const first = base + layout.hot.words + at.spltGaps;
        return [0, ...batch.unsigned.subarray(first, first + count - 1)];
      },
    ),
  ];
}

function slotFields(layout: FeatureLayout, at: TimingColumns): RecordField[] {
  return directed(
    layout,
    'hot',
    {
      name: 'slotBytes',
      description:
        'IP bytes over time: in the first second after the flow began, the next 2 s, the next 4 s …; ' +
        `the last of ${SLOTS} slots has no end; slots of zero at the end are left out`,
      type: 'list',
      unit: 'B',
    },
    (batch, base) => {
      const bytes: number[] = [];
      let count = 0;
      for (let slot = 0; slot < SLOTS; slot++) {
        const carries = (batch.words[base + at.carries + (slot >> 2)] >>> ((slot & 3) << 3)) & 255;
        bytes.push(batch.unsigned[base + at.slots + slot] + carries * WORD);
        if (bytes[slot] > 0) count = slot + 1;
      }
      return bytes.slice(0, count);
    },
  );
}
