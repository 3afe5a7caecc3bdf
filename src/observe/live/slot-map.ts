/** Gives out runs of slots, first fit. */
export class SlotMap {
  private readonly used: Uint8Array;

  constructor(slots: number) {
    this.used = new Uint8Array(slots);
  }

  /** @returns the first slot of a free run of that length, which is taken from then on; −1 if there is none */
  take(count: number): number {
    let run = 0;
    for (let slot = 0; slot < this.used.length; slot++) {
      run = this.used[slot] === 0 ? run + 1 : 0;
      if (run < count) continue;
      const first = slot - count + 1;
      this.used.fill(1, first, slot + 1);
      return first;
    }
    return -1;
  }

  free(first: number, count: number): void {
    this.used.fill(0, first, first + count);
  }
}
