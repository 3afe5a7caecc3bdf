import { Refusal } from '../../packet/refusal.js';
import { Protocol } from '../../packet/transport.js';
import { Reg } from './assembler.js';
import type { Code } from './code.js';
import { Key } from './layout.js';
import { Role, Stack } from './stack.js';

const { r1, r2, r3, r4, fp } = Reg;
const { header, offset } = Role;

/** Protocols whose headers are read, by label. */
const PROTOCOLS: readonly (readonly [string, readonly number[]])[] = [
  ['tcp', [Protocol.tcp]],
  ['udp', [Protocol.udp, Protocol.udplite]],
  ['icmp', [Protocol.icmp, Protocol.icmp6]],
  ['esp', [Protocol.esp]],
  ['sctp', [Protocol.sctp, Protocol.dccp]],
];
/** What is metered by itself where it stands behind an authentication header, as in packet/decoder.ts. */
const BEHIND_AH = [...PROTOCOLS.flatMap(([, numbers]) => numbers), Protocol.ipip, Protocol.ipv6, Protocol.gre];

/** From the label `transport` on. Goes on at `keyed`, which stands behind. */
export function parseTransport(code: Code): void {
  const { out } = code;
  out.label('transport');
  authentication(code);
  out.label('upper');
  out.load(1, r1, fp, Stack.key + Key.protocol);
  for (const [name, numbers] of PROTOCOLS) for (const one of numbers) out.jumpIfImm('eq', r1, one, name);
  out.jump('keyed');

  begin(code, 'tcp', 20, 14);
  out.load(1, r1, header, 12);
  out.aluImm('rsh', r1, 2);
  out.aluImm('and', r1, 0x3c);
  out.jumpIfImm('lt', r1, 20, code.reason(Refusal.transportMalformed));
  out.load(8, r2, fp, Stack.rest);
  out.jumpIf('gt', r1, r2, code.reason(Refusal.transportMalformed));
  out.load(2, r1, header, 12);
  out.fromNetwork16(r1);
  out.aluImm('and', r1, 0x1ff);
  out.store(8, fp, Stack.tcpFlags, r1);
  code.copy(4, 0, Key.ports);
  out.jump('keyed');

  begin(code, 'udp', 8, 6);
  code.copy(4, 0, Key.ports);
  out.load(1, r1, fp, Stack.key + Key.protocol);
  out.jumpIfImm('ne', r1, Protocol.udp, 'keyed');
  out.load(2, r1, header, 4);
  out.jumpIfImm('eq', r1, 0, 'keyed');
  out.fromNetwork16(r1);
  out.jumpIfImm('lt', r1, 8, code.reason(Refusal.transportMalformed));
  out.jump('keyed');

  begin(code, 'icmp', 4, 4);
  code.copy(2, 0, Key.ports);
  out.jump('keyed');
  begin(code, 'esp', 8, 4);
  code.copy(4, 0, Key.ports);
  out.jump('keyed');
  begin(code, 'sctp', 12, 4);
  code.copy(4, 0, Key.ports);
  out.label('keyed');
}

/** Authentication header (RFC 4302). Goes on with what is behind it, where that can be read. */
function authentication(code: Code): void {
  const { out } = code;
  out.load(1, r1, fp, Stack.key + Key.protocol);
  out.jumpIfImm('ne', r1, Protocol.ah, 'upper');
  begin(code, 'ah', 12, 8);
  out.load(1, r3, header, 1);
  out.aluImm('add', r3, 2);
  out.aluImm('lsh', r3, 2);
  out.jumpIfImm('lt', r3, 12, 'opaque');
  out.load(8, r2, fp, Stack.rest);
  out.alu('mov', r4, r3);
  out.aluImm('add', r4, 4);
  out.jumpIf('lt', r2, r4, 'opaque');
  out.load(1, r1, header, 0);
  for (const protocol of BEHIND_AH) out.jumpIfImm('eq', r1, protocol, 'visible');
  out.label('opaque');
  code.copy(4, 4, Key.ports);
  out.jump('keyed');
  out.label('visible');
  out.store(1, fp, Stack.key + Key.protocol, r1);
  out.alu('sub', r2, r3);
  out.store(8, fp, Stack.rest, r2);
  out.alu('add', offset, r3);
}

/** Begins a transport protocol whose header has `least` bytes, of which `read` are read. */
function begin(code: Code, name: string, least: number, read: number): void {
  const { out } = code;
  out.label(name);
  out.load(8, r1, fp, Stack.rest);
  out.jumpIfImm('lt', r1, least, code.reason(Refusal.transportMalformed));
  code.window(read, Refusal.transportShort);
}
