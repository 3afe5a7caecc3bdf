import { ErrorCode, RheoError } from '../core/errors.js';
import type { CounterSample, PacketSample } from '../model/packet-sample.js';
import { SampleRing } from '../model/sample-ring.js';
import type { Target } from '../model/target.js';

/** Samplers at one time: each looks at every batch. */
const MOST_SAMPLERS = 8;

/** A sampler of one shard. Plain data: crosses threads. */
export interface SamplerTask {
  readonly id: number;
  readonly oneIn: number;
  readonly headerBytes: number;
  /** Memory of its SampleRing. */
  readonly memory: SharedArrayBuffer;
  /** Of its random numbers. */
  readonly seed: number;
}

export interface SampleRoadOptions {
  /** ifIndex of the interface that the shard gave this number; undefined: not told yet. */
  readonly source: (shard: number, iface: number) => number | undefined;
  /** Seeds of random numbers. */
  readonly seed: () => number;
  /** Hand-over to a target; by default it is called directly. */
  readonly hand?: (target: Target, give: () => void) => void;
  /** Samples that were lost before they could be handed over. */
  readonly lost?: (target: Target, reason: string, count: number) => void;
}

interface RingEnd {
  readonly shard: number;
  readonly ring: SampleRing;
  readonly seed: number;
  /** Samples that were lost for want of room, as told already (modulo 2^32). */
  droppedTold: number;
  /** Its thread is gone. */
  over: boolean;
}

/** The packets that are chosen 1 in n, of all shards: what targets with the same wish share. */
interface SharedSampler {
  readonly id: number;
  readonly oneIn: number;
  readonly headerBytes: number;
  readonly targets: Set<Target>;
  rings: RingEnd[];
  /** By data source: packets that could have been chosen, chosen ones that were lost. */
  readonly pools: Map<number, { pool: number; drops: number }>;
}

/**
 * The way of sampled packets from the shards to the targets that want them (sFlow). Each shard chooses for itself; pools and
 * losses of an interface are added up over shards here.
 */
export class SampleRoad {
  private readonly options: SampleRoadOptions;
  private samplers: SharedSampler[] = [];
  private lastId = 0;
  /** Sums that did not balance in rings that are gone. */
  private readonly wrong: string[] = [];

  constructor(options: SampleRoadOptions) {
    this.options = options;
  }

  get active(): boolean {
    return this.samplers.length > 0;
  }

  /**
   * A target joins; those without a wish for samples are passed over.
   * @throws RheoError usage: too many different wishes
   */
  add(targets: readonly Target[]): void {
    for (const target of targets) {
      if (target.samples === undefined) continue;
      this.samplerOf(target).targets.add(target);
    }
  }

  /** @throws RheoError usage: with these targets besides those there are, there would be too many samplers */
  check(targets: readonly Target[]): void {
    const wishes = new Set(this.samplers.map(({ oneIn, headerBytes }) => `${oneIn} ${headerBytes}`));
    for (const { samples, url } of targets) {
      if (samples === undefined) continue;
      wishes.add(`${samples.wish.oneIn} ${samples.wish.headerBytes}`);
      if (wishes.size <= MOST_SAMPLERS) continue;
      throw new RheoError(ErrorCode.usage, `target ${url}: more than ${MOST_SAMPLERS} different samplings`, {
        remedy: 'Give targets the same sampling= and header=: they then share a sampler.',
      });
    }
  }

  private samplerOf(target: Target): SharedSampler {
    const { oneIn, headerBytes } = target.samples!.wish;
    let found = this.samplers.find((one) => one.oneIn === oneIn && one.headerBytes === headerBytes);
    if (found === undefined) {
      found = { id: ++this.lastId, oneIn, headerBytes, targets: new Set(), rings: [], pools: new Map() };
      this.samplers.push(found);
    }
    return found;
  }

  /** A target leaves; it has got what was there. A sampler that nobody wants any more is gone. */
  remove(targets: readonly Target[]): void {
    for (const sampler of this.samplers) for (const target of targets) sampler.targets.delete(target);
    this.samplers = this.samplers.filter((sampler) => sampler.targets.size > 0);
  }

  /** What a shard shall choose, from now on. @param anew a new life of the shard begins */
  tasks(shard: number, anew: boolean): SamplerTask[] {
    return this.samplers.map((sampler) => {
      let end = sampler.rings.find((one) => one.shard === shard && !one.over);
      if (end === undefined || anew) {
        if (end !== undefined) end.over = true;
        const ring = new SampleRing(sampler.headerBytes);
        end = { shard, ring, seed: this.options.seed(), droppedTold: 0, over: false };
        sampler.rings.push(end);
      }
      const { id, oneIn, headerBytes } = sampler;
      return { id, oneIn, headerBytes, memory: end.ring.memory, seed: end.seed };
    });
  }

