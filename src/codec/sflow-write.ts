import {
  ETHERNET_COUNTERS,
  type EthernetCounters,
  type InterfaceCounters,
  SFLOW_VERSION,
  SflowAddress,
  SflowCounterRecord,
  SflowFlowRecord,
  SflowHeader,
  SflowSample,
} from './sflow-format.js';

export interface SflowOptions {
  /** Address of the agent: IPv4 or IPv6 text, four or sixteen bytes, or nothing ("unknown"). */
  readonly agent?: string | Uint8Array;
  readonly subAgent?: number;
  /** Bytes of the longest datagram. Default 1400, as the specification advises. */
  readonly maxMessageBytes?: number;
  /** Samples in the expanded form: interface numbers of 32 bits. Default false. */
  readonly expanded?: boolean;
}

/** What a switch knows of a sampled packet (extended_switch); 0xffffffff is "unknown". */
export interface SwitchData {
  readonly sourceVlan: number;
  readonly sourcePriority: number;
  readonly destinationVlan: number;
  readonly destinationPriority: number;
}

/** Largest number of a data source or interface in the compact form (24 and 30 bits). */
const MOST_COMPACT_SOURCE = 0xffffff;
const MOST_COMPACT_INTERFACE = 0x3fffffff;
/** Unknown counters are all ones. */
const UNKNOWN = 0xffffffff;
const SLACK = 4096;
const MOST_HEADER = 1024;
const NO_BYTES = new Uint8Array(0);
const GENERIC_BYTES = 88;

/**
 * sFlow v5 datagrams of one agent. A datagram is begun by its first sample; `flowSample` and `counterSample` return false if
 * the sample does not fit: then `finish` and add it again. Sequence numbers of samples count by data source.
 */
export class SflowWriter {
  readonly maxMessageBytes: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #headerBytes: number;
  readonly #expanded: boolean;
  #at: number;
  #samples = 0;
  #sequence = 0;
  /** Sequence numbers of samples by data source: flow samples, counter samples. */
  readonly #flowSequence = new Map<number, number>();
  readonly #counterSequence = new Map<number, number>();

