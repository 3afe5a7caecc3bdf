import { parseIpv6 } from './address.js';
import { filterError, quote } from './error.js';
import { KEYWORDS, LATER_WORDS, NUMBER_WORDS } from './names.js';

export type TokenKind =
  | 'number'
  /** Reserved word; `text` is the word. */
  | 'keyword'
  /** Any other word, or a reserved one behind a backslash; `text` is without the backslash. */
  | 'name'
  /** Numbers with dots, two to four of them. */
  | 'ipv4'
  | 'ipv6'
  | 'mac'
  /** `and`, `or` and `not` come as `&&`, `||` and `!`; `==` as `=`. */
  | 'operator'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the expression. */
  readonly at: number;
  /** Value of a number, else 0. */
  readonly value: number;
}

/** Longest expression, in characters. */
const MAX_LENGTH = 65_536;

const SPACE = /[ \r\n\t]+/y;
const OPERATOR = />=|<=|!=|==|<<|>>|&&|\|\||[+\-*/%:[\]!<>()&|^=]/y;
const ESCAPED = /\\[^ !()\n\t]+/y;
const NUMBER = /0[xX][0-9A-Fa-f]+|[0-9]+/y;
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const DOTTED = /[0-9]+(?:\.[0-9]+){1,3}/y;
const MAC =
  /(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}-){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}\.){5}[0-9A-Fa-f]{1,2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}/y;
/** What an IPv6 address may be made of; two colons at least tell it from `proto[offset:size]`. */
const COLONS = /[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?:\.[0-9]+)*/y;

function lengthOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

/** Unsigned 32-bit number: decimal, octal with a leading 0, hexadecimal with 0x. */
function parseNumber(expression: string, at: number, digits: string): number {
  const hexadecimal = /^0[xX]/.test(digits);
  const octal = !hexadecimal && digits.length > 1 && digits.startsWith('0');
  if (octal && /[89]/.test(digits)) {
    throw filterError(
      expression,
      at,
      `a number that begins with 0 is octal, but ${quote(digits)} has a digit above 7`,
      'leave the leading zero out',
    );
  }
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  if (value > 0xffffffff) {
    throw filterError(expression, at, 'the number does not fit into 32 bits', 'numbers go up to 4294967295');
  }
  return value;
}

const OPERATOR_WORDS: ReadonlyMap<string, string> = new Map([
  ['and', '&&'],
  ['or', '||'],
  ['not', '!'],
  ['==', '='],
]);

/**
 * Splits an expression into tokens, the longest possible one at each place, as the lexer of libpcap does. So `80-90` and
 * `len-4` are single words, and subtraction needs spaces.
 * @throws RheoError on a character or number that cannot be part of an expression
 */
export function tokenize(expression: string): Token[] {
  if (expression.length > MAX_LENGTH) {
    throw filterError(
      expression,
      MAX_LENGTH,
      `the expression is longer than ${MAX_LENGTH} characters`,
      'put the addresses into networks, or read in several passes',
    );
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < expression.length) {
    const space = lengthOf(SPACE, expression, at);
    if (space > 0) {
      at += space;
      continue;
    }
    const token = nextToken(expression, at);
    tokens.push(token.token);
    at += token.length;
  }
  tokens.push({ kind: 'end', text: '', at: expression.length, value: 0 });
  return tokens;
}

function nextToken(expression: string, at: number): { token: Token; length: number } {
  const make = (kind: TokenKind, length: number, text = expression.slice(at, at + length), value = 0) => ({
    token: { kind, text, at, value },
    length,
  });
  const mac = lengthOf(MAC, expression, at);
  const number = lengthOf(NUMBER, expression, at);
  const dotted = lengthOf(DOTTED, expression, at);
  const word = lengthOf(WORD, expression, at);
  const colons = lengthOf(COLONS, expression, at);
  const longest = Math.max(mac, number, dotted, word, colons);
  if (longest === 0) {
    const operator = lengthOf(OPERATOR, expression, at);
    if (operator > 0) {
      const text = expression.slice(at, at + operator);
      return make('operator', operator, OPERATOR_WORDS.get(text) ?? text);
    }
    const escaped = lengthOf(ESCAPED, expression, at);
    if (escaped > 0) return make('name', escaped, expression.slice(at + 1, at + escaped));
    const character = String.fromCodePoint(expression.codePointAt(at) ?? 0);
    const remedy = character === ',' ? 'write "or" between values: port 80 or 443' : undefined;
    throw filterError(expression, at, `unexpected character ${quote(character)}`, remedy);
  }
  const text = expression.slice(at, at + longest);
  if (longest === mac) return make('mac', mac);
  if (longest === number) return make('number', number, text, parseNumber(expression, at, text));
  if (longest === dotted) return make('ipv4', dotted);
  if (longest === colons) {
    if (parseIpv6(text) !== undefined) return make('ipv6', colons);
    throw filterError(expression, at, `${quote(text)} is neither an IPv6 nor an Ethernet address`);
  }
  const operator = OPERATOR_WORDS.get(text);
  if (operator !== undefined) return make('operator', word, operator);
  if (KEYWORDS.has(text)) return make('keyword', word, text === 'length' ? 'len' : text);
  const value = NUMBER_WORDS.get(text);
  if (value !== undefined) return make('number', word, text, value);
  return make('name', word);
}

/** True if the token is a word of the complete language that this subset refuses. */
export function isLater(token: Token): boolean {
  return token.kind === 'keyword' && LATER_WORDS.has(token.text);
}
