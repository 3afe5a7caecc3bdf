import { Refusal } from '../../packet/refusal.js';
import { Protocol } from '../../packet/transport.js';
import { EtherType } from '../../packet/walk.js';
import { Assembler, Reg, type Width } from './assembler.js';
import { Counter, DATAGRAM_BYTES, Datagram, KEY_BYTES, Key, KeyFlag, VALUE_BYTES, Value } from './layout.js';

const { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, fp } = Reg;

/** Helpers, linux/bpf.h. */
const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const LOAD_BYTES = 26;
const BOOT_NANOS = 125;
/** Flags and results of MAP_UPDATE. */
const ANY = 0;
const NO_EXIST = 1;
const EXISTS = -17;
/** struct __sk_buff. */
const Packet = {
  length: 0,
  protocol: 16,
  vlanPresent: 20,
  vlanTag: 24,
  data: 76,
  end: 80,
  segments: 164,
  segmentSize: 176,
};
/** Go on with whatever else is attached: TCX_NEXT. */
const NEXT = -1;

/** In-band VLAN tags that are followed, besides one that the card took off; IPv6 extension headers. */
const MAX_TAGS = 2;
const MAX_EXTENSION_HEADERS = 8;

/** The stack, from fp down. */
const KEY = -KEY_BYTES;
const VALUE = KEY - VALUE_BYTES;
const WINDOW_BYTES = 24;
const WINDOW = VALUE - WINDOW_BYTES;
const DATAGRAM = WINDOW - DATAGRAM_BYTES;
/** Eight bytes each. */
const COUNTERS = DATAGRAM - 8;
const MAP = COUNTERS - 8;
const LENGTH = MAP - 8;
/** Bytes of the transport header and behind it. */
const REAL = LENGTH - 8;
const FLAGS = REAL - 8;
const FRAGMENT = FLAGS - 8;
const TIME = FRAGMENT - 8;
const INDEX = TIME - 8;

/** Bits in FRAGMENT. */
const FIRST = 1;
const LATER = 2;

export interface ProgramMaps {
  /** Array of maps with one entry: where flows go now; without an entry nothing is counted. */
  readonly current: number;
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

/**
 * The program that counts flows in the kernel, for one direction of one interface: reads the headers as packet/decoder.ts
 * does, and adds the packet to the entry of its flow. What it does not understand is counted by reason.
 */
export function flowProgram(maps: ProgramMaps, options: ProgramOptions): Uint8Array {
  return new FlowProgram(maps, options).assemble();
}

class FlowProgram {
  private readonly out = new Assembler();
  private readonly maps: ProgramMaps;
  private readonly options: ProgramOptions;
  private windows = 0;
  private readonly reasons = new Set<number>();

  constructor(maps: ProgramMaps, options: ProgramOptions) {
    this.maps = maps;
    this.options = options;
  }

  // r6 the packet, r7 the header in hand, r8 its offset, r9 IP bytes of the packet.
  assemble(): Uint8Array {
    const { out } = this;
    out.alu('mov', r6, r1);
    this.chooseMap();
    this.count();
    this.beginKey();
    this.link();
    this.ipv4();
    this.ipv6();
    this.transport();
    this.fragments();
    this.refusals();
    this.add();
    out.label('end');
    out.aluImm('mov', r0, NEXT);
    out.exit();
    return out.assemble();
  }

  /** The map of now; when there is none, nobody wants packets. */
  private chooseMap(): void {
    const { out } = this;
    out.storeImm(4, fp, INDEX, 0);
    this.lookup(this.maps.current, INDEX);
    out.jumpIfImm('eq', r0, 0, 'end');
    out.store(8, fp, MAP, r0);
  }

  private count(): void {
    const { out } = this;
    out.storeImm(4, fp, INDEX, this.options.slot);
    this.lookup(this.maps.counters, INDEX);
    out.jumpIfImm('eq', r0, 0, 'end');
    out.store(8, fp, COUNTERS, r0);
    this.increment(r0, Counter.packets, 1);
    out.load(4, r1, r6, Packet.segmentSize);
    out.jumpIfImm('eq', r1, 0, 'ordinary');
    this.increment(r0, Counter.superFrames, 1);
    out.load(4, r2, r6, Packet.segments);
    out.load(8, r1, r0, Counter.segments);
    out.alu('add', r1, r2);
    out.store(8, r0, Counter.segments, r1);
    out.label('ordinary');
  }

