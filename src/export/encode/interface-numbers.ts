import type { Interface } from '../../model/source.js';

/** Interfaces that a table holds at the most; those beyond have number 0, "unknown". */
const MOST_INTERFACES = 65_536;

/**
 * Numbers of interfaces in records (ifIndex): the kernel's where the source knows it, else the place in the list of the
 * source, from 1. 0 is unknown. Both sides of the wire use them, so the options records name the same numbers.
 */
export class InterfaceNumbers {
  readonly #interfaces: () => readonly Interface[];
  #numbers: Uint32Array = new Uint32Array(16);
  #known = 0;

  constructor(interfaces: () => readonly Interface[]) {
    this.#interfaces = interfaces;
  }

  /** Number of the interface at that index of the source's list. Looks at the list only for an index that is new. */
  of(index: number): number {
    if (index >= 0 && index < this.#known) return this.#numbers[index];
    return this.#learn(index);
  }

  #learn(index: number): number {
    const interfaces = this.#interfaces();
    const count = Math.min(MOST_INTERFACES, interfaces.length);
    if (count > this.#numbers.length) this.#numbers = new Uint32Array(count * 2);
    for (let k = 0; k < count; k++) this.#numbers[k] = interfaceNumber(interfaces[k]);
    this.#known = count;
    if (index >= 0 && index < count) return this.#numbers[index];
    // Records can be faster than the list: the number is the same as without the kernel's.
    return index >= 0 && index < MOST_INTERFACES ? index + 1 : 0;
  }
}

/** The number that records carry for an interface. */
export function interfaceNumber(known: Interface & { readonly kernelIndex?: number }): number {
  return known.kernelIndex || known.index + 1;
}
