import { randomInt } from 'node:crypto';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { ScaleSink } from '../../export/scale.js';
import { openTarget } from '../../export/target.js';
import { completeTimeouts, idleNanos } from '../../meter/timeouts.js';
import type { RecordFormat } from '../../model/core-fields.js';
import type { RecordField } from '../../model/hook.js';
import type { Timeouts } from '../../model/options.js';
import { readMembers, recordMembers } from '../../model/read-record.js';
import type { RecordBatch } from '../../model/record-batch.js';
import type { ExportContext, Target } from '../../model/target.js';
import { randomWords } from '../../observe/packet-sampler.js';
import type { HashSeed } from '../../packet/hash.js';
import type { RpcCounters } from '../../rpc/counters.js';
import type { FlowObject, Loss, Service } from '../../rpc/service.js';
import { type Config, meterOptions } from '../config/schema.js';
import { Enrichment, enrichmentOf } from '../enrichment.js';
import { drawSeed } from '../read.js';
import { redact } from '../redact.js';
import { completeSettings, type MeterSettings, recordFields } from '../settings.js';
import { type DaemonClock, every, SYSTEM_CLOCK } from './clock.js';
import { Exporting } from './exporting.js';
import { LiveService } from './live-service.js';
import { LookWatch } from './look-watch.js';
import { lossOf } from './loss.js';
import type { LiveTask } from './messages.js';
import { ProcessWatch } from './process-figures.js';
import { Queries } from './queries.js';
import { RecordStatistics } from './record-statistics.js';
import { planReload } from './reload.js';
import { type ShardHost, WORKER_HOST } from './shard-host.js';
import { Shards } from './shards.js';
import { linkCountersOf, sourceOfConfig } from './source-of-config.js';
import type { SourceSpec } from './sources.js';
import { exitShards, stopShards } from './stopping.js';
import { Subscriptions } from './subscriptions.js';

type Level = 'info' | 'warn' | 'error';

export interface DaemonOptions {
  config: Config;
  version: string;
  /** Reads the configuration again, for `reload` from a client. Without it that is refused. */
  readConfig?: () => Promise<Config>;
  /** What is worth telling; nothing by default. */
  log?: (level: Level, message: string) => void;
  /** Sets the level of the log, if one is given, and returns that in force. */
  logLevel?: (level?: string) => string;
  /** Accounts of the control transports, for the metrics. */
  control?: Readonly<RpcCounters>;
  /** Opens an export target. Default: `openTarget` of export/. */
  openTarget?: (url: string, context: ExportContext) => Promise<Target>;
  /** Called when the targets are open and no thread has started yet: rights that threads shall not have are given up here. */
  beforeThreads?: () => void;
  /** Where packets come from. Default: as the configuration says. */
  source?: SourceSpec;
  /** Where shards run. Default: a thread each. */
  host?: ShardHost;
  clock?: DaemonClock;
  /** Secret of the flow table's hash; the choice of samples follows from it, too. Default: both are drawn. */
  seed?: HashSeed;
}

const TICK_MS = 1000;
/** Records a second that are turned into objects for subscribers; the rest is dropped for them, and counted. */
const TOLD_A_SECOND = 20_000;
const FANOUT_GROUPS = 1 << 16;

/**
 * The daemon: shards that meter, targets that get the records, and what it can be asked (`service`). Everything outside comes
 * in through the options, so that tests bring their own clock, packets and targets.
 */
