import { type LegacyFormat, NetFlow1, NetFlow5 } from './netflow5-write.js';

/** A record of NetFlow v5 or v1. Addresses as unsigned words, times in ms since boot. */
export interface LegacyRecord {
  readonly source: number;
  readonly destination: number;
  readonly nextHop: number;
  readonly input: number;
  readonly output: number;
  readonly packets: number;
  readonly octets: number;
  readonly first: number;
  readonly last: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
  readonly protocol: number;
  readonly tos: number;
  /** v5: AS numbers and prefix lengths. */
  readonly sourceAs: number;
  readonly destinationAs: number;
  readonly sourcePrefix: number;
  readonly destinationPrefix: number;
}

export interface LegacyMessage {
  readonly version: 1 | 5;
  readonly uptimeMs: number;
  readonly seconds: number;
  readonly nanos: number;
  /** v5; 0 in v1. */
  readonly sequence: number;
  readonly engineType: number;
  readonly engineId: number;
  readonly samplingMode: number;
  readonly samplingInterval: number;
  readonly records: readonly LegacyRecord[];
}

/**
 * Reads NetFlow v5 and v1 datagrams. Nothing throws; damage is counted by reason: `header` (too short or another version),
 * `length` (fewer bytes than the records that the header tells of: those that are whole are read).
 */
export class LegacyReader {
  readonly damage: Record<string, number> = {};

  #count(reason: string): void {
    this.damage[reason] = (this.damage[reason] ?? 0) + 1;
  }

  read(bytes: Uint8Array): LegacyMessage | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const format = formatOf(view);
    if (format === undefined || bytes.length < format.headerBytes) {
      this.#count('header');
      return undefined;
    }
    const { version, headerBytes, recordBytes } = format;
    const told = view.getUint16(2);
    const count = Math.min(told, Math.floor((bytes.length - headerBytes) / recordBytes));
    if (count < told) this.#count('length');
    const records: LegacyRecord[] = [];
    for (let k = 0; k < count; k++) records.push(readRecord(view, headerBytes + k * recordBytes, version));
    const sampling = version === 5 ? view.getUint16(22) : 0;
    return {
      version,
      uptimeMs: view.getUint32(4),
      seconds: view.getUint32(8),
      nanos: view.getUint32(12),
      sequence: version === 5 ? view.getUint32(16) : 0,
      engineType: version === 5 ? view.getUint8(20) : 0,
      engineId: version === 5 ? view.getUint8(21) : 0,
      samplingMode: sampling >>> 14,
      samplingInterval: sampling & 0x3fff,
      records,
    };
  }
}

function formatOf(view: DataView): LegacyFormat | undefined {
  if (view.byteLength < 4) return undefined;
  const version = view.getUint16(0);
  return version === 5 ? NetFlow5 : version === 1 ? NetFlow1 : undefined;
}

function readRecord(view: DataView, at: number, version: 1 | 5): LegacyRecord {
  const v5 = version === 5;
  return {
    source: view.getUint32(at),
    destination: view.getUint32(at + 4),
    nextHop: view.getUint32(at + 8),
    input: view.getUint16(at + 12),
    output: view.getUint16(at + 14),
    packets: view.getUint32(at + 16),
    octets: view.getUint32(at + 20),
    first: view.getUint32(at + 24),
    last: view.getUint32(at + 28),
    sourcePort: view.getUint16(at + 32),
    destinationPort: view.getUint16(at + 34),
    flags: view.getUint8(at + (v5 ? 37 : 40)),
    protocol: view.getUint8(at + 38),
    tos: view.getUint8(at + 39),
    sourceAs: v5 ? view.getUint16(at + 40) : 0,
    destinationAs: v5 ? view.getUint16(at + 42) : 0,
    sourcePrefix: v5 ? view.getUint8(at + 44) : 0,
    destinationPrefix: v5 ? view.getUint8(at + 45) : 0,
  };
}
