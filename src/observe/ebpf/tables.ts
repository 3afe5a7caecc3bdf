import { readFileSync } from 'node:fs';
import { Bpf, closeDescriptor, Drain, MapType, TcxHook } from '../../system/bpf.js';
import { COUNTER_BYTES, Counter, DATAGRAM_BYTES, KEY_BYTES, VALUE_BYTES } from './layout.js';
import { flowProgram } from './program.js';

/** Interfaces with counters of their own. */
export const MAX_SLOTS = 1024;
/** Datagrams whose later fragments are waited for. */
const DATAGRAMS = 4096;
/** Bytes of an entry: key, value, and what the kernel needs for it; and the same once more for us. */
const ENTRY_BYTES = 2 * (KEY_BYTES + VALUE_BYTES + 64) + KEY_BYTES + VALUE_BYTES + 16;

/** What an interface's program has counted. */
export interface SlotCounts {
  packets: number;
  dropped: number;
  superFrames: number;
  segments: number;
}

/** Entries of the flow maps that fit into so much memory. */
export function entriesOf(bytes: number): number {
  return Math.max(1024, Math.floor(bytes / ENTRY_BYTES));
}

/**
 * The kernel's side: two maps of flows, of which programs fill one while the other is emptied, counters, and the programs
 * themselves.
 */
export class Tables {
  readonly drain: Drain;
  private readonly bpf: Bpf;
  private readonly cpus: number;
  private readonly tosInKey: boolean;
  private readonly descriptors: number[] = [];
  private readonly current: number;
  private readonly counters: number;
  private readonly datagrams: number;
  private readonly flows: readonly number[];
  /** Which of the two is filled; −1: none. */
  private filled = -1;

  /** @throws SystemError */
  constructor(entries: number, tosInKey: boolean) {
    this.tosInKey = tosInKey;
    this.cpus = possibleCpus();
    this.bpf = new Bpf(this.cpus * COUNTER_BYTES);
    try {
      const flows = { type: MapType.hash, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, entries };
      this.flows = [this.map({ ...flows, name: 'rheo_flows_0' }), this.map({ ...flows, name: 'rheo_flows_1' })];
      const words = { keyBytes: 4, valueBytes: 4, entries: 1 };
      this.current = this.map({ ...words, type: MapType.arrayOfMaps, name: 'rheo_current', inner: this.flows[0] });
      this.counters = this.map({
        type: MapType.perCpuArray,
        name: 'rheo_counters',
        keyBytes: 4,
        valueBytes: COUNTER_BYTES,
        entries: MAX_SLOTS,
      });
      this.datagrams = this.map({
        type: MapType.lruHash,
        name: 'rheo_datagrams',
        keyBytes: DATAGRAM_BYTES,
        valueBytes: 4,
        entries: DATAGRAMS,
      });
      this.drain = new Drain(KEY_BYTES, VALUE_BYTES, entries);
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
    const { bpf, tosInKey } = this;
    const maps = { current: this.current, counters: this.counters, datagrams: this.datagrams };
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
   * Lets programs fill the other map from now on, or none, and begins to drain the one that they have filled.
   * @throws SystemError
   */
  async exchange(open: boolean): Promise<void> {
    const before = this.filled;
    const next = open ? (before === 0 ? 1 : 0) : -1;
    if (before === next) return;
    await this.bpf.exchange(this.current, 0, next === -1 ? undefined : this.flows[next]);
    this.filled = next;
    if (before !== -1) this.drain.begin(this.flows[before]);
  }

  get open(): boolean {
    return this.filled !== -1;
  }

  /** What the programs have counted for an interface since the beginning. @throws SystemError */
  read(slot: number, counts: SlotCounts): void {
    const view = this.bpf.lookup(this.counters, slot, this.cpus * COUNTER_BYTES);
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
