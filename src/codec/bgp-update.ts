import { Family, SAFI_UNICAST } from './bgp.js';
import { BgpDamage, BgpError } from './bgp-error.js';

/** What a route says, as much as flows want to know. */
export interface BgpRoute {
  /** AS that the prefix comes from; 0: unknown, as paths were put together into a set, or the AS of the speaker itself. */
  originAs: number;
  /** First AS of the path: the next one on the way; 0: none, the route is of our own AS. */
  adjacentAs: number;
  /** AS in front of the origin; 0: none. */
  previousAs: number;
  /** Next hop: four words, IPv4 in the first; and whether it is IPv6. */
  readonly nextHop: Int32Array;
  nextHop6: boolean;
}

/** Told of each prefix of an UPDATE. `words` are reused. */
export interface RouteListener {
  announce(family: Family, words: Int32Array, length: number, route: BgpRoute): void;
  withdraw(family: Family, words: Int32Array, length: number): void;
  /** End-of-RIB (RFC 4724 §2). */
  complete(family: Family): void;
}

const Attribute = { origin: 1, asPath: 2, nextHop: 3, reach: 14, unreach: 15, as4Path: 17 } as const;
const EXTENDED_LENGTH = 0x10;
/** Segments of a path (RFC 4271 §4.3, 5065 §3); those of a confederation are not counted. */
const Segment = { set: 1, sequence: 2, confederationSequence: 3, confederationSet: 4 } as const;
const EVERY_AS = 0x7fffffff;

/** Reads UPDATE messages and the attributes in MRT dumps. Holds reused buffers: one for each session. */
export class UpdateReader {
  readonly route: BgpRoute = {
    originAs: 0,
    adjacentAs: 0,
    previousAs: 0,
    nextHop: new Int32Array(4),
    nextHop6: false,
  };
  /** Updates with attributes so damaged that their prefixes were taken as withdrawn (RFC 7606 §2). */
  treatedAsWithdrawn = 0;

  private readonly words = new Int32Array(4);
  /** AS numbers have four octets (RFC 6793). */
  fourOctetAs = true;
  /** Ranges of MP_REACH_NLRI's and MP_UNREACH_NLRI's prefixes, and their families; 0: none. */
  private reachFrom = 0;
  private reachTo = 0;
  private reachFamily = 0;
  private unreachFrom = 0;
  private unreachTo = 0;
  private unreachFamily = 0;
  private hasPath = false;
  /** NEXT_HOP, which is that of the message's own prefixes, and the one within MP_REACH_NLRI. */
  private plainHop = 0;
  private readonly reachHop = new Int32Array(4);
  private reachHop6 = false;

  /**
   * Reads the body of an UPDATE (RFC 4271 §4.3, 4760).
   * @throws BgpError when prefixes cannot be told apart, so that the session must end (RFC 7606 §3)
   */
  read(view: DataView, from: number, to: number, listener: RouteListener): void {
    if (to - from < 4) throw malformed(1, 'an UPDATE that is cut');
    const withdrawnTo = from + 2 + view.getUint16(from);
    if (withdrawnTo + 2 > to) throw malformed(1, 'withdrawn routes behind the end of the message');
    const attributesTo = withdrawnTo + 2 + view.getUint16(withdrawnTo);
    if (attributesTo > to) throw malformed(1, 'attributes behind the end of the message');
    const good = this.readAttributes(view, withdrawnTo + 2, attributesTo);
    this.prefixes(view, from + 2, withdrawnTo, Family.ipv4, listener, false);
    if (this.unreachFamily !== 0) {
      this.prefixes(view, this.unreachFrom, this.unreachTo, this.unreachFamily as Family, listener, false);
    }
    const announces = attributesTo < to || this.reachFrom < this.reachTo;
    const usable = good && (!announces || this.hasPath);
    if (!usable) this.treatedAsWithdrawn++;
    this.usePlainHop();
    this.prefixes(view, attributesTo, to, Family.ipv4, listener, usable);
    if (this.reachFamily !== 0) {
      this.useReachHop();
      this.prefixes(view, this.reachFrom, this.reachTo, this.reachFamily as Family, listener, usable);
    }
    if (to - from === 4) listener.complete(Family.ipv4);
    else if (withdrawnTo === from + 2 && attributesTo === to && this.unreachFamily !== 0 && !this.hasPath) {
      const empty = this.unreachFrom === this.unreachTo && this.reachFamily === 0;
      if (empty && good) listener.complete(this.unreachFamily as Family);
    }
  }