export class Daemon {
  readonly service: Service;
  /** The last summary, when all is over, whatever ended it. */
  readonly ended: Promise<Loss>;
  readonly startedMs: number;
  readonly options: DaemonOptions;
  readonly clock: DaemonClock;
  readonly shards: Shards;
  readonly exporting: Exporting;
  readonly statistics: RecordStatistics = new RecordStatistics();
  readonly subscriptions: Subscriptions = new Subscriptions();
  readonly members: readonly RecordField[];
  readonly queries: Queries;
  /** What enriches records; undefined if nothing does. */
  readonly enrichment: Enrichment | undefined;
  readonly watch: ProcessWatch = new ProcessWatch();
  /** Why it ended by itself, if that was not the end of its input. */
  failure: RheoError | undefined;
  /** Records handed to the targets. */
  records = 0;
  /** Records that were not told to subscribers, as more ended in a second than are told. */
  subscribersDropped = 0;
  config: Config;
  timeouts: Timeouts;
  gathering = true;
  state: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  private readonly settings: MeterSettings;
  private readonly fields: readonly RecordField[];
  private readonly source: SourceSpec;
  private readonly seed: HashSeed;
  private readonly scaler: ScaleSink | undefined;
  private readonly startedAt: number;
  private told = 0;
  private interrupted = false;
  private reloading: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private exiting: Promise<void> | undefined;
  private timers: (() => void)[] = [];
  private cancelLine: () => void = () => undefined;
  private readonly looks: LookWatch;
  private settleEnded: (loss: Loss) => void = () => undefined;

  /** @throws RheoError usage, filter: the configuration does not fit */
  constructor(options: DaemonOptions) {
    const { config } = options;
    this.options = options;
    this.config = config;
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.startedMs = this.clock.wallMs();
    this.startedAt = this.clock.monotonicMs();
    this.settings = completeSettings(meterOptions(config));
    this.timeouts = this.settings.timeouts;
    this.seed = options.seed ?? drawSeed();
    this.source = options.source ?? sourceOfConfig(config, randomInt(FANOUT_GROUPS));
    const event = (level: Level, message: string): void => this.event(level, message);
    this.shards = new Shards(config.threads, (shard) => this.task(shard), options.host ?? WORKER_HOST, this.clock, {
      records: (batch) => this.takeRecords(batch),
      event,
      folded: (shard) => this.exporting.foldShard(shard),
      ended: (failure) => {
        this.failure = failure;
        void this.stop();
      },
    });
    this.looks = new LookWatch(this.shards, this.clock);
    this.exporting = new Exporting({
      clock: this.clock,
      openTarget: options.openTarget ?? openTarget,
      context: () => this.exportContext(),
      interfaces: this.shards.interfaces,
      openCounters: linkCountersOf(this.source),
      countedByKernel: this.source.kind === 'ebpf',
      seed: options.seed === undefined ? () => randomInt(2 ** 32) : randomWords(options.seed[0]),
      event,
    });
    const enrich = enrichmentOf(config.enrich);
    this.enrichment = enrich === undefined ? undefined : new Enrichment(enrich, event);
    const enricher = this.enrichment?.enricher;
    const measured = recordFields(config.features, this.shards.interfaces.list);
    this.fields = [...measured, ...(enricher?.fields ?? [])];
    const { sampling } = this.settings;
    const format: RecordFormat = {
      communityIdSeed: config.communityIdSeed,
      ...(sampling === undefined ? {} : { sampling }),
    };
    this.members = recordMembers(config.key.extra, this.fields, format);
    const nowhere = { write: (): void => undefined, close: async (): Promise<void> => undefined };
    this.scaler = sampling?.scale === true ? new ScaleSink(sampling.n, nowhere) : undefined;
    this.queries = new Queries({
      shards: this.shards,
      clock: this.clock,
      members: recordMembers(config.key.extra, measured, format),
      shown: this.members,
      format,
      complete: (batch) => {
        void this.scaler?.write(batch);
        enricher?.fill(batch);
      },
      version: options.version,
    });
    this.ended = new Promise((resolve) => {
      this.settleEnded = resolve;
    });
    this.service = new LiveService(this);
  }

  private task(shard: number): Omit<LiveTask, 'accounts'> {
    const { settings, config, seed, source } = this;
    const maxFlows = Math.max(1, Math.ceil(settings.maxFlows / config.threads));
    return {
      settings: { ...settings, maxFlows, timeouts: this.timeouts },
      filter: config.filter,
      seed,
      shard,
      shards: config.threads,
      source,
      samplers: this.exporting.beginShard(shard),
    };
  }

  /** Flows that fit into the tables of all shards. */
  get maxFlows(): number {
    return Math.max(1, Math.ceil(this.settings.maxFlows / this.config.threads)) * this.config.threads;
  }

  get uptimeSeconds(): number {
    return (this.clock.monotonicMs() - this.startedAt) / 1000;
  }

