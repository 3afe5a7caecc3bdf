/** Slots ordered by time: a binary heap in typed arrays, so that millions of events need no objects. */
export class TimeHeap {
  private times = new Float64Array(1024);
  private slots = new Int32Array(1024);
  size = 0;

  /** Earliest time; Infinity if empty. */
  get time(): number {
    return this.size === 0 ? Infinity : this.times[0]!;
  }

  /** Slot of the earliest time. The heap must not be empty. */
  get slot(): number {
    return this.slots[0]!;
  }

  push(time: number, slot: number): void {
    if (this.size === this.times.length) this.grow();
    let i = this.size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.times[parent]! <= time) break;
      this.set(i, this.times[parent]!, this.slots[parent]!);
      i = parent;
    }
    this.set(i, time, slot);
  }

  /** Gives the earliest slot a later time. */
  delay(time: number): void {
    this.sink(time, this.slots[0]!);
  }

  /** Removes the earliest. */
  pop(): void {
    const last = --this.size;
    if (last > 0) this.sink(this.times[last]!, this.slots[last]!);
  }

  private sink(time: number, slot: number): void {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.times[child + 1]! < this.times[child]!) child++;
      if (this.times[child]! >= time) break;
      this.set(i, this.times[child]!, this.slots[child]!);
      i = child;
    }
    this.set(i, time, slot);
  }

  private set(i: number, time: number, slot: number): void {
    this.times[i] = time;
    this.slots[i] = slot;
  }

  private grow(): void {
    const times = new Float64Array(this.times.length * 2);
    times.set(this.times);
    this.times = times;
    const slots = new Int32Array(times.length);
    slots.set(this.slots);
    this.slots = slots;
  }
}
