import { Assembler, Reg, type Width } from './assembler.js';
import { Packet, Role, Stack } from './stack.js';

/** Helpers that the program calls, linux/bpf.h. */
export const Helper = { mapLookup: 1, mapUpdate: 2, loadBytes: 26, bootNanos: 125 } as const;

const { r0, r1, r2, r3, r4, fp } = Reg;
const { packet, header, offset } = Role;

export interface ProgramMaps {
  /** Array of maps with one entry: the map of records that is filled now; without an entry nothing is counted. */
  readonly current: number;
  /** Records of such a map, the head included. */
  readonly records: number;
  /** `BUCKET_BYTES` each, a power of two of them. */
  readonly buckets: number;
  readonly bucketCount: number;
  /** For the hash of keys. */
  readonly seed: bigint;
  readonly counters: number;
  readonly datagrams: number;
}

export interface ProgramOptions {
  /** Frames begin with an Ethernet header; else with IP. */
  readonly ethernet: boolean;
  /** 1 in, 2 out. */
  readonly direction: 1 | 2;
  /** Index of the interface in the source's list. */
  readonly slot: number;
  /** ToS is part of the key. */
  readonly tosInKey: boolean;
}

/** The program as it grows: the assembler, and what several parts of the program need. */
export class Code {
  readonly out: Assembler = new Assembler();
  readonly maps: ProgramMaps;
  readonly options: ProgramOptions;
  /** Refusals to which parts of the program jump. */
  readonly reasons: Set<number> = new Set();
  private windows = 0;

  constructor(maps: ProgramMaps, options: ProgramOptions) {
    this.maps = maps;
    this.options = options;
  }

  /** Label of the place where the packet is refused for this reason (`Refusal`). */
  reason(refusal: number): string {
    this.reasons.add(refusal);
    return `reason${refusal}`;
  }

  /** r0: where the value stands of a key on the stack, of the map that r1 points to; 0: there is none. */
  find(key: number): void {
    this.stackAddress(r2, key);
    this.out.call(Helper.mapLookup);
  }

  /** The same with a map that is known by its descriptor. */
  lookup(map: number, key: number): void {
    this.out.loadMap(r1, map);
    this.find(key);
  }

  stackAddress(to: Reg, at: number): void {
    this.out.alu('mov', to, fp);
    this.out.aluImm('add', to, at);
  }

  /** Adds one to a counter. Counters are of this CPU alone, and programs do not interrupt each other there. */
  increment(counters: Reg, counter: number): void {
    const { out } = this;
    out.load(8, r1, counters, counter);
    out.aluImm('add', r1, 1);
    out.store(8, counters, counter, r1);
  }

  /** Copies a field of the header in hand into the key. */
  copy(width: Width, from: number, to: number): void {
    this.out.load(width, r1, header, from);
    this.out.store(width, fp, Stack.key + to, r1);
  }

  /**
   * Takes `count` bytes of the packet, from the offset on, in hand: in the packet itself, or, where they are not in one
   * piece there, copied to the stack. Changes r0 to r5.
   * @param refusal if the packet ends before
   */
  window(count: number, refusal: number): void {
    const { out } = this;
    const here = `window${this.windows++}`;
    out.load(4, header, packet, Packet.data);
    out.load(4, r2, packet, Packet.end);
    out.alu('add', header, offset);
    out.alu('mov', r3, header);
    out.aluImm('add', r3, count);
    out.jumpIf('le', r3, r2, here);
    this.copiedWindow(count, refusal);
    out.label(here);
  }

  /** The same, but always copied: for what is rare, as it leaves the kernel fewer ways to verify. */
  copiedWindow(count: number, refusal: number): void {
    const { out } = this;
    out.alu('mov', r1, packet);
    out.alu('mov', r2, offset);
    this.stackAddress(r3, Stack.window);
    out.aluImm('mov', r4, count);
    out.call(Helper.loadBytes);
    out.jumpIfImm('ne', r0, 0, this.reason(refusal));
    this.stackAddress(header, Stack.window);
  }
}
