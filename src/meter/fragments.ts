import { BATCH_SIZE, Batch, Mark } from '../packet/batch.js';
import type { Decoder } from '../packet/decoder.js';
import { DEFAULT_KEY, KeyKind } from '../packet/key.js';
import { Notice, Refusal } from '../packet/refusal.js';
import { nanosBetween } from './time.js';

/** Words of a datagram's entry. */
const Entry = {
  /** Source, destination: four words each. */
  source: 0,
  destination: 4,
  id: 8,
  /** Protocol | version << 8 (protocol 0 for IPv6, whose ids are unique for a pair of addresses). */
  proto: 9,
  status: 10,
  ports: 11,
  meta: 12,
  direction: 13,
  seconds: 14,
  nanos: 15,
  heldFirst: 16,
  heldLast: 17,
  chain: 18,
  hash: 19,
  marks: 20,
  intervals: 21,
  interval: 22,
} as const;
const INTERVALS = 16;
const ENTRY_WORDS = Entry.interval + INTERVALS;
const Status = { waiting: 1, known: 2, tunnel: 3 } as const;

/**
 * Fragments (RFC 791 §3.2, RFC 8200 §4.5): later ones get the flow key of the first one of their datagram (address pair,
 * protocol, id). Those that come before it are held as numbers, not bytes, up to a limit and a time; when the first one does
 * not come they are accounted to a flow of orphan fragments. Datagrams are forgotten in the order in which they began.
 */
export class Fragments {
  private readonly limit: number;
  private readonly keyWords: number;
  private entries = new Int32Array(0);
  private heads = new Int32Array(0);
  /** Ring of entries in order of their beginning: entry number = position % limit + 1. */
  private begun = 0;
  /** The meter's clock, which all shards see alike. */
  private nowSeconds = 0;
  private nowNanos = 0;
  private forgotten = 0;
  private held: Batch | undefined;
  private heldNext = new Int32Array(0);
  private freeHeld = new Int32Array(0);
  private freeHeldCount = 0;
  /** Held packets that may go on, as a list. */
  private releaseFirst = 0;
  private releaseLast = 0;
  private readonly scratch: Batch;
  /** Its eight address words. */
  private readonly addresses: readonly Int32Array[];
  private readonly released: Batch;

  constructor(limit: number, keyWords: number) {
    this.limit = limit;
    this.keyWords = keyWords;
    const scratch = new Batch({ capacity: 1 });
    this.scratch = scratch;
    this.addresses = [scratch.a0, scratch.a1, scratch.a2, scratch.a3, scratch.b0, scratch.b1, scratch.b2, scratch.b3];
    this.released = new Batch({ capacity: BATCH_SIZE, keyWords });
  }

  /**
   * Completes the keys of the fragments among packets [from, to); holds back those whose first fragment is not known.
   * Returns the index behind the last packet looked at: less than `to` when held packets became free, which then come next.
   */
  resolve(batch: Batch, from: number, to: number, decoder: Decoder): number {
    const { marks, verdict } = batch;
    for (let i = from; i < to; i++) {
      const mark = marks[i];
      const mine = verdict[i] === 0;
      if (!mine && verdict[i] !== Refusal.otherShard) continue;
      if ((mark & Mark.outerFragment) !== 0) this.tunnelled(batch, i, decoder);
      if (!mine) continue;
      if ((mark & Mark.fragmentFirst) !== 0) this.first(batch, i, decoder);
      else if ((mark & Mark.fragmentLater) !== 0) this.later(batch, i, decoder);
      if (this.releaseFirst !== 0) return i + 1;
    }
    return to;
  }

  setClock(seconds: number, nanos: number): void {
    this.nowSeconds = seconds;
    this.nowNanos = nanos;
  }

  /** A batch of packets that were held and can be metered now; undefined if there are none. */
  release(): Batch | undefined {
    const { held, released } = this;
    if (held === undefined || this.releaseFirst === 0) return undefined;
    let n = 0;
    while (this.releaseFirst !== 0 && n < released.capacity) {
      const slot = this.releaseFirst;
      this.releaseFirst = this.heldNext[slot];
      released.keep(held, slot - 1, n);
      released.verdict[n++] = 0;
      this.freeHeld[this.freeHeldCount++] = slot;
    }
    if (this.releaseFirst === 0) this.releaseLast = 0;
    released.count = n;
    return released;
  }

