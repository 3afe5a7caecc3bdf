import type { RecordField } from '../../model/hook.js';
import type { Interface } from '../../model/source.js';

export const RECORD_PROTOCOLS = ['ipfix', 'netflow9', 'netflow5', 'netflow1'] as const;
export type RecordProtocol = (typeof RECORD_PROTOCOLS)[number];

/** Unit of the times of IPFIX records (`?time=`). */
export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** How records become messages. */
export interface EncodeOptions {
  /** Bytes of the longest message. 1232 fits every IPv6 path; 65535 for streams and files (RFC 7011 §10.3.3). */
  readonly maxMessageBytes: number;
  /** Observation domain (IPFIX, default 1), source id (v9, default 0); its low 16 bits are engine type and id (v5, default 0). */
  readonly observationDomain?: number;
  /** Names of members, or of one profile (elements-profiles.ts). Default: profile `full`. */
  readonly fields?: readonly string[];
  /** IPFIX. Default `ms`. v9 takes `ms` for absolute times (152/153) instead of times since boot (22/21, its default). */
  readonly time?: TimeUnit;
  /** IPFIX: one record for both directions (RFC 5103). Default true. The others never can. */
  readonly biflow?: boolean;
  /** IPFIX: the transport loses nothing (streams, files). Default false. */
  readonly reliable?: boolean;
  /** IPFIX: private enterprise number of our own elements. Default `DEFAULT_ENTERPRISE`. */
  readonly enterprise?: number;
}

/** What encoders know of the run (part of ExportContext). */
export interface EncodeContext {
  /** Record fields beyond the core ones (features). */
  readonly fields: readonly RecordField[];
  /** May grow. `kernelIndex`, where there is one, is the number that records carry; else index + 1. */
  readonly interfaces: () => readonly Interface[];
  /** One packet in n, for the header of v5. */
  readonly sampling: { readonly mode: 'count' | 'random' | 'hash'; readonly n: number } | undefined;
  readonly communityIdSeed: number;
  /** When the metering began, in ms since 1970. */
  readonly startedMs: number;
}
