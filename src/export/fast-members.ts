import { isMapped, zeroRun } from '../model/address.js';
import { communityDigest } from '../model/community-id.js';
import { endpoint, partsWords, tcpFlags } from '../model/core-fields.js';
import { flowId } from '../model/flow-id.js';
import { PROTOCOL_NAMES } from '../model/protocols.js';
import type { RecordBatch } from '../model/record-batch.js';
import { END_REASON_NAMES, REASON_SHIFT, Row, State } from '../model/row.js';
import { secondText } from '../model/time-text.js';
import { KeyKind } from '../packet/key.js';
import { ascii, type ByteWriter } from './byte-writer.js';

/**
 * Writers of the members that every record has, straight from the words of the batch to bytes. Each writes what the field of
 * the same name in model/core-fields.ts reads; a test holds the two together.
 */
export interface FastMember {
  /** The value is text: JSON puts it in quotes. It never holds a character that JSON or CSV must escape. */
  readonly quoted: boolean;
  /** Writes the value of the record at word `at` (at most 64 bytes), or returns false where it is absent. */
  write(out: ByteWriter, batch: RecordBatch, at: number): boolean;
}

const ids = new Int32Array(2);
const digest = new Int32Array(5);
const COMMUNITY_PREFIX = ascii('1:');
const MAPPED = ascii('::ffff:');
const PROTOCOLS = PROTOCOL_NAMES.map(ascii);
const REASONS = END_REASON_NAMES.map(ascii);
const DOT = 46;
const COLON = 58;

/** Texts of seconds that were written lately, `2024-01-01T00:00:00.` each, by the low bits of the second. */
const SECOND_LENGTH = 20;
const SECOND_SLOTS = 1024;
const secondOf = new Float64Array(SECOND_SLOTS).fill(-1);
const secondBytes = new Uint8Array(SECOND_SLOTS * SECOND_LENGTH);

function writeTime(out: ByteWriter, seconds: number, nanos: number): void {
  const slot = seconds & (SECOND_SLOTS - 1);
  const from = slot * SECOND_LENGTH;
  if (secondOf[slot] !== seconds) {
    secondOf[slot] = seconds;
    secondBytes.set(ascii(`${secondText(seconds)}.`), from);
  }
  out.range(secondBytes, from, from + SECOND_LENGTH);
  out.padded(nanos, 9);
  out.byte(90);
}

function writeIpv4(out: ByteWriter, word: number): void {
  out.decimal(word >>> 24);
  out.byte(DOT);
  out.decimal((word >>> 16) & 0xff);
  out.byte(DOT);
  out.decimal((word >>> 8) & 0xff);
  out.byte(DOT);
  out.decimal(word & 0xff);
}

function writeIpv6(out: ByteWriter, words: Int32Array, at: number): void {
  const w0 = words[at];
  const w1 = words[at + 1];
  const w2 = words[at + 2];
  const w3 = words[at + 3];
  if (isMapped(w0, w1, w2)) {
    out.raw(MAPPED);
    writeIpv4(out, w3);
    return;
  }
  const run = zeroRun(w0, w1, w2, w3);
  const start = run === 0 ? 8 : run >> 4;
  const end = run === 0 ? 8 : run & 15;
  for (let g = 0; g < 8; g++) {
    if (g === start) {
      out.byte(COLON);
      out.byte(COLON);
      g = end - 1;
      continue;
    }
    if (g !== 0 && g !== end) out.byte(COLON);
    const word = words[at + (g >> 1)];
    out.hexGroup((g & 1) === 0 ? word >>> 16 : word & 0xffff);
  }
}

function writeAddress(out: ByteWriter, batch: RecordBatch, at: number, responder: boolean): boolean {
  const word = endpoint(batch, at, responder);
  if (((batch.words[at + Row.meta] >>> 8) & 0xff) === 6) writeIpv6(out, batch.words, word);
  else writeIpv4(out, batch.words[word]);
  return true;
}

function writePort(out: ByteWriter, batch: RecordBatch, at: number, responder: boolean): boolean {
  const { words } = batch;
  if ((words[at + Row.meta] & KeyKind.ports) === 0) return false;
  const initiatorB = (words[at + Row.state] & State.initiatorB) !== 0;
  const ports = words[at + Row.ports];
  out.decimal(initiatorB === responder ? ports >>> 16 : ports & 0xffff);
  return true;
}

