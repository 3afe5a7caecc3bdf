import { check, errno, libc, loadKoffi, SystemError } from './libc.js';
import { Region } from './memory.js';

/** Commands of bpf(2), linux/bpf.h. */
const MAP_CREATE = 0;
const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const PROG_LOAD = 5;
const LINK_CREATE = 28;

const PROGRAM_SCHED_CLS = 3;

/** enum bpf_map_type. */
export const MapType = { array: 2, perCpuArray: 6, lruHash: 9, arrayOfMaps: 12 } as const;
const MMAPABLE = 1 << 10;

/** Where a program of the traffic control layer is attached: enum bpf_attach_type. */
export const TcxHook = { ingress: 46, egress: 47 } as const;
export type TcxHook = (typeof TcxHook)[keyof typeof TcxHook];

/** Number of the system call by machine; those that are not here have 280. */
const CALLS: Readonly<Record<string, number>> = { x64: 321, ia32: 357, arm: 386, s390x: 351, ppc64: 361 };
const GENERIC_CALL = 280;

/** Long enough for every command that is used. */
const ATTRIBUTE_BYTES = 128;
const LOG_BYTES = 1 << 18;
/** Last characters of the verifier's log that are worth telling. */
const LOG_TOLD = 600;
const NAME_BYTES = 16;

const EAGAIN = 11;
const EINTR = 4;
const ENOENT = 2;

type Call = (number: number, command: number, attributes: number, length: number) => number;
type Done = (error: Error | null, result: number) => void;
type AsyncCall = (number: number, command: number, attributes: number, length: number, done: Done) => void;

let functions: { now: Call; later: AsyncCall } | undefined;
const number = CALLS[process.arch] ?? GENERIC_CALL;

function calls(): { now: Call; later: AsyncCall } {
  if (functions === undefined) {
    const now = loadKoffi()
      .load(null)
      .func('intptr_t syscall(intptr_t, intptr_t, uintptr_t, uintptr_t)') as unknown as Call & { async: AsyncCall };
    functions = { now, later: now.async };
  }
  return functions;
}

/** The kernel's answer to a program that it refuses. */
export class VerifierError extends SystemError {
  /** End of the verifier's log; empty if it has written none. */
  readonly log: string;

  constructor(number: number, log: string) {
    super('BPF_PROG_LOAD', number);
    this.log = log;
  }
}

export interface MapSpec {
  readonly type: number;
  readonly name: string;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entries: number;
  /** An array that `Region.map` can map. */
  readonly mapped?: boolean;
  /** For arrays of maps: a map as those that will stand in it. */
  readonly inner?: number;
}

/**
 * bpf(2): maps, programs and links, without a compiler and without a library. Programs, maps and links live as long as
 * their descriptors: when the process ends, however it ends, nothing of them stays behind.
 */
export class Bpf {
  /** Attributes, then a key, then a value, in memory that does not move. */
  private readonly region: Region;
  private readonly view: DataView;
  /** The same for `exchange`: others may be written while that is under way. */
  private readonly exchanged: Region = new Region(4096);
  private readonly keyAt: number;
  private readonly valueAt: number;

  /** @param valueBytes longest value that is read or written one by one */
  constructor(valueBytes: number) {
    this.keyAt = ATTRIBUTE_BYTES;
    this.valueAt = ATTRIBUTE_BYTES + 64;
    this.region = new Region((this.valueAt + valueBytes + 4095) & ~4095);
    this.view = new DataView(this.region.buffer);
  }

  /** @returns the descriptor @throws SystemError */
  createMap({ type, name, keyBytes, valueBytes, entries, mapped, inner }: MapSpec): number {
    const { view } = this;
    this.clear();
    view.setUint32(0, type, true);
    view.setUint32(4, keyBytes, true);
    view.setUint32(8, valueBytes, true);
    view.setUint32(12, entries, true);
    if (mapped === true) view.setUint32(16, MMAPABLE, true);
    if (inner !== undefined) view.setUint32(20, inner, true);
    this.setName(28, name);
    return check('BPF_MAP_CREATE', this.call(MAP_CREATE, 72));
  }

  /**
   * Loads a program for the traffic control layer.
   * @param instructions as in assembler.ts: 8 bytes each
   * @returns the descriptor @throws VerifierError
   */
  loadProgram(instructions: Uint8Array, name: string): number {
    const fd = this.load(instructions, name, undefined);
    if (fd !== -1) return fd;
    const number = errno();
    // Once more, for the reason. Right after a refusal the log costs nobody anything.
    const log = new Region(LOG_BYTES);
    const again = this.load(instructions, name, log);
    if (again !== -1) return again;
    const bytes = Buffer.from(log.buffer);
    const end = bytes.indexOf(0);
    const text = bytes.toString('latin1', 0, end === -1 ? LOG_BYTES : end).trim();
    throw new VerifierError(number, text.slice(-LOG_TOLD));
  }