  constructor(options: SflowOptions = {}) {
    this.maxMessageBytes = options.maxMessageBytes ?? 1400;
    this.#expanded = options.expanded ?? false;
    this.#bytes = new Uint8Array(this.maxMessageBytes + SLACK);
    this.#view = new DataView(this.#bytes.buffer);
    const agent = addressBytes(options.agent);
    this.#u32(0, SFLOW_VERSION);
    this.#u32(
      4,
      agent.length === 4 ? SflowAddress.ipv4 : agent.length === 16 ? SflowAddress.ipv6 : SflowAddress.unknown,
    );
    this.#bytes.set(agent, 8);
    this.#u32(8 + agent.length, options.subAgent ?? 0);
    this.#headerBytes = 24 + agent.length;
    this.#at = this.#headerBytes;
  }

  #u32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  #u64(at: number, value: number | bigint | undefined): void {
    if (value === undefined) {
      this.#u32(at, UNKNOWN);
      this.#u32(at + 4, UNKNOWN);
    } else this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)));
  }

  /** Samples in the datagram. */
  get waiting(): number {
    return this.#samples;
  }

  /** Header of a sample up to and including its source; returns where it goes on. */
  #beginSample(compact: number, expanded: number, sequence: number, source: number): number {
    const at = this.#at;
    this.#u32(at, this.#expanded ? expanded : compact);
    this.#u32(at + 8, sequence);
    if (!this.#expanded) {
      // Type 0: ifIndex.
      this.#u32(at + 12, Math.min(MOST_COMPACT_SOURCE, source));
      return at + 16;
    }
    this.#u32(at + 12, 0);
    this.#u32(at + 16, source);
    return at + 20;
  }

  /** Closes the sample if it fits. */
  #endSample(end: number): boolean {
    if (end > this.maxMessageBytes && this.#samples > 0) return false;
    this.#u32(this.#at + 4, end - this.#at - 8);
    this.#at = end;
    this.#samples++;
    return true;
  }

  #interface(at: number, number: number): number {
    if (!this.#expanded) {
      this.#u32(at, Math.min(MOST_COMPACT_INTERFACE, number));
      return at + 4;
    }
    this.#u32(at, 0);
    this.#u32(at + 4, number);
    return at + 8;
  }

  /**
   * A sampled packet: its first bytes as they were on the wire.
   * @param source ifIndex of the data source
   * @param input, output ifIndex, 0 where unknown
   * @param rate one packet in this many
   * @param pool packets that could have been sampled so far (modulo 2^32)
   * @param drops sampled packets that were lost so far
   * @param frame memory that holds the frame, at `offset`, `captured` bytes of it
   * @param wire bytes of the frame on the wire, without FCS
   * @param protocol SflowHeader
   * @returns false: does not fit into this datagram
   */
  flowSample(
    source: number,
    input: number,
    output: number,
    rate: number,
    pool: number,
    drops: number,
    frame: Uint8Array,
    offset: number,
    captured: number,
    wire: number,
    protocol: number = SflowHeader.ethernet,
    switched?: SwitchData,
  ): boolean {
    const sequence = ((this.#flowSequence.get(source) ?? 0) + 1) >>> 0;
    let at = this.#beginSample(SflowSample.flow, SflowSample.expandedFlow, sequence, source);
    this.#u32(at, rate);
    this.#u32(at + 4, pool);
    this.#u32(at + 8, drops);
    at = this.#interface(at + 12, input);
    at = this.#interface(at, output);
    this.#u32(at, switched === undefined ? 1 : 2);
    at += 4;
    // A header that is too long for any datagram is cut: it may be cut anywhere.
    const room = this.maxMessageBytes - this.#headerBytes - (at - this.#at) - 48;
    const length = Math.max(0, Math.min(captured, MOST_HEADER, room));
    const padded = (length + 3) & ~3;
    this.#u32(at, SflowFlowRecord.rawHeader);
    this.#u32(at + 4, 16 + padded);
    this.#u32(at + 8, protocol);
    // The FCS belongs to the frame's length, and was stripped.
    const stripped = protocol === SflowHeader.ethernet ? 4 : 0;
    this.#u32(at + 12, wire + stripped);
    this.#u32(at + 16, stripped);
    this.#u32(at + 20, length);
    at += 24;
    const bytes = this.#bytes;
    for (let k = 0; k < length; k++) bytes[at + k] = frame[offset + k];
    for (let k = length; k < padded; k++) bytes[at + k] = 0;
    at += padded;
    if (switched !== undefined) {
      this.#u32(at, SflowFlowRecord.extendedSwitch);
      this.#u32(at + 4, 16);
      this.#u32(at + 8, switched.sourceVlan);
      this.#u32(at + 12, switched.sourcePriority);
      this.#u32(at + 16, switched.destinationVlan);
      this.#u32(at + 20, switched.destinationPriority);
      at += 24;
    }
    if (!this.#endSample(at)) return false;
    this.#flowSequence.set(source, sequence);
    return true;
  }

  /** Counters of an interface, and of its Ethernet where they are known. False: does not fit into this datagram. */
  counterSample(counters: InterfaceCounters, ethernet?: EthernetCounters): boolean {
    const source = counters.ifIndex;
    const sequence = ((this.#counterSequence.get(source) ?? 0) + 1) >>> 0;
    let at = this.#beginSample(SflowSample.counters, SflowSample.expandedCounters, sequence, source);
    this.#u32(at, ethernet === undefined ? 1 : 2);
    at += 4;
    this.#u32(at, SflowCounterRecord.generic);
    this.#u32(at + 4, GENERIC_BYTES);
    at += 8;
    const c = counters;
    const words = (first: number, values: readonly (number | undefined)[]): void => {
      for (let k = 0; k < values.length; k++) this.#u32(first + k * 4, values[k] ?? UNKNOWN);
    };
    this.#u32(at, c.ifIndex);
    this.#u32(at + 4, c.ifType ?? 0);
    this.#u64(at + 8, c.ifSpeed ?? 0);
    this.#u32(at + 16, c.ifDirection ?? 0);
    this.#u32(at + 20, c.ifStatus ?? 0);
    this.#u64(at + 24, c.ifInOctets);
    words(at + 32, [
      c.ifInUcastPkts,
      c.ifInMulticastPkts,
      c.ifInBroadcastPkts,
      c.ifInDiscards,
      c.ifInErrors,
      c.ifInUnknownProtos,
    ]);
    this.#u64(at + 56, c.ifOutOctets);
    words(at + 64, [
      c.ifOutUcastPkts,
      c.ifOutMulticastPkts,
      c.ifOutBroadcastPkts,
      c.ifOutDiscards,
      c.ifOutErrors,
      c.ifPromiscuousMode ?? 0,
    ]);
    at += GENERIC_BYTES;
    if (ethernet !== undefined) {
      this.#u32(at, SflowCounterRecord.ethernet);
      this.#u32(at + 4, ETHERNET_COUNTERS.length * 4);
      words(
        at + 8,
        ETHERNET_COUNTERS.map((name) => ethernet[name]),
      );
      at += 8 + ETHERNET_COUNTERS.length * 4;
    }
    if (!this.#endSample(at)) return false;
    this.#counterSequence.set(source, sequence);
    return true;
  }

  /**
   * Ends the datagram; its memory is valid until the next sample is added. Empty if it has no samples.
   * @param uptimeMs time since the agent began; goes out modulo 2^32
   */
  finish(uptimeMs: number): Uint8Array {
    if (this.#samples === 0) return NO_BYTES;
    const at = this.#headerBytes - 12;
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#u32(at, this.#sequence);
    this.#u32(at + 4, uptimeMs % 0x1_0000_0000);
    this.#u32(at + 8, this.#samples);
    const message = this.#bytes.subarray(0, this.#at);
    this.#at = this.#headerBytes;
    this.#samples = 0;
    return message;
  }
}

/** Bytes of an address; none for what is no address. */
function addressBytes(agent: string | Uint8Array | undefined): Uint8Array {
  if (agent === undefined) return NO_BYTES;
  if (typeof agent !== 'string') return agent.length === 4 || agent.length === 16 ? agent : NO_BYTES;
  if (!agent.includes(':')) {
    const parts = agent.split('.').map(Number);
    const right = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256);
    return right ? Uint8Array.from(parts) : NO_BYTES;
  }
  const [head, tail] = agent.split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const left = groups(head);
  const right = groups(tail);
  if (left.length + right.length > 8 || (tail === undefined && left.length !== 8)) return NO_BYTES;
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >>> 8, group & 0xff]));
}
