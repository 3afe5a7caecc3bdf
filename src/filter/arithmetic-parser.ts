import type { Arithmetic, ArithmeticOperator, Base } from './ast.js';
import type { Cursor } from './cursor.js';
import { filterError, notYet, quote } from './error.js';
import { isLater } from './lexer.js';
import { ETHER_TYPES, IP_PROTOCOLS, LINK_WORDS } from './names.js';

/**
 * Binding of the operators in the grammar of libpcap. It declares none for % and ^: they take the nearest operand on their
 * left and all that follows on their right.
 */
const BINDING: ReadonlyMap<string, number> = new Map([
  ['|', 1],
  ['&', 2],
  ['<<', 3],
  ['>>', 3],
  ['+', 4],
  ['-', 4],
  ['*', 5],
  ['/', 5],
  ['%', 7],
  ['^', 7],
]);
const UNARY = 6;

/** Headers whose bytes can be looked at, beside those of the link and network layers. */
const TRANSPORTS: readonly string[] = ['tcp', 'udp', 'sctp', 'icmp', 'igmp', 'igrp', 'pim', 'vrrp', 'carp'];
const NETWORKS: readonly string[] = ['ip', 'ip6', 'arp', 'rarp', 'atalk', 'decnet', 'sca', 'lat', 'moprc', 'mopdl'];

/** True if a comparison begins here. */
export function startsArithmetic(cursor: Cursor): boolean {
  if (!cursor.isOperator('(')) return startsOperand(cursor, 0);
  // A parenthesis is arithmetic if nothing in it is a truth value.
  let depth = 0;
  let operands = 0;
  for (let ahead = 0; ; ahead++) {
    const { kind, text } = cursor.peek(ahead);
    if (kind === 'operator') {
      if (text === '(') depth++;
      else if (text === ')') depth--;
      else if (!BINDING.has(text) && !'[]:'.includes(text)) return false;
      if (depth === 0) return operands > 0;
    } else {
      if (!startsOperand(cursor, ahead)) return false;
      operands++;
    }
  }
}

function startsOperand(cursor: Cursor, ahead: number): boolean {
  const { kind, text } = cursor.peek(ahead);
  if (kind === 'number') return true;
  if (kind === 'operator') return text === '-';
  return kind === 'keyword' && (text === 'len' || (cursor.isOperator('[', ahead + 1) && baseOf(text) !== undefined));
}

export function parseArithmetic(cursor: Cursor): Arithmetic {
  return parseBinary(cursor, 0);
}

function parseBinary(cursor: Cursor, minimum: number): Arithmetic {
  cursor.descend();
  let left = parseOperand(cursor);
  for (;;) {
    const { token } = cursor;
    const binding = token.kind === 'operator' ? BINDING.get(token.text) : undefined;
    if (binding === undefined || binding < minimum) break;
    cursor.advance();
    const right = parseBinary(cursor, binding === 7 ? 0 : binding + 1);
    left = binary(cursor, token.text as ArithmeticOperator, token.at, left, right);
  }
  cursor.ascend();
  return left;
}

function parseOperand(cursor: Cursor): Arithmetic {
  const { token } = cursor;
  const { at } = token;
  if (cursor.isOperator('-')) {
    cursor.advance();
    const operand = parseBinary(cursor, UNARY);
    if (operand.kind === 'constant') return constant(at, -operand.value);
    cursor.checkDepth(operand.depth + 1, at);
    return { kind: 'negate', at, depth: operand.depth + 1, operand };
  }
  if (cursor.isOperator('(')) {
    cursor.enter();
    const inner = parseBinary(cursor, 0);
    cursor.leave();
    return inner;
  }
  if (token.kind === 'number') {
    cursor.advance();
    return { kind: 'constant', at, depth: 1, value: token.value, literal: true };
  }
  if (cursor.isKeyword('len')) {
    cursor.advance();
    return { kind: 'length', at, depth: 1 };
  }
  if (token.kind === 'keyword' && cursor.isOperator('[', 1)) return parseLoad(cursor);
  const found = token.kind === 'end' ? 'the end of the expression' : quote(token.text);
  if (isLater(token)) throw notYet(cursor.expression, at, quote(token.text));
  throw filterError(
    cursor.expression,
    at,
    `expected a number, len or header[offset] here, found ${found}`,
    token.kind === 'name' && token.text.includes('-') ? 'subtraction needs spaces around "-"' : undefined,
  );
}

/** `header[offset]` or `header[offset:size]`. */
function parseLoad(cursor: Cursor): Arithmetic {
  const { text, at } = cursor.token;
  const base = baseOf(text);
  if (base === undefined) throw notYet(cursor.expression, at, `looking at bytes of ${quote(text)}`);
  cursor.advance();
  cursor.enter();
  const index = parseBinary(cursor, 0);
  let size = 1;
  if (cursor.isOperator(':')) {
    cursor.advance();
    const { token } = cursor;
    size = token.kind === 'number' ? token.value : 0;
    if (size !== 1 && size !== 2 && size !== 4) {
      throw filterError(cursor.expression, token.at, 'the size of a field is 1, 2 or 4 bytes');
    }
    cursor.advance();
  }
  cursor.leave(']');
  cursor.checkDepth(index.depth + 1, at);
  return { kind: 'load', at, depth: index.depth + 1, base, index, size: size as 1 | 2 | 4 };
}

function baseOf(word: string): Base | undefined {
  if (LINK_WORDS.includes(word)) return { header: 'link' };
  if (word === 'icmp6') return { header: 'icmp6' };
  const etherType = ETHER_TYPES.get(word);
  if (etherType !== undefined && NETWORKS.includes(word)) return { header: 'network', etherType };
  const protocol = IP_PROTOCOLS.get(word);
  if (protocol === undefined || protocol.version === 'ip6' || !TRANSPORTS.includes(word)) return undefined;
  return { header: 'transport', protocol: protocol.number, version: protocol.version };
}

function constant(at: number, value: number): Arithmetic {
  return { kind: 'constant', at, depth: 1, value: value >>> 0, literal: false };
}

function binary(
  cursor: Cursor,
  operator: ArithmeticOperator,
  at: number,
  left: Arithmetic,
  right: Arithmetic,
): Arithmetic {
  if (right.kind === 'constant') {
    if ((operator === '/' || operator === '%') && right.value === 0) {
      throw filterError(cursor.expression, at, 'division by zero');
    }
    if ((operator === '<<' || operator === '>>') && right.literal && right.value > 31) {
      throw filterError(cursor.expression, at, 'a shift is by at most 31 bits');
    }
    if (left.kind === 'constant') return constant(left.at, calculate(operator, left.value, right.value));
  }
  const depth = Math.max(left.depth, right.depth) + 1;
  cursor.checkDepth(depth, at);
  return { kind: 'binary', at, depth, operator, left, right };
}

/** Arithmetic as the packet filter machine has it: unsigned, 32 bits; a shift by more than 31 gives 0. */
function calculate(operator: ArithmeticOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return (left + right) >>> 0;
    case '-':
      return (left - right) >>> 0;
    case '*':
      return Math.imul(left, right) >>> 0;
    case '/':
      return Math.floor(left / right) >>> 0;
    case '%':
      return (left % right) >>> 0;
    case '&':
      return (left & right) >>> 0;
    case '|':
      return (left | right) >>> 0;
    case '^':
      return (left ^ right) >>> 0;
    case '<<':
      return right > 31 ? 0 : (left << right) >>> 0;
    case '>>':
      return right > 31 ? 0 : left >>> right;
  }
}
