import { ErrorCode, RheoError } from '../../core/errors.js';
import type { ShardReport } from '../report.js';
import { Accounts } from './accounts.js';
import type { RecordBlock, ShardAnswer } from './messages.js';
import type { ShardHandle } from './shard-host.js';

/** Pause (ms) before a shard that failed begins anew; doubles each time. */
export const FIRST_PAUSE_MS = 500;

/** A slice of a dump; `done` lets the shard use its memory again. */
export type SliceListener = (block: RecordBlock, seconds: number, done: () => void) => void;

/** A question that a shard has not answered yet. */
export interface Pending {
  answer(answer: ShardAnswer | undefined): void;
  refuse(error: RheoError): void;
  slice: SliceListener | undefined;
}

type State = 'starting' | 'running' | 'restarting' | 'stopped';

/** A shard as the main side knows it. */
export interface Client {
  readonly shard: number;
  state: State;
  handle: ShardHandle | undefined;
  accounts: Accounts;
  /** Records of this life that were handed on. */
  received: number;
  /** Accounts of lives that are over, and records that they had not handed over. */
  past: ShardReport | undefined;
  recordsLost: number;
  recordsDropped: number;
  restarts: number;
  lastError: string | undefined;
  startedMs: number;
  pauseMs: number;
  cancelRestart: (() => void) | undefined;
  /** Its source cannot be begun anew: what came through a pipe does not come again. */
  once: boolean;
  readonly pending: Map<number, Pending>;
  damaged: Record<string, number>;
  warnings: string[];
  settled: () => void;
  /** Longest gap (ms) since each of those who ask has asked last. */
  readonly gaps: Record<Asker, number>;
}

/** Who asks for the health: each gets the longest gap since it has asked last. */
export type Asker = 'health' | 'metrics';

export function newClient(shard: number): Client {
  return {
    shard,
    state: 'stopped',
    handle: undefined,
    accounts: new Accounts(),
    received: 0,
    past: undefined,
    recordsLost: 0,
    recordsDropped: 0,
    restarts: 0,
    lastError: undefined,
    startedMs: 0,
    pauseMs: FIRST_PAUSE_MS,
    cancelRestart: undefined,
    once: false,
    pending: new Map(),
    damaged: {},
    warnings: [],
    settled: () => undefined,
    gaps: { health: 0, metrics: 0 },
  };
}

/** Longest gap (ms) since this asker has asked last. */
export function takeGap({ accounts, gaps }: Client, asker: Asker): number {
  const gap = accounts.takeLongestGap();
  gaps.health = Math.max(gaps.health, gap);
  gaps.metrics = Math.max(gaps.metrics, gap);
  const longest = gaps[asker];
  gaps[asker] = 0;
  return longest;
}

export function workerError(shard: number, cause: unknown): RheoError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new RheoError(ErrorCode.worker, `thread ${shard} failed: ${text}`, { cause });
}
