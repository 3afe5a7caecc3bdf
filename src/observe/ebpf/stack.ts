import { Reg } from './assembler.js';
import { DATAGRAM_BYTES, KEY_BYTES } from './layout.js';

/** What the registers hold while the packet is read; r0 to r5 are for the moment. */
export const Role = {
  /** The packet: struct __sk_buff. */
  packet: Reg.r6,
  /** The header in hand, see `Code.window`, and its offset in the packet. */
  header: Reg.r7,
  offset: Reg.r8,
  /** EtherType, as it stands in the packet; from the IP header on the bytes of the IP packet. */
  length: Reg.r9,
} as const;

/** struct __sk_buff, linux/bpf.h. */
export const Packet = {
  length: 0,
  protocol: 16,
  vlanPresent: 20,
  vlanTag: 24,
  data: 76,
  end: 80,
  segments: 164,
  segmentSize: 176,
} as const;

/** Longest header that is read in one piece. */
export const WINDOW_BYTES = 24;

const KEY = -KEY_BYTES;
const WINDOW = KEY - WINDOW_BYTES;
const DATAGRAM = WINDOW - DATAGRAM_BYTES;
const WORDS = DATAGRAM - 8;

/** Where things stand on the stack: offsets from the frame pointer down. */
export const Stack = {
  /** `Key`, `Datagram` of layout.ts. */
  key: KEY,
  datagram: DATAGRAM,
  /** A header that is not in one piece in the packet. */
  window: WINDOW,

  /** From here on eight bytes each. Pointers to the interface's counters and to the map of now. */
  counters: WORDS,
  map: WORDS - 8,
  /** Bytes of the frame. */
  frame: WORDS - 16,
  /** Bytes of the transport header and behind it. */
  rest: WORDS - 24,
  tcpFlags: WORDS - 32,
  /** `FragmentKind`. */
  fragment: WORDS - 40,
  /** ToS, and TTL eight bits above. */
  service: WORDS - 48,
  time: WORDS - 56,
  /** Key of an array. */
  index: WORDS - 64,
} as const;

/** 0 on the stack: not a fragment. */
export const FragmentKind = { first: 1, later: 2 } as const;
