import { parseArithmetic, startsArithmetic } from './arithmetic-parser.js';
import type { Direction, Layer, Node, Relation } from './ast.js';
import { Cursor } from './cursor.js';
import { filterError, notYet, quote } from './error.js';
import { isLater } from './lexer.js';
import { ETHER_TYPES, IP_PROTOCOLS, LINK_WORDS } from './names.js';
import { primitive, type Qualifier } from './primitive.js';

/**
 * Grammar of pcap-filter(7), by recursive descent. As there, an address or number without a qualifier takes that of the
 * one before it (`host a or b`), which a parenthesis neither ends nor changes.
 */
interface Parsed {
  readonly node: Node;
  /** What a bare value behind this would be; undefined behind something that takes no value. */
  readonly qualifier: Qualifier | undefined;
}

const DIRECTION_WORDS: readonly string[] = ['src', 'dst'];
const TYPE_WORDS: readonly string[] = ['host', 'net', 'port', 'portrange'];
const LATER_QUALIFIERS: readonly string[] =
  'protochain gateway ra ta addr1 addr2 addr3 addr4 address1 address2 address3 address4 type subtype dir direction'.split(
    ' ',
  );
const RELATIONS: readonly string[] = ['=', '!=', '<', '<=', '>', '>='];

/**
 * @throws RheoError with the column of what cannot be understood
 */
export function parse(expression: string): Node {
  const cursor = new Cursor(expression);
  if (cursor.atEnd()) return { kind: 'all', at: 0 };
  const { node } = parseExpression(cursor, undefined);
  if (!cursor.atEnd()) throw unexpected(cursor);
  return node;
}

function unexpected(cursor: Cursor): Error {
  const { token } = cursor;
  const { text, at } = token;
  if (token.kind === 'end') return filterError(cursor.expression, at, 'the expression ends too early');
  if (isLater(token)) return notYet(cursor.expression, at, quote(text));
  if (text === '[') return filterError(cursor.expression, at, 'this header has no bytes to look at');
  const before = cursor.previous();
  const joinable = token.kind !== 'operator' && before !== undefined && before.kind !== 'operator';
  const remedy = hint(cursor) ?? (joinable ? 'join primitives with and, or' : undefined);
  return filterError(cursor.expression, at, `${quote(text)} makes no sense here`, remedy);
}

/** What the person most likely meant. */
function hint(cursor: Cursor): string | undefined {
  const { token } = cursor;
  if (token.kind === 'ipv4' || token.kind === 'ipv6') return `write host ${token.text} or net ${token.text}`;
  if (token.kind === 'mac') return `write ether host ${token.text}`;
  if (token.kind === 'number') return `write port ${token.text}, proto ${token.text}, or a comparison`;
  if (token.kind === 'name' && /[A-Z]/.test(token.text)) return 'keywords are in lower case';
  if (token.kind === 'name' && token.text.includes('-')) return 'subtraction needs spaces around "-"';
  if (token.text === '/') return 'a network is written with all its parts before the slash: net 10.0.0.0/8';
  return undefined;
}

function parseExpression(cursor: Cursor, qualifier: Qualifier | undefined): Parsed {
  let parsed = parseTerm(cursor, qualifier);
  if (!cursor.isOperator('&&') && !cursor.isOperator('||')) return parsed;
  const operands = [parsed.node];
  const operators: ('and' | 'or')[] = [];
  while (cursor.isOperator('&&') || cursor.isOperator('||')) {
    operators.push(cursor.isOperator('&&') ? 'and' : 'or');
    cursor.advance();
    if (startsValue(cursor)) {
      parsed = { node: parseValue(cursor, parsed.qualifier), qualifier: parsed.qualifier };
    } else {
      parsed = parseTerm(cursor, parsed.qualifier);
    }
    operands.push(parsed.node);
  }
  return { node: { kind: 'chain', at: operands[0]?.at ?? 0, operands, operators }, qualifier: parsed.qualifier };
}

/** True if bare values follow, perhaps in parentheses or negated, and not a primitive or comparison. */
function startsValue(cursor: Cursor): boolean {
  let ahead = 0;
  while (cursor.isOperator('(', ahead) || cursor.isOperator('!', ahead)) ahead++;
  const { kind } = cursor.peek(ahead);
  if (kind === 'name' || kind === 'ipv4' || kind === 'ipv6' || kind === 'mac') return true;
  if (kind !== 'number') return false;
  ahead++;
  while (cursor.isOperator(')', ahead)) ahead++;
  const next = cursor.peek(ahead);
  return next.kind !== 'operator' || next.text === '&&' || next.text === '||';
}

