import { ErrorCode, RheoError } from '../core/errors.js';
import {
  type CaptureHost,
  type CaptureParser,
  type Cursor,
  type DamageReason,
  MAX_CAPTURED_LENGTH,
  MAX_RECORD_LENGTH,
  MAX_WIRE_LENGTH,
  type PacketColumns,
} from './capture.js';
import { canonicalLinkType, describeRefusal, isSupportedLinkType } from './link-type.js';
import { BlockType, BYTE_ORDER_MAGIC, OptionCode, OptionWalk, padded, readText, readUint64 } from './pcapng-options.js';
import { ReadAhead } from './read-ahead.js';
import { TickClock } from './tick-clock.js';

/** Longest block that is passed over; a greater length is damage. */
const MAX_BLOCK_LENGTH = 16 * 1024 * 1024;
/** Most interfaces that one section may declare. */
const MAX_SECTION_INTERFACES = 65_536;
const MAX_NAME_LENGTH = 255;
const MAX_DESCRIPTION_LENGTH = 1024;

const BLOCK_MIN_LENGTH = 12;
/** Shortest section header, with which every file begins. */
export const SECTION_HEADER_LENGTH = 28;
const INTERFACE_HEADER_LENGTH = 16;
const ENHANCED_HEADER_LENGTH = 28;
const ENHANCED_MIN_LENGTH = 32;
const SIMPLE_HEADER_LENGTH = 12;
const STATISTICS_HEADER_LENGTH = 20;
const TRAILER_LENGTH = 4;
/** `drops_count` of an obsolete packet block: not known. */
const DROPS_UNKNOWN = 0xffff;

/** Resolution of time stamps where an interface does not say: microseconds. */
const DEFAULT_RESOLUTION = 6;

/** An interface of the section that is read now. */
class SectionInterface {
  readonly clock: TickClock;
  readonly linkType: number;
  /** 0 = no limit. */
  readonly snapLength: number;
  /** Number in the column `iface`; -1: its packets are left out. */
  readonly number: number;
  readonly label: string;
  warned = false;
  /** Drops as counted packet by packet, and as the newest statistics have them; the greater one is believed. */
  packetDrops = 0;
  statisticsDrops = 0;
  toldDrops = 0;

  constructor(clock: TickClock, linkType: number, snapLength: number, number: number, label: string) {
    this.clock = clock;
    this.linkType = linkType;
    this.snapLength = snapLength;
    this.number = number;
    this.label = label;
  }
}

/**
 * Walks pcapng (draft-ietf-opsawg-pcapng): sections with their own byte order, interfaces with their own resolution and
 * offset of time, enhanced, simple and obsolete packet blocks. Name resolution and statistics are told to the host; all
 * other blocks (decryption secrets, custom, unknown) are passed over by their length.
 */
export class PcapngParser implements CaptureParser {
  private readonly host: CaptureHost;
  private readonly options = new OptionWalk();
  private readonly ahead = new ReadAhead();
  private little = true;
  private section = -1;
  private interfaces: SectionInterface[] = [];
  /** An interface of this file can be read: then packets of others are left out and do not end the reading. */
  private anySupported = false;
  private unknownInterfaceWarned = false;
  private timeWarned = false;
  /** Time of the packet before, for simple packet blocks, which carry none. */
  private seconds = 0;
  private nanos = 0;

  constructor(host: CaptureHost) {
    this.host = host;
  }

