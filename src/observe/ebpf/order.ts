import { read64 } from './tables.js';

const DIGIT = 1 << 16;

/**
 * Puts entries in order of time, in linear time (two passes of a radix sort): who spoke first shall be metered first.
 */
export class TimeOrder {
  /** Numbers of the entries, the earliest first. */
  readonly order: Uint32Array;
  private readonly other: Uint32Array;
  private readonly keys: Uint32Array;
  private readonly starts = new Uint32Array(DIGIT);

  constructor(capacity: number) {
    this.order = new Uint32Array(capacity);
    this.other = new Uint32Array(capacity);
    this.keys = new Uint32Array(capacity);
  }

  /**
   * @param view entries of `stride` bytes
   * @param at where in an entry its time stands (ns, 64 bits)
   */
  sort(view: DataView, count: number, stride: number, at: number): void {
    const { keys } = this;
    let least = Infinity;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const time = read64(view, i * stride + at);
      if (time < least) least = time;
      if (time > most) most = time;
    }
    // Times of more than 4 s apart are told apart less finely.
    let unit = 1;
    while ((most - least) / unit >= 2 ** 32) unit *= 2;
    for (let i = 0; i < count; i++) keys[i] = (read64(view, i * stride + at) - least) / unit;
    for (let i = 0; i < count; i++) this.other[i] = i;
    this.pass(count, this.other, this.order, 0);
    this.pass(count, this.order, this.other, 16);
    this.order.set(this.other.subarray(0, count));
  }

  private pass(count: number, from: Uint32Array, to: Uint32Array, shift: number): void {
    const { keys, starts } = this;
    starts.fill(0);
    for (let i = 0; i < count; i++) starts[(keys[i] >>> shift) & (DIGIT - 1)]++;
    let sum = 0;
    for (let digit = 0; digit < DIGIT; digit++) {
      const size = starts[digit];
      starts[digit] = sum;
      sum += size;
    }
    for (let k = 0; k < count; k++) to[starts[(keys[from[k]] >>> shift) & (DIGIT - 1)]++] = from[k];
  }
}
