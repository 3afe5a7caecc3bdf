import type { FlowHook } from '../model/hook.js';
import type { Interface, SourceCounters } from '../model/source.js';
import type { Progress } from '../model/summary.js';
import type { SamplerTask } from './sample-road.js';

/** What else a reading is to do, and to tell. */
export interface ReadRun {
  onProgress?: (progress: Progress) => void;
  /** Ends the reading: what was read until then is handed out. */
  signal?: AbortSignal;
  /** Names for addresses that the captures carry, told before the sink is closed. */
  onNames?: (names: ReadonlyMap<string, string>) => void;
  /** Filled with the interfaces of the captures, as they are met. */
  interfaces?: Interface[];
  /** Packets are chosen for export. */
  samples?: PacketSampling;
  /** Hooks besides the features, called after them in this order. One thread only. */
  hooks?: readonly FlowHook[];
}

/** Packets that are chosen besides being metered, by the first shard, which sees all of them. */
export interface PacketSampling {
  readonly tasks: readonly SamplerTask[];
  /** Takes chosen packets out of the rings; nothing is chosen until it settles. */
  drain(): void | Promise<void>;
}

/** What is left of a source at its end. */
export interface SourceEnd {
  counters: SourceCounters;
  warnings: readonly string[];
}

/** Adds the interfaces that are new to a list of those known. */
export function noteInterfaces(known: Interface[], now: readonly Interface[]): void {
  for (let n = known.length; n < now.length; n++) known.push(now[n]);
}
