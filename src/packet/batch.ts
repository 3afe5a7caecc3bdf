import type { Aggregates } from './aggregates.js';

/**
 * A batch: up to 256 packets as columns in typed arrays. It is the only thing that moves on the packet road.
 *
 * Who writes what:
 *  - a source (observe/) sets `bytes`/`view`, `count`, and the columns of the section "from the source";
 *  - the decoder (packet/) writes `verdict` and the section "from the decoder" of each packet it accepts;
 *  - the meter (meter/) writes `flow`; hooks read all of it.
 *
 * Columns are reused from batch to batch. Where a comment says "only valid if", stale values stand elsewhere.
 */
export const BATCH_SIZE = 256;

/** Deepest stack of VLAN tags that is followed (802.1Q inside 802.1ad inside …). */
export const MAX_VLAN_DEPTH = 8;

/** Bits of `Batch.marks`. */
export const Mark = {
  /** The flow's addresses are IPv6 (all four words of each address are valid). */
  ipv6: 1,
  /** First fragment of a fragmented packet (offset 0, more follow). */
  fragmentFirst: 2,
  /** Later fragment (offset > 0): ports unknown until the meter finds the first one. */
  fragmentLater: 4,
  /** ICMP error; `quote` points to the IP header that it quotes. */
  icmpError: 8,
  /** Came through at least one tunnel; `tunnel` and `tunnelId` are valid. */
  tunnelled: 16,
  /** TCP header is valid at `transport`. */
  tcp: 32,
  /** A fragment of an outer packet was looked into; `outer` points to that outer IP header. */
  outerFragment: 64,
  /** The snap length cut the packet before the end of its transport header. */
  cut: 128,
  /** ICMP message of the answering kind of a pair (echo reply …); `ports` holds the request's type. */
  icmpReply: 256,
} as const;

type Column = Int32Array | Uint32Array | Uint16Array | Uint8Array;

export class Batch {
  private columnList: [column: Column, width: number][] | undefined;
  readonly capacity: number;
  /** Packets in the batch. */
  count = 0;
  /** The memory that all offsets of this batch point into. */
  bytes: Uint8Array;
  view: DataView;

  // --- from the source -------------------------------------------------------------------------------------------
  /** First byte of the frame in `bytes`; at least 1, so that 0 can stand for "none" in other offsets. */
  readonly offset: Int32Array;
  /** Bytes captured. */
  readonly captured: Int32Array;
  /** Bytes on the wire (≥ captured). */
  readonly wire: Int32Array;
  /** Time of the packet: whole seconds since 1970 (UTC), and nanoseconds 0…999,999,999. */
  readonly seconds: Uint32Array;
  readonly nanos: Int32Array;
  /** Observation point: index into `PacketSource.interfaces`. */
  readonly iface: Int32Array;
  /** Link type (pcap's LINKTYPE_ number). */
  readonly link: Int32Array;
  /** Direction of the frame: 0 unknown, 1 in, 2 out. Only valid if `hasFrameDirection`. */
  readonly frameDirection: Uint8Array;
  /** The source knows directions of frames (live interfaces do, capture files do not). */
  hasFrameDirection = false;
  /** Where the kernel has counted: each packet of the batch is the first one of several, and this says what followed. */
  aggregates: Aggregates | undefined = undefined;

  // --- from the decoder ------------------------------------------------------------------------------------------
  /** 0 = decoded; else a `Refusal` (packet/refusal.ts). */
  readonly verdict: Uint8Array;
  /** Mark bits. */
  readonly marks: Int32Array;
  /**
   * Flow key in canonical order: endpoint A is the lower one. IPv4 uses word 0 only. Addresses in network order as
   * signed 32-bit words.
   */
  readonly a0: Int32Array;
  readonly a1: Int32Array;
  readonly a2: Int32Array;
  readonly a3: Int32Array;
  readonly b0: Int32Array;
  readonly b1: Int32Array;
  readonly b2: Int32Array;
  readonly b3: Int32Array;
  /** A's port << 16 | B's port; ICMP: type << 8 | code (of the request for pairs); ESP, AH: SPI; else 0. */
  readonly ports: Int32Array;
  /** Protocol | IP version << 8 | `KeyKind` bits << 16 (packet/key.ts). */
  readonly meta: Int32Array;
  /** Additional key words, `keyWords` of them a packet (see packet/key.ts); empty by default. */
  readonly keyExtra: Int32Array;
  readonly keyWords: number;
  /** Keyed hash of the whole flow key. */
  readonly hash: Int32Array;
  /** 0: sent by A to B; 1: by B to A. */
  readonly direction: Uint8Array;
  /** Length of the IP packet in bytes as its header says (octetDeltaCount); never padding. */
  readonly octets: Int32Array;
  /** Offset in `bytes` of the innermost IP header. */
  readonly network: Int32Array;
  /** Offset in `bytes` of the transport header; 0 where there is none (later fragments). */
  readonly transport: Int32Array;
  /** Offset in `bytes` of the first byte after the transport header, if `payloadCaptured` > 0. */
  readonly payload: Int32Array;
  /** Bytes of transport payload by the length fields, and how many of them were captured. */
  readonly payloadLength: Int32Array;
  readonly payloadCaptured: Int32Array;
  /** ToS / Traffic Class byte, TTL / hop limit of the innermost IP header. */
  readonly tos: Uint8Array;
  readonly ttl: Uint8Array;
  /** TCP flags, 9 bits (NS … FIN); 0 if not TCP. */
  readonly tcpFlags: Int32Array;
  /** Offset in `bytes` of 12 bytes of MAC addresses, destination first; 0 if the link has none. */
  readonly mac: Int32Array;
  /** VLAN tags: `vlanDepth` of them, outermost first, 12-bit ids at `vlan[i * MAX_VLAN_DEPTH + k]`. */
  readonly vlanDepth: Uint8Array;
  readonly vlan: Uint16Array;
  /** MPLS label stack: its depth, and the top label (only valid if depth > 0). */
  readonly mplsDepth: Uint8Array;
  readonly mplsTop: Int32Array;
  /** Innermost tunnel (`Tunnel`, packet/tunnel.ts) and its id (VNI, key, TEID; 0 if it has none). Only valid if tunnelled. */
  readonly tunnel: Uint8Array;
  readonly tunnelId: Int32Array;
  /** IPv6 flow label; 0 for IPv4. */
  readonly flowLabel: Int32Array;
  /** IPv4 id or IPv6 fragment id; fragment offset in bytes. Only valid for fragments. */
  readonly fragmentId: Int32Array;
  readonly fragmentOffset: Int32Array;
  /** Offset in `bytes` of the IP header that an ICMP error quotes. Only valid if `Mark.icmpError`. */
  readonly quote: Int32Array;
  /** Offset of the outer IP header, and its fragment id. Only valid if `Mark.outerFragment`. */
  readonly outer: Int32Array;
  readonly outerId: Int32Array;

