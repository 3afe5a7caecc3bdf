import { ErrorCode, RheoError } from '../core/errors.js';
import { coreFields } from '../model/core-fields.js';
import type { RecordField } from '../model/hook.js';
import { TIMEOUT_CLASSES, type TimeoutClass } from '../model/options.js';
import { readMembers } from '../model/read-record.js';
import type { FlowRecord } from '../model/record.js';
import type { RecordBatch } from '../model/record-batch.js';
import { CLASS_SHIFT, Row, State } from '../model/row.js';

/**
 * A flow, seen through a window: one object serves for all flows, and shows this one until the meter is called again (or
 * the callback that got it returns). Members are read when they are asked for; names and units are those of `FlowRecord`.
 * `record()` makes a copy that stays.
 */
export interface FlowView<Data = unknown> {
  /** Id of the flow: that of its record, unless a packet that is earlier than the first one comes later. */
  readonly id: string;
  /** Times of the first and the last packet, RFC 3339 with nanoseconds; seconds between them. */
  readonly start: string;
  readonly end: string;
  readonly duration: number;
  /** The initiator (TCP: who sent the SYN; else who spoke first) and the responder. */
  readonly src: string;
  readonly srcPort: number | undefined;
  readonly dst: string;
  readonly dstPort: number | undefined;
  /** IANA's keyword in lower case, or the number as text. */
  readonly proto: string | undefined;
  readonly icmp: { type: number; code: number } | undefined;
  readonly spi: number | undefined;
  /** Packets and IP bytes of the initiator, then of the responder. Beyond 2^53 they are bigints. */
  readonly packets: number | bigint;
  readonly bytes: number | bigint;
  readonly reversePackets: number | bigint;
  readonly reverseBytes: number | bigint;
  /** TCP flags seen: letters in the order FSRPAUECN. */
  readonly tcpFlags: string | undefined;
  readonly reverseTcpFlags: string | undefined;
  /** What the flow is to the timeouts: `tcp.syn` unanswered, `tcp` open, `tcp.fin` closed, `tcp.rst` reset, `single` … */
  readonly state: TimeoutClass;
  /** Whatever the caller keeps with the flow; undefined at first. */
  userData: Data | undefined;
  /** All members that a record has, features included, as an object of its own. */
  record(): FlowRecord;
}

/** A flow that lives, as the meter gives it for a packet. It has no `endReason`, and does not say yet what errors are about. */
export interface LiveFlow<Data = unknown> extends FlowView<Data> {
  /** Who sent this packet: the initiator (`forward`) or the responder. */
  readonly direction: 'forward' | 'reverse';
  /** This packet began the flow. */
  readonly isNew: boolean;
}

/** A flow that has ended. What is kept in `userData` is let go after the callback. */
export interface EndedFlow<Data = unknown> extends FlowView<Data> {
  readonly endReason: 'idle' | 'active' | 'end' | 'forced' | 'resources';
}

const CORE = new Map(coreFields().map((field) => [field.name, field]));

/** The core member of this name. */
function core(name: string): RecordField {
  return CORE.get(name) as RecordField;
}

const READ = {
  id: core('id'),
  start: core('start'),
  end: core('end'),
  duration: core('duration'),
  src: core('src'),
  srcPort: core('srcPort'),
  dst: core('dst'),
  dstPort: core('dstPort'),
  proto: core('proto'),
  icmp: core('icmp'),
  spi: core('spi'),
  packets: core('packets'),
  bytes: core('bytes'),
  reversePackets: core('reversePackets'),
  reverseBytes: core('reverseBytes'),
  tcpFlags: core('tcpFlags'),
  reverseTcpFlags: core('reverseTcpFlags'),
  endReason: core('endReason'),
};

/** Members of one record in a batch. */
abstract class RecordView<Data> implements FlowView<Data> {
  protected index = 0;
  readonly #members: readonly RecordField[];

  constructor(members: readonly RecordField[]) {
    this.#members = members;
  }

  abstract userData: Data | undefined;

  /** The batch that record `index` stands in. */
  protected abstract batch(): RecordBatch;

  get id(): string {
    return this.read(READ.id) as string;
  }

  get start(): string {
    return this.read(READ.start) as string;
  }

  get end(): string {
    return this.read(READ.end) as string;
  }

  get duration(): number {
    return this.read(READ.duration) as number;
  }

  get src(): string {
    return this.read(READ.src) as string;
  }

  get srcPort(): number | undefined {
    return this.read(READ.srcPort) as number | undefined;
  }

