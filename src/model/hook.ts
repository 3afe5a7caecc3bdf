import type { Batch } from '../packet/batch.js';
import type { RecordBatch } from './record-batch.js';

/** Memory of the side columns: one side row a flow, of `stride` words; a hook's columns begin at `offset`. */
export interface SideTable {
  readonly words: Int32Array;
  readonly unsigned: Uint32Array;
  readonly bytes: Uint8Array;
  readonly shorts: Uint16Array;
  /** Rows and offsets are even, so that doubles fit: word offset / 2. */
  readonly doubles: Float64Array;
  readonly stride: number;
}

/**
 * What hangs on the meter: features now; identification, the packet ring, modules, devices and marks later.
 * All calls are for batches. Hooks are called in the order of the list that was given at the start. A hook that is not
 * in the list costs nothing.
 */
export interface FlowHook {
  readonly name: string;
  /** 32-bit words (an even number) of side row that each flow shall have for this hook (0 = none). They are zero when a flow begins. */
  readonly words: number;
  /** Called once before the first packet: `offset` is the first word of this hook in each side row. */
  bind?(side: SideTable, offset: number): void;
  /** Flows were created by the packets at these indexes of the batch (`batch.flow[i]` is the row). Before `updated`. */
  created?(batch: Batch, indexes: Int32Array, count: number): void;
  /**
   * Packets [from, to) of the batch were added to their flows (`batch.flow[i]`, -1: to none). Rows stay valid until all
   * hooks have run, also those of flows that ended within the batch.
   */
  updated?(batch: Batch, from: number, to: number): void;
  /**
   * Flows cut by the active timeout go on in new rows: the flow of row `from[k]` in row `to[k]`, whose side columns are
   * zero. Comes before `created` of the packet with which the flow goes on, if it goes on at all, and before `expired` of
   * the old row. A hook that follows a connection carries its columns over here; packets of the present batch come later
   * (`updated`), first those of the old row.
   */
  continued?(from: Int32Array, to: Int32Array, count: number): void;
  /** These flows ended; the rows are freed after all hooks have run. The side rows still hold their values. */
  expired?(rows: Int32Array, count: number): void;
}

/** Reads one member of a finished record; what a feature gives to the output. */
export interface RecordField {
  /** Member in JSON and column in CSV. */
  readonly name: string;
  /** Information Element (IANA, or of a vendor) that this is, if there is one: name and "pen/id" or "id". */
  readonly element?: { readonly name: string; readonly id: string };
  readonly description: string;
  /** How to show it. */
  readonly type: 'number' | 'string' | 'boolean' | 'list' | 'object';
  /** Unit of a number, e.g. 'ms', 'B'. */
  readonly unit?: string;
  /** Value for record `index`, or undefined where absent (absent is absent: no nulls, no zeros standing for unknown). */
  read(batch: RecordBatch, index: number): unknown;
}
