import { readCaptures } from '../../src/control/read.js';
import { type Ledger, ledger, shardReport, Tally } from '../../src/control/report.js';
import { runShard } from '../../src/control/run-shard.js';
import { completeSettings, recordFields } from '../../src/control/settings.js';
import { Shard } from '../../src/control/shard.js';
import type { FlowHook } from '../../src/model/hook.js';
import type { MeterOptions, ReadOptions } from '../../src/model/options.js';
import { readRecord } from '../../src/model/read-record.js';
import type { FlowRecord } from '../../src/model/record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import type { Interface, PacketSource, SourceCounters } from '../../src/model/source.js';
import type { Summary } from '../../src/model/summary.js';
import type { Batch } from '../../src/packet/batch.js';
import { type TimedFrame, timeOf } from './packets.js';

export interface DriveOptions {
  /** Packets a batch, in turn; 256 at the most. Default [256]. */
  batches?: readonly number[];
  /** Shards that see all packets, one after the other, as threads would. Default 1. */
  shards?: number;
  seed?: readonly [number, number];
  hooks?: readonly FlowHook[];
  /** Told of each batch of records. */
  onRecords?: (batch: RecordBatch) => void;
}

export interface Metered extends Ledger {
  flowRecords: FlowRecord[];
}

/** Packets from memory, in batches of the lengths that are asked for. */
class FrameSource implements PacketSource {
  readonly interfaces: readonly Interface[] = [{ index: 0, name: 'test', linkType: 1, snapLength: 0 }];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: readonly string[] = [];
  readonly names: ReadonlyMap<string, string> = new Map();
  private readonly frames: readonly TimedFrame[];
  private readonly batches: readonly number[];
  private next = 0;
  private turn = 0;

  constructor(frames: readonly TimedFrame[], batches: readonly number[]) {
    this.frames = frames;
    this.batches = batches;
  }

  fill(batch: Batch): number {
    const wanted = Math.min(batch.capacity, this.batches[this.turn++ % this.batches.length]);
    const frames = this.frames.slice(this.next, this.next + wanted);
    this.next += frames.length;
    // Exactly as long as the frames: reading behind the last one throws.
    const memory = new Uint8Array(1 + frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
    batch.attach(memory, new DataView(memory.buffer));
    let offset = 1;
    for (const [i, frame] of frames.entries()) {
      memory.set(frame.bytes, offset);
      const { seconds, nanos } = timeOf(frame);
      batch.offset[i] = offset;
      batch.captured[i] = frame.bytes.length;
      batch.wire[i] = frame.wire ?? frame.bytes.length;
      batch.seconds[i] = seconds;
      batch.nanos[i] = nanos;
      batch.iface[i] = frame.iface ?? 0;
      batch.link[i] = frame.link ?? 1;
      offset += frame.bytes.length;
    }
    batch.count = frames.length;
    this.counters.packets += frames.length;
    return frames.length;
  }

  async more(): Promise<boolean> {
    return this.next < this.frames.length;
  }

  async close(): Promise<void> {
    this.next = this.frames.length;
  }
}

function compareIds(a: FlowRecord, b: FlowRecord): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Meters frames from memory; the records come in the order in which flows ended, shard by shard. */
export async function meterFrames(
  frames: readonly TimedFrame[],
  options: MeterOptions = {},
  drive: DriveOptions = {},
): Promise<Metered> {
  return meterSource(async () => new FrameSource(frames, drive.batches ?? [256]), options, drive);
}

/** Meters what a source gives; `open` is called once for each shard. */
export async function meterSource(
  open: () => Promise<PacketSource>,
  options: MeterOptions = {},
  drive: DriveOptions = {},
): Promise<Metered> {
  const settings = completeSettings({ maxFlows: 4096, features: 'none', ...options });
  const fields = recordFields(settings.features);
  const shards = drive.shards ?? 1;
  const flowRecords: FlowRecord[] = [];
  const reports = [];
  for (let shard = 0; shard < shards; shard++) {
    const seed = drive.seed ?? [0x1234567, 0x7654321];
    const one = new Shard({ settings, filter: undefined, shard, shards, seed, hooks: drive.hooks ?? [] });
    const tally = new Tally();
    const source = await open();
    await runShard(one, source, tally, {
      deliver(batch) {
        collect(batch, flowRecords, fields);
        drive.onRecords?.(batch);
        one.meter.records.give(batch);
      },
    });
    await source.close();
    reports.push(shardReport(one, tally));
  }
  return { ...ledger(reports), flowRecords };
}

function collect(batch: RecordBatch, into: FlowRecord[], fields: ReturnType<typeof recordFields>): void {
  for (let i = 0; i < batch.count; i++) into.push(readRecord(batch, i, fields));
}

/** Reads files as the command does. */
export async function readFiles(
  paths: readonly string[],
  options: ReadOptions = {},
): Promise<{ flowRecords: FlowRecord[]; summary: Summary }> {
  const flowRecords: FlowRecord[] = [];
  const fields = recordFields(options.features ?? 'none');
  const sink = {
    write: (batch: RecordBatch): void => collect(batch, flowRecords, fields),
    close: async (): Promise<void> => undefined,
  };
  const summary = await readCaptures(paths, { maxFlows: 1 << 17, features: 'none', ...options }, sink);
  return { flowRecords, summary };
}

/** The records in an order that does not depend on how they were made. */
export function byId(records: readonly FlowRecord[]): FlowRecord[] {
  return [...records].sort(compareIds);
}

/** In the order of their first packets. */
export function byStart(records: readonly FlowRecord[]): FlowRecord[] {
  return [...records].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : compareIds(a, b)));
}
