import { Family } from './bgp.js';
import { BgpError } from './bgp-error.js';
import { type RouteListener, UpdateReader } from './bgp-update.js';

/** Types and subtypes of MRT records (RFC 6396 §4, RFC 8050 for additional paths). */
const Type = { tableDump: 12, tableDump2: 13, bgp4mp: 16, bgp4mpEt: 17 } as const;
const TableDump2 = { ipv4: 2, ipv6: 4, ipv4AddPath: 8, ipv6AddPath: 10 } as const;
const MRT_HEADER = 12;
/** Longest record that is taken: a RIB entry of a prefix that hundreds of peers announce. */
export const MOST_MRT_BYTES: number = 1 << 24;

export interface MrtCounters {
  records: number;
  /** Records of other kinds: states, peers, multicast. */
  other: number;
  /** Records whose lengths or contents contradict each other; left out. */
  damaged: number;
}

/**
 * Reads MRT dumps: RIBs (TABLE_DUMP, TABLE_DUMP_V2) and updates (BGP4MP). Of a prefix that several peers announced, the
 * first entry counts.
 */
export class MrtReader {
  readonly counters: MrtCounters = { records: 0, other: 0, damaged: 0 };
  private readonly updates = new UpdateReader();
  private readonly listener: RouteListener;

  constructor(listener: RouteListener) {
    this.listener = listener;
  }

  /**
   * Reads the whole records in [from, to) and returns where the first incomplete one begins; -1 if a record is longer than
   * any can be, which is no MRT dump.
   */
  read(view: DataView, from: number, to: number): number {
    let at = from;
    while (to - at >= MRT_HEADER) {
      const length = view.getUint32(at + 8);
      if (length > MOST_MRT_BYTES) return -1;
      const end = at + MRT_HEADER + length;
      if (end > to) break;
      this.record(view, view.getUint16(at + 4), view.getUint16(at + 6), at + MRT_HEADER, end);
      at = end;
    }
    return at;
  }

  private record(view: DataView, type: number, subtype: number, from: number, to: number): void {
    this.counters.records++;
    let good: boolean | undefined;
    try {
      if (type === Type.tableDump2) good = this.rib(view, subtype, from, to);
      else if (type === Type.tableDump) good = this.oldRib(view, subtype, from, to);
      else if (type === Type.bgp4mp) good = this.message(view, subtype, from, to);
      // Extended: microseconds in front.
      else if (type === Type.bgp4mpEt && to - from >= 4) good = this.message(view, subtype, from + 4, to);
    } catch (error) {
      // A prefix or an UPDATE that cannot be read.
      if (!(error instanceof BgpError)) throw error;
      good = false;
    }
    if (good === undefined) this.counters.other++;
    else if (!good) this.counters.damaged++;
  }

  private rib(view: DataView, subtype: number, from: number, to: number): boolean | undefined {
    const addPath = subtype === TableDump2.ipv4AddPath || subtype === TableDump2.ipv6AddPath;
    const isIpv4 = subtype === TableDump2.ipv4 || subtype === TableDump2.ipv4AddPath;
    if (!isIpv4 && subtype !== TableDump2.ipv6 && subtype !== TableDump2.ipv6AddPath) return undefined;
    if (to - from < 7) return false;
    const family = isIpv4 ? Family.ipv4 : Family.ipv6;
    const length = view.getUint8(from + 4);
    const at = this.updates.readPrefix(view, from + 4, to, family);
    if (to - at < 2) return false;
    if (view.getUint16(at) === 0) return true;
    const entry = at + 2;
    const head = addPath ? 12 : 8;
    if (to - entry < head) return false;
    const attributes = entry + head;
    const end = attributes + view.getUint16(attributes - 2);
    return end <= to && this.announce(view, family, length, attributes, end, true);
  }

  private oldRib(view: DataView, subtype: number, from: number, to: number): boolean | undefined {
    if (subtype !== Family.ipv4 && subtype !== Family.ipv6) return undefined;
    const family = subtype;
    const size = family === Family.ipv4 ? 4 : 16;
    // View, sequence, prefix, its length, status, time, peer's address, peer's AS of two octets, length of the attributes.
    const lengthAt = from + 4 + size;
    const attributes = lengthAt + 6 + size + 4;
    if (attributes > to) return false;
    const length = view.getUint8(lengthAt);
    if (length > size * 8) return false;
    const { prefix } = this.updates;
    prefix.fill(0);
    for (let w = 0; w < size / 4; w++) prefix[w] = view.getInt32(from + 4 + 4 * w);
    const end = attributes + view.getUint16(attributes - 2);
    return end <= to && this.announce(view, family, length, attributes, end, false);
  }

  private announce(
    view: DataView,
    family: Family,
    length: number,
    from: number,
    to: number,
    fourOctetAs: boolean,
  ): boolean {
    this.updates.fourOctetAs = fourOctetAs;
    if (!this.updates.readEntry(view, from, to, family)) return false;
    this.listener.announce(family, this.updates.prefix, length, this.updates.route);
    return true;
  }

  /** BGP4MP_MESSAGE (1, 6: local) and BGP4MP_MESSAGE_AS4 (4, 7: local). */
  private message(view: DataView, subtype: number, from: number, to: number): boolean | undefined {
    const four = subtype === 4 || subtype === 7;
    if (!four && subtype !== 1 && subtype !== 6) return undefined;
    const afterAs = from + (four ? 8 : 4);
    if (to - afterAs < 4) return false;
    const message = afterAs + 4 + (view.getUint16(afterAs + 2) === Family.ipv4 ? 8 : 32);
    if (to - message < 19) return false;
    if (view.getUint8(message + 18) !== 2) return undefined;
    const end = message + view.getUint16(message + 16);
    if (end > to) return false;
    this.updates.fourOctetAs = four;
    this.updates.read(view, message + 19, end, this.listener);
    return true;
  }
}
