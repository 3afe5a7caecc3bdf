import type { FlowHook } from '../model/hook.js';
import type { Batch } from '../packet/batch.js';

/**
 * What a caller keeps with flows: a column by row of the flow table, so that it is gone with the flow. As the last hook,
 * it also notes which packet began a flow.
 */
export class UserData<Data> implements FlowHook {
  readonly name = 'userData';
  readonly words = 0;
  /** Packet 0 of `batch` began a flow; set back by who asks. */
  began = false;
  /** The batch of the packets that the caller brings (held fragments come in another one). */
  batch: Batch | undefined;
  readonly #rows: (Data | undefined)[] = [];
  /** Of flows that ended, in the order of their records, from `#taken` on. */
  readonly #ended: (Data | undefined)[] = [];
  #taken = 0;

  get(row: number): Data | undefined {
    return this.#rows[row];
  }

  set(row: number, data: Data | undefined): void {
    // Without holes: an array with large ones becomes a slow dictionary.
    while (this.#rows.length <= row) this.#rows.push(undefined);
    this.#rows[row] = data;
  }

  created(batch: Batch, indexes: Int32Array, count: number): void {
    if (batch === this.batch) this.began = true;
    // The flow of the packet in hand may have ended within the call; what the caller then kept with it ends here.
    for (let n = 0; n < count; n++) {
      const row = batch.flow[indexes[n]];
      if (row < this.#rows.length) this.#rows[row] = undefined;
    }
  }

  expired(rows: Int32Array, count: number): void {
    for (let n = 0; n < count; n++) {
      const row = rows[n];
      this.#ended.push(this.#rows[row]);
      if (row < this.#rows.length) this.#rows[row] = undefined;
    }
  }

  /** What was kept with the flow of the next record. */
  takeEnded(): Data | undefined {
    const data = this.#ended[this.#taken];
    this.#ended[this.#taken++] = undefined;
    if (this.#taken === this.#ended.length) {
      this.#ended.length = 0;
      this.#taken = 0;
    }
    return data;
  }
}
