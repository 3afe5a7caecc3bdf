import type { Sampling } from '../model/options.js';
import type { Batch } from '../packet/batch.js';
import { Refusal } from '../packet/refusal.js';

/**
 * Selects 1 in n packets (RFC 5475): every n-th (systematic count-based), each with probability 1/n, or all packets of the
 * flows whose key hashes into 1/n. All choose alike in every shard and every run: nothing here is secret.
 */
export class Sampler {
  private readonly mode: Sampling['mode'];
  private readonly n: number;
  private seen = 0;
  private random = 0x2545f491;

  constructor(sampling: Sampling) {
    this.mode = sampling.mode;
    this.n = sampling.n;
  }

  /** Before decoding: gives packets [from, to) that are not selected their verdict. */
  selectPackets(batch: Batch, from: number, to: number): void {
    const { verdict } = batch;
    if (this.mode === 'count') {
      for (let i = from; i < to; i++) {
        if (verdict[i] !== 0) continue;
        if (this.seen !== 0) verdict[i] = Refusal.sampledOut;
        this.seen = this.seen + 1 === this.n ? 0 : this.seen + 1;
      }
    } else if (this.mode === 'random') {
      const limit = 0x100000000 / this.n;
      for (let i = from; i < to; i++) {
        if (verdict[i] !== 0) continue;
        // xorshift32 (Marsaglia 2003)
        let x = this.random;
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        this.random = x;
        if (x >>> 0 >= limit) verdict[i] = Refusal.sampledOut;
      }
    }
  }

  /** After decoding: the same by flow. `verdicts` are the decoder's counters. */
  selectFlows(batch: Batch, from: number, to: number, verdicts: Float64Array): void {
    if (this.mode !== 'hash') return;
    const { verdict, a0, a1, a2, a3, b0, b1, b2, b3, meta, ports } = batch;
    const limit = 0x100000000 / this.n;
    for (let i = from; i < to; i++) {
      if (verdict[i] !== 0) continue;
      let h = mix(mix(mix(meta[i], ports[i]), a0[i]), b0[i]);
      if (((meta[i] >>> 8) & 0xff) === 6) {
        h = mix(mix(mix(h, a1[i]), a2[i]), a3[i]);
        h = mix(mix(mix(h, b1[i]), b2[i]), b3[i]);
      }
      h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
      h ^= h >>> 13;
      if (h >>> 0 >= limit) {
        verdict[i] = Refusal.sampledOut;
        verdicts[0]--;
        verdicts[Refusal.sampledOut]++;
      }
    }
  }
}

function mix(state: number, word: number): number {
  const h = Math.imul(state ^ word, 0x9e3779b1);
  return h ^ (h >>> 15);
}
