import type { RecordBatch } from '../model/record-batch.js';
import { Row } from '../model/row.js';
import type { RecordSink } from '../model/sink.js';

const MOST = 2n ** 64n - 1n;
const COUNTERS = [Row.packetsA, Row.octetsA, Row.packetsB, Row.octetsB] as const;

/**
 * Multiplies packets and bytes of sampled records on their way to the next sink: they then estimate what was on the wire.
 * Where whole flows were sampled (by hash), a record stands for n flows of its kind.
 */
export class ScaleSink implements RecordSink {
  readonly #factor: bigint;
  readonly #next: RecordSink;

  /** @param n one packet (or flow) in n was metered */
  constructor(n: number, next: RecordSink) {
    this.#factor = BigInt(n);
    this.#next = next;
  }

  /** Changes the words of the batch in place. */
  write(batch: RecordBatch): void | Promise<void> {
    const { unsigned } = batch;
    const { stride } = batch.layout;
    for (let at = 0, end = batch.count * stride; at < end; at += stride) {
      for (const counter of COUNTERS) {
        const low = at + counter;
        const product = ((BigInt(unsigned[low + 1]) << 32n) | BigInt(unsigned[low])) * this.#factor;
        const value = product > MOST ? MOST : product;
        unsigned[low] = Number(value & 0xffffffffn);
        unsigned[low + 1] = Number(value >> 32n);
      }
    }
    return this.#next.write(batch);
  }

  async close(): Promise<void> {
    await this.#next.close();
  }
}
