import { Added, type EncodedMessage, type ExporterInfo, type FlowEncoder } from '../../codec/flow-encoder.js';
import type { SetWriter } from '../../codec/ipfix/set-writer.js';
import type { RecordField } from '../../model/hook.js';
import { keyFields } from '../../model/key-fields.js';
import type { RecordBatch, RecordLayout } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import { KEY_PARTS } from '../../packet/key.js';
import { readVlans } from './feature-members.js';
import { InterfaceNumbers } from './interface-numbers.js';
import { allMembers, type MemberFormat, selectedMembers } from './members.js';
import type { EncodeContext, EncodeOptions } from './options.js';
import { planOf, writeFields } from './plan.js';
import {
  describeVariant,
  initiatorOf,
  type Member,
  sentAny,
  VARIANTS,
  variantOf,
  type WireField,
  withReverse,
  withVlans,
} from './variant.js';

/** A template of data records. */
export interface DataTemplate {
  readonly id: number;
  readonly fields: readonly WireField[];
  /** The same for a record from the responder to the initiator. */
  readonly turned: readonly WireField[];
  /** How they are written, by the source of the record; the same for `turned`. */
  readonly plans: readonly [Int32Array, Int32Array];
  readonly turnedPlans: readonly [Int32Array, Int32Array];
  /** The peer has been told. */
  told: boolean;
}

/** Something that goes in front of the records: one record of a template, options template or options set. */
export interface Announcement {
  /** Set that it goes into. */
  readonly set: number;
  /** Counts as data record. */
  readonly data: boolean;
  /** Tells of the exporter as a whole: goes into messages of their own (IPFIX: observation domain 0). */
  readonly process?: boolean;
  /** The template that it is. */
  readonly template?: DataTemplate;
  write(out: SetWriter): void;
}

/** First number of data templates; options templates have those below. */
const FIRST_TEMPLATE = 300;
const NO_BYTES = new Uint8Array(0);

/**
 * What IPFIX and NetFlow v9 have in common: templates made when a record first needs them, announcements that go in front,
 * one or two data records a flow record.
 */
export abstract class TemplateEncoder implements FlowEncoder {
  readonly maxMessageBytes: number;
  readonly refused: Record<string, number> = {};
  protected readonly options: EncodeOptions;
  protected readonly context: EncodeContext;
  protected readonly out: SetWriter;
  protected readonly interfaces: InterfaceNumbers;
  protected members: readonly Member[];
  protected readonly templates: DataTemplate[] = [];
  /** Records of all kinds in the message (v9 counts those), and data records only. */
  protected allRecords = 0;
  protected dataRecords = 0;
  protected exportMs = 0;
  /** The message tells of the exporter as a whole. */
  protected processMessage = false;
  /** A data record went out in this session. */
  protected begun = false;
  readonly #format: MemberFormat;
  #byVariant: (DataTemplate | undefined)[] = new Array(VARIANTS).fill(undefined);
  #layout: RecordLayout | undefined;
  #keyParts: string | undefined;
  #vlans: RecordField | undefined;
  #announcements: Announcement[] = [];
  #open = false;
  #announces = false;
  /** Flow records go into other messages than options records: nfdump counts them apart, and none must be missing between. */
  #optionsOnly = false;
  #records = 0;
  /** Data records of the record under way that went out with earlier messages. */
  #part = 0;

