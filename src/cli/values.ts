import { ErrorCode, RheoError } from '../core/errors.js';
import { parseInteger as integerOf, TIME_WANTED, parseTime as timeOf } from '../core/quantity.js';
import { didYouMean } from '../core/suggest.js';
import type { Sampling } from '../model/options.js';
import type { FlagSpec } from './spec.js';

/** Value of one flag: true for a switch, the number of ms for a time … */
export type FlagValue = boolean | number | string | readonly string[] | ClassTime | Sampling;

/** `CLASS=TIME` of --timeout. */
export interface ClassTime {
  readonly className: string;
  readonly ms: number;
}

function bad(where: string, text: string, wanted: string): RheoError {
  return new RheoError(ErrorCode.usage, `${where}: '${text}' is not ${wanted}`);
}

/** Time in ms (core/quantity.ts). */
export function parseTime(text: string, where: string): number {
  const ms = timeOf(text);
  if (ms === undefined) throw bad(where, text, TIME_WANTED);
  return ms;
}

/** Whole number, also as 64k, 2M, 1_000_000. */
export function parseInteger(text: string, where: string, min: number, max: number): number {
  const value = integerOf(text);
  if (value === undefined) throw bad(where, text, 'a whole number');
  if (value < min || value > max) throw bad(where, text, `a number from ${min} to ${max}`);
  return value;
}

function parseSampling(text: string, where: string): Sampling {
  const wanted = 'count:N, random:N or hash:N';
  const match = /^(count|random|hash):(.+)$/.exec(text);
  if (match === null) throw bad(where, text, wanted);
  return { mode: match[1] as Sampling['mode'], n: parseInteger(match[2], where, 1, 2 ** 31 - 1), scale: false };
}

function parseClassTime(text: string, where: string, classes: readonly string[]): ClassTime {
  const cut = text.indexOf('=');
  if (cut <= 0) throw bad(where, text, 'CLASS=TIME, for example tcp.fin=5s');
  const className = text.slice(0, cut);
  if (!classes.includes(className)) throw unknownWord(where, className, classes);
  return { className, ms: parseTime(text.slice(cut + 1), where) };
}

function unknownWord(where: string, word: string, known: readonly string[]): RheoError {
  return new RheoError(ErrorCode.usage, `${where}: '${word}' is not one of ${known.join(', ')}`, {
    remedy: didYouMean(word, known, '', `Choose one of them.`),
  });
}

const TRUE_WORDS = ['1', 'true', 'yes', 'on'];
const FALSE_WORDS = ['0', 'false', 'no', 'off', ''];

/** Value of a switch that is given in the environment. */
export function parseSwitch(text: string, where: string): boolean {
  const word = text.toLowerCase();
  if (TRUE_WORDS.includes(word)) return true;
  if (FALSE_WORDS.includes(word)) return false;
  throw bad(where, text, '1 or 0');
}

/**
 * @param where how the value came, for messages: `--top` or `RHEO_TOP`
 * @throws RheoError `RHEO_USAGE`
 */
export function parseValue(flag: FlagSpec, text: string, where: string): FlagValue {
  switch (flag.kind) {
    case 'switch':
      return parseSwitch(text, where);
    case 'integer':
      return parseInteger(text, where, flag.min ?? 0, flag.max ?? Number.MAX_SAFE_INTEGER);
    case 'time':
      return parseTime(text, where);
    case 'classTime':
      return parseClassTime(text, where, flag.choices ?? []);
    case 'sampling':
      return parseSampling(text, where);
    case 'choice':
      if (!flag.choices?.includes(text)) throw unknownWord(where, text, flag.choices ?? []);
      return text;
    case 'list': {
      const words = text.split(',').map((word) => word.trim());
      if (words.includes('')) throw bad(where, text, 'a list of names with commas between them');
      return words;
    }
    case 'text':
    case 'file':
      if (text === '') throw bad(where, text, 'a value: it is empty');
      return text;
  }
}
