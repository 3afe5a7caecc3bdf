import { existsSync } from 'node:fs';
import os from 'node:os';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { libc, SystemError } from '../../system/libc.js';
import { type Link, LinkMonitor } from '../../system/links.js';
import { inNetns } from '../../system/netns.js';
import type { BpfInstruction } from '../../system/packet-socket.js';
import type { DedupeOptions } from './dedupe.js';
import { captureError, noInterface } from './errors.js';
import { MAX_INSTRUCTIONS } from './kernel-program.js';
import { WantedNames } from './names.js';
import type { Fanout } from './ring-set.js';
import { type LiveCapture, RingSource } from './source.js';

export type { BpfInstruction, DedupeOptions, Fanout, LiveCapture };

export interface LiveOptions {
  /** Names, patterns ('eth*'), or 'any' alone: all interfaces in one ring, those that come later too. */
  readonly interfaces: readonly string[];
  /** Network namespace to capture in: a name as `ip netns` has it, or a path. Default: where the thread is. */
  readonly netns?: string | undefined;
  /** Receive what is for other machines too. Default true; never with 'any'. */
  readonly promiscuous?: boolean;
  /** Bytes kept of each packet. Default 0: all. */
  readonly snapLength?: number;
  /**
   * Memory for the rings of this source: bytes of a block, a power of two from 64 KiB on, and blocks in all, which the
   * interfaces share. Default 256 KiB and 256: 64 MiB. Frames longer than a block are cut.
   */
  readonly ring?: { readonly blockBytes: number; readonly blocks: number } | undefined;
  /** Share packets with other threads. The gates are closed until `release`. */
  readonly fanout?: Fanout | undefined;
  /** Classic BPF that the kernel applies; returns the bytes to keep, 0: none. At the start the frame's first byte is 0. */
  readonly kernelFilter?: readonly BpfInstruction[] | undefined;
  /** Leave out the second sight of a packet on another interface. */
  readonly dedupe?: DedupeOptions | undefined;
  /** The kernel gives us one packet in n, by chance. Default 1: all. */
  readonly sampleOneIn?: number;
}

const DEFAULT_RING = { blockBytes: 1 << 18, blocks: 256 };
const MIN_BLOCK_BYTES = 1 << 16;
const MAX_RING_BYTES = 2 ** 31 - 2 ** 20;
/** A ring with less would stand still whenever a block is read. */
const MIN_RING_BLOCKS = 4;

/**
 * Opens interfaces of this machine for capture (packet sockets with TPACKET_V3 rings). Interfaces that go and come back, and
 * new ones that a pattern matches, are taken up by themselves.
 * @throws RheoError usage: options that make no sense; input: no such interface or namespace, no right, not Linux;
 *   linkType: frames of an interface cannot be read; limit: no memory; filter: the kernel refuses the filter
 */
export async function openLive(options: LiveOptions): Promise<LiveCapture> {
  checkOptions(options);
  libc();
  const any = options.interfaces.includes('any');
  const wanted = new WantedNames(options.interfaces);
  let monitor: LinkMonitor;
  let links: Link[];
  try {
    monitor = inNetns(options.netns, () => new LinkMonitor());
  } catch (error) {
    throw captureError(error, options.interfaces.join(', '));
  }
  let source: RingSource | undefined;
  try {
    links = monitor.list();
    const ring = options.ring ?? DEFAULT_RING;
    source = new RingSource(
      {
        wanted,
        any,
        netns: options.netns,
        promiscuous: options.promiscuous ?? true,
        snapLength: options.snapLength ?? 0,
        blockBytes: ring.blockBytes,
        blocks: ring.blocks,
        ringBlocks: any ? ring.blocks : shareOf(ring.blocks, wanted, links),
        fanout: options.fanout,
        kernelFilter: options.kernelFilter,
        dedupe: options.dedupe,
        oneIn: options.sampleOneIn ?? 1,
        offloadTold: kernelTellsOffload(),
      },
      monitor,
    );
    if (!any) {
      const names = links.map(({ name }) => name);
      const missing = wanted.plain.find((name) => !names.includes(name));
      if (missing !== undefined) throw noInterface(missing, names);
    }
    source.begin(links);
    return source;
  } catch (error) {
    if (source === undefined) monitor.close();
    else await source.close();
    throw error instanceof SystemError ? captureError(error, options.interfaces.join(', ')) : error;
  }
}

/** Blocks of each ring. Where patterns are given, half of all is kept for interfaces that come later. */
function shareOf(blocks: number, wanted: WantedNames, links: readonly Link[]): number {
  const present = links.filter(({ name }) => wanted.matches(name)).length;
  const rings = wanted.hasPatterns ? Math.max(4, present * 2) : Math.max(1, present);
  return Math.max(MIN_RING_BLOCKS, Math.floor(blocks / rings));
}

/**
 * Whether the kernel shall describe frames of segmentation offload. It drops those that it cannot describe: UDP before
 * version 6.2, and SCTP, which exists where its module is loaded. There they are guessed by their length.
 */
function kernelTellsOffload(): boolean {
  const [major, minor] = os.release().split('.').map(Number);
  const describesUdp = major > 6 || (major === 6 && minor >= 2);
  return describesUdp && !existsSync('/proc/net/sctp');
}

function checkOptions(options: LiveOptions): void {
  const { interfaces, ring, fanout, kernelFilter, sampleOneIn, snapLength } = options;
  const usage = (message: string, remedy?: string): RheoError =>
    new RheoError(ErrorCode.usage, message, remedy === undefined ? {} : { remedy });
  if (interfaces.length === 0) throw usage('no interface is given', "Name one, or give 'any'.");
  if (interfaces.includes('any') && interfaces.length > 1) {
    throw usage("the interface 'any' stands for all: it cannot be given together with others", 'Give it alone.');
  }
  if (ring !== undefined) {
    const { blockBytes, blocks } = ring;
    if (!isWhole(blockBytes, MIN_BLOCK_BYTES, 1 << 26) || 2 ** Math.round(Math.log2(blockBytes)) !== blockBytes) {
      throw usage(`a ring block of ${blockBytes} bytes: a power of two from 65536 to 67108864 is expected`);
    }
    if (!isWhole(blocks, MIN_RING_BLOCKS, Math.floor(MAX_RING_BYTES / blockBytes))) {
      throw usage(`${blocks} ring blocks: at least ${MIN_RING_BLOCKS}, and less than 2 GiB in all, are expected`);
    }
  }
  if (fanout !== undefined && !(isWhole(fanout.id, 0, 0xffff) && isWhole(fanout.index, 0, fanout.size - 1))) {
    throw usage(`fanout group ${fanout.id}, member ${fanout.index} of ${fanout.size}: out of range`);
  }
  if (kernelFilter !== undefined && !isWhole(kernelFilter.length, 1, MAX_INSTRUCTIONS - 16)) {
    throw new RheoError(ErrorCode.filter, `a kernel filter of ${kernelFilter.length} instructions is too long`);
  }
  if (sampleOneIn !== undefined && !isWhole(sampleOneIn, 1, 0x7fffffff)) {
    throw usage(`sampling one packet in ${sampleOneIn}: a whole number from 1 on is expected`);
  }
  if (snapLength !== undefined && !isWhole(snapLength, 0, 0x40000000)) {
    throw usage(`a snap length of ${snapLength} bytes: a whole number, 0 for all, is expected`);
  }
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
