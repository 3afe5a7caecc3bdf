import { AggregateMark, Aggregates } from '../../packet/aggregates.js';
import type { Batch } from '../../packet/batch.js';
import { Protocol } from '../../packet/transport.js';
import { EtherType } from '../../packet/walk.js';
import { KEY_BYTES, Key, KeyFlag, RECORD_BYTES, Value } from './layout.js';
import { read64 } from './tables.js';

const ETHERNET = 1;
/** Ethernet with two tags, IPv6, TCP: 82 bytes. */
const FRAME_BYTES = 96;
const SECOND = 1e9;
const WORD = 2 ** 32;

/** Lengths of transport headers as they are written. */
const HEADERS: Readonly<Record<number, number>> = {
  [Protocol.tcp]: 20,
  [Protocol.udp]: 8,
  [Protocol.udplite]: 8,
  [Protocol.sctp]: 12,
  [Protocol.dccp]: 12,
  [Protocol.icmp]: 8,
  [Protocol.icmp6]: 8,
  [Protocol.esp]: 8,
  [Protocol.ah]: 12,
};

/** Moves times of the monotonic clock onto the meter's line. */
export interface TimeMover {
  placeSteady(seconds: number, nanos: number): void;
  readonly placedSeconds: number;
  readonly placedNanos: number;
}

/**
 * Turns the kernel's records into packets of a batch: for each record the headers of its first packet, as far as
 * they are known, so that the decoder makes the same flow key of it as of the packet itself; what followed goes into the
 * columns beside the batch.
 */
export class Frames {
  readonly aggregates: Aggregates;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly times: TimeMover;
  /** Records. */
  private octets: Uint8Array = new Uint8Array(0);
  private records: DataView = new DataView(new ArrayBuffer(0));

  constructor(capacity: number, times: TimeMover) {
    this.aggregates = new Aggregates(capacity);
    this.bytes = new Uint8Array((capacity + 1) * FRAME_BYTES);
    this.view = new DataView(this.bytes.buffer);
    this.times = times;
  }

  /** Takes records from here. */
  use(records: DataView): void {
    this.records = records;
    this.octets = new Uint8Array(records.buffer);
  }

  attach(batch: Batch): void {
    batch.attach(this.bytes, this.view);
    batch.hasFrameDirection = true;
    batch.aggregates = this.aggregates;
  }

  /**
   * Appends the record of this index to the batch.
   * @returns packets that it stands for
   */
  put(batch: Batch, index: number): number {
    const { records, aggregates } = this;
    const k = index * RECORD_BYTES;
    const v = k + KEY_BYTES;
    const i = batch.count++;
    const frame = (i + 1) * FRAME_BYTES;
    const version = records.getUint8(k + Key.version);
    const packets = read64(records, v + Value.packets);
    let end: number;
    let first = 0;
    if (version === 0) {
      end = frame + 14;
      aggregates.refusal[i] = records.getUint8(k + Key.protocol);
    } else {
      aggregates.refusal[i] = 0;
      const ip = this.link(frame, k, version);
      const header = HEADERS[records.getUint8(k + Key.protocol)] ?? 0;
      const transport = ip + (version === 4 ? 20 : 40);
      // A short later fragment: all bytes together count, however they are shared out.
      first = Math.max(records.getUint32(v + Value.firstOctets, true), transport + header - ip);
      this.network(ip, k, v, version, first);
      this.transport(transport, k, v, first - (transport - ip));
      end = transport + header;
    }
    batch.offset[i] = frame;
    batch.captured[i] = end - frame;
    batch.wire[i] = version === 0 ? 14 : this.networkAt + first - frame;
    batch.link[i] = ETHERNET;
    batch.iface[i] = records.getUint16(k + Key.slot, true);
    batch.frameDirection[i] = records.getUint8(k + Key.direction);
    this.place(v + Value.first);
    batch.seconds[i] = this.times.placedSeconds;
    batch.nanos[i] = this.times.placedNanos;
    this.place(v + Value.last);
    aggregates.lastSeconds[i] = this.times.placedSeconds;
    aggregates.lastNanos[i] = this.times.placedNanos;
    aggregates.packets[i] = packets - 1;
    aggregates.octets[i] = read64(records, v + Value.octets) - first;
    aggregates.wire[i] = read64(records, v + Value.wire) - batch.wire[i];
    aggregates.tcpFlags[i] = records.getUint32(v + Value.flags, true);
    let marks = 0;
    if (records.getUint32(v + Value.fragments, true) !== 0) marks |= AggregateMark.fragments;
    if ((records.getUint16(k + Key.flags, true) & KeyFlag.orphan) !== 0) marks |= AggregateMark.orphans;
    aggregates.marks[i] = marks;
    return packets;
  }

  /** Where the IP header of the frame in hand begins. */
  private networkAt = 0;

  /** Ethernet header and tags; returns where IP begins. */
  private link(frame: number, k: number, version: number): number {
    const { view, records } = this;
    let at = frame + 12;
    for (const tag of [Key.outerVlan, Key.innerVlan]) {
      const id = records.getUint16(k + tag, true);
      if (id === 0) break;
      view.setUint16(at, EtherType.vlan);
      view.setUint16(at + 2, id - 1);
      at += 4;
    }
    view.setUint16(at, version === 4 ? EtherType.ipv4 : EtherType.ipv6);
    this.networkAt = at + 2;
    return at + 2;
  }

  private network(ip: number, k: number, v: number, version: number, length: number): void {
    const { view, records, bytes, octets } = this;
    const tos = records.getUint8(v + Value.tos);
    const ttl = records.getUint8(v + Value.ttl);
    const protocol = records.getUint8(k + Key.protocol);
    // 0 stands for "up to the end" where the length does not fit.
    if (version === 4) {
      view.setUint32(ip, ((0x4500 | tos) << 16) | (length > 0xffff ? 0 : length));
      view.setUint32(ip + 4, 0);
      view.setUint32(ip + 8, ((ttl << 8) | protocol) << 16);
      view.setUint32(ip + 12, records.getUint32(k + Key.source));
      view.setUint32(ip + 16, records.getUint32(k + Key.destination));
    } else {
      view.setUint32(ip, (6 << 28) | (tos << 20));
      view.setUint16(ip + 4, length - 40 > 0xffff ? 0 : length - 40);
      view.setUint16(ip + 6, (protocol << 8) | ttl);
      for (let b = 0; b < 32; b++) bytes[ip + 8 + b] = octets[k + b];
    }
  }

  /** @param length of the transport header and what is behind it */
  private transport(at: number, k: number, v: number, length: number): void {
    const { view, records } = this;
    const protocol = records.getUint8(k + Key.protocol);
    const ports = records.getUint32(k + Key.ports);
    for (let b = 0; b < 20; b += 4) view.setUint32(at + b, 0);
    if (protocol === Protocol.ah) view.setUint32(at + 4, ports);
    else view.setUint32(at, ports);
    if (protocol === Protocol.tcp) view.setUint16(at + 12, 0x5000 | records.getUint16(v + Value.firstFlags, true));
    else if (protocol === Protocol.udp) view.setUint16(at + 4, length > 0xffff ? 0 : length);
  }

  private place(at: number): void {
    const low = this.records.getUint32(at, true);
    const high = this.records.getUint32(at + 4, true);
    // Exact: nanoseconds of a machine that has been up for years do not need all 53 bits.
    const nanos = high * WORD + low;
    const seconds = Math.floor(nanos / SECOND);
    this.times.placeSteady(seconds, nanos - seconds * SECOND);
  }
}
