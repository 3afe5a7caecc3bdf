import { ErrorCode, RheoError } from '../../core/errors.js';
import type { Link } from '../../system/links.js';
import { Region } from '../../system/memory.js';
import { inNetns } from '../../system/netns.js';
import { PacketSocket } from '../../system/packet-socket.js';
import type { Device } from './device.js';
import { captureError } from './errors.js';
import { CLOSED, fanoutProgram } from './kernel-program.js';
import { LOOPBACK_HARDWARE } from './link-types.js';
import { OFFLOAD_HEADER } from './offload.js';
import { Ring, type RingContext, type RingMemory } from './ring.js';
import { SlotMap } from './slot-map.js';

/** A block with packets is handed over after this time at the latest. */
export const RETIRE_MS = 20;
/** Free bytes before each frame: a VLAN tag goes there. A multiple of 16 keeps IP headers at multiples of 16 bytes. */
const HEADROOM = 16;

export interface Fanout {
  /** Number of the group, 0 … 65,535; the same in all threads, and of no other program: choose it by chance. */
  readonly id: number;
  /** Threads that share the packets, and which of them this is. */
  readonly size: number;
  readonly index: number;
}

export interface RingSetOptions {
  readonly netns: string | undefined;
  readonly promiscuous: boolean;
  readonly blockBytes: number;
  /** Of all rings together, and of each. */
  readonly blocks: number;
  readonly ringBlocks: number;
  readonly fanout: Fanout | undefined;
  readonly offloadTold: boolean;
}

/** A ring, and the interface that it belongs to. */
export interface Observed {
  readonly ring: Ring;
  /** 0: all interfaces. */
  readonly kernelIndex: number;
  /** Loopback may be among what it hears. */
  readonly loopback: boolean;
  /** Time at which an ending ring is closed, though it is not empty. */
  deadline: number;
}

/** Makes rings in one range of memory, and takes them down. */
export class RingSet {
  readonly memory: RingMemory;
  private readonly options: RingSetOptions;
  private readonly region: Region;
  private readonly slots: SlotMap;

  /** @throws SystemError */
  constructor(options: RingSetOptions) {
    this.options = options;
    this.slots = new SlotMap(options.blocks);
    this.region = new Region(options.blocks * options.blockBytes);
    const { buffer } = this.region;
    this.memory = {
      bytes: new Uint8Array(buffer),
      view: new DataView(buffer),
      words: new Int32Array(buffer),
      halves: new Uint16Array(buffer),
    };
  }

  /**
   * Opens a socket with a ring, whose filter lets nothing through yet.
   * @param link undefined: all interfaces
   * @throws RheoError
   */
  open(context: RingContext, device: Device, link: Link | undefined): Observed {
    const { blockBytes, blocks, ringBlocks, netns } = this.options;
    const slot = this.slots.take(ringBlocks);
    if (slot === -1) {
      throw new RheoError(ErrorCode.limit, `no room for a ring for ${device.name}: all ${blocks} blocks are in use`, {
        remedy: 'Give the rings more blocks, or observe fewer interfaces (any is one ring for all of them).',
      });
    }
    const place = { offset: slot * blockBytes, blocks: ringBlocks, blockBytes };
    let socket: PacketSocket | undefined;
    try {
      socket = inNetns(netns, () => new PacketSocket());
      this.prepare(socket, place, link?.index ?? 0);
    } catch (error) {
      socket?.close();
      this.free(place);
      throw captureError(error, device.name);
    }
    return {
      ring: new Ring(context, socket, place, device, link === undefined),
      kernelIndex: link?.index ?? 0,
      loopback: link === undefined || link.hardware === LOOPBACK_HARDWARE,
      deadline: 0,
    };
  }

  /** Closes a ring and gives its memory back; nothing of its blocks may be in use, and its statistics were read. */
  shut({ ring }: Observed): void {
    ring.device.formerKernel += ring.kernel;
    ring.device.formerDropped += ring.socket.dropped;
    ring.socket.close();
    this.free(ring);
  }

  private free({ offset, blocks, blockBytes }: { offset: number; blocks: number; blockBytes: number }): void {
    try {
      this.region.clear(offset, blocks * blockBytes);
    } catch {
      // No memory: the old blocks stay mapped until another ring takes their place.
    }
    this.slots.free(offset / blockBytes, blocks);
  }

  private prepare(
    socket: PacketSocket,
    place: { offset: number; blocks: number; blockBytes: number },
    index: number,
  ): void {
    const { fanout, offloadTold, promiscuous } = this.options;
    socket.attachFilter(CLOSED);
    if (offloadTold) socket.describeOffload();
    socket.preferHardwareTime();
    const headroom = offloadTold ? HEADROOM - OFFLOAD_HEADER : HEADROOM;
    socket.makeRing({ ...place, retireMilliseconds: RETIRE_MS, headroom });
    this.region.map(socket.fd, place.offset, place.blocks * place.blockBytes);
    socket.bind(index);
    if (promiscuous && index !== 0) socket.promiscuous(index);
    // A group belongs to one interface.
    if (fanout !== undefined) socket.joinFanout((fanout.id + index) & 0xffff, fanoutProgram());
  }
}
