import type { ExporterInfo } from '../../codec/flow-encoder.js';
import type { FieldSpecifier } from '../../codec/ipfix/data-type.js';
import { NETFLOW9_HEADER_BYTES, NETFLOW9_VERSION, NetFlow9Set } from '../../codec/ipfix/format.js';
import { SetWriter } from '../../codec/ipfix/set-writer.js';
import { LONGEST_UPTIME_MS, UptimeClock } from '../../codec/netflow5-uptime.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import type { EncodeContext, EncodeOptions } from './options.js';
import { type Announcement, type DataTemplate, TemplateEncoder } from './template-encoder.js';
import type { WireField } from './variant.js';

const Options = { sampling: 256, interface: 257 } as const;
/** Scopes (RFC 3954 §6.1). */
const Scope = { system: 1, interface: 2 } as const;
/** SAMPLING_ALGORITHM: deterministic, random (RFC 3954 §8). */
const Algorithm = { deterministic: 1, random: 2 } as const;
const NAME_BYTES = 32;
const DESCRIPTION_BYTES = 64;
/** Longest fixed field that v9 collectors expect (an IPv6 address). */
const LONGEST_FIELD = 16;

/** NetFlow version 9 (RFC 3954): two records a biflow, no enterprises, no variable lengths. */
export class NetFlow9Encoder extends TemplateEncoder {
  protected readonly biflow: boolean = false;
  protected readonly templateSet: number = NetFlow9Set.template;
  protected readonly early: readonly number[] = [];
  readonly #clock: UptimeClock;
  readonly #absolute: boolean;
  readonly #sourceId: number;
  /** Messages sent (RFC 3954 §5.1), modulo 2^32. */
  #sequence = 0;

  constructor(options: EncodeOptions, context: EncodeContext) {
    const clock = new UptimeClock(context.startedMs, 1000);
    const absolute = options.time !== undefined;
    super(options, context, new SetWriter(options.maxMessageBytes, NETFLOW9_HEADER_BYTES, 4), {
      time: absolute ? 'ms' : undefined,
      boot: () => clock.bootMs,
      wideFlags: false,
    });
    this.#clock = clock;
    this.#absolute = absolute;
    this.#sourceId = options.observationDomain ?? 0;
  }

  override reset(): void {
    super.reset();
    this.#sequence = 0;
  }

  override begin(nowMs: number): void {
    this.#clock.begin(nowMs);
    super.begin(nowMs);
  }

  protected carries({ pen, length }: WireField): boolean {
    return pen === 0 && length <= LONGEST_FIELD;
  }

  protected timely(batch: RecordBatch, base: number): boolean {
    if (this.#absolute) return true;
    const { unsigned, words } = batch;
    const start = unsigned[base + Row.startSeconds] * 1000 + Math.floor(words[base + Row.startNanos] / 1_000_000);
    const end = unsigned[base + Row.lastSeconds] * 1000 + Math.floor(words[base + Row.lastNanos] / 1_000_000);
    // Nothing longer can be told; the beginning is cut off.
    const from = Math.max(start, end - LONGEST_UPTIME_MS);
    return this.#clock.fits(from, Math.max(from, end), this.dataRecords === 0);
  }

  protected writeTemplate({ id, fields }: DataTemplate): void {
    const { out } = this;
    out.u16(id);
    out.u16(fields.length);
    for (const one of fields) out.specifier(one);
  }

  protected introduce(): readonly Announcement[] {
    return [];
  }

  protected writeHeader(): void {
    const { view } = this.out;
    view.setUint16(0, NETFLOW9_VERSION);
    view.setUint16(2, this.allRecords);
    view.setUint32(4, this.#clock.uptimeMs);
    view.setUint32(8, this.#clock.headerMs / 1000);
    view.setUint32(12, this.#sequence);
    view.setUint32(16, this.#sourceId);
    this.#sequence = (this.#sequence + 1) >>> 0;
  }

  protected optionsOf(info: ExporterInfo): Announcement[] {
    const announcements: Announcement[] = [];
    const { sampling } = info;
    if (sampling !== undefined) {
      announcements.push(
        optionsTemplate(Options.sampling, Scope.system, [
          { pen: 0, id: 34, length: 4 },
          { pen: 0, id: 35, length: 1 },
        ]),
        {
          set: Options.sampling,
          data: true,
          write: (out) => {
            out.u32(this.#sourceId);
            out.u32(sampling.n);
            out.u8(sampling.mode === 'count' ? Algorithm.deterministic : Algorithm.random);
          },
        },
      );
    }
    if (info.interfaces.length > 0) {
      announcements.push(
        optionsTemplate(Options.interface, Scope.interface, [
          { pen: 0, id: 82, length: NAME_BYTES },
          { pen: 0, id: 83, length: DESCRIPTION_BYTES },
        ]),
        ...info.interfaces.map(
          ({ number, name, description }): Announcement => ({
            set: Options.interface,
            data: true,
            write(out) {
              out.u32(number);
              out.fixedText(name, NAME_BYTES);
              out.fixedText(description ?? '', DESCRIPTION_BYTES);
            },
          }),
        ),
      );
    }
    return announcements;
  }
}

/** An options template with one scope of four bytes (RFC 3954 §6.1): lengths in bytes, not in fields. */
function optionsTemplate(id: number, scope: number, fields: readonly FieldSpecifier[]): Announcement {
  return {
    set: NetFlow9Set.optionsTemplate,
    data: false,
    write(out) {
      out.u16(id);
      out.u16(4);
      out.u16(fields.length * 4);
      out.u16(scope);
      out.u16(4);
      for (const one of fields) out.specifier(one);
    },
  };
}