  walk(cursor: Cursor, into: PacketColumns): void {
    const { view, end, pos: begin } = cursor;
    const { ahead } = this;
    ahead.touch(view, begin, end);
    const { offset, captured, wire, seconds, nanos, iface, link, capacity } = into;
    let { little, interfaces } = this;
    let pos = cursor.pos;
    let n = into.count;
    cursor.need = 0;
    while (n < capacity) {
      if (end - pos < BLOCK_MIN_LENGTH) {
        cursor.need = BLOCK_MIN_LENGTH;
        break;
      }
      if (view.getUint32(pos, little) !== BlockType.enhancedPacket) {
        cursor.pos = pos;
        into.count = n;
        const more = this.walkOther(cursor, into);
        ({ little, interfaces } = this);
        pos = cursor.pos;
        n = into.count;
        if (more) continue;
        break;
      }
      // Lengths are read as signed numbers, which are faster; those of 2^31 and more are negative then, and wrong.
      const length = view.getInt32(pos + 4, little);
      if (length < ENHANCED_MIN_LENGTH || length > MAX_RECORD_LENGTH || (length & 3) !== 0) {
        this.lengthIsWrong(cursor, pos, length >>> 0, ENHANCED_MIN_LENGTH);
        break;
      }
      if (length > end - pos) {
        cursor.need = length;
        break;
      }
      if (view.getInt32(pos + length - TRAILER_LENGTH, little) !== length) {
        this.trailerIsWrong(cursor, pos, length);
        break;
      }
      const kept = view.getInt32(pos + 20, little);
      const room = length - ENHANCED_MIN_LENGTH;
      if (kept < 0 || kept > room || kept > MAX_CAPTURED_LENGTH) {
        this.keptIsWrong(cursor, pos, kept >>> 0, room);
        break;
      }
      const next = pos + length;
      const id = view.getUint32(pos + 8, little);
      if (id >= interfaces.length) {
        this.leaveOutUnknown(pos, id);
        pos = next;
        continue;
      }
      const from = interfaces[id];
      if (room >= padded(kept) + 4)
        this.readPacketDrops(cursor, from, pos + ENHANCED_HEADER_LENGTH + padded(kept), next);
      if (from.number < 0) {
        this.leaveOutRefused(pos, from);
        pos = next;
        continue;
      }
      const { clock } = from;
      if (!clock.set(view.getUint32(pos + 12, little), view.getUint32(pos + 16, little))) {
        this.leaveOutTime(pos, clock);
        pos = next;
        continue;
      }
      const onWire = view.getInt32(pos + 24, little);
      offset[n] = pos + ENHANCED_HEADER_LENGTH;
      captured[n] = kept;
      wire[n] = onWire < 0 ? MAX_WIRE_LENGTH : onWire < kept ? kept : onWire;
      this.seconds = clock.seconds;
      this.nanos = clock.nanos;
      seconds[n] = clock.seconds;
      nanos[n] = clock.nanos;
      iface[n] = from.number;
      link[n] = from.linkType;
      n++;
      pos = next;
    }
    into.count = n;
    cursor.pos = pos;
    ahead.walked(pos - begin, n === capacity);
  }

  /** One block that is not an enhanced packet block. False if the walk must stop: for bytes, or for damage. */
  private walkOther(cursor: Cursor, into: PacketColumns): boolean {
    const { view, pos, end } = cursor;
    const type = view.getUint32(pos, this.little);
    if (type === BlockType.sectionHeader && !this.readByteOrder(cursor)) return false;
    const { little } = this;
    const length = view.getUint32(pos + 4, little);
    let smallest = BLOCK_MIN_LENGTH;
    if (type === BlockType.sectionHeader) smallest = SECTION_HEADER_LENGTH;
    else if (type === BlockType.interfaceDescription) smallest = INTERFACE_HEADER_LENGTH + TRAILER_LENGTH;
    else if (type === BlockType.packet) smallest = ENHANCED_MIN_LENGTH;
    else if (type === BlockType.simplePacket) smallest = SIMPLE_HEADER_LENGTH + TRAILER_LENGTH;
    else if (type === BlockType.interfaceStatistics) smallest = STATISTICS_HEADER_LENGTH + TRAILER_LENGTH;
    else if (type !== BlockType.nameResolution || length > MAX_RECORD_LENGTH) return this.passOver(cursor, length);
    if (this.lengthIsWrong(cursor, pos, length, smallest)) return false;
    if (length > end - pos) {
      cursor.need = length;
      return false;
    }
    if (this.trailerIsWrong(cursor, pos, length)) return false;
    let more = true;
    if (type === BlockType.sectionHeader) more = this.readSection(cursor);
    else if (type === BlockType.interfaceDescription) more = this.readInterface(cursor, length);
    else if (type === BlockType.nameResolution) this.readNames(cursor, length);
    else if (type === BlockType.interfaceStatistics) this.readStatistics(cursor, length);
    else if (type === BlockType.simplePacket) more = this.readSimple(cursor, into, length);
    else more = this.readObsolete(cursor, into, length);
    if (more) cursor.pos = pos + length;
    return more;
  }