  /**
   * Opens targets and sources. Comes back when all shards observe.
   * @throws RheoError what cannot be opened; then nothing is left open
   */
  async start(): Promise<void> {
    if (this.state !== 'new') throw new RheoError(ErrorCode.usage, 'the daemon was started already');
    this.state = 'running';
    const opened = await this.exporting.open(this.config.export);
    try {
      await this.exporting.join(opened);
      await this.enrichment?.start();
      this.options.beforeThreads?.();
      await this.shards.start();
    } catch (error) {
      this.state = 'ended';
      await this.enrichment?.close();
      await this.exporting.close();
      throw error;
    }
    this.watch.start();
    this.timers.push(every(this.clock, TICK_MS, () => this.tick()));
    this.lineEvery(this.config.statisticsInterval);
    this.event('info', `observing with ${this.config.threads} thread${this.config.threads === 1 ? '' : 's'}`);
  }

  private exportContext(): ExportContext {
    // At the end of its life the daemon has all flows at once, and time: nothing is dropped for want of room in a queue.
    const stops = (): boolean => this.state === 'stopping' && this.exiting === undefined;
    return {
      fields: this.fields,
      keyParts: this.config.key.extra,
      interfaces: () => this.shards.interfaces.list,
      summary: () => this.ledger(),
      sampling: this.settings.sampling,
      get lossless() {
        return stops();
      },
      communityIdSeed: this.config.communityIdSeed,
      now: () => this.clock.wallMs(),
      startedMs: this.startedMs,
      log: (level, message) => this.event(level, message),
    };
  }

  event(level: Level, message: string): void {
    const text = redact(message);
    this.options.log?.(level, text);
    const time = new Date(this.clock.wallMs()).toISOString();
    this.subscriptions.note({ type: 'event', time, level, message: text });
  }

  private takeRecords(batch: RecordBatch): void | Promise<void> {
    this.records += batch.count;
    void this.scaler?.write(batch);
    this.enrichment?.enricher.enrich(batch);
    this.statistics.add(batch);
    if (this.subscriptions.has('records')) this.tellRecords(batch);
    return this.exporting.write(batch);
  }

  private tellRecords(batch: RecordBatch): void {
    const count = Math.min(batch.count, TOLD_A_SECOND - this.told);
    this.told += count;
    this.subscribersDropped += (batch.count - count) * this.subscriptions.count('records');
    if (count === 0) return;
    const flows: FlowObject[] = [];
    for (let index = 0; index < count; index++) flows.push(readMembers(batch, index, this.members));
    this.subscriptions.tell('records', { type: 'records', flows });
  }

  private tick(): void {
    this.told = 0;
    this.exporting.tick();
    this.looks.tick();
    if (this.subscriptions.has('statistics')) {
      this.service.statistics().then(
        (statistics) => this.subscriptions.tell('statistics', { type: 'statistics', statistics }),
        (error: unknown) => this.event('error', `statistics: ${String(error)}`),
      );
    }
  }

  /** Threads that run and have not looked at their source for a while. */
  get hanging(): number[] {
    return this.looks.hanging;
  }

  private lineEvery(ms: number): void {
    this.cancelLine();
    this.cancelLine = () => undefined;
    if (ms === Number.POSITIVE_INFINITY) return;
    this.cancelLine = every(this.clock, ms, () => this.logStatistics());
  }

  /** One line of statistics to the log, and the verdict (SIGUSR1, statisticsInterval). */
  logStatistics(): void {
    const { packets, decoded, flows, records, verdict } = this.ledger();
    this.options.log?.(
      'info',
      `${packets} packets, ${decoded} of them in flows; ${flows.live} flows now, ${flows.opened} in all; ` +
        `${records} records. ${verdict}`,
    );
  }

  /** The ledger at this moment, from what the shards have published. */
  ledger(): Loss {
    return lossOf({
      shards: this.shards.report(),
      targets: this.exporting.status(),
      targetsImbalance: this.exporting.imbalance(),
      records: this.records,
      subscribersDropped: this.subscribersDropped + (this.options.control?.recordsDropped ?? 0),
      uptimeSeconds: this.uptimeSeconds,
      final: this.state === 'ended',
      interrupted: this.interrupted,
    });
  }