  /**
   * Reads the attributes of an entry of an MRT dump into `route`. False if one is damaged.
   * In RIB entries of TABLE_DUMP_V2 MP_REACH_NLRI holds the next hop only (RFC 6396 §4.3.4).
   * @throws BgpError as `read`
   */
  readEntry(view: DataView, from: number, to: number, family: Family): boolean {
    const good = this.readAttributes(view, from, to, true);
    if (family === Family.ipv6 || this.plainHop === 0) this.useReachHop();
    else this.usePlainHop();
    return good;
  }

  private usePlainHop(): void {
    const { nextHop } = this.route;
    nextHop.fill(0);
    nextHop[0] = this.plainHop;
    this.route.nextHop6 = false;
  }

  private useReachHop(): void {
    this.route.nextHop.set(this.reachHop);
    this.route.nextHop6 = this.reachHop6;
  }

  /** Reads path attributes. False if one is damaged, so that the prefixes found count as withdrawn. */
  private readAttributes(view: DataView, from: number, to: number, mrt = false): boolean {
    this.noPath();
    this.plainHop = 0;
    this.reachHop.fill(0);
    this.reachHop6 = false;
    this.reachFamily = 0;
    this.reachFrom = 0;
    this.reachTo = 0;
    this.unreachFamily = 0;
    this.hasPath = false;
    let pathFrom = 0;
    let pathTo = 0;
    let as4From = 0;
    let as4To = 0;
    let reached = false;
    let unreached = false;
    let good = true;
    let at = from;
    while (at < to) {
      if (to - at < 3) return false;
      const long = (view.getUint8(at) & EXTENDED_LENGTH) !== 0;
      if (long && to - at < 4) return false;
      const type = view.getUint8(at + 1);
      const length = long ? view.getUint16(at + 2) : view.getUint8(at + 2);
      const value = at + (long ? 4 : 3);
      const end = value + length;
      if (end > to) return false;
      switch (type) {
        case Attribute.asPath:
          // Of an attribute that comes again the first counts (RFC 7606 §3 g), but for the two below.
          if (this.hasPath) break;
          this.hasPath = true;
          pathFrom = value;
          pathTo = end;
          break;
        case Attribute.as4Path:
          as4From = value;
          as4To = end;
          break;
        case Attribute.nextHop:
          if (length === 4) this.plainHop = view.getInt32(value);
          else good = false;
          break;
        case Attribute.reach:
          if (reached) throw malformed(1, 'MP_REACH_NLRI twice');
          reached = true;
          this.readReach(view, value, end, mrt);
          break;
        case Attribute.unreach:
          if (unreached) throw malformed(1, 'MP_UNREACH_NLRI twice');
          unreached = true;
          if (length < 3) throw malformed(9, 'an MP_UNREACH_NLRI that is cut');
          if (isUnicast(view, value)) {
            this.unreachFamily = view.getUint16(value);
            this.unreachFrom = value + 3;
            this.unreachTo = end;
          }
          break;
      }
      at = end;
    }
    if (this.hasPath) good = this.readPath(view, pathFrom, pathTo, as4From, as4To) && good;
    return good;
  }

  private noPath(): void {
    const { route } = this;
    route.originAs = 0;
    route.adjacentAs = 0;
    route.previousAs = 0;
  }

  /**
   * Reads AS_PATH. In a session of two octets the end of the path stands in AS4_PATH, with the true numbers, and replaces as many
   * (RFC 6793 §4.2.3); one that is longer than the path or damaged is left out (§6).
   */
  private readPath(view: DataView, from: number, to: number, as4From: number, as4To: number): boolean {
    const octets = this.fourOctetAs ? 4 : 2;
    const count = pathLength(view, from, to, octets);
    if (count < 0) return false;
    const more = this.fourOctetAs || as4To === as4From ? 0 : pathLength(view, as4From, as4To, 4);
    if (more <= 0 || more > count) this.walkPath(view, from, to, octets, EVERY_AS);
    else {
      this.walkPath(view, from, to, octets, count - more);
      this.walkPath(view, as4From, as4To, 4, EVERY_AS);
    }
    return true;
  }

