import path from 'node:path';
import {
  type CaptureHost,
  type CaptureInterface,
  type CaptureParser,
  Cursor,
  type DamageReason,
  MAX_RECORD_LENGTH,
  type PacketColumns,
} from '../codec/capture.js';
import { detectCapture } from '../codec/capture-format.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { ByteSource } from './bytes.js';
import type { CaptureState } from './capture-state.js';
import { InflateBytes } from './inflate-bytes.js';
import { type OpenedInput, unpackInput } from './open-bytes.js';

/** Memory that packets lie in; several readers may share one, each with its own region. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** In front of each chunk there is room for a record that began in the chunk before. */
const HEADROOM = MAX_RECORD_LENGTH;

/** Bytes of memory that a reader with chunks of this size needs. */
export function regionLength(chunkLength: number): number {
  return 2 * (HEADROOM + chunkLength);
}

/** Memory for `count` readers. The system gives pages of it only as they are written to. */
export function allocateMemory(chunkLength: number, count: number): Memory {
  const bytes = new Uint8Array(regionLength(chunkLength) * count);
  return { bytes, view: new DataView(bytes.buffer) };
}

/**
 * Reads one capture. Two chunks take turns: while one is walked, the next bytes are read into the other in the thread pool.
 * A record that lies across the border is moved in front of the newer chunk.
 */
export class CaptureReader implements CaptureHost {
  readonly name: string;
  /** Nothing more will come. */
  ended = false;
  private readonly input: OpenedInput;
  private readonly state: CaptureState;
  private readonly cursor: Cursor;
  private readonly chunkLength: number;
  /** Where the two chunks begin. */
  private readonly starts: readonly [number, number];
  /** The chunk that is walked. */
  private current: 0 | 1 = 1;
  private bytes: ByteSource;
  private begun = false;
  private closed = false;
  private arriving: Promise<number> | undefined;
  private parser: CaptureParser | undefined;
  /** Offset in the (unpacked) file of position 0 in memory. */
  private origin = 0;
  private counted = 0;
  private section = -1;
  private sectionInterfaces = new Map<string, number>();
  private unnamed = 0;

  /**
   * @param start of the region in memory that is this reader's: `regionLength(chunkLength)` bytes
   */
  constructor(input: OpenedInput, state: CaptureState, memory: Memory, start: number, chunkLength: number) {
    this.input = input;
    this.name = input.bytes.name;
    this.bytes = input.bytes;
    this.state = state;
    this.chunkLength = chunkLength;
    this.cursor = new Cursor(memory.bytes, memory.view);
    this.starts = [start + HEADROOM, start + 2 * HEADROOM + chunkLength];
    this.cursor.pos = this.starts[this.current];
    this.cursor.end = this.cursor.pos;
    this.origin = -this.cursor.pos;
  }

  /** Appends the packets that are at hand; see `CaptureParser.walk`. */
  take(into: PacketColumns): void {
    const { parser, cursor } = this;
    if (parser === undefined || this.ended) return;
    parser.walk(cursor, into);
    if (cursor.damage !== undefined) this.stopAtDamage();
  }

  /**
   * Waits until `take` can go on. False: the end was reached, or `close` was called. To be called only when `take` has
   * nothing more; the bytes of packets taken before are overwritten afterwards.
   * @throws RheoError if the input cannot be read, or is not a capture
   */
  async more(): Promise<boolean> {
    const { cursor } = this;
    while (!this.ended) {
      if (this.parser !== undefined && cursor.need <= cursor.end - cursor.pos && cursor.pos < cursor.end) return true;
      if (!this.begun) {
        this.begun = true;
        this.bytes = await unpackInput(this.input.bytes);
        if (this.closed) return false;
        this.readAhead();
      }
      const n = await this.arriving;
      if (this.closed) return false;
      this.countBytes();
      if (n === undefined || n === 0) await this.finish();
      else this.accept(n);
    }
    return false;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.ended = true;
    await this.bytes.close();
  }

  addInterface(info: CaptureInterface): number {
    if (info.section !== this.section) {
      this.section = info.section;
      this.sectionInterfaces = new Map();
      this.unnamed = 0;
    }
    const base = path.basename(this.name);
    const fallback = this.unnamed === 0 ? base : `${base}#${this.unnamed}`;
    if (info.name === undefined) this.unnamed++;
    return this.state.addInterface(info, fallback, this.sectionInterfaces);
  }

