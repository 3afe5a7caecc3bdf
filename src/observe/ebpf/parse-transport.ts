import { Refusal } from '../../packet/refusal.js';
import { Protocol } from '../../packet/transport.js';
import { Reg } from './assembler.js';
import type { Code } from './code.js';
import { Key } from './layout.js';
import { Role, Stack } from './stack.js';

const { r1, r2, fp } = Reg;
const { header } = Role;

/** Protocols whose headers are read, by label. */
const PROTOCOLS: readonly (readonly [string, readonly number[]])[] = [
  ['tcp', [Protocol.tcp]],
  ['udp', [Protocol.udp, Protocol.udplite]],
  ['icmp', [Protocol.icmp, Protocol.icmp6]],
  ['esp', [Protocol.esp]],
  ['ah', [Protocol.ah]],
  ['sctp', [Protocol.sctp, Protocol.dccp]],
];

/** From the label `transport` on. Goes on at `keyed`, which stands behind. */
export function parseTransport(code: Code): void {
  const { out } = code;
  out.label('transport');
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
  begin(code, 'ah', 12, 8);
  code.copy(4, 4, Key.ports);
  out.jump('keyed');
  begin(code, 'sctp', 12, 4);
  code.copy(4, 0, Key.ports);
  out.label('keyed');
}

/** Begins a transport protocol whose header has `least` bytes, of which `read` are read. */
function begin(code: Code, name: string, least: number, read: number): void {
  const { out } = code;
  out.label(name);
  out.load(8, r1, fp, Stack.rest);
  out.jumpIfImm('lt', r1, least, code.reason(Refusal.transportMalformed));
  code.window(read, Refusal.transportShort);
}
