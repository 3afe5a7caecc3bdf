import { KEY_PARTS, KeyKind, type KeyPart } from '../packet/key.js';
import { icmpReplyType, Protocol } from '../packet/transport.js';
import { addressText } from './address.js';
import { communityId } from './community-id.js';
import { flowId, flowIdText } from './flow-id.js';
import type { RecordField } from './hook.js';
import type { Sampling } from './options.js';
import { PROTOCOL_NAMES } from './protocols.js';
import { quotedFlow } from './quoted-flow.js';
import { readCounter } from './record.js';
import type { RecordBatch } from './record-batch.js';
import { END_REASON_NAMES, REASON_SHIFT, Row, State } from './row.js';
import { TCP_FLAGS_TEXT } from './tcp-flags.js';
import { durationText, timeText } from './time-text.js';

/** What the members of a record depend on besides its words. */
export interface RecordFormat {
  /** Seed of the Community ID, 0…65535. Default 0. */
  communityIdSeed?: number;
  /** Given if packets were sampled: each record says so. */
  sampling?: Sampling;
}

const idWords = new Int32Array(2);

/** First word of the endpoint that is the initiator (`src`), or of the other (`dst`). */
export function endpoint(batch: RecordBatch, at: number, responder: boolean): number {
  const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
  return at + (initiatorB === responder ? Row.a : Row.b);
}

function address(batch: RecordBatch, index: number, responder: boolean): string {
  const at = index * batch.layout.stride;
  return addressText(batch.words, endpoint(batch, at, responder), (batch.words[at + Row.meta] >>> 8) & 0xff);
}

function port(batch: RecordBatch, index: number, responder: boolean): number | undefined {
  const at = index * batch.layout.stride;
  if ((batch.words[at + Row.meta] & KeyKind.ports) === 0) return undefined;
  const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
  const ports = batch.words[at + Row.ports];
  return initiatorB === responder ? ports >>> 16 : ports & 0xffff;
}

function counter(batch: RecordBatch, index: number, a: number, b: number, responder: boolean): number | bigint {
  const at = index * batch.layout.stride;
  const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
  return readCounter(batch.unsigned, at + (initiatorB === responder ? a : b));
}

/** Flags of the initiator or responder; undefined where the flow is not TCP or that side sent nothing that was seen. */
export function tcpFlags(batch: RecordBatch, at: number, responder: boolean): string | undefined {
  const meta = batch.words[at + Row.meta];
  if ((meta & 0xff) !== Protocol.tcp || (meta & KeyKind.orphanFragments) !== 0) return undefined;
  const sideA = ((batch.words[at + Row.state] & State.initiatorB) !== 0) === responder;
  const packets = at + (sideA ? Row.packetsA : Row.packetsB);
  if (batch.words[packets] === 0 && batch.words[packets + 1] === 0) return undefined;
  const flags = batch.words[at + Row.tcpFlags];
  return TCP_FLAGS_TEXT[(sideA ? flags : flags >>> 16) & 0x1ff];
}

/** Type of the ICMP messages of the initiator: the key holds the request's, and the initiator may have answered. */
export function icmpType(words: Int32Array, at: number): number {
  const type = (words[at + Row.ports] >>> 8) & 0xff;
  if ((words[at + Row.state] & State.icmpReply) === 0) return type;
  return icmpReplyType(type, (words[at + Row.meta] >>> 8) & 0xff);
}

/** Duration as exact text; 0 where the clock stepped back. */
export function recordDuration(batch: RecordBatch, at: number): string {
  const { unsigned } = batch;
  let seconds = unsigned[at + Row.lastSeconds] - unsigned[at + Row.startSeconds];
  let nanos = unsigned[at + Row.lastNanos] - unsigned[at + Row.startNanos];
  if (nanos < 0) {
    nanos += 1_000_000_000;
    seconds--;
  }
  return seconds < 0 ? '0' : durationText(seconds, nanos);
}