  constructor(
    options: EncodeOptions,
    context: EncodeContext,
    out: SetWriter,
    format: Omit<MemberFormat, 'interfaceNumber'>,
  ) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.options = options;
    this.context = context;
    this.out = out;
    this.interfaces = new InterfaceNumbers(context.interfaces);
    this.#format = { ...format, interfaceNumber: (index) => this.interfaces.of(index) };
    this.members = this.#membersFor([]);
  }

  /** One record for both directions. */
  protected abstract readonly biflow: boolean;
  protected abstract readonly templateSet: number;
  /** Leaves out fields that the protocol does not have. */
  protected abstract carries(field: WireField): boolean;
  /** False: the record is out of the times that the message can tell. */
  protected abstract timely(batch: RecordBatch, base: number): boolean;
  protected abstract writeTemplate(template: DataTemplate): void;
  /** Options templates and options records, in order. */
  protected abstract optionsOf(info: ExporterInfo): Announcement[];
  /** Variants whose templates go out before they are needed. */
  protected abstract readonly early: readonly number[];
  /** What is to be said of a template when it is first told. */
  protected abstract introduce(template: DataTemplate): readonly Announcement[];
  protected abstract writeHeader(): void;

  get open(): boolean {
    return this.#open;
  }

  get waiting(): number {
    return this.dataRecords;
  }

  get pending(): boolean {
    return this.#announcements.length > 0;
  }

  announce(info: ExporterInfo | undefined): void {
    const all = [
      ...this.templates.map((template) => this.#announcementOf(template)),
      ...(info === undefined ? [] : this.optionsOf(info)),
    ];
    this.#announcements = [
      ...all.filter(({ process }) => process === true),
      ...all.filter(({ process }) => process !== true),
    ];
  }

  reset(): void {
    this.#open = false;
    this.#announcements = [];
    this.#part = 0;
    this.begun = false;
    for (const template of this.templates) template.told = false;
  }

  withdraw(): void {}

  protected queue(announcements: readonly Announcement[]): void {
    this.#announcements.push(...announcements);
  }

  begin(nowMs: number): void {
    this.exportMs = nowMs;
    this.#open = true;
    this.#announces = false;
    this.#records = 0;
    this.allRecords = 0;
    this.dataRecords = 0;
    this.out.begin();
    this.processMessage = this.#announcements[0]?.process === true;
    while (this.#announcements.length > 0 && (this.#announcements[0].process === true) === this.processMessage) {
      if (this.#announce(this.#announcements[0]) === Added.full) break;
      this.#announcements.shift();
    }
    this.#optionsOnly = this.processMessage || this.dataRecords > 0;
  }

  #announcementOf(template: DataTemplate): Announcement {
    return { set: this.templateSet, data: false, template, write: () => this.writeTemplate(template) };
  }

  /** Refused: it fits into no message, and is left out. */
  #announce(announcement: Announcement): Added {
    const { out } = this;
    const empty = out.empty;
    out.record(announcement.set);
    announcement.write(out);
    if (!out.accept()) {
      return empty ? Added.refused : Added.full;
    }
    this.#announces = true;
    this.allRecords++;
    if (announcement.data) this.dataRecords++;
    if (announcement.template !== undefined) announcement.template.told = true;
    return Added.done;
  }

  protected refuse(reason: string): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }

  add(batch: RecordBatch, index: number): Added {
    if (this.#layout !== batch.layout) this.#meet(batch.layout);
    if (this.#optionsOnly || this.#announcements.length > 0) return Added.full;
    const base = index * batch.layout.stride;
    if (!this.timely(batch, base)) return Added.full;
    const { words } = batch;
    const initiator = initiatorOf(words, base);
    const vlans = this.#vlans === undefined ? 0 : readVlans(this.#vlans, batch, index);
    const variant = withVlans(
      variantOf(words[base + Row.meta], this.#format.wideFlags ? words[base + Row.tcpFlags] : 0),
      vlans,
    );
    const answered = sentAny(words, base, initiator ^ 1);
    let added: Added;
    if (this.biflow) added = this.#write(batch, index, answered ? withReverse(variant) : variant, initiator, initiator);
    else {
      added = Added.done;
      // Of a direction in which nothing was seen there is no record, unless there is nothing else to tell.
      if (this.#part === 0 && (sentAny(words, base, initiator) || !answered)) {
        added = this.#write(batch, index, variant, initiator, initiator);
      }
      if (added === Added.done && answered) {
        this.#part = 1;
        added = this.#write(batch, index, variant, initiator, initiator ^ 1);
      }
    }
    if (added !== Added.full) this.#part = 0;
    if (added === Added.done) this.#records++;
    return added;
  }

  #write(batch: RecordBatch, index: number, variant: number, initiator: number, source: number): Added {
    const { out } = this;
    const wasEmpty = out.empty;
    const template = this.#byVariant[variant] ?? this.#learn(variant);
    if (!template.told) {
      const told = this.#announce(this.#announcementOf(template));
      if (told === Added.refused) this.refuse('tooLarge');
      if (told !== Added.done) return told;
      for (const more of this.introduce(template)) this.#announce(more);
    }
    out.record(template.id);
    const { view } = out;
    const forward = source === initiator;
    const fields = forward ? template.fields : template.turned;
    const plan = (forward ? template.plans : template.turnedPlans)[source];
    out.at = writeFields(view, out.at, fields, plan, batch, index, source);
    if (!out.accept()) {
      if (!wasEmpty || this.#announces) return Added.full;
      this.refuse('tooLarge');
      return Added.refused;
    }
    this.allRecords++;
    this.dataRecords++;
    this.begun = true;
    return Added.done;
  }

  #learn(variant: number): DataTemplate {
    // Reverse elements come first: nfdump takes those that it does not know for the plain ones, and the last one counts.
    const fieldsOf = (turned: boolean): readonly WireField[] => {
      const shape = describeVariant(variant, turned);
      const both = (member: Member): readonly WireField[] => [
        ...(shape.reverse ? member.fields(shape, 1) : []),
        ...member.fields(shape, 0),
      ];
      return this.members.flatMap(both).filter((field) => this.carries(field));
    };
    const id = FIRST_TEMPLATE + this.templates.length;
    const fields = fieldsOf(false);
    const turned = fieldsOf(true);
    const plansOf = (all: readonly WireField[]): [Int32Array, Int32Array] => [planOf(all, 0), planOf(all, 1)];
    const template = { id, fields, turned, plans: plansOf(fields), turnedPlans: plansOf(turned), told: false };
    this.templates.push(template);
    this.#byVariant[variant] = template;
    return template;
  }

  #membersFor(keyParts: readonly string[]): readonly Member[] {
    const { options, context } = this;
    const all = allMembers(options, context, this.#format, keyParts);
    // Before the first batch nobody knows which key parts there are.
    const possible = allMembers(options, context, this.#format, Object.keys(KEY_PARTS));
    const members = selectedMembers(all, options.fields, possible);
    const vlan = [...keyFields(keyParts), ...context.fields].find((field) => field.name === 'vlan');
    this.#vlans = members.some((member) => member.name === 'vlan') ? vlan : undefined;
    return members;
  }

  /** The first batch, or one of another layout: makes the templates for what its records hold. */
  #meet(layout: RecordLayout): void {
    this.#layout = layout;
    const keyParts = layout.keyParts.join();
    if (keyParts === this.#keyParts) return;
    this.#keyParts = keyParts;
    this.#byVariant = new Array(VARIANTS).fill(undefined);
    this.members = this.#membersFor(layout.keyParts);
    for (const variant of this.early) {
      const template = this.#learn(variant);
      this.queue([this.#announcementOf(template), ...this.introduce(template)]);
    }
  }

  finish(): EncodedMessage {
    const { out } = this;
    const empty = out.empty;
    this.#open = false;
    if (!empty) {
      out.closeSet();
      this.writeHeader();
    }
    return {
      bytes: empty ? NO_BYTES : out.bytes.subarray(0, out.at),
      records: this.#records,
      dataRecords: this.dataRecords,
      announces: this.#announces,
    };
  }
}
