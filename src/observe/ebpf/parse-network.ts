import { Refusal } from '../../packet/refusal.js';
import { Protocol } from '../../packet/transport.js';
import { Reg } from './assembler.js';
import type { Code } from './code.js';
import { Datagram, Key } from './layout.js';
import { FragmentKind, Packet, Role, Stack } from './stack.js';

const { r1, r2, r3, r4, r5, fp } = Reg;
const { packet, header, offset, length } = Role;

const MAX_EXTENSION_HEADERS = 12;
/** Hop-by-hop, routing, fragment, destination, mobility, HIP, shim6. */
const EXTENSION_HEADERS = [0, 43, 44, 60, 135, 139, 140];
const FRAGMENT_HEADER = 44;
const IPV6_BYTES = 40;
/** IPv6 is taken in hand in two parts: up to the source address, and the destination. */
const IPV6_FIRST_BYTES = 24;

/** From the label `ipv4` on. Goes on at `transport`, or at `later` with a later fragment. */
export function parseIpv4(code: Code): void {
  const { out } = code;
  out.label('ipv4');
  code.window(20, Refusal.networkShort);
  out.load(1, r1, header, 0);
  out.aluImm('rsh', r1, 4);
  out.jumpIfImm('ne', r1, 4, code.reason(Refusal.networkMalformed));
  code.copy(4, 12, Key.source);
  code.copy(4, 16, Key.destination);
  code.copy(1, 9, Key.protocol);
  out.load(1, r2, header, 1);
  noteHeader(code, 8);
  out.storeImm(1, fp, Stack.key + Key.version, 4);
  out.load(1, r1, header, 0);
  out.aluImm('and', r1, 15);
  out.aluImm('lsh', r1, 2);
  out.jumpIfImm('lt', r1, 20, code.reason(Refusal.networkMalformed));
  out.load(2, length, header, 2);
  out.fromNetwork16(length);
  limitLength(code, 'v4');
  out.jumpIf('lt', length, r1, code.reason(Refusal.networkMalformed));
  out.alu('mov', r2, length);
  out.alu('sub', r2, r1);
  out.store(8, fp, Stack.rest, r2);
  out.alu('add', offset, r1);
  out.load(2, r1, header, 6);
  out.fromNetwork16(r1);
  // More fragments follow, or this is one.
  out.aluImm('and', r1, 0x3fff);
  out.jumpIfImm('eq', r1, 0, 'transport');
  out.load(2, r2, header, 4);
  out.store(8, fp, Stack.datagram + Datagram.id, r2);
  out.aluImm('and', r1, 0x1fff);
  out.jumpIfImm('ne', r1, 0, 'later');
  out.storeImm(8, fp, Stack.fragment, FragmentKind.first);
  out.jump('transport');
}

/** From the label `ipv6` on. Goes on at `transport`, or at `later` with a later fragment. */
export function parseIpv6(code: Code): void {
  const { out } = code;
  out.label('ipv6');
  out.load(4, r3, packet, Packet.length);
  out.alu('sub', r3, offset);
  out.jumpIfImm('lt', r3, IPV6_BYTES, code.reason(Refusal.networkShort));
  code.window(IPV6_FIRST_BYTES, Refusal.networkShort);
  out.load(1, r1, header, 0);
  out.aluImm('rsh', r1, 4);
  out.jumpIfImm('ne', r1, 6, code.reason(Refusal.networkMalformed));
  for (let k = 0; k < 16; k += 4) code.copy(4, 8 + k, Key.source + k);
  code.copy(1, 6, Key.protocol);
  out.load(2, r2, header, 0);
  out.fromNetwork16(r2);
  out.aluImm('rsh', r2, 4);
  out.aluImm('and', r2, 0xff);
  noteHeader(code, 7);
  out.load(2, length, header, 4);
  out.fromNetwork16(length);
  out.aluImm('add', offset, IPV6_FIRST_BYTES);
  code.window(IPV6_BYTES - IPV6_FIRST_BYTES, Refusal.networkShort);
  for (let k = 0; k < 16; k += 4) code.copy(4, k, Key.destination + k);
  out.storeImm(1, fp, Stack.key + Key.version, 6);
  out.aluImm('sub', offset, IPV6_FIRST_BYTES);
  out.load(1, r1, fp, Stack.key + Key.protocol);
  out.jumpIfImm('ne', length, 0, 'payload');
  out.jumpIfImm('eq', r1, 0, code.reason(Refusal.jumbogram));
  out.jumpIfImm('ne', r1, Protocol.noNext, 'unknown-payload');
  out.label('payload');
  out.aluImm('add', length, IPV6_BYTES);
  out.label('unknown-payload');
  limitLength(code, 'v6');
  out.jumpIfImm('lt', length, IPV6_BYTES, code.reason(Refusal.networkMalformed));
  out.aluImm('add', offset, IPV6_BYTES);
  out.alu('mov', r2, length);
  out.aluImm('sub', r2, IPV6_BYTES);
  out.store(8, fp, Stack.rest, r2);
  extensionHeaders(code);
}

