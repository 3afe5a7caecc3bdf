import { Added, type EncodedMessage, type FlowEncoder } from '../../codec/flow-encoder.js';
import { LONGEST_UPTIME_MS, UptimeClock } from '../../codec/netflow5-uptime.js';
import { NetFlow1, NetFlow5, writeLegacyHeader, writeLegacyRecord } from '../../codec/netflow5-write.js';
import type { RecordField } from '../../model/hook.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { icmpTypeCode, tcpFlagsOf } from './core-members.js';
import { asOf, nextHop4, prefixBits } from './enrichment-fields.js';
import { InterfaceNumbers } from './interface-numbers.js';
import type { EncodeContext, EncodeOptions } from './options.js';
import { initiatorOf, sentAny } from './variant.js';

const WORD = 0x1_0000_0000;
const MOST = WORD - 1;
/** Records that one direction of a flow is split into at the most: 2^16 × 4 GiB. */
const MOST_PARTS = 65_536;
const AS_TRANS = 23456;
const NO_BYTES = new Uint8Array(0);

/**
 * NetFlow v5 and v1: IPv4 only, one record a direction, counters of 32 bits, times since boot. What does not fit into one record
 * is split over several: bytes and packets are shared out evenly and without a rest, and a flow that lasted longer than
 * 49.7 days becomes one that follows upon the other.
 */
export class LegacyEncoder implements FlowEncoder {
  readonly maxMessageBytes: number;
  readonly refused: Record<string, number> = {};
  readonly pending = false;
  readonly #format: typeof NetFlow5 | typeof NetFlow1;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #most: number;
  readonly #clock: UptimeClock;
  readonly #interfaces: InterfaceNumbers;
  readonly #engine: number;
  readonly #sampling: number;
  readonly #tos: RecordField | undefined;
  readonly #reverseTos: RecordField | undefined;
  #open = false;
  #count = 0;
  #records = 0;
  /** Records sent before the message (v5), modulo 2^32. */
  #sequence = 0;
  /** Of the record under way: direction, and parts of it that went out with earlier messages. */
  #direction = 0;
  #part = 0;

  constructor(version: 1 | 5, options: EncodeOptions, context: EncodeContext) {
    this.#format = version === 5 ? NetFlow5 : NetFlow1;
    const { headerBytes, recordBytes, mostRecords } = this.#format;
    const fitting = Math.floor((options.maxMessageBytes - headerBytes) / recordBytes);
    this.#most = Math.min(mostRecords, fitting);
    this.maxMessageBytes = headerBytes + this.#most * recordBytes;
    this.#bytes = new Uint8Array(this.maxMessageBytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#clock = new UptimeClock(context.startedMs, 1);
    this.#interfaces = new InterfaceNumbers(context.interfaces);
    this.#engine = (options.observationDomain ?? 0) & 0xffff;
    const { sampling } = context;
    // Two bits of mode (1: deterministic, 2: random), 14 of interval.
    this.#sampling =
      sampling === undefined ? 0 : ((sampling.mode === 'count' ? 1 : 2) << 14) | Math.min(0x3fff, sampling.n);
    this.#tos = context.fields.find((field) => field.name === 'tos');
    this.#reverseTos = context.fields.find((field) => field.name === 'reverseTos');
  }

  get open(): boolean {
    return this.#open;
  }

  get waiting(): number {
    return this.#count;
  }

  announce(): void {}

  withdraw(): void {}

  reset(): void {
    this.#open = false;
    this.#sequence = 0;
    this.#direction = 0;
    this.#part = 0;
  }

  begin(nowMs: number): void {
    this.#clock.begin(Math.floor(nowMs));
    this.#open = true;
    this.#count = 0;
    this.#records = 0;
  }

  add(batch: RecordBatch, index: number): Added {
    const base = index * batch.layout.stride;
    const { words } = batch;
    if (((words[base + Row.meta] >>> 8) & 0xff) !== 4) {
      this.refused.notIpv4 = (this.refused.notIpv4 ?? 0) + 1;
      return Added.refused;
    }
    const initiator = initiatorOf(words, base);
    const answered = sentAny(words, base, initiator ^ 1);
    if (this.#direction === 0) {
      if (sentAny(words, base, initiator) || !answered) {
        if (!this.#addDirection(batch, index, base, initiator)) return Added.full;
      }
      this.#direction = 1;
    }
    if (answered && !this.#addDirection(batch, index, base, initiator ^ 1)) return Added.full;
    this.#direction = 0;
    this.#records++;
    return Added.done;
  }

  /** Writes the parts of one direction that fit; false if some are left. */
  #addDirection(batch: RecordBatch, index: number, base: number, source: number): boolean {
    const { unsigned, words } = batch;
    const packetsAt = base + (source === 0 ? Row.packetsA : Row.packetsB);
    const octetsAt = base + (source === 0 ? Row.octetsA : Row.octetsB);
    const start = unsigned[base + Row.startSeconds] * 1000 + Math.floor(words[base + Row.startNanos] / 1_000_000);
    const last = unsigned[base + Row.lastSeconds] * 1000 + Math.floor(words[base + Row.lastNanos] / 1_000_000);
    const end = Math.max(start, last);
    const plain = unsigned[packetsAt + 1] === 0 && unsigned[octetsAt + 1] === 0 && end - start <= LONGEST_UPTIME_MS;
    if (plain) {
      return this.#write(batch, index, base, source, unsigned[packetsAt], unsigned[octetsAt], start, end);
    }
    return this.#split(
      batch,
      index,
      base,
      source,
      counter(unsigned, packetsAt),
      counter(unsigned, octetsAt),
      start,
      end,
    );
  }