  /** Goes on with the path by the first `most` AS of a range that `pathLength` has checked. */
  private walkPath(view: DataView, from: number, to: number, octets: 2 | 4, most: number): void {
    const { route } = this;
    let left = most;
    for (let at = from; at < to && left > 0; ) {
      const kind = view.getUint8(at);
      const count = view.getUint8(at + 1);
      at += 2;
      if (kind === Segment.set) {
        // Several may be the origin: only a set of one says which.
        route.previousAs = route.originAs;
        route.originAs = count === 1 ? asAt(view, at, octets) : 0;
        left--;
      } else if (kind === Segment.sequence) {
        for (let n = 0; n < count && left > 0; n++, left--) {
          const as = asAt(view, at + n * octets, octets);
          if (route.adjacentAs === 0) route.adjacentAs = as;
          // An AS that stands there several times only wants the path to look long.
          if (as !== route.originAs) route.previousAs = route.originAs;
          route.originAs = as;
        }
      }
      at += count * octets;
    }
  }

  /** @throws BgpError 3/9: where the prefixes begin cannot be told (RFC 7606 §7.11) */
  private readReach(view: DataView, from: number, to: number, mrt: boolean): void {
    const cut = 'an MP_REACH_NLRI whose lengths do not add up';
    let at = from;
    let unicast = true;
    // Some dumps hold the whole attribute all the same: then it begins with an address family, and not with a length.
    const abbreviated = mrt && to > from && view.getUint8(from) !== 0;
    if (!abbreviated) {
      if (to - from < 4) throw malformed(9, cut);
      unicast = isUnicast(view, from);
      at += 3;
    }
    const length = view.getUint8(at);
    const hop = at + 1;
    if (hop + length > to) throw malformed(9, cut);
    // Other families are not ours to judge.
    if (!unicast) return;
    // With a link-local address behind it there are 32.
    if (length === 16 || length === 32) {
      for (let w = 0; w < 4; w++) this.reachHop[w] = view.getInt32(hop + 4 * w);
      this.reachHop6 = true;
    } else if (length === 4) this.reachHop[0] = view.getInt32(hop);
    else throw malformed(9, `a next hop of ${length} bytes`);
    if (abbreviated) return;
    if (hop + length + 1 > to) throw malformed(9, cut);
    this.reachFamily = view.getUint16(from);
    this.reachFrom = hop + length + 1;
    this.reachTo = to;
  }

  /** Prefixes, each a length in bits and as many bytes as that takes. */
  private prefixes(
    view: DataView,
    from: number,
    to: number,
    family: Family,
    listener: RouteListener,
    announce: boolean,
  ): void {
    for (let at = from; at < to; ) {
      const length = view.getUint8(at);
      at = this.readPrefix(view, at, to, family);
      if (announce) listener.announce(family, this.words, length, this.route);
      else listener.withdraw(family, this.words, length);
    }
  }

  /** Reads one prefix into `prefix`; returns where the next begins. @throws BgpError 3/10 */
  readPrefix(view: DataView, from: number, to: number, family: Family): number {
    const { words } = this;
    const length = view.getUint8(from);
    const bytes = (length + 7) >>> 3;
    if (length > (family === Family.ipv4 ? 32 : 128)) throw malformed(10, `a prefix of ${length} bits`);
    if (from + 1 + bytes > to) throw malformed(10, 'a prefix behind the end of the message');
    words.fill(0);
    for (let b = 0; b < bytes; b++) words[b >>> 2] |= view.getUint8(from + 1 + b) << (24 - 8 * (b & 3));
    return from + 1 + bytes;
  }

  /** The prefix that `readPrefix` has read. */
  get prefix(): Int32Array {
    return this.words;
  }
}

/** AS numbers in a path as RFC 4271 §9.1.2.2 counts them: a set is one; -1 if the path is damaged. */
function pathLength(view: DataView, from: number, to: number, octets: 2 | 4): number {
  let length = 0;
  let at = from;
  while (at < to) {
    if (to - at < 2) return -1;
    const kind = view.getUint8(at);
    const count = view.getUint8(at + 1);
    if (kind < Segment.set || kind > Segment.confederationSet || count === 0) return -1;
    if (kind === Segment.set) length++;
    else if (kind === Segment.sequence) length += count;
    at += 2 + count * octets;
  }
  return at === to ? length : -1;
}

function asAt(view: DataView, at: number, octets: 2 | 4): number {
  return octets === 4 ? view.getUint32(at) : view.getUint16(at);
}

function isUnicast(view: DataView, at: number): boolean {
  const family = view.getUint16(at);
  return (family === Family.ipv4 || family === Family.ipv6) && view.getUint8(at + 2) === SAFI_UNICAST;
}

function malformed(subcode: number, what: string): BgpError {
  return new BgpError(BgpDamage.update, subcode, what);
}