  /** Counters are of this CPU alone, and programs do not interrupt each other there. */
  private increment(counters: Reg, offset: number, by: number): void {
    const { out } = this;
    out.load(8, r1, counters, offset);
    out.aluImm('add', r1, by);
    out.store(8, counters, offset, r1);
  }

  private beginKey(): void {
    const { out, options } = this;
    for (let k = 0; k < KEY_BYTES; k += 8) out.storeImm(8, fp, KEY + k, 0);
    out.storeImm(1, fp, KEY + Key.direction, options.direction);
    out.storeImm(2, fp, KEY + Key.slot, options.slot);
    out.storeImm(8, fp, FLAGS, 0);
    out.storeImm(8, fp, FRAGMENT, 0);
    out.storeImm(2, fp, VALUE + Value.tos, 0);
    out.load(4, r1, r6, Packet.length);
    out.store(8, fp, LENGTH, r1);
  }

  private link(): void {
    const { out } = this;
    if (this.options.ethernet) {
      out.aluImm('mov', r8, 0);
      this.window(14, Refusal.linkShort);
      out.load(2, r9, r7, 12);
      out.aluImm('mov', r8, 14);
    } else {
      out.load(4, r9, r6, Packet.protocol);
      out.aluImm('mov', r8, 0);
    }
    // A tag that the card took off.
    out.load(4, r1, r6, Packet.vlanPresent);
    out.jumpIfImm('eq', r1, 0, 'tags');
    out.load(4, r1, r6, Packet.vlanTag);
    out.aluImm('and', r1, 0xfff);
    out.aluImm('add', r1, 1);
    out.store(2, fp, KEY + Key.outerVlan, r1);
    out.load(8, r1, fp, LENGTH);
    out.aluImm('add', r1, 4);
    out.store(8, fp, LENGTH, r1);
    out.label('tags');
    for (let tag = 0; tag < MAX_TAGS; tag++) {
      out.jumpIfImm('eq', r9, swap16(EtherType.ipv4), 'ipv4');
      out.jumpIfImm('eq', r9, swap16(EtherType.ipv6), 'ipv6');
      this.jumpIfTag(`tag${tag}`);
      out.jump(this.reason(Refusal.notIp));
      out.label(`tag${tag}`);
      this.window(4, Refusal.linkShort);
      out.load(2, r9, r7, 2);
      out.load(2, r1, r7, 0);
      out.fromNetwork16(r1);
      out.aluImm('and', r1, 0xfff);
      out.aluImm('add', r1, 1);
      out.aluImm('add', r8, 4);
      out.load(2, r2, fp, KEY + Key.outerVlan);
      out.jumpIfImm('ne', r2, 0, `inner${tag}`);
      out.store(2, fp, KEY + Key.outerVlan, r1);
      out.jump(`tagged${tag}`);
      out.label(`inner${tag}`);
      out.load(2, r2, fp, KEY + Key.innerVlan);
      out.jumpIfImm('ne', r2, 0, `tagged${tag}`);
      out.store(2, fp, KEY + Key.innerVlan, r1);
      out.label(`tagged${tag}`);
    }
    out.jumpIfImm('eq', r9, swap16(EtherType.ipv4), 'ipv4');
    out.jumpIfImm('eq', r9, swap16(EtherType.ipv6), 'ipv6');
    this.jumpIfTag(this.reason(Refusal.tooDeep));
    out.jump(this.reason(Refusal.notIp));
  }

  private jumpIfTag(to: string): void {
    const { vlan, serviceVlan, vlan9100, vlan9200 } = EtherType;
    for (const type of [vlan, serviceVlan, vlan9100, vlan9200]) this.out.jumpIfImm('eq', r9, swap16(type), to);
  }

