import type { PacketColumns } from '../codec/capture.js';
import { BATCH_SIZE, type Batch } from '../packet/batch.js';
import type { CaptureReader } from './capture-reader.js';

/** Columns of packets that were found in a file and wait until it is their turn. */
class PacketIndex implements PacketColumns {
  count = 0;
  readonly capacity: number = BATCH_SIZE;
  readonly offset = new Int32Array(BATCH_SIZE);
  readonly captured = new Int32Array(BATCH_SIZE);
  readonly wire = new Int32Array(BATCH_SIZE);
  readonly seconds = new Uint32Array(BATCH_SIZE);
  readonly nanos = new Int32Array(BATCH_SIZE);
  readonly iface = new Int32Array(BATCH_SIZE);
  readonly link = new Int32Array(BATCH_SIZE);
}

/** One file of a merge, with the packets of it that come next. */
export class Lane {
  /** Time of the next packet. Only valid if there is one. */
  seconds = 0;
  nanos = 0;
  /** Place of the file in the user's list: decides between packets of the same time. */
  readonly order: number;
  /** Region of the shared memory. */
  readonly region: number;
  readonly reader: CaptureReader;
  private readonly index = new PacketIndex();
  private next = 0;

  constructor(reader: CaptureReader, order: number, region: number) {
    this.reader = reader;
    this.order = order;
    this.region = region;
  }

  /** Takes the next packets from the bytes that are at hand. False if there are none. */
  refill(): boolean {
    const { index } = this;
    index.count = 0;
    this.next = 0;
    this.reader.take(index);
    if (index.count === 0) return false;
    this.seconds = index.seconds[0];
    this.nanos = index.nanos[0];
    return true;
  }

  /** True if this lane's next packet comes before the other's. */
  isBefore(other: Lane): boolean {
    if (this.seconds !== other.seconds) return this.seconds < other.seconds;
    if (this.nanos !== other.nanos) return this.nanos < other.nanos;
    return this.order < other.order;
  }

  /**
   * Moves packets to the batch until it is full, the index is empty, or the next one does not come before the given time.
   * The first is moved in any case.
   * @param orEqual also those of exactly that time
   * @returns false if the index is empty
   */
  move(batch: Batch, seconds: number, nanos: number, orEqual: boolean): boolean {
    const { index } = this;
    const last = index.count;
    let from = this.next;
    let n = batch.count;
    const room = batch.capacity;
    do {
      batch.offset[n] = index.offset[from];
      batch.captured[n] = index.captured[from];
      batch.wire[n] = index.wire[from];
      batch.seconds[n] = index.seconds[from];
      batch.nanos[n] = index.nanos[from];
      batch.iface[n] = index.iface[from];
      batch.link[n] = index.link[from];
      n++;
      from++;
    } while (n < room && from < last && isWithin(index.seconds[from], index.nanos[from], seconds, nanos, orEqual));
    batch.count = n;
    this.next = from;
    if (from === last) return false;
    this.seconds = index.seconds[from];
    this.nanos = index.nanos[from];
    return true;
  }
}

function isWithin(seconds: number, nanos: number, maxSeconds: number, maxNanos: number, orEqual: boolean): boolean {
  if (seconds !== maxSeconds) return seconds < maxSeconds;
  return nanos < maxNanos || (orEqual && nanos === maxNanos);
}
