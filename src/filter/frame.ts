/**
 * The frame that a filter looks at: one object, moved from packet to packet. A read outside the captured bytes returns 0
 * and marks the frame as rejected, which is final: as in the packet filter machine, such a packet does not match whatever
 * the rest of the expression says, `not` included.
 */
export class Frame {
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the frame in `bytes`. */
  start = 0;
  /** Bytes captured. */
  length = 0;
  /** Bytes on the wire. */
  wire = 0;
  rejected = false;
  /** Bytes before the link header that vary from packet to packet (radio headers). */
  linkBase = 0;
  /** Part of the offset of the link's payload that varies from packet to packet. */
  payloadBase = 0;
}

/** Whether a frame matches; only valid if the frame is not rejected after it. */
export type Test = (frame: Frame) => boolean;

/** The numbers below are offsets from the start of the frame, not negative. */
export function readByte(frame: Frame, offset: number): number {
  if (offset < frame.length) return frame.bytes[frame.start + offset]!;
  frame.rejected = true;
  return 0;
}

export function readShort(frame: Frame, offset: number): number {
  if (offset + 2 <= frame.length) {
    const at = frame.start + offset;
    return (frame.bytes[at]! << 8) | frame.bytes[at + 1]!;
  }
  frame.rejected = true;
  return 0;
}

/** Signed, as comparisons for equality do not care and signed words cost nothing. */
export function readWord(frame: Frame, offset: number): number {
  if (offset + 4 <= frame.length) {
    const { bytes } = frame;
    const at = frame.start + offset;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  frame.rejected = true;
  return 0;
}
