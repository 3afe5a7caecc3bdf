import type { Batch } from '../packet/batch.js';

/** Words (32 bits) in front of the slots; the writer's and the reader's lie in cache lines of their own. */
const Word = { head: 0, chosen: 1, dropped: 2, tail: 16 } as const;
const CONTROL_BYTES = 128;

/** Words of a slot, before the bytes of the packet. */
const Slot = {
  iface: 0,
  direction: 1,
  link: 2,
  wire: 3,
  length: 4,
  seconds: 5,
  nanos: 6,
  pool: 7,
  drops: 8,
} as const;
const SLOT_WORDS = 10;

/** Slots of a ring: at one look in 100 ms, 40,000 samples a second. A power of two. */
export const SAMPLE_SLOTS = 4096;

/**
 * Sampled packets between the thread that chooses them and the one that exports them: a ring of fixed slots in shared memory,
 * with one writer and one reader, of which none ever waits for the other. What finds no room is counted.
 */
export class SampleRing {
  readonly memory: SharedArrayBuffer;
  readonly headerBytes: number;
  private readonly control: Int32Array;
  private readonly words: Int32Array;
  private readonly unsigned: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly slotWords: number;
  /** Slot in hand, in words: of the reader. */
  private slot = 0;

  /** @param headerBytes bytes kept of each packet @param memory of the ring at the other end */
  constructor(headerBytes: number, memory: SharedArrayBuffer = new SharedArrayBuffer(ringBytes(headerBytes))) {
    this.memory = memory;
    this.headerBytes = headerBytes;
    this.slotWords = slotWords(headerBytes);
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.words = new Int32Array(memory, CONTROL_BYTES);
    this.unsigned = new Uint32Array(memory, CONTROL_BYTES);
    this.bytes = new Uint8Array(memory, CONTROL_BYTES);
  }

  // --- the writer ---------------------------------------------------------------------------------------------------

  /** Slots that are free. */
  get free(): number {
    const { control } = this;
    return SAMPLE_SLOTS - ((control[Word.head] - Atomics.load(control, Word.tail)) | 0);
  }

  /**
   * Copies packet `i` of the batch.
   * @param iface, pool, drops of its interface: index, packets and lost samples since the sample before (modulo 2^32)
   * @returns false if there is no room: then it is counted as dropped
   */
  put(batch: Batch, i: number, iface: number, pool: number, drops: number): boolean {
    const { control, words, bytes, headerBytes } = this;
    const fits = this.free > 0;
    if (fits) {
      const head = control[Word.head];
      const at = (head & (SAMPLE_SLOTS - 1)) * this.slotWords;
      const length = Math.min(headerBytes, batch.captured[i]);
      words[at + Slot.iface] = iface;
      words[at + Slot.direction] = batch.hasFrameDirection ? batch.frameDirection[i] : 0;
      words[at + Slot.link] = batch.link[i];
      words[at + Slot.wire] = batch.wire[i];
      words[at + Slot.length] = length;
      words[at + Slot.seconds] = batch.seconds[i];
      words[at + Slot.nanos] = batch.nanos[i];
      words[at + Slot.pool] = pool;
      words[at + Slot.drops] = drops;
      const to = (at + SLOT_WORDS) * 4;
      const from = batch.offset[i];
      const frame = batch.bytes;
      for (let k = 0; k < length; k++) bytes[to + k] = frame[from + k];
      // The slot must be seen as a whole.
      Atomics.store(control, Word.head, (head + 1) | 0);
    } else Atomics.add(control, Word.dropped, 1);
    Atomics.add(control, Word.chosen, 1);
    return fits;
  }

  // --- the reader ---------------------------------------------------------------------------------------------------

  /** Slots that are taken. */
  get waiting(): number {
    const { control } = this;
    return (Atomics.load(control, Word.head) - control[Word.tail]) | 0;
  }

  /** Makes the oldest sample the one that the members below tell of. There must be one. */
  look(): void {
    this.slot = (this.control[Word.tail] & (SAMPLE_SLOTS - 1)) * this.slotWords;
  }

  get iface(): number {
    return this.words[this.slot + Slot.iface];
  }

  get direction(): number {
    return this.words[this.slot + Slot.direction];
  }

  get link(): number {
    return this.words[this.slot + Slot.link];
  }

  get wire(): number {
    return this.words[this.slot + Slot.wire];
  }

  /** Milliseconds since 1970. */
  get timeMs(): number {
    return this.unsigned[this.slot + Slot.seconds] * 1000 + Math.floor(this.words[this.slot + Slot.nanos] / 1e6);
  }

  /** Packets of the interface since its sample before, this one included; samples lost since then. */
  get pool(): number {
    return this.unsigned[this.slot + Slot.pool];
  }

  get drops(): number {
    return this.unsigned[this.slot + Slot.drops];
  }

  /** A copy of the packet's first bytes. */
  header(): Uint8Array {
    const from = (this.slot + SLOT_WORDS) * 4;
    return new Uint8Array(this.bytes.subarray(from, from + this.words[this.slot + Slot.length]));
  }

  /** Gives the slot back. */
  advance(): void {
    Atomics.add(this.control, Word.tail, 1);
  }

  /** Packets that were chosen, read and lost so far (modulo 2^32), all of one moment. */
  accounts(): { chosen: number; read: number; waiting: number; dropped: number } {
    const { control } = this;
    for (;;) {
      const chosen = Atomics.load(control, Word.chosen);
      const tail = control[Word.tail];
      const waiting = (Atomics.load(control, Word.head) - tail) | 0;
      const dropped = Atomics.load(control, Word.dropped);
      // A sample is being put: it takes less than a microsecond, unless its thread died just then.
      const whole = chosen >>> 0 === (tail + waiting + dropped) >>> 0;
      if (whole || Atomics.load(control, Word.chosen) === chosen) {
        return { chosen: chosen >>> 0, read: tail >>> 0, waiting, dropped: dropped >>> 0 };
      }
    }
  }
}

function slotWords(headerBytes: number): number {
  return SLOT_WORDS + ((headerBytes + 3) >>> 2);
}

function ringBytes(headerBytes: number): number {
  return CONTROL_BYTES + SAMPLE_SLOTS * slotWords(headerBytes) * 4;
}
