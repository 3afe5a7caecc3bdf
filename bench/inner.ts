/**
 * The inner loop alone: packets lie in memory, are walked, decoded and metered into the table, on one core.
 *
 *     node dist/bench/inner.js [PACKETS] [FLOWS] [ROUNDS]
 */
import { completeSettings } from '../src/control/settings.js';
import { Shard } from '../src/control/shard.js';
import type { FlowHook } from '../src/model/hook.js';
import type { Batch } from '../src/packet/batch.js';

const packets = Number(process.argv[2] ?? 2_000_000);
const flows = Number(process.argv[3] ?? 100_000);
const rounds = Number(process.argv[4] ?? 5);
const features = process.argv[5] ?? 'none';
const RECORD = 16 + 96;

/** Packets of `flows` TCP connections in turn at random, 96 bytes captured, as records of a pcap file. */
function makePackets(): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(24 + packets * RECORD);
  const view = new DataView(bytes.buffer);
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 1;
  };
  for (let n = 0; n < packets; n++) {
    const at = 24 + n * RECORD;
    const flow = random() % flows;
    const back = (random() & 0x10000) !== 0;
    view.setUint32(at, 1_600_000_000 + Math.floor(n / 1e6), true);
    view.setUint32(at + 4, n % 1e6, true);
    view.setUint32(at + 8, 96, true);
    view.setUint32(at + 12, 614, true);
    const frame = at + 16;
    view.setUint16(frame + 12, 0x0800);
    view.setUint8(frame + 14, 0x45);
    view.setUint16(frame + 16, 600);
    view.setUint8(frame + 22, 64);
    view.setUint8(frame + 23, 6);
    const client = 0x0a000000 + flow;
    const server = 0xc0a80000 + ((flow * 7) & 0xffff);
    view.setUint32(frame + 26, back ? server : client);
    view.setUint32(frame + 30, back ? client : server);
    view.setUint16(frame + 34, back ? 443 : 1024 + (flow % 50000));
    view.setUint16(frame + 36, back ? 1024 + (flow % 50000) : 443);
    view.setUint8(frame + 46, 0x50);
    view.setUint8(frame + 47, 0x10);
  }
  return { bytes, view };
}

function walk(batch: Batch, view: DataView, from: number, shift: number): number {
  const { offset, captured, wire, seconds, nanos, iface, link } = batch;
  const end = view.byteLength;
  let at = from;
  let n = 0;
  while (n < batch.capacity && at < end) {
    const length = view.getUint32(at + 8, true);
    seconds[n] = view.getUint32(at, true) + shift;
    nanos[n] = view.getUint32(at + 4, true) * 1000;
    offset[n] = at + 16;
    captured[n] = length;
    wire[n] = view.getUint32(at + 12, true);
    iface[n] = 0;
    link[n] = 1;
    n++;
    at += 16 + length;
  }
  batch.count = n;
  return at;
}

class Counting implements FlowHook {
  readonly name = 'count';
  readonly words = 0;
  packets = 0;
  updated(_batch: Batch, from: number, to: number): void {
    this.packets += to - from;
  }
}

const { bytes, view } = makePackets();
const settings = completeSettings({
  features: features === 'all' || features === 'none' ? features : features.split(','),
  maxFlows: flows + 10,
});
const hooks = process.argv[6] === 'hook' ? [new Counting()] : [];
const shard = new Shard({ settings, filter: undefined, shard: 0, shards: 1, seed: [1, 2], hooks });
const { batch, meter } = shard;
for (let round = 0; round < rounds; round++) {
  const before = process.cpuUsage();
  let at = 24;
  while (at < bytes.length) {
    batch.attach(bytes, view);
    at = walk(batch, view, at, round * (Math.floor(packets / 1e6) + 1));
    shard.decode();
    for (let i = 0; i < batch.count; ) {
      i = meter.process(i, batch.count);
      for (let full = meter.records.take(false); full !== undefined; full = meter.records.take(false)) {
        meter.records.give(full);
      }
    }
  }
  const used = process.cpuUsage(before);
  const seconds = (used.user + used.system) / 1e6;
  console.log(
    `${packets} packets, ${meter.live} flows: ${(packets / seconds / 1e6).toFixed(2)} Mpps, ${((seconds / packets) * 1e9).toFixed(0)} ns a packet`,
  );
}