  get dst(): string {
    return this.read(READ.dst) as string;
  }

  get dstPort(): number | undefined {
    return this.read(READ.dstPort) as number | undefined;
  }

  get proto(): string | undefined {
    return this.read(READ.proto) as string | undefined;
  }

  get icmp(): { type: number; code: number } | undefined {
    return this.read(READ.icmp) as { type: number; code: number } | undefined;
  }

  get spi(): number | undefined {
    return this.read(READ.spi) as number | undefined;
  }

  get packets(): number | bigint {
    return this.read(READ.packets) as number | bigint;
  }

  get bytes(): number | bigint {
    return this.read(READ.bytes) as number | bigint;
  }

  get reversePackets(): number | bigint {
    return this.read(READ.reversePackets) as number | bigint;
  }

  get reverseBytes(): number | bigint {
    return this.read(READ.reverseBytes) as number | bigint;
  }

  get tcpFlags(): string | undefined {
    return this.read(READ.tcpFlags) as string | undefined;
  }

  get reverseTcpFlags(): string | undefined {
    return this.read(READ.reverseTcpFlags) as string | undefined;
  }

  get state(): TimeoutClass {
    return TIMEOUT_CLASSES[(this.stateWord() >>> CLASS_SHIFT) & 15];
  }

  record(): FlowRecord {
    return readMembers(this.batch(), this.index, this.#members) as FlowRecord;
  }

  protected stateWord(): number {
    const batch = this.batch();
    return batch.words[this.index * batch.layout.stride + Row.state];
  }

  protected read(field: RecordField): unknown {
    return field.read(this.batch(), this.index);
  }
}

/** Where a view of a live flow gets its flow from. */
export interface LiveRows<Data> {
  /** Copies a row of the flow table out, as the first record of a batch. */
  copy(row: number): RecordBatch;
  getData(row: number): Data | undefined;
  setData(row: number, data: Data | undefined): void;
}

/** The flow in a row of the table. The row is copied when the first member is asked for. */
export class LiveView<Data> extends RecordView<Data> implements LiveFlow<Data> {
  readonly #rows: LiveRows<Data>;
  #row = 0;
  #copy: RecordBatch | undefined;
  #sent = 0;
  #isNew = false;

  constructor(members: readonly RecordField[], rows: LiveRows<Data>) {
    super(members);
    this.#rows = rows;
  }

  /** @param sent endpoint that sent the packet: 0 A, 1 B */
  show(row: number, sent: number, isNew: boolean): void {
    this.#row = row;
    this.#copy = undefined;
    this.#sent = sent;
    this.#isNew = isNew;
  }

  /** The flow may be gone: nothing can be read until the next `show`. */
  hide(): void {
    this.#row = 0;
    this.#copy = undefined;
  }

  get direction(): 'forward' | 'reverse' {
    const initiator = (this.stateWord() & State.initiatorB) !== 0 ? 1 : 0;
    return this.#sent === initiator ? 'forward' : 'reverse';
  }

  get isNew(): boolean {
    return this.row() !== 0 && this.#isNew;
  }

  get userData(): Data | undefined {
    return this.#rows.getData(this.row());
  }

  set userData(data: Data | undefined) {
    this.#rows.setData(this.row(), data);
  }

  protected batch(): RecordBatch {
    this.#copy ??= this.#rows.copy(this.row());
    return this.#copy;
  }

  private row(): number {
    if (this.#row === 0) {
      throw new RheoError(ErrorCode.usage, 'a flow was asked after the meter had gone on without it', {
        remedy: 'Read what is needed, or record(), before the next call of the meter.',
      });
    }
    return this.#row;
  }
}

/** A finished record. */
export class EndedView<Data> extends RecordView<Data> implements EndedFlow<Data> {
  userData: Data | undefined;
  #batch: RecordBatch | undefined;

  show(batch: RecordBatch, index: number, data: Data | undefined): void {
    this.#batch = batch;
    this.index = index;
    this.userData = data;
  }

  /** Lets go of what was shown. */
  hide(): void {
    this.#batch = undefined;
    this.userData = undefined;
  }

  get endReason(): EndedFlow['endReason'] {
    return this.read(READ.endReason) as EndedFlow['endReason'];
  }

  protected batch(): RecordBatch {
    if (this.#batch === undefined) {
      throw new RheoError(ErrorCode.usage, 'an ended flow was asked after its callback had returned', {
        remedy: 'Read what is needed, or record(), within onEnd.',
      });
    }
    return this.#batch;
  }
}
