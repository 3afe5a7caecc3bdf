/** Columns of a group's sums. */
export const Sum = { flows: 0, packets: 1, bytes: 2 } as const;
export const SUMS = 3;

/** Groups that are told apart. */
const MOST_GROUPS = 16_384;
/** Groups that are compared when one must give way. */
const COMPARED = 8;

/**
 * Sums by key in bounded memory. When there is no room, the smallest (by bytes) of some groups gives way to a new one and
 * goes into `other`: what is large stays, and the sums of all groups with `other` are always those of all flows.
 */
export class Groups {
  /** Sums of the groups that gave way. */
  readonly other: Float64Array = new Float64Array(SUMS);
  private readonly slots = new Map<string, number>();
  private readonly keys: string[] = [];
  private readonly sums: Float64Array;
  private readonly most: number;
  private next = 0;

  constructor(most: number = MOST_GROUPS) {
    this.most = most;
    this.sums = new Float64Array(most * SUMS);
  }

  add(key: string, flows: number, packets: number, bytes: number): void {
    const slot = this.slots.get(key) ?? this.place(key, bytes);
    const { sums, at } = slot < 0 ? { sums: this.other, at: 0 } : { sums: this.sums, at: slot * SUMS };
    sums[at + Sum.flows] += flows;
    sums[at + Sum.packets] += packets;
    sums[at + Sum.bytes] += bytes;
  }

  /** A slot for a new key; -1 if it is smaller than those that it could replace. */
  private place(key: string, bytes: number): number {
    const { keys, sums, slots, other } = this;
    let slot = keys.length;
    if (slot === this.most) {
      let smallest = Number.POSITIVE_INFINITY;
      for (let k = 0; k < COMPARED; k++) {
        this.next = (this.next + 1) % this.most;
        const size = sums[this.next * SUMS + Sum.bytes];
        if (size >= smallest) continue;
        smallest = size;
        slot = this.next;
      }
      if (smallest >= bytes) return -1;
      for (let s = 0; s < SUMS; s++) {
        other[s] += sums[slot * SUMS + s];
        sums[slot * SUMS + s] = 0;
      }
      slots.delete(keys[slot]);
    }
    keys[slot] = key;
    slots.set(key, slot);
    return slot;
  }

  take(): { keys: string[]; sums: Float64Array; other: Float64Array } {
    return { keys: this.keys, sums: this.sums.slice(0, this.keys.length * SUMS), other: this.other };
  }
}
