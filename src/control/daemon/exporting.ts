import type { RecordBatch } from '../../model/record-batch.js';
import type { ExportContext, Target } from '../../model/target.js';
import type { TargetStatus } from '../../rpc/service.js';
import type { SamplerTask } from '../sample-road.js';
import type { DaemonClock } from './clock.js';
import { PacketSampling, type PacketSamplingOptions } from './packet-sampling.js';
import { Targets } from './targets.js';

/** Targets that are closed are waited for so long, in ms. */
const CLOSE_MS = 1000;

export interface ExportingOptions extends Omit<PacketSamplingOptions, 'targets'> {
  readonly clock: DaemonClock;
  readonly openTarget: (url: string, context: ExportContext) => Promise<Target>;
  readonly context: () => ExportContext;
}

/** The exporting process of a daemon (RFC 5470): its targets, and the samples of packets that some of them want. */
export class Exporting {
  private readonly options: ExportingOptions;
  private readonly targets: Targets;
  private readonly sampling: PacketSampling;
  /** Nothing is handed over any more. */
  private over = false;

  constructor(options: ExportingOptions) {
    this.options = options;
    this.targets = new Targets(options.clock, options.event);
    this.sampling = new PacketSampling({ ...options, targets: this.targets });
  }

  /**
   * Opens all or none. They get nothing before they join.
   * @throws RheoError what cannot be opened
   */
  async open(urls: readonly string[]): Promise<Target[]> {
    const opened: Target[] = [];
    try {
      for (const url of urls) opened.push(await this.options.openTarget(url, this.options.context()));
      this.sampling.check(opened);
    } catch (error) {
      await this.discard(opened);
      throw error;
    }
    return opened;
  }

  /** Closes targets that have not joined. */
  async discard(opened: readonly Target[]): Promise<void> {
    await Promise.all(opened.map((target) => target.close().catch(() => undefined)));
  }

  /** From this call on these get what is handed out. What samples need besides is opened when the promise settles. */
  async join(targets: readonly Target[]): Promise<void> {
    for (const target of targets) this.targets.add(target);
    await this.sampling.add(targets);
  }

  /** These get nothing any more, and are closed: that is what is waited for. */
  async leave(targets: readonly Target[]): Promise<void> {
    this.sampling.remove(targets);
    await this.targets.close(targets, CLOSE_MS);
  }

  get list(): readonly Target[] {
    return this.targets.list;
  }

  /** Hands records to all that take them. */
  write(batch: RecordBatch): void | Promise<void> {
    return this.targets.write(batch);
  }

  /** To be called once a second. */
  tick(): void {
    this.targets.tick();
  }

  sendTemplates(): void {
    this.targets.sendTemplates();
  }

  /** What a new life of a shard shall choose. */
  beginShard(shard: number): SamplerTask[] {
    return this.sampling.begin(shard);
  }

  /** What a shard shall choose from now on. */
  samplers(shard: number): SamplerTask[] {
    return this.sampling.tasks(shard);
  }

  /** A life of a shard is over. */
  foldShard(shard: number): void {
    this.sampling.fold(shard);
  }

  status(): TargetStatus[] {
    return this.targets.status(this.over);
  }

  /** Sums that do not balance. */
  imbalance(): string[] {
    return [...this.targets.imbalance(), ...this.sampling.imbalance(this.over)];
  }

  /** Hands over what is there, and closes all. */
  async close(): Promise<void> {
    this.sampling.close();
    await this.targets.close(this.targets.list, CLOSE_MS);
    this.over = true;
  }
}
