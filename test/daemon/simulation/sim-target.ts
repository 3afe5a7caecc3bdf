import assert from 'node:assert/strict';
import type { CounterSample, PacketSample, SampleSink, SampleWish } from '../../../src/model/packet-sample.js';
import { readMembers, recordMembers } from '../../../src/model/read-record.js';
import type { RecordBatch } from '../../../src/model/record-batch.js';
import type { Target, TargetCounters } from '../../../src/model/target.js';

export const TARGET_MODES = ['up', 'slow', 'down', 'full', 'throws', 'waits'] as const;
export type TargetMode = (typeof TARGET_MODES)[number];

const QUEUE = 500;
const members = recordMembers([], []);

/** A target that is well, slow, unreachable, without disk, broken … as the simulation wants. */
export class SimTarget implements Target {
  readonly url: string;
  mode: TargetMode = 'up';
  closed = false;
  lastError: string | undefined;
  readonly counters: TargetCounters = {
    received: 0,
    sent: 0,
    dropped: {},
    waiting: 0,
    messages: 0,
    bytes: 0,
    reconnects: 0,
  };
  /** Ids and packets of all records that it was given. */
  readonly ids: string[] = [];
  packets = 0;
  readonly samples?: SampleSink;
  /** By data source: packets that could have been sampled, as the last sample said. */
  readonly pools = new Map<number, number>();
  private readonly wait: () => Promise<void>;

  /** @param url that of sFlow makes a target of samples: `sflow://192.0.2.1?sampling=N` */
  constructor(url: string, wait: () => Promise<void>) {
    this.url = url;
    this.wait = wait;
    const oneIn = /^sflow:.*sampling=(\d+)/.exec(url)?.[1];
    if (oneIn !== undefined) this.samples = this.sampleSink({ oneIn: Number(oneIn), headerBytes: 32, pollingMs: 0 });
  }

  private sampleSink(wish: SampleWish): SampleSink {
    const failing = (): void => {
      if (this.mode === 'throws') throw new Error('the target is broken');
    };
    return {
      wish,
      copies: 1,
      takePacket: (sample) => {
        failing();
        this.takeSample(sample);
      },
      takeCounters: (_: CounterSample) => failing(),
      flush: failing,
      room: () => undefined,
    };
  }

  private takeSample({ source, pool, oneIn, header }: PacketSample): void {
    assert.equal(oneIn, this.samples?.wish.oneIn);
    assert.equal(header.length, 32);
    assert.ok(pool > (this.pools.get(source) ?? 0), 'pools grow');
    this.pools.set(source, pool);
    this.take(1);
  }

  get state(): 'up' | 'down' {
    return this.mode === 'down' ? 'down' : 'up';
  }

  write(batch: RecordBatch): void | Promise<void> {
    if (this.mode === 'throws') throw new Error('the target is broken');
    for (let i = 0; i < batch.count; i++) {
      const flow = readMembers(batch, i, members);
      this.ids.push(`${String(flow.id)} ${String(flow.start)}`);
      this.packets += Number(flow.packets) + Number(flow.reversePackets);
    }
    this.take(batch.count);
    if (this.mode === 'waits') return this.wait();
  }

  private take(count: number): void {
    const { counters } = this;
    counters.received += count;
    if (this.mode === 'full') {
      this.drop('diskFull', count);
      return;
    }
    const room = Math.min(count, QUEUE - counters.waiting);
    counters.waiting += room;
    this.drop('queueFull', count - room);
    if (this.mode === 'up') this.send(QUEUE);
  }

  private drop(reason: string, count: number): void {
    if (count > 0) this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + count;
  }

  private send(most: number): void {
    const count = Math.min(most, this.counters.waiting);
    this.counters.waiting -= count;
    this.counters.sent += count;
  }

  sendTemplates(): void {
    if (this.mode === 'throws') throw new Error('the target is broken');
  }

  tick(): void {
    if (this.mode === 'throws') throw new Error('the target is broken');
    if (this.mode === 'slow') this.send(3);
    if (this.mode === 'up') this.send(QUEUE);
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.mode === 'slow') await new Promise(() => undefined);
    this.drop('closed', this.counters.waiting);
    this.counters.waiting = 0;
  }
}
