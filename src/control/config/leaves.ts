import { z } from 'zod';
import {
  formatSize,
  INTEGER_PATTERN,
  LONGEST_TIME_MS,
  parseInteger,
  parseSize,
  parseTime,
  SIZE_PATTERN,
  TIME_PATTERN,
  TIME_WANTED,
} from '../../core/quantity.js';

/**
 * Kinds of values in the configuration. The error text of each says what is expected there and nothing else; where it was,
 * what was found and a remedy are added by config/problems.ts.
 */

/** What a number is that people may also write as text. */
type Quantity = z.ZodType<number, number | string>;

function quantity(
  number: z.ZodNumber,
  pattern: RegExp,
  wanted: string,
  parse: (text: string) => number | undefined,
  fits: (value: number) => boolean,
): Quantity {
  return z
    .union([number, z.string({ error: wanted }).regex(pattern, { error: wanted })], { error: wanted })
    .transform((given, context) => {
      const value = parse(String(given));
      if (value !== undefined && fits(value)) return value;
      context.addIssue({ code: 'custom', message: wanted });
      return z.NEVER;
    });
}

/** Time of at least 1 ms, as text or in seconds; its value is in ms. */
export function time(mostMs: number = LONGEST_TIME_MS): Quantity {
  const number = z.number({ error: TIME_WANTED }).positive({ error: TIME_WANTED });
  return quantity(number, TIME_PATTERN, TIME_WANTED, parseTime, (ms) => ms >= 1 && ms <= mostMs);
}

/** A time, or the word `never`: Infinity. */
export function timeOrNever(): Quantity {
  const wanted = `${TIME_WANTED}, or never`;
  const never = z.literal('never', { error: wanted }).transform(() => Number.POSITIVE_INFINITY);
  return z.union([never, time()], { error: wanted });
}

/** Whole number, also as `64k` or `1_000_000`. */
export function integer(min: number, max: number): Quantity {
  const wanted = `a whole number from ${min} to ${max}`;
  const number = z
    .number({ error: wanted })
    .int({ error: wanted })
    .min(min, { error: wanted })
    .max(max, { error: wanted });
  return quantity(number, INTEGER_PATTERN, wanted, parseInteger, (value) => value >= min && value <= max);
}

/** Bytes of memory, also as `64M`. */
export function size(min: number, max: number): Quantity {
  const wanted = `a size from ${formatSize(min)} to ${formatSize(max)}, such as 1M or 64M`;
  const number = z
    .number({ error: wanted })
    .int({ error: wanted })
    .min(min, { error: wanted })
    .max(max, { error: wanted });
  return quantity(number, SIZE_PATTERN, wanted, parseSize, (value) => value >= min && value <= max);
}

export function text(wanted: string): z.ZodString {
  return z.string({ error: wanted }).min(1, { error: wanted }).max(4096, { error: wanted });
}

export function yesOrNo(): z.ZodBoolean {
  return z.boolean({ error: 'true or false' });
}

/** One of some words. */
export function word<const T extends readonly [string, ...string[]]>(words: T): z.ZodType<T[number], T[number]> {
  return z.enum(words, { error: `one of ${words.join(', ')}` }) as unknown as z.ZodType<T[number], T[number]>;
}

/** A list, or its only member without brackets. */
export function listOrOne<T extends z.ZodType>(
  member: T,
  wanted: string,
  most: number,
): z.ZodType<z.output<T>[], z.input<T> | z.input<T>[]> {
  const list = z.array(member, { error: wanted }).max(most, { error: `${wanted}, ${most} at the most` });
  const one = member.transform((only) => [only]);
  return z.union([list, one], { error: wanted }) as unknown as z.ZodType<z.output<T>[], z.input<T> | z.input<T>[]>;
}

/** Names, or the one word all or none. */
export function namesOrWord<T extends string>(
  names: readonly [T, ...T[]],
): z.ZodType<'all' | 'none' | T[], 'all' | 'none' | T[]> {
  const wanted = `all, none, or a list of ${names.join(', ')}`;
  const list = z.array(word(names), { error: wanted }).max(1024, { error: wanted });
  return z.union([z.enum(['all', 'none'], { error: wanted }), list], { error: wanted });
}
