/** Counters of a group. */
export const Sum = {
  flows: 0,
  packetsSent: 1,
  bytesSent: 2,
  packetsReceived: 3,
  bytesReceived: 4,
} as const;
export const SUMS = 5;

const FIRST_CAPACITY = 256;

/**
 * Sums by a key of a fixed number of words, in typed arrays with open addressing. It grows up to a limit of groups; what
 * comes for further ones is added to `overflow`.
 */
export class GroupTable {
  readonly keyWords: number;
  readonly limit: number;
  /** Groups that have a place. */
  size = 0;
  /** Sums of what found no place, SUMS of them. */
  readonly overflow = new Float64Array(SUMS);
  keys: Int32Array;
  sums: Float64Array;
  /** Group + 1, or 0. */
  #slots: Int32Array;
  /** A stranger must not be able to make all keys meet in one slot. */
  readonly #seed = (Math.random() * 0x100000000) | 0;

  constructor(keyWords: number, limit: number) {
    this.keyWords = keyWords;
    this.limit = limit;
    const capacity = Math.min(FIRST_CAPACITY, limit);
    this.keys = new Int32Array(capacity * keyWords);
    this.sums = new Float64Array(capacity * SUMS);
    this.#slots = new Int32Array(FIRST_CAPACITY * 2);
  }

  add(key: Int32Array, packetsSent: number, bytesSent: number, packetsReceived: number, bytesReceived: number): void {
    const group = this.#find(key);
    const sums = group < 0 ? this.overflow : this.sums;
    const at = group < 0 ? 0 : group * SUMS;
    sums[at + Sum.flows]++;
    sums[at + Sum.packetsSent] += packetsSent;
    sums[at + Sum.bytesSent] += bytesSent;
    sums[at + Sum.packetsReceived] += packetsReceived;
    sums[at + Sum.bytesReceived] += bytesReceived;
  }

  #hash(keys: Int32Array, at: number): number {
    let h = this.#seed;
    for (let k = 0; k < this.keyWords; k++) {
      h = Math.imul(h ^ keys[at + k], 0x9e3779b1);
      h ^= h >>> 15;
    }
    h = Math.imul(h, 0x85ebca6b);
    return h ^ (h >>> 13);
  }

  /** Number of the group, made if there is room; else -1. */
  #find(key: Int32Array): number {
    const { keyWords } = this;
    const mask = this.#slots.length - 1;
    let slot = this.#hash(key, 0) & mask;
    for (;;) {
      const group = this.#slots[slot] - 1;
      if (group < 0) break;
      let k = 0;
      while (k < keyWords && this.keys[group * keyWords + k] === key[k]) k++;
      if (k === keyWords) return group;
      slot = (slot + 1) & mask;
    }
    if (this.size >= this.limit) return -1;
    const group = this.size++;
    this.#makeRoom(group);
    this.keys.set(key, group * keyWords);
    this.#insert(group);
    return group;
  }

  #insert(group: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(this.keys, group * this.keyWords) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = group + 1;
  }

  #makeRoom(group: number): void {
    const capacity = this.sums.length / SUMS;
    if (group >= capacity) {
      const larger = Math.min(capacity * 2, this.limit);
      const keys = new Int32Array(larger * this.keyWords);
      keys.set(this.keys);
      this.keys = keys;
      const sums = new Float64Array(larger * SUMS);
      sums.set(this.sums);
      this.sums = sums;
    }
    // Half full at the most.
    if ((group + 1) * 2 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2);
      for (let k = 0; k < group; k++) this.#insert(k);
    }
  }
}
