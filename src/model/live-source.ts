import type { Interface, PacketSource } from './source.js';

/**
 * One interface under observation, as of now. kernel = packets + duplicates + dropped + waiting, at every moment; `waiting`
 * is 0 when the source has been stopped and drained. Where one ring hears all interfaces ('any'), the first entry stands
 * for what the kernel counts for all of them together, and has no packets of its own.
 */
export interface LiveInterface extends Interface {
  /** Number that the kernel gives it (ifIndex); 0 for several in one. */
  readonly kernelIndex: number;
  readonly state: 'up' | 'down' | 'gone';
  /** Packets that the kernel had for us (after the kernel's filter), dropped ones included. */
  readonly kernel: number;
  /** Packets handed out, their bytes on the wire, by direction of the frame. */
  readonly packets: number;
  readonly bytes: number;
  readonly received: number;
  readonly transmitted: number;
  /** Packets for which the ring had no room. */
  readonly dropped: number;
  /** Packets in the ring. */
  readonly waiting: number;
  /** Frames of segmentation or receive offload, and the segments that they stand for. */
  readonly superFrames: number;
  readonly segments: number;
  /** Second sights of a packet on another interface, left out (--dedupe). */
  readonly duplicates: number;
  /** Packets left out by sampling in the kernel are not known: 1 in n. */
  readonly sampledOneIn: number;
  /** What went wrong last. */
  readonly lastError: string | undefined;
}

/**
 * Packets of live interfaces. `more` waits for packets, 250 ms at the most, and returns true also when there are none, so
 * that the clock can go on; false only after `stop`, when the ring is drained, or when nothing is left to observe.
 */
export interface LiveSource extends PacketSource {
  /** The kernel has counted: packets of a batch stand for several (`Batch.aggregates`). Default false. */
  readonly aggregated?: boolean;
  statistics(): readonly LiveInterface[];
  /**
   * Time of the meter now, on the line on which `fill` puts packets: it follows the monotonic clock from the wall clock at
   * the start, so that a step of the wall clock ends no flow.
   */
  now(): { seconds: number; nanos: number };
  /** Wall clock − time of the meter, in ns: what records must be moved by (0 until somebody sets the clock). */
  readonly clockStep: number;
  /** No more packets shall come: takes the sockets off the wire; `fill` hands out what the rings still hold. */
  stop(): void;
  /** Stops and starts gathering (softflowctl stop-gather, start-gather): the kernel gives us nothing while paused. */
  pause(): void;
  resume(): void;
}
