/** Bits that the root decides at once, and each node below it. */
const ROOT_BITS = 16;
const STRIDE = 4;
const FAN = 1 << STRIDE;
/**
 * Words of a node: [0] number of values and children in it, [1] which of the values there are, a bit each, [2…17] children,
 * [18…47] values of the prefixes that end in it, numbered from 2 on as in a heap (1 << length | bits). What a look-up on its
 * way down reads, stands in the first line of the processor's cache.
 */
const NODE_WORDS = 3 * FAN;
const CHILDREN = 2;
const VALUES = FAN;
/** Look-ups in IPv6 skip these bits where they can: nearly all its prefixes have more. */
const JUMP_BITS = 32;
const JUMP_SLOT_BITS = 16;
const JUMP_WORDS = 4;
const PRESENT = 1;
/** By the four bits of an address: the places in a node of the prefixes that cover it, a bit each. */
const COVERING = Int32Array.from({ length: FAN }, (_, part) => {
  let bits = 0;
  for (let place = FAN | part; place > 1; place >>>= 1) bits |= 1 << place;
  return bits;
});

/**
 * Longest-prefix match for addresses of 32 or 128 bits: a multibit trie with a direct root of 16 bits and nodes of 4 bits, in one
 * typed array whose size is limited from the start. An announcement or withdrawal touches the nodes on one path.
 * Addresses are words of 32 bits in network order, as in a flow's record. Values are whole numbers from 1 on; 0 is "none".
 */
export class PrefixTrie {
  /** Prefixes in it. */
  size = 0;
  /** Prefixes that found no room. */
  refused = 0;

  private readonly bits: 32 | 128;
  private mostNodes: number;
  /** Values of prefixes of up to 16 bits, as in a heap. */
  private readonly short = new Int32Array(2 << ROOT_BITS);
  /** For each 16 bits the value of the longest of them, its length, and the node of what is longer. */
  private readonly best = new Int32Array(1 << ROOT_BITS);
  private readonly bestLength = new Uint8Array(1 << ROOT_BITS);
  private readonly roots = new Int32Array(1 << ROOT_BITS);
  private nodes = new Int32Array(1024 * NODE_WORDS);
  /** Node 0 is never used. */
  private fresh = 1;
  private free = 0;
  /** IPv6: by the first 32 bits the node for those behind them, as it was found; `JUMP_WORDS` of epoch, bits, node. */
  private readonly jumps: Int32Array | undefined;
  /** Goes up when a node is given back: what was found before does not count any more. 0 is in no slot that is used. */
  private epoch = 1;
  /** Length of the prefix that the last look-up found. */
  matchedLength = 0;

  /** @param bytes memory that the nodes may take */
  constructor(bits: 32 | 128, bytes: number) {
    this.bits = bits;
    this.jumps = bits === 128 ? new Int32Array(JUMP_WORDS << JUMP_SLOT_BITS) : undefined;
    this.mostNodes = Math.max(1024, Math.floor(bytes / (NODE_WORDS * 4)));
  }

  /** Memory of the trie in bytes. */
  get bytes(): number {
    return (
      this.nodes.byteLength +
      this.short.byteLength +
      this.best.byteLength * 2 +
      this.bestLength.byteLength +
      (this.jumps?.byteLength ?? 0)
    );
  }

  /** Value of the longest prefix that covers the address at `words[at]`; 0 if none does. Sets `matchedLength`. */
  find(words: Int32Array, at: number): number {
    const { jumps } = this;
    if (jumps !== undefined) {
      const slot = jumpSlot(words[at]);
      if (jumps[slot] === this.epoch && jumps[slot + 1] === words[at]) {
        const value = this.walk(words, at, jumps[slot + 2], JUMP_BITS);
        if (value !== 0) return value;
      }
    }
    const head = words[at] >>> ROOT_BITS;
    this.matchedLength = this.bestLength[head];
    return this.walk(words, at, this.roots[head], ROOT_BITS) || this.best[head];
  }

