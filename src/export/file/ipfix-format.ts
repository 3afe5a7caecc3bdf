import { Added, type FlowEncoder } from '../../codec/flow-encoder.js';
import type { RecordBatch } from '../../model/record-batch.js';
import type { Emit, FileFormat } from './format.js';

/** IPFIX files (RFC 5655): messages one after the other, templates in front of what needs them. */
export class IpfixFormat implements FileFormat {
  readonly refused: Record<string, number> = {};
  readonly #encoder: FlowEncoder;
  readonly #emit: Emit;
  readonly #now: () => number;
  /** Records in the open message. */
  #held = 0;
  #begun = false;

  /** @param now export time, in ms since 1970 */
  constructor(encoder: FlowEncoder, emit: Emit, now: () => number) {
    this.#encoder = encoder;
    this.#emit = emit;
    this.#now = now;
  }

  get waiting(): number {
    return this.#held;
  }

  begin(): void {
    // Each file can be read by itself.
    if (this.#begun) this.#encoder.reset();
    this.#begun = true;
    this.#encoder.announce(undefined);
  }

  write(batch: RecordBatch): void {
    const encoder = this.#encoder;
    for (let index = 0; index < batch.count; ) {
      if (!encoder.open) encoder.begin(this.#now());
      const added = encoder.add(batch, index);
      if (added === Added.full) {
        this.#finish();
        continue;
      }
      if (added === Added.done) this.#held++;
      else this.refused.tooLarge = (this.refused.tooLarge ?? 0) + 1;
      index++;
    }
  }

  flush(): void {
    const encoder = this.#encoder;
    while (encoder.open || encoder.pending) {
      if (!encoder.open) encoder.begin(this.#now());
      this.#finish();
    }
  }

  end(): void {
    this.flush();
  }

  #finish(): void {
    const { bytes, records } = this.#encoder.finish();
    this.#held -= records;
    this.#emit(bytes, bytes.length, records);
  }
}
