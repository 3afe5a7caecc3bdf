import type { Batch } from '../packet/batch.js';

/** An observation point (RFC 5470): an interface of this machine, or one that a capture file names. */
export interface Interface {
  /** Index in the list of the source; the value of `Batch.iface`. */
  readonly index: number;
  readonly name: string;
  /** pcap's LINKTYPE_ number. */
  readonly linkType: number;
  /** Bytes kept of each packet; 0 = no limit known. */
  readonly snapLength: number;
  readonly description?: string;
}

export interface SourceCounters {
  /** Packets handed out. */
  packets: number;
  /** Bytes read from the file, pipe or ring. */
  bytes: number;
  /** Bytes in all, if known (regular files), for progress. */
  totalBytes: number | undefined;
  /** Packets that the kernel or capture device dropped before they got here, where the source says so. */
  dropped: number;
  /** Records that are damaged and were left out, by reason; the bytes behind a cut are told in `warnings`. */
  damaged: Record<string, number>;
}

/**
 * Where packets come from: a capture file, several merged, a pipe, a live ring. The packet road pulls:
 *
 *     for (;;) {
 *       const n = source.fill(batch);     // synchronous, no allocation
 *       if (n > 0) { …; continue; }
 *       if (!(await source.more())) break; // wait for bytes; false at the end
 *     }
 */
export interface PacketSource {
  /** Grows as interfaces are met. */
  readonly interfaces: readonly Interface[];
  readonly counters: SourceCounters;
  /** Things worth telling that did not stop the reading: a cut file, a damaged block. Bounded. */
  readonly warnings: readonly string[];
  /** Names for addresses that the capture itself carries (pcapng name resolution blocks): address text → name. Bounded. */
  readonly names: ReadonlyMap<string, string>;
  /**
   * Fills the batch from what is at hand and returns the number of packets. Every column "from the source" is set and
   * `batch.attach` was called. The bytes stay valid until the next call of `fill` or `more`.
   * @throws RheoError on input that cannot be read any further
   */
  fill(batch: Batch): number;
  /** Waits for more input. False: the end was reached and nothing is left. */
  more(): Promise<boolean>;
  /** Closes descriptors; may be called at any time, also twice. */
  close(): Promise<void>;
}
