import { Family } from '../codec/bgp.js';
import type { BgpRoute, RouteListener } from '../codec/bgp-update.js';
import { PrefixTrie } from './prefix-trie.js';

/** Distinct combinations of AS numbers and next hop; a full table has some ten thousand from one neighbour. */
const MOST_ROUTES = 1 << 22;
const ROUTE_WORDS = 9;

/** Where an address lies, as routing sees it. Reused by the caller. */
export interface RouteAnswer {
  originAs: number;
  adjacentAs: number;
  previousAs: number;
  readonly nextHop: Int32Array;
  nextHop6: boolean;
  /** Length of the prefix in bits. */
  prefixLength: number;
}

export function emptyAnswer(): RouteAnswer {
  return { originAs: 0, adjacentAs: 0, previousAs: 0, nextHop: new Int32Array(4), nextHop6: false, prefixLength: 0 };
}

/**
 * The routes of one source (a BGP session, an MRT dump): prefixes of both families, each pointing to a route, of which equal
 * ones are kept once. Values in the tries are route << 1 | generation, so that after a session came back the routes that it did not
 * announce again can be told from the others.
 */
export class RouteTable {
  readonly v4: PrefixTrie;
  readonly v6: PrefixTrie;
  /** Prefixes or routes for which there was no room. */
  refused = 0;
  private generation = 0;
  /** Distinct routes: origin, adjacent, previous AS, next hop, kind of next hop, and number of prefixes that use it. */
  private words = new Uint32Array(1024 * ROUTE_WORDS);
  private readonly byText = new Map<string, number>();
  /** Route 0 is never used. */
  private fresh = 1;
  private readonly spare: number[] = [];

  /** @param bytes memory that prefixes may take in all; a full table needs about 300 MB */
  constructor(bytes: number) {
    this.v4 = new PrefixTrie(32, bytes / 2);
    this.v6 = new PrefixTrie(128, bytes / 2);
  }

  get prefixes(): number {
    return this.v4.size + this.v6.size;
  }

  get routes(): number {
    return this.byText.size;
  }

  /** For a reader of messages. */
  asListener(complete: (family: Family) => void = () => {}): RouteListener {
    return {
      announce: (family, words, length, route) => this.announce(family, words, length, route),
      withdraw: (family, words, length) => this.withdraw(family, words, length),
      complete,
    };
  }

  announce(family: Family, words: Int32Array, length: number, route: BgpRoute): void {
    const id = this.enter(route);
    if (id === 0) {
      this.refused++;
      return;
    }
    const before = this.trie(family).set(words, length, (id << 1) | this.generation);
    if (before === -1) {
      this.refused++;
      this.release(id);
    } else if (before !== 0) this.release(before >>> 1);
  }

  withdraw(family: Family, words: Int32Array, length: number): void {
    const before = this.trie(family).remove(words, length);
    if (before !== 0) this.release(before >>> 1);
  }

  /** From now on routes are announced anew; those that are not are taken out by `sweep`. */
  restart(): void {
    this.generation ^= 1;
  }

  /** Takes out the routes of a family that were not announced since `restart`. */
  sweep(family: Family): number {
    return this.trie(family).removeWhere((value) => {
      if ((value & 1) === this.generation) return false;
      this.release(value >>> 1);
      return true;
    });
  }

  clear(): void {
    for (const trie of [this.v4, this.v6]) trie.removeWhere(() => true);
    this.byText.clear();
    this.spare.length = 0;
    this.fresh = 1;
  }

  /** Fills the answer for an address (`words[at]`…); false if no prefix covers it. */
  find(family: Family, words: Int32Array, at: number, answer: RouteAnswer): boolean {
    const trie = this.trie(family);
    const value = trie.find(words, at);
    if (value === 0) return false;
    const base = (value >>> 1) * ROUTE_WORDS;
    answer.originAs = this.words[base];
    answer.adjacentAs = this.words[base + 1];
    answer.previousAs = this.words[base + 2];
    for (let w = 0; w < 4; w++) answer.nextHop[w] = this.words[base + 3 + w];
    answer.nextHop6 = this.words[base + 7] === 1;
    answer.prefixLength = trie.matchedLength;
    return true;
  }

  private trie(family: Family): PrefixTrie {
    return family === Family.ipv4 ? this.v4 : this.v6;
  }

  /** Number of a route, with one more user; 0 if there are too many. */
  private enter(route: BgpRoute): number {
    const { nextHop } = route;
    const ends = `${route.originAs} ${route.adjacentAs} ${route.previousAs}`;
    const text = `${ends} ${nextHop[0]} ${nextHop[1]} ${nextHop[2]} ${nextHop[3]} ${route.nextHop6 ? 1 : 0}`;
    let id = this.byText.get(text);
    if (id === undefined) {
      id = this.spare.pop() ?? (this.fresh < MOST_ROUTES ? this.fresh++ : 0);
      if (id === 0) return 0;
      this.byText.set(text, id);
      if ((id + 1) * ROUTE_WORDS > this.words.length) {
        const grown = new Uint32Array(this.words.length * 2);
        grown.set(this.words);
        this.words = grown;
      }
      const base = id * ROUTE_WORDS;
      this.words.set([route.originAs, route.adjacentAs, route.previousAs], base);
      this.words.set(nextHop, base + 3);
      this.words[base + 7] = route.nextHop6 ? 1 : 0;
      this.words[base + 8] = 0;
    }
    this.words[id * ROUTE_WORDS + 8]++;
    return id;
  }

  private release(id: number): void {
    const base = id * ROUTE_WORDS;
    if (--this.words[base + 8] > 0) return;
    const [origin, adjacent, previous] = this.words.subarray(base, base + 3);
    const hop = [3, 4, 5, 6].map((w) => this.words[base + w] | 0).join(' ');
    this.byText.delete(`${origin} ${adjacent} ${previous} ${hop} ${this.words[base + 7]}`);
    this.spare.push(id);
  }
}