  /** Forgets datagrams older than the timeout (ns). True if held packets became free. */
  expire(seconds: number, nanos: number, timeout: number, decoder: Decoder): boolean {
    while (this.forgotten < this.begun) {
      const e = this.oldest();
      const { entries } = this;
      const age = nanosBetween(entries[e + Entry.seconds] >>> 0, entries[e + Entry.nanos], seconds, nanos);
      if (age <= timeout) break;
      this.forget(decoder);
    }
    return this.releaseFirst !== 0;
  }

  /** Forgets all datagrams. True if held packets became free. */
  flush(decoder: Decoder): boolean {
    while (this.forgotten < this.begun) this.forget(decoder);
    return this.releaseFirst !== 0;
  }

  private first(batch: Batch, i: number, decoder: Decoder): void {
    this.key(batch, i, decoder);
    const e = this.enter(decoder);
    // Where nothing behind the IP header was captured of a protocol that is not read, there is no transport header.
    const begin = batch.transport[i] === 0 ? batch.payload[i] : batch.transport[i];
    this.cover(e, 0, batch.network[i] + batch.octets[i] - begin, decoder);
    const { entries } = this;
    // A second first fragment: the id was used again, or somebody plays; the newest one counts.
    entries[e + Entry.status] = Status.known;
    entries[e + Entry.ports] = batch.ports[i];
    entries[e + Entry.meta] = batch.meta[i];
    entries[e + Entry.direction] = batch.direction[i];
    entries[e + Entry.marks] = batch.marks[i] & Mark.icmpReply;
    const held = this.held as Batch;
    for (let slot = entries[e + Entry.heldFirst]; slot !== 0; slot = this.heldNext[slot]) {
      this.complete(held, slot - 1, e);
      decoder.rehash(held, slot - 1);
    }
    this.free(e);
  }

  private later(batch: Batch, i: number, decoder: Decoder): void {
    this.key(batch, i, decoder);
    const e = this.enter(decoder);
    const { entries } = this;
    this.cover(e, batch.fragmentOffset[i], batch.payloadLength[i], decoder);
    switch (entries[e + Entry.status]) {
      case Status.known:
        this.complete(batch, i, e);
        decoder.rehash(batch, i);
        return;
      case Status.tunnel:
        batch.verdict[i] = Refusal.tunnelContinuation;
        decoder.verdicts[0]--;
        decoder.verdicts[Refusal.tunnelContinuation]++;
        return;
      default:
        this.hold(batch, i, e, decoder);
    }
  }

  /** The first fragment of a tunnel's packet was looked into: the rest of it adds nothing to the inner packet's length. */
  private tunnelled(batch: Batch, i: number, decoder: Decoder): void {
    const { scratch, addresses } = this;
    const { view } = batch;
    const ip = batch.outer[i];
    const version = view.getUint8(ip) >>> 4;
    const from = version === 4 ? ip + 12 : ip + 8;
    const size = version === 4 ? 4 : 16;
    for (let w = 0; w < 8; w++)
      addresses[w][0] = (w & 3) * 4 < size ? view.getInt32(from + (w >> 2) * size + (w & 3) * 4) : 0;
    scratch.ports[0] = batch.outerId[i];
    scratch.meta[0] = version === 4 ? view.getUint8(ip + 9) | 0x400 : 0x600;
    scratch.marks[0] = version === 4 ? 0 : Mark.ipv6;
    decoder.rehash(scratch, 0);
    const e = this.enter(decoder);
    const { entries } = this;
    if (entries[e + Entry.status] !== Status.waiting) return;
    entries[e + Entry.status] = Status.tunnel;
    for (let slot = entries[e + Entry.heldFirst]; slot !== 0; slot = this.heldNext[slot]) {
      decoder.verdicts[Refusal.held]--;
      decoder.verdicts[Refusal.tunnelContinuation]++;
      this.freeHeld[this.freeHeldCount++] = slot;
    }
    entries[e + Entry.heldFirst] = 0;
    entries[e + Entry.heldLast] = 0;
  }

