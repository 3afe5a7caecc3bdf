import { decodeAggregates } from '../meter/aggregates.js';
import { createFeatures } from '../meter/features/index.js';
import { FlowMeter } from '../meter/meter.js';
import { idleNanos } from '../meter/timeouts.js';
import { TICK_NANOS } from '../meter/wheel.js';
import type { FlowHook } from '../model/hook.js';
import { SampleRing } from '../model/sample-ring.js';
import type { PacketSource } from '../model/source.js';
import { PacketSampler, randomWords } from '../observe/packet-sampler.js';
import { Sampler } from '../observe/sampling.js';
import { Batch } from '../packet/batch.js';
import { Decoder } from '../packet/decoder.js';
import type { HashSeed } from '../packet/hash.js';
import { keyWords } from '../packet/key.js';
import { Notice } from '../packet/refusal.js';
import type { SamplerTask } from './sample-road.js';
import type { MeterSettings } from './settings.js';

/** Chooses packets before they are decoded: the compiled filter. */
export interface PacketFilter {
  /** Gives those of packets [from, to) that do not match their verdict. */
  select(batch: Batch, from: number, to: number): number;
}

/** Rows taken off the timers between two looks at a live source: about half a millisecond. */
const LIVE_EXPIRY_BUDGET = 1024;

export interface ShardOptions {
  settings: MeterSettings;
  filter: PacketFilter | undefined;
  /** This shard of how many. */
  shard: number;
  shards: number;
  seed: HashSeed;
  /** Records in shared memory, for another thread. Default false. */
  sharedRecords?: boolean;
  /** Packets come as they happen: nothing may take long. Default false. */
  live?: boolean;
  /** Hooks besides the features, called after them in this order. */
  hooks?: readonly FlowHook[];
}

/** The packet road of one thread: filter, sampling, decoder, meter, hooks, wired together. */
export class Shard {
  readonly batch: Batch;
  readonly decoder: Decoder;
  readonly meter: FlowMeter;
  private readonly filter: PacketFilter | undefined;
  private readonly sampler: Sampler | undefined;
  /** Samplers of packets for export, by their number; and the source of the packets. */
  private packetSamplers: { readonly id: number; readonly sampler: PacketSampler }[] = [];
  private source: Pick<PacketSource, 'interfaces'> = { interfaces: [] };
  private readonly countSteps: (() => void) | undefined;

  constructor(options: ShardOptions) {
    const { settings, shard, shards, seed } = options;
    this.batch = new Batch({ keyWords: keyWords(settings.key) });
    this.filter = options.filter;
    this.sampler = settings.sampling === undefined ? undefined : new Sampler(settings.sampling);
    this.decoder = new Decoder(this.batch, {
      key: settings.key,
      tunnels: settings.tunnels,
      checksums: settings.checksums,
      shard,
      shards,
      seed,
    });
    // All shards see the packets; the first one counts.
    this.countSteps = shard === 0 ? stepCounter(this.batch, this.decoder.notices) : undefined;
    this.meter = new FlowMeter(this.decoder, {
      key: settings.key,
      idleNanos: idleNanos(settings.timeouts),
      activeNanos: settings.timeouts.active * 1e6,
      maxFlows: Math.max(1, Math.ceil(settings.maxFlows / shards)),
      whenFull: settings.whenFull,
      hooks: [...createFeatures(settings.features).hooks, ...(options.hooks ?? [])],
      maxFragments: settings.maxFragments,
      fragmentNanos: settings.fragmentTimeout * 1e6,
      sharedRecords: options.sharedRecords ?? false,
      expiryBudget: options.live === true ? LIVE_EXPIRY_BUDGET : Infinity,
      presized: options.live ?? false,
    });
  }

  /**
   * Packets are chosen for export as these say, from now on; those that are at work already go on.
   * @param source where it has one interface only, packets need not be told apart
   */
  setPacketSamplers(tasks: readonly SamplerTask[], source: Pick<PacketSource, 'interfaces'>): void {
    this.source = source;
    this.packetSamplers = tasks.map(({ id, oneIn, headerBytes, memory, seed }) => {
      const known = this.packetSamplers.find((one) => one.id === id);
      if (known !== undefined) return known;
      return { id, sampler: new PacketSampler(new SampleRing(headerBytes, memory), oneIn, randomWords(seed)) };
    });
  }

  /** Slots that are free in the fullest ring of sampled packets; Infinity without any. */
  get sampleRoom(): number {
    let room = Number.POSITIVE_INFINITY;
    for (const { sampler } of this.packetSamplers) room = Math.min(room, sampler.ring.free);
    return room;
  }

  /** Chooses packets for export among those that the filter lets pass: all that the source hands out, without a filter. */
  private choosePackets(judged: boolean): void {
    const alone = this.source.interfaces.length === 1;
    for (const { sampler } of this.packetSamplers) sampler.observe(this.batch, alone, judged);
  }

  /** Filters, samples and decodes the batch that a source has filled. */
  decode(): void {
    const { batch } = this;
    if (batch.aggregates !== undefined) {
      decodeAggregates(batch, batch.aggregates, this.decoder);
      return;
    }
    this.countSteps?.();
    const choosing = this.packetSamplers.length > 0;
    if (choosing && this.filter === undefined) this.choosePackets(false);
    // A filter and sampling see all packets, in every shard alike.
    if (this.filter === undefined && this.sampler === undefined) this.decoder.dropOtherShards(TICK_NANOS);
    const n = batch.count;
    batch.verdict.fill(0, 0, n);
    this.filter?.select(batch, 0, n);
    if (choosing && this.filter !== undefined) this.choosePackets(true);
    this.sampler?.selectPackets(batch, 0, n);
    this.decoder.decode(0, n);
    this.sampler?.selectFlows(batch, 0, n, this.decoder.verdicts);
  }
}

/**
 * Makes the function that counts packets of the batch that are earlier than the one before them. Made for a batch:
 * docs/decisions/0014-functions-of-the-road.md.
 */
function stepCounter(batch: Batch, notices: Float64Array): () => void {
  const { seconds, nanos } = batch;
  /** Time of the packet before. */
  let lastSeconds = 0;
  let lastNanos = 0;
  return () => {
    const { count } = batch;
    let back = 0;
    for (let i = 0; i < count; i++) {
      const second = seconds[i];
      const nano = nanos[i];
      if (second < lastSeconds || (second === lastSeconds && nano < lastNanos)) back++;
      lastSeconds = second;
      lastNanos = nano;
    }
    notices[Notice.timeBackwards] += back;
  };
}