  private ipv4(): void {
    const { out } = this;
    out.label('ipv4');
    this.window(20, Refusal.networkShort);
    out.load(1, r1, r7, 0);
    out.aluImm('rsh', r1, 4);
    out.jumpIfImm('ne', r1, 4, this.reason(Refusal.networkMalformed));
    this.copy(4, 12, Key.source);
    this.copy(4, 16, Key.destination);
    this.copy(1, 9, Key.protocol);
    this.noteHeader(1, 8);
    out.storeImm(1, fp, KEY + Key.version, 4);
    out.load(1, r1, r7, 0);
    out.aluImm('and', r1, 15);
    out.aluImm('lsh', r1, 2);
    out.jumpIfImm('lt', r1, 20, this.reason(Refusal.networkMalformed));
    out.load(2, r9, r7, 2);
    out.fromNetwork16(r9);
    this.limitLength('v4');
    out.jumpIf('lt', r9, r1, this.reason(Refusal.networkMalformed));
    out.alu('mov', r2, r9);
    out.alu('sub', r2, r1);
    out.store(8, fp, REAL, r2);
    out.alu('add', r8, r1);
    out.load(2, r1, r7, 6);
    out.fromNetwork16(r1);
    out.aluImm('and', r1, 0x3fff);
    out.jumpIfImm('eq', r1, 0, 'transport');
    out.load(2, r2, r7, 4);
    out.store(8, fp, DATAGRAM + Datagram.id, r2);
    out.aluImm('and', r1, 0x1fff);
    out.jumpIfImm('ne', r1, 0, 'later');
    out.storeImm(8, fp, FRAGMENT, FIRST);
    out.jump('transport');
  }

  /** ToS and TTL of the header in hand go into the value. */
  private noteHeader(tos: number | undefined, ttl: number): void {
    const { out } = this;
    out.load(1, r2, r7, ttl);
    out.store(1, fp, VALUE + Value.ttl, r2);
    if (tos !== undefined) out.load(1, r2, r7, tos);
    else {
      out.load(2, r2, r7, 0);
      out.fromNetwork16(r2);
      out.aluImm('rsh', r2, 4);
      out.aluImm('and', r2, 0xff);
    }
    out.store(1, fp, VALUE + Value.tos, r2);
    if (this.options.tosInKey) out.store(1, fp, KEY + Key.tos, r2);
  }

  /** r9, what the header says, becomes what is there where it is 0 or more. Leaves r1 alone. */
  private limitLength(name: string): void {
    const { out } = this;
    out.load(4, r3, r6, Packet.length);
    out.alu('sub', r3, r8);
    out.jumpIfImm('eq', r9, 0, `there-${name}`);
    out.jumpIf('le', r9, r3, `length-${name}`);
    out.label(`there-${name}`);
    out.alu32('mov', r9, r3);
    out.label(`length-${name}`);
  }

  private ipv6(): void {
    const { out } = this;
    out.label('ipv6');
    // In two parts, as the window is small: fixed fields and source, destination.
    this.window(24, Refusal.networkShort);
    out.load(1, r1, r7, 0);
    out.aluImm('rsh', r1, 4);
    out.jumpIfImm('ne', r1, 6, this.reason(Refusal.networkMalformed));
    this.copy(4, 8, Key.source);
    this.copy(4, 12, Key.source + 4);
    this.copy(4, 16, Key.source + 8);
    this.copy(4, 20, Key.source + 12);
    this.copy(1, 6, Key.protocol);
    this.noteHeader(undefined, 7);
    out.load(2, r9, r7, 4);
    out.fromNetwork16(r9);
    out.aluImm('add', r8, 24);
    this.window(16, Refusal.networkShort);
    this.copy(4, 0, Key.destination);
    this.copy(4, 4, Key.destination + 4);
    this.copy(4, 8, Key.destination + 8);
    this.copy(4, 12, Key.destination + 12);
    out.storeImm(1, fp, KEY + Key.version, 6);
    out.aluImm('sub', r8, 24);
    out.load(1, r1, fp, KEY + Key.protocol);
    out.jumpIfImm('ne', r9, 0, 'payload');
    out.jumpIfImm('eq', r1, 0, this.reason(Refusal.jumbogram));
    out.jumpIfImm('ne', r1, Protocol.noNext, 'payload0');
    out.label('payload');
    out.aluImm('add', r9, 40);
    out.label('payload0');
    this.limitLength('v6');
    out.jumpIfImm('lt', r9, 40, this.reason(Refusal.networkMalformed));
    out.aluImm('add', r8, 40);
    out.alu('mov', r2, r9);
    out.aluImm('sub', r2, 40);
    out.store(8, fp, REAL, r2);
    this.extensionHeaders();
  }

