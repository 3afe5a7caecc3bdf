import { describeRefusal, isSupportedLinkType } from '../codec/link-type.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import { ScaleSink } from '../export/scale.js';
import { compileFilter } from '../filter/filter.js';
import type { FlowHook, RecordField } from '../model/hook.js';
import type { MeterOptions } from '../model/options.js';
import { recordMembers } from '../model/read-record.js';
import { RecordBatch } from '../model/record-batch.js';
import type { RecordSink } from '../model/sink.js';
import { REFUSAL_NAMES } from '../packet/refusal.js';
import { type EndedFlow, EndedView, type LiveFlow, LiveView } from './flow-view.js';
import { exactTime, PacketBlock, type PacketTime, type TransportEnds } from './packet-block.js';
import { drawSeed } from './read.js';
import { recordFormat } from './read-flows.js';
import { type Ledger, ledger, shardReport, Tally } from './report.js';
import { completeSettings, recordFields } from './settings.js';
import { Shard } from './shard.js';
import { UserData } from './user-data.js';

const LINKTYPE_RAW = 101;
/** Packets may come this much out of order. */
const REORDER_SECONDS = 2;
const NOWHERE: RecordSink = { write() {}, async close() {} };

export interface PacketMeterOptions<Data = unknown> extends MeterOptions {
  /** pcap filter expression; packets that do not match are refused (`filteredOut`). */
  filter?: string;
  /**
   * Called for each flow that has ended, within the call of the meter that noticed it. The meter cannot be called from
   * here. What it throws is thrown by that call, after all flows were told.
   */
  onEnd?: (flow: EndedFlow<Data>) => void;
  /** Hooks on the meter, called after the features, in this order. They must not throw, nor call the meter. */
  hooks?: readonly FlowHook[];
  /** Members that the columns of these hooks give to each record; they come last. */
  fields?: readonly RecordField[];
  /** Seed of the Community ID, 0…65535. Default 0. */
  communityIdSeed?: number;
}

/**
 * Meters packets that come from anywhere, one by one:
 *
 *     const meter = new Meter({ onEnd: (flow) => console.log(flow.record()) });
 *     const flow = meter.frame(bytes, 1, Date.now());
 *     if (flow !== undefined) console.log(flow.src, flow.packets, flow.direction);
 *     meter.finish();
 *
 * Packets are copied, so the caller's memory is free again when the call returns. Time is that of the packets: timeouts run
 * when a packet or `advance` brings a later one. To read a whole capture, `readFlows` is several times as fast, as it works
 * on batches of packets.
 */
export class Meter<Data = unknown> {
  /** What a record may have, in order. */
  readonly members: readonly RecordField[];
  readonly #shard: Shard;
  readonly #block: PacketBlock;
  readonly #tally = new Tally();
  readonly #userData = new UserData<Data>();
  readonly #live: LiveView<Data>;
  readonly #ended: EndedView<Data>;
  readonly #onEnd: ((flow: EndedFlow<Data>) => void) | undefined;
  /** Multiplies the counters of sampled records, where that is asked for. */
  readonly #scale: RecordSink | undefined;
  #lastRefusal: string | undefined;
  #linkType = LINKTYPE_RAW;
  #recordsTaken = 0;
  #busy = false;
  /** What the first callback that failed has thrown. */
  #failure: { error: unknown } | undefined;
  #seconds = 0;
  #nanos = 0;

