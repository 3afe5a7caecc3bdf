import { randomBytes } from 'node:crypto';
import type { BgpRoute } from '../codec/bgp-update.js';

/** Distinct combinations of AS numbers and next hop; a full table has some hundred thousand from one neighbour. */
const MOST_ROUTES = 1 << 20;
/**
 * Words of a route: origin, adjacent, previous AS, next hop (four words), kind of next hop; number of its users; the next
 * route with the same hash.
 */
const ROUTE_WORDS = 10;
const KEY_WORDS = 8;
const HOP = 3;
const HOP6 = 7;
const USERS = 8;
const NEXT = 9;
const FIRST_ROOM = 1024;

/** Distinct routes, each kept once and counted by its users. Numbers are from 1 on; 0 is "none". */
export class RouteSet {
  size = 0;
  private words = new Uint32Array(FIRST_ROOM * ROUTE_WORDS);
  /** By hash, the first route. As many as there is room for routes. */
  private buckets = new Int32Array(FIRST_ROOM);
  private fresh = 1;
  private free = 0;
  /** A stranger who chooses paths shall not be able to aim at one bucket. */
  private readonly seed = randomBytes(4).readInt32LE(0);
  private readonly key = new Uint32Array(KEY_WORDS);

  /** Number of the route, with one more user; 0 if there are too many. */
  enter(route: BgpRoute): number {
    const { key } = this;
    key[0] = route.originAs;
    key[1] = route.adjacentAs;
    key[2] = route.previousAs;
    for (let w = 0; w < 4; w++) key[HOP + w] = route.nextHop[w];
    key[HOP6] = route.nextHop6 ? 1 : 0;
    const hash = this.hash(key, 0);
    let id = this.buckets[hash & (this.buckets.length - 1)];
    while (id !== 0 && !this.holds(id)) id = this.words[id * ROUTE_WORDS + NEXT];
    if (id === 0) {
      id = this.add(hash);
      if (id === 0) return 0;
    }
    this.words[id * ROUTE_WORDS + USERS]++;
    return id;
  }

  /** One user less; a route without any is forgotten. */
  release(id: number): void {
    const { words, buckets } = this;
    const base = id * ROUTE_WORDS;
    if (--words[base + USERS] > 0) return;
    const bucket = this.hash(words, base) & (buckets.length - 1);
    if (buckets[bucket] === id) buckets[bucket] = words[base + NEXT];
    else {
      let before = buckets[bucket];
      while (words[before * ROUTE_WORDS + NEXT] !== id) before = words[before * ROUTE_WORDS + NEXT];
      words[before * ROUTE_WORDS + NEXT] = words[base + NEXT];
    }
    words[base + NEXT] = this.free;
    this.free = id;
    this.size--;
  }

  /** Fills in a route of this number. */
  read(id: number, route: BgpRoute): void {
    const { words } = this;
    const base = id * ROUTE_WORDS;
    route.originAs = words[base];
    route.adjacentAs = words[base + 1];
    route.previousAs = words[base + 2];
    for (let w = 0; w < 4; w++) route.nextHop[w] = words[base + HOP + w];
    route.nextHop6 = words[base + HOP6] === 1;
  }

  clear(): void {
    this.buckets.fill(0);
    this.size = 0;
    this.fresh = 1;
    this.free = 0;
  }

  /** Users of all routes together; for tests. */
  get users(): number {
    let users = 0;
    for (const first of this.buckets) {
      for (let id = first; id !== 0; id = this.words[id * ROUTE_WORDS + NEXT])
        users += this.words[id * ROUTE_WORDS + USERS];
    }
    return users;
  }

  private holds(id: number): boolean {
    const base = id * ROUTE_WORDS;
    for (let w = 0; w < KEY_WORDS; w++) if (this.words[base + w] !== this.key[w]) return false;
    return true;
  }

  private add(hash: number): number {
    let id = this.free;
    if (id !== 0) this.free = this.words[id * ROUTE_WORDS + NEXT];
    else {
      if (this.fresh >= MOST_ROUTES) return 0;
      if (this.fresh >= this.buckets.length) this.grow();
      id = this.fresh++;
    }
    const base = id * ROUTE_WORDS;
    this.words.set(this.key, base);
    this.words[base + USERS] = 0;
    const bucket = hash & (this.buckets.length - 1);
    this.words[base + NEXT] = this.buckets[bucket];
    this.buckets[bucket] = id;
    this.size++;
    return id;
  }

  /** Doubles the room. All numbers below `fresh` are in use then, as those that are free are taken first. */
  private grow(): void {
    const words = new Uint32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
    this.buckets = new Int32Array(this.buckets.length * 2);
    for (let id = 1; id < this.fresh; id++) {
      const bucket = this.hash(words, id * ROUTE_WORDS) & (this.buckets.length - 1);
      words[id * ROUTE_WORDS + NEXT] = this.buckets[bucket];
      this.buckets[bucket] = id;
    }
  }

  private hash(words: Uint32Array, from: number): number {
    let hash = this.seed;
    for (let w = 0; w < KEY_WORDS; w++) {
      hash = Math.imul(hash ^ words[from + w], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }
}
