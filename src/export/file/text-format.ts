import type { RecordBatch } from '../../model/record-batch.js';
import type { RecordSink } from '../../model/sink.js';
import type { ByteSink } from '../output.js';
import type { Emit, FileFormat } from './format.js';

/** NDJSON, CSV and profiles: lines. */
export class TextFormat implements FileFormat {
  readonly waiting = 0;
  readonly refused = {};
  readonly #emit: Emit;
  readonly #make: (sink: ByteSink) => RecordSink;
  #writer: RecordSink | undefined;

  /** @param make the writer of one file; it writes the header, if there is one */
  constructor(make: (sink: ByteSink) => RecordSink, emit: Emit) {
    this.#make = make;
    this.#emit = emit;
  }

  begin(): void {
    this.#writer = this.#make({ closed: false, write: (bytes, length) => this.#emit(bytes, length, 0) });
    // A header goes out at once, also where no record follows.
    void this.#writer.close();
  }

  write(batch: RecordBatch): void {
    void this.#writer?.write(batch);
    this.#emit(NOTHING, 0, batch.count);
  }

  flush(): void {}

  end(): void {
    this.#writer = undefined;
  }
}

const NOTHING = new Uint8Array(0);
