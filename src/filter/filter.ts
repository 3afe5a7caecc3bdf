import { linkTypeName } from '../codec/link-type.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { Batch } from '../packet/batch.js';
import { Refusal } from '../packet/refusal.js';
import type { Arithmetic, Node } from './ast.js';
import { quote } from './error.js';
import { Frame, type Test } from './frame.js';
import { generate } from './generate.js';
import { ETHERNET, layoutOf } from './layout.js';
import { parse } from './parser.js';
import { Position } from './position.js';

/** A compiled filter expression. Holds the state of one frame, so each thread has its own. */
export class PacketFilter {
  /** The expression as given. */
  readonly expression: string;
  readonly #tree: Node;
  readonly #frame = new Frame();
  /** Tests by link type, made when a packet of it is first met. */
  readonly #tests = new Map<number, { test: Test; measure: ((frame: Frame) => void) | undefined }>();
  #link = -1;
  #test: Test = () => true;
  #measure: ((frame: Frame) => void) | undefined;

  constructor(expression: string) {
    this.expression = expression;
    this.#tree = parse(expression);
  }

  /**
   * Runs over the frames `from` to `to - 1` of a batch that a source has filled and nothing has decoded yet. Sets the
   * verdict `filteredOut` for those that do not match, leaves 0 for those that do, and returns the number of these.
   * Looks at the outermost headers only, as tcpdump does.
   * @throws RheoError (filter) at the first packet of a link type on which the expression makes no sense
   */
  select(batch: Batch, from: number, to: number): number {
    const frame = this.#frame;
    frame.bytes = batch.bytes;
    let matched = 0;
    for (let i = from; i < to; i++) {
      const link = batch.link[i]!;
      if (link !== this.#link) this.#useLink(link);
      frame.start = batch.offset[i]!;
      frame.length = batch.captured[i]!;
      frame.wire = batch.wire[i]! >>> 0;
      frame.rejected = false;
      if (this.#measure !== undefined) this.#measure(frame);
      if (this.#test(frame) && !frame.rejected) {
        matched++;
      } else {
        batch.verdict[i] = Refusal.filteredOut;
      }
    }
    return matched;
  }

  #useLink(link: number): void {
    let entry = this.#tests.get(link);
    if (entry === undefined) {
      const needsLayout = readsHeaders(this.#tree);
      const layout = needsLayout ? layoutOf(link) : ETHERNET;
      if (layout === undefined) throw unknownLink(this.expression, link);
      entry = { test: generate(this.#tree, new Position(this.expression, layout)), measure: layout.measure };
      this.#tests.set(link, entry);
    }
    this.#frame.linkBase = 0;
    this.#frame.payloadBase = 0;
    this.#test = entry.test;
    this.#measure = entry.measure;
    this.#link = link;
  }
}

/** False if an expression looks at lengths only: then the link type does not matter, nor whether headers are cut. */
function readsHeaders(node: Node): boolean {
  switch (node.kind) {
    case 'all':
      return false;
    case 'not':
      return readsHeaders(node.operand);
    case 'chain':
      return node.operands.some(readsHeaders);
    case 'relation':
      return readsBytes(node.left) || readsBytes(node.right);
    default:
      return true;
  }
}

function readsBytes(node: Arithmetic): boolean {
  switch (node.kind) {
    case 'load':
      return true;
    case 'negate':
      return readsBytes(node.operand);
    case 'binary':
      return readsBytes(node.left) || readsBytes(node.right);
    default:
      return false;
  }
}

function unknownLink(expression: string, link: number): RheoError {
  const name = linkTypeName(link) ?? 'not a registered one';
  return new RheoError(
    ErrorCode.filter,
    `the filter ${quote(expression)} cannot look into packets of link type ${link} (${name})`,
    { remedy: 'read this capture without a filter' },
  );
}

/**
 * Compiles an expression in the language of pcap-filter(7), or rather the subset that docs/filter.md describes. The empty
 * expression matches everything.
 * @throws RheoError (filter) with column, what is wrong, and what to write instead
 */
export function compileFilter(expression: string): PacketFilter {
  return new PacketFilter(expression);
}
