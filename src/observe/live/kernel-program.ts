import type { BpfInstruction } from '../../system/packet-socket.js';
import { LOOPBACK_HARDWARE } from './link-types.js';

/** Classic BPF: linux/filter.h, linux/bpf_common.h. */
const LD_ABS = 0x20;
const LD_IND = 0x40;
const LDH_IND = 0x48;
const LD_MEM = 0x60;
const LDX_IMM = 0x01;
const LDX_MEM = 0x61;
const ST = 0x02;
const ADD_X = 0x0c;
const MUL_K = 0x24;
const RSH_K = 0x74;
const MOD_K = 0x94;
const XOR_X = 0xac;
const JEQ = 0x15;
const JA = 0x05;
const RET_K = 0x06;
const RET_A = 0x16;
const TAX = 0x07;

/** Addresses that stand for what the kernel knows of the packet: SKF_AD_OFF and its kinds. */
const ABOUT = 0xfffff000;
const PROTOCOL = ABOUT;
const PACKET_TYPE = ABOUT + 4;
const HARDWARE = ABOUT + 28;
const RANDOM = ABOUT + 56;
/** Addresses that count from the network header: SKF_NET_OFF. */
const NETWORK = 0xfff00000;

const PACKET_OUTGOING = 4;

/** Longest program that the kernel takes: BPF_MAXINSNS. */
export const MAX_INSTRUCTIONS = 4096;
/** Snap length that stands for "no limit". */
const WHOLE = 0x40000000;

function step(code: number, k: number, jt = 0, jf = 0): BpfInstruction {
  return { code, jt, jf, k };
}

/** Lets nothing through. */
export const CLOSED: readonly BpfInstruction[] = [step(RET_K, 0)];

export interface SocketProgram {
  filter: readonly BpfInstruction[] | undefined;
  /** Bytes kept of each packet; 0: all. */
  snapLength: number;
  /** Lets one packet in n through, by chance; 1: all. */
  oneIn: number;
  /** The socket may see loopback interfaces, where each packet comes by twice: leaves the outgoing one out. */
  loopback: boolean;
}

/** The program of a socket: outgoing copies on loopback, sampling, the given filter, and the snap length. */
export function socketProgram({ filter, snapLength, oneIn, loopback }: SocketProgram): BpfInstruction[] {
  const snap = snapLength === 0 ? WHOLE : snapLength;
  const program: BpfInstruction[] = [];
  if (loopback) {
    program.push(
      step(LD_ABS, HARDWARE),
      step(JEQ, LOOPBACK_HARDWARE, 0, 3),
      step(LD_ABS, PACKET_TYPE),
      step(JEQ, PACKET_OUTGOING, 0, 1),
      step(RET_K, 0),
    );
  }
  if (oneIn > 1) program.push(step(LD_ABS, RANDOM), step(MOD_K, oneIn), step(JEQ, 0, 1, 0), step(RET_K, 0));
  for (const instruction of filter ?? [step(RET_K, snap)]) {
    const keeps = instruction.code === RET_K;
    program.push(keeps ? { ...instruction, k: Math.min(instruction.k >>> 0, snap) } : instruction);
  }
  return program;
}

/**
 * Shares packets out by their pair of addresses, whichever way they go: both directions of a flow, all fragments of a packet
 * and all that a tunnel carries meet in one socket. (The kernel's own hash has the ports in it, which fragments lack, and
 * which VXLAN chooses anew for each direction.) Looks behind two VLAN tags and a PPPoE header; all else goes to the first.
 */
export function fanoutProgram(): BpfInstruction[] {
  const program: BpfInstruction[] = [step(LDX_IMM, 0), step(LD_ABS, PROTOCOL)];
  for (const next of [4, 8]) {
    // A VLAN tag in the bytes (one that the card took off is no part of them): 2 bytes of tag, then the next type.
    program.push(step(JEQ, 0x8100, 1, 0), step(JEQ, 0x88a8, 0, 2));
    program.push(step(LDH_IND, NETWORK + 2), step(LDX_IMM, next));
  }
  // PPPoE: 6 bytes and a PPP protocol, 0x21 or 0x57. The offset stands in X, which has no addition: go through A.
  program.push(
    step(JEQ, 0x8864, 0, 6),
    step(LDH_IND, NETWORK + 6),
    step(ST, 0),
    step(0x87, 0), // A = X
    step(0x04, 8), // A += 8
    step(TAX, 0),
    step(LD_MEM, 0),
  );
  const ipv4 = [step(LD_IND, NETWORK + 12), step(ST, 0), step(LD_IND, NETWORK + 16), step(ST, 1)];
  const ipv6 = [...foldAddress(8, 0), ...foldAddress(24, 1)];
  program.push(step(JEQ, 0x0800, 2, 0), step(JEQ, 0x0021, 1, 0), step(JA, ipv4.length + 1), ...ipv4);
  program.push(step(JA, 3 + ipv6.length));
  program.push(step(JEQ, 0x86dd, 2, 0), step(JEQ, 0x0057, 1, 0), step(RET_K, 0), ...ipv6);
  program.push(
    // ((a + b) * odd) ^ ((a ^ b) * odd), then its upper half, which all bits have a say in.
    step(LD_MEM, 0),
    step(LDX_MEM, 1),
    step(ADD_X, 0),
    step(MUL_K, 0x9e3779b1),
    step(ST, 2),
    step(LD_MEM, 0),
    step(XOR_X, 0),
    step(MUL_K, 0x85ebca6b),
    step(LDX_MEM, 2),
    step(XOR_X, 0),
    step(TAX, 0),
    step(RSH_K, 15),
    step(XOR_X, 0),
    step(MUL_K, 0xc2b2ae35),
    step(RSH_K, 16),
    step(RET_A, 0),
  );
  return program;
}

/** Exclusive or of the four words of an IPv6 address, into a cell of scratch memory. X is kept: it is the offset. */
function foldAddress(at: number, cell: number): BpfInstruction[] {
  const steps: BpfInstruction[] = [step(0x87, 0), step(ST, 15), step(LD_IND, NETWORK + at), step(ST, cell)];
  for (let word = 4; word < 16; word += 4) {
    steps.push(
      step(LDX_MEM, 15),
      step(LD_IND, NETWORK + at + word),
      step(LDX_MEM, cell),
      step(XOR_X, 0),
      step(ST, cell),
    );
  }
  steps.push(step(LDX_MEM, 15));
  return steps;
}
