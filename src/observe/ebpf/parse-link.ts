import { Refusal } from '../../packet/refusal.js';
import { EtherType } from '../../packet/walk.js';
import { Reg } from './assembler.js';
import type { Code } from './code.js';
import { Key } from './layout.js';
import { Packet, Role, Stack } from './stack.js';

const { r1, r2, fp } = Reg;
const { packet, header, offset, length: type } = Role;
const TAGS = [EtherType.vlan, EtherType.serviceVlan, EtherType.vlan9100, EtherType.vlan9200];
/** In-band VLAN tags that are followed, besides one that the card took off. */
const MAX_TAGS = 2;

/** Ethernet header and VLAN tags. Goes on at `ipv4` or `ipv6`. */
export function parseLink(code: Code): void {
  const { out } = code;
  if (code.options.ethernet) {
    out.aluImm('mov', offset, 0);
    code.window(14, Refusal.linkShort);
    out.load(2, type, header, 12);
    out.aluImm('mov', offset, 14);
  } else {
    out.load(4, type, packet, Packet.protocol);
    out.aluImm('mov', offset, 0);
  }
  tagAside(code);
  for (let tag = 0; tag < MAX_TAGS; tag++) {
    jumpIfIp(code);
    jumpIfTag(code, `tag${tag}`);
    out.jump(code.reason(Refusal.notIp));
    out.label(`tag${tag}`);
    tagInBand(code, `tagged${tag}`);
  }
  jumpIfIp(code);
  jumpIfTag(code, code.reason(Refusal.tooDeep));
  out.jump(code.reason(Refusal.notIp));
}

/** The tag that the card, or the kernel, took off: it stands beside the packet, and the frame had four bytes more. */
function tagAside({ out }: Code): void {
  out.load(4, r1, packet, Packet.vlanPresent);
  out.jumpIfImm('eq', r1, 0, 'tags');
  out.load(4, r1, packet, Packet.vlanTag);
  out.aluImm('and', r1, 0xfff);
  out.aluImm('add', r1, 1);
  out.store(2, fp, Stack.key + Key.outerVlan, r1);
  out.load(8, r1, fp, Stack.frame);
  out.aluImm('add', r1, 4);
  out.store(8, fp, Stack.frame, r1);
  out.label('tags');
}

/** A tag in the frame: the first free one of the key's two places. */
function tagInBand(code: Code, done: string): void {
  const { out } = code;
  code.window(4, Refusal.linkShort);
  out.load(2, type, header, 2);
  out.load(2, r1, header, 0);
  out.fromNetwork16(r1);
  out.aluImm('and', r1, 0xfff);
  out.aluImm('add', r1, 1);
  out.aluImm('add', offset, 4);
  out.load(2, r2, fp, Stack.key + Key.outerVlan);
  out.jumpIfImm('ne', r2, 0, `inner-${done}`);
  out.store(2, fp, Stack.key + Key.outerVlan, r1);
  out.jump(done);
  out.label(`inner-${done}`);
  out.load(2, r2, fp, Stack.key + Key.innerVlan);
  out.jumpIfImm('ne', r2, 0, done);
  out.store(2, fp, Stack.key + Key.innerVlan, r1);
  out.label(done);
}

function jumpIfIp({ out }: Code): void {
  out.jumpIfImm('eq', type, swap16(EtherType.ipv4), 'ipv4');
  out.jumpIfImm('eq', type, swap16(EtherType.ipv6), 'ipv6');
}

function jumpIfTag({ out }: Code, to: string): void {
  for (const tag of TAGS) out.jumpIfImm('eq', type, swap16(tag), to);
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}