  /** Takes the byte order of a section from its header. */
  private readByteOrder(cursor: Cursor): boolean {
    const { view, pos } = cursor;
    const magic = view.getUint32(pos + 8, true);
    if (magic === BYTE_ORDER_MAGIC) this.little = true;
    else if (view.getUint32(pos + 8, false) === BYTE_ORDER_MAGIC) this.little = false;
    else {
      return damaged(cursor, 'block', pos, 'the byte-order magic 0x1a2b3c4d of a section header', `0x${hex(magic)}`);
    }
    return true;
  }

  private readSection(cursor: Cursor): boolean {
    const { view, pos } = cursor;
    const major = view.getUint16(pos + 12, this.little);
    if (major !== 1) {
      const found = `version ${major}.${view.getUint16(pos + 14, this.little)}`;
      return damaged(cursor, 'version', pos, 'a section of pcapng version 1', found);
    }
    this.section++;
    this.interfaces = [];
    return true;
  }

  private readInterface(cursor: Cursor, length: number): boolean {
    const { view, bytes, pos } = cursor;
    const { little, interfaces } = this;
    if (interfaces.length >= MAX_SECTION_INTERFACES) {
      return damaged(cursor, 'block', pos, `at most ${MAX_SECTION_INTERFACES} interfaces in a section`, 'one more');
    }
    const linkType = canonicalLinkType(view.getUint16(pos + 8, little));
    const snapLength = view.getUint32(pos + 12, little);
    let name: string | undefined;
    let description: string | undefined;
    let resolution = DEFAULT_RESOLUTION;
    let offset = 0;
    const option = this.options.begin(view, pos + INTERFACE_HEADER_LENGTH, pos + length - TRAILER_LENGTH, little);
    while (option.step()) {
      const { code, value } = option;
      if (code === OptionCode.interfaceName) {
        name = readText(bytes, value, value + option.length, MAX_NAME_LENGTH);
      } else if (code === OptionCode.interfaceDescription) {
        description = readText(bytes, value, value + option.length, MAX_DESCRIPTION_LENGTH);
      } else if (code === OptionCode.interfaceResolution && option.length >= 1) {
        resolution = bytes[value];
      } else if (code === OptionCode.interfaceOffset && option.length >= 8) {
        const high = view.getInt32(little ? value + 4 : value, little);
        offset = high * 0x100000000 + view.getUint32(little ? value : value + 4, little);
      }
    }
    const supported = isSupportedLinkType(linkType);
    let number = -1;
    if (supported) {
      this.anySupported = true;
      number = this.host.addInterface({
        name: name || undefined,
        description,
        linkType,
        snapLength,
        section: this.section,
      });
      if (number < 0) return damaged(cursor, 'block', pos, 'fewer interfaces than the limit', 'one more');
    }
    const label = name || `interface ${interfaces.length}`;
    interfaces.push(new SectionInterface(new TickClock(resolution, offset), linkType, snapLength, number, label));
    return true;
  }

  private readNames(cursor: Cursor, length: number): void {
    const { view, bytes, pos } = cursor;
    const record = this.options.begin(view, pos + 8, pos + length - TRAILER_LENGTH, this.little);
    while (record.step()) {
      const { code, value } = record;
      const addressLength = code === 1 ? 4 : code === 2 ? 16 : 0;
      if (addressLength === 0 || record.length <= addressLength) continue;
      const name = readText(bytes, value + addressLength, value + record.length, MAX_NAME_LENGTH);
      if (name !== '') this.host.addName(bytes.subarray(value, value + addressLength), name);
    }
  }