  /**
   * Attaches a program to an interface of the thread's network namespace; it is detached when the descriptor is closed.
   * Needs Linux 6.6.
   * @returns the descriptor of the link @throws SystemError
   */
  attach(program: number, kernelIndex: number, hook: TcxHook): number {
    const { view } = this;
    this.clear();
    view.setUint32(0, program, true);
    view.setUint32(4, kernelIndex, true);
    view.setUint32(8, hook, true);
    return check('BPF_LINK_CREATE', this.call(LINK_CREATE, 64));
  }

  /** Value of a key of 32 bits: a view that holds until the next call. Undefined: there is none. @throws SystemError */
  lookup(map: number, key: number, valueBytes: number): DataView | undefined {
    this.element(map, key);
    if (this.call(MAP_LOOKUP_ELEM, 32) !== -1) {
      return new DataView(this.region.buffer, this.valueAt, valueBytes);
    }
    if (errno() === ENOENT) return undefined;
    throw new SystemError('BPF_MAP_LOOKUP_ELEM', errno());
  }

  /**
   * Puts a map into an array of maps, or takes out what is there. When it is done, no program uses the former one any
   * more: the kernel waits for those that were running, which takes some milliseconds, in another thread. One at a time.
   */
  async exchange(array: number, key: number, inner: number | undefined): Promise<void> {
    const region = this.exchanged;
    const view = new DataView(region.buffer);
    view.setUint32(0, array, true);
    view.setBigUint64(8, BigInt(region.address + this.keyAt), true);
    view.setUint32(this.keyAt, key, true);
    view.setBigUint64(16, 0n, true);
    let command = MAP_DELETE_ELEM;
    if (inner !== undefined) {
      command = MAP_UPDATE_ELEM;
      view.setBigUint64(16, BigInt(region.address + this.valueAt), true);
      view.setUint32(this.valueAt, inner, true);
    }
    const result = await new Promise<number>((resolve, reject) => {
      calls().later(number, command, region.address, 32, (error, value) => {
        // From inside the callback promises would not go on: it does not come from Node.
        setImmediate(() => (error ? reject(error) : resolve(value)));
      });
    });
    if (result !== -1) return;
    // The error number stayed in the other thread: once more, here.
    view.setUint32(0, array, true);
    check(
      inner === undefined ? 'BPF_MAP_DELETE_ELEM' : 'BPF_MAP_UPDATE_ELEM',
      calls().now(number, command, region.address, 32),
    );
  }

  private load(instructions: Uint8Array, name: string, log: Region | undefined): number {
    const { view } = this;
    const code = new Region((instructions.length + 16 + 4095) & ~4095);
    const bytes = new Uint8Array(code.buffer);
    bytes.set(instructions);
    // The programs call nothing that is for GPL programs only.
    bytes.set(Buffer.from('Apache-2.0'), instructions.length);
    this.clear();
    view.setUint32(0, PROGRAM_SCHED_CLS, true);
    view.setUint32(4, instructions.length / 8, true);
    view.setBigUint64(8, BigInt(code.address), true);
    view.setBigUint64(16, BigInt(code.address + instructions.length), true);
    if (log !== undefined) {
      view.setUint32(24, 1, true);
      view.setUint32(28, log.length, true);
      view.setBigUint64(32, BigInt(log.address), true);
    }
    this.setName(48, name);
    for (;;) {
      const fd = this.call(PROG_LOAD, 72);
      // The verifier gives up when a signal comes.
      if (fd !== -1 || (errno() !== EAGAIN && errno() !== EINTR)) return fd;
    }
  }

  private element(map: number, key: number): void {
    const { view, region } = this;
    this.clear();
    view.setUint32(0, map, true);
    view.setBigUint64(8, BigInt(region.address + this.keyAt), true);
    view.setBigUint64(16, BigInt(region.address + this.valueAt), true);
    view.setUint32(this.keyAt, key, true);
  }

  private clear(): void {
    new Uint8Array(this.region.buffer, 0, ATTRIBUTE_BYTES).fill(0);
  }

  private setName(at: number, name: string): void {
    for (let k = 0; k < name.length && k < NAME_BYTES - 1; k++) this.view.setUint8(at + k, name.charCodeAt(k));
  }

  private call(command: number, length: number): number {
    return calls().now(number, command, this.region.address, length);
  }
}

export function closeDescriptor(fd: number): void {
  libc().close(fd);
}
