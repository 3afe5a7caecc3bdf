import { PROTOCOL_NAMES } from '../model/protocols.js';
import type { RecordBatch } from '../model/record-batch.js';
import { END_REASON_NAMES, REASON_SHIFT, Row } from '../model/row.js';
import type { RecordSink } from '../model/sink.js';
import { KeyKind } from '../packet/key.js';
import { durationSeconds, totalBytes, totalPackets } from './order.js';

/** Flows, packets and bytes of a bucket. */
export interface Bucket {
  /** Lower limit, inclusive; of numeric histograms. */
  readonly from?: number;
  /** Upper limit, exclusive; absent where there is none. */
  readonly to?: number;
  /** Protocol or end reason. */
  readonly name?: string;
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
}

export interface SummaryView {
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
  /** Bytes of a flow, both directions. */
  readonly sizes: readonly Bucket[];
  /** Seconds of a flow. */
  readonly durations: readonly Bucket[];
  /** Packets of a flow, both directions. */
  readonly packetsPerFlow: readonly Bucket[];
  readonly protocols: readonly Bucket[];
  readonly endReasons: readonly Bucket[];
}

/** Limits 1, 3, 10, 30 … : each bucket is about three times the one before. */
function limits(first: number, last: number): number[] {
  const all: number[] = [];
  for (let exponent = Math.round(Math.log10(first)); 10 ** exponent <= last; exponent++) {
    // Written as text so that 0.003 is exactly what one reads.
    all.push(Number(`1e${exponent}`), Number(`3e${exponent}`));
  }
  return all;
}
const SIZE_LIMITS = limits(100, 1e12);
const DURATION_LIMITS = limits(1e-6, 1e6);
const PACKET_LIMITS = [1, 2, ...limits(1, 1e9).slice(1)];

/** Three sums for each of n buckets. */
class Sums {
  readonly flows: Float64Array;
  readonly packets: Float64Array;
  readonly bytes: Float64Array;

  constructor(count: number) {
    this.flows = new Float64Array(count);
    this.packets = new Float64Array(count);
    this.bytes = new Float64Array(count);
  }

  add(bucket: number, packets: number, bytes: number): void {
    this.flows[bucket]++;
    this.packets[bucket] += packets;
    this.bytes[bucket] += bytes;
  }

  read(bucket: number): Pick<Bucket, 'flows' | 'packets' | 'bytes'> {
    return { flows: this.flows[bucket], packets: this.packets[bucket], bytes: this.bytes[bucket] };
  }
}

/** Number of limits that are ≤ value: 0 below the first. */
function bucketOf(table: readonly number[], value: number): number {
  let low = 0;
  let high = table.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (table[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numeric buckets from the first to the last that holds a flow. */
function numeric(sums: Sums, table: readonly number[]): Bucket[] {
  const used = [...sums.flows.keys()].filter((bucket) => sums.flows[bucket] > 0);
  if (used.length === 0) return [];
  const buckets: Bucket[] = [];
  for (let bucket = used[0]; bucket <= used[used.length - 1]; bucket++) {
    const from = bucket === 0 ? 0 : table[bucket - 1];
    const to = bucket < table.length ? { to: table[bucket] } : {};
    buckets.push({ from, ...to, ...sums.read(bucket) });
  }
  return buckets;
}

function named(sums: Sums, names: readonly string[]): Bucket[] {
  const buckets: Bucket[] = [];
  names.forEach((name, bucket) => {
    if (sums.flows[bucket] > 0) buckets.push({ name, ...sums.read(bucket) });
  });
  return buckets.sort((x, y) => y.flows - x.flows || y.bytes - x.bytes);
}

const ANY_PROTOCOL = 256;

/** Histograms of all flows, in constant memory. */
export class SummarySink implements RecordSink {
  readonly #sizes = new Sums(SIZE_LIMITS.length + 1);
  readonly #durations = new Sums(DURATION_LIMITS.length + 1);
  readonly #packets = new Sums(PACKET_LIMITS.length + 1);
  readonly #protocols = new Sums(ANY_PROTOCOL + 1);
  readonly #reasons = new Sums(16);
  readonly #total = new Sums(1);
  readonly #done: (view: SummaryView) => void;

  /** @param done called once when no more records will come */
  constructor(done: (view: SummaryView) => void) {
    this.#done = done;
  }

  write(batch: RecordBatch): void {
    const { stride } = batch.layout;
    for (let at = 0, end = batch.count * stride; at < end; at += stride) {
      const packets = totalPackets(batch, at);
      const bytes = totalBytes(batch, at);
      const meta = batch.words[at + Row.meta];
      const protocol = (meta & KeyKind.anyProtocol) !== 0 ? ANY_PROTOCOL : meta & 0xff;
      this.#total.add(0, packets, bytes);
      this.#sizes.add(bucketOf(SIZE_LIMITS, bytes), packets, bytes);
      this.#durations.add(bucketOf(DURATION_LIMITS, durationSeconds(batch, at)), packets, bytes);
      this.#packets.add(bucketOf(PACKET_LIMITS, packets), packets, bytes);
      this.#protocols.add(protocol, packets, bytes);
      this.#reasons.add((batch.words[at + Row.state] >>> REASON_SHIFT) & 15, packets, bytes);
    }
  }

  async close(): Promise<void> {
    this.#done({
      ...this.#total.read(0),
      sizes: numeric(this.#sizes, SIZE_LIMITS),
      durations: numeric(this.#durations, DURATION_LIMITS),
      packetsPerFlow: numeric(this.#packets, PACKET_LIMITS),
      protocols: named(this.#protocols, [...PROTOCOL_NAMES, 'any']),
      endReasons: named(this.#reasons, END_REASON_NAMES),
    });
  }
}
