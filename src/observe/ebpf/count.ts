import { Reg } from './assembler.js';
import { type Code, Helper } from './code.js';
import { BUCKET_BYTES, Counter, Datagram, Head, KEY_BYTES, Key, KeyFlag, Value } from './layout.js';
import { FragmentKind, Packet, Role, Stack } from './stack.js';

const { r0, r1, r2, r3, r4, fp } = Reg;
const { packet, length } = Role;
/** Once the packet is read its registers are free: the head of the map of records, its generation, the bucket. */
const { r6: head, r7: generation, r8: bucket } = Reg;

/** The value stands behind the key. */
const VALUE = KEY_BYTES;
/** Flag of the helper that updates a map: whether there is an entry or not. */
const ANY = 0;
/** 2^64 divided by the golden ratio, and odd. */
const MULTIPLIER = 0x9e3779b97f4a7c15n;

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
  out.storeImm(8, fp, Stack.service, 0);
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

/** From `add` on: adds the packet to its record, or begins one. */
export function addPacket(code: Code): void {
  const { out, maps } = code;
  out.label('add');
  out.call(Helper.bootNanos);
  out.store(8, fp, Stack.time, r0);
  out.storeImm(4, fp, Stack.index, 0);
  findRecord(code);
  out.jumpIfImm('eq', r0, 0, 'full');
  out.alu('mov', head, r0);
  out.load(4, generation, head, Head.generation);
  hashKey(code);
  code.lookup(maps.buckets, Stack.index);
  out.jumpIfImm('eq', r0, 0, 'full');
  out.alu('mov', bucket, r0);
  for (let word = 0; word < BUCKET_BYTES; word += 8) matchRecord(code, word);
  beginRecord(code);
  out.label('found');
  addToRecord(code);
  out.jump('end');
  out.label('full');
  out.load(8, r2, fp, Stack.counters);
  code.increment(r2, Counter.dropped);
}

/** r0: the record whose index stands on the stack; 0: there is none. */
function findRecord(code: Code): void {
  code.out.load(8, r1, fp, Stack.map);
  code.find(Stack.index);
}

/**
 * Puts the number of the key's bucket on the stack. It need not withstand those who choose their keys so that they meet:
 * that costs no more records than packets of many flows do, and the seed makes it hard all the same.
 */
function hashKey({ out, maps }: Code): void {
  out.load64(r0, maps.seed);
  out.load64(r2, MULTIPLIER);
  for (let k = 0; k < KEY_BYTES; k += 8) {
    out.load(8, r1, fp, Stack.key + k);
    out.alu('xor', r0, r1);
    out.alu('mul', r0, r2);
    out.alu('mov', r1, r0);
    out.aluImm('rsh', r1, 32);
    out.alu('xor', r0, r1);
  }
  out.aluImm('and', r0, maps.bucketCount - 1);
  out.store(4, fp, Stack.index, r0);
}

/** Goes on at `found`, with the record in r0, if this word of the bucket leads to the record of the key. */
function matchRecord(code: Code, word: number): void {
  const { out } = code;
  const other = `other${word}`;
  out.load(8, r1, bucket, word);
  out.alu('mov', r2, r1);
  out.aluImm('rsh', r2, 32);
  out.jumpIf('ne', r2, generation, other);
  out.store(4, fp, Stack.index, r1);
  findRecord(code);
  out.jumpIfImm('eq', r0, 0, other);
  for (let k = 0; k < KEY_BYTES; k += 8) {
    out.load(8, r1, r0, k);
    out.load(8, r2, fp, Stack.key + k);
    out.jumpIf('ne', r1, r2, other);
  }
  out.jump('found');
  out.label(other);
}

/**
 * A record for this packet: in the first word of the bucket if that is free, else in the second one, whose record stays as
 * it is. When another CPU does the same for the same key, there are two records, and nothing is lost. Goes on at `end`.
 */
function beginRecord(code: Code): void {
  const { out, maps } = code;
  out.load(8, r1, bucket, 0);
  out.aluImm('rsh', r1, 32);
  out.jumpIf('ne', r1, generation, 'free');
  out.aluImm('add', bucket, 8);
  out.label('free');
  // Looked at before it is counted up, so that it stays near the number of records however many packets come.
  out.load(8, r1, head, Head.next);
  out.jumpIfImm('ge', r1, maps.records, 'full');
  out.aluImm('mov', r1, 1);
  out.atomic('fetchAdd', 8, head, Head.next, r1);
  out.jumpIfImm('ge', r1, maps.records, 'full');
  out.store(4, fp, Stack.index, r1);
  out.aluImm('lsh', generation, 32);
  out.alu('or', generation, r1);
  findRecord(code);
  out.jumpIfImm('eq', r0, 0, 'full');
  for (let k = 0; k < KEY_BYTES; k += 8) {
    out.load(8, r1, fp, Stack.key + k);
    out.store(8, r0, k, r1);
  }
  out.load(8, r1, fp, Stack.time);
  out.store(8, r0, VALUE + Value.first, r1);
  out.store(8, r0, VALUE + Value.last, r1);
  out.storeImm(8, r0, VALUE + Value.packets, 1);
  out.store(8, r0, VALUE + Value.octets, length);
  out.store(4, r0, VALUE + Value.firstOctets, length);
  out.load(8, r1, fp, Stack.frame);
  out.store(8, r0, VALUE + Value.wire, r1);
  out.load(8, r1, fp, Stack.tcpFlags);
  out.store(4, r0, VALUE + Value.flags, r1);
  out.store(2, r0, VALUE + Value.firstFlags, r1);
  out.load(8, r1, fp, Stack.service);
  out.store(2, r0, VALUE + Value.tos, r1);
  out.load(8, r1, fp, Stack.fragment);
  out.store(4, r0, VALUE + Value.fragments, r1);
  // Other CPUs find it from here on; a barrier at the same time.
  out.atomic('exchange', 8, bucket, 0, generation);
  out.jump('end');
}

/** r0: the record. Other CPUs may add to it at the same time. */
function addToRecord({ out }: Code): void {
  out.aluImm('mov', r1, 1);
  out.atomic('add', 8, r0, VALUE + Value.packets, r1);
  out.atomic('add', 8, r0, VALUE + Value.octets, length);
  out.load(8, r1, fp, Stack.frame);
  out.atomic('add', 8, r0, VALUE + Value.wire, r1);
  out.load(8, r1, fp, Stack.time);
  out.store(8, r0, VALUE + Value.last, r1);
  out.load(8, r1, fp, Stack.tcpFlags);
  out.load(4, r2, r0, VALUE + Value.flags);
  out.alu('mov', r3, r2);
  out.alu('or', r3, r1);
  out.jumpIf('eq', r3, r2, 'same');
  out.atomic('or', 4, r0, VALUE + Value.flags, r1);
  out.label('same');
  out.load(8, r1, fp, Stack.fragment);
  out.jumpIfImm('eq', r1, 0, 'end');
  out.store(4, r0, VALUE + Value.fragments, r1);
}
