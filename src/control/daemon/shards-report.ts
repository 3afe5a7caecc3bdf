import type { LiveInterface } from '../../model/live-source.js';
import type { ShardReport } from '../report.js';
import type { LiveReport } from './accounts.js';
import type { InterfaceTable } from './interfaces.js';
import type { Client } from './shard-client.js';

/** The accounts of all shards at one moment. */
export interface ShardsReport {
  reports: ShardReport[];
  /** By shard, its lives together. */
  byShard: { packets: number; decoded: number; opened: number; live: number; records: number }[];
  interfaces: LiveInterface[];
  /** Records that ended in the shards and have not come yet; dropped there; lost with threads that failed. */
  recordsWaiting: number;
  recordsDropped: number;
  recordsLost: number;
  bytesRead: number;
  damaged: Record<string, number>;
  warnings: string[];
}

/** The accounts of all shards at this moment. */
export function reportOf(clients: readonly Client[], interfaces: InterfaceTable): ShardsReport {
  const now = clients.map((client): LiveReport | undefined =>
    client.handle === undefined ? undefined : client.accounts.read(),
  );
  const reports: ShardReport[] = [];
  const all: ShardsReport = {
    reports,
    byShard: [],
    interfaces: interfaces.merge(now.map((report) => report?.interfaces)),
    recordsWaiting: 0,
    recordsDropped: 0,
    recordsLost: 0,
    bytesRead: 0,
    damaged: {},
    warnings: [],
  };
  for (const [shard, client] of clients.entries()) {
    const report = now[shard];
    const own = [client.past, report].filter((one): one is ShardReport => one !== undefined);
    reports.push(...own);
    const sum = (value: (one: ShardReport) => number): number => own.reduce((total, one) => total + value(one), 0);
    all.byShard.push({
      packets: sum((one) => one.packets),
      decoded: sum((one) => one.verdicts[0]),
      opened: sum((one) => one.opened),
      live: sum((one) => one.live),
      records: sum((one) => one.records),
    });
    all.recordsWaiting += report === undefined ? 0 : report.records - report.recordsDropped - client.received;
    all.recordsDropped += client.recordsDropped + (report?.recordsDropped ?? 0);
    all.recordsLost += client.recordsLost;
    all.bytesRead += report?.bytesRead ?? 0;
    for (const [reason, count] of Object.entries(client.damaged)) {
      all.damaged[reason] = (all.damaged[reason] ?? 0) + count;
    }
    all.warnings.push(...client.warnings);
  }
  return all;
}