const REVERSE_PEN = 29305;

/**
 * The members that every record has or may have, in the order of the output; what DESIGN calls the flow record. Names and
 * information elements are IANA's (registry ipfix) or the reverse elements of RFC 5103.
 */
export function coreFields(format: RecordFormat = {}): readonly RecordField[] {
  const seed = format.communityIdSeed ?? 0;
  const fields: RecordField[] = [
    {
      name: 'id',
      element: { name: 'flowId', id: '148' },
      description: 'Id of the flow: 16 hexadecimal digits, the same whenever the same input is read',
      type: 'string',
      read(batch, index) {
        const { stride, keyOffset, keyParts } = batch.layout;
        flowId(batch.words, index * stride, index * stride + keyOffset, partsWords(keyParts), idWords);
        return flowIdText(idWords[0], idWords[1]);
      },
    },
    {
      name: 'start',
      element: { name: 'flowStartNanoseconds', id: '156' },
      description: 'Time of the first packet (UTC, nanoseconds)',
      type: 'string',
      read(batch, index) {
        const at = index * batch.layout.stride;
        return timeText(batch.unsigned[at + Row.startSeconds], batch.unsigned[at + Row.startNanos]);
      },
    },
    {
      name: 'end',
      element: { name: 'flowEndNanoseconds', id: '157' },
      description: 'Time of the last packet (UTC, nanoseconds)',
      type: 'string',
      read(batch, index) {
        const at = index * batch.layout.stride;
        return timeText(batch.unsigned[at + Row.lastSeconds], batch.unsigned[at + Row.lastNanos]);
      },
    },
    {
      name: 'duration',
      element: { name: 'flowDurationMilliseconds', id: '161' },
      description: 'Time from the first to the last packet',
      type: 'number',
      unit: 's',
      read: (batch, index) => Number(recordDuration(batch, index * batch.layout.stride)),
    },
    {
      name: 'src',
      element: { name: 'sourceIPv4Address/sourceIPv6Address', id: '8/27' },
      description: 'Address of the initiator',
      type: 'string',
      read: (batch, index) => address(batch, index, false),
    },
    {
      name: 'srcPort',
      element: { name: 'sourceTransportPort', id: '7' },
      description: 'Port of the initiator',
      type: 'number',
      read: (batch, index) => port(batch, index, false),
    },
    {
      name: 'dst',
      element: { name: 'destinationIPv4Address/destinationIPv6Address', id: '12/28' },
      description: 'Address of the responder',
      type: 'string',
      read: (batch, index) => address(batch, index, true),
    },
    {
      name: 'dstPort',
      element: { name: 'destinationTransportPort', id: '11' },
      description: 'Port of the responder',
      type: 'number',
      read: (batch, index) => port(batch, index, true),
    },
    {
      name: 'proto',
      element: { name: 'protocolIdentifier', id: '4' },
      description: "IANA's keyword of the protocol in lower case, or its number",
      type: 'string',
      read(batch, index) {
        const meta = batch.words[index * batch.layout.stride + Row.meta];
        return (meta & KeyKind.anyProtocol) === 0 ? PROTOCOL_NAMES[meta & 0xff] : undefined;
      },
    },
    {
      name: 'icmp',
      element: { name: 'icmpTypeCodeIPv4/icmpTypeCodeIPv6', id: '32/139' },
      description: "Type and code of the initiator's ICMP messages",
      type: 'object',
      read(batch, index) {
        const at = index * batch.layout.stride;
        if ((batch.words[at + Row.meta] & KeyKind.icmp) === 0) return undefined;
        return { type: icmpType(batch.words, at), code: batch.words[at + Row.ports] & 0xff };
      },
    },
    {
      name: 'spi',
      element: { name: 'IPSecSPI', id: '295' },
      description: 'Security parameter index of ESP and AH',
      type: 'number',
      read(batch, index) {
        const at = index * batch.layout.stride;
        return (batch.words[at + Row.meta] & KeyKind.spi) === 0 ? undefined : batch.unsigned[at + Row.ports];
      },
    },
    {
      name: 'packets',
      element: { name: 'packetDeltaCount', id: '2' },
      description: 'Packets of the initiator',
      type: 'number',
      read: (batch, index) => counter(batch, index, Row.packetsA, Row.packetsB, false),
    },
    {
      name: 'bytes',
      element: { name: 'octetDeltaCount', id: '1' },
      description: 'IP bytes of the initiator',
      type: 'number',
      unit: 'B',
      read: (batch, index) => counter(batch, index, Row.octetsA, Row.octetsB, false),
    },
    {
      name: 'reversePackets',
      element: { name: 'reversePacketDeltaCount', id: `${REVERSE_PEN}/2` },
      description: 'Packets of the responder',
      type: 'number',
      read: (batch, index) => counter(batch, index, Row.packetsA, Row.packetsB, true),
    },
    {
      name: 'reverseBytes',
      element: { name: 'reverseOctetDeltaCount', id: `${REVERSE_PEN}/1` },
      description: 'IP bytes of the responder',
      type: 'number',
      unit: 'B',
      read: (batch, index) => counter(batch, index, Row.octetsA, Row.octetsB, true),
    },
    {
      name: 'tcpFlags',
      element: { name: 'tcpControlBits', id: '6' },
      description: 'TCP flags that the initiator sent: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS',
      type: 'string',
      read: (batch, index) => tcpFlags(batch, index * batch.layout.stride, false),
    },
    {
      name: 'reverseTcpFlags',
      element: { name: 'reverseTcpControlBits', id: `${REVERSE_PEN}/6` },
      description: 'TCP flags that the responder sent',
      type: 'string',
      read: (batch, index) => tcpFlags(batch, index * batch.layout.stride, true),
    },
    {
      name: 'endReason',
      element: { name: 'flowEndReason', id: '136' },
      description: 'Why the record was made: idle, active, end, forced or resources',
      type: 'string',
      read(batch, index) {
        const state = batch.words[index * batch.layout.stride + Row.state];
        return END_REASON_NAMES[(state >>> REASON_SHIFT) & 15] || undefined;
      },
    },
    {
      name: 'fragmented',
      description: 'True if a packet of the flow was a fragment',
      type: 'boolean',
      read: (batch, index) =>
        (batch.words[index * batch.layout.stride + Row.state] & State.fragmented) === 0 ? undefined : true,
    },
    {
      name: 'icmpErrors',
      description: 'ICMP errors that quoted a packet of the flow',
      type: 'number',
      read: (batch, index) => batch.unsigned[index * batch.layout.stride + Row.icmpErrors] || undefined,
    },
    {
      name: 'about',
      description: 'ICMP errors: the packet that the first one quoted',
      type: 'object',
      read(batch, index) {
        const key = batch.quoted.get(index);
        return key === undefined ? undefined : quotedFlow(key);
      },
    },
    {
      name: 'communityId',
      description: 'Community ID v1: the same for this flow in Zeek, Suricata, Wireshark …',
      type: 'string',
      read: (batch, index) => communityId(batch.words, index * batch.layout.stride, seed),
    },
  ];
  const { sampling } = format;
  if (sampling !== undefined) {
    const value = { mode: sampling.mode, n: sampling.n, scaled: sampling.scale };
    fields.push({
      name: 'sampling',
      element: { name: 'samplingPacketInterval', id: '305' },
      description: 'How packets were sampled, one in how many, and whether counters were multiplied by that',
      type: 'object',
      read: () => value,
    });
  }
  return fields;
}

/** Words that these key parts take in a record. */
export function partsWords(parts: readonly string[]): number {
  let words = 0;
  for (const part of parts) words += KEY_PARTS[part as KeyPart];
  return words;
}