  /** Puts the datagram's key (source, destination, id, protocol) into the scratch batch and hashes it. */
  private key(batch: Batch, i: number, decoder: Decoder): void {
    const { scratch } = this;
    const forward = batch.direction[i] === 0;
    const v6 = (batch.marks[i] & Mark.ipv6) !== 0;
    scratch.a0[0] = forward ? batch.a0[i] : batch.b0[i];
    scratch.b0[0] = forward ? batch.b0[i] : batch.a0[i];
    scratch.a1[0] = v6 ? (forward ? batch.a1[i] : batch.b1[i]) : 0;
    scratch.a2[0] = v6 ? (forward ? batch.a2[i] : batch.b2[i]) : 0;
    scratch.a3[0] = v6 ? (forward ? batch.a3[i] : batch.b3[i]) : 0;
    scratch.b1[0] = v6 ? (forward ? batch.b1[i] : batch.a1[i]) : 0;
    scratch.b2[0] = v6 ? (forward ? batch.b2[i] : batch.a2[i]) : 0;
    scratch.b3[0] = v6 ? (forward ? batch.b3[i] : batch.a3[i]) : 0;
    scratch.ports[0] = batch.fragmentId[i];
    // From the header, as the key may be without protocol.
    scratch.meta[0] = v6 ? 0x600 : batch.view.getUint8(batch.network[i] + 9) | 0x400;
    scratch.marks[0] = v6 ? Mark.ipv6 : 0;
    decoder.rehash(scratch, 0);
  }

  /** Entry (word offset) of the datagram in the scratch batch; a new one where there is none. */
  private enter(decoder: Decoder): number {
    if (this.held === undefined) this.allocate();
    const { entries, heads, scratch, addresses } = this;
    const hash = scratch.hash[0];
    const bucket = hash & (heads.length - 1);
    for (let n = heads[bucket]; n !== 0; n = entries[n * ENTRY_WORDS + Entry.chain]) {
      const e = n * ENTRY_WORDS;
      if (entries[e + Entry.hash] === hash && this.same(e)) return e;
    }
    if (this.begun - this.forgotten === this.limit) {
      if (entries[this.oldest() + Entry.heldFirst] !== 0) decoder.notices[Notice.fragmentEvicted]++;
      this.forget(decoder);
    }
    const n = (this.begun++ % this.limit) + 1;
    const e = n * ENTRY_WORDS;
    entries.fill(0, e, e + ENTRY_WORDS);
    for (let w = 0; w < 8; w++) entries[e + w] = addresses[w][0];
    entries[e + Entry.id] = scratch.ports[0];
    entries[e + Entry.proto] = scratch.meta[0];
    entries[e + Entry.status] = Status.waiting;
    entries[e + Entry.seconds] = this.nowSeconds;
    entries[e + Entry.nanos] = this.nowNanos;
    entries[e + Entry.hash] = hash;
    entries[e + Entry.chain] = heads[bucket];
    heads[bucket] = n;
    return e;
  }

  private same(e: number): boolean {
    const { entries, scratch } = this;
    return (
      entries[e] === scratch.a0[0] &&
      entries[e + 1] === scratch.a1[0] &&
      entries[e + 2] === scratch.a2[0] &&
      entries[e + 3] === scratch.a3[0] &&
      entries[e + 4] === scratch.b0[0] &&
      entries[e + 5] === scratch.b1[0] &&
      entries[e + 6] === scratch.b2[0] &&
      entries[e + 7] === scratch.b3[0] &&
      entries[e + Entry.id] === scratch.ports[0] &&
      entries[e + Entry.proto] === scratch.meta[0]
    );
  }

  private complete(batch: Batch, i: number, e: number): void {
    const { entries } = this;
    batch.ports[i] = entries[e + Entry.ports];
    batch.meta[i] = entries[e + Entry.meta];
    batch.direction[i] = entries[e + Entry.direction];
    batch.marks[i] |= entries[e + Entry.marks];
  }

