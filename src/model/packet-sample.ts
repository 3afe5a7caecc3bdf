import type { EthernetCounters, InterfaceCounters } from '../codec/sflow-format.js';

/** A packet that was chosen by chance, on its way to those who export samples (RFC 5476's packet report, sFlow's flow sample). */
export interface PacketSample {
  /** Number of the interface (ifIndex) where it was seen: the data source. */
  readonly source: number;
  /** 0 unknown, 1 in, 2 out. */
  readonly direction: number;
  /** pcap's LINKTYPE_ number. */
  readonly link: number;
  /** First bytes of the frame, and its length on the wire (without FCS). The bytes stay as they are. */
  readonly header: Uint8Array;
  readonly wire: number;
  /** Time of the packet, in ms since 1970. */
  readonly timeMs: number;
  /** One packet in so many. */
  readonly oneIn: number;
  /** Packets of this source that could have been chosen so far, this one included. */
  readonly pool: number;
  /** Chosen packets of this source that were lost so far, for want of room. */
  readonly drops: number;
}

/** Counters of an interface of this machine at one moment. */
export interface CounterSample {
  /** `ifIndex` is the data source. */
  readonly counters: InterfaceCounters;
  readonly ethernet: EthernetCounters | undefined;
}

/** What a target wants to be sampled. Targets that want the same packets share a sampler. */
export interface SampleWish {
  /** One packet in so many. */
  readonly oneIn: number;
  /** Bytes of each packet. */
  readonly headerBytes: number;
  /** Time between two samples of an interface's counters, in ms; 0: none. */
  readonly pollingMs: number;
}

/** A target that takes samples of packets in place of flow records. */
export interface SampleSink {
  readonly wish: SampleWish;
  /** Collectors, each of which gets all samples; accounts count them for each. */
  readonly copies: number;
  takePacket(sample: PacketSample): void;
  takeCounters(sample: CounterSample): void;
  /** Sends what waits for company. */
  flush(): void;
  /** Reading captures: settles when there is room again; undefined while there is. */
  room(): Promise<void> | undefined;
}
