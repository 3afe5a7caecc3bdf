import { openTarget } from '../export/target.js';
import type { RecordBatch } from '../model/record-batch.js';
import { Row } from '../model/row.js';
import type { RecordSink } from '../model/sink.js';
import type { Interface } from '../model/source.js';
import type { TargetSummary } from '../model/summary.js';
import type { ExportContext, Target } from '../model/target.js';
import type { PacketSampling } from './read-run.js';
import { SampleRoad } from './sample-road.js';

/** What the reading of captures knows and targets ask for. */
export interface ExportRun extends Pick<ExportContext, 'fields' | 'sampling' | 'communityIdSeed' | 'log'> {
  readonly keyParts: readonly string[];
  /** Grows as interfaces are met. */
  readonly interfaces: readonly Interface[];
  /** Packets read so far. */
  readonly packets: () => number;
}

const TICK_MS = 1000;
/** Reading the same capture again chooses the same packets. */
const SAMPLE_SEED = 0x5f10_77ed;
/** sysUptime of NetFlow counts from so long before the first record: flows that began before it end later. */
const BOOT_BEFORE_MS = 86_400_000;

/**
 * Records of a reading on their way to targets: all of them get each batch, and the reading waits for those that are full.
 * The clock is that of the packets.
 */
export class ExportSink implements RecordSink {
  readonly #targets: Target[] = [];
  readonly #road = new SampleRoad({ source: (_shard, iface) => iface + 1, seed: () => SAMPLE_SEED });
  readonly #tick: NodeJS.Timeout;
  #nowMs = 0;
  #startedMs = 0;
  #records = 0;

  private constructor() {
    this.#tick = setInterval(() => {
      for (const target of this.#targets) target.tick(Date.now());
    }, TICK_MS);
  }

  /** @throws RheoError for a URL that is wrong or a file that cannot be made; targets opened before it are closed */
  static async open(urls: readonly string[], run: ExportRun): Promise<ExportSink> {
    const sink = new ExportSink();
    const context: ExportContext = {
      fields: run.fields,
      keyParts: run.keyParts,
      interfaces: () => run.interfaces,
      summary: () => ({
        packets: run.packets(),
        octets: 0,
        decoded: 0,
        refused: {},
        dropped: 0,
        flows: { opened: 0, live: 0, ended: {}, peak: 0 },
        records: sink.#records,
      }),
      sampling: run.sampling,
      lossless: true,
      communityIdSeed: run.communityIdSeed,
      now: () => (sink.#nowMs === 0 ? Date.now() : sink.#nowMs),
      get startedMs() {
        return sink.#startedMs === 0 ? Date.now() - BOOT_BEFORE_MS : sink.#startedMs;
      },
      log: run.log,
    };
    try {
      for (const url of urls) sink.#targets.push(await openTarget(url, context));
      sink.#road.check(sink.#targets);
      sink.#road.add(sink.#targets);
    } catch (error) {
      await sink.close();
      throw error;
    }
    return sink;
  }

  write(batch: RecordBatch): void | Promise<void> {
    this.#records += batch.count;
    this.#clock(batch);
    let waits: Promise<void>[] | undefined;
    for (const target of this.#targets) {
      if (target.samples !== undefined) continue;
      const wait = target.write(batch);
      if (wait === undefined) continue;
      waits ??= [];
      waits.push(wait);
    }
    if (waits !== undefined) return Promise.all(waits).then(() => {});
  }

  /** Packets to be chosen for targets that take samples; undefined if there are none. */
  get sampling(): PacketSampling | undefined {
    if (!this.#road.active) return undefined;
    return { tasks: this.#road.tasks(0, false), drain: () => this.#road.drain() };
  }

  async close(): Promise<void> {
    await this.#road.drain();
    await Promise.all(this.#targets.map((target) => target.close()));
    clearInterval(this.#tick);
  }

  /** Accounts of the targets, in their order. */
  summaries(): TargetSummary[] {
    return this.#targets.map(({ url, counters, lastError, samples }) => {
      const { received, sent, dropped, waiting } = counters;
      return {
        url,
        received,
        sent,
        dropped,
        waiting,
        ...(samples === undefined ? {} : { unit: 'samples' as const }),
        ...(lastError === undefined ? {} : { lastError }),
      };
    });
  }

  /** Sums that do not balance: records made = handed to each target = sent + dropped + waiting. */
  imbalance(records: number): string[] {
    const wrong: string[] = [];
    wrong.push(...this.#road.imbalance(true));
    for (const { url, received, sent, dropped, waiting, unit } of this.summaries()) {
      const lost = Object.values(dropped).reduce((all, count) => all + count, 0);
      if (received !== sent + lost + waiting) {
        wrong.push(`${url}: ${unit ?? 'records'} = sent + dropped + waiting: ${received} ≠ ${sent + lost + waiting}`);
      }
      if (unit !== undefined) continue;
      // Several hosts without `spread` get a copy each.
      if (records === 0 ? received !== 0 : received % records !== 0 || received === 0) {
        wrong.push(`${url}: records made = records handed over: ${records} ≠ ${received}`);
      }
    }
    return wrong;
  }

  #clock({ unsigned, layout, count }: RecordBatch): void {
    let last = 0;
    let first = Number.POSITIVE_INFINITY;
    for (let at = 0, end = count * layout.stride; at < end; at += layout.stride) {
      const ms = unsigned[at + Row.lastSeconds] * 1000 + Math.floor(unsigned[at + Row.lastNanos] / 1e6);
      if (ms > last) last = ms;
      if (unsigned[at + Row.startSeconds] < first) first = unsigned[at + Row.startSeconds];
    }
    if (last > this.#nowMs) this.#nowMs = last;
    if (this.#startedMs === 0 && count > 0) this.#startedMs = Math.max(1, first * 1000 - BOOT_BEFORE_MS);
  }
}
