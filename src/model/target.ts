import type { RecordField } from './hook.js';
import type { Sampling } from './options.js';
import type { SampleSink } from './packet-sample.js';
import type { RecordSink } from './sink.js';
import type { Interface } from './source.js';
import type { Summary } from './summary.js';

/**
 * Accounts of one export target: records handed to it = records sent + dropped, by reason, + waiting. A target that takes
 * samples counts those in the place of records.
 */
export interface TargetCounters {
  /** Records handed to it. */
  received: number;
  /** Records that went out (a socket took them, a file holds them). */
  sent: number;
  /** Records that did not, by reason: `queueFull`, `unreachable`, `notIpv4`, `diskFull`, `closed` … */
  dropped: Record<string, number>;
  /** Records in its queue now. */
  waiting: number;
  /** Messages (datagrams, messages on a stream, files) and bytes that went out. */
  messages: number;
  bytes: number;
  /** Times that it had to connect or open again. */
  reconnects: number;
}

/**
 * Where an exporting process sends records (RFC 5470): a collector or files. Records are encoded within `write`. A target of a
 * daemon never lets anyone wait: what does not fit into its queue is dropped and counted. With `lossless` (reading captures)
 * `write` returns a promise while the queue is full.
 */
export interface Target extends RecordSink {
  /** As the user gave it, without secrets. */
  readonly url: string;
  readonly counters: TargetCounters;
  readonly state: 'connecting' | 'up' | 'down';
  /** What went wrong last. */
  readonly lastError: string | undefined;
  /** Given by targets that take samples of packets (sFlow): then records are not for it. */
  readonly samples?: SampleSink;
  /** Sends templates and options again (softflowctl send-template). */
  sendTemplates(): void;
  /** Sends what waits for company; called by the one who drives it once a second or so, with the time of the clock in ms. */
  tick(nowMs: number): void;
}

/** What targets may know of the run; read when it is needed, so it is always as of now. */
export interface ExportContext {
  /** Record fields beyond the core ones (features), in order. */
  readonly fields: readonly RecordField[];
  /** Parts added to the flow key (`RecordLayout.keyParts`): their members come before those of the features. */
  readonly keyParts?: readonly string[];
  readonly interfaces: () => readonly Interface[];
  /** The ledger, for options records. */
  readonly summary: () => Pick<Summary, 'packets' | 'octets' | 'decoded' | 'refused' | 'dropped' | 'flows' | 'records'>;
  readonly sampling: Sampling | undefined;
  /** Wait rather than drop when a queue is full: reading captures, and when a daemon stops. To be asked each time. */
  readonly lossless: boolean;
  readonly communityIdSeed: number;
  /** Milliseconds since 1970. Live: the clock; files: the time of the newest packet. */
  readonly now: () => number;
  /** When the metering began, in ms since 1970; sysUptime counts from before the first flow. */
  readonly startedMs: number;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}
