import type { CounterSample, PacketSample } from '../../model/packet-sample.js';
import type { MessageQueue } from '../transport/session.js';

export type Sample = PacketSample | CounterSample;

/** What a sample takes besides its bytes, about. */
const OVERHEAD_BYTES = 200;

export function isCounters(sample: Sample): sample is CounterSample {
  return 'counters' in sample;
}

/** Samples that wait to be encoded, oldest first, bounded by bytes. Several queues may hold the same sample. */
export class SampleQueue implements MessageQueue<Sample> {
  readonly #mostBytes: number;
  #samples: Sample[] = [];
  #head = 0;
  /** Each sample stands for itself. */
  readonly index = 0;
  bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get records(): number {
    return this.#samples.length - this.#head;
  }

  get batch(): Sample | undefined {
    return this.#samples[this.#head];
  }

  get full(): boolean {
    return this.bytes >= this.#mostBytes;
  }

  /** True while more than half of the room is taken. */
  get crowded(): boolean {
    return this.bytes > this.#mostBytes / 2;
  }

  push(sample: Sample): void {
    this.#samples.push(sample);
    this.bytes += sizeOf(sample);
  }

  advance(): void {
    this.bytes -= sizeOf(this.#samples[this.#head]);
    this.#head++;
    if (this.#head < 1024 && this.#head < this.#samples.length) return;
    this.#samples.splice(0, this.#head);
    this.#head = 0;
  }

  /** Throws all samples away and gives them back. */
  clear(): Sample[] {
    const left = this.#samples.slice(this.#head);
    this.#samples = [];
    this.#head = 0;
    this.bytes = 0;
    return left;
  }
}

function sizeOf(sample: Sample): number {
  return OVERHEAD_BYTES + (isCounters(sample) ? 0 : sample.header.length);
}