/** A value, or values in parentheses, that take the qualifier. */
function parseValue(cursor: Cursor, qualifier: Qualifier | undefined): Node {
  const { at } = cursor.token;
  let negated = false;
  while (cursor.isOperator('!')) {
    negated = !negated;
    cursor.advance();
  }
  let node: Node;
  if (cursor.isOperator('(')) {
    cursor.enter();
    node = parseValues(cursor, qualifier);
    cursor.leave();
  } else {
    node = cursor.count(primitive(cursor, qualifier));
  }
  return negated ? { kind: 'not', at, operand: node } : node;
}

function parseValues(cursor: Cursor, qualifier: Qualifier | undefined): Node {
  const operands = [parseValue(cursor, qualifier)];
  const operators: ('and' | 'or')[] = [];
  while (cursor.isOperator('&&') || cursor.isOperator('||')) {
    operators.push(cursor.isOperator('&&') ? 'and' : 'or');
    cursor.advance();
    operands.push(parseValue(cursor, qualifier));
  }
  const [first] = operands;
  if (first !== undefined && operators.length === 0) return first;
  return { kind: 'chain', at: first?.at ?? 0, operands, operators };
}

function parseTerm(cursor: Cursor, qualifier: Qualifier | undefined): Parsed {
  const { at } = cursor.token;
  let negated = false;
  while (cursor.isOperator('!')) {
    negated = !negated;
    cursor.advance();
  }
  const parsed = parseUnnegated(cursor, qualifier);
  if (!negated) return parsed;
  return { node: { kind: 'not', at, operand: parsed.node }, qualifier: parsed.qualifier };
}

function parseUnnegated(cursor: Cursor, qualifier: Qualifier | undefined): Parsed {
  if (startsArithmetic(cursor)) return { node: cursor.count(parseRelation(cursor)), qualifier: undefined };
  if (cursor.isOperator('(')) {
    cursor.enter();
    const { node } = parseExpression(cursor, qualifier);
    cursor.leave();
    return { node, qualifier };
  }
  const { token } = cursor;
  if (token.kind !== 'keyword' || isLater(token)) throw unexpected(cursor);
  const head = parseHead(cursor);
  if (head !== undefined) return { node: parseValue(cursor, head), qualifier: head };
  return { node: cursor.count(parseWord(cursor)), qualifier: undefined };
}

function parseRelation(cursor: Cursor): Node {
  const { at } = cursor.token;
  const left = parseArithmetic(cursor);
  const { token } = cursor;
  if (token.kind !== 'operator' || !RELATIONS.includes(token.text)) {
    throw filterError(
      cursor.expression,
      token.at,
      `expected a comparison (${RELATIONS.join(' ')})${token.kind === 'end' ? '' : `, not ${quote(token.text)}`}`,
      left.kind === 'constant' ? `write port ${left.value}, proto ${left.value}, or a comparison` : undefined,
    );
  }
  cursor.advance();
  const right = parseArithmetic(cursor);
  return { kind: 'relation', at, relation: token.text as Relation, left, right };
}

function isProtocol(word: string): boolean {
  return LINK_WORDS.includes(word) || ETHER_TYPES.has(word) || IP_PROTOCOLS.has(word);
}

/** Qualifiers before a value; undefined (and nothing consumed) if the word is no qualifier. */
function parseHead(cursor: Cursor): Qualifier | undefined {
  const { at } = cursor.token;
  const protocol = isProtocol(cursor.token.text) ? cursor.token.text : undefined;
  const ahead = protocol === undefined ? 0 : 1;
  const next = cursor.peek(ahead);
  if (next.kind !== 'keyword') return undefined;
  if (LATER_QUALIFIERS.includes(next.text)) throw notYet(cursor.expression, next.at, quote(next.text));
  const starts = DIRECTION_WORDS.includes(next.text) || TYPE_WORDS.includes(next.text) || next.text === 'proto';
  if (!starts) return undefined;
  for (let k = 0; k < ahead; k++) cursor.advance();
  if (cursor.isKeyword('proto')) {
    cursor.advance();
    return { at, protocol, direction: 'either', type: 'proto' };
  }
  const direction = parseDirection(cursor);
  const { text } = cursor.token;
  const typed = cursor.token.kind === 'keyword' && TYPE_WORDS.includes(text);
  if (typed) cursor.advance();
  return { at, protocol, direction, type: typed ? (text as Qualifier['type']) : 'host' };
}