  /** A life of a shard is over: what is in its rings is handed over now. */
  fold(shard: number): void {
    for (const sampler of this.samplers) {
      for (const end of sampler.rings) {
        if (end.shard !== shard || end.over) continue;
        end.over = true;
        while (end.ring.waiting > 0 && this.handOne(sampler, end, true));
        this.tellDrops(sampler, end);
        this.checkRing(sampler, end, this.wrong, 1);
      }
      sampler.rings = sampler.rings.filter((end) => end.shard !== shard || !end.over);
    }
  }

  /**
   * Hands over what has come. Returns a promise if a target has no room (reading captures): it goes on when there is some.
   */
  drain(): void | Promise<void> {
    for (const sampler of this.samplers) {
      for (const end of sampler.rings) {
        for (let left = end.ring.waiting; left > 0; left--) {
          if (!this.handOne(sampler, end, false)) break;
          const room = roomOf(sampler);
          if (room !== undefined) return room.then(() => this.drain());
        }
        this.tellDrops(sampler, end);
      }
    }
  }

  /** Hands the counters of an interface to a target. */
  handCounters(target: Target, sample: CounterSample): void {
    this.hand(target, () => target.samples?.takeCounters(sample));
  }

  /** False: nobody knows the packet's interface yet. @param force then it is lost */
  private handOne(sampler: SharedSampler, end: RingEnd, force: boolean): boolean {
    const { ring, shard } = end;
    ring.look();
    const source = this.options.source(shard, ring.iface);
    if (source === undefined) {
      if (!force) return false;
      ring.advance();
      this.tellLost(sampler, 'interfaceUnknown', 1);
      return true;
    }
    let sums = sampler.pools.get(source);
    if (sums === undefined) {
      sums = { pool: 0, drops: 0 };
      sampler.pools.set(source, sums);
    }
    sums.pool += ring.pool;
    sums.drops += ring.drops;
    const sample: PacketSample = {
      source,
      direction: ring.direction,
      link: ring.link,
      header: ring.header(),
      wire: ring.wire,
      timeMs: ring.timeMs,
      oneIn: sampler.oneIn,
      pool: sums.pool,
      drops: sums.drops,
    };
    ring.advance();
    for (const target of sampler.targets) this.hand(target, () => target.samples?.takePacket(sample));
    return true;
  }

  private hand(target: Target, give: () => void): void {
    if (this.options.hand === undefined) give();
    else this.options.hand(target, give);
  }

  private tellDrops(sampler: SharedSampler, end: RingEnd): void {
    const { dropped } = end.ring.accounts();
    const count = (dropped - end.droppedTold) >>> 0;
    end.droppedTold = dropped;
    this.tellLost(sampler, 'ringFull', count);
  }

  private tellLost(sampler: SharedSampler, reason: string, count: number): void {
    if (count > 0) for (const target of sampler.targets) this.options.lost?.(target, reason, count);
  }

  /** Samples on their way to the targets. */
  get waiting(): number {
    let sum = 0;
    for (const { rings } of this.samplers) for (const { ring } of rings) sum += ring.waiting;
    return sum;
  }

  /** Sums that do not balance: packets chosen = read + waiting + dropped. @param final no shard works any more */
  imbalance(final: boolean): string[] {
    const found = [...this.wrong];
    for (const sampler of this.samplers) {
      // One may be in the middle of being put while its thread works.
      for (const end of sampler.rings) this.checkRing(sampler, end, found, final ? 0 : 1);
    }
    if (final && this.waiting > 0) found.push(`samples that wait at the end: ${this.waiting} ≠ 0`);
    return found;
  }

  private checkRing({ oneIn }: SharedSampler, { ring, shard }: RingEnd, found: string[], slack: number): void {
    const { chosen, read, waiting, dropped } = ring.accounts();
    const sum = (read + waiting + dropped) >>> 0;
    if ((sum - chosen) >>> 0 <= slack) return;
    found.push(`packets chosen 1 in ${oneIn} by thread ${shard} = read + waiting + dropped: ${chosen} ≠ ${sum}`);
  }
}

function roomOf({ targets }: SharedSampler): Promise<void> | undefined {
  let waits: Promise<void>[] | undefined;
  for (const { samples } of targets) {
    const room = samples?.room();
    if (room === undefined) continue;
    waits ??= [];
    waits.push(room);
  }
  return waits === undefined ? undefined : Promise.all(waits).then(() => undefined);
}
