import { Added, type EncodedMessage } from '../../codec/flow-encoder.js';
import { SflowWriter } from '../../codec/sflow-write.js';
import type { CounterSample, PacketSample } from '../../model/packet-sample.js';
import type { MessageEncoder } from '../transport/session.js';
import { rawHeader, switchData } from './raw-header.js';
import { isCounters, type Sample } from './sample-queue.js';

/** A sample goes out at most so long after an older one in the same datagram (sFlow v5: within a second). */
const LONGEST_SPAN_MS = 1000;

export interface SflowEncoderOptions {
  readonly maxMessageBytes: number;
  /** Address of the agent; absent: that from which the first datagram goes out (`setAgent`). */
  readonly agent: string | undefined;
  readonly subAgent: number;
  readonly expanded: boolean;
  readonly headerBytes: number;
  /** Time since the agent began, in ms; never steps back. Undefined: since the first packet, and the packets are the clock. */
  readonly uptimeMs: (() => number) | undefined;
}

/** Samples of packets and of counters → sFlow v5 datagrams for one collector. */
export class SflowEncoder implements MessageEncoder<Sample> {
  readonly maxMessageBytes: number;
  readonly pending = false;
  readonly refused: Record<string, number> = {};
  open = false;
  readonly #options: SflowEncoderOptions;
  #agent: string | undefined;
  #writer: SflowWriter | undefined;
  /** Times of the first packet, and of the latest. */
  #startedMs = 0;
  #latestMs = 0;
  /** Time of the oldest sample of the message. */
  #firstMs = 0;
  /** Samples that this target lost, by data source. */
  readonly #lost = new Map<number, number>();

  constructor(options: SflowEncoderOptions) {
    this.#options = options;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#agent = options.agent;
  }

  /** Address of ours by which the collector is reached: the agent's, unless one was given. The first one stays. */
  setAgent(address: string | undefined): void {
    this.#agent ??= address;
  }

  /** A sampled packet was lost on the way to this collector: its samples say so from now on. */
  noteLost(sample: Sample): void {
    if (isCounters(sample)) return;
    this.#lost.set(sample.source, (this.#lost.get(sample.source) ?? 0) + 1);
  }

  get waiting(): number {
    return this.#writer?.waiting ?? 0;
  }

  announce(): void {
    // There are no templates.
  }

  reset(): void {
    // Sequence numbers go on: datagrams have no connection.
  }

  begin(): void {
    const { maxMessageBytes, subAgent, expanded } = this.#options;
    const agent = this.#agent === undefined ? {} : { agent: this.#agent };
    this.#writer ??= new SflowWriter({ ...agent, subAgent, expanded, maxMessageBytes });
    this.open = true;
  }

  add(sample: Sample): Added {
    const writer = this.#writer as SflowWriter;
    if (isCounters(sample)) return this.#addCounters(writer, sample);
    return this.#addPacket(writer, sample);
  }

  #addCounters(writer: SflowWriter, { counters, ethernet }: CounterSample): Added {
    return writer.counterSample(counters, ethernet) ? Added.done : Added.full;
  }

  #addPacket(writer: SflowWriter, sample: PacketSample): Added {
    const raw = rawHeader(sample);
    if (raw === undefined) {
      this.refused.linkType = (this.refused.linkType ?? 0) + 1;
      return Added.refused;
    }
    const { source, direction, header, wire, oneIn, timeMs } = sample;
    const empty = writer.waiting === 0;
    if (!empty && Math.abs(timeMs - this.#firstMs) > LONGEST_SPAN_MS) return Added.full;
    const { offset, protocol } = raw;
    const out = direction === 2;
    const fits = writer.flowSample(
      source,
      out ? 0 : source,
      out ? source : 0,
      oneIn,
      sample.pool % 0x1_0000_0000,
      (sample.drops + (this.#lost.get(source) ?? 0)) % 0x1_0000_0000,
      header,
      offset,
      Math.min(header.length - offset, this.#options.headerBytes),
      wire - offset,
      protocol,
      switchData(sample),
    );
    if (!fits) return Added.full;
    if (empty) this.#firstMs = timeMs;
    if (this.#startedMs === 0) this.#startedMs = timeMs;
    this.#latestMs = Math.max(this.#latestMs, timeMs);
    return Added.done;
  }

  finish(): EncodedMessage {
    this.open = false;
    const records = this.waiting;
    const uptimeMs = this.#options.uptimeMs?.() ?? this.#latestMs - this.#startedMs;
    const bytes = (this.#writer as SflowWriter).finish(Math.floor(uptimeMs));
    return { bytes, records, dataRecords: records, announces: false };
  }
}
