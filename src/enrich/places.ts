import { stat } from 'node:fs/promises';
import type { Reader, Response } from 'maxmind';
import { ErrorCode, RheoError } from '../core/errors.js';
import { addressText } from '../model/address.js';

/** What MMDB files say of an address. Members that they do not know are absent. */
export interface Place {
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
  /** English name. */
  readonly city?: string;
  /** AS number. */
  readonly as?: number;
  readonly organization?: string;
}

/** Addresses that are remembered: direct-mapped, each with its version, four words and the place. */
const CACHE_SLOTS = 1 << 15;
const SLOT_WORDS = 6;
/** Distinct places that are kept; an address in a further one has none. */
const MOST_PLACES = 1 << 19;
/** Longest text that is taken from a file. */
const MOST_TEXT = 200;
/** Decoded values that the reader of a file keeps. */
const READER_CACHE = 10_000;
const NOWHERE: Place = {};

/** An entry of a file. MaxMind and DB-IP nest their values (`country.iso_code`), IPinfo has them flat (`country_code`). */
type Value = Readonly<Record<string, unknown>>;

/**
 * Country, city, AS and organisation of addresses, from MMDB files. Of each the first file counts that knows it. Equal places are
 * kept once and go by their numbers, so that records hold a number and not texts; number 0 is "nowhere".
 */
export class Places {
  /** Addresses whose entry could not be read as the file is damaged there; places beyond the most that are kept. */
  readonly counters: { damaged: number; refused: number } = { damaged: 0, refused: 0 };
  /** Goes up with each file that is opened, so that answers can be remembered until the next. */
  changes = 0;
  /** In the order in which they count. */
  private readers: Reader<Response>[] = [];
  private readonly paths: string[] = [];
  private readonly list: Place[] = [NOWHERE];
  private readonly numbers = new Map<string, number>();
  private readonly texts = new Map<string, string>();
  private readonly slots = new Int32Array(CACHE_SLOTS * SLOT_WORDS);

  /**
   * Opens an MMDB file, whole in memory; it counts behind those that were opened before.
   * @throws RheoError input: it cannot be read; format: it is no MMDB file, or a damaged one
   */
  async open(path: string): Promise<void> {
    this.readers.push(await openReader(path));
    this.paths.push(path);
    this.changed();
  }

  /**
   * Reads all files again, as somebody may have put newer ones in their places.
   * @throws RheoError as `open`; all goes on with the old ones then
   */
  async reopen(): Promise<void> {
    const readers: Reader<Response>[] = [];
    for (const path of this.paths) readers.push(await openReader(path));
    this.readers = readers;
    this.changed();
  }

  private changed(): void {
    this.slots.fill(0);
    this.changes++;
  }

  /** Distinct places met. */
  get size(): number {
    return this.list.length - 1;
  }

  /** The place of this number. */
  at(number: number): Place {
    return this.list[number] ?? NOWHERE;
  }

