import { SocketAddress } from 'node:net';
import { shardReport, Tally } from '../../src/control/report.js';
import { runShard } from '../../src/control/run-shard.js';
import { completeSettings } from '../../src/control/settings.js';
import { Shard } from '../../src/control/shard.js';
import type { FlowHook } from '../../src/model/hook.js';
import type { MeterOptions } from '../../src/model/options.js';
import type { PacketSource } from '../../src/model/source.js';
import { openCaptures } from '../../src/observe/merge.js';
import { type Batch, Mark } from '../../src/packet/batch.js';
import { KeyKind } from '../../src/packet/key.js';
import { REFUSAL_NAMES } from '../../src/packet/refusal.js';

/** What became of one frame of a capture. */
export interface FrameFlow {
  /** Why it belongs to no flow; then nothing else is set. */
  refused?: string;
  src?: string;
  dst?: string;
  protocol?: number;
  srcPort?: number;
  dstPort?: number;
  /** A fragment whose first one did not come. */
  orphan?: boolean;
  /** Length of the IP packet. */
  octets?: number;
}

/** Reads a capture and tells for each frame, in the order of the file, which flow it was metered to. */
export async function frameFlows(file: string, options: MeterOptions = {}): Promise<FrameFlow[]> {
  const frames: FrameFlow[] = [];
  const recorder: FlowHook = {
    name: 'recorder',
    words: 0,
    updated(batch, from, to) {
      for (let i = from; i < to; i++) frames[batch.iface[i]] = frameOf(batch, i);
    },
  };
  const settings = completeSettings({ features: 'none', maxFlows: 1 << 16, ...options });
  const shard = new Shard({ settings, filter: undefined, shard: 0, shards: 1, seed: [1, 2], hooks: [recorder] });
  const source = await openCaptures([file]);
  const tally = new Tally();
  await runShard(shard, numbered(source), tally, { deliver: (batch) => shard.meter.records.give(batch) });
  await source.close();
  const { packets } = shardReport(shard, tally);
  if (frames.length !== packets) throw new Error(`${file}: ${packets} packets, ${frames.length} told`);
  return frames;
}

/** The source with the number of each packet in place of its interface, so that it can be told when it has waited. */
function numbered(source: PacketSource): PacketSource {
  let next = 0;
  return Object.assign(Object.create(source) as PacketSource, {
    fill(batch: Batch): number {
      const n = source.fill(batch);
      for (let i = 0; i < n; i++) batch.iface[i] = next++;
      return n;
    },
    more: () => source.more(),
    close: () => source.close(),
  });
}

function frameOf(batch: Batch, i: number): FrameFlow {
  if (batch.flow[i] < 0) return { refused: REFUSAL_NAMES[batch.verdict[i]] };
  const meta = batch.meta[i];
  const words = (mark: 'a' | 'b'): number[] => [
    batch[`${mark}0`][i],
    batch[`${mark}1`][i],
    batch[`${mark}2`][i],
    batch[`${mark}3`][i],
  ];
  const v6 = (batch.marks[i] & Mark.ipv6) !== 0;
  const a = addressText(words('a'), v6);
  const b = addressText(words('b'), v6);
  const ports = batch.ports[i];
  const forward = batch.direction[i] === 0;
  const frame: FrameFlow = {
    src: forward ? a : b,
    dst: forward ? b : a,
    protocol: meta & 0xff,
    octets: batch.octets[i],
  };
  if ((meta & KeyKind.ports) !== 0) {
    frame.srcPort = forward ? ports >>> 16 : ports & 0xffff;
    frame.dstPort = forward ? ports & 0xffff : ports >>> 16;
  }
  if ((meta & KeyKind.orphanFragments) !== 0) frame.orphan = true;
  return frame;
}

function addressText(words: readonly number[], v6: boolean): string {
  const hex = (word: number): string => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  if (v6) return canonicalAddress(words.map(hex).join(':'));
  const [word] = words;
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.');
}

/** One text for each IPv6 address, whoever wrote it. */
export function canonicalAddress(text: string): string {
  return text.includes(':') ? new SocketAddress({ address: text, family: 'ipv6' }).address : text;
}
