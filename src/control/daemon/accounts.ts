import type { LiveInterface } from '../../model/live-source.js';
import type { Time } from '../../model/summary.js';
import type { ShardReport, Tally } from '../report.js';
import type { Shard } from '../shard.js';

/** Numbers of one interface, by position. */
export const IFACE_FIELDS = [
  'kernel',
  'packets',
  'bytes',
  'received',
  'transmitted',
  'dropped',
  'waiting',
  'superFrames',
  'segments',
  'duplicates',
] as const;
export type IfaceField = (typeof IFACE_FIELDS)[number];
export type InterfaceCounts = Record<IfaceField, number>;

/** Interfaces with accounts of their own; those of further ones are added to the last. */
const MOST_INTERFACES = 1024;
const VERDICTS = 32;
const NOTICES = 32;
const REASONS = 8;

/** Words (doubles) of a block: single numbers, then columns. */
const At = {
  packets: 0,
  wireBytes: 1,
  firstSeconds: 2,
  firstNanos: 3,
  lastSeconds: 4,
  lastNanos: 5,
  metered: 6,
  octets: 7,
  opened: 8,
  live: 9,
  peak: 10,
  records: 11,
  dropped: 12,
  bytesRead: 13,
  clockSeconds: 14,
  interfaces: 15,
  verdicts: 16,
  notices: 16 + VERDICTS,
  ended: 16 + VERDICTS + NOTICES,
  iface: 16 + VERDICTS + NOTICES + REASONS,
} as const;
const BLOCK = At.iface + MOST_INTERFACES * IFACE_FIELDS.length;

/** Control words (32 bits) in front of the two blocks. */
const Word = { sequence: 0, looks: 1, gapMicros: 2 } as const;
const CONTROL_BYTES = 64;

export const ACCOUNTS_BYTES: number = CONTROL_BYTES + 2 * BLOCK * 8;

/** The accounts of a shard at one moment between two batches. */
export interface LiveReport extends ShardReport {
  /** Records that were dropped in the shard, as the main thread was too slow. */
  recordsDropped: number;
  bytesRead: number;
  /** Time of the meter in seconds. */
  clockSeconds: number;
  interfaces: InterfaceCounts[];
}

/**
 * Accounts of a shard in shared memory: written by it between batches, read by the main thread at any time without asking,
 * also when the thread has died. There are two blocks, of which one is whole at every moment.
 */
