import type { FlowHook, RecordField, SideTable } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row, State } from '../../model/row.js';
import type { Interface } from '../../model/source.js';
import { BATCH_SIZE, type Batch } from '../../packet/batch.js';

/** What the fields need besides the records. */
export interface FeatureContext {
  /** Interfaces of the source; may grow while the flows are metered. */
  readonly interfaces: readonly Interface[];
}

/** Hands out the columns of a block of words, in order of the calls. Blocks begin at even words. */
export class Columns {
  #words = 0;

  /** First of `count` 32-bit words. */
  word(count = 1): number {
    const first = this.#words;
    this.#words += count;
    return first;
  }

  /** First of `count` doubles, counted in doubles from the block's begin. */
  double(count = 1): number {
    this.#words += this.#words & 1;
    const first = this.#words >> 1;
    this.#words += count * 2;
    return first;
  }

  /** Words of the block, made even. */
  get words(): number {
    return this.#words + (this.#words & 1);
  }
}

/**
 * The columns of a flow: hot and cold ones of endpoint A, hot and cold ones of B, those of both. A packet touches only
 * the hot ones of its sender, side by side in a few cache lines; few packets need the cold ones and those of both.
 * Offsets are final when all groups have taken their columns.
 */
export class FeatureLayout {
  readonly hot: Columns = new Columns();
  readonly cold: Columns = new Columns();
  readonly both: Columns = new Columns();

  /** Words of one endpoint. */
  get half(): number {
    return this.hot.words + this.cold.words;
  }

  get words(): number {
    return this.half * 2 + this.both.words;
  }
}

/** Name of the hook of all features that look at every packet. */
export const FEATURES_HOOK = 'features';

/**
 * Looks at packets [from, to) of its batch. `bases[i]` is the first hot word of the sender of packet i in the side table; -1:
 * the packet is of no flow.
 */
export type PassUpdate = (from: number, to: number, bases: Int32Array) => void;

/** What was made for this batch before, or is made now. There are as many batches as a meter has: that of its source, few more. */
function forBatch<T>(made: Map<Batch, T>, batch: Batch, make: () => T): T {
  let one = made.get(batch);
  if (one === undefined) {
    one = make();
    made.set(batch, one);
  }
  return one;
}

/** Features that are kept together: one pass over a batch for all of them. */
export abstract class FeaturePass {
  #batch: Batch | undefined;
  #update: PassUpdate = () => {};
  readonly #updates = new Map<Batch, PassUpdate>();
  protected side!: SideTable;
  /** From an endpoint's first hot word to its first cold one. */
  protected cold = 0;
  /** Words of one endpoint. */
  protected half = 0;
  /** From a flow's side row to the hot words of A. */
  protected offset = 0;

  bind(side: SideTable, offset: number, layout: FeatureLayout): void {
    this.side = side;
    this.offset = offset;
    this.cold = layout.hot.words;
    this.half = layout.half;
  }

  /** As FlowHook has it. */
  created?(batch: Batch, indexes: Int32Array, count: number): void;

  /** Makes the look at the packets of a batch: see docs/decisions/0014-functions-of-the-road.md. */
  protected abstract updater(batch: Batch): PassUpdate;

  updated(batch: Batch, from: number, to: number, bases: Int32Array): void {
    if (batch !== this.#batch) {
      this.#batch = batch;
      this.#update = forBatch(this.#updates, batch, () => this.updater(batch));
    }
    this.#update(from, to, bases);
  }

  /** First word of the columns of both endpoints. */
  protected bothOf(base: number, direction: number): number {
    return base + (direction === 0 ? this.half * 2 : this.half);
  }
}

/** What a group makes: a pass, and the fields that read what it keeps. */
export interface FeatureGroup {
  readonly pass: FeaturePass;
  readonly fields: readonly RecordField[];
}

/** Makes the group for those of its features that are in `selected`; the others get no column and cost nothing. */
export type GroupFactory = (
  selected: ReadonlySet<string>,
  layout: FeatureLayout,
  context: FeatureContext,
) => FeatureGroup;

/** Runs the passes over the batches. */
export class FeatureHook implements FlowHook {
  readonly name = FEATURES_HOOK;
  readonly words: number;
  readonly #layout: FeatureLayout;
  readonly #passes: readonly FeaturePass[];
  readonly #creations: readonly FeaturePass[];
  #side: SideTable | undefined;
  #offset = 0;
  #bases: Int32Array = new Int32Array(BATCH_SIZE);
  #batch: Batch | undefined;
  #touch: (from: number, to: number) => number = () => 0;
  readonly #touchers = new Map<Batch, (from: number, to: number) => number>();
  /** What the touching pass read; kept so that it is not optimised away. */
  touched = 0;

  constructor(layout: FeatureLayout, passes: readonly FeaturePass[]) {
    this.words = layout.words;
    this.#layout = layout;
    this.#passes = passes;
    this.#creations = passes.filter((pass) => pass.created !== undefined);
  }