  /** @throws RheoError usage: an option that does not fit; filter: an expression that cannot be compiled; limit: no memory */
  constructor(options: PacketMeterOptions<Data> = {}) {
    const settings = completeSettings(options);
    const fields = [...recordFields(options.features), ...(options.fields ?? [])];
    this.members = recordMembers(settings.key.extra, fields, recordFormat(options));
    const userData = this.#userData;
    this.#shard = new Shard({
      settings,
      filter: options.filter === undefined ? undefined : compileFilter(options.filter),
      shard: 0,
      shards: 1,
      seed: drawSeed(),
      hooks: [...(options.hooks ?? []), userData],
    });
    userData.batch = this.#shard.batch;
    this.#block = new PacketBlock(this.#shard.batch);
    this.#onEnd = options.onEnd;
    const { sampling } = settings;
    const scale = sampling?.scale === true ? new ScaleSink(sampling.n, NOWHERE) : undefined;
    this.#scale = scale;
    const { meter } = this.#shard;
    const { layout } = meter.records;
    const copy = new RecordBatch(layout, new ArrayBuffer(layout.stride * 4));
    this.#live = new LiveView(this.members, {
      copy(row) {
        copy.count = 0;
        copy.quoted.clear();
        meter.copy(row, copy);
        scale?.write(copy);
        return copy;
      },
      getData: (row) => userData.get(row),
      setData: (row, data) => userData.set(row, data),
    });
    this.#ended = new EndedView(this.members);
  }

  /**
   * Meters a frame from its link-layer header on.
   *
   * @param linkType pcap's LINKTYPE_ number (tcpdump.org/linktypes.html): 1 Ethernet, 113 Linux cooked, 127 radiotap …
   * @param wireLength bytes that the frame had on the wire, if it was cut
   * @returns the flow it belongs to, valid until the next call; undefined if it belongs to none, see `lastRefusal`
   * @throws RheoError linkType: not known or not supported; usage: time or lengths that cannot be
   */
  frame(
    bytes: Uint8Array,
    linkType: number,
    time: PacketTime,
    wireLength: number = bytes.length,
  ): LiveFlow<Data> | undefined {
    if (linkType !== this.#linkType) {
      if (!isSupportedLinkType(linkType)) throw new RheoError(ErrorCode.linkType, describeRefusal(linkType));
      this.#linkType = linkType;
    }
    this.#enter();
    this.#block.putFrame(bytes, linkType, time, wireLength);
    return this.#meter();
  }

  /**
   * Meters a packet from its IPv4 or IPv6 header on. Parameters and result as for `frame`.
   * @throws RheoError usage: time or lengths that cannot be
   */
  l3(bytes: Uint8Array, time: PacketTime, wireLength: number = bytes.length): LiveFlow<Data> | undefined {
    this.#enter();
    this.#block.putFrame(bytes, LINKTYPE_RAW, time, wireLength);
    return this.#meter();
  }

  /**
   * Meters a packet from its transport header on. An IP header of 20 or 40 bytes is counted with it, as it must have had
   * one; it says TTL 64 and ToS 0.
   *
   * @param ends addresses and protocol, from the IP header that is not there
   * @param wireLength bytes that header and payload had on the wire, if they were cut
   * @throws RheoError usage: addresses, protocol, time or lengths that cannot be
   */
  l4(
    bytes: Uint8Array,
    ends: TransportEnds,
    time: PacketTime,
    wireLength: number = bytes.length,
  ): LiveFlow<Data> | undefined {
    this.#enter();
    this.#block.putSegment(bytes, ends, time, wireLength, LINKTYPE_RAW);
    return this.#meter();
  }

  /**
   * Lets time pass when no packets come: flows whose timeout is over end. A time before the latest known one does nothing.
   * Timers have a resolution of 250 ms.
   */
  advance(time: PacketTime): void {
    this.#enter();
    const { seconds, nanos } = exactTime(time);
    if (seconds < this.#seconds || (seconds === this.#seconds && nanos <= this.#nanos)) return;
    this.#seconds = seconds;
    this.#nanos = nanos;
    this.#busy = true;
    try {
      while (!this.#shard.meter.idleUntil(seconds, nanos)) this.#deliver();
      this.#deliver();
    } finally {
      this.#busy = false;
    }
    this.#throwFailure();
  }

  /** Ends all flows. The meter can go on with new packets afterwards. Returns the counters. */
  finish(): Ledger {
    this.#enter();
    this.#busy = true;
    try {
      while (!this.#shard.meter.finish()) this.#deliver();
      this.#deliver();
    } finally {
      this.#busy = false;
    }
    this.#throwFailure();
    return this.counters;
  }

  /** Flows that live now. */
  get live(): number {
    return this.#shard.meter.live;
  }

  /** The loss ledger so far; `imbalance` is empty as long as every packet and flow is accounted for. */
  get counters(): Ledger {
    return ledger([shardReport(this.#shard, this.#tally)]);
  }

  /**
   * Why the last packet belongs to no flow: `notIp`, `networkShort`, `held` (a fragment that waits for the first one of its
   * packet), `tableFull` … Undefined if it belongs to one.
   */
  get lastRefusal(): string | undefined {
    return this.#lastRefusal;
  }

  /** The one packet of the batch, through decoder, meter and hooks. */
  #meter(): LiveFlow<Data> | undefined {
    const { batch, meter } = this.#shard;
    this.#noteTime(batch.seconds[0], batch.nanos[0]);
    this.#tally.add(batch);
    this.#userData.began = false;
    this.#busy = true;
    try {
      this.#shard.decode();
      while (meter.process(0, 1) === 0) this.#deliver();
      this.#deliver();
    } finally {
      this.#busy = false;
    }
    this.#throwFailure();
    const verdict = batch.verdict[0];
    if (verdict !== 0) {
      this.#lastRefusal = REFUSAL_NAMES[verdict];
      return undefined;
    }
    this.#lastRefusal = undefined;
    this.#live.show(batch.flow[0], batch.direction[0], this.#userData.began);
    return this.#live;
  }

  /** The latest time that is known; it goes back where packets are so much earlier that the clock must have been set. */
  #noteTime(seconds: number, nanos: number): void {
    const later = seconds > this.#seconds || (seconds === this.#seconds && nanos > this.#nanos);
    if (!later && seconds >= this.#seconds - REORDER_SECONDS) return;
    this.#seconds = seconds;
    this.#nanos = nanos;
  }

  /** Begins a call of the meter; the flow that was shown before is shown no longer. */
  #enter(): void {
    if (this.#busy) {
      throw new RheoError(ErrorCode.usage, 'the meter was called from within onEnd or a hook', {
        remedy: 'Note what is to be done, and do it when the call of the meter has returned.',
      });
    }
    this.#live.hide();
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  /** Hands out the flows that have ended. */
  #deliver(): void {
    const { records } = this.#shard.meter;
    if (records.count === this.#recordsTaken) return;
    const ended = this.#ended;
    for (let batch = records.take(true); batch !== undefined; batch = records.take(true)) {
      this.#recordsTaken += batch.count;
      this.#scale?.write(batch);
      for (let index = 0; index < batch.count; index++) {
        const data = this.#userData.takeEnded();
        if (this.#onEnd === undefined) continue;
        ended.show(batch, index, data);
        try {
          this.#onEnd(ended);
        } catch (error) {
          this.#failure ??= { error };
        }
      }
      ended.hide();
      records.give(batch);
    }
  }
}
