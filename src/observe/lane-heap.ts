import type { Lane } from './lane.js';

/** Lanes with packets, as a binary heap: the one whose next packet is the earliest stands first. */
export class LaneHeap {
  private readonly lanes: Lane[] = [];

  get first(): Lane | undefined {
    return this.lanes[0];
  }

  /** The lane that comes next if the first one were gone. */
  get second(): Lane | undefined {
    const { lanes } = this;
    if (lanes.length < 3) return lanes[1];
    return lanes[1].isBefore(lanes[2]) ? lanes[1] : lanes[2];
  }

  push(lane: Lane): void {
    const { lanes } = this;
    let at = lanes.length;
    lanes.push(lane);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!lane.isBefore(lanes[parent])) break;
      lanes[at] = lanes[parent];
      at = parent;
    }
    lanes[at] = lane;
  }

  /** Finds the place of the first lane again, after its next packet has become a later one. */
  settle(): void {
    const { lanes } = this;
    const lane = lanes[0];
    const { length } = lanes;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && lanes[child + 1].isBefore(lanes[child])) child++;
      if (!lanes[child].isBefore(lane)) break;
      lanes[at] = lanes[child];
      at = child;
    }
    lanes[at] = lane;
  }

  /** Takes the first lane out. */
  pop(): Lane | undefined {
    const { lanes } = this;
    const first = lanes[0];
    const last = lanes.pop();
    if (last !== undefined && lanes.length > 0) {
      lanes[0] = last;
      this.settle();
    }
    return first;
  }
}
