/** Block types of pcapng (draft-ietf-opsawg-pcapng, section on block types). */
export const BlockType = {
  interfaceDescription: 1,
  /** Obsolete packet block. */
  packet: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
  /** The same in both byte orders. */
  sectionHeader: 0x0a0d0d0a,
} as const;

/** What stands behind the length of a section header, in the byte order of the section. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const OptionCode = {
  end: 0,
  comment: 1,
  interfaceName: 2,
  interfaceDescription: 3,
  /** Resolution of time stamps. */
  interfaceResolution: 9,
  /** Seconds to add to time stamps, a signed 64-bit number. */
  interfaceOffset: 14,
  /** Packets lost between this one and the one before. */
  packetDropped: 4,
  /** Packets the interface dropped since the capture began. */
  statisticsInterfaceDropped: 5,
  /** Packets the operating system dropped since the capture began. */
  statisticsSystemDropped: 7,
} as const;

const OPTION_HEADER_LENGTH = 4;
const text = new TextDecoder();

/** Rounds up to the next multiple of 4. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

/** A 64-bit number in the given byte order, exact up to 2^53. */
export function readUint64(view: DataView, pos: number, little: boolean): number {
  const first = view.getUint32(pos, little);
  const second = view.getUint32(pos + 4, little);
  return little ? second * 0x100000000 + first : first * 0x100000000 + second;
}

/** Steps through a list of options or name records: code, length, value padded to 4 bytes. Reused for many lists. */
export class OptionWalk {
  code = 0;
  /** Where the value begins, and its length without padding. */
  value = 0;
  length = 0;
  private view: DataView;
  private little = true;
  private next = 0;
  private end = 0;

  constructor() {
    this.view = new DataView(new ArrayBuffer(0));
  }

  /** Goes to the front of the list at [start, end). */
  begin(view: DataView, start: number, end: number, little: boolean): this {
    this.view = view;
    this.next = start;
    this.end = end;
    this.little = little;
    return this;
  }

  /** Goes to the next option. False at the end of the list, also where an option does not fit in its block. */
  step(): boolean {
    const at = this.next;
    if (at + OPTION_HEADER_LENGTH > this.end) return false;
    this.code = this.view.getUint16(at, this.little);
    this.length = this.view.getUint16(at + 2, this.little);
    this.value = at + OPTION_HEADER_LENGTH;
    if (this.code === OptionCode.end || this.value + this.length > this.end) return false;
    this.next = this.value + padded(this.length);
    return true;
  }
}

/** Text that a stranger wrote: at most `limit` bytes of it up to the first NUL, with control characters replaced. */
export function readText(bytes: Uint8Array, start: number, end: number, limit: number): string {
  let stop = start;
  const last = Math.min(end, start + limit);
  while (stop < last && bytes[stop] !== 0) stop++;
  return text.decode(bytes.subarray(start, stop)).replace(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, '\ufffd');
}
