import { BlockType, BYTE_ORDER_MAGIC, OptionCode, padded } from './pcapng-options.js';

const SECTION_LENGTH = 28;
const INTERFACE_FIXED_LENGTH = 20;
const PACKET_FIXED_LENGTH = 32;
const OPTION_HEADER_LENGTH = 4;

export interface PcapngInterfaceOptions {
  /** LINKTYPE_ number. */
  linkType: number;
  /** Bytes kept of each packet; 0 = all. Default 0. */
  snapLength?: number;
  name?: string;
  description?: string;
  /** Decimal digits of a second in time stamps. Default 9; 6 cuts what is finer. */
  digits?: 6 | 9;
}

/**
 * Encodes pcapng (draft-ietf-opsawg-pcapng) into memory that the caller gives: a section, its interfaces, enhanced packet
 * blocks. Every method returns the end of what was written.
 */
export class PcapngWriter {
  private readonly little: boolean;
  /** Ticks a second of each interface. */
  private readonly resolutions: number[] = [];

  constructor(options: { bigEndian?: boolean } = {}) {
    this.little = options.bigEndian !== true;
  }

  /** Begins a section; interfaces are numbered anew. Takes 28 bytes. */
  writeSection(target: Uint8Array, at: number): number {
    const view = viewOf(target);
    const { little } = this;
    this.resolutions.length = 0;
    view.setUint32(at, BlockType.sectionHeader, little);
    view.setUint32(at + 4, SECTION_LENGTH, little);
    view.setUint32(at + 8, BYTE_ORDER_MAGIC, little);
    view.setUint16(at + 12, 1, little);
    view.setUint16(at + 14, 0, little);
    // Length of the section: not known.
    view.setUint32(at + 16, 0xffffffff, little);
    view.setUint32(at + 20, 0xffffffff, little);
    view.setUint32(at + 24, SECTION_LENGTH, little);
    return at + SECTION_LENGTH;
  }

  /** Declares the next interface of the section. */
  writeInterface(target: Uint8Array, at: number, options: PcapngInterfaceOptions): number {
    const view = viewOf(target);
    const { little } = this;
    const digits = options.digits ?? 9;
    this.resolutions.push(10 ** digits);
    view.setUint32(at, BlockType.interfaceDescription, little);
    view.setUint16(at + 8, options.linkType, little);
    view.setUint16(at + 10, 0, little);
    view.setUint32(at + 12, options.snapLength ?? 0, little);
    let end = at + INTERFACE_FIXED_LENGTH - 4;
    if (options.name !== undefined) end = this.option(target, end, OptionCode.interfaceName, encode(options.name));
    if (options.description !== undefined) {
      end = this.option(target, end, OptionCode.interfaceDescription, encode(options.description));
    }
    end = this.option(target, end, OptionCode.interfaceResolution, Uint8Array.of(digits));
    end = this.option(target, end, OptionCode.end, new Uint8Array(0));
    return this.close(view, at, end);
  }

  /** Bytes that `writePacket` needs. */
  packetLength(captured: number, comment?: string): number {
    const options = comment === undefined ? 0 : 2 * OPTION_HEADER_LENGTH + padded(Buffer.byteLength(comment));
    return PACKET_FIXED_LENGTH + padded(captured) + options;
  }

  /** An enhanced packet block; times below 2^32 seconds. */
  writePacket(
    target: Uint8Array,
    at: number,
    iface: number,
    seconds: number,
    nanos: number,
    packet: Uint8Array,
    wire: number,
    comment?: string,
  ): number {
    const view = viewOf(target);
    const { little } = this;
    const perSecond = this.resolutions[iface];
    // Ticks in 64 bits: the product is made in two parts, so that each stays exact in a double.
    const below = (seconds & 0xffff) * perSecond + Math.floor(nanos / (1e9 / perSecond));
    const above = (seconds >>> 16) * perSecond + Math.floor(below / 0x10000);
    view.setUint32(at, BlockType.enhancedPacket, little);
    view.setUint32(at + 8, iface, little);
    view.setUint32(at + 12, Math.floor(above / 0x10000), little);
    view.setUint32(at + 16, (above % 0x10000) * 0x10000 + (below % 0x10000), little);
    view.setUint32(at + 20, packet.length, little);
    view.setUint32(at + 24, wire, little);
    const data = at + PACKET_FIXED_LENGTH - 4;
    target.set(packet, data);
    let end = data + padded(packet.length);
    target.fill(0, data + packet.length, end);
    if (comment !== undefined) {
      end = this.option(target, end, OptionCode.comment, encode(comment));
      end = this.option(target, end, OptionCode.end, new Uint8Array(0));
    }
    return this.close(view, at, end);
  }

  private option(target: Uint8Array, at: number, code: number, value: Uint8Array): number {
    const view = viewOf(target);
    view.setUint16(at, code, this.little);
    view.setUint16(at + 2, value.length, this.little);
    const data = at + OPTION_HEADER_LENGTH;
    target.set(value, data);
    const end = data + padded(value.length);
    target.fill(0, data + value.length, end);
    return end;
  }

  /** Writes the block's length at both its ends. */
  private close(view: DataView, at: number, end: number): number {
    const length = end + 4 - at;
    view.setUint32(at + 4, length, this.little);
    view.setUint32(end, length, this.little);
    return end + 4;
  }
}

function encode(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

function viewOf(target: Uint8Array): DataView {
  return new DataView(target.buffer, target.byteOffset, target.byteLength);
}