  /** Number of the place of the address at `words[at]`; 0 if no file knows it. Nothing is allocated for one that is remembered. */
  find(words: Int32Array, at: number, version: number): number {
    const six = version === 6;
    const w0 = words[at];
    const w1 = six ? words[at + 1] : 0;
    const w2 = six ? words[at + 2] : 0;
    const w3 = six ? words[at + 3] : 0;
    let hash = Math.imul(w0 ^ version, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ Math.imul(w2, 0x27d4eb2f) ^ Math.imul(w3, 0x165667b1);
    const slot = ((hash ^ (hash >>> 16)) & (CACHE_SLOTS - 1)) * SLOT_WORDS;
    const { slots } = this;
    if (
      slots[slot] === version &&
      slots[slot + 1] === w0 &&
      slots[slot + 2] === w1 &&
      slots[slot + 3] === w2 &&
      slots[slot + 4] === w3
    ) {
      return slots[slot + 5];
    }
    const number = this.look(addressText(words, at, version));
    slots[slot] = version;
    slots[slot + 1] = w0;
    slots[slot + 2] = w1;
    slots[slot + 3] = w2;
    slots[slot + 4] = w3;
    slots[slot + 5] = number;
    return number;
  }

  private look(address: string): number {
    let country: string | undefined;
    let city: string | undefined;
    let as: number | undefined;
    let organization: string | undefined;
    for (const reader of this.readers) {
      if (reader.metadata.ipVersion === 4 && address.includes(':')) continue;
      let value: Value | null;
      try {
        value = reader.get(address) as Value | null;
      } catch {
        // The library throws whatever comes of reading past the end, or of pointers that go round and round.
        this.counters.damaged++;
        continue;
      }
      if (typeof value !== 'object' || value === null) continue;
      country ??= countryOf(value);
      city ??= cityOf(value);
      as ??= asOf(value);
      organization ??= textAt(value, 'autonomous_system_organization') ?? textAt(value, 'as_name');
    }
    if (country === undefined && city === undefined && as === undefined && organization === undefined) return 0;
    const key = `${country ?? ''}\n${city ?? ''}\n${as ?? ''}\n${organization ?? ''}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    if (this.list.length > MOST_PLACES) {
      this.counters.refused++;
      return 0;
    }
    this.list.push({
      ...(country !== undefined && { country: this.once(country) }),
      ...(city !== undefined && { city: this.once(city) }),
      ...(as !== undefined && { as }),
      ...(organization !== undefined && { organization: this.once(organization) }),
    });
    this.numbers.set(key, this.list.length - 1);
    return this.list.length - 1;
  }

  /** The same text, kept once. */
  private once(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    this.texts.set(text, text);
    return text;
  }
}

function textAt(value: unknown, name: string): string | undefined {
  const found = memberOf(value, name);
  return typeof found === 'string' && found !== '' ? found.slice(0, MOST_TEXT) : undefined;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Value)[name];
}

function countryOf(value: Value): string | undefined {
  const code =
    textAt(memberOf(value, 'country'), 'iso_code') ??
    textAt(memberOf(value, 'registered_country'), 'iso_code') ??
    textAt(value, 'country_code') ??
    textAt(value, 'country');
  return code !== undefined && /^[A-Za-z]{2}$/.test(code) ? code.toUpperCase() : undefined;
}

function cityOf(value: Value): string | undefined {
  return textAt(memberOf(memberOf(value, 'city'), 'names'), 'en') ?? textAt(value, 'city');
}

function asOf(value: Value): number | undefined {
  const given = memberOf(value, 'autonomous_system_number') ?? memberOf(value, 'asn');
  const as = typeof given === 'string' ? Number(/^(?:AS)?(\d{1,10})$/i.exec(given)?.[1]) : given;
  return typeof as === 'number' && Number.isInteger(as) && as > 0 && as < 2 ** 32 ? as : undefined;
}

async function openReader(path: string): Promise<Reader<Response>> {
  const { open } = await import('maxmind');
  let reader: Reader<Response>;
  try {
    reader = await open<Response>(path, { cache: { max: READER_CACHE } });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== undefined && /^E[A-Z]+$/.test(code)) {
      throw new RheoError(ErrorCode.input, `${path} cannot be read: ${message}`, { cause });
    }
    throw noMmdb(path, message, cause);
  }
  check(path, reader, (await stat(path)).size);
  return reader;
}

/** The metadata is read; does the tree fit in, and does it lead to values? */
function check(path: string, reader: Reader<Response>, size: number): void {
  const { ipVersion, nodeCount, databaseType, searchTreeSize } = reader.metadata;
  if ((ipVersion !== 4 && ipVersion !== 6) || !(nodeCount >= 1) || typeof databaseType !== 'string') {
    throw noMmdb(path, 'its metadata is not complete');
  }
  if (searchTreeSize > size) throw noMmdb(path, `it is cut: ${size} bytes, and the tree alone has ${searchTreeSize}`);
  try {
    for (const address of ['0.0.0.1', '1.1.1.1', '128.0.0.1', '223.255.255.1']) reader.get(address);
    if (ipVersion === 6) for (const address of ['2001::1', '2a00::1', 'ffff::1']) reader.get(address);
  } catch (cause) {
    throw noMmdb(path, `it is damaged: ${(cause as Error).message}`, cause);
  }
}

function noMmdb(path: string, why: string, cause?: unknown): RheoError {
  return new RheoError(ErrorCode.format, `${path} is no MMDB file that can be read: ${why}`, {
    remedy: 'Give a file in the MaxMind DB format (.mmdb), unpacked and complete.',
    ...(cause !== undefined && { cause }),
  });
}