  private readStatistics(cursor: Cursor, length: number): void {
    const { view, pos } = cursor;
    const { little, interfaces } = this;
    const id = view.getUint32(pos + 8, little);
    if (id >= interfaces.length) return;
    const option = this.options.begin(view, pos + STATISTICS_HEADER_LENGTH, pos + length - TRAILER_LENGTH, little);
    let drops = 0;
    while (option.step()) {
      if (option.length < 8) continue;
      if (option.code === OptionCode.statisticsInterfaceDropped || option.code === OptionCode.statisticsSystemDropped) {
        drops += readUint64(view, option.value, little);
      }
    }
    const from = interfaces[id];
    if (drops > from.statisticsDrops) from.statisticsDrops = drops;
    this.tellDrops(from);
  }

  private readPacketDrops(cursor: Cursor, from: SectionInterface, start: number, next: number): void {
    const option = this.options.begin(cursor.view, start, next - TRAILER_LENGTH, this.little);
    while (option.step()) {
      if (option.code !== OptionCode.packetDropped || option.length < 8) continue;
      from.packetDrops += readUint64(cursor.view, option.value, this.little);
      this.tellDrops(from);
    }
  }

  private tellDrops(from: SectionInterface): void {
    const drops = Math.max(from.packetDrops, from.statisticsDrops);
    if (drops > from.toldDrops) this.host.addDropped(drops - from.toldDrops);
    from.toldDrops = Math.max(drops, from.toldDrops);
  }

  /** Simple packet block: of interface 0, without a time; it gets that of the packet before. */
  private readSimple(cursor: Cursor, into: PacketColumns, length: number): boolean {
    const { view, pos } = cursor;
    const onWire = view.getUint32(pos + 8, this.little);
    const room = length - SIMPLE_HEADER_LENGTH - TRAILER_LENGTH;
    if (this.interfaces.length === 0) {
      this.leaveOutUnknown(pos, 0);
      return true;
    }
    const from = this.interfaces[0];
    let kept = onWire;
    if (from.snapLength > 0 && kept > from.snapLength) kept = from.snapLength;
    if (kept > room) kept = room;
    if (this.keptIsWrong(cursor, pos, kept, room)) return false;
    if (from.number < 0) this.leaveOutRefused(pos, from);
    else this.append(into, pos + SIMPLE_HEADER_LENGTH, kept, onWire, from);
    return true;
  }

  /** Obsolete packet block: interface and drop count of 16 bits each, else as an enhanced one. */
  private readObsolete(cursor: Cursor, into: PacketColumns, length: number): boolean {
    const { view, pos } = cursor;
    const { little, interfaces } = this;
    const kept = view.getUint32(pos + 20, little);
    const room = length - ENHANCED_MIN_LENGTH;
    if (this.keptIsWrong(cursor, pos, kept, room)) return false;
    const id = view.getUint16(pos + 8, little);
    const drops = view.getUint16(pos + 10, little);
    if (id >= interfaces.length) {
      this.leaveOutUnknown(pos, id);
      return true;
    }
    const from = interfaces[id];
    if (drops !== DROPS_UNKNOWN && drops > 0) {
      from.packetDrops += drops;
      this.tellDrops(from);
    }
    if (from.number < 0) {
      this.leaveOutRefused(pos, from);
    } else if (from.clock.set(view.getUint32(pos + 12, little), view.getUint32(pos + 16, little))) {
      this.seconds = from.clock.seconds;
      this.nanos = from.clock.nanos;
      this.append(into, pos + ENHANCED_HEADER_LENGTH, kept, view.getUint32(pos + 24, little), from);
    } else {
      this.leaveOutTime(pos, from.clock);
    }
    return true;
  }

