import type { SourceCounters } from '../../model/source.js';
import type { Batch } from '../../packet/batch.js';
import type { PacketSocket } from '../../system/packet-socket.js';
import type { Dedupe } from './dedupe.js';
import type { Device } from './device.js';
import { linkTypeOf } from './link-types.js';
import { guessedSegments, OFFLOAD_TYPE, toldSegments } from './offload.js';
import type { TimeLine } from './time-line.js';

/** Offsets in 32-bit words. struct tpacket_block_desc: status, number of packets, offset of the first one in bytes. */
const BLOCK_STATUS = 2;
const BLOCK_PACKETS = 3;
const BLOCK_FIRST = 4;
/** struct tpacket3_hdr: the next packet (bytes from here), stamp, bytes kept, bytes in all, status, VLAN tag. */
const NEXT = 0;
const SECONDS = 1;
const NANOS = 2;
const CAPTURED = 3;
const LENGTH = 4;
const STATUS = 5;
const VLAN_TAG = 8;
/** In 16-bit words: offset of the frame from here, type of the VLAN tag. */
const FRAME = 12;
const VLAN_TYPE = 18;
/** struct sockaddr_ll behind it, at byte 48: interface index; in 16-bit words hardware type; in bytes kind of packet. */
const INTERFACE = 13;
const HARDWARE = 28;
const KIND = 58;

const USER = 1;
const VLAN_VALID = 0x10;
const VLAN_TYPE_VALID = 0x40;
const OUTGOING = 4;
const KIND_LAST = 3;

const ETHERNET = 1;
const ETHERNET_HEADER = 14;
const VLAN_TAG_BYTES = 4;

/** Memory that all rings of a source lie in, seen in all the ways that they are read. */
export interface RingMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly halves: Uint16Array;
}

/** What a ring asks of its source. */
export interface RingContext {
  readonly memory: RingMemory;
  readonly timeLine: TimeLine;
  readonly dedupe: Dedupe | undefined;
  /** The kernel tells of offload in front of each frame. */
  readonly offloadTold: boolean;
  readonly counters: SourceCounters;
  /** The interface with this kernel index, for sockets that hear all interfaces. */
  deviceOf(kernelIndex: number): Device;
}

/**
 * Reads a TPACKET_V3 ring: blocks of the kernel in turn, packet by packet into the columns of a batch. Blocks are given back
 * by `release`, when what was read from them is no more in use.
 */
export class Ring {
  readonly socket: PacketSocket;
  /** Place in the memory, in bytes. */
  readonly offset: number;
  readonly blocks: number;
  readonly blockBytes: number;
  /** The interface; for a socket that hears all of them, the one that stands for all. */
  readonly device: Device;
  /** The socket hears all interfaces. */
  readonly any: boolean;
  /** The interface is gone, or the source was stopped: what is left in the ring is read, then the socket is closed. */
  ending = false;
  /** Time of the next packet on the line of time, if `left` > 0. */
  headSeconds = 0;
  headNanos = 0;
  /** Packets of the block in hand that are still to be read, and the next of them (byte offset in the memory). */
  left = 0;
  /** Packets taken out of the ring. */
  taken = 0;
  private at = 0;
  private readonly context: RingContext;
  /** Next block to read, and the first one not given back. `held` lie between. */
  private next = 0;
  private first = 0;
  private held = 0;

  constructor(
    context: RingContext,
    socket: PacketSocket,
    place: { offset: number; blocks: number; blockBytes: number },
    device: Device,
    any: boolean,
  ) {
    this.context = context;
    this.socket = socket;
    this.offset = place.offset;
    this.blocks = place.blocks;
    this.blockBytes = place.blockBytes;
    this.device = device;
    this.any = any;
  }

  /** Packets that the kernel had for it, as far as they are known: those that were taken, at the least. */
  get kernel(): number {
    return Math.max(this.socket.packets, this.socket.dropped + this.taken);
  }

  /** True if there is a packet to take; opens the next block if need be. */
  ready(): boolean {
    if (this.left > 0) return true;
    const { words } = this.context.memory;
    while (this.held < this.blocks) {
      const block = this.offset + this.next * this.blockBytes;
      const word = block >>> 2;
      // What the kernel wrote before it handed the block over must be seen after.
      if ((Atomics.load(words, word + BLOCK_STATUS) & USER) === 0) return false;
      this.next = this.next + 1 === this.blocks ? 0 : this.next + 1;
      this.held++;
      this.left = words[word + BLOCK_PACKETS];
      this.at = block + words[word + BLOCK_FIRST];
      if (this.left === 0) continue;
      this.context.timeLine.refresh();
      this.readHead();
      return true;
    }
    return false;
  }

  /** Gives the blocks that were read back to the kernel: nothing of their bytes may be touched from then on. */
  release(): void {
    const { words } = this.context.memory;
    // The last one may still have packets to be read.
    const keep = this.left > 0 ? 1 : 0;
    while (this.held > keep) {
      Atomics.store(words, ((this.offset + this.first * this.blockBytes) >>> 2) + BLOCK_STATUS, 0);
      this.first = this.first + 1 === this.blocks ? 0 : this.first + 1;
      this.held--;
    }
  }

