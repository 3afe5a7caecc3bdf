import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Bpf, closeDescriptor, MapType, TcxHook } from '../../system/bpf.js';
import { Region } from '../../system/memory.js';
import type { ProgramMaps } from './code.js';
import { BUCKET_BYTES, COUNTER_BYTES, Counter, DATAGRAM_BYTES, Head, RECORD_BYTES } from './layout.js';
import { flowProgram } from './program.js';

/** Interfaces with counters of their own. */
export const MAX_SLOTS = 1024;
/** Datagrams whose later fragments are waited for. */
const DATAGRAMS = 4096;
/** Two maps have it, and between one and two buckets. */
const RECORD_COST = 2 * RECORD_BYTES + 2 * BUCKET_BYTES;
const LEAST_RECORDS = 1024;
const MOST_RECORDS = 1 << 22;

/** What an interface's program has counted. */
export interface SlotCounts {
  packets: number;
  dropped: number;
  superFrames: number;
  segments: number;
}

/** Records of a map, if all maps together may take so much memory. */
export function recordsOf(bytes: number): number {
  return Math.min(MOST_RECORDS, Math.max(LEAST_RECORDS, Math.floor(bytes / RECORD_COST)));
}

/** A map of records, which is seen from here, too. */
interface RecordMap {
  readonly fd: number;
  readonly view: DataView;
}

/**
 * The kernel's side: two maps of records, of which programs fill one while the other is read; buckets, by which programs
 * find records; counters; and the programs themselves.
 */
export class Tables {
  private readonly bpf: Bpf;
  private readonly cpus: number;
  private readonly tosInKey: boolean;
  private readonly descriptors: number[] = [];
  private readonly maps: ProgramMaps;
  private readonly recordMaps: readonly RecordMap[];
  /** Which of the two is filled; −1: none. */
  private filled = -1;
  private generation = 0;

  /** @param records of each map, the head included @throws SystemError */
  constructor(records: number, tosInKey: boolean) {
    this.tosInKey = tosInKey;
    this.cpus = possibleCpus();
    this.bpf = new Bpf(this.cpus * COUNTER_BYTES);
    try {
      this.recordMaps = [this.recordMap('rheo_flows_0', records), this.recordMap('rheo_flows_1', records)];
      const bucketCount = 2 ** Math.ceil(Math.log2(records));
      const array = { keyBytes: 4, type: MapType.array };
      this.maps = {
        records,
        bucketCount,
        seed: randomBytes(8).readBigUInt64LE(),
        buckets: this.map({ ...array, name: 'rheo_buckets', valueBytes: BUCKET_BYTES, entries: bucketCount }),
        current: this.map({
          ...array,
          type: MapType.arrayOfMaps,
          name: 'rheo_current',
          valueBytes: 4,
          entries: 1,
          inner: this.recordMaps[0].fd,
        }),
        counters: this.map({
          ...array,
          type: MapType.perCpuArray,
          name: 'rheo_counters',
          valueBytes: COUNTER_BYTES,
          entries: MAX_SLOTS,
        }),
        datagrams: this.map({
          type: MapType.lruHash,
          name: 'rheo_datagrams',
          keyBytes: DATAGRAM_BYTES,
          valueBytes: 4,
          entries: DATAGRAMS,
        }),
      };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Loads and attaches the programs of an interface of the thread's network namespace.
   * @returns descriptors; closing them detaches the programs
   * @throws SystemError VerifierError
   */
  attach(kernelIndex: number, slot: number, ethernet: boolean, directions: readonly (1 | 2)[]): number[] {
    const { bpf, maps, tosInKey } = this;
    const links: number[] = [];
    try {
      for (const direction of directions) {
        const code = flowProgram(maps, { ethernet, direction, slot, tosInKey });
        const program = bpf.loadProgram(code, direction === 1 ? 'rheo_in' : 'rheo_out');
        try {
          links.push(bpf.attach(program, kernelIndex, direction === 1 ? TcxHook.ingress : TcxHook.egress));
        } finally {
          // The link holds it.
          closeDescriptor(program);
        }
      }
    } catch (error) {
      for (const link of links) closeDescriptor(link);
      throw error;
    }
    return links;
  }

  /**
   * Lets programs fill the other map from now on, or none. When it is done, no program writes to the former one any more,
   * which stays as it is until the next call.
   * @returns the records of the former map, the first one being its head; undefined if there was none
   * @throws SystemError
   */
  async exchange(open: boolean): Promise<DataView | undefined> {
    const { recordMaps, filled } = this;
    const next = open ? (filled === 0 ? 1 : 0) : -1;
    if (next === -1) await this.bpf.exchange(this.maps.current, 0, undefined);
    else {
      const { fd, view } = recordMaps[next];
      view.setUint32(Head.next, 1, true);
      view.setUint32(Head.next + 4, 0, true);
      view.setUint32(Head.generation, ++this.generation, true);
      await this.bpf.exchange(this.maps.current, 0, fd);
    }
    this.filled = next;
    return filled === -1 ? undefined : recordMaps[filled].view;
  }

  /** Records that there are in the map that is filled, the head included; 0 if there is none. */
  get begun(): number {
    return this.filled === -1 ? 0 : this.countIn(this.recordMaps[this.filled].view);
  }

  /** Records of a map, the head included. */
  countIn(view: DataView): number {
    // Some more may have been wanted than there are.
    return Math.min(this.maps.records, read64(view, Head.next));
  }

  get capacity(): number {
    return this.maps.records;
  }

  get open(): boolean {
    return this.filled !== -1;
  }

  /** What the programs have counted for an interface since the beginning. @throws SystemError */
  read(slot: number, counts: SlotCounts): void {
    const view = this.bpf.lookup(this.maps.counters, slot, this.cpus * COUNTER_BYTES);
    counts.packets = 0;
    counts.dropped = 0;
    counts.superFrames = 0;
    counts.segments = 0;
    for (let at = 0; view !== undefined && at < view.byteLength; at += COUNTER_BYTES) {
      counts.packets += read64(view, at + Counter.packets);
      counts.dropped += read64(view, at + Counter.dropped);
      counts.superFrames += read64(view, at + Counter.superFrames);
      counts.segments += read64(view, at + Counter.segments);
    }
  }

  close(): void {
    for (const fd of this.descriptors.splice(0)) closeDescriptor(fd);
  }

  private recordMap(name: string, entries: number): RecordMap {
    const fd = this.map({
      type: MapType.array,
      name,
      keyBytes: 4,
      valueBytes: RECORD_BYTES,
      entries,
      mapped: true,
    });
    const region = new Region((entries * RECORD_BYTES + 4095) & ~4095);
    region.map(fd, 0, region.length);
    return { fd, view: new DataView(region.buffer) };
  }

  private map(spec: Parameters<Bpf['createMap']>[0]): number {
    const fd = this.bpf.createMap(spec);
    this.descriptors.push(fd);
    return fd;
  }
}

export function read64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** CPUs that there can be: values of per-CPU maps have so many parts. The file says '0-3', or '0'. */
function possibleCpus(): number {
  const last = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(/[-,]/).at(-1);
  return Number(last) + 1;
}
