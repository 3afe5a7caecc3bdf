import { ErrorCode, RheoError } from '../../core/errors.js';
import { completeTimeouts } from '../../meter/timeouts.js';
import type { LiveInterface } from '../../model/live-source.js';
import { TIMEOUT_CLASSES } from '../../model/options.js';
import type {
  EnrichmentStatus,
  FlowPage,
  FlowQuery,
  Health,
  Loss,
  Service,
  ServiceEvent,
  Statistics,
  TimeoutTable,
  TopEntry,
} from '../../rpc/service.js';
import { effectiveInput } from '../config/print.js';
import { NO_ENRICHMENT } from '../enrichment.js';
import type { Daemon } from './daemon.js';
import { metricsText } from './metrics.js';
import type { Asker } from './shard-client.js';

/** What the daemon can be asked. */
export class LiveService implements Service {
  private readonly daemon: Daemon;

  constructor(daemon: Daemon) {
    this.daemon = daemon;
  }

  version(): ReturnType<Service['version']> {
    const { options, startedMs } = this.daemon;
    return {
      version: options.version,
      node: process.version,
      pid: process.pid,
      started: new Date(startedMs).toISOString(),
    };
  }

  config(): unknown {
    return effectiveInput(this.daemon.config);
  }

  async loss(): Promise<Loss> {
    if (this.daemon.state === 'running') await this.daemon.shards.refresh();
    return this.daemon.ledger();
  }

  health(): Promise<Health> {
    return this.healthFor('health');
  }

  private async healthFor(asker: Asker): Promise<Health> {
    const { daemon } = this;
    const loss = await this.loss();
    const threads = daemon.shards.health(asker);
    return { ...this.judge(loss, threads), uptimeSeconds: daemon.uptimeSeconds, threads, targets: loss.targets };
  }

  private judge(loss: Loss, threads: Health['threads']): Pick<Health, 'status' | 'reasons'> {
    const { daemon } = this;
    const reasons: string[] = [];
    for (const { shard, state, lastError } of threads) {
      if (state === 'restarting' || state === 'failed')
        reasons.push(`thread ${shard} is ${state}${because(lastError)}`);
    }
    for (const shard of daemon.hanging) reasons.push(`thread ${shard} does not look at its source`);
    for (const { name, state, lastError } of loss.interfaces) {
      if (state !== 'up') reasons.push(`interface ${name} is ${state}${because(lastError)}`);
    }
    for (const { url, state, lastError } of loss.targets) {
      if (state === 'down') reasons.push(`target ${url} is down${because(lastError)}`);
    }
    if (!daemon.gathering) reasons.push('gathering is stopped');
    if (daemon.state !== 'running') reasons.push(`the daemon is ${daemon.state}`);
    for (const sum of loss.imbalance) reasons.push(`the accounts do not balance: ${sum}`);
    return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons };
  }

  async statistics(): Promise<Statistics> {
    const {
      interfaces: _interfaces,
      targets: _targets,
      threads: _threads,
      recordsWaiting: _waiting,
      recordsDropped: _dropped,
      recordsLost: _lost,
      subscribersDropped: _unheard,
      verdict: _verdict,
      ...sums
    } = await this.loss();
    const { expired, protocols } = this.daemon.statistics;
    return { ...sums, activeFlows: sums.flows.live, expired, protocols };
  }

  async interfaces(): Promise<LiveInterface[]> {
    return (await this.loss()).interfaces;
  }

  enrichment(): EnrichmentStatus {
    return this.daemon.enrichment?.status ?? NO_ENRICHMENT;
  }

  async metrics(): Promise<string> {
    const { daemon } = this;
    const health = await this.healthFor('metrics');
    const loss = daemon.ledger();
    return metricsText({
      version: this.version(),
      loss,
      health,
      statistics: { protocols: daemon.statistics.protocols },
      maxFlows: daemon.maxFlows,
      enrichment: this.enrichment(),
      control: daemon.options.control,
      process: daemon.watch.read(),
    });
  }

  flows(query: FlowQuery): Promise<FlowPage> {
    return this.daemon.queries.flows(query);
  }

  top(key: string, options: { filter?: string | undefined; limit?: number | undefined }): Promise<TopEntry[]> {
    return this.daemon.queries.top(key, options);
  }

  dump(query: { filter?: string | undefined; format: 'ndjson' | 'binary' }): AsyncIterable<Uint8Array> {
    return this.daemon.queries.dump(query);
  }

  async expire(filter: string | undefined): Promise<number> {
    const count = await this.daemon.queries.end(filter, 'forced');
    this.daemon.event('info', `${count} flows were expired by request`);
    return count;
  }

  async delete(filter: string | undefined): Promise<number> {
    const count = await this.daemon.queries.end(filter, 'deleted');
    this.daemon.event('info', `${count} flows were deleted by request`);
    return count;
  }

  timeouts(): TimeoutTable {
    const { idle, active } = this.daemon.timeouts;
    return { idle: { ...idle }, active: active === Number.POSITIVE_INFINITY ? null : active };
  }

  async setTimeouts(change: { idle?: Record<string, number>; active?: number | null }): Promise<TimeoutTable> {
    const { daemon } = this;
    for (const name of Object.keys(change.idle ?? {})) {
      if ((TIMEOUT_CLASSES as readonly string[]).includes(name)) continue;
      throw new RheoError(ErrorCode.usage, `there is no timeout class '${name.slice(0, 64)}'`, {
        remedy: `Known are: ${TIMEOUT_CLASSES.join(', ')}.`,
      });
    }
    const active = change.active === null ? Number.POSITIVE_INFINITY : (change.active ?? daemon.timeouts.active);
    daemon.setTimeouts(completeTimeouts({ idle: { ...daemon.timeouts.idle, ...change.idle }, active }));
    daemon.event('info', 'timeouts were changed by request');
    return this.timeouts();
  }

  async startGather(): Promise<void> {
    this.gather(true);
  }

  async stopGather(): Promise<void> {
    this.gather(false);
  }

  private gather(on: boolean): void {
    const { daemon } = this;
    if (daemon.gathering === on) return;
    daemon.gathering = on;
    daemon.shards.pause(!on);
    daemon.event('info', on ? 'gathering goes on' : 'gathering is stopped');
  }

  sendTemplates(): void {
    this.daemon.exporting.sendTemplates();
  }

  logLevel(level?: string): string {
    const { logLevel } = this.daemon.options;
    if (logLevel === undefined) {
      throw new RheoError(ErrorCode.usage, 'this daemon keeps no log whose level could be set');
    }
    return logLevel(level);
  }

  async reload(): Promise<{ changed: string[]; needsRestart: string[] }> {
    const { readConfig } = this.daemon.options;
    if (readConfig === undefined) {
      throw new RheoError(ErrorCode.usage, 'this daemon was started without a configuration file');
    }
    return this.daemon.reload(await readConfig());
  }

  shutdown(): Promise<void> {
    return this.daemon.stop();
  }

  exit(): Promise<void> {
    return this.daemon.exitNow();
  }

  subscribe(what: 'records' | 'statistics' | 'events', listener: (event: ServiceEvent) => void): () => void {
    const { subscriptions } = this.daemon;
    if (subscriptions.full) throw new RheoError(ErrorCode.limit, 'there are too many subscribers');
    return subscriptions.add(what, listener);
  }
}

function because(error: string | undefined): string {
  return error === undefined ? '' : `: ${error}`;
}
