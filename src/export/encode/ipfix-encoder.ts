import type { ExporterInfo } from '../../codec/flow-encoder.js';
import { DATA_TYPES, type FieldSpecifier, SEMANTICS, UNITS, VARIABLE_LENGTH } from '../../codec/ipfix/data-type.js';
import { IPFIX_HEADER_BYTES, IPFIX_VERSION, IpfixSet } from '../../codec/ipfix/format.js';
import { SetWriter } from '../../codec/ipfix/set-writer.js';
import { DEFAULT_ENTERPRISE, OWN_ELEMENTS } from '../../model/elements-own.js';
import { KeyKind } from '../../packet/key.js';
import { Protocol } from '../../packet/transport.js';
import type { EncodeContext, EncodeOptions } from './options.js';
import { type Announcement, type DataTemplate, TemplateEncoder } from './template-encoder.js';
import { variantOf, withReverse } from './variant.js';

/** Numbers of the options templates. */
const Options = {
  statistics: 256,
  metering: 257,
  exporting: 258,
  selector: 259,
  flowSelector: 260,
  interface: 261,
  keys: 262,
  types: 263,
};
/** Our processes: there is one of each. */
const METERING_PROCESS = 1;
const EXPORTING_PROCESS = 1;
const SELECTOR = 1;
/** selectorAlgorithm, flowSelectorAlgorithm (IANA "PSAMP parameters", IPFIX registry). */
const Algorithm = { systematicCount: 1, uniformProbabilistic: 4, hashFilter: 6 } as const;
/** Bits of flowKeyIndicator. */
const KEY_BITS = 64;
/** Statistics and names are said of no observation domain (RFC 7011 §3.1); flows are of one. */
const PROCESS_DOMAIN = 0;
const DEFAULT_DOMAIN = 1;
/** Interface names have fixed lengths, filled with zeros: nfdump does not read the others. */
const NAME_BYTES = 32;
const DESCRIPTION_BYTES = 64;

/** Templates that nearly every session needs: both IP versions; TCP, other ports, ICMP, none; also with reverse elements. */
function earlyVariants(biflow: boolean): readonly number[] {
  const kinds = [KeyKind.ports | Protocol.tcp, KeyKind.ports, KeyKind.icmp, 0];
  const variants = [4, 6].flatMap((version) => kinds.map((kind) => variantOf((version << 8) | kind)));
  return biflow ? variants.flatMap((variant) => [variant, withReverse(variant)]) : variants;
}

function field(id: number, length: number): FieldSpecifier {
  return { pen: 0, id, length };
}

/** An options template: the first `scopes` of its fields are the scope (RFC 7011 §3.4.2.2). */
function optionsTemplate(id: number, scopes: number, fields: readonly FieldSpecifier[]): Announcement {
  return {
    set: IpfixSet.optionsTemplate,
    data: false,
    write(out) {
      out.u16(id);
      out.u16(fields.length);
      out.u16(scopes);
      for (const one of fields) out.specifier(one);
    },
  };
}

function optionsData(id: number, write: (out: SetWriter) => void): Announcement {
  return { set: id, data: true, write };
}

/** IPFIX (RFC 7011): messages of one observation domain in one transport session. */
export class IpfixEncoder extends TemplateEncoder {
  protected readonly biflow: boolean;
  protected readonly templateSet: number = IpfixSet.template;
  protected readonly early: readonly number[];
  readonly #domain: number;
  readonly #enterprise: number;
  readonly #reliable: boolean;
  /**
   * Data records, of options too, sent before the message (RFC 7011 §3.1), modulo 2^32: of our domain, and of domain 0,
   * which stands for the exporter as a whole.
   */
  #sequence = 0;
  #processSequence = 0;
  #keysTold = false;

  constructor(options: EncodeOptions, context: EncodeContext) {
    super(options, context, new SetWriter(options.maxMessageBytes, IPFIX_HEADER_BYTES, 1), {
      time: options.time ?? 'ms',
      boot: () => 0,
      wideFlags: true,
    });
    this.biflow = options.biflow ?? true;
    this.#domain = options.observationDomain ?? DEFAULT_DOMAIN;
    this.#enterprise = options.enterprise ?? DEFAULT_ENTERPRISE;
    this.#reliable = options.reliable ?? false;
    this.early = earlyVariants(this.biflow);
  }

  override reset(): void {
    super.reset();
    this.#sequence = 0;
    this.#processSequence = 0;
    this.#keysTold = false;
  }

  override withdraw(): void {
    // Number 2 with no fields withdraws all templates, 3 all options templates (RFC 7011 §8.1).
    for (const set of [IpfixSet.template, IpfixSet.optionsTemplate]) {
      const withdrawal: Announcement = {
        set,
        data: false,
        write(out) {
          out.u16(set);
          out.u16(0);
        },
      };
      this.queue([withdrawal]);
    }
    for (const template of this.templates) template.told = false;
    this.#keysTold = false;
  }

  protected carries(): boolean {
    return true;
  }

  protected timely(): boolean {
    return true;
  }

  protected writeTemplate({ id, fields }: DataTemplate): void {
    const { out } = this;
    out.u16(id);
    out.u16(fields.length);
    for (const one of fields) out.specifier(one);
  }

