import {
  PCAP_FILE_HEADER_LENGTH,
  PCAP_MODIFIED_RECORD_HEADER_LENGTH,
  PCAP_RECORD_HEADER_LENGTH,
  PcapMagic,
} from './pcap.js';

const MAJOR = 2;
const MINOR = 4;

export interface PcapWriterOptions {
  /** LINKTYPE_ number. */
  linkType: number;
  /** Bytes kept of each packet. Default 262144. */
  snapLength?: number;
  /** Resolution of times. Default 'micro': what is finer is cut off. 'modified': microseconds, longer record headers. */
  variant?: 'micro' | 'nano' | 'modified';
  /** Byte order. Default little. */
  bigEndian?: boolean;
}

/** Encodes pcap (draft-ietf-opsawg-pcap) into memory that the caller gives. Returns the end of what was written. */
export class PcapWriter {
  readonly fileHeaderLength: number = PCAP_FILE_HEADER_LENGTH;
  readonly recordHeaderLength: number;
  private readonly options: PcapWriterOptions;
  private readonly little: boolean;
  private readonly nanosPerTick: number;

  constructor(options: PcapWriterOptions) {
    this.options = options;
    this.little = options.bigEndian !== true;
    this.nanosPerTick = options.variant === 'nano' ? 1 : 1000;
    this.recordHeaderLength =
      options.variant === 'modified' ? PCAP_MODIFIED_RECORD_HEADER_LENGTH : PCAP_RECORD_HEADER_LENGTH;
  }

  /** The file header; `fileHeaderLength` bytes. */
  writeHeader(target: Uint8Array, at: number): number {
    const view = viewOf(target);
    const { little } = this;
    view.setUint32(at, PcapMagic[this.options.variant ?? 'micro'], little);
    view.setUint16(at + 4, MAJOR, little);
    view.setUint16(at + 6, MINOR, little);
    view.setUint32(at + 8, 0, little);
    view.setUint32(at + 12, 0, little);
    view.setUint32(at + 16, this.options.snapLength ?? 262_144, little);
    view.setUint32(at + 20, this.options.linkType, little);
    return at + PCAP_FILE_HEADER_LENGTH;
  }

  /**
   * One record: `recordHeaderLength` + `packet.length` bytes.
   * @param seconds since 1970, below 2^32
   * @param wire bytes that the packet had on the wire
   */
  writeRecord(
    target: Uint8Array,
    at: number,
    seconds: number,
    nanos: number,
    packet: Uint8Array,
    wire: number,
  ): number {
    const view = viewOf(target);
    const { little, recordHeaderLength } = this;
    view.setUint32(at, seconds, little);
    view.setUint32(at + 4, Math.floor(nanos / this.nanosPerTick), little);
    view.setUint32(at + 8, packet.length, little);
    view.setUint32(at + 12, wire, little);
    target.fill(0, at + PCAP_RECORD_HEADER_LENGTH, at + recordHeaderLength);
    target.set(packet, at + recordHeaderLength);
    return at + recordHeaderLength + packet.length;
  }
}

function viewOf(target: Uint8Array): DataView {
  return new DataView(target.buffer, target.byteOffset, target.byteLength);
}
