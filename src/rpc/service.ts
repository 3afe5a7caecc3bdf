import type { LiveInterface } from '../model/live-source.js';
import type { TIMEOUT_CLASSES } from '../model/options.js';
import type { Summary } from '../model/summary.js';
import type { TargetCounters } from '../model/target.js';

/** Chooses among the flows in the table. */
export interface FlowQuery {
  /** Flow filter (filter/flow-filter.ts): `host 10.0.0.1 and tcp and bytes > 1M and age > 30s`. */
  filter?: string | undefined;
  /** Member of the record, or `rate`; default bytes. `none`: the first flows found; the walk ends when the page is full. */
  sort?: string | undefined;
  order?: 'asc' | 'desc' | undefined;
  offset?: number | undefined;
  /** 1…10,000. */
  limit?: number | undefined;
}

/** A flow record as JSON (DESIGN: "Flow record, as JSON"). */
export type FlowObject = Record<string, unknown>;

export interface FlowPage {
  flows: FlowObject[];
  /** Flows that match in all, and those looked at. */
  matched: number;
  scanned: number;
}

export interface TopEntry {
  key: string;
  flows: number;
  packets: number;
  bytes: number;
}

export interface ThreadHealth {
  shard: number;
  state: 'running' | 'restarting' | 'failed' | 'stopped';
  restarts: number;
  lastError?: string | undefined;
  /** Longest time between two looks at the ring, in ms, since the last call. */
  longestGapMs: number;
  flows: number;
}

export interface TargetStatus extends TargetCounters {
  url: string;
  state: string;
  /** What it counts, where that is not records. */
  unit?: 'samples';
  lastError?: string | undefined;
}

export interface Health {
  /** `ok`, or `degraded` with reasons: an interface gone, a thread restarting, a target down, an account that does not balance. */
  status: 'ok' | 'degraded';
  reasons: string[];
  uptimeSeconds: number;
  threads: ThreadHealth[];
  targets: TargetStatus[];
}

/** The ledger of a daemon, at this moment. */
export interface Loss extends Summary {
  interfaces: LiveInterface[];
  targets: TargetStatus[];
  /** By shard. */
  threads: { shard: number; packets: number; decoded: number; opened: number; live: number; records: number }[];
  /**
   * Records of ended flows that are on their way from the threads to the targets; that were dropped on that way, as the main
   * thread was too slow; that went down with a thread that failed. Flows ended = records + these three + deleted.
   */
  recordsWaiting: number;
  recordsDropped: number;
  recordsLost: number;
  /** Records that subscribers did not get: they read too slowly, or more ended in a second than are told. */
  subscribersDropped: number;
  /** One sentence: what was lost, or that nothing was. */
  verdict: string;
}

/** A BGP neighbour whose routes are learnt. */
export interface NeighbourStatus {
  address: string;
  /** `stale`: the session is lost, and its routes stay for the time that the neighbour asked for. */
  state: 'idle' | 'open' | 'confirm' | 'established' | 'stale';
  as?: number | undefined;
  prefixes4: number;
  prefixes6: number;
  /** Distinct combinations of AS numbers and next hop. */
  routes: number;
  updates: number;
  /** Updates so damaged that their prefixes were taken as withdrawn. */
  treatedAsWithdrawn: number;
  /** Prefixes that found no room. */
  refused: number;
  sessions: number;
  lastError?: string | undefined;
}

/** Where enrichment stands: what is known, and how many records and endpoints it was used for. */
export interface EnrichmentStatus {
  neighbours: NeighbourStatus[];
  /** Prefixes and routes that were known after each was read; the next one adds to them, or changes them. */
  dumps: { file: string; prefixes4: number; prefixes6: number; routes: number; refused: number; damaged: number }[];
  /** Absent without MMDB files. */
  places?: { files: string[]; places: number; damaged: number; refused: number } | undefined;
  /** Records seen; of their two endpoints each, those with a route, with a place. */
  records: number;
  routed: number;
  placed: number;
}

/** What softflowctl calls statistics: the ledger's sums, and minimum, mean, maximum of ended flows, by protocol. */
export interface Statistics extends Summary {
  activeFlows: number;
  expired: { bytes: MinMeanMax; packets: MinMeanMax; durationMs: MinMeanMax };
  protocols: {
    proto: string;
    flows: number;
    packets: number;
    bytes: number;
    meanDurationMs: number;
    maxDurationMs: number;
  }[];
}

export interface MinMeanMax {
  min: number;
  mean: number;
  max: number;
}

/** Times in ms; active null: never. */
export interface TimeoutTable {
  idle: Record<(typeof TIMEOUT_CLASSES)[number], number>;
  active: number | null;
}

export type ServiceEvent =
  | { type: 'records'; flows: FlowObject[] }
  | { type: 'statistics'; statistics: Statistics }
  | { type: 'event'; time: string; level: 'info' | 'warn' | 'error'; message: string };

/** What a daemon can be asked. `control/daemon` implements it; transports and the table of methods only know this. */
export interface Service {
  version(): { version: string; node: string; pid: number; started: string };
  /** The configuration in force, without secrets. */
  config(): unknown;
  health(): Promise<Health>;
  loss(): Promise<Loss>;
  statistics(): Promise<Statistics>;
  interfaces(): Promise<LiveInterface[]>;
  /** BGP neighbours, dumps of routes, MMDB files. */
  enrichment(): EnrichmentStatus;
  /** Prometheus text format. */
  metrics(): Promise<string>;
  flows(query: FlowQuery): Promise<FlowPage>;
  top(key: string, options: { filter?: string | undefined; limit?: number | undefined }): Promise<TopEntry[]>;
  /**
   * All flows of the table that match, in no order, in pieces that are read as they are wanted; a reader that leaves ends it.
   * `ndjson`: lines; `binary`: docs/dump-format.md.
   */
  dump(query: { filter?: string | undefined; format: 'ndjson' | 'binary' }): AsyncIterable<Uint8Array>;
  /** Ends flows now, with records (reason forced). Returns how many. */
  expire(filter: string | undefined): Promise<number>;
  /** Forgets flows without records, counted in the ledger as `deleted`. Returns how many. */
  delete(filter: string | undefined): Promise<number>;
  timeouts(): TimeoutTable;
  /** @throws RheoError usage */
  setTimeouts(change: { idle?: Record<string, number>; active?: number | null }): Promise<TimeoutTable>;
  startGather(): Promise<void>;
  stopGather(): Promise<void>;
  sendTemplates(): void;
  /** Log level now; pino's names. */
  logLevel(level?: string): string;
  /** Reads the configuration file again. Says what was changed and what needs a restart. */
  reload(): Promise<{ changed: string[]; needsRestart: string[] }>;
  /** Ends all flows, hands them out, stops. */
  shutdown(): Promise<void>;
  /** Stops now; flows in the table are lost, counted in the last summary. */
  exit(): Promise<void>;
  /** Calls back until the returned function is called. Never waits for the listener. */
  subscribe(what: 'records' | 'statistics' | 'events', listener: (event: ServiceEvent) => void): () => void;
}
