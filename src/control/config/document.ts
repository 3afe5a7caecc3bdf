import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, type ParsedNode, parseDocument } from 'yaml';
import type { Path, Problem } from './problems.js';

/** Bytes of a configuration file at the most. */
export const MOST_BYTES: number = 1 << 20;
const MOST_DEPTH = 16;
/** Values of a file at the most, those that aliases stand for counted each time (so that few lines cannot become millions). */
const MOST_VALUES = 10_000;

/** Where something stands in a file; both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlFile {
  readonly value: unknown;
  /** Place of the value at a path, or of its key. Undefined if the file has nothing there. */
  position(path: Path, part: 'key' | 'value'): Position | undefined;
}

/** Key of maps by path. */
export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

type Node = ParsedNode | null;

/** Turns nodes into plain values and remembers where they stood. */
class Walker {
  readonly problems: Problem[] = [];
  readonly keys = new Map<string, number>();
  readonly values = new Map<string, number>();
  readonly #counter: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #count = 0;

  constructor(counter: LineCounter) {
    this.#counter = counter;
  }

  at(offset: number): Position {
    const { line, col } = this.#counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  value(node: Node, path: Path, offset: number): unknown {
    const begin = node?.range[0] ?? offset;
    this.values.set(pathKey(path), begin);
    if (++this.#count > MOST_VALUES) {
      if (this.#count === MOST_VALUES + 1) this.#problem(begin, `more than ${MOST_VALUES} values`);
      return undefined;
    }
    if (path.length > MOST_DEPTH) {
      this.#problem(begin, `nested more than ${MOST_DEPTH} deep`);
      return undefined;
    }
    if (node === null) return null;
    if (isAlias(node)) return this.#alias(node.source, path, begin);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return node.value;
    this.#open.add(node);
    const value = isMap(node) ? this.#map(node.items, path, begin) : this.#sequence(node, path, begin);
    this.#open.delete(node);
    return value;
  }

  #alias(name: string, path: Path, begin: number): unknown {
    const node = this.#anchors.get(name);
    if (node === undefined || this.#open.has(node)) {
      this.#problem(begin, node === undefined ? `alias *${name} stands for nothing` : `alias *${name} contains itself`);
      return undefined;
    }
    const value = this.value(node, path, begin);
    this.values.set(pathKey(path), begin);
    return value;
  }

  #sequence(node: Node, path: Path, begin: number): unknown {
    return isSeq(node) ? node.items.map((item, k) => this.value(item as Node, [...path, k], begin)) : undefined;
  }

  #map(items: readonly Pair<ParsedNode, Node>[], path: Path, begin: number): unknown {
    const members = new Map<string, unknown>();
    const offsets = new Map<string, number>();
    for (const { key, value } of items) {
      const offset = key?.range?.[0] ?? begin;
      if (!isScalar(key)) {
        this.#problem(offset, 'a key must be a word');
        continue;
      }
      const name = String(key.value);
      const before = offsets.get(name);
      if (before !== undefined) {
        this.#problem(
          offset,
          `key '${name}' is given twice, first in line ${this.at(before).line}`,
          'Leave out one of them.',
        );
        continue;
      }
      offsets.set(name, offset);
      this.keys.set(pathKey([...path, name]), offset);
      members.set(name, this.value(value, [...path, name], offset));
    }
    // Not by assignment: a key may be called __proto__.
    return Object.fromEntries(members);
  }

  #problem(offset: number, message: string, remedy?: string): void {
    this.problems.push({ ...this.at(offset), path: [], message, ...(remedy === undefined ? {} : { remedy }) });
  }
}

/** Takes a YAML file apart. Never throws; what is wrong with it comes back as problems. */
export function parseYaml(text: string): { file: YamlFile | undefined; problems: Problem[] } {
  const counter = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: counter,
      prettyErrors: false,
      uniqueKeys: false,
      version: '1.2',
    });
    const walker = new Walker(counter);
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) {
      // What follows the first one is mostly its consequence.
      const message = `not YAML: ${error.message.split('\n')[0]}`;
      return { file: undefined, problems: [{ ...walker.at(error.pos[0]), path: [], message }] };
    }
    const value = walker.value(document.contents, [], 0);
    if (walker.problems.length > 0) return { file: undefined, problems: walker.problems };
    const position = (path: Path, part: 'key' | 'value'): Position | undefined => {
      const offset = (part === 'key' ? walker.keys : walker.values).get(pathKey(path));
      return offset === undefined ? undefined : walker.at(offset);
    };
    return { file: { value, position }, problems: [] };
  } catch (error) {
    // The parser calls itself for each level.
    if (error instanceof RangeError) return { file: undefined, problems: [{ path: [], message: 'nested too deep' }] };
    throw error;
  }
}
