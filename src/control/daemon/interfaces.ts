import type { LiveInterface } from '../../model/live-source.js';
import type { RecordBatch } from '../../model/record-batch.js';
import { Row } from '../../model/row.js';
import type { Interface } from '../../model/source.js';
import { IFACE_FIELDS, type InterfaceCounts } from './accounts.js';

interface Entry {
  /** As the first shard that told of it has it; `index` is ours. */
  iface: LiveInterface;
  /** Counts of shards that are over. */
  readonly past: InterfaceCounts;
}

function noCounts(): InterfaceCounts {
  return Object.fromEntries(IFACE_FIELDS.map((name) => [name, 0])) as InterfaceCounts;
}

function add(to: InterfaceCounts, counts: InterfaceCounts): void {
  for (const name of IFACE_FIELDS) to[name] += counts[name];
}

/** An interface that a shard counts for and has not told of yet. */
function untold(shard: number, k: number): LiveInterface {
  return {
    ...noCounts(),
    index: 0,
    name: `number ${k} of thread ${shard}`,
    linkType: 0,
    snapLength: 0,
    kernelIndex: 0,
    state: 'up',
    sampledOneIn: 1,
    lastError: undefined,
  };
}

/**
 * The interfaces of all shards together. Each shard numbers them for itself, in the order in which it met them; here the
 * same name has the same number for all of them, also after a shard has begun anew.
 */
export class InterfaceTable {
  /** For exporters: grows, and an entry keeps its index. */
  readonly list: Interface[] = [];
  private readonly entries: Entry[] = [];
  /** By shard: what the shard says, and our index of each of its interfaces. */
  private readonly told: LiveInterface[][] = [];
  private readonly numbers: Int32Array[] = [];

  /** A shard tells of its interfaces. Returns those whose state has changed, with their names as messages. */
  tell(shard: number, interfaces: readonly LiveInterface[]): string[] {
    const changes: string[] = [];
    const before = this.told[shard] ?? [];
    const seen = new Map<string, number>();
    this.numbers[shard] = Int32Array.from(interfaces, (one, k) => {
      // Several may have one name (captures that were merged).
      const nth = (seen.get(one.name) ?? 0) + 1;
      seen.set(one.name, nth);
      const number = this.find(one, nth);
      const old = before[k];
      if (old !== undefined && old.state !== one.state) {
        const why = one.lastError === undefined ? '' : `: ${one.lastError}`;
        changes.push(`interface ${one.name} is ${one.state}${why}`);
      }
      return number;
    });
    this.told[shard] = [...interfaces];
    return changes;
  }

  private find(one: LiveInterface, nth: number): number {
    let left = nth;
    for (const [index, { iface }] of this.entries.entries()) {
      if (iface.name === one.name && --left === 0) return index;
    }
    const index = this.entries.length;
    const iface = { ...one, index };
    this.entries.push({ iface, past: noCounts() });
    this.list.push(iface);
    return index;
  }

  /** Our index of an interface of a shard; undefined: the shard has not told of it yet. */
  numberOf(shard: number, own: number): number | undefined {
    const numbers = this.numbers[shard];
    return numbers !== undefined && own < numbers.length ? numbers[own] : undefined;
  }

  /** Puts our numbers into the records of a shard. */
  renumber(shard: number, batch: RecordBatch): void {
    const numbers = this.numbers[shard];
    if (numbers === undefined || numbers.every((number, k) => number === k)) return;
    const { words } = batch;
    const { stride } = batch.layout;
    for (let at = Row.iface, end = batch.count * stride; at < end; at += stride) {
      const own = words[at];
      if (own >= 0 && own < numbers.length) words[at] = numbers[own];
    }
  }

  /** A shard is over: its counts stay. What waited in its ring is dropped. */
  fold(shard: number, counts: readonly InterfaceCounts[]): void {
    const numbers = this.numbers[shard] ?? new Int32Array(0);
    for (const [k, one] of counts.entries()) {
      const number = numbers[k] ?? this.find(untold(shard, k), 1);
      add(this.entries[number].past, { ...one, dropped: one.dropped + one.waiting, waiting: 0 });
    }
    this.numbers[shard] = new Int32Array(0);
    this.told[shard] = [];
  }

  /** All interfaces with the counts of all shards. @param counts of the shards that live, by shard */
  merge(counts: readonly (readonly InterfaceCounts[] | undefined)[]): LiveInterface[] {
    const sums = this.entries.map(({ past }) => ({ ...past }));
    const states = this.entries.map((): LiveInterface[] => []);
    for (const [shard, numbers] of this.numbers.entries()) {
      for (const [k, number] of (numbers ?? []).entries()) {
        const one = counts[shard]?.[k];
        if (one !== undefined) add(sums[number], one);
        states[number].push(this.told[shard][k]);
      }
    }
    const untoldOf: LiveInterface[] = [];
    for (const [shard, all] of counts.entries()) {
      // Counts may be there before the message that tells the name.
      for (const [k, one] of (all ?? []).entries()) {
        if (k < (this.numbers[shard]?.length ?? 0)) continue;
        untoldOf.push({ ...untold(shard, k), ...one, index: this.entries.length + untoldOf.length });
      }
    }
    const merged = this.entries.map(({ iface }, index): LiveInterface => {
      const told = states[index];
      const [first] = told;
      const state = told.some((one) => one.state === 'up') ? 'up' : (first?.state ?? 'gone');
      const lastError = told.find((one) => one.lastError !== undefined)?.lastError;
      return { ...iface, ...first, index, ...sums[index], state, lastError };
    });
    return merged.concat(untoldOf);
  }
}
