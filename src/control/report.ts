import { EndReason } from '../model/row.js';
import type { Summary, Time } from '../model/summary.js';
import type { Aggregates } from '../packet/aggregates.js';
import type { Batch } from '../packet/batch.js';
import { NOTICE_NAMES, REFUSAL_NAMES, Refusal } from '../packet/refusal.js';
import type { Shard } from './shard.js';

/** What a source handed to a shard. */
export class Tally {
  packets = 0;
  wireBytes = 0;
  first: Time | undefined;
  lastSeconds = 0;
  lastNanos = 0;

  add(batch: Batch): void {
    const n = batch.count;
    const { wire, seconds, nanos } = batch;
    if (this.first === undefined && n > 0) this.first = { seconds: seconds[0], nanos: nanos[0] };
    let bytes = 0;
    let lastSeconds = this.lastSeconds;
    let lastNanos = this.lastNanos;
    for (let i = 0; i < n; i++) {
      bytes += wire[i];
      const second = seconds[i];
      if (second < lastSeconds || (second === lastSeconds && nanos[i] <= lastNanos)) continue;
      lastSeconds = second;
      lastNanos = nanos[i];
    }
    this.packets += n;
    this.wireBytes += bytes;
    this.lastSeconds = lastSeconds;
    this.lastNanos = lastNanos;
    if (batch.aggregates !== undefined) this.addAggregates(batch.aggregates, n);
  }

  /** What followed the packets of the batch. */
  private addAggregates(rest: Aggregates, n: number): void {
    for (let i = 0; i < n; i++) {
      this.packets += rest.packets[i];
      this.wireBytes += rest.wire[i];
      const second = rest.lastSeconds[i];
      if (second < this.lastSeconds || (second === this.lastSeconds && rest.lastNanos[i] <= this.lastNanos)) continue;
      this.lastSeconds = second;
      this.lastNanos = rest.lastNanos[i];
    }
  }
}

/** The accounts of one shard at its end. Plain data: crosses threads. */
export interface ShardReport {
  packets: number;
  wireBytes: number;
  first: Time | undefined;
  last: Time | undefined;
  verdicts: Float64Array;
  notices: Float64Array;
  metered: number;
  octets: number;
  opened: number;
  live: number;
  ended: Float64Array;
  peak: number;
  records: number;
  /** Flows that were in the table when their thread ended without handing them out. */
  lost?: number;
}

export function shardReport(shard: Shard, tally: Tally): ShardReport {
  const { counters } = shard.meter;
  return {
    packets: tally.packets,
    wireBytes: tally.wireBytes,
    first: tally.first,
    last: tally.packets === 0 ? undefined : { seconds: tally.lastSeconds, nanos: tally.lastNanos },
    verdicts: shard.decoder.verdicts,
    notices: shard.decoder.notices,
    metered: counters.packets,
    octets: counters.octets,
    opened: counters.opened,
    live: shard.meter.live,
    ended: counters.ended,
    peak: counters.peak,
    records: shard.meter.records.count,
  };
}

/** The part of a summary that the shards' accounts give, with the sums checked (the loss ledger). */
export type Ledger = Pick<
  Summary,
  'packets' | 'wireBytes' | 'decoded' | 'octets' | 'refused' | 'noticed' | 'flows' | 'records' | 'first' | 'last'
> & { imbalance: string[] };

/**
 * Adds up the shards.
 * @param seen `all`: each has seen all packets and judged its own (files); `own`: each has been given its own (live)
 */
export function ledger(reports: readonly ShardReport[], seen: 'all' | 'own' = 'all'): Ledger {
  const [head] = reports;
  const refused: Record<string, number> = {};
  const noticed: Record<string, number> = {};
  const ended: Record<string, number> = {};
  const sum = (value: (report: ShardReport) => number): number => reports.reduce((all, one) => all + value(one), 0);
  let refusals = 0;
  for (let reason = 1; reason < REFUSAL_NAMES.length; reason++) {
    if (reason === Refusal.otherShard) continue;
    const count = sum((report) => report.verdicts[reason]);
    refusals += count;
    if (count !== 0) refused[REFUSAL_NAMES[reason]] = count;
  }
  for (const [notice, name] of NOTICE_NAMES.entries()) {
    const count = sum((report) => report.notices[notice]);
    if (count !== 0) noticed[name] = count;
  }
  for (const [name, reason] of Object.entries(EndReason)) {
    const count = sum((report) => report.ended[reason]);
    if (count !== 0 || reason !== EndReason.deleted) ended[name] = count;
  }
  const decoded = sum((report) => report.verdicts[0]);
  const metered = sum((report) => report.metered);
  const opened = sum((report) => report.opened);
  const live = sum((report) => report.live);
  const records = sum((report) => report.records);
  const over = Object.values(ended).reduce((all, one) => all + one, 0);
  const lost = sum((report) => report.lost ?? 0);
  if (lost !== 0) ended.lost = lost;
  const imbalance: string[] = [];
  const equal = (what: string, left: number, right: number): void => {
    if (left !== right) imbalance.push(`${what}: ${left} ≠ ${right}`);
  };
  for (const [shard, report] of reports.entries()) {
    const judged = report.verdicts.reduce((all, one) => all + one, 0);
    equal(reports.length === 1 ? 'packets = judged' : `shard ${shard}: packets = judged`, report.packets, judged);
  }
  // Shards that were interrupted have not come equally far: then only what was judged is known to be read.
  const together = seen === 'all' && reports.every((report) => report.packets === head.packets);
  const all = together ? head.packets : decoded + refusals;
  const packets = seen === 'own' ? sum((report) => report.packets) : all;
  equal('packets = decoded + refused', packets, decoded + refusals);
  equal('packets decoded = packets in flows', decoded, metered);
  equal('flows opened = live + ended', opened, live + over + lost);
  equal('flows ended = records + deleted', over, records + (ended.deleted ?? 0));
  return {
    packets,
    wireBytes: seen === 'own' ? sum((report) => report.wireBytes) : head.wireBytes,
    decoded,
    octets: sum((report) => report.octets),
    refused,
    noticed,
    flows: { opened, live, ended, peak: sum((report) => report.peak) },
    records,
    first: seen === 'own' ? extreme(reports, 'first', -1) : head.first,
    last: seen === 'own' ? extreme(reports, 'last', 1) : head.last,
    imbalance,
  };
}

/** The earliest (sign −1) or latest (1) of the shards' times. */
function extreme(reports: readonly ShardReport[], which: 'first' | 'last', sign: number): Time | undefined {
  let best: Time | undefined;
  for (const report of reports) {
    const time = report[which];
    if (time === undefined) continue;
    const later = best === undefined ? 1 : sign * (time.seconds - best.seconds || time.nanos - best.nanos);
    if (later > 0) best = time;
  }
  return best;
}
