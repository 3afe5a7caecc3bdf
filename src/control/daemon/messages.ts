import type { ErrorCode } from '../../core/errors.js';
import type { LiveInterface } from '../../model/live-source.js';
import type { RecordLayout } from '../../model/record-batch.js';
import type { HashSeed } from '../../packet/hash.js';
import type { SamplerTask } from '../sample-road.js';
import type { MeterSettings } from '../settings.js';
import type { SourceSpec } from './sources.js';

/** What a shard of the daemon is given at its start. Plain data: crosses threads. */
export interface LiveTask {
  /** `maxFlows` is the share of this shard. */
  settings: MeterSettings;
  /** pcap filter expression, where the source does not filter itself. */
  filter: string | undefined;
  seed: HashSeed;
  shard: number;
  shards: number;
  source: SourceSpec;
  /** Packets to be chosen for export. */
  samplers: readonly SamplerTask[];
  /** Memory of the shard's accounts (accounts.ts). */
  accounts: SharedArrayBuffer;
}

/** A question that walks over the table of a shard. */
export type ShardQuery =
  /** The `keep` best flows by a sort key (sort-key.ts). */
  | { kind: 'flows'; filter: string | undefined; sort: string; descending: boolean; keep: number }
  /** Sums by the values of a member. */
  | { kind: 'top'; filter: string | undefined; key: string }
  /** All flows, slice by slice, as far as the asker wants more. */
  | { kind: 'dump'; filter: string | undefined }
  /** Ends flows: with records (forced) or without (deleted). */
  | { kind: 'end'; filter: string | undefined; reason: 'forced' | 'deleted' };

/** Flows in shared memory: `count` records of the shard's layout. */
export interface RecordBlock {
  memory: SharedArrayBuffer;
  count: number;
  quoted: Map<number, Int32Array>;
}

export interface ShardAnswer {
  /** Flows looked at, and those that matched. */
  scanned: number;
  matched: number;
  /** `flows`: in no order; the sort value of each is in `values`. */
  records?: RecordBlock[];
  values?: (number | string)[];
  /** `top`. `other` are the sums of groups for which there was no room: flows, packets, bytes. */
  groups?: { keys: string[]; sums: Float64Array; other: Float64Array };
}

/** What a shard says. Messages come in the order in which they were sent. */
export type LiveMessage =
  /** The source is open, the table is there. */
  | { type: 'ready'; layout: RecordLayout }
  /** Finished records; the batch belongs to the receiver until its number comes back by `give`. */
  | { type: 'records'; id: number; memory: SharedArrayBuffer; count: number; quoted: Map<number, Int32Array> }
  /** Names and states of the interfaces, when they have changed. */
  | { type: 'interfaces'; interfaces: LiveInterface[] }
  /** The accounts in the shared memory are as of now. */
  | { type: 'reported'; id: number }
  /** A slice of a dump, in buffer `buffer` of the query, and the shard's time in seconds. */
  | { type: 'slice'; id: number; buffer: number; block: RecordBlock; seconds: number }
  | { type: 'answer'; id: number; answer: ShardAnswer }
  | { type: 'refused'; id: number; code: ErrorCode; message: string }
  | { type: 'event'; level: 'info' | 'warn' | 'error'; message: string }
  /** Damage, warnings and the like of the source, when they have changed. */
  | { type: 'source'; damaged: Record<string, number>; warnings: string[] }
  /** All is handed out and the accounts are final. */
  | { type: 'done' }
  | { type: 'error'; code: ErrorCode; message: string; remedy: string | undefined };

/** What a shard is told. */
export type LiveOrder =
  | { type: 'give'; id: number }
  /** All shards have joined: packets may come. */
  | { type: 'release' }
  /** Take the sockets off the wire, drain, end all flows, hand them out. */
  | { type: 'stop' }
  /** End now; flows in the table are lost. */
  | { type: 'exit' }
  | { type: 'pause'; on: boolean }
  | { type: 'timeouts'; idleNanos: Float64Array; activeNanos: number }
  | { type: 'samplers'; samplers: readonly SamplerTask[] }
  | { type: 'report'; id: number }
  | { type: 'query'; id: number; query: ShardQuery }
  /** A dump: the buffer is free again. */
  | { type: 'more'; id: number; buffer: number }
  | { type: 'cancel'; id: number };