  /** Rare: sums are exact whatever the counters, so they are whole numbers of any size. */
  #split(
    batch: RecordBatch,
    index: number,
    base: number,
    source: number,
    packets: bigint,
    octets: bigint,
    start: number,
    end: number,
  ): boolean {
    const most = BigInt(MOST);
    const needed = (value: bigint): number => Number((value + most - 1n) / most);
    const wanted = Math.max(needed(packets), needed(octets), Math.ceil((end - start) / LONGEST_UPTIME_MS), 1);
    const parts = Math.min(wanted, MOST_PARTS);
    if (wanted > parts && this.#part === 0) this.refused.counterCut = (this.refused.counterCut ?? 0) + 1;
    const share = (value: bigint, part: number): number => {
      const count = BigInt(parts);
      const mine = value / count + (BigInt(part) < value % count ? 1n : 0n);
      return Number(mine > most ? most : mine);
    };
    const span = (end - start) / parts;
    while (this.#part < parts) {
      const part = this.#part;
      const from = start + Math.floor(span * part);
      const to = part === parts - 1 ? end : start + Math.floor(span * (part + 1));
      if (!this.#write(batch, index, base, source, share(packets, part), share(octets, part), from, to)) return false;
      this.#part++;
    }
    this.#part = 0;
    return true;
  }

  #write(
    batch: RecordBatch,
    index: number,
    base: number,
    source: number,
    packets: number,
    octets: number,
    startMs: number,
    endMs: number,
  ): boolean {
    if (this.#count >= this.#most || !this.#clock.fits(startMs, endMs, this.#count === 0)) return false;
    const { words } = batch;
    const format = this.#format;
    const meta = words[base + Row.meta];
    let ports = 0;
    if ((meta & KeyKind.ports) !== 0) {
      const both = words[base + Row.ports];
      ports = source === 0 ? both : (both << 16) | (both >>> 16);
    } else if ((meta & KeyKind.icmp) !== 0) ports = icmpTypeCode(words, base, source);
    const bootMs = this.#clock.bootMs;
    writeLegacyRecord(
      this.#view,
      format.headerBytes + this.#count * format.recordBytes,
      format,
      words[base + (source === 0 ? Row.a : Row.b)],
      words[base + (source === 0 ? Row.b : Row.a)],
      this.#interfaces.of(words[base + Row.iface]) & 0xffff,
      packets,
      octets,
      startMs - bootMs,
      endMs - bootMs,
      ports,
      tcpFlagsOf(words, base, source) & 0xff,
      meta & 0xff,
      this.#tosOf(batch, index, source === initiatorOf(words, base) ? this.#tos : this.#reverseTos),
      nextHop4(batch, index, source),
      (shortAs(asOf(batch, index, source, 0)) << 16) | shortAs(asOf(batch, index, source, 1)),
      (prefixBits(batch, index, source, 0) << 8) | prefixBits(batch, index, source, 1),
    );
    this.#count++;
    return true;
  }

  #tosOf(batch: RecordBatch, index: number, field: RecordField | undefined): number {
    const value = field?.read(batch, index);
    return typeof value === 'number' ? value : 0;
  }

  finish(): EncodedMessage {
    const { headerBytes, recordBytes } = this.#format;
    const count = this.#count;
    this.#open = false;
    if (count > 0) {
      const { headerMs, uptimeMs } = this.#clock;
      writeLegacyHeader(
        this.#view,
        this.#format,
        count,
        uptimeMs,
        headerMs,
        this.#sequence,
        this.#engine,
        this.#sampling,
      );
      this.#sequence = (this.#sequence + count) >>> 0;
    }
    const bytes = count === 0 ? NO_BYTES : this.#bytes.subarray(0, headerBytes + count * recordBytes);
    return { bytes, records: this.#records, dataRecords: count, announces: false };
  }
}

/** AS numbers have two bytes here; those that need four go by AS_TRANS (RFC 6793 §2). */
function shortAs(as: number): number {
  return as > 0xffff ? AS_TRANS : as;
}

function counter(unsigned: Uint32Array, at: number): bigint {
  return (BigInt(unsigned[at + 1]) << 32n) | BigInt(unsigned[at]);
}
