import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeSettings } from '../../src/control/settings.js';
import { Shard } from '../../src/control/shard.js';
import { JsonWriter } from '../../src/export/json.js';
import { ScaleSink } from '../../src/export/scale.js';
import { Cold, HOT_WORDS, Hot } from '../../src/meter/layout.js';
import { readRecord, recordMembers } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { collector } from '../support/collector.js';
import { EPOCH_SECONDS, ethernet, ip, udp, zeros } from '../support/packets.js';

const FORWARD = ethernet(ip('10.0.0.1', '10.0.0.2', 17, udp(1000, 53, zeros(72))));
const BACKWARD = ethernet(ip('10.0.0.2', '10.0.0.1', 17, udp(53, 1000, zeros(472))));

/** A meter with one flow whose counters the test sets: nobody can wait for 2^53 packets. */
class OneFlow {
  readonly shard: Shard = new Shard({
    settings: completeSettings({ maxFlows: 10, features: 'none' }),
    filter: undefined,
    shard: 0,
    shards: 1,
    seed: [1, 2],
  });
  private seconds = EPOCH_SECONDS;

  constructor() {
    this.send(FORWARD, BACKWARD);
  }

  send(...frames: readonly Uint8Array[]): void {
    const { batch, meter } = this.shard;
    const memory = new Uint8Array(4096);
    batch.attach(memory, new DataView(memory.buffer));
    let offset = 1;
    for (const [i, frame] of frames.entries()) {
      memory.set(frame, offset);
      batch.offset[i] = offset;
      batch.captured[i] = frame.length;
      batch.wire[i] = frame.length;
      batch.seconds[i] = this.seconds++;
      batch.nanos[i] = 0;
      batch.iface[i] = 0;
      batch.link[i] = 1;
      offset += frame.length;
    }
    batch.count = frames.length;
    this.shard.decode();
    assert.equal(meter.process(0, batch.count), frames.length);
  }

  /** Sets a counter of endpoint A (10.0.0.1) or B. */
  set(hot: number, cold: number, value: bigint): void {
    const { table } = this.shard.meter;
    const row = this.shard.batch.flow[0];
    table.hotUnsigned[row * HOT_WORDS + hot] = Number(value & 0xffffffffn);
    table.cold[row * table.coldStride + cold] = Number(value >> 32n) | 0;
  }

  finish(sink?: (batch: RecordBatch) => void): Record<string, string> {
    const { meter } = this.shard;
    assert.equal(meter.finish(), true);
    const records = meter.records.take(true);
    assert.ok(records !== undefined);
    const { output, text } = collector();
    sink?.(records);
    const record = readRecord(records, 0, []);
    new JsonWriter(output, recordMembers([], [])).write(records);
    const line = text();
    const digits = (name: string): string => new RegExp(`"${name}":(\\d+)`).exec(line)?.[1] ?? '';
    const names = ['packets', 'bytes', 'reversePackets', 'reverseBytes'];
    const printed = Object.fromEntries(names.map((name) => [name, digits(name)]));
    // As an object: a number as long as that is exact, then a BigInt.
    for (const name of names) {
      const value = record[name] as number | bigint;
      assert.equal(String(value), printed[name]);
      assert.equal(typeof value, BigInt(printed[name]) < 2n ** 53n ? 'number' : 'bigint');
    }
    return printed;
  }
}

for (const start of [
  2n ** 31n - 2n,
  2n ** 32n - 2n,
  2n ** 33n - 2n,
  2n ** 53n - 2n,
  2n ** 53n,
  2n ** 54n + 1n,
  2n ** 63n - 2n,
  2n ** 64n - 6n,
]) {
  test(`counters are exact from ${start} on, to the last digit`, () => {
    const flow = new OneFlow();
    flow.set(Hot.packetsA, Cold.packetsHighA, start);
    flow.set(Hot.packetsB, Cold.packetsHighB, start);
    flow.send(FORWARD, BACKWARD, FORWARD, BACKWARD, FORWARD);
    const { packets, reversePackets } = flow.finish();
    assert.deepEqual([packets, reversePackets], [String(start + 3n), String(start + 2n)]);
  });
}

for (const start of [2n ** 31n - 50n, 2n ** 32n - 50n, 2n ** 32n - 100n, 2n ** 53n - 150n, 2n ** 60n - 1n]) {
  test(`bytes are exact from ${start} on`, () => {
    const flow = new OneFlow();
    flow.set(Hot.octetsA, Cold.octetsHighA, start);
    flow.set(Hot.octetsB, Cold.octetsHighB, start);
    flow.send(FORWARD, BACKWARD, FORWARD, FORWARD);
    const { bytes, reverseBytes } = flow.finish();
    assert.deepEqual([bytes, reverseBytes], [String(start + 300n), String(start + 500n)]);
  });
}

test('scaled counters are exact, and stop at what 64 bits hold', () => {
  const flow = new OneFlow();
  flow.set(Hot.octetsA, Cold.octetsHighA, 2n ** 53n + 1n);
  flow.set(Hot.octetsB, Cold.octetsHighB, 2n ** 63n);
  const { bytes, reverseBytes } = flow.finish((records) => {
    const last = { write: (): void => undefined, close: async (): Promise<void> => undefined };
    new ScaleSink(3, last).write(records);
  });
  assert.equal(bytes, String(3n * (2n ** 53n + 1n)));
  assert.equal(reverseBytes, String(2n ** 64n - 1n));
});
