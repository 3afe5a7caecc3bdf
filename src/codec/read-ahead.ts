const LINE_BYTES = 64;
/** Beyond this the lines would be gone from the second-level cache again before they are used. */
const MOST_BYTES = 256 * 1024;

/**
 * Brings the bytes that a walk is about to go through into the processor's cache. In a walk over records each one says where
 * the next one begins, so that it waits for memory at every step; loads one behind the other are foreseen by the processor.
 * How far the walk goes is taken from how far it went before.
 */
export class ReadAhead {
  /** Bytes that the last full batch took. */
  private extent = 0;
  /** Where the last walk began, and up to where lines were read. */
  private begin = 0;
  private reached = 0;
  /** What was read; kept so that it is not optimised away. */
  touched = 0;

  /** Reads a word of each cache line of what the next batch will probably take, from `from` on, but not beyond `end`. */
  touch(view: DataView, from: number, end: number): void {
    const goesOn = from >= this.begin && from <= this.reached;
    const to = Math.min(end, from + this.extent) - 4;
    let at = goesOn ? this.reached : from;
    let touched = 0;
    for (; at <= to; at += LINE_BYTES) touched ^= view.getInt32(at);
    this.begin = from;
    this.reached = at;
    this.touched = touched;
  }

  /** That walk went over so many bytes; `full`: until the batch was. */
  walked(bytes: number, full: boolean): void {
    if (full || bytes > this.extent) this.extent = Math.min(bytes, MOST_BYTES);
  }
}