  protected writeHeader(): void {
    const { view, at } = this.out;
    view.setUint16(0, IPFIX_VERSION);
    view.setUint16(2, at);
    view.setUint32(4, Math.floor(this.exportMs / 1000));
    const alone = this.processMessage && this.#domain !== PROCESS_DOMAIN;
    view.setUint32(8, alone ? this.#processSequence : this.#sequence);
    view.setUint32(12, alone ? PROCESS_DOMAIN : this.#domain);
    if (alone) this.#processSequence = (this.#processSequence + this.dataRecords) >>> 0;
    else this.#sequence = (this.#sequence + this.dataRecords) >>> 0;
  }

  /**
   * Which fields of a template are the flow key (RFC 7011 §4.4). Over UDP only before the first flow record of the session:
   * nfdump leaves options records out when it counts, and would report each later one as a sequence error.
   */
  protected introduce({ id, fields }: DataTemplate): readonly Announcement[] {
    if (this.begun && !this.#reliable) return [];
    const keys = optionsData(Options.keys, (out) => {
      let high = 0;
      let low = 0;
      for (let bit = 0; bit < Math.min(KEY_BITS, fields.length); bit++) {
        if (fields[bit].key !== true) continue;
        if (bit < 32) low |= 1 << bit;
        else high |= 1 << (bit - 32);
      }
      out.u16(id);
      out.u32(high >>> 0);
      out.u32(low >>> 0);
    });
    if (this.#keysTold) return [keys];
    this.#keysTold = true;
    return [optionsTemplate(Options.keys, 1, [field(145, 2), field(173, 8)]), keys];
  }

  protected optionsOf(info: ExporterInfo): Announcement[] {
    this.#keysTold = false;
    return [
      ...[...this.#statistics(info), ...interfaces(info), ...this.#types()].map((one) => ({ ...one, process: true })),
      ...this.templates.flatMap((template) => this.introduce(template)),
      ...sampling(info),
    ];
  }

  /** RFC 7011 §4.1, §4.2, §4.3. */
  #statistics({ metering, exported }: ExporterInfo): Announcement[] {
    const domain = this.#domain;
    return [
      optionsTemplate(Options.statistics, 1, [field(149, 4), field(41, 8), field(42, 8), field(40, 8)]),
      optionsData(Options.statistics, (out) => {
        out.u32(domain);
        out.u64(exported.messages);
        out.u64(exported.records);
        out.u64(exported.octets);
      }),
      optionsTemplate(Options.metering, 1, [field(143, 4), field(164, 8), field(165, 8)]),
      optionsData(Options.metering, (out) => {
        out.u32(METERING_PROCESS);
        out.u64(metering.ignoredPackets);
        out.u64(metering.ignoredOctets);
      }),
      optionsTemplate(Options.exporting, 1, [field(144, 4), field(166, 8), field(167, 8), field(168, 8)]),
      optionsData(Options.exporting, (out) => {
        out.u32(EXPORTING_PROCESS);
        out.u64(metering.notSentFlows);
        out.u64(metering.notSentPackets);
        out.u64(metering.notSentOctets);
      }),
    ];
  }

  /** Types of our own elements among the members (RFC 5610 §3.9). */
  #types(): Announcement[] {
    const names = new Set(this.members.flatMap((member) => member.own ?? []));
    if (names.size === 0) return [];
    const pen = this.#enterprise;
    const fields = [
      field(346, 4),
      field(303, 2),
      field(339, 1),
      field(344, 1),
      field(345, 2),
      field(341, VARIABLE_LENGTH),
      field(340, VARIABLE_LENGTH),
    ];
    return [
      optionsTemplate(Options.types, 2, fields),
      ...[...names].map((name) =>
        optionsData(Options.types, (out) => {
          const { id, type, semantics, unit, description } = OWN_ELEMENTS.get(name)!;
          out.u32(pen);
          out.u16(id);
          out.u8(DATA_TYPES.indexOf(type));
          out.u8(SEMANTICS.indexOf(semantics));
          out.u16(UNITS.indexOf(unit));
          out.variableText(name);
          out.variableText(description);
        }),
      ),
    ];
  }
}

/** Selector report interpretations (RFC 5477 §8.2), of flows RFC 7014 §6. */
function sampling({ sampling }: ExporterInfo): Announcement[] {
  if (sampling === undefined) return [];
  const { mode, n } = sampling;
  if (mode === 'hash') {
    return [
      optionsTemplate(Options.flowSelector, 1, [field(302, 8), field(390, 2), field(396, 8), field(397, 8)]),
      optionsData(Options.flowSelector, (out) => {
        out.u64(SELECTOR);
        out.u16(Algorithm.hashFilter);
        out.u64(1);
        out.u64(n - 1);
      }),
    ];
  }
  return [
    optionsTemplate(Options.selector, 1, [field(302, 8), field(304, 2), field(305, 4), field(306, 4), field(311, 8)]),
    optionsData(Options.selector, (out) => {
      out.u64(SELECTOR);
      out.u16(mode === 'count' ? Algorithm.systematicCount : Algorithm.uniformProbabilistic);
      out.u32(1);
      out.u32(n - 1);
      out.view.setFloat64(out.at, 1 / n);
      out.at += 8;
    }),
  ];
}

function interfaces(info: ExporterInfo): Announcement[] {
  if (info.interfaces.length === 0) return [];
  const fields = [field(10, 4), field(82, NAME_BYTES), field(83, DESCRIPTION_BYTES)];
  return [
    optionsTemplate(Options.interface, 1, fields),
    ...info.interfaces.map(({ number, name, description }) =>
      optionsData(Options.interface, (out) => {
        out.u32(number);
        out.fixedText(name, NAME_BYTES);
        out.fixedText(description ?? '', DESCRIPTION_BYTES);
      }),
    ),
  ];
}