  /** The same among the prefixes that begin in this node or below it; 0, and `matchedLength` as it was, if none covers it. */
  private walk(words: Int32Array, at: number, from: number, depth: number): number {
    const { nodes, bits, jumps } = this;
    // The value itself is read once, at the end: each look elsewhere waits for memory.
    let found = 0;
    for (let node = from; node !== 0; depth += STRIDE) {
      const base = node * NODE_WORDS;
      const part = (words[at + (depth >>> 5)] >>> (32 - STRIDE - (depth & 31))) & (FAN - 1);
      const covering = nodes[base + PRESENT] & COVERING[part];
      if (covering !== 0) {
        const place = 31 - Math.clz32(covering);
        found = base + VALUES + place;
        this.matchedLength = depth + 31 - Math.clz32(place);
      }
      if (depth + STRIDE >= bits) break;
      node = nodes[base + CHILDREN + part];
      if (depth === JUMP_BITS - STRIDE && jumps !== undefined && node !== 0) {
        const slot = jumpSlot(words[at]);
        jumps[slot] = this.epoch;
        jumps[slot + 1] = words[at];
        jumps[slot + 2] = node;
      }
    }
    return found === 0 ? 0 : nodes[found];
  }

  /** Value of exactly this prefix; 0 if there is none. */
  get(words: Int32Array, length: number): number {
    if (length <= ROOT_BITS) return this.short[heapPlace(words[0] >>> ROOT_BITS, length)];
    let node = this.roots[words[0] >>> ROOT_BITS];
    let depth = ROOT_BITS;
    for (; node !== 0 && length - depth > STRIDE; depth += STRIDE) {
      node = this.nodes[node * NODE_WORDS + CHILDREN + partAt(words, depth)];
    }
    return node === 0 ? 0 : this.nodes[node * NODE_WORDS + VALUES + placeAt(words, depth, length)];
  }

  /**
   * Sets the value of a prefix, whose bits behind `length` do not matter.
   * @returns the value that it had; -1 if there is no room for it
   */
  set(words: Int32Array, length: number, value: number): number {
    this.check(length);
    if (length <= ROOT_BITS) return this.setShort(words, length, value);
    const needed = Math.ceil((length - ROOT_BITS) / STRIDE);
    if (!this.reserve(needed)) {
      if (this.get(words, length) === 0) {
        this.refused++;
        return -1;
      }
    }
    const { nodes } = this;
    const head = words[0] >>> ROOT_BITS;
    if (this.roots[head] === 0) this.roots[head] = this.take();
    let node = this.roots[head];
    let depth = ROOT_BITS;
    for (; length - depth > STRIDE; depth += STRIDE) {
      const child = node * NODE_WORDS + CHILDREN + partAt(words, depth);
      if (nodes[child] === 0) {
        nodes[child] = this.take();
        nodes[node * NODE_WORDS]++;
      }
      node = nodes[child];
    }
    const base = node * NODE_WORDS;
    const place = placeAt(words, depth, length);
    const before = nodes[base + VALUES + place];
    nodes[base + VALUES + place] = value;
    if (before === 0) {
      nodes[base]++;
      nodes[base + PRESENT] |= 1 << place;
      this.size++;
    }
    return before;
  }

  /** Takes a prefix out; returns the value that it had, 0 if it was not there. */
  remove(words: Int32Array, length: number): number {
    this.check(length);
    if (length <= ROOT_BITS) return this.setShort(words, length, 0);
    const head = words[0] >>> ROOT_BITS;
    const before = this.removeBelow(this.roots[head], words, ROOT_BITS, length);
    if (before !== 0) this.size--;
    if (this.roots[head] !== 0 && this.nodes[this.roots[head] * NODE_WORDS] === 0) {
      this.give(this.roots[head]);
      this.roots[head] = 0;
    }
    return before;
  }

  private removeBelow(node: number, words: Int32Array, depth: number, length: number): number {
    if (node === 0) return 0;
    const { nodes } = this;
    const base = node * NODE_WORDS;
    if (length - depth <= STRIDE) {
      const place = placeAt(words, depth, length);
      const before = nodes[base + VALUES + place];
      if (before !== 0) nodes[base]--;
      nodes[base + VALUES + place] = 0;
      nodes[base + PRESENT] &= ~(1 << place);
      return before;
    }
    const child = base + CHILDREN + partAt(words, depth);
    const before = this.removeBelow(nodes[child], words, depth + STRIDE, length);
    if (nodes[child] !== 0 && nodes[nodes[child] * NODE_WORDS] === 0) {
      this.give(nodes[child]);
      nodes[child] = 0;
      nodes[base]--;
    }
    return before;
  }

  /** Takes out all prefixes whose value the test wants gone. Returns how many. */
  removeWhere(test: (value: number) => boolean): number {
    const before = this.size;
    const words = new Int32Array(4);
    for (let place = 1; place < this.short.length; place++) {
      if (this.short[place] === 0 || !test(this.short[place])) continue;
      const length = 31 - Math.clz32(place);
      words[0] = (place - (1 << length)) << (32 - length);
      if (length === 0) words[0] = 0;
      this.setShort(words, length, 0);
    }
    for (let head = 0; head < this.roots.length; head++) {
      if (this.roots[head] !== 0 && this.sweep(this.roots[head], test)) this.roots[head] = 0;
    }
    return before - this.size;
  }

