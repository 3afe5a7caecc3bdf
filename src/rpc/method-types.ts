import type { LiveInterface } from '../model/live-source.js';
import type {
  EnrichmentStatus,
  FlowPage,
  FlowQuery,
  Health,
  Loss,
  ServiceEvent,
  Statistics,
  TimeoutTable,
  TopEntry,
} from './service.js';

/** No parameters. */
export type None = Record<string, never>;

export const SUBSCRIPTIONS = ['records', 'statistics', 'events'] as const;
export type SubscriptionName = (typeof SUBSCRIPTIONS)[number];

export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const DUMP_FORMATS = ['ndjson', 'binary'] as const;
export type DumpFormat = (typeof DUMP_FORMATS)[number];

export interface Version {
  version: string;
  node: string;
  pid: number;
  started: string;
}

interface FilterParams {
  filter?: string | undefined;
}

export interface DumpParams extends FilterParams {
  format?: DumpFormat | undefined;
}

/** Parameters and result of each method, as JSON. `methods.ts` has their schemas. */
export interface MethodTypes {
  version: { params: None; result: Version };
  config: { params: None; result: unknown };
  health: { params: None; result: Health };
  loss: { params: None; result: Loss };
  statistics: { params: None; result: Statistics };
  interfaces: { params: None; result: LiveInterface[] };
  enrichment: { params: None; result: EnrichmentStatus };
  metrics: { params: None; result: string };
  flows: { params: FlowQuery; result: FlowPage };
  top: { params: { key: string; filter?: string | undefined; limit?: number | undefined }; result: TopEntry[] };
  dump: { params: DumpParams; result: { format: DumpFormat } };
  expire: { params: FilterParams; result: { flows: number } };
  delete: { params: FilterParams; result: { flows: number } };
  timeouts: { params: None; result: TimeoutTable };
  setTimeouts: {
    params: { idle?: Record<string, number> | undefined; active?: number | null | undefined };
    result: TimeoutTable;
  };
  startGather: { params: None; result: null };
  stopGather: { params: None; result: null };
  sendTemplates: { params: None; result: null };
  logLevel: { params: { level?: LogLevel | undefined }; result: { level: string } };
  reload: { params: None; result: { changed: string[]; needsRestart: string[] } };
  shutdown: { params: None; result: null };
  exit: { params: None; result: null };
  subscribe: { params: { what: SubscriptionName }; result: { subscription: number } };
  unsubscribe: { params: { subscription: number }; result: { ended: boolean } };
  'rpc.discover': { params: None; result: unknown };
}

export type MethodName = keyof MethodTypes;
export type Params<M extends MethodName> = MethodTypes[M]['params'];
export type Result<M extends MethodName> = MethodTypes[M]['result'];

/** Params of the notification `event`, which a subscription sends. */
export interface EventParams {
  subscription: number;
  /** Events that were dropped since the last one, as their reader was too slow; absent if none. */
  dropped?: number;
  event: ServiceEvent;
}

/** Last line of a dump on the socket. */
export interface DumpEnd {
  /** Bytes of the pieces together. */
  bytes: number;
  complete: boolean;
  error?: { code: number; message: string; data?: { code: string; remedy?: string } };
}