  /**
   * Takes packets of the block in hand that are not later than the given time, as far as the batch has room. Bit 31 of the
   * status says that the card stamped it.
   */
  take(batch: Batch, untilSeconds: number, untilNanos: number): void {
    const { memory, timeLine, dedupe, offloadTold } = this.context;
    const { view, words, halves, bytes } = memory;
    const { any, device: own } = this;
    const { capacity, offset, captured, wire, seconds, nanos, iface, link, frameDirection } = batch;
    const { shifted } = timeLine;
    let device = own;
    let face = own.index;
    let lastInterface = any ? -1 : 0;
    let lastHardware = -1;
    let linkType = 0;
    let i = batch.count;
    let { left, at } = this;
    let packets = 0;
    let keptBytes = 0;
    let wireBytes = 0;
    let transmitted = 0;
    while (i < capacity && left > 0) {
      const w = at >>> 2;
      const h = at >>> 1;
      const status = words[w + STATUS];
      let second = words[w + SECONDS] >>> 0;
      let nano = words[w + NANOS];
      if (status < 0) {
        own.card.place(timeLine, second, nano);
        second = own.card.seconds;
        nano = own.card.nanos;
      } else if (shifted) {
        timeLine.place(second, nano);
        second = timeLine.placedSeconds;
        nano = timeLine.placedNanos;
      }
      if (second > untilSeconds || (second === untilSeconds && nano > untilNanos)) break;
      if (any && words[w + INTERFACE] !== lastInterface) {
        device.packets += packets;
        device.bytes += wireBytes;
        device.transmitted += transmitted;
        packets = 0;
        wireBytes = 0;
        transmitted = 0;
        lastInterface = words[w + INTERFACE];
        device = this.context.deviceOf(lastInterface);
        face = device.index;
      }
      if (halves[h + HARDWARE] !== lastHardware) {
        lastHardware = halves[h + HARDWARE];
        linkType = linkTypeOf(lastHardware);
      }
      let frame = at + halves[h + FRAME];
      let kept = words[w + CAPTURED];
      let length = words[w + LENGTH];
      if (offloadTold) {
        if (bytes[frame + OFFLOAD_TYPE] !== 0) {
          device.superFrames++;
          device.segments += toldSegments(view, frame, kept, length);
        }
      } else {
        const segments = guessedSegments(length, device.mtu);
        if (segments > 1) {
          device.superFrames++;
          device.segments += segments;
        }
      }
      if ((status & VLAN_VALID) !== 0 && linkType === ETHERNET && kept >= ETHERNET_HEADER) {
        // The card took the tag off: it goes back between addresses and type, the addresses move into the headroom.
        view.setInt32(frame - 4, view.getInt32(frame));
        view.setInt32(frame, view.getInt32(frame + 4));
        view.setInt32(frame + 4, view.getInt32(frame + 8));
        view.setUint16(frame + 8, (status & VLAN_TYPE_VALID) !== 0 ? halves[h + VLAN_TYPE] : 0x8100);
        view.setUint16(frame + 10, words[w + VLAN_TAG]);
        frame -= VLAN_TAG_BYTES;
        kept += VLAN_TAG_BYTES;
        length += VLAN_TAG_BYTES;
      }
      const kind = bytes[at + KIND];
      left--;
      at += words[w + NEXT];
      if (dedupe?.seen(view, frame, kept, linkType === ETHERNET, face, second, nano)) {
        device.duplicates++;
        continue;
      }
      offset[i] = frame;
      captured[i] = kept;
      wire[i] = length;
      seconds[i] = second;
      nanos[i] = nano;
      iface[i] = face;
      link[i] = linkType;
      const out = kind === OUTGOING;
      frameDirection[i] = out ? 2 : kind <= KIND_LAST ? 1 : 0;
      if (out) transmitted++;
      packets++;
      wireBytes += length;
      keptBytes += kept;
      i++;
    }
    device.packets += packets;
    device.bytes += wireBytes;
    device.transmitted += transmitted;
    this.taken += this.left - left;
    this.context.counters.bytes += keptBytes;
    batch.count = i;
    this.left = left;
    this.at = at;
    if (left > 0) this.readHead();
  }

  private readHead(): void {
    const { memory, timeLine } = this.context;
    const { words } = memory;
    const w = this.at >>> 2;
    const second = words[w + SECONDS] >>> 0;
    const nano = words[w + NANOS];
    if (words[w + STATUS] < 0) {
      const { card } = this.device;
      card.place(timeLine, second, nano);
      this.headSeconds = card.seconds;
      this.headNanos = card.nanos;
    } else {
      timeLine.place(second, nano);
      this.headSeconds = timeLine.placedSeconds;
      this.headNanos = timeLine.placedNanos;
    }
  }
}
