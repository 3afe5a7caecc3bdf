import type { FlowObject, Loss, Service } from '../rpc/service.js';
import { RateBook } from './rates.js';
import { TotalBook } from './totals.js';
import type { Look } from './view-model.js';

/** What views ask of a daemon: the same in this process and through its socket. */
export type Watched = Pick<Service, 'flows' | 'loss'>;

/** Flows asked for by each of the two orders. */
const MOST_FLOWS = 1000;

/**
 * Looks at a daemon again and again. Of a table with more flows than are asked for, it takes those whose last packet is
 * youngest and those with most bytes: whatever is fast is among them.
 */
export class Watcher {
  readonly #service: Watched;
  readonly #now: () => number;
  readonly #rates = new RateBook(2 * MOST_FLOWS);
  readonly #totals = new TotalBook();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(service: Watched, now: () => number) {
    this.#service = service;
    this.#now = now;
  }

  /** @throws what the service throws, among others RheoError `RHEO_FILTER` */
  async look(filter: string): Promise<Look> {
    const query = filter === '' ? {} : { filter };
    const youngest = await this.#service.flows({ ...query, sort: 'end', order: 'desc', limit: MOST_FLOWS });
    const complete = youngest.matched <= youngest.flows.length;
    let flows: readonly FlowObject[] = youngest.flows;
    if (!complete) {
      const largest = await this.#service.flows({ ...query, sort: 'bytes', order: 'desc', limit: MOST_FLOWS });
      flows = [...flows, ...largest.flows];
    }
    const flowsAt = this.#now();
    const loss: Loss = await this.#service.loss();
    return {
      time: new Date(),
      loss,
      totals: this.#totals.look(loss, this.#now()),
      flows: this.#rates.look(flows, complete, flowsAt),
      matched: youngest.matched,
    };
  }

  /** @throws RheoError `RHEO_FILTER` if the service does not understand the filter */
  async tryFilter(filter: string): Promise<void> {
    if (filter !== '') await this.#service.flows({ filter, limit: 1 });
    // Flows that the old filter left out are not new.
    this.#rates.clear();
  }
}