  /** Sweeps a node and those below it; true if it is empty and was given back. */
  private sweep(node: number, test: (value: number) => boolean): boolean {
    const { nodes } = this;
    const base = node * NODE_WORDS;
    for (let place = 2; place < 2 * FAN; place++) {
      if (nodes[base + VALUES + place] === 0 || !test(nodes[base + VALUES + place])) continue;
      nodes[base + VALUES + place] = 0;
      nodes[base + PRESENT] &= ~(1 << place);
      nodes[base]--;
      this.size--;
    }
    for (let part = 0; part < FAN; part++) {
      const child = nodes[base + CHILDREN + part];
      if (child === 0 || !this.sweep(child, test)) continue;
      nodes[base + CHILDREN + part] = 0;
      nodes[base]--;
    }
    if (nodes[base] !== 0) return false;
    this.give(node);
    return true;
  }

  private setShort(words: Int32Array, length: number, value: number): number {
    const { short, best, bestLength } = this;
    const head = words[0] >>> ROOT_BITS;
    const place = heapPlace(head, length);
    const before = short[place];
    if (before === value) return before;
    short[place] = value;
    this.size += (value === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    // What covers these 16 bits now: this prefix or, if it is gone, the longest that covers it.
    let up = place;
    let covering = length;
    while (up > 1 && short[up] === 0) {
      up >>>= 1;
      covering--;
    }
    const width = ROOT_BITS - length;
    const from = (head >>> width) << width;
    for (let n = from; n < from + (1 << width); n++) {
      if (bestLength[n] > length && best[n] !== 0) continue;
      best[n] = short[up];
      bestLength[n] = short[up] === 0 ? 0 : covering;
    }
    return before;
  }

  private check(length: number): void {
    if (!(length >= 0 && length <= this.bits)) throw new RangeError(`a prefix of ${length} bits`);
  }

  /** Makes sure that so many nodes can be taken. */
  private reserve(count: number): boolean {
    if (this.free !== 0) {
      // Nodes that were given back are as good; whether there are enough of them is not known without walking the list.
      let node = this.free;
      let left = count;
      while (node !== 0 && left > 0) {
        left--;
        node = this.nodes[node * NODE_WORDS + CHILDREN];
      }
      if (left === 0) return true;
    }
    if (this.fresh + count > this.mostNodes) return false;
    const capacity = this.nodes.length / NODE_WORDS;
    if (this.fresh + count <= capacity) return true;
    const wanted = Math.min(this.mostNodes, Math.max(capacity * 2, this.fresh + count));
    try {
      const grown = new Int32Array(wanted * NODE_WORDS);
      grown.set(this.nodes);
      this.nodes = grown;
    } catch {
      // The machine has less memory than was allowed: it stays at what there is, and what finds no room is counted.
      this.mostNodes = capacity;
      return false;
    }
    return true;
  }

  private take(): number {
    const node = this.free;
    if (node === 0) return this.fresh++;
    this.free = this.nodes[node * NODE_WORDS + CHILDREN];
    this.nodes[node * NODE_WORDS + CHILDREN] = 0;
    return node;
  }

  /** Gives back a node that is empty. */
  private give(node: number): void {
    this.epoch++;
    this.nodes[node * NODE_WORDS + CHILDREN] = this.free;
    this.free = node;
  }
}

/** Where in `jumps` these 32 bits stand. */
function jumpSlot(word: number): number {
  return (Math.imul(word, 0x9e3779b1) >>> (32 - JUMP_SLOT_BITS)) * JUMP_WORDS;
}

/** Place in the root's heap of the first `length` bits of 16. */
function heapPlace(head: number, length: number): number {
  return (1 << length) | (head >>> (ROOT_BITS - length));
}

/** The four bits of the address from `depth` on. */
function partAt(words: Int32Array, depth: number): number {
  return (words[depth >>> 5] >>> (32 - STRIDE - (depth & 31))) & (FAN - 1);
}

/** Place within a node of a prefix that ends in it. */
function placeAt(words: Int32Array, depth: number, length: number): number {
  const own = length - depth;
  return (1 << own) | (partAt(words, depth) >>> (STRIDE - own));
}