  /** Follows extension headers; r1: the next header. */
  private extensionHeaders(): void {
    const { out } = this;
    for (let n = 0; n <= MAX_EXTENSION_HEADERS; n++) {
      out.jumpIfImm('eq', r1, Protocol.tcp, 'transport');
      out.jumpIfImm('eq', r1, Protocol.udp, 'transport');
      for (const type of [0, 43, 44, 60, 135, 139, 140]) out.jumpIfImm('eq', r1, type, `extension${n}`);
      out.jump('transport');
      out.label(`extension${n}`);
      if (n === MAX_EXTENSION_HEADERS) break;
      out.load(8, r2, fp, REAL);
      out.jumpIfImm('lt', r2, 8, this.reason(Refusal.networkMalformed));
      out.jumpIfImm('gt', r2, 0x1ffff, this.reason(Refusal.networkMalformed));
      this.window(8, Refusal.networkShort);
      out.load(1, r1, fp, KEY + Key.protocol);
      out.aluImm('mov', r3, 8);
      out.jumpIfImm('eq', r1, 44, `fragment${n}`);
      out.load(1, r3, r7, 1);
      out.aluImm('add', r3, 1);
      out.aluImm('lsh', r3, 3);
      out.jump(`skip${n}`);
      out.label(`fragment${n}`);
      out.load(2, r4, r7, 2);
      out.fromNetwork16(r4);
      out.aluImm('and', r4, 0xfff9);
      // 0: an atomic fragment (RFC 6946).
      out.jumpIfImm('eq', r4, 0, `skip${n}`);
      out.load(4, r5, r7, 4);
      out.store(8, fp, DATAGRAM + Datagram.id, r5);
      out.storeImm(8, fp, FRAGMENT, FIRST);
      out.aluImm('and', r4, 0xfff8);
      out.jumpIfImm('eq', r4, 0, `skip${n}`);
      out.storeImm(8, fp, FRAGMENT, LATER);
      out.label(`skip${n}`);
      out.load(1, r1, r7, 0);
      out.store(1, fp, KEY + Key.protocol, r1);
      out.load(8, r2, fp, REAL);
      out.jumpIf('lt', r2, r3, this.reason(Refusal.networkMalformed));
      out.alu('sub', r2, r3);
      out.store(8, fp, REAL, r2);
      out.alu('add', r8, r3);
      out.load(8, r2, fp, FRAGMENT);
      out.jumpIfImm('eq', r2, LATER, 'later');
    }
    out.jump(this.reason(Refusal.tooDeep));
  }

  /** What the transport header says, at r8. */
  private transport(): void {
    const { out } = this;
    out.label('transport');
    out.load(1, r1, fp, KEY + Key.protocol);
    const protocols: [string, number[]][] = [
      ['tcp', [Protocol.tcp]],
      ['udp', [Protocol.udp, Protocol.udplite]],
      ['icmp', [Protocol.icmp, Protocol.icmp6]],
      ['esp', [Protocol.esp]],
      ['ah', [Protocol.ah]],
      ['twelve', [Protocol.sctp, Protocol.dccp]],
    ];
    for (const [name, numbers] of protocols) for (const one of numbers) out.jumpIfImm('eq', r1, one, name);
    out.jump('keyed');

    this.header('tcp', 20, 14);
    out.load(1, r1, r7, 12);
    out.aluImm('rsh', r1, 2);
    out.aluImm('and', r1, 0x3c);
    out.jumpIfImm('lt', r1, 20, this.reason(Refusal.transportMalformed));
    out.load(8, r2, fp, REAL);
    out.jumpIf('gt', r1, r2, this.reason(Refusal.transportMalformed));
    out.load(2, r1, r7, 12);
    out.fromNetwork16(r1);
    out.aluImm('and', r1, 0x1ff);
    out.store(8, fp, FLAGS, r1);
    this.copy(4, 0, Key.ports);
    out.jump('keyed');

    this.header('udp', 8, 6);
    this.copy(4, 0, Key.ports);
    out.load(1, r1, fp, KEY + Key.protocol);
    out.jumpIfImm('ne', r1, Protocol.udp, 'keyed');
    out.load(2, r1, r7, 4);
    out.jumpIfImm('eq', r1, 0, 'keyed');
    out.fromNetwork16(r1);
    out.jumpIfImm('lt', r1, 8, this.reason(Refusal.transportMalformed));
    out.jump('keyed');

    this.header('icmp', 4, 4);
    this.copy(2, 0, Key.ports);
    out.jump('keyed');
    this.header('esp', 8, 4);
    this.copy(4, 0, Key.ports);
    out.jump('keyed');
    this.header('ah', 12, 8);
    this.copy(4, 4, Key.ports);
    out.jump('keyed');
    this.header('twelve', 12, 4);
    this.copy(4, 0, Key.ports);
    out.label('keyed');
    out.load(8, r1, fp, FRAGMENT);
    out.jumpIfImm('eq', r1, 0, 'add');
  }

