import { Family } from '../codec/bgp.js';
import type { BgpRoute, RouteListener } from '../codec/bgp-update.js';
import { PrefixTrie } from './prefix-trie.js';
import { RouteSet } from './route-set.js';

/** Where an address lies, as routing sees it. Reused by the caller. */
export interface RouteAnswer extends BgpRoute {
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
  /** Goes up with each change, so that answers can be remembered until the next. */
  changes = 0;
  private generation = 0;
  private readonly set = new RouteSet();

  /** @param bytes memory that prefixes may take in all; a full table needs about 300 MB */
  constructor(bytes: number) {
    this.v4 = new PrefixTrie(32, bytes / 2);
    this.v6 = new PrefixTrie(128, bytes / 2);
  }

  get prefixes(): number {
    return this.v4.size + this.v6.size;
  }

  get routes(): number {
    return this.set.size;
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
    this.changes++;
    const id = this.set.enter(route);
    if (id === 0) {
      this.refused++;
      return;
    }
    const before = this.trie(family).set(words, length, (id << 1) | this.generation);
    if (before === -1) {
      this.refused++;
      this.set.release(id);
    } else if (before !== 0) this.set.release(before >>> 1);
  }

  withdraw(family: Family, words: Int32Array, length: number): void {
    this.changes++;
    const before = this.trie(family).remove(words, length);
    if (before !== 0) this.set.release(before >>> 1);
  }

  /** From now on routes are announced anew; those that are not are taken out by `sweep`. */
  restart(): void {
    this.generation ^= 1;
  }

  /** Takes out the routes of a family that were not announced since `restart`. */
  sweep(family: Family): number {
    this.changes++;
    return this.trie(family).removeWhere((value) => {
      if ((value & 1) === this.generation) return false;
      this.set.release(value >>> 1);
      return true;
    });
  }

  clear(): void {
    this.changes++;
    for (const trie of [this.v4, this.v6]) trie.removeWhere(() => true);
    this.set.clear();
  }

  /** Fills the answer for an address (`words[at]`…); false if no prefix covers it. */
  find(family: Family, words: Int32Array, at: number, answer: RouteAnswer): boolean {
    const trie = this.trie(family);
    const value = trie.find(words, at);
    if (value === 0) return false;
    this.set.read(value >>> 1, answer);
    answer.prefixLength = trie.matchedLength;
    return true;
  }

  private trie(family: Family): PrefixTrie {
    return family === Family.ipv4 ? this.v4 : this.v6;
  }

  /** Prefixes by their routes' counts; the same as `prefixes`. For tests. */
  get users(): number {
    return this.set.users;
  }
}
