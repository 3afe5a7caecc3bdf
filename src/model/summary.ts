/** A moment, exact to the nanosecond: seconds since 1970 (UTC) and nanoseconds 0…999,999,999. */
export interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

/** What became of the records that an export target got: received = sent + dropped, by reason, + waiting. */
export interface TargetSummary {
  /** As the user gave it. */
  readonly url: string;
  readonly received: number;
  readonly sent: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly waiting: number;
  /** What is counted; absent: records. */
  readonly unit?: 'samples';
  /** What went wrong last. */
  readonly lastError?: string | undefined;
}

/** What a run did: the loss ledger of reading. Sums that must balance are checked by `control/report.ts`. */
export interface Summary {
  /** Packets that the source handed out. */
  packets: number;
  /** Their bytes on the wire. */
  wireBytes: number;
  /** Packets accounted to a flow, and their IP bytes. */
  decoded: number;
  octets: number;
  /** Packets not accounted, by reason (names of packet/refusal.ts); only reasons with a count. */
  refused: Record<string, number>;
  /** Things noticed in packets that were metered all the same (cut, time stepped back, overlapping fragment …). */
  noticed: Record<string, number>;
  flows: {
    opened: number;
    live: number;
    /** By end reason: idle, active, end, forced, resources. */
    ended: Record<string, number>;
    /** Most flows live at one time. */
    peak: number;
  };
  /** Flow records handed to the sink. */
  records: number;
  first: Time | undefined;
  last: Time | undefined;
  /** Packets dropped before they got to us, as the capture says; damaged records of the capture, by reason. */
  dropped: number;
  damaged: Record<string, number>;
  /** Bytes read. */
  bytesRead: number;
  /** Wall time of the run in seconds. */
  elapsed: number;
  warnings: string[];
  /** Export targets, where there are any. */
  targets?: readonly TargetSummary[];
  /** True if every sum of the ledger balances; else `imbalance` says which does not. */
  balanced: boolean;
  imbalance: string[];
  /** True if the run was stopped before the end of the input. */
  interrupted: boolean;
}

/** Told while a run goes on. */
export interface Progress {
  packets: number;
  bytesRead: number;
  /** Bytes in all, if known. */
  totalBytes: number | undefined;
  flows: number;
}
