import { AggregateMark, Aggregates } from '../../packet/aggregates.js';
import type { Batch } from '../../packet/batch.js';
import { Protocol } from '../../packet/transport.js';
import { EtherType } from '../../packet/walk.js';
import { Key, KeyFlag, Value } from './layout.js';
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
 * Turns entries of the kernel's maps into packets of a batch: for each entry the headers of its first packet, as far as
 * they are known, so that the decoder makes the same flow key of it as of the packet itself; what followed goes into the
 * columns beside the batch.
 */
export class Frames {
  readonly aggregates: Aggregates;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly times: TimeMover;
  /** Addresses, ports and so on are copied from here. */
  private readonly keys: Uint8Array;
  private readonly keyView: DataView;
  private readonly values: DataView;

  constructor(capacity: number, times: TimeMover, keys: ArrayBuffer, values: ArrayBuffer) {
    this.aggregates = new Aggregates(capacity);
    this.bytes = new Uint8Array((capacity + 1) * FRAME_BYTES);
    this.view = new DataView(this.bytes.buffer);
    this.times = times;
    this.keys = new Uint8Array(keys);
    this.keyView = new DataView(keys);
    this.values = new DataView(values);
  }

  attach(batch: Batch): void {
    batch.attach(this.bytes, this.view);
    batch.hasFrameDirection = true;
    batch.aggregates = this.aggregates;
  }

  /**
   * Appends the entry with its key at `k` and its value at `v` to the batch.
   * @returns packets that it stands for
   */
  put(batch: Batch, k: number, v: number): number {
    const { keyView, values, aggregates } = this;
    const i = batch.count++;
    const frame = (i + 1) * FRAME_BYTES;
    const version = keyView.getUint8(k + Key.version);
    const packets = read64(values, v + Value.packets);
    let end: number;
    let first = 0;
    if (version === 0) {
      end = frame + 14;
      aggregates.refusal[i] = keyView.getUint8(k + Key.protocol);
    } else {
      aggregates.refusal[i] = 0;
      const ip = this.link(frame, k, version);
      const header = HEADERS[keyView.getUint8(k + Key.protocol)] ?? 0;
      const transport = ip + (version === 4 ? 20 : 40);
      // A short later fragment: all bytes together count, however they are shared out.
      first = Math.max(values.getUint32(v + Value.firstOctets, true), transport + header - ip);
      this.network(ip, k, v, version, first);
      this.transport(transport, k, v, first - (transport - ip));
      end = transport + header;
    }
    batch.offset[i] = frame;
    batch.captured[i] = end - frame;
    batch.wire[i] = version === 0 ? 14 : this.networkAt + first - frame;
    batch.link[i] = ETHERNET;
    batch.iface[i] = keyView.getUint16(k + Key.slot, true);
    batch.frameDirection[i] = keyView.getUint8(k + Key.direction);
    this.place(v + Value.first);
    batch.seconds[i] = this.times.placedSeconds;
    batch.nanos[i] = this.times.placedNanos;
    this.place(v + Value.last);
    aggregates.lastSeconds[i] = this.times.placedSeconds;
    aggregates.lastNanos[i] = this.times.placedNanos;
    aggregates.packets[i] = packets - 1;
    aggregates.octets[i] = read64(values, v + Value.octets) - first;
    aggregates.wire[i] = read64(values, v + Value.wire) - batch.wire[i];
    aggregates.tcpFlags[i] = values.getUint32(v + Value.flags, true);
    let marks = 0;
    if (values.getUint32(v + Value.fragments, true) !== 0) marks |= AggregateMark.fragments;
    if ((keyView.getUint16(k + Key.flags, true) & KeyFlag.orphan) !== 0) marks |= AggregateMark.orphans;
    aggregates.marks[i] = marks;
    return packets;
  }

  /** Where the IP header of the frame in hand begins. */
  private networkAt = 0;

  /** Ethernet header and tags; returns where IP begins. */
  private link(frame: number, k: number, version: number): number {
    const { view, keyView } = this;
    let at = frame + 12;
    for (const tag of [Key.outerVlan, Key.innerVlan]) {
      const id = keyView.getUint16(k + tag, true);
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
    const { view, values, bytes, keys, keyView } = this;
    const tos = values.getUint8(v + Value.tos);
    const ttl = values.getUint8(v + Value.ttl);
    const protocol = keyView.getUint8(k + Key.protocol);
    // 0 stands for "up to the end" where the length does not fit.
    if (version === 4) {
      view.setUint32(ip, ((0x4500 | tos) << 16) | (length > 0xffff ? 0 : length));
      view.setUint32(ip + 4, 0);
      view.setUint32(ip + 8, ((ttl << 8) | protocol) << 16);
      view.setUint32(ip + 12, keyView.getUint32(k + Key.source));
      view.setUint32(ip + 16, keyView.getUint32(k + Key.destination));
    } else {
      view.setUint32(ip, (6 << 28) | (tos << 20));
      view.setUint16(ip + 4, length - 40 > 0xffff ? 0 : length - 40);
      view.setUint16(ip + 6, (protocol << 8) | ttl);
      for (let b = 0; b < 32; b++) bytes[ip + 8 + b] = keys[k + b];
    }
  }

  /** @param length of the transport header and what is behind it */
  private transport(at: number, k: number, v: number, length: number): void {
    const { view, values, keyView } = this;
    const protocol = keyView.getUint8(k + Key.protocol);
    const ports = keyView.getUint32(k + Key.ports);
    for (let b = 0; b < 20; b += 4) view.setUint32(at + b, 0);
    if (protocol === Protocol.ah) view.setUint32(at + 4, ports);
    else view.setUint32(at, ports);
    if (protocol === Protocol.tcp) view.setUint16(at + 12, 0x5000 | values.getUint16(v + Value.firstFlags, true));
    else if (protocol === Protocol.udp) view.setUint16(at + 4, length > 0xffff ? 0 : length);
  }

  private place(at: number): void {
    const low = this.values.getUint32(at, true);
    const high = this.values.getUint32(at + 4, true);
    // Exact: nanoseconds of a machine that has been up for years do not need all 53 bits.
    const nanos = high * WORD + low;
    const seconds = Math.floor(nanos / SECOND);
    this.times.placeSteady(seconds, nanos - seconds * SECOND);
  }
}
