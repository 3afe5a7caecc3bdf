import { ErrorCode, RheoError } from '../core/errors.js';
import {
  type CaptureHost,
  type CaptureParser,
  type Cursor,
  MAX_CAPTURED_LENGTH,
  MAX_WIRE_LENGTH,
  type PacketColumns,
} from './capture.js';
import { canonicalLinkType, describeRefusal, isSupportedLinkType } from './link-type.js';
import { ReadAhead } from './read-ahead.js';

/** Magic numbers of pcap files, as they read in the byte order of the file (draft-ietf-opsawg-pcap). */
export const PcapMagic = {
  micro: 0xa1b2c3d4,
  nano: 0xa1b23c4d,
  /** Alexey Kuznetzov's variant: record headers of 24 bytes, with interface index, protocol and packet type. */
  modified: 0xa1b2cd34,
} as const;

export const PCAP_FILE_HEADER_LENGTH = 24;
export const PCAP_RECORD_HEADER_LENGTH = 16;
export const PCAP_MODIFIED_RECORD_HEADER_LENGTH = 24;

/** Low bits of the network field; those above hold the length of the frame check sequence. */
const LINK_TYPE_MASK = 0x03ffffff;
/** DG/UX wrote this major version. */
const MAJOR_DGUX = 543;

/** True if the number, read in either byte order, begins a pcap file. */
export function isPcapMagic(word: number): boolean {
  return word === PcapMagic.micro || word === PcapMagic.nano || word === PcapMagic.modified;
}

/** Walks pcap: micro and nanosecond files and the modified header, in both byte orders. */
export class PcapParser implements CaptureParser {
  private readonly little: boolean;
  private readonly headerLength: number;
  private readonly ticksPerSecond: number;
  private readonly nanosPerTick: number;
  /** Before version 2.4 captured and wire length stood in the other order, in some files. */
  private readonly unordered: boolean;
  private readonly linkType: number;
  private readonly interfaceNumber: number;
  /** The columns that were walked into last, and the function for them. */
  private columns: PacketColumns | undefined;
  private walkInto: (cursor: Cursor) => void = () => {};

  /**
   * Reads the file header at `cursor.pos`, all of which must be at hand, and moves behind it.
   * @throws RheoError if version or link type are not supported
   */
  constructor(cursor: Cursor, host: CaptureHost) {
    const { view, pos } = cursor;
    this.little = isPcapMagic(view.getUint32(pos, true));
    const { little } = this;
    const magic = view.getUint32(pos, little);
    const major = view.getUint16(pos + 4, little);
    const minor = view.getUint16(pos + 6, little);
    if (major !== 2 && major !== MAJOR_DGUX) {
      throw new RheoError(ErrorCode.format, `${host.name}: byte 4: expected pcap version 2, found ${major}.${minor}`, {
        remedy: 'The file is damaged, or its format is newer than this program.',
      });
    }
    this.headerLength = magic === PcapMagic.modified ? PCAP_MODIFIED_RECORD_HEADER_LENGTH : PCAP_RECORD_HEADER_LENGTH;
    this.ticksPerSecond = magic === PcapMagic.nano ? 1e9 : 1e6;
    this.nanosPerTick = magic === PcapMagic.nano ? 1 : 1000;
    this.unordered = major === MAJOR_DGUX || minor < 4;
    this.linkType = canonicalLinkType(view.getUint32(pos + 20, little) & LINK_TYPE_MASK);
    if (!isSupportedLinkType(this.linkType)) {
      throw new RheoError(ErrorCode.linkType, `${host.name}: ${describeRefusal(this.linkType)}`, {
        remedy: 'Capture on a network interface, or convert the file to a link type that carries IP.',
      });
    }
    this.interfaceNumber = host.addInterface({
      name: undefined,
      description: undefined,
      linkType: this.linkType,
      snapLength: view.getUint32(pos + 16, little),
      section: 0,
    });
    cursor.pos = pos + PCAP_FILE_HEADER_LENGTH;
  }

  walk(cursor: Cursor, into: PacketColumns): void {
    if (this.columns !== into) {
      this.columns = into;
      this.walkInto = this.walkerFor(into);
    }
    this.walkInto(cursor);
  }

  /** Makes the walk for these columns; see docs/decisions/0014-functions-of-the-road.md. */
  private walkerFor(into: PacketColumns): (cursor: Cursor) => void {
    const { offset, captured, wire, seconds, nanos, iface, link, capacity } = into;
    const { little, headerLength, ticksPerSecond, nanosPerTick, unordered, linkType, interfaceNumber } = this;
    const ahead = new ReadAhead();
    return function walkRecords(cursor) {
      const { view, end, pos: begin } = cursor;
      let pos = begin;
      let n = into.count;
      ahead.touch(view, begin, end);
      cursor.need = 0;
      while (n < capacity) {
        const data = pos + headerLength;
        if (data > end) {
          cursor.need = headerLength;
          break;
        }
        // Read as signed numbers: unsigned ones would be carried as doubles, which takes twice the time of the whole loop.
        let length = view.getInt32(pos + 8, little);
        let onWire = view.getInt32(pos + 12, little);
        if (unordered && onWire >>> 0 < length >>> 0) {
          const swapped = length;
          length = onWire;
          onWire = swapped;
        }
        if (length >>> 0 > MAX_CAPTURED_LENGTH) {
          cursor.damage = {
            reason: 'length',
            at: pos,
            expected: `a packet of at most ${MAX_CAPTURED_LENGTH} captured bytes`,
            found: `a length of ${length >>> 0}`,
          };
          break;
        }
        const next = data + length;
        if (next > end) {
          cursor.need = headerLength + length;
          break;
        }
        const tick = view.getInt32(pos + 4, little);
        seconds[n] = view.getInt32(pos, little);
        nanos[n] = Math.imul(tick, nanosPerTick);
        if (tick >>> 0 >= ticksPerSecond) carrySeconds(into, n, tick >>> 0, ticksPerSecond);
        offset[n] = data;
        captured[n] = length;
        wire[n] = onWire < 0 ? MAX_WIRE_LENGTH : onWire < length ? length : onWire;
        iface[n] = interfaceNumber;
        link[n] = linkType;
        n++;
        pos = next;
      }
      into.count = n;
      cursor.pos = pos;
      ahead.walked(pos - begin, n === capacity);
    };
  }
}

/** The fraction of a packet's time is a second or more: the whole seconds of it are carried over. */
function carrySeconds(into: PacketColumns, n: number, ticks: number, perSecond: number): void {
  into.seconds[n] = Math.min(into.seconds[n] + Math.floor(ticks / perSecond), 0xffffffff);
  into.nanos[n] = (ticks % perSecond) * (1e9 / perSecond);
}
