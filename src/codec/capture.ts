import type { Batch } from '../packet/batch.js';

/** Most bytes of one packet that a capture may hold; libpcap's own limit. A greater length is damage. */
export const MAX_CAPTURED_LENGTH = 262_144;

/** Most bytes of a record that is looked into as a whole: a packet with its header and, in pcapng, its options. */
export const MAX_RECORD_LENGTH: number = MAX_CAPTURED_LENGTH + 131_072;

/** Longest wire length that a batch can tell. */
export const MAX_WIRE_LENGTH = 0x7fffffff;

/** The columns that a capture parser fills; a `Batch` is one. It appends at `count`, up to `capacity`. */
export type PacketColumns = Pick<
  Batch,
  'count' | 'capacity' | 'offset' | 'captured' | 'wire' | 'seconds' | 'nanos' | 'iface' | 'link'
>;

/**
 * Why bytes of a capture did not become packets. `length`, `block`, `version`, `cut`, `compression` end the reading of
 * the file; `interface`, `time`, `linkType` leave one record out.
 */
export type DamageReason = 'length' | 'block' | 'version' | 'cut' | 'compression' | 'interface' | 'time' | 'linkType';

/** Damage that the parser cannot step over. */
export interface Damage {
  readonly reason: DamageReason;
  /** Offset in the cursor's bytes of the record. */
  readonly at: number;
  readonly expected: string;
  readonly found: string;
}

/** Where a parser stands in the bytes of a capture that are at hand. One object a file, reused. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Next byte to parse. */
  pos = 0;
  /** End of the bytes at hand. */
  end = 0;
  /** Bytes behind `end` that belong to a block that is passed over. Only above 0 if `pos` is at `end`. */
  skip = 0;
  /** Bytes from `pos` on that must be at hand for the next step; 0 if the parser did not stop for want of bytes. */
  need = 0;
  damage: Damage | undefined = undefined;

  constructor(bytes: Uint8Array, view: DataView) {
    this.bytes = bytes;
    this.view = view;
  }
}

/** An interface as the capture describes it. */
export interface CaptureInterface {
  /** Undefined if the capture has no name for it. */
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly linkType: number;
  readonly snapLength: number;
  /** Which section of the file declares it, from 0. */
  readonly section: number;
}

/** What a parser tells while it walks. All of it is rare: never called for a packet that is handed out. */
export interface CaptureHost {
  /** File name, for errors. */
  readonly name: string;
  /** An interface whose link type is supported. Returns its number for the column `iface`; -1 if there are too many. */
  addInterface(info: CaptureInterface): number;
  /** One record is left out and the reading goes on. With `message` the first time it is worth a warning. */
  leaveOut(reason: DamageReason, at: number, message?: string): void;
  /** A name for an address: 4 or 16 bytes. */
  addName(address: Uint8Array, name: string): void;
  /** Packets lost at the capture, more than were told before. */
  addDropped(packets: number): void;
}

/** A capture format's walk over the bytes at hand. */
export interface CaptureParser {
  /**
   * Appends packets to the columns until they are full or no whole record is at hand; nothing is allocated per packet.
   * Moves `cursor.pos`; sets `need`, `skip` and, at the end of what can be read, `damage`. Never reads at or behind `end`.
   * @throws RheoError if nothing of the file can be read because of its link type
   */
  walk(cursor: Cursor, into: PacketColumns): void;
}
