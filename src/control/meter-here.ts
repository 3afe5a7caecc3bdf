import type { FlowHook } from '../model/hook.js';
import type { RecordBatch } from '../model/record-batch.js';
import type { PacketSource } from '../model/source.js';
import type { HashSeed } from '../packet/hash.js';
import { noteInterfaces, type ReadRun, type SourceEnd } from './read-run.js';
import { type ShardReport, shardReport, Tally } from './report.js';
import { runShard } from './run-shard.js';
import type { MeterSettings } from './settings.js';
import { type PacketFilter, Shard } from './shard.js';

/** The first shard of a reading, or its only one: metered in this thread, which also has the sink. */
export interface OwnShard {
  readonly settings: MeterSettings;
  readonly filter: PacketFilter | undefined;
  readonly shards: number;
  readonly seed: HashSeed;
  readonly hooks: readonly FlowHook[];
  /** Takes records; waited for. */
  write(batch: RecordBatch): void | Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** Meters what the source has until it ends, and tells `run` what it wants to know. */
export async function meterHere(
  source: PacketSource,
  own: OwnShard,
  run: ReadRun,
): Promise<{ report: ShardReport; end: SourceEnd; names: ReadonlyMap<string, string> }> {
  const { settings, filter, shards, seed, hooks } = own;
  const shard = new Shard({ settings, filter, shard: 0, shards, seed, hooks });
  const { samples, interfaces } = run;
  if (samples !== undefined) shard.setPacketSamplers(samples.tasks, source);
  const tally = new Tally();
  await runShard(shard, source, tally, {
    async deliver(batch) {
      if (interfaces !== undefined) noteInterfaces(interfaces, source.interfaces);
      await own.write(batch);
      shard.meter.records.give(batch);
    },
    onProgress: () =>
      run.onProgress?.({
        packets: source.counters.packets,
        bytesRead: source.counters.bytes,
        totalBytes: source.counters.totalBytes,
        flows: shard.meter.live,
      }),
    afterBatch: samples === undefined ? undefined : () => samples.drain(),
    signal: own.signal,
  });
  const { counters, warnings, names } = source;
  return { report: shardReport(shard, tally), end: { counters, warnings }, names };
}
