import { parseInteger, parseTime } from '../core/quantity.js';
import type { RecordBatch } from '../model/record-batch.js';
import { filterError, quote } from './error.js';
import { type FlowTest, flowMember, hostTest, portTest, protocolTest, stateTest, versionTest } from './flow-tests.js';
import { IP_PROTOCOLS } from './names.js';

/** True if record `index` of the batch matches; times count from `nowSeconds` (since 1970, with fraction). */
export type FlowFilter = (batch: RecordBatch, index: number, nowSeconds: number) => boolean;

interface Word {
  readonly text: string;
  /** Offset in the expression. */
  readonly at: number;
}

/** Longest expression in characters, most tests in it, deepest nesting. */
const MAX_LENGTH = 8192;
const MAX_TESTS = 512;
const MAX_DEPTH = 64;
const COMPARISONS = ['<', '<=', '>', '>=', '=', '!='] as const;
type Comparison = (typeof COMPARISONS)[number];
const DIRECTIONS: readonly string[] = ['src', 'dst'];
/** Members that are times. */
const TIMES: ReadonlySet<string> = new Set(['duration', 'age', 'idle']);

/**
 * Compiles an expression that chooses flows, as `rheo ctl flows` takes it: hosts, networks, ports and protocols as in
 * pcap-filter(7), but with `src` the initiator and `dst` the responder; and `bytes > 1M`, `packets`, `duration`, `age`,
 * `idle > 30s`, `rate` (bytes a second), `state established`. `and` and `or` have equal precedence and are applied from the
 * left, as there. The empty expression chooses all.
 * @throws RheoError (filter) with column, what is wrong, and what to write instead
 */
export function compileFlowFilter(expression: string): FlowFilter {
  const test = new Parser(expression).parse();
  return (batch, index, now) => test(batch, index * batch.layout.stride, now);
}

function split(expression: string): Word[] {
  if (expression.length > MAX_LENGTH) {
    throw filterError(expression, MAX_LENGTH, `the expression is longer than ${MAX_LENGTH} characters`);
  }
  const words: Word[] = [];
  for (const match of expression.matchAll(/<=|>=|!=|==|&&|\|\||[()!<>=]|[^\s()!<>=&|]+|\S/g)) {
    words.push({ text: match[0], at: match.index });
  }
  return words;
}

class Parser {
  readonly #expression: string;
  readonly #words: Word[];
  #next = 0;
  #tests = 0;

  constructor(expression: string) {
    this.#expression = expression;
    this.#words = split(expression);
  }

  parse(): FlowTest {
    if (this.#words.length === 0) return () => true;
    const test = this.#chain(0);
    if (this.#next < this.#words.length)
      throw this.#error(`${quote(this.#text)} makes no sense here`, 'join with and, or');
    return test;
  }

  get #text(): string {
    return this.#words[this.#next]?.text ?? '';
  }

  #error(problem: string, remedy?: string, word = this.#words[this.#next]): Error {
    const at = word?.at ?? this.#expression.length;
    return filterError(this.#expression, at, word === undefined ? 'the expression ends too early' : problem, remedy);
  }

  #accept(...texts: string[]): boolean {
    if (!texts.includes(this.#text)) return false;
    this.#next++;
    return true;
  }

  #take(): Word {
    const word = this.#words[this.#next];
    if (word === undefined) throw this.#error('');
    this.#next++;
    return word;
  }

  #chain(depth: number): FlowTest {
    let test = this.#term(depth);
    for (;;) {
      const left = test;
      if (this.#accept('and', '&&')) {
        const right = this.#term(depth);
        test = (batch, at, now) => left(batch, at, now) && right(batch, at, now);
      } else if (this.#accept('or', '||')) {
        const right = this.#term(depth);
        test = (batch, at, now) => left(batch, at, now) || right(batch, at, now);
      } else return test;
    }
  }

