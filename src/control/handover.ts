import type { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';

interface Waiting {
  batch: RecordBatch;
  /** Tells the meter that it may go on. */
  release: () => void;
}

/**
 * Between a meter that pushes batches of records and a consumer that asks for them: each waits for the other. With several
 * threads as many batches may wait as there are threads.
 */
export class Handover implements RecordSink {
  readonly #waiting: Waiting[] = [];
  /** The batch that the consumer has. */
  #lent: Waiting | undefined;
  #wake: (() => void) | undefined;
  #ended = false;
  #discarding = false;

  write(batch: RecordBatch): void | Promise<void> {
    if (this.#discarding) return;
    return new Promise((release) => {
      this.#waiting.push({ batch, release });
      this.#notify();
    });
  }

  async close(): Promise<void> {}

  /** The next batch; undefined at the end. The one before goes back to the meter. */
  async next(): Promise<RecordBatch | undefined> {
    this.#lent?.release();
    this.#lent = undefined;
    while (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#lent = this.#waiting.shift();
    return this.#lent?.batch;
  }

  /** No more batches will come. */
  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** The consumer has left: batches go back unseen from now on. */
  discard(): void {
    this.#discarding = true;
    this.#lent?.release();
    this.#lent = undefined;
    for (const { release } of this.#waiting.splice(0)) release();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
