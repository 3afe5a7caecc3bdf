import type { ElementLookup, FieldSpecifier } from './ipfix/data-type.js';
import { IPFIX_HEADER_BYTES, IPFIX_VERSION, IpfixSet } from './ipfix/format.js';
import { type FlowTemplate, TemplateCache } from './ipfix/template-cache.js';
import { type Value, ValueReader } from './ipfix/value.js';

export interface DecodedRecord {
  readonly template: FlowTemplate;
  /** As many as the template has fields. */
  readonly values: readonly Value[];
}

export interface DecodedMessage {
  readonly version: number;
  /** Seconds since 1970. */
  readonly exportSeconds: number;
  readonly sequence: number;
  /** Observation domain; v9: source id. */
  readonly domain: number;
  /** v9: ms since boot. */
  readonly uptimeMs?: number;
  /** v9: records that the header tells of. */
  readonly count?: number;
  /** Templates that it told, in order. */
  readonly templates: readonly FlowTemplate[];
  readonly records: readonly DecodedRecord[];
}

export interface ReaderOptions {
  /** Names and types of elements. */
  readonly lookup: ElementLookup;
  /** Templates kept at the most. Default 4096. */
  readonly maxTemplates?: number;
}

/** Templates kept if nobody says otherwise. */
export const DEFAULT_MAX_TEMPLATES = 4096;

/**
 * Reads IPFIX messages (RFC 7011) of one transport session. Whatever the bytes are, nothing throws: what cannot be read is left out
 * and counted in `damage`, by reason: `header`, `length`, `set`, `template`, `templateLimit`, `noTemplate`, `record`, `list`.
 */
export class IpfixReader {
  readonly damage: Record<string, number> = {};
  readonly #templates: TemplateCache;
  readonly #values: ValueReader;
  #domain = 0;

  constructor({ lookup, maxTemplates = DEFAULT_MAX_TEMPLATES }: ReaderOptions) {
    const damage = (reason: string): void => this.#count(reason);
    this.#templates = new TemplateCache(maxTemplates, lookup, damage);
    this.#values = new ValueReader(lookup, (id) => this.#templates.get(this.#domain, id), damage);
  }

  /** Templates known now. */
  get templates(): number {
    return this.#templates.size;
  }

  #count(reason: string): void {
    this.damage[reason] = (this.damage[reason] ?? 0) + 1;
  }

  /** Reads one message; undefined if not even its header is right. What lies behind its length is left alone. */
  read(bytes: Uint8Array): DecodedMessage | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < IPFIX_HEADER_BYTES || view.getUint16(0) !== IPFIX_VERSION) {
      this.#count('header');
      return undefined;
    }
    const end = view.getUint16(2);
    if (end < IPFIX_HEADER_BYTES || end > bytes.length) {
      this.#count('length');
      return undefined;
    }
    const domain = view.getUint32(12);
    this.#domain = domain;
    const templates: FlowTemplate[] = [];
    const records: DecodedRecord[] = [];
    for (let at = IPFIX_HEADER_BYTES; at < end; ) {
      const length = at + 4 <= end ? view.getUint16(at + 2) : 0;
      if (length < 4 || at + length > end) {
        this.#count('set');
        break;
      }
      const id = view.getUint16(at);
      const stop = at + length;
      if (id === IpfixSet.template || id === IpfixSet.optionsTemplate) {
        this.#readTemplates(view, at + 4, stop, id === IpfixSet.optionsTemplate, templates);
      } else if (id >= IpfixSet.data) this.#readData(view, at + 4, stop, id, records);
      else this.#count('set');
      at = stop;
    }
    return {
      version: IPFIX_VERSION,
      exportSeconds: view.getUint32(4),
      sequence: view.getUint32(8),
      domain,
      templates,
      records,
    };
  }

  #readTemplates(view: DataView, from: number, end: number, options: boolean, found: FlowTemplate[]): void {
    const header = options ? 6 : 4;
    let at = from;
    // Fewer bytes than a header are padding.
    while (at + 4 <= end) {
      const id = view.getUint16(at);
      const count = view.getUint16(at + 2);
      if (count === 0) {
        // Withdrawal (RFC 7011 §8.1), or padding of zeros.
        if (id === (options ? IpfixSet.optionsTemplate : IpfixSet.template)) {
          this.#templates.withdrawAll(this.#domain, options);
        } else if (id !== 0) this.#templates.withdraw(this.#domain, id);
        at += 4;
        continue;
      }
      if (at + header > end) {
        this.#count('template');
        return;
      }
      const scopes = options ? view.getUint16(at + 4) : 0;
      at += header;
      const fields: FieldSpecifier[] = [];
      for (let k = 0; k < count; k++) {
        if (at + 4 > end) {
          this.#count('template');
          return;
        }
        const number = view.getUint16(at);
        const enterprise = (number & 0x8000) !== 0;
        if (enterprise && at + 8 > end) {
          this.#count('template');
          return;
        }
        fields.push({
          pen: enterprise ? view.getUint32(at + 4) : 0,
          id: number & 0x7fff,
          length: view.getUint16(at + 2),
        });
        at += enterprise ? 8 : 4;
      }
      if (options && scopes === 0) {
        this.#count('template');
        continue;
      }
      const template = this.#templates.add(this.#domain, id, scopes, fields);
      if (template !== undefined) found.push(template);
    }
  }

  #readData(view: DataView, from: number, end: number, id: number, found: DecodedRecord[]): void {
    const template = this.#templates.get(this.#domain, id);
    if (template === undefined) {
      this.#count('noTemplate');
      return;
    }
    let at = from;
    // Fewer bytes than the shortest record are padding.
    while (at + template.leastBytes <= end) {
      const values = this.#values.record(view, at, end, template);
      if (values === undefined) {
        this.#count('record');
        return;
      }
      found.push({ template, values });
      at = this.#values.next;
    }
  }
}