  /** Begins a transport protocol whose header has `least` bytes, of which `read` are read. */
  private header(name: string, least: number, read: number): void {
    const { out } = this;
    out.label(name);
    out.load(8, r1, fp, REAL);
    out.jumpIfImm('lt', r1, least, this.reason(Refusal.transportMalformed));
    this.window(read, Refusal.transportShort);
  }

  /** The first fragment leaves its ports for the others, which take them from there. */
  private fragments(): void {
    const { out, maps } = this;
    this.datagramKey();
    out.loadMap(r1, maps.datagrams);
    out.alu('mov', r2, fp);
    out.aluImm('add', r2, DATAGRAM);
    out.alu('mov', r3, fp);
    out.aluImm('add', r3, KEY + Key.ports);
    out.aluImm('mov', r4, ANY);
    out.call(MAP_UPDATE);
    out.jump('add');

    out.label('later');
    out.storeImm(8, fp, FRAGMENT, LATER);
    this.datagramKey();
    this.lookup(maps.datagrams, DATAGRAM);
    out.jumpIfImm('eq', r0, 0, 'orphan');
    out.load(4, r1, r0, 0);
    out.store(4, fp, KEY + Key.ports, r1);
    out.jump('add');
    out.label('orphan');
    out.storeImm(2, fp, KEY + Key.flags, KeyFlag.orphan);
    out.jump('add');
  }

  /** The id is there already, and has set the rest of its eight bytes to 0. */
  private datagramKey(): void {
    const { out, options } = this;
    for (let k = 0; k < 32; k += 8) {
      out.load(8, r1, fp, KEY + k);
      out.store(8, fp, DATAGRAM + k, r1);
    }
    out.load(1, r1, fp, KEY + Key.protocol);
    out.store(1, fp, DATAGRAM + Datagram.protocol, r1);
    out.storeImm(1, fp, DATAGRAM + Datagram.direction, options.direction);
    out.storeImm(2, fp, DATAGRAM + Datagram.slot, options.slot);
  }

  /** Packets that are not metered: an entry for each reason. */
  private refusals(): void {
    const { out, options } = this;
    for (const reason of this.reasons) {
      out.label(`reason${reason}`);
      out.aluImm('mov', r1, reason);
      out.jump('refuse');
    }
    out.label('refuse');
    for (let k = 0; k < KEY_BYTES; k += 8) out.storeImm(8, fp, KEY + k, 0);
    out.store(1, fp, KEY + Key.protocol, r1);
    out.storeImm(1, fp, KEY + Key.direction, options.direction);
    out.storeImm(2, fp, KEY + Key.slot, options.slot);
    out.storeImm(8, fp, FLAGS, 0);
    out.storeImm(8, fp, FRAGMENT, 0);
    out.aluImm('mov', r9, 0);
  }

  private reason(refusal: number): string {
    this.reasons.add(refusal);
    return `reason${refusal}`;
  }

