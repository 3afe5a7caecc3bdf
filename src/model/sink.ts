import type { RecordBatch } from './record-batch.js';

/** Takes finished flow records: table, JSON, CSV, an exporter, a store. */
export interface RecordSink {
  /** The batch is valid until the call returns or, if it returns a promise, until that settles (this is the back-pressure). */
  write(batch: RecordBatch): void | Promise<void>;
  /** No more records will come. */
  close(): Promise<void>;
}