export class Accounts {
  readonly memory: SharedArrayBuffer;
  private readonly control: Int32Array;
  private readonly blocks: readonly Float64Array[];

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(ACCOUNTS_BYTES)) {
    this.memory = memory;
    this.control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.blocks = [0, 1].map((n) => new Float64Array(memory, CONTROL_BYTES + n * BLOCK * 8, BLOCK));
  }

  // --- the shard ----------------------------------------------------------------------------------------------------

  /** Writes all accounts as of now. */
  publish(
    shard: Shard,
    tally: Tally,
    recordsDropped: number,
    source: { bytes: number },
    clockSeconds: number,
    interfaces: readonly LiveInterface[],
  ): void {
    const sequence = Atomics.load(this.control, Word.sequence);
    const block = this.blocks[(sequence + 1) & 1];
    const { counters } = shard.meter;
    block[At.packets] = tally.packets;
    block[At.wireBytes] = tally.wireBytes;
    block[At.firstSeconds] = tally.first?.seconds ?? 0;
    block[At.firstNanos] = tally.first?.nanos ?? 0;
    block[At.lastSeconds] = tally.lastSeconds;
    block[At.lastNanos] = tally.lastNanos;
    block[At.metered] = counters.packets;
    block[At.octets] = counters.octets;
    block[At.opened] = counters.opened;
    block[At.live] = shard.meter.live;
    block[At.peak] = counters.peak;
    block[At.records] = shard.meter.records.count;
    block[At.dropped] = recordsDropped;
    block[At.bytesRead] = source.bytes;
    block[At.clockSeconds] = clockSeconds;
    block.set(shard.decoder.verdicts, At.verdicts);
    block.set(shard.decoder.notices, At.notices);
    block.set(counters.ended, At.ended);
    const count = Math.min(interfaces.length, MOST_INTERFACES);
    block[At.interfaces] = count;
    block.fill(0, At.iface, At.iface + count * IFACE_FIELDS.length);
    for (let k = 0; k < interfaces.length; k++) {
      const to = At.iface + Math.min(k, MOST_INTERFACES - 1) * IFACE_FIELDS.length;
      for (let f = 0; f < IFACE_FIELDS.length; f++) block[to + f] += interfaces[k][IFACE_FIELDS[f]];
    }
    Atomics.store(this.control, Word.sequence, sequence + 1);
  }

  /** Counts a look at the source, and the time since the one before, in ms. */
  noteLook(gapMs: number): void {
    const { control } = this;
    control[Word.looks]++;
    const micros = gapMs * 1000;
    if (micros > control[Word.gapMicros]) Atomics.store(control, Word.gapMicros, Math.min(micros, 0x7fffffff));
  }

  // --- the main thread ----------------------------------------------------------------------------------------------

  /** Looks at the source so far (32 bits): it does not stand still while the thread lives. */
  get looks(): number {
    return this.control[Word.looks];
  }

  /** Longest time between two looks since the last call, in ms. */
  takeLongestGap(): number {
    return Atomics.exchange(this.control, Word.gapMicros, 0) / 1000;
  }

  read(): LiveReport {
    for (;;) {
      const sequence = Atomics.load(this.control, Word.sequence);
      const block = this.blocks[sequence & 1].slice();
      // The shard writes into the other block; only if it has published twice meanwhile can this copy be mixed.
      if (Atomics.load(this.control, Word.sequence) - sequence < 2) return reportOf(block);
    }
  }
}

function reportOf(block: Float64Array): LiveReport {
  const packets = block[At.packets];
  const time = (seconds: number, nanos: number): Time | undefined =>
    packets === 0 ? undefined : { seconds: block[seconds], nanos: block[nanos] };
  return {
    packets,
    wireBytes: block[At.wireBytes],
    first: time(At.firstSeconds, At.firstNanos),
    last: time(At.lastSeconds, At.lastNanos),
    verdicts: block.slice(At.verdicts, At.verdicts + VERDICTS),
    notices: block.slice(At.notices, At.notices + NOTICES),
    metered: block[At.metered],
    octets: block[At.octets],
    opened: block[At.opened],
    live: block[At.live],
    ended: block.slice(At.ended, At.ended + REASONS),
    peak: block[At.peak],
    records: block[At.records],
    recordsDropped: block[At.dropped],
    bytesRead: block[At.bytesRead],
    clockSeconds: block[At.clockSeconds],
    interfaces: Array.from({ length: block[At.interfaces] }, (_, k) => {
      const from = At.iface + k * IFACE_FIELDS.length;
      return Object.fromEntries(IFACE_FIELDS.map((name, f) => [name, block[from + f]])) as InterfaceCounts;
    }),
  };
}

/** The accounts of two lives of a shard together. */
export function addReports(x: ShardReport, y: ShardReport): ShardReport {
  const columns = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, k) => value + b[k]);
  return {
    packets: x.packets + y.packets,
    wireBytes: x.wireBytes + y.wireBytes,
    first: x.first ?? y.first,
    last: y.last ?? x.last,
    verdicts: columns(x.verdicts, y.verdicts),
    notices: columns(x.notices, y.notices),
    metered: x.metered + y.metered,
    octets: x.octets + y.octets,
    opened: x.opened + y.opened,
    live: x.live + y.live,
    ended: columns(x.ended, y.ended),
    peak: Math.max(x.peak, y.peak),
    records: x.records + y.records,
    lost: (x.lost ?? 0) + (y.lost ?? 0),
  };
}
