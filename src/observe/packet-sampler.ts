import type { SampleRing } from '../model/sample-ring.js';
import type { Batch } from '../packet/batch.js';

/** Interfaces with accounts of their own; further ones share those of the last. */
const MOST_INTERFACES = 4096;

/**
 * Chooses each packet with probability 1/n (RFC 5475 §5.2.2.2; for sFlow, RFC 3176 §2) by drawing how many are passed over
 * until the next one, so that packets that are not chosen cost nothing: a batch is a subtraction, as long as all of it is
 * of one interface. The skips are geometrically distributed: packets are then chosen as if a coin were thrown for each,
 * and their number is binomial for each interface, whatever the pattern of the traffic.
 */
export class PacketSampler {
  readonly ring: SampleRing;
  /** Packets until the one that is chosen, it included. */
  private left: number;
  private readonly random: () => number;
  /** 1 / ln(1 − 1/n); −0 for n = 1: no skips. */
  private readonly scale: number;
  /** By interface: packets and lost samples since the last sample that was put (modulo 2^32). */
  private readonly pool = new Uint32Array(MOST_INTERFACES);
  private readonly drops = new Uint32Array(MOST_INTERFACES);

  /** @param random whole numbers of 32 bits, evenly distributed */
  constructor(ring: SampleRing, oneIn: number, random: () => number) {
    this.ring = ring;
    this.random = random;
    this.scale = 1 / Math.log1p(-1 / oneIn);
    this.left = this.draw();
  }

  private draw(): number {
    const u = ((this.random() >>> 0) + 0.5) / 0x1_0000_0000;
    return 1 + Math.floor(Math.log(u) * this.scale);
  }

  /**
   * Looks at all packets of the batch that have no verdict yet.
   * @param alone all are of one interface
   * @param judged some may have a verdict
   */
  observe(batch: Batch, alone: boolean, judged: boolean): void {
    if (judged) this.observeJudged(batch);
    else this.observeAll(batch, alone);
  }

  private observeAll(batch: Batch, alone: boolean): void {
    const { count } = batch;
    let from = 0;
    let next = this.left - 1;
    while (next < count) {
      this.count(batch, from, next + 1, alone);
      this.take(batch, next);
      from = next + 1;
      next += this.draw();
    }
    this.count(batch, from, count, alone);
    this.left = next + 1 - count;
  }

  private count(batch: Batch, from: number, to: number, alone: boolean): void {
    const { iface } = batch;
    const { pool } = this;
    if (alone) {
      if (to > from) pool[place(iface[from])] += to - from;
      return;
    }
    for (let i = from; i < to; i++) pool[place(iface[i])]++;
  }

  private observeJudged(batch: Batch): void {
    const { count, verdict, iface } = batch;
    const { pool } = this;
    let { left } = this;
    for (let i = 0; i < count; i++) {
      if (verdict[i] !== 0) continue;
      pool[place(iface[i])]++;
      if (--left > 0) continue;
      this.take(batch, i);
      left = this.draw();
    }
    this.left = left;
  }

  private take(batch: Batch, i: number): void {
    const { pool, drops } = this;
    const iface = batch.iface[i];
    const at = place(iface);
    if (this.ring.put(batch, i, at, pool[at], drops[at])) {
      pool[at] = 0;
      drops[at] = 0;
    } else drops[at]++;
  }
}

function place(iface: number): number {
  return iface < MOST_INTERFACES ? iface : MOST_INTERFACES - 1;
}

/** Whole numbers of 32 bits, never 0, from a seed: xorshift32 (Marsaglia 2003). */
export function randomWords(seed: number): () => number {
  let x = seed | 0 || 0x2545f491;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x;
  };
}