  private append(into: PacketColumns, data: number, kept: number, onWire: number, from: SectionInterface): void {
    const n = into.count++;
    into.offset[n] = data;
    into.captured[n] = kept;
    into.wire[n] = Math.min(Math.max(kept, onWire), MAX_WIRE_LENGTH);
    into.seconds[n] = this.seconds;
    into.nanos[n] = this.nanos;
    into.iface[n] = from.number;
    into.link[n] = from.linkType;
  }

  /** Passes over a block, also where most of it is still to come. */
  private passOver(cursor: Cursor, length: number): boolean {
    const { pos, end } = cursor;
    if (length < BLOCK_MIN_LENGTH || length % 4 !== 0 || length > MAX_BLOCK_LENGTH) {
      const expected = `a block length that is a multiple of 4 between ${BLOCK_MIN_LENGTH} and ${MAX_BLOCK_LENGTH}`;
      return damaged(cursor, 'block', pos, expected, `${length}`);
    }
    // What is checked must not depend on how much is at hand: only blocks that are never looked at as a whole are not.
    if (length <= MAX_RECORD_LENGTH) {
      if (length > end - pos) {
        cursor.need = length;
        return false;
      }
      if (this.trailerIsWrong(cursor, pos, length)) return false;
      cursor.pos = pos + length;
      return true;
    }
    if (length <= end - pos) {
      cursor.pos = pos + length;
      return true;
    }
    cursor.skip = length - (end - pos);
    cursor.pos = end;
    cursor.need = BLOCK_MIN_LENGTH;
    return false;
  }

  private lengthIsWrong(cursor: Cursor, pos: number, length: number, smallest: number): boolean {
    if (length >= smallest && length % 4 === 0 && length <= MAX_RECORD_LENGTH) return false;
    const expected = `a block length that is a multiple of 4 between ${smallest} and ${MAX_RECORD_LENGTH}`;
    damaged(cursor, 'block', pos, expected, `${length}`);
    return true;
  }

  private trailerIsWrong(cursor: Cursor, pos: number, length: number): boolean {
    const trailer = cursor.view.getUint32(pos + length - TRAILER_LENGTH, this.little);
    if (trailer === length) return false;
    damaged(cursor, 'block', pos, `the block length ${length} again at the end of the block`, `${trailer}`);
    return true;
  }

  private keptIsWrong(cursor: Cursor, pos: number, kept: number, room: number): boolean {
    if (kept <= room && kept <= MAX_CAPTURED_LENGTH) return false;
    const expected = `a packet of at most ${Math.min(room, MAX_CAPTURED_LENGTH)} captured bytes`;
    damaged(cursor, 'length', pos, expected, `a length of ${kept}`);
    return true;
  }

  private leaveOutUnknown(pos: number, id: number): void {
    const known = this.interfaces.length;
    const message = `packet of interface ${id}, but ${known} interfaces are declared; such packets are left out`;
    this.host.leaveOut('interface', pos, this.unknownInterfaceWarned ? undefined : message);
    this.unknownInterfaceWarned = true;
  }

  private leaveOutRefused(pos: number, from: SectionInterface): void {
    const reason = describeRefusal(from.linkType);
    if (!this.anySupported) {
      throw new RheoError(ErrorCode.linkType, `${this.host.name}: ${from.label}: ${reason}`, {
        remedy: 'Capture on a network interface, or convert the file to a link type that carries IP.',
      });
    }
    const message = `${from.label}: ${reason}; its packets are left out`;
    this.host.leaveOut('linkType', pos, from.warned ? undefined : message);
    from.warned = true;
  }

  private leaveOutTime(pos: number, clock: TickClock): void {
    const message = `time of ${clock.seconds} s is outside 1970 … 2106; such packets are left out`;
    this.host.leaveOut('time', pos, this.timeWarned ? undefined : message);
    this.timeWarned = true;
  }
}

function damaged(cursor: Cursor, reason: DamageReason, at: number, expected: string, found: string): false {
  cursor.damage = { reason, at, expected, found };
  return false;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