function parseDirection(cursor: Cursor): Direction {
  if (!cursor.isKeyword('src') && !cursor.isKeyword('dst')) return 'either';
  const source = cursor.isKeyword('src');
  cursor.advance();
  const other = source ? 'dst' : 'src';
  if (cursor.isOperator('||') || cursor.isOperator('&&')) {
    const both = cursor.isOperator('&&');
    cursor.advance();
    if (!cursor.isKeyword(other)) {
      throw filterError(cursor.expression, cursor.token.at, `expected "${other}" here`);
    }
    cursor.advance();
    return both ? 'both' : 'either';
  }
  return source ? 'source' : 'destination';
}

/** A primitive that is not made of qualifiers and a value. */
function parseWord(cursor: Cursor): Node {
  const { text, at } = cursor.token;
  const next = cursor.peek(1);
  if (next.kind === 'keyword' && (next.text === 'broadcast' || next.text === 'multicast') && isProtocol(text)) {
    cursor.advance();
    return parseCast(cursor, at, text);
  }
  const etherType = ETHER_TYPES.get(text);
  const ipProtocol = IP_PROTOCOLS.get(text);
  switch (text) {
    case 'broadcast':
    case 'multicast':
      return parseCast(cursor, at, 'link');
    case 'less':
    case 'greater': {
      cursor.advance();
      const limit = parseNumber(cursor, `${text} takes a number of bytes: ${text} 128`, false);
      return {
        kind: 'relation',
        at,
        relation: text === 'less' ? '<=' : '>=',
        left: { kind: 'length', at, depth: 1 },
        right: { kind: 'constant', at, depth: 1, value: limit, literal: true },
      };
    }
    case 'vlan':
      return { kind: 'vlan', at, id: parseId(cursor, 'VLAN id', 0xfff) };
    case 'mpls':
      return { kind: 'mpls', at, label: parseId(cursor, 'MPLS label', 0xfffff) };
    case 'pppoes':
      return { kind: 'pppoe', at, session: parseId(cursor, 'PPPoE session', 0xffff) };
    case 'pppoed':
      cursor.advance();
      return { kind: 'etherType', at, number: 0x8863 };
  }
  if (etherType === undefined && ipProtocol === undefined) {
    if (LINK_WORDS.includes(text)) {
      cursor.advance();
      throw filterError(
        cursor.expression,
        at,
        `${quote(text)} alone selects nothing`,
        'write for instance ether host 02:00:00:00:00:01, ether proto 0x0800 or ether broadcast',
      );
    }
    throw unexpected(cursor);
  }
  cursor.advance();
  if (cursor.isOperator('[')) throw unexpected(cursor);
  if (ipProtocol !== undefined) return { kind: 'protocol', at, ...ipProtocol };
  return { kind: 'etherType', at, number: etherType ?? 0 };
}

function parseCast(cursor: Cursor, at: number, protocol: string): Node {
  const kind = cursor.isKeyword('broadcast') ? 'broadcast' : 'multicast';
  const layer: Layer | undefined = LINK_WORDS.includes(protocol)
    ? 'link'
    : protocol === 'ip' || (protocol === 'ip6' && kind === 'multicast')
      ? protocol
      : undefined;
  if (layer === undefined) {
    throw filterError(cursor.expression, at, `there is no ${kind} of ${quote(protocol)}`, `write ether ${kind}`);
  }
  cursor.advance();
  return { kind, at, layer };
}

/** A number, where the grammar allows it in parentheses. */
function parseNumber(cursor: Cursor, remedy: string, parentheses: boolean): number {
  if (parentheses && cursor.isOperator('(')) {
    cursor.enter();
    const value = parseNumber(cursor, remedy, true);
    cursor.leave();
    return value;
  }
  if (cursor.token.kind !== 'number') {
    throw filterError(cursor.expression, cursor.token.at, 'expected a number here', remedy);
  }
  const { value } = cursor.token;
  cursor.advance();
  return value;
}

function parseId(cursor: Cursor, what: string, limit: number): number | undefined {
  cursor.advance();
  let ahead = 0;
  while (cursor.isOperator('(', ahead)) ahead++;
  if (cursor.peek(ahead).kind !== 'number') return undefined;
  const { at } = cursor.peek(ahead);
  const value = parseNumber(cursor, '', true);
  if (value > limit) throw filterError(cursor.expression, at, `a ${what} is at most ${limit}`);
  return value;
}
