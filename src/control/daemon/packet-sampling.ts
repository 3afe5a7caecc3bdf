import { interfaceNumber } from '../../export/encode/interface-numbers.js';
import type { LiveInterface } from '../../model/live-source.js';
import type { Interface } from '../../model/source.js';
import type { Target } from '../../model/target.js';
import type { LinkCounterReader } from '../../system/link-counters.js';
import { SampleRoad, type SamplerTask } from '../sample-road.js';
import { type DaemonClock, every } from './clock.js';
import type { InterfaceTable } from './interfaces.js';
import type { Targets } from './targets.js';

/** Chosen packets are fetched so often, in ms: sFlow wants them sent within a second. */
const FETCH_MS = 100;
/** Whether counters are due is looked at so often, in ms. */
const POLL_MS = 1000;
/** Counters that cannot be read, or lack an interface, are opened again at most so often: the namespace may be another one. */
const REOPEN_MS = 10_000;

type Links = ReturnType<LinkCounterReader['read']>;

export interface PacketSamplingOptions {
  readonly clock: DaemonClock;
  readonly targets: Targets;
  readonly interfaces: InterfaceTable;
  /** Opens the kernel's counters; undefined: the source has no real interfaces. */
  readonly openCounters: (() => Promise<Pick<LinkCounterReader, 'read' | 'close'>>) | undefined;
  /** The kernel counts flows and hands no packets out. */
  readonly countedByKernel: boolean;
  /** Whole numbers of 32 bits that nobody can guess. */
  readonly seed: () => number;
  readonly event: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** Samples of packets and of interface counters, for the targets of a daemon that want them (sFlow). */
export class PacketSampling {
  private readonly options: PacketSamplingOptions;
  private readonly road: SampleRoad;
  private readonly polls = new Map<Target, { nextMs: number }>();
  private reader: Pick<LinkCounterReader, 'read' | 'close'> | undefined;
  private cancel: (() => void)[] = [];
  private openedAt = 0;
  private failed: string | undefined;

  constructor(options: PacketSamplingOptions) {
    this.options = options;
    const { targets, interfaces, seed } = options;
    this.road = new SampleRoad({
      source: (shard, iface) => {
        const index = interfaces.numberOf(shard, iface);
        return index === undefined ? undefined : interfaceNumber(interfaces.list[index]);
      },
      seed,
      hand: (target, give) => targets.hand(target, give),
      lost: (target, reason, count) => targets.noteLost(target, reason, count),
    });
  }

  /** @throws RheoError usage: too many different samplings */
  check(targets: readonly Target[]): void {
    this.road.check(targets);
  }

  /**
   * Targets have joined; those that take records are passed over. They get samples from this call on; the kernel's counters
   * are open when the promise settles.
   */
  async add(targets: readonly Target[]): Promise<void> {
    const { clock, countedByKernel, event } = this.options;
    const sampled = targets.filter(({ samples }) => samples !== undefined);
    if (sampled.length === 0) return;
    this.road.add(sampled);
    for (const target of sampled) {
      if (target.samples!.wish.pollingMs > 0) this.polls.set(target, { nextMs: clock.monotonicMs() });
    }
    if (countedByKernel)
      event('warn', 'the kernel counts flows (observe: ebpf): there are no packets to take samples of');
    if (this.cancel.length === 0) {
      this.cancel.push(every(clock, FETCH_MS, () => this.fetch()));
      this.cancel.push(every(clock, POLL_MS, () => this.poll()));
    }
    await this.openReader();
  }

  private async openReader(): Promise<void> {
    const { openCounters, clock } = this.options;
    if (this.reader !== undefined || this.polls.size === 0 || openCounters === undefined) return;
    this.openedAt = clock.monotonicMs();
    try {
      const reader = await openCounters();
      // Nobody may want it any more, or somebody was faster.
      if (this.cancel.length > 0 && this.reader === undefined) this.reader = reader;
      else reader.close();
    } catch (error) {
      this.complain(error);
    }
  }

  /** Targets leave; they get what is there before. */
  remove(targets: readonly Target[]): void {
    if (!targets.some(({ samples }) => samples !== undefined)) return;
    this.fetch();
    this.road.remove(targets);
    for (const target of targets) this.polls.delete(target);
    if (!this.road.active) this.stop();
  }

  /** What a new life of a shard shall choose. */
  begin(shard: number): SamplerTask[] {
    return this.road.tasks(shard, true);
  }

  /** What a shard shall choose from now on. */
  tasks(shard: number): SamplerTask[] {
    return this.road.tasks(shard, false);
  }

  /** A life of a shard is over. */
  fold(shard: number): void {
    this.road.fold(shard);
  }

  /** Nothing comes any more. */
  close(): void {
    this.fetch();
    this.stop();
  }

  imbalance(final: boolean): string[] {
    return this.road.imbalance(final);
  }

  private stop(): void {
    for (const cancel of this.cancel) cancel();
    this.cancel = [];
    this.reader?.close();
    this.reader = undefined;
  }

  private fetch(): void {
    // Targets of a daemon always have room, or drop.
    void this.road.drain();
    this.options.targets.flushSamples();
  }

  /** Sends the counters of observed interfaces to the targets whose time has come. */
  private poll(): void {
    const { clock, interfaces } = this.options;
    const now = clock.monotonicMs();
    const due = [...this.polls].filter(([, { nextMs }]) => now >= nextMs);
    if (due.length === 0) return;
    const links = this.readLinks();
    if (links === undefined || interfaces.list.some((one) => isReal(one) && !links.has(one.name))) this.reopen(now);
    if (links === undefined) return;
    for (const [target, poll] of due) {
      const { pollingMs } = target.samples!.wish;
      // On the beat, unless whole beats were missed.
      poll.nextMs = Math.max(poll.nextMs + pollingMs, now);
      for (const one of interfaces.list) {
        const link = isReal(one) ? links.get(one.name) : undefined;
        if (link === undefined) continue;
        const counters = { ifIndex: interfaceNumber(one), ...link.counters };
        this.road.handCounters(target, { counters, ethernet: link.ethernet });
      }
    }
    this.options.targets.flushSamples();
  }

  private readLinks(): Links | undefined {
    try {
      const links = this.reader?.read();
      if (links !== undefined) this.failed = undefined;
      return links;
    } catch (error) {
      this.complain(error);
      return undefined;
    }
  }

  private reopen(now: number): void {
    if (now - this.openedAt < REOPEN_MS) return;
    this.reader?.close();
    this.reader = undefined;
    void this.openReader();
  }

  private complain(error: unknown): void {
    const message = `the counters of interfaces cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    if (message !== this.failed) this.options.event('warn', message);
    this.failed = message;
  }
}

/** False for what stands for several interfaces, and for those of a capture. */
function isReal(one: Interface & Partial<LiveInterface>): boolean {
  return (one.kernelIndex ?? 0) > 0;
}
