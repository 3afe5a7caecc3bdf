import { AggregateMark, type Aggregates } from '../packet/aggregates.js';
import type { Batch } from '../packet/batch.js';
import type { Decoder } from '../packet/decoder.js';
import { Notice } from '../packet/refusal.js';
import { makeOrphan } from './fragments.js';

/** Decodes a batch whose packets stand for several each; verdicts count all of them. */
export function decodeAggregates(batch: Batch, rest: Aggregates, decoder: Decoder): void {
  const { count, verdict } = batch;
  const { verdicts, notices } = decoder;
  for (let i = 0; i < count; i++) verdict[i] = rest.refusal[i];
  decoder.decode(0, count);
  for (let i = 0; i < count; i++) {
    verdicts[verdict[i]] += rest.packets[i];
    if (verdict[i] !== 0 || (rest.marks[i] & AggregateMark.orphans) === 0) continue;
    makeOrphan(batch, i, decoder);
    notices[Notice.fragmentOrphan] += rest.packets[i];
  }
}
