import type { RecordBatch } from '../../model/record-batch.js';

/**
 * Takes bytes of a file, in order; they may be used again when it returns. `records` are complete with these bytes.
 * `position` overwrites what was written there before.
 */
export type Emit = (bytes: Uint8Array, length: number, records: number, position?: number) => void;

/** Records as the bytes of files, one file after the other. */
export interface FileFormat {
  /** Records that are held back until there are enough of them. */
  readonly waiting: number;
  /** Records that it cannot hold, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** A file begins. */
  begin(): void;
  write(batch: RecordBatch): void;
  /** Emits what can go out without harm to the file's shape; called about once a second. */
  flush(): void;
  /** The file ends: everything that is left, and what comes at its end. */
  end(): void;
}
