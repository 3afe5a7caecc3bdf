import { Reg } from './assembler.js';
import { type Code, Helper } from './code.js';
import { Counter, Datagram, KEY_BYTES, Key, KeyFlag, Value } from './layout.js';
import { FragmentKind, Packet, Role, Stack } from './stack.js';

const { r0, r1, r2, r3, r4, fp } = Reg;
const { packet, length } = Role;

/** Flags and results of the helper that updates a map. */
const ANY = 0;
const NO_EXIST = 1;
const EXISTS = -17;

/** Finds the map of now; when there is none, nobody wants packets. Then counts the packet for its interface. */
export function countFrame(code: Code): void {
  const { out, maps, options } = code;
  out.storeImm(4, fp, Stack.index, 0);
  code.lookup(maps.current, Stack.index);
  out.jumpIfImm('eq', r0, 0, 'end');
  out.store(8, fp, Stack.map, r0);
  out.storeImm(4, fp, Stack.index, options.slot);
  code.lookup(maps.counters, Stack.index);
  out.jumpIfImm('eq', r0, 0, 'end');
  out.store(8, fp, Stack.counters, r0);
  code.increment(r0, Counter.packets);
  out.load(4, r1, packet, Packet.segmentSize);
  out.jumpIfImm('eq', r1, 0, 'ordinary');
  code.increment(r0, Counter.superFrames);
  out.load(4, r2, packet, Packet.segments);
  out.load(8, r1, r0, Counter.segments);
  out.alu('add', r1, r2);
  out.store(8, r0, Counter.segments, r1);
  out.label('ordinary');
  emptyKey(code);
  out.storeImm(2, fp, Stack.value + Value.tos, 0);
  out.load(4, r1, packet, Packet.length);
  out.store(8, fp, Stack.frame, r1);
}

/** A key with nothing but interface and direction. */
function emptyKey({ out, options }: Code): void {
  for (let k = 0; k < KEY_BYTES; k += 8) out.storeImm(8, fp, Stack.key + k, 0);
  out.storeImm(1, fp, Stack.key + Key.direction, options.direction);
  out.storeImm(2, fp, Stack.key + Key.slot, options.slot);
  out.storeImm(8, fp, Stack.tcpFlags, 0);
  out.storeImm(8, fp, Stack.fragment, 0);
}

/** The first fragment leaves its ports for the others, which take them from there. From `later` on: later fragments. */
export function joinFragments(code: Code): void {
  const { out, maps } = code;
  out.load(8, r1, fp, Stack.fragment);
  out.jumpIfImm('eq', r1, 0, 'add');
  datagramKey(code);
  out.loadMap(r1, maps.datagrams);
  code.stackAddress(r2, Stack.datagram);
  code.stackAddress(r3, Stack.key + Key.ports);
  out.aluImm('mov', r4, ANY);
  out.call(Helper.mapUpdate);
  out.jump('add');

  out.label('later');
  out.storeImm(8, fp, Stack.fragment, FragmentKind.later);
  datagramKey(code);
  code.lookup(maps.datagrams, Stack.datagram);
  out.jumpIfImm('eq', r0, 0, 'orphan');
  out.load(4, r1, r0, 0);
  out.store(4, fp, Stack.key + Key.ports, r1);
  out.jump('add');
  out.label('orphan');
  out.storeImm(2, fp, Stack.key + Key.flags, KeyFlag.orphan);
  out.jump('add');
}

/** The id is there already, and has set the rest of its eight bytes to 0. */
function datagramKey({ out, options }: Code): void {
  const { key, datagram } = Stack;
  for (let k = 0; k < Datagram.id; k += 8) {
    out.load(8, r1, fp, key + k);
    out.store(8, fp, datagram + k, r1);
  }
  out.load(1, r1, fp, key + Key.protocol);
  out.store(1, fp, datagram + Datagram.protocol, r1);
  out.storeImm(1, fp, datagram + Datagram.direction, options.direction);
  out.storeImm(2, fp, datagram + Datagram.slot, options.slot);
}

/** Packets that are not metered: an entry for each reason. To stand behind everything that refuses packets. */
export function refusePackets(code: Code): void {
  const { out } = code;
  for (const reason of code.reasons) {
    out.label(`reason${reason}`);
    out.aluImm('mov', r1, reason);
    out.jump('refuse');
  }
  out.label('refuse');
  emptyKey(code);
  out.store(1, fp, Stack.key + Key.protocol, r1);
  out.aluImm('mov', length, 0);
}

/** From `add` on: adds the packet to its entry, or makes one. */
export function addPacket(code: Code): void {
  const { out } = code;
  out.label('add');
  out.call(Helper.bootNanos);
  out.store(8, fp, Stack.time, r0);
  findEntry(code);
  out.jumpIfImm('ne', r0, 0, 'found');
  makeEntry(code);
  out.label('found');
  addToEntry(code);
}

function findEntry(code: Code): void {
  code.out.load(8, r1, fp, Stack.map);
  code.stackAddress(r2, Stack.key);
  code.out.call(Helper.mapLookup);
}

/** Goes on at `end`; at what follows, with the entry in r0, if another CPU has just made it. */
function makeEntry(code: Code): void {
  const { out } = code;
  const { value } = Stack;
  out.load(8, r1, fp, Stack.time);
  out.store(8, fp, value + Value.first, r1);
  out.store(8, fp, value + Value.last, r1);
  out.storeImm(8, fp, value + Value.packets, 1);
  out.store(8, fp, value + Value.octets, length);
  out.store(4, fp, value + Value.firstOctets, length);
  out.load(8, r1, fp, Stack.frame);
  out.store(8, fp, value + Value.wire, r1);
  out.load(8, r1, fp, Stack.tcpFlags);
  out.store(4, fp, value + Value.flags, r1);
  out.store(2, fp, value + Value.firstFlags, r1);
  out.load(8, r1, fp, Stack.fragment);
  out.store(4, fp, value + Value.fragments, r1);
  out.load(8, r1, fp, Stack.map);
  code.stackAddress(r2, Stack.key);
  code.stackAddress(r3, value);
  out.aluImm('mov', r4, NO_EXIST);
  out.call(Helper.mapUpdate);
  out.jumpIfImm('eq', r0, 0, 'end');
  out.jumpIfImm('ne', r0, EXISTS, 'full');
  findEntry(code);
  out.jumpIfImm('ne', r0, 0, 'found');
  out.label('full');
  out.load(8, r2, fp, Stack.counters);
  code.increment(r2, Counter.dropped);
  out.jump('end');
}

/** r0: the entry. Other CPUs may add to it at the same time. */
function addToEntry({ out }: Code): void {
  out.aluImm('mov', r1, 1);
  out.atomic('add', 8, r0, Value.packets, r1);
  out.atomic('add', 8, r0, Value.octets, length);
  out.load(8, r1, fp, Stack.frame);
  out.atomic('add', 8, r0, Value.wire, r1);
  out.load(8, r1, fp, Stack.time);
  out.store(8, r0, Value.last, r1);
  out.load(8, r1, fp, Stack.tcpFlags);
  out.load(4, r2, r0, Value.flags);
  out.alu('mov', r3, r2);
  out.alu('or', r3, r1);
  out.jumpIf('eq', r3, r2, 'same');
  out.atomic('or', 4, r0, Value.flags, r1);
  out.label('same');
  out.load(8, r1, fp, Stack.fragment);
  out.jumpIfImm('eq', r1, 0, 'end');
  out.store(4, r0, Value.fragments, r1);
}