  private hold(batch: Batch, i: number, e: number, decoder: Decoder): void {
    const { entries } = this;
    if (this.freeHeldCount === 0) {
      // No room: accounted without ports at once.
      decoder.notices[Notice.fragmentEvicted]++;
      makeOrphan(batch, i, decoder);
      return;
    }
    const slot = this.freeHeld[--this.freeHeldCount];
    (this.held as Batch).keep(batch, i, slot - 1);
    this.heldNext[slot] = 0;
    const last = entries[e + Entry.heldLast];
    if (last === 0) entries[e + Entry.heldFirst] = slot;
    else this.heldNext[last] = slot;
    entries[e + Entry.heldLast] = slot;
    batch.verdict[i] = Refusal.held;
    decoder.verdicts[0]--;
    decoder.verdicts[Refusal.held]++;
  }

  /** Moves the held packets of an entry to the release list. */
  private free(e: number): void {
    const { entries, heldNext } = this;
    const first = entries[e + Entry.heldFirst];
    if (first === 0) return;
    if (this.releaseFirst === 0) this.releaseFirst = first;
    else heldNext[this.releaseLast] = first;
    this.releaseLast = entries[e + Entry.heldLast];
    entries[e + Entry.heldFirst] = 0;
    entries[e + Entry.heldLast] = 0;
  }

  private oldest(): number {
    return ((this.forgotten % this.limit) + 1) * ENTRY_WORDS;
  }

  /** Drops the oldest entry; what it holds is released without ports. */
  private forget(decoder: Decoder): void {
    const { entries, heads } = this;
    const n = (this.forgotten++ % this.limit) + 1;
    const e = n * ENTRY_WORDS;
    const held = this.held as Batch;
    for (let slot = entries[e + Entry.heldFirst]; slot !== 0; slot = this.heldNext[slot]) {
      held.verdict[slot - 1] = 0;
      makeOrphan(held, slot - 1, decoder);
    }
    this.free(e);
    const bucket = entries[e + Entry.hash] & (heads.length - 1);
    if (heads[bucket] === n) heads[bucket] = entries[e + Entry.chain];
    else {
      let m = heads[bucket];
      while (entries[m * ENTRY_WORDS + Entry.chain] !== n) m = entries[m * ENTRY_WORDS + Entry.chain];
      entries[m * ENTRY_WORDS + Entry.chain] = entries[e + Entry.chain];
    }
  }

  /** Notes the bytes [offset, offset + length) of a datagram; counts an overlap with those seen before. */
  private cover(e: number, offset: number, length: number, decoder: Decoder): void {
    const { entries } = this;
    const from = offset >>> 3;
    const to = (offset + length + 7) >>> 3;
    const n = entries[e + Entry.intervals];
    for (let k = 0; k < n; k++) {
      const other = entries[e + Entry.interval + k];
      if (from < (other & 0xffff) && to > other >>> 16) {
        decoder.notices[Notice.fragmentOverlap]++;
        return;
      }
    }
    for (let k = 0; k < n; k++) {
      const other = entries[e + Entry.interval + k];
      if ((other & 0xffff) === from) {
        entries[e + Entry.interval + k] = (other & ~0xffff) | to;
        return;
      }
    }
    if (n < INTERVALS) {
      entries[e + Entry.interval + n] = (from << 16) | (to & 0xffff);
      entries[e + Entry.intervals] = n + 1;
    }
  }

  private allocate(): void {
    const { limit } = this;
    let buckets = 1;
    while (buckets < limit * 2) buckets *= 2;
    this.entries = new Int32Array((limit + 1) * ENTRY_WORDS);
    this.heads = new Int32Array(buckets);
    this.held = new Batch({ capacity: limit, keyWords: this.keyWords });
    this.heldNext = new Int32Array(limit + 1);
    this.freeHeld = Int32Array.from({ length: limit }, (_, n) => limit - n);
    this.freeHeldCount = limit;
  }
}

/** Gives a later fragment the key of those whose first one never came. */
export function makeOrphan(batch: Batch, i: number, decoder: Decoder): void {
  decoder.notices[Notice.fragmentOrphan]++;
  batch.ports[i] = 0;
  // Without ports in the key they belong to the same flow as the rest.
  const apart = (decoder.options.key ?? DEFAULT_KEY).base === 'port';
  batch.meta[i] = apart ? (batch.meta[i] & 0xffff) | KeyKind.orphanFragments : batch.meta[i];
  decoder.rehash(batch, i);
}
