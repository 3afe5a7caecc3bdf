import { Batch } from '../../src/packet/batch.js';

export interface BatchPacket {
  readonly bytes: Uint8Array;
  readonly iface?: number;
  readonly wire?: number;
  readonly link?: number;
  readonly seconds?: number;
  readonly nanos?: number;
  /** 0 unknown, 1 in, 2 out. */
  readonly direction?: number;
  readonly verdict?: number;
}

/** A batch as a source has filled it; `verdict` as a filter would leave it. */
export function batchWith(packets: readonly BatchPacket[]): Batch {
  const batch = new Batch();
  const length = packets.reduce((sum, { bytes }) => sum + bytes.length, 1);
  const memory = new Uint8Array(length);
  batch.attach(memory, new DataView(memory.buffer));
  let at = 1;
  for (const [i, packet] of packets.entries()) {
    memory.set(packet.bytes, at);
    batch.offset[i] = at;
    batch.captured[i] = packet.bytes.length;
    batch.wire[i] = packet.wire ?? packet.bytes.length;
    batch.link[i] = packet.link ?? 1;
    batch.iface[i] = packet.iface ?? 0;
    batch.seconds[i] = packet.seconds ?? 1_704_067_200;
    batch.nanos[i] = packet.nanos ?? 0;
    batch.verdict[i] = packet.verdict ?? 0;
    if (packet.direction !== undefined) {
      batch.hasFrameDirection = true;
      batch.frameDirection[i] = packet.direction;
    }
    at += packet.bytes.length;
  }
  batch.count = packets.length;
  return batch;
}