  #term(depth: number): FlowTest {
    if (depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} parentheses or negations within each other`);
    if (++this.#tests > MAX_TESTS) throw this.#error(`more than ${MAX_TESTS} tests`, 'put addresses into networks');
    if (this.#accept('not', '!')) {
      const test = this.#term(depth + 1);
      return (batch, at, now) => !test(batch, at, now);
    }
    if (this.#accept('(')) {
      const test = this.#chain(depth + 1);
      if (!this.#accept(')')) throw this.#error(`${quote(this.#text)} where ) was expected`);
      return test;
    }
    return this.#primitive();
  }

  #primitive(): FlowTest {
    const first = this.#text;
    const end = DIRECTIONS.includes(first) ? (this.#take().text as 'src' | 'dst') : undefined;
    const word = this.#take();
    switch (word.text) {
      case 'host':
      case 'net':
        return this.#host(end, this.#take());
      case 'port':
        return this.#port(end, this.#take(), false);
      case 'portrange':
        return this.#port(end, this.#take(), true);
    }
    if (end !== undefined) return this.#host(end, word);
    switch (word.text) {
      case 'proto': {
        const name = this.#take();
        const test = protocolTest(name.text);
        if (test === undefined) throw this.#error(`${quote(name.text)} is no IP protocol`, 'proto tcp, proto 47', name);
        return test;
      }
      case 'ip':
      case 'ip4':
        return versionTest(4);
      case 'ip6':
        return versionTest(6);
      case 'state': {
        const name = this.#take();
        const test = stateTest(name.text);
        if (typeof test === 'function') return test;
        throw this.#error(`${quote(name.text)} is no state of a flow`, `states: ${test.join(', ')}`, name);
      }
    }
    const member = flowMember(word.text);
    if (member !== undefined) return this.#compare(word, member);
    if (IP_PROTOCOLS.has(word.text)) return protocolTest(word.text) as FlowTest;
    const remedy =
      hostTest(undefined, word.text) === undefined
        ? 'write host A, net N, port P, proto P, state S, or bytes, packets, duration, age, idle, rate with < <= = != >= >'
        : `write host ${word.text}`;
    throw this.#error(`${quote(word.text)} is no test`, remedy, word);
  }

  #host(end: 'src' | 'dst' | undefined, word: Word): FlowTest {
    const test = hostTest(end, word.text);
    if (test !== undefined) return test;
    throw this.#error(
      `${quote(word.text)} is no address or network`,
      'host 10.0.0.1, net 10.0.0.0/8, host fe80::1',
      word,
    );
  }

  #port(end: 'src' | 'dst' | undefined, word: Word, range: boolean): FlowTest {
    const test = portTest(end, word.text, range);
    if (test !== undefined) return test;
    throw this.#error(`${quote(word.text)} is no port`, 'port 443, port https, portrange 8000-8080', word);
  }

  #compare(name: Word, member: (batch: RecordBatch, at: number, now: number) => number): FlowTest {
    const operator = this.#take();
    const comparison = (operator.text === '==' ? '=' : operator.text) as Comparison;
    if (!COMPARISONS.includes(comparison)) {
      throw this.#error(`${quote(operator.text)} is no comparison`, `${name.text} > 10`, operator);
    }
    const word = this.#take();
    const ms = TIMES.has(name.text) ? parseTime(word.text) : undefined;
    const value = TIMES.has(name.text) ? ms && ms / 1000 : parseInteger(word.text);
    if (value === undefined) {
      const wanted = TIMES.has(name.text) ? 'a time such as 30s or 5m' : 'a number such as 1000, 64k or 10M';
      throw this.#error(`${quote(word.text)} is not ${wanted}`, undefined, word);
    }
    switch (comparison) {
      case '<':
        return (batch, at, now) => member(batch, at, now) < value;
      case '<=':
        return (batch, at, now) => member(batch, at, now) <= value;
      case '>':
        return (batch, at, now) => member(batch, at, now) > value;
      case '>=':
        return (batch, at, now) => member(batch, at, now) >= value;
      case '=':
        return (batch, at, now) => member(batch, at, now) === value;
      case '!=':
        return (batch, at, now) => member(batch, at, now) !== value;
    }
  }
}
