import type { Loss } from '../rpc/service.js';

/** What all interfaces together did between the last two looks. */
export interface Totals {
  /** A second. */
  readonly byteRate: number;
  readonly packetRate: number;
  /** Bytes a second, the newest last. */
  readonly history: readonly number[];
}

const HISTORY = 240;

/** Rates of the ledger's sums: packets accounted to flows, and their IP bytes. */
export class TotalBook {
  #last: { at: number; octets: number; packets: number } | undefined;
  readonly #history: number[] = [];

  /** @param at milliseconds of a clock that only goes forward */
  look(loss: Pick<Loss, 'octets' | 'decoded'>, at: number): Totals {
    const last = this.#last;
    this.#last = { at, octets: loss.octets, packets: loss.decoded };
    if (last === undefined || at <= last.at) return { byteRate: 0, packetRate: 0, history: this.#history };
    const perSecond = (now: number, before: number): number => (Math.max(0, now - before) * 1000) / (at - last.at);
    const byteRate = perSecond(loss.octets, last.octets);
    this.#history.push(byteRate);
    if (this.#history.length > HISTORY) this.#history.shift();
    return { byteRate, packetRate: perSecond(loss.decoded, last.packets), history: this.#history };
  }
}