  leaveOut(reason: DamageReason, at: number, message?: string): void {
    this.state.countDamage(reason);
    if (message !== undefined) this.state.warn(`${this.name}: byte ${this.origin + at}: ${message}`);
  }

  addName(address: Uint8Array, name: string): void {
    this.state.addName(address, name);
  }

  addDropped(packets: number): void {
    this.state.counters.dropped += packets;
  }

  /** Begins to read into the chunk that is not walked. */
  private readAhead(): void {
    const start = this.starts[1 - this.current];
    this.arriving = this.bytes.read(this.cursor.bytes.subarray(start, start + this.chunkLength));
    // The error is thrown where the promise is awaited; until then nobody looks at it.
    this.arriving.catch(() => undefined);
  }

  /** Makes `n` new bytes follow those that are left, and lets the next ones come. */
  private accept(n: number): void {
    const { cursor, starts } = this;
    const left = cursor.end - cursor.pos;
    const other = starts[1 - this.current];
    const room = starts[this.current] + this.chunkLength - cursor.end;
    if (left > n && n <= room) {
      // Small pieces of a long record: moving them is cheaper than moving what is there again and again.
      cursor.bytes.copyWithin(cursor.end, other, other + n);
      cursor.end += n;
    } else {
      const start = other - left;
      cursor.bytes.copyWithin(start, cursor.pos, cursor.end);
      this.origin += cursor.pos - start;
      cursor.pos = start;
      cursor.end = other + n;
      this.current = this.current === 0 ? 1 : 0;
    }
    this.readAhead();
    const skipped = Math.min(cursor.skip, cursor.end - cursor.pos);
    cursor.pos += skipped;
    cursor.skip -= skipped;
    this.parser ??= detectCapture(cursor, this);
  }

  private countBytes(): void {
    this.state.counters.bytes += this.bytes.consumed - this.counted;
    this.counted = this.bytes.consumed;
  }

  /** The bytes have ended: tells whether they ended well. */
  private async finish(): Promise<void> {
    const { cursor, name, state } = this;
    const left = cursor.end - cursor.pos;
    const at = this.origin + cursor.pos;
    const { damage } = this.bytes;
    if (this.parser === undefined) {
      const length = this.origin + cursor.end;
      const found = damage ?? (length === 0 ? 'an empty file' : `a file of ${length} bytes`);
      throw new RheoError(
        ErrorCode.format,
        `${name}: byte ${length}: expected the header of a capture, found ${found}`,
        { remedy: 'The capture was not begun, or was cut while it was written or copied.' },
      );
    }
    if (damage !== undefined) {
      state.countDamage('compression');
      state.warn(
        `${name}: the compressed data are damaged or cut (${damage}); read up to byte ${at} of the unpacked data`,
      );
    }
    if (cursor.skip > 0 || left > 0) {
      state.countDamage('cut');
      const there = cursor.skip > 0 ? `${cursor.skip} bytes of the last block are missing` : this.cutRecord(left);
      state.warn(`${name}: byte ${at}: the capture is cut: ${there}`);
    }
    this.ended = true;
    await this.bytes.close();
  }

  private cutRecord(left: number): string {
    return `the last record needs ${this.cursor.need} bytes or more, ${left} are there and are left out`;
  }

  /** Keeps what was read, and gives up what follows the damage. */
  private stopAtDamage(): void {
    const { cursor, name, state } = this;
    const damage = cursor.damage;
    if (damage === undefined) return;
    const at = this.origin + damage.at;
    const place = `${name}: byte ${at}: expected ${damage.expected}, found ${damage.found}`;
    if (at === 0) {
      throw new RheoError(ErrorCode.format, place, {
        remedy: 'The file is damaged, or its format is newer than this program.',
      });
    }
    state.countDamage(damage.reason);
    const { totalBytes } = this.bytes;
    const known = totalBytes !== undefined && !(this.bytes instanceof InflateBytes);
    const rest = known ? `the ${totalBytes - at} bytes from there on` : 'what follows';
    state.warn(`${place}; ${rest} cannot be read`);
    this.ended = true;
    void this.bytes.close();
  }
}
