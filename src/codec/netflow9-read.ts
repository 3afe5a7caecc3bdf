import type { FieldSpecifier } from './ipfix/data-type.js';
import { NETFLOW9_HEADER_BYTES, NETFLOW9_VERSION, NetFlow9Set } from './ipfix/format.js';
import { type FlowTemplate, TemplateCache } from './ipfix/template-cache.js';
import { ValueReader } from './ipfix/value.js';
import { DEFAULT_MAX_TEMPLATES, type DecodedMessage, type DecodedRecord, type ReaderOptions } from './ipfix-read.js';

/**
 * Enterprise number under which scopes of v9 stand in templates: their numbers (1 system, 2 interface, 3 line card, 4 cache,
 * 5 template) are not those of elements. No enterprise has it.
 */
export const NETFLOW9_SCOPE_PEN = 0xffffffff;

/** Reads NetFlow v9 datagrams (RFC 3954) of one exporter, as IpfixReader does; reasons are the same. */
export class NetFlow9Reader {
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

  read(bytes: Uint8Array): DecodedMessage | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < NETFLOW9_HEADER_BYTES || view.getUint16(0) !== NETFLOW9_VERSION) {
      this.#count('header');
      return undefined;
    }
    const domain = view.getUint32(16);
    this.#domain = domain;
    const templates: FlowTemplate[] = [];
    const records: DecodedRecord[] = [];
    for (let at = NETFLOW9_HEADER_BYTES; at + 4 <= bytes.length; ) {
      const id = view.getUint16(at);
      const length = view.getUint16(at + 2);
      const stop = at + length;
      if (length < 4 || stop > bytes.length) {
        this.#count('set');
        break;
      }
      if (id === NetFlow9Set.template) this.#readTemplates(view, at + 4, stop, templates);
      else if (id === NetFlow9Set.optionsTemplate) this.#readOptionsTemplates(view, at + 4, stop, templates);
      else if (id >= NetFlow9Set.data) this.#readData(view, at + 4, stop, id, records);
      else this.#count('set');
      at = stop;
    }
    return {
      version: NETFLOW9_VERSION,
      exportSeconds: view.getUint32(8),
      sequence: view.getUint32(12),
      domain,
      uptimeMs: view.getUint32(4),
      count: view.getUint16(2),
      templates,
      records,
    };
  }

  #readTemplates(view: DataView, from: number, end: number, found: FlowTemplate[]): void {
    let at = from;
    while (at + 8 <= end) {
      const id = view.getUint16(at);
      const count = view.getUint16(at + 2);
      at += 4;
      if (at + count * 4 > end) {
        this.#count('template');
        return;
      }
      this.#take(id, 0, readFields(view, at, count, 0), found);
      at += count * 4;
    }
  }

  #readOptionsTemplates(view: DataView, from: number, end: number, found: FlowTemplate[]): void {
    let at = from;
    while (at + 10 <= end) {
      const id = view.getUint16(at);
      const scopeBytes = view.getUint16(at + 2);
      const optionBytes = view.getUint16(at + 4);
      at += 6;
      if (scopeBytes % 4 !== 0 || optionBytes % 4 !== 0 || at + scopeBytes + optionBytes > end) {
        this.#count('template');
        return;
      }
      const scopes = scopeBytes / 4;
      const fields = [
        ...readFields(view, at, scopes, NETFLOW9_SCOPE_PEN),
        ...readFields(view, at + scopeBytes, optionBytes / 4, 0),
      ];
      at += scopeBytes + optionBytes;
      // An options template needs a scope to be told from one of data.
      if (scopes === 0) this.#count('template');
      else this.#take(id, scopes, fields, found);
    }
  }

  #take(id: number, scopes: number, fields: readonly FieldSpecifier[], found: FlowTemplate[]): void {
    const template = this.#templates.add(this.#domain, id, scopes, fields);
    if (template !== undefined) found.push(template);
  }

  #readData(view: DataView, from: number, end: number, id: number, found: DecodedRecord[]): void {
    const template = this.#templates.get(this.#domain, id);
    if (template === undefined) {
      this.#count('noTemplate');
      return;
    }
    let at = from;
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

function readFields(view: DataView, at: number, count: number, pen: number): FieldSpecifier[] {
  const fields: FieldSpecifier[] = [];
  for (let k = 0; k < count; k++) {
    fields.push({ pen, id: view.getUint16(at + k * 4), length: view.getUint16(at + k * 4 + 2) });
  }
  return fields;
}
