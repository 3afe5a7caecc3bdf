import { Reg } from './assembler.js';
import { Code, type ProgramMaps, type ProgramOptions } from './code.js';
import { addPacket, countFrame, joinFragments, refusePackets } from './count.js';
import { parseLink } from './parse-link.js';
import { parseIpv4, parseIpv6 } from './parse-network.js';
import { parseTransport } from './parse-transport.js';
import { Role } from './stack.js';

/** Go on with whatever else is attached: TCX_NEXT. */
const NEXT = -1;

/**
 * The program that counts flows in the kernel, for one direction of one interface: reads the headers as packet/decoder.ts
 * does, and adds the packet to the entry of its flow. What it does not understand is counted by reason.
 *
 * Its parts stand one behind the other and jump forward only, by these labels: ipv4, ipv6, transport, keyed, later,
 * reason…, add, end.
 */
export function flowProgram(maps: ProgramMaps, options: ProgramOptions): Uint8Array {
  const code = new Code(maps, options);
  const { out } = code;
  out.alu('mov', Role.packet, Reg.r1);
  countFrame(code);
  parseLink(code);
  parseIpv4(code);
  parseIpv6(code);
  parseTransport(code);
  joinFragments(code);
  refusePackets(code);
  addPacket(code);
  out.label('end');
  out.aluImm('mov', Reg.r0, NEXT);
  out.exit();
  return out.assemble();
}