  bind(side: SideTable, offset: number): void {
    this.#side = side;
    this.#offset = offset;
    for (const pass of this.#passes) pass.bind(side, offset, this.#layout);
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    for (const pass of this.#creations) pass.created?.(batch, indexes, count);
  }

  updated(batch: Batch, from: number, to: number): void {
    if (this.#bases.length < batch.capacity) {
      this.#bases = new Int32Array(batch.capacity);
      this.#touchers.clear();
      this.#batch = undefined;
    }
    if (batch !== this.#batch) {
      this.#batch = batch;
      this.#touch = forBatch(this.#touchers, batch, () => this.#toucher(batch));
    }
    this.touched = this.#touch(from, to);
    for (const pass of this.#passes) pass.updated(batch, from, to, this.#bases);
  }

  /**
   * Finds the columns of each packet and reads a word of each of their cache lines: the reads do not depend on each
   * other, so that the waits for memory overlap, which they would hardly do in the long passes that follow. For the same
   * reason it must not branch on what cannot be foretold, as the direction.
   */
  #toucher(batch: Batch): (from: number, to: number) => number {
    const { words, stride } = this.#side!;
    const bases = this.#bases;
    const offset = this.#offset;
    const half = this.#layout.half;
    const last = Math.max(0, this.#layout.hot.words - 1);
    const second = Math.min(LINE_WORDS, last);
    const third = Math.min(LINE_WORDS * 2, last);
    const { flow, direction } = batch;
    return (from, to) => {
      let touched = 0;
      for (let i = from; i < to; i++) {
        const row = flow[i];
        if (row < 0) {
          bases[i] = -1;
          continue;
        }
        const base = Math.imul(row, stride) + offset + Math.imul(direction[i], half);
        bases[i] = base;
        touched ^= words[base] ^ words[base + second] ^ words[base + third] ^ words[base + last];
      }
      return touched;
    };
  }
}

/** Words of a cache line. */
const LINE_WORDS = 16;
const MOST_COUNT = 0xffff;

/** Counts in 16 bits of a word, from `shift` on, up to 65535. */
export function countShort(words: Int32Array, at: number, shift: 0 | 16): void {
  if (((words[at] >>> shift) & MOST_COUNT) !== MOST_COUNT) words[at] += 1 << shift;
}

/** Set in a stored word of nanoseconds (which need 30 bits) to tell a time that is known from a column still zero. */
export const TIME_KNOWN: number = 1 << 30;

/** Nanoseconds as microseconds with three decimals. */
export function toMicros(nanos: number): number {
  return Math.round(nanos) / 1000;
}

/** Three decimals: more would only be noise of the arithmetic. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** 64-bit counter of a record, low word first; exact up to 2^53. */
function counter(unsigned: Uint32Array, word: number): number {
  return unsigned[word] + unsigned[word + 1] * 0x1_0000_0000;
}

/** First word of the hook's columns of a record, or -1 where the records have none. */
export function sideBase(batch: RecordBatch, index: number, hook: string): number {
  const offset = batch.layout.side[hook];
  return offset === undefined ? -1 : index * batch.layout.stride + offset;
}

/** 0 if the initiator is endpoint A, 1 if it is B. */
export function initiator(batch: RecordBatch, index: number): number {
  return (batch.words[index * batch.layout.stride + Row.state] & State.initiatorB) === 0 ? 0 : 1;
}

/** Number of packets that an endpoint (0: A, 1: B) sent. */
export function packetsOf(batch: RecordBatch, index: number, endpoint: number): number {
  return counter(batch.unsigned, index * batch.layout.stride + (endpoint === 0 ? Row.packetsA : Row.packetsB));
}

/** IP bytes that an endpoint (0: A, 1: B) sent. */
export function octetsOf(batch: RecordBatch, index: number, endpoint: number): number {
  return counter(batch.unsigned, index * batch.layout.stride + (endpoint === 0 ? Row.octetsA : Row.octetsB));
}

export interface FieldText {
  readonly name: string;
  readonly description: string;
  readonly type: RecordField['type'];
  readonly unit?: string;
  readonly element?: { readonly name: string; readonly id: number };
}

/** IANA's number of the reverse elements of RFC 5103 §6.1. */
const REVERSE_PEN = 29305;

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** A field that has no twin for the reverse direction. */
export function single(text: FieldText, read: RecordField['read']): RecordField {
  const { element, ...rest } = text;
  return { ...rest, ...(element && { element: { name: element.name, id: String(element.id) } }), read };
}

/**
 * A field of the initiator's packets and its twin `reverse…` of the responder's (RFC 5103).
 * `read` gets the first word of the hot or cold columns of that endpoint; it is not asked where that endpoint sent none.
 */
export function directed(
  layout: FeatureLayout,
  part: 'hot' | 'cold',
  text: FieldText,
  read: (batch: RecordBatch, base: number, index: number, endpoint: number) => unknown,
): RecordField[] {
  const readOf = (reverse: number): RecordField['read'] => {
    return (batch, index) => {
      const first = sideBase(batch, index, FEATURES_HOOK);
      const endpoint = initiator(batch, index) ^ reverse;
      if (first < 0 || packetsOf(batch, index, endpoint) === 0) return undefined;
      const base = first + endpoint * layout.half;
      return read(batch, part === 'hot' ? base : base + layout.hot.words, index, endpoint);
    };
  };
  const { element, ...rest } = text;
  return [
    single(text, readOf(0)),
    {
      ...rest,
      name: `reverse${capitalised(text.name)}`,
      ...(element && {
        element: { name: `reverse${capitalised(element.name)}`, id: `${REVERSE_PEN}/${element.id}` },
      }),
      read: readOf(1),
    },
  ];
}
