import type { LiveInterface } from '../../model/live-source.js';
import type { Loss, TargetStatus } from '../../rpc/service.js';
import { ledger } from '../report.js';
import type { ShardsReport } from './shards-report.js';

export interface LossParts {
  shards: ShardsReport;
  targets: TargetStatus[];
  targetsImbalance: string[];
  /** Records handed to the targets. */
  records: number;
  subscribersDropped: number;
  uptimeSeconds: number;
  /** All is over: nothing may be waiting any more. */
  final: boolean;
  interrupted: boolean;
}

/** The ledger of a daemon: all sums of one moment, and those that do not balance. */
export function lossOf(parts: LossParts): Loss {
  const { shards, targets, records } = parts;
  const { imbalance, ...sums } = ledger(shards.reports, 'own');
  const { recordsWaiting, recordsDropped, recordsLost, interfaces } = shards;
  const total = (value: (one: LiveInterface) => number): number => interfaces.reduce((sum, one) => sum + value(one), 0);
  const found = imbalance.map(ofDaemon);
  const equal = (what: string, left: number, right: number): void => {
    if (left !== right) found.push(`${what}: ${left} ≠ ${right}`);
  };
  for (const one of interfaces) {
    const { name, kernel, packets, duplicates, dropped, waiting } = one;
    equal(
      `interface ${name}: kernel = handed out + duplicates + dropped + waiting`,
      kernel,
      packets + duplicates + dropped + waiting,
    );
    if (waiting < 0) found.push(`interface ${name}: ${waiting} packets wait`);
  }
  equal(
    'packets of all interfaces = packets of all shards',
    total((one) => one.packets),
    sums.packets,
  );
  equal(
    'records made = handed out + waiting + dropped + lost',
    sums.records,
    records + recordsWaiting + recordsDropped + recordsLost,
  );
  if (recordsWaiting < 0) found.push(`${recordsWaiting} records wait in the shards`);
  if (recordsLost < 0) found.push(`${recordsLost} records were lost with their thread`);
  if (parts.final) equal('records that wait at the end', recordsWaiting, 0);
  found.push(...parts.targetsImbalance);
  const dropped = total((one) => one.dropped);
  return {
    ...sums,
    records,
    recordsWaiting,
    recordsDropped,
    recordsLost,
    dropped,
    damaged: shards.damaged,
    bytesRead: shards.bytesRead,
    elapsed: parts.uptimeSeconds,
    warnings: shards.warnings,
    balanced: found.length === 0,
    imbalance: found,
    interrupted: parts.interrupted,
    interfaces,
    targets,
    threads: shards.byShard.map((one, shard) => ({ shard, ...one })),
    subscribersDropped: parts.subscribersDropped,
    verdict: verdictOf({
      dropped,
      tableFull: sums.refused.tableFull ?? 0,
      recordsDropped,
      recordsLost,
      flowsLost: sums.flows.ended.lost ?? 0,
      evicted: sums.flows.ended.resources,
      targets,
      imbalance: found,
    }),
  };
}

/** What the ledger of shards calls records goes to the main thread first. */
function ofDaemon(text: string): string {
  return text.replace('flows ended = records + deleted', 'flows ended = records made + deleted');
}

interface Losses {
  dropped: number;
  tableFull: number;
  recordsDropped: number;
  recordsLost: number;
  flowsLost: number;
  evicted: number;
  targets: readonly TargetStatus[];
  imbalance: readonly string[];
}

/** One sentence: what was lost, or that nothing was. */
function verdictOf(losses: Losses): string {
  const { dropped, tableFull, recordsDropped, recordsLost, flowsLost, evicted, targets, imbalance } = losses;
  const parts: string[] = [];
  const add = (count: number, text: string): void => {
    if (count > 0) parts.push(`${count} ${text}`);
  };
  add(dropped, 'packets were dropped in the ring');
  add(tableFull, 'packets were refused as the table was full');
  add(flowsLost, 'flows were lost with their thread');
  add(recordsDropped, 'records were dropped before the targets');
  add(recordsLost, 'records were lost with their thread');
  for (const { url, unit = 'records', dropped: reasons } of targets) {
    const count = Object.values(reasons).reduce((sum, one) => sum + one, 0);
    add(count, `${unit} were dropped on the way to ${url}`);
  }
  if (imbalance.length > 0) parts.push(`the accounts do not balance (${imbalance[0]})`);
  if (parts.length === 0) {
    return evicted > 0 ? `Nothing was lost; ${evicted} flows ended early, as the table was full.` : 'Nothing was lost.';
  }
  const text = parts.join(', ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