function writeCounter(
  out: ByteWriter,
  batch: RecordBatch,
  at: number,
  a: number,
  b: number,
  responder: boolean,
): boolean {
  const { unsigned } = batch;
  const initiatorB = (unsigned[at + Row.state] & State.initiatorB) !== 0;
  const low = at + (initiatorB === responder ? a : b);
  const high = unsigned[low + 1];
  if (high === 0) out.decimal(unsigned[low]);
  else if (high < 2 ** 21) out.decimal(high * 4294967296 + unsigned[low]);
  else out.text(((BigInt(high) << 32n) | BigInt(unsigned[low])).toString());
  return true;
}

function writeFlags(out: ByteWriter, batch: RecordBatch, at: number, responder: boolean): boolean {
  const flags = tcpFlags(batch, at, responder);
  if (flags === undefined) return false;
  for (let k = 0; k < flags.length; k++) out.byte(flags.charCodeAt(k));
  return true;
}

/** Name of the member → its writer. */
export function fastMembers(communityIdSeed: number): Readonly<Record<string, FastMember>> {
  return {
    id: {
      quoted: true,
      write(out, batch, at) {
        const { keyOffset, keyParts } = batch.layout;
        flowId(batch.words, at, at + keyOffset, keyParts.length === 0 ? 0 : partsWords(keyParts), ids);
        out.hex8(ids[0]);
        out.hex8(ids[1]);
        return true;
      },
    },
    start: {
      quoted: true,
      write(out, batch, at) {
        writeTime(out, batch.unsigned[at + Row.startSeconds], batch.unsigned[at + Row.startNanos]);
        return true;
      },
    },
    end: {
      quoted: true,
      write(out, batch, at) {
        writeTime(out, batch.unsigned[at + Row.lastSeconds], batch.unsigned[at + Row.lastNanos]);
        return true;
      },
    },
    duration: {
      quoted: false,
      write(out, batch, at) {
        const { unsigned } = batch;
        let seconds = unsigned[at + Row.lastSeconds] - unsigned[at + Row.startSeconds];
        let nanos = unsigned[at + Row.lastNanos] - unsigned[at + Row.startNanos];
        if (nanos < 0) {
          nanos += 1_000_000_000;
          seconds--;
        }
        if (seconds < 0) {
          seconds = 0;
          nanos = 0;
        }
        out.decimal(seconds);
        if (nanos !== 0) {
          let width = 9;
          for (; nanos % 10 === 0; width--) nanos /= 10;
          out.byte(DOT);
          out.padded(nanos, width);
        }
        return true;
      },
    },
    src: { quoted: true, write: (out, batch, at) => writeAddress(out, batch, at, false) },
    srcPort: { quoted: false, write: (out, batch, at) => writePort(out, batch, at, false) },
    dst: { quoted: true, write: (out, batch, at) => writeAddress(out, batch, at, true) },
    dstPort: { quoted: false, write: (out, batch, at) => writePort(out, batch, at, true) },
    proto: {
      quoted: true,
      write(out, batch, at) {
        const meta = batch.words[at + Row.meta];
        if ((meta & KeyKind.anyProtocol) !== 0) return false;
        out.raw(PROTOCOLS[meta & 0xff]);
        return true;
      },
    },
    spi: {
      quoted: false,
      write(out, batch, at) {
        if ((batch.words[at + Row.meta] & KeyKind.spi) === 0) return false;
        out.decimal(batch.unsigned[at + Row.ports]);
        return true;
      },
    },
    packets: {
      quoted: false,
      write: (out, batch, at) => writeCounter(out, batch, at, Row.packetsA, Row.packetsB, false),
    },
    bytes: {
      quoted: false,
      write: (out, batch, at) => writeCounter(out, batch, at, Row.octetsA, Row.octetsB, false),
    },
    reversePackets: {
      quoted: false,
      write: (out, batch, at) => writeCounter(out, batch, at, Row.packetsA, Row.packetsB, true),
    },
    reverseBytes: {
      quoted: false,
      write: (out, batch, at) => writeCounter(out, batch, at, Row.octetsA, Row.octetsB, true),
    },
    tcpFlags: { quoted: true, write: (out, batch, at) => writeFlags(out, batch, at, false) },
    reverseTcpFlags: { quoted: true, write: (out, batch, at) => writeFlags(out, batch, at, true) },
    endReason: {
      quoted: true,
      write(out, batch, at) {
        const reason = (batch.words[at + Row.state] >>> REASON_SHIFT) & 15;
        if (reason === 0 || reason >= REASONS.length) return false;
        out.raw(REASONS[reason]);
        return true;
      },
    },
    communityId: {
      quoted: true,
      write(out, batch, at) {
        if (!communityDigest(batch.words, at, communityIdSeed, digest)) return false;
        out.raw(COMMUNITY_PREFIX);
        out.base64Digest(digest);
        return true;
      },
    },
  };
}
