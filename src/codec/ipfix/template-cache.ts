import { type ElementInfo, type ElementLookup, type FieldSpecifier, VARIABLE_LENGTH } from './data-type.js';

export interface TemplateField extends FieldSpecifier {
  /** What is known of the element; undefined: its values stay bytes. */
  readonly info: ElementInfo | undefined;
}

export interface FlowTemplate {
  readonly id: number;
  readonly domain: number;
  readonly fields: readonly TemplateField[];
  /** Fields of the scope; 0: a template of data records. */
  readonly scopes: number;
  /** Bytes of the shortest record. */
  readonly leastBytes: number;
}

/** Fields of a template at the most. */
const MOST_FIELDS = 1024;

/**
 * Templates that a stranger told us, by observation domain and number. Bounded: the one that was told first goes when there
 * are too many.
 */
export class TemplateCache {
  readonly #templates = new Map<number, FlowTemplate>();
  readonly #most: number;
  readonly #lookup: ElementLookup;
  readonly #damage: (reason: string) => void;

  constructor(most: number, lookup: ElementLookup, damage: (reason: string) => void) {
    this.#most = most;
    this.#lookup = lookup;
    this.#damage = damage;
  }

  get size(): number {
    return this.#templates.size;
  }

  get(domain: number, id: number): FlowTemplate | undefined {
    return this.#templates.get(keyOf(domain, id));
  }

  /** Takes a template; undefined and counted if no record of it could be read. */
  add(domain: number, id: number, scopes: number, specifiers: readonly FieldSpecifier[]): FlowTemplate | undefined {
    let leastBytes = 0;
    // A field of no bytes could stand there thousands of times in each of thousands of records.
    const wrong =
      specifiers.length === 0 || specifiers.length > MOST_FIELDS || specifiers.some((one) => one.length === 0);
    if (wrong || id < 256 || scopes > specifiers.length) {
      this.#damage('template');
      return undefined;
    }
    const fields = specifiers.map((one) => {
      leastBytes += one.length === VARIABLE_LENGTH ? 1 : one.length;
      return { ...one, info: this.#lookup(one.pen, one.id) };
    });
    const key = keyOf(domain, id);
    // Told again, it is young again.
    this.#templates.delete(key);
    if (this.#templates.size >= this.#most) {
      const [oldest] = this.#templates.keys();
      this.#templates.delete(oldest);
      this.#damage('templateLimit');
    }
    const template = { id, domain, fields, scopes, leastBytes };
    this.#templates.set(key, template);
    return template;
  }

  withdraw(domain: number, id: number): void {
    this.#templates.delete(keyOf(domain, id));
  }

  /** Withdraws all of a domain: those of data, or those of options. */
  withdrawAll(domain: number, options: boolean): void {
    for (const [key, template] of this.#templates) {
      if (template.domain === domain && template.scopes > 0 === options) this.#templates.delete(key);
    }
  }
}

function keyOf(domain: number, id: number): number {
  return domain * 65_536 + id;
}