  // --- from the meter --------------------------------------------------------------------------------------------
  /** Row of the flow in the flow table; -1 if the packet belongs to none. */
  readonly flow: Int32Array;

  constructor(options: { capacity?: number; keyWords?: number } = {}) {
    const n = options.capacity ?? BATCH_SIZE;
    this.capacity = n;
    this.keyWords = options.keyWords ?? 0;
    this.bytes = new Uint8Array(0);
    this.view = new DataView(this.bytes.buffer);
    const ints = (): Int32Array => new Int32Array(n);
    const octets = (): Uint8Array => new Uint8Array(n);
    this.offset = ints();
    this.captured = ints();
    this.wire = ints();
    this.seconds = new Uint32Array(n);
    this.nanos = ints();
    this.iface = ints();
    this.link = ints();
    this.frameDirection = octets();
    this.verdict = octets();
    this.marks = ints();
    this.a0 = ints();
    this.a1 = ints();
    this.a2 = ints();
    this.a3 = ints();
    this.b0 = ints();
    this.b1 = ints();
    this.b2 = ints();
    this.b3 = ints();
    this.ports = ints();
    this.meta = ints();
    this.keyExtra = new Int32Array(n * this.keyWords);
    this.hash = ints();
    this.direction = octets();
    this.octets = ints();
    this.network = ints();
    this.transport = ints();
    this.payload = ints();
    this.payloadLength = ints();
    this.payloadCaptured = ints();
    this.tos = octets();
    this.ttl = octets();
    this.tcpFlags = ints();
    this.mac = ints();
    this.vlanDepth = octets();
    this.vlan = new Uint16Array(n * MAX_VLAN_DEPTH);
    this.mplsDepth = octets();
    this.mplsTop = ints();
    this.tunnel = octets();
    this.tunnelId = ints();
    this.flowLabel = ints();
    this.fragmentId = ints();
    this.fragmentOffset = ints();
    this.quote = ints();
    this.outer = ints();
    this.outerId = ints();
    this.flow = ints();
  }

  /** All columns, with the number of elements that a packet has in each. */
  private columns(): [column: Column, width: number][] {
    return Object.values(this)
      .filter((value): value is Column => ArrayBuffer.isView(value) && value !== this.bytes && value !== this.view)
      .map((column) => [column, column.length / this.capacity]);
  }

  /**
   * Keeps packet `i` of another batch as packet `j` of this one, without its bytes: offsets into the frame become 0 and
   * nothing of it counts as captured. For packets that must wait (fragments), not for the usual road.
   */
  keep(from: Batch, i: number, j: number): void {
    this.columnList ??= this.columns();
    from.columnList ??= from.columns();
    for (let c = 0; c < this.columnList.length; c++) {
      const [target, width] = this.columnList[c];
      const source = from.columnList[c][0];
      for (let w = 0; w < width; w++) target[j * width + w] = source[i * width + w];
    }
    for (const column of [this.offset, this.captured, this.mac, this.network, this.transport, this.payload])
      column[j] = 0;
    this.payloadCaptured[j] = 0;
    this.hasFrameDirection = from.hasFrameDirection;
    this.marks[j] &= ~(Mark.tcp | Mark.icmpError | Mark.outerFragment);
  }

  /** Points the batch at the memory that the next packets lie in. */
  attach(bytes: Uint8Array, view: DataView): void {
    this.bytes = bytes;
    this.view = view;
    this.count = 0;
    this.hasFrameDirection = false;
    this.aggregates = undefined;
  }
}
