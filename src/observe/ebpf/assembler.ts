/** Registers of eBPF (RFC 9669 §2): r0 result, r1–r5 arguments, r6–r9 kept over calls, fp the end of the stack. */
export const Reg = { r0: 0, r1: 1, r2: 2, r3: 3, r4: 4, r5: 5, r6: 6, r7: 7, r8: 8, r9: 9, fp: 10 } as const;
export type Reg = (typeof Reg)[keyof typeof Reg];

/** Arithmetic operations, and the widths of loads and stores (RFC 9669 §4, §5). */
const OPERATIONS = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  xor: 0xa0,
  mov: 0xb0,
} as const;
/** FETCH: the register gets what was there. */
const FETCH = 0x01;
const ATOMIC_OPERATIONS = { add: 0x00, or: 0x40, fetchAdd: 0x00 | FETCH, exchange: 0xe0 | FETCH } as const;
const CONDITIONS = { eq: 0x10, gt: 0x20, ge: 0x30, set: 0x40, ne: 0x50, lt: 0xa0, le: 0xb0 } as const;
const WIDTHS = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
export type Operation = keyof typeof OPERATIONS;
export type AtomicOperation = keyof typeof ATOMIC_OPERATIONS;
export type Condition = keyof typeof CONDITIONS;
export type Width = keyof typeof WIDTHS;

const ALU64 = 0x07;
const ALU32 = 0x04;
const JMP = 0x05;
const LDX = 0x61;
const ST = 0x62;
const STX = 0x63;
const ATOMIC = 0xc3;
const FROM_REGISTER = 0x08;
const LOAD_64 = 0x18;
const BYTE_SWAP = 0xdc;
const CALL = 0x85;
const EXIT = 0x95;
/** In the source field of a 64-bit load: the immediate is the descriptor of a map. */
const PSEUDO_MAP = 1;
const BYTES = 8;

/**
 * An assembler for eBPF (RFC 9669) of little-endian machines. Jumps go to labels; conditions with an immediate compare all
 * 64 bits, unsigned.
 */
export class Assembler {
  /** Instructions: low word, immediate. */
  private readonly words: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly jumps: { at: number; to: string }[] = [];

  /** register op= immediate or other register */
  alu(operation: Operation, to: Reg, by: Reg): void {
    this.put(ALU64 | OPERATIONS[operation] | FROM_REGISTER, to, by, 0, 0);
  }

  aluImm(operation: Operation, to: Reg, immediate: number): void {
    this.put(ALU64 | OPERATIONS[operation], to, 0, 0, immediate);
  }

  /** The lower 32 bits; the upper ones become 0. */
  alu32(operation: Operation, to: Reg, by: Reg): void {
    this.put(ALU32 | OPERATIONS[operation] | FROM_REGISTER, to, by, 0, 0);
  }

  /** Lower 16 bits from network order; the rest becomes 0. */
  fromNetwork16(register: Reg): void {
    this.put(BYTE_SWAP, register, 0, 0, 16);
  }

  load(width: Width, to: Reg, from: Reg, offset: number): void {
    this.put(LDX | WIDTHS[width], to, from, offset, 0);
  }

  store(width: Width, to: Reg, offset: number, value: Reg): void {
    this.put(STX | WIDTHS[width], to, value, offset, 0);
  }

  storeImm(width: Width, to: Reg, offset: number, value: number): void {
    this.put(ST | WIDTHS[width], to, 0, offset, value);
  }

  /** *(to + offset) op= value, as one; 4 or 8 bytes. */
  atomic(operation: AtomicOperation, width: 4 | 8, to: Reg, offset: number, value: Reg): void {
    this.put(ATOMIC | WIDTHS[width], to, value, offset, ATOMIC_OPERATIONS[operation]);
  }

  loadMap(to: Reg, fd: number): void {
    this.put(LOAD_64, to, PSEUDO_MAP, 0, fd);
    this.put(0, 0, 0, 0, 0);
  }

  load64(to: Reg, value: bigint): void {
    this.put(LOAD_64, to, 0, 0, Number(BigInt.asIntN(32, value)));
    this.put(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n)));
  }

  call(helper: number): void {
    this.put(CALL, 0, 0, 0, helper);
  }

  exit(): void {
    this.put(EXIT, 0, 0, 0, 0);
  }

  label(name: string): void {
    if (this.labels.has(name)) throw new Error(`label ${name} twice`);
    this.labels.set(name, this.length);
  }

  jump(to: string): void {
    this.jumps.push({ at: this.length, to });
    this.put(JMP, 0, 0, 0, 0);
  }

  jumpIf(condition: Condition, left: Reg, right: Reg, to: string): void {
    this.jumps.push({ at: this.length, to });
    this.put(JMP | CONDITIONS[condition] | FROM_REGISTER, left, right, 0, 0);
  }

  jumpIfImm(condition: Condition, left: Reg, right: number, to: string): void {
    this.jumps.push({ at: this.length, to });
    this.put(JMP | CONDITIONS[condition], left, 0, 0, right);
  }

  /** Instructions so far. */
  get length(): number {
    return this.words.length / 2;
  }

  /** The program, 8 bytes an instruction. */
  assemble(): Uint8Array {
    const bytes = new Uint8Array(this.length * BYTES);
    const view = new DataView(bytes.buffer);
    for (const [k, word] of this.words.entries()) view.setInt32(k * 4, word, true);
    for (const { at, to } of this.jumps) {
      const target = this.labels.get(to);
      if (target === undefined) throw new Error(`no label ${to}`);
      // Counted from the instruction behind the jump.
      view.setInt16(at * BYTES + 2, target - at - 1, true);
    }
    return bytes;
  }

  private put(code: number, to: number, from: number, offset: number, immediate: number): void {
    this.words.push(code | (to << 8) | (from << 12) | (offset << 16), immediate | 0);
  }
}
