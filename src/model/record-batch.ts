import { ROW_WORDS } from './row.js';

/** Where the parts of a record lie in a RecordBatch; the same for all batches of one run. Plain data: crosses threads. */
export interface RecordLayout {
  /** Words of one record: ROW_WORDS + key words + side words, even. */
  readonly stride: number;
  /** First of the additional key words and the parts they hold, in order (packet/key.ts). */
  readonly keyOffset: number;
  readonly keyParts: readonly string[];
  /** Side columns: name of the hook → offset of its first word in the record. */
  readonly side: Readonly<Record<string, number>>;
}

/** Words of a quoted key. */
export const QUOTE_WORDS = 11;

/** Records of one batch at the most. */
export const RECORD_BATCH_SIZE = 1024;

/**
 * Finished flow records, the unit of the record road: rows of fixed width, copied out of the flow table.
 * A batch that a callback gets is valid until the callback returns, unless it says otherwise.
 */
export class RecordBatch {
  readonly layout: RecordLayout;
  /** `count` records of `layout.stride` words each. */
  readonly words: Int32Array;
  /** The same memory, unsigned. */
  readonly unsigned: Uint32Array;
  readonly bytes: Uint8Array;
  /** Side columns are aligned to 8 bytes: word offset / 2. */
  readonly doubles: Float64Array;
  count = 0;
  /**
   * Flows of ICMP errors: index of the record → key of the first packet that they quoted, as QUOTE_WORDS words: addresses
   * of A and B, ports, meta (as in a row), and 1 if B had sent it.
   */
  readonly quoted: Map<number, Int32Array>;
  /** What enrichment found: `ASIDE_WORDS` words a record (aside.ts); undefined where nothing enriches. */
  aside: Int32Array | undefined;

  constructor(
    layout: RecordLayout,
    buffer: ArrayBuffer | SharedArrayBuffer = new ArrayBuffer(RECORD_BATCH_SIZE * layout.stride * 4),
    quoted = new Map<number, Int32Array>(),
  ) {
    this.quoted = quoted;
    this.aside = undefined;
    this.layout = layout;
    this.words = new Int32Array(buffer);
    this.unsigned = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  get capacity(): number {
    return Math.floor(this.words.length / this.layout.stride);
  }
}

/** Layout of records without additional key words or side columns. */
export const PLAIN_LAYOUT: RecordLayout = { stride: ROW_WORDS, keyOffset: ROW_WORDS, keyParts: [], side: {} };