/** Keeps ToS, which is in r2, and TTL. */
function noteHeader({ out, options }: Code, ttl: number): void {
  if (options.tosInKey) out.store(1, fp, Stack.key + Key.tos, r2);
  out.load(1, r3, header, ttl);
  out.aluImm('lsh', r3, 8);
  out.alu('or', r2, r3);
  out.store(8, fp, Stack.service, r2);
}

/** The length that the header says becomes that of what is there, where it is 0 or more than that. Leaves r1 alone. */
function limitLength({ out }: Code, name: string): void {
  out.load(4, r3, packet, Packet.length);
  out.alu('sub', r3, offset);
  out.jumpIfImm('eq', length, 0, `there-${name}`);
  out.jumpIf('le', length, r3, `length-${name}`);
  out.label(`there-${name}`);
  out.alu32('mov', length, r3);
  out.label(`length-${name}`);
}

/** Follows extension headers; r1: the next header. */
function extensionHeaders(code: Code): void {
  const { out } = code;
  for (let n = 0; n <= MAX_EXTENSION_HEADERS; n++) {
    out.jumpIfImm('eq', r1, Protocol.tcp, 'transport');
    out.jumpIfImm('eq', r1, Protocol.udp, 'transport');
    for (const type of EXTENSION_HEADERS) out.jumpIfImm('eq', r1, type, `extension${n}`);
    if (n === MAX_EXTENSION_HEADERS) out.jumpIfImm('eq', r1, Protocol.ah, `extension${n}`);
    out.jump('transport');
    out.label(`extension${n}`);
    if (n < MAX_EXTENSION_HEADERS) extensionHeader(code, n);
  }
  out.jump(code.reason(Refusal.tooDeep));
}

/** One of them; leaves the next header in r1. */
function extensionHeader(code: Code, n: number): void {
  const { out } = code;
  out.load(8, r2, fp, Stack.rest);
  out.jumpIfImm('lt', r2, 8, code.reason(Refusal.networkMalformed));
  // The verifier wants to know that the offset stays small.
  out.jumpIfImm('gt', r2, 0x1ffff, code.reason(Refusal.networkMalformed));
  code.copiedWindow(8, Refusal.networkShort);
  out.load(1, r1, fp, Stack.key + Key.protocol);
  out.aluImm('mov', r3, 8);
  out.jumpIfImm('eq', r1, FRAGMENT_HEADER, `fragment${n}`);
  out.load(1, r3, header, 1);
  out.aluImm('add', r3, 1);
  out.aluImm('lsh', r3, 3);
  out.jump(`skip${n}`);
  out.label(`fragment${n}`);
  out.load(2, r4, header, 2);
  out.fromNetwork16(r4);
  out.aluImm('and', r4, 0xfff9);
  // 0: an atomic fragment (RFC 6946).
  out.jumpIfImm('eq', r4, 0, `skip${n}`);
  out.load(4, r5, header, 4);
  out.store(8, fp, Stack.datagram + Datagram.id, r5);
  out.storeImm(8, fp, Stack.fragment, FragmentKind.first);
  out.aluImm('and', r4, 0xfff8);
  out.jumpIfImm('eq', r4, 0, `skip${n}`);
  out.storeImm(8, fp, Stack.fragment, FragmentKind.later);
  out.label(`skip${n}`);
  out.load(1, r1, header, 0);
  out.store(1, fp, Stack.key + Key.protocol, r1);
  out.load(8, r2, fp, Stack.rest);
  out.jumpIf('lt', r2, r3, code.reason(Refusal.networkMalformed));
  out.alu('sub', r2, r3);
  out.store(8, fp, Stack.rest, r2);
  out.alu('add', offset, r3);
  out.load(8, r2, fp, Stack.fragment);
  out.jumpIfImm('eq', r2, FragmentKind.later, 'later');
}
