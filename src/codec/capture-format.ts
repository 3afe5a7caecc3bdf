import { ErrorCode, RheoError } from '../core/errors.js';
import type { CaptureHost, CaptureParser, Cursor } from './capture.js';
import { isPcapMagic, PCAP_FILE_HEADER_LENGTH, PcapParser } from './pcap.js';
import { PcapngParser, SECTION_HEADER_LENGTH } from './pcapng.js';
import { BlockType } from './pcapng-options.js';

const MAGIC_LENGTH = 4;

/** Beginnings of files that are often mistaken for captures that can be read, with what to do about them. */
const RELATIVES: readonly {
  readonly begin: number;
  readonly bits: number;
  readonly is: string;
  readonly remedy: string;
}[] = [
  { begin: 0xfd377a58, bits: 32, is: 'compressed with xz', remedy: 'Decompress it first: xz -dc FILE | rheo read -' },
  { begin: 0x04224d18, bits: 32, is: 'compressed with lz4', remedy: 'Decompress it first: lz4 -dc FILE | rheo read -' },
  {
    begin: 0x425a68,
    bits: 24,
    is: 'compressed with bzip2',
    remedy: 'Decompress it first: bzip2 -dc FILE | rheo read -',
  },
  { begin: 0x504b0304, bits: 32, is: 'a zip archive', remedy: 'Unpack it first.' },
  { begin: 0x736e6f6f, bits: 32, is: 'a snoop capture', remedy: 'Convert it first: editcap FILE out.pcapng' },
  { begin: 0x474d4255, bits: 32, is: 'a Network Monitor capture', remedy: 'Convert it first: editcap FILE out.pcapng' },
];

/**
 * Tells the format of a capture by its first bytes, at `cursor.pos`. Undefined if more bytes are needed: `cursor.need`.
 * @throws RheoError (format) if it is none that is known; (linkType) as `PcapParser` throws
 */
export function detectCapture(cursor: Cursor, host: CaptureHost): CaptureParser | undefined {
  const { view, pos, end } = cursor;
  cursor.need = MAGIC_LENGTH;
  if (end - pos < MAGIC_LENGTH) return undefined;
  const begin = view.getUint32(pos, false);
  if (begin === BlockType.sectionHeader) {
    cursor.need = SECTION_HEADER_LENGTH;
    if (end - pos < SECTION_HEADER_LENGTH) return undefined;
    cursor.need = 0;
    return new PcapngParser(host);
  }
  if (isPcapMagic(begin) || isPcapMagic(view.getUint32(pos, true))) {
    cursor.need = PCAP_FILE_HEADER_LENGTH;
    if (end - pos < PCAP_FILE_HEADER_LENGTH) return undefined;
    cursor.need = 0;
    return new PcapParser(cursor, host);
  }
  const relative = RELATIVES.find((entry) => begin >>> (32 - entry.bits) === entry.begin);
  if (relative !== undefined) {
    throw new RheoError(ErrorCode.format, `${host.name}: this is ${relative.is}`, { remedy: relative.remedy });
  }
  const found = `0x${begin.toString(16).padStart(8, '0')}`;
  throw new RheoError(ErrorCode.format, `${host.name}: byte 0: expected a pcap or pcapng capture, found ${found}`, {
    remedy: 'Give a file that tcpdump, dumpcap or Wireshark wrote; gzip is unpacked by itself.',
  });
}