  /** Other timeouts from now on, also for flows that live. They are the configuration in force then. */
  setTimeouts(timeouts: Timeouts): void {
    this.timeouts = timeouts;
    this.config = { ...this.config, timeouts: timeouts.idle, activeTimeout: timeouts.active };
    this.shards.setTimeouts(idleNanos(timeouts), timeouts.active * 1e6);
  }

  /**
   * Takes on what of another configuration can be taken on without losing anything; all of that or, if it throws, nothing.
   * One after the other, where several are asked for.
   * @throws RheoError a target that cannot be opened
   */
  reload(config: Config): Promise<{ changed: string[]; needsRestart: string[] }> {
    const reloaded = this.reloading.then(() => this.takeOn(config));
    this.reloading = reloaded.then(
      () => undefined,
      () => undefined,
    );
    return reloaded;
  }

  private async takeOn(wanted: Config): Promise<{ changed: string[]; needsRestart: string[] }> {
    this.mustRun();
    const { exporting } = this;
    // Others that change the configuration meanwhile (setTimeouts) leave the targets alone.
    const added = await exporting.open(planReload(this.config, wanted).added);
    try {
      this.mustRun();
    } catch (error) {
      await exporting.discard(added);
      throw error;
    }
    // From here on nothing can fail.
    const { changed, needsRestart, config, removed } = planReload(this.config, wanted);
    const leaving = removed.map((place) => exporting.list[place]);
    const joined = exporting.join(added);
    const left = exporting.leave(leaving);
    if ([...added, ...leaving].some(({ samples }) => samples !== undefined)) {
      this.shards.setSamplers((shard) => exporting.samplers(shard));
    }
    this.config = config;
    if (changed.some((key) => key.startsWith('timeouts') || key === 'activeTimeout')) {
      this.setTimeouts(completeTimeouts({ idle: config.timeouts, active: config.activeTimeout }));
    }
    if (changed.includes('statisticsInterval')) this.lineEvery(config.statisticsInterval);
    if (changed.includes('log.level')) this.options.logLevel?.(config.log.level);
    await Promise.all([joined, left, this.enrichment?.refresh()]);
    if (changed.length > 0) this.event('info', `configuration read again; changed: ${changed.join(', ')}`);
    if (needsRestart.length > 0) this.event('warn', `these need a restart: ${needsRestart.join(', ')}`);
    return { changed, needsRestart };
  }

  private mustRun(): void {
    if (this.state !== 'running') throw new RheoError(ErrorCode.usage, 'the daemon is stopping');
  }

  /** Ends all flows and hands them out, closes the targets. Called a second time it does not wait any more (`exitNow`). */
  stop(): Promise<void> {
    if (this.state === 'new' || this.state === 'ended') {
      this.state = 'ended';
      return Promise.resolve();
    }
    if (this.stopping !== undefined) return this.exitNow();
    this.state = 'stopping';
    this.stopping = this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    this.event('info', 'stopping');
    await stopShards(this.shards, {
      clock: this.clock,
      progress: () => this.records + this.ledger().packets,
      givenUp: () => this.exiting !== undefined,
      forced: () => this.event('error', 'the threads do not end; they are ended by force'),
    });
    if (this.exiting !== undefined) return this.exiting;
    await this.closeAll();
  }

  /** Ends now: flows in the table are lost, and counted in the last summary. */
  exitNow(): Promise<void> {
    if (this.state === 'new' || this.state === 'ended') return this.stop();
    this.exiting ??= this.exitAll();
    return this.exiting;
  }

  private async exitAll(): Promise<void> {
    this.state = 'stopping';
    this.interrupted = true;
    await exitShards(this.shards, this.clock);
    await this.closeAll();
  }

  private async closeAll(): Promise<void> {
    if (this.state === 'ended') return;
    for (const cancel of this.timers) cancel();
    this.timers = [];
    this.cancelLine();
    await this.exporting.close();
    await this.enrichment?.close();
    this.watch.stop();
    this.state = 'ended';
    const loss = this.ledger();
    this.event('info', `stopped. ${loss.verdict}`);
    this.settleEnded(loss);
  }
}
