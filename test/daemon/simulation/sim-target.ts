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
  private readonly wait: () => Promise<void>;

  constructor(url: string, wait: () => Promise<void>) {
    this.url = url;
    this.wait = wait;
  }

  get state(): 'up' | 'down' {
    return this.mode === 'down' ? 'down' : 'up';
  }

  write(batch: RecordBatch): void | Promise<void> {
    if (this.mode === 'throws') throw new Error('the target is broken');
    const { counters } = this;
    counters.received += batch.count;
    for (let i = 0; i < batch.count; i++) {
      const flow = readMembers(batch, i, members);
      this.ids.push(`${String(flow.id)} ${String(flow.start)}`);
      this.packets += Number(flow.packets) + Number(flow.reversePackets);
    }
    if (this.mode === 'full') this.drop('diskFull', batch.count);
    else {
      const room = Math.min(batch.count, QUEUE - counters.waiting);
      counters.waiting += room;
      this.drop('queueFull', batch.count - room);
      if (this.mode === 'up') this.send(QUEUE);
    }
    if (this.mode === 'waits') return this.wait();
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
