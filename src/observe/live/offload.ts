/** Length of struct virtio_net_hdr, which the kernel puts before the frame: flags, type of offload, lengths. */
export const OFFLOAD_HEADER = 10;
/** Offset of the type, 0 if the frame is what it was on the wire, and of the segment size (machine order), from the frame. */
export const OFFLOAD_TYPE: number = 1 - OFFLOAD_HEADER;
const SEGMENT_SIZE = 4 - OFFLOAD_HEADER;

const ETHERNET_HEADER = 14;
/** Ethernet, IPv4 and TCP without options: the guess where headers cannot be read. */
const USUAL_HEADERS = 54;
const IP_TCP_HEADERS = 40;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Segments that a frame of segmentation or receive offload stands for: its payload divided by the segment size that the
 * kernel tells. Exact for TCP and UDP over Ethernet without tunnels; with others the headers are guessed.
 * @param at first byte of an Ethernet frame, behind the struct
 * @param captured bytes at hand
 * @param wire length of the frame
 */
export function toldSegments(view: DataView, at: number, captured: number, wire: number): number {
  const size = view.getUint16(at + SEGMENT_SIZE, littleEndian);
  const payload = wire - headersLength(view, at, captured);
  return size === 0 || payload <= 0 ? 1 : Math.ceil(payload / size);
}

/**
 * The same where the kernel does not tell: a frame longer than the interface can send is one of offload, and its segments
 * are as long as they may be. 1: an ordinary frame.
 */
export function guessedSegments(wire: number, mtu: number): number {
  if (mtu <= IP_TCP_HEADERS || wire <= mtu + ETHERNET_HEADER + 8) return 1;
  return Math.ceil((wire - USUAL_HEADERS) / (mtu - IP_TCP_HEADERS));
}

/** Length of Ethernet, IP and TCP or UDP headers. */
function headersLength(view: DataView, at: number, captured: number): number {
  if (captured < USUAL_HEADERS) return USUAL_HEADERS;
  let ip = ETHERNET_HEADER;
  let type = view.getUint16(at + 12);
  if (type === 0x8100 || type === 0x88a8) {
    type = view.getUint16(at + 16);
    ip += 4;
  }
  let protocol: number;
  let transport: number;
  if (type === 0x0800) {
    protocol = view.getUint8(at + ip + 9);
    transport = ip + (view.getUint8(at + ip) & 15) * 4;
  } else if (type === 0x86dd) {
    protocol = view.getUint8(at + ip + 6);
    transport = ip + 40;
  } else return USUAL_HEADERS;
  if (protocol === 17) return transport + 8;
  if (protocol !== 6 || captured < transport + 13) return USUAL_HEADERS;
  return transport + (view.getUint8(at + transport + 12) >>> 4) * 4;
}
