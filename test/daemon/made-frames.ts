/** Bytes of a made frame: Ethernet, IPv4, UDP or TCP without payload, padded. */
export const FRAME_BYTES = 64;
const IP = 14;
const UDP = 17;
const TCP = 6;

/** IP bytes of a made packet. */
export function ipBytes(tcp: boolean): number {
  return tcp ? 40 : 28;
}

/**
 * Writes a packet of flow `flow` (up to 2^24 are told apart): 10.x.y.z to 192.0.2.1, or back.
 * @param flags TCP flags; undefined: UDP
 */
export function writeFrame(bytes: Uint8Array, at: number, flow: number, back: boolean, flags?: number): void {
  bytes.fill(0, at, at + FRAME_BYTES);
  bytes[at + 12] = 8;
  const ip = at + IP;
  const tcp = flags !== undefined;
  bytes[ip] = 0x45;
  bytes[ip + 3] = ipBytes(tcp);
  bytes[ip + 8] = 64;
  bytes[ip + 9] = tcp ? TCP : UDP;
  const inside = [10, (flow >>> 16) & 0xff, (flow >>> 8) & 0xff, flow & 0xff];
  const outside = [192, 0, 2, 1];
  bytes.set(back ? outside : inside, ip + 12);
  bytes.set(back ? inside : outside, ip + 16);
  const l4 = ip + 20;
  const ports = back ? [53, 4000] : [4000, 53];
  bytes[l4] = ports[0] >>> 8;
  bytes[l4 + 1] = ports[0] & 0xff;
  bytes[l4 + 2] = ports[1] >>> 8;
  bytes[l4 + 3] = ports[1] & 0xff;
  if (tcp) {
    bytes[l4 + 12] = 0x50;
    bytes[l4 + 13] = flags;
  } else bytes[l4 + 5] = 8;
}
