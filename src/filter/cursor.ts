import { filterError, quote } from './error.js';
import { type Token, tokenize } from './lexer.js';

/** Deepest nesting of parentheses, brackets and arithmetic. */
const MAX_DEPTH = 200;
/** Most primitives in one expression. */
const MAX_PRIMITIVES = 8192;

const END: Token = { kind: 'end', text: '', at: 0, value: 0 };

/** Where the parser stands in the tokens of an expression; also keeps the limits. */
export class Cursor {
  readonly expression: string;
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  #position = 0;
  #depth = 0;
  #primitives = 0;

  constructor(expression: string) {
    this.expression = expression;
    this.#tokens = tokenize(expression);
    this.#end = this.#tokens.at(-1) ?? END;
  }

  get token(): Token {
    return this.peek(0);
  }

  peek(ahead: number): Token {
    return this.#tokens[this.#position + ahead] ?? this.#end;
  }

  atEnd(): boolean {
    return this.token.kind === 'end';
  }

  previous(): Token | undefined {
    return this.#tokens[this.#position - 1];
  }

  advance(): void {
    this.#position++;
  }

  isOperator(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'operator' && token.text === text;
  }

  isKeyword(text: string): boolean {
    return this.token.kind === 'keyword' && this.token.text === text;
  }

  /** Consumes an opening parenthesis or bracket. */
  enter(): void {
    this.descend();
    this.advance();
  }

  /** Consumes the closing one. */
  leave(closing = ')'): void {
    if (!this.isOperator(closing)) {
      const { token } = this;
      const found = token.kind === 'end' ? 'the end of the expression' : quote(token.text);
      throw filterError(this.expression, token.at, `expected "${closing}" here, found ${found}`);
    }
    this.ascend();
    this.advance();
  }

  descend(): void {
    this.#depth++;
    this.checkDepth(this.#depth, this.token.at);
  }

  ascend(): void {
    this.#depth--;
  }

  checkDepth(depth: number, at: number): void {
    if (depth > MAX_DEPTH) {
      throw filterError(this.expression, at, `the expression is nested more than ${MAX_DEPTH} deep`);
    }
  }

  /** Counts a primitive against the limit and returns it. */
  count<T extends { readonly at: number }>(node: T): T {
    this.#primitives++;
    if (this.#primitives > MAX_PRIMITIVES) {
      throw filterError(
        this.expression,
        node.at,
        `the expression has more than ${MAX_PRIMITIVES} primitives`,
        'put the addresses into networks, or read in several passes',
      );
    }
    return node;
  }
}