  /** Adds the packet to its entry, or makes one. */
  private add(): void {
    const { out } = this;
    out.label('add');
    out.call(BOOT_NANOS);
    out.store(8, fp, TIME, r0);
    this.findEntry();
    out.jumpIfImm('ne', r0, 0, 'found');
    out.load(8, r1, fp, TIME);
    out.store(8, fp, VALUE + Value.first, r1);
    out.store(8, fp, VALUE + Value.last, r1);
    out.storeImm(8, fp, VALUE + Value.packets, 1);
    out.store(8, fp, VALUE + Value.octets, r9);
    out.store(4, fp, VALUE + Value.firstOctets, r9);
    out.load(8, r1, fp, LENGTH);
    out.store(8, fp, VALUE + Value.wire, r1);
    out.load(8, r1, fp, FLAGS);
    out.store(4, fp, VALUE + Value.flags, r1);
    out.store(2, fp, VALUE + Value.firstFlags, r1);
    out.load(8, r1, fp, FRAGMENT);
    out.store(4, fp, VALUE + Value.fragments, r1);
    out.load(8, r1, fp, MAP);
    out.alu('mov', r2, fp);
    out.aluImm('add', r2, KEY);
    out.alu('mov', r3, fp);
    out.aluImm('add', r3, VALUE);
    out.aluImm('mov', r4, NO_EXIST);
    out.call(MAP_UPDATE);
    out.jumpIfImm('eq', r0, 0, 'end');
    out.jumpIfImm('ne', r0, EXISTS, 'full');
    // Another CPU was faster.
    this.findEntry();
    out.jumpIfImm('ne', r0, 0, 'found');
    out.label('full');
    out.load(8, r2, fp, COUNTERS);
    this.increment(r2, Counter.dropped, 1);
    out.jump('end');

    out.label('found');
    out.aluImm('mov', r1, 1);
    out.atomic('add', 8, r0, Value.packets, r1);
    out.atomic('add', 8, r0, Value.octets, r9);
    out.load(8, r1, fp, LENGTH);
    out.atomic('add', 8, r0, Value.wire, r1);
    out.load(8, r1, fp, TIME);
    out.store(8, r0, Value.last, r1);
    out.load(8, r1, fp, FLAGS);
    out.load(4, r2, r0, Value.flags);
    out.alu('mov', r3, r2);
    out.alu('or', r3, r1);
    out.jumpIf('eq', r3, r2, 'same');
    out.atomic('or', 4, r0, Value.flags, r1);
    out.label('same');
    out.load(8, r1, fp, FRAGMENT);
    out.jumpIfImm('eq', r1, 0, 'end');
    out.store(4, r0, Value.fragments, r1);
  }

  private findEntry(): void {
    const { out } = this;
    out.load(8, r1, fp, MAP);
    out.alu('mov', r2, fp);
    out.aluImm('add', r2, KEY);
    out.call(MAP_LOOKUP);
  }

  private lookup(map: number, key: number): void {
    const { out } = this;
    out.loadMap(r1, map);
    out.alu('mov', r2, fp);
    out.aluImm('add', r2, key);
    out.call(MAP_LOOKUP);
  }

  private copy(width: Width, from: number, to: number): void {
    this.out.load(width, r1, r7, from);
    this.out.store(width, fp, KEY + to, r1);
  }

  /**
   * Points r7 at `count` bytes of the packet from r8 on: in the packet itself, or, where these are not in one piece, copied
   * to the stack. Changes r1 to r5.
   */
  private window(count: number, refusal: number): void {
    const { out } = this;
    const here = `window${this.windows++}`;
    out.load(4, r7, r6, Packet.data);
    out.load(4, r2, r6, Packet.end);
    out.alu('add', r7, r8);
    out.alu('mov', r3, r7);
    out.aluImm('add', r3, count);
    out.jumpIf('le', r3, r2, here);
    out.alu('mov', r1, r6);
    out.alu('mov', r2, r8);
    out.alu('mov', r3, fp);
    out.aluImm('add', r3, WINDOW);
    out.aluImm('mov', r4, count);
    out.call(LOAD_BYTES);
    out.jumpIfImm('ne', r0, 0, this.reason(refusal));
    out.alu('mov', r7, fp);
    out.aluImm('add', r7, WINDOW);
    out.label(here);
  }
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}
