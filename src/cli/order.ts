import { addressText } from '../model/address.js';
import { endpoint } from '../model/core-fields.js';
import { PROTOCOL_NAMES } from '../model/protocols.js';
import { approximateCounter } from '../model/record.js';
import type { RecordBatch } from '../model/record-batch.js';
import { Row, State } from '../model/row.js';
import { KeyKind } from '../packet/key.js';
import type { SortKey } from './spec.js';

/** Rank of a record: the one with the larger measure comes first; equal ones are told apart by `compareRows`. */
export type Measure = (batch: RecordBatch, at: number) => number;

export function totalBytes(batch: RecordBatch, at: number): number {
  return approximateCounter(batch.unsigned, at + Row.octetsA) + approximateCounter(batch.unsigned, at + Row.octetsB);
}

export function totalPackets(batch: RecordBatch, at: number): number {
  return approximateCounter(batch.unsigned, at + Row.packetsA) + approximateCounter(batch.unsigned, at + Row.packetsB);
}

/** Seconds from first to last packet, 0 where the clock stepped back. */
export function durationSeconds(batch: RecordBatch, at: number): number {
  const { unsigned } = batch;
  const seconds = unsigned[at + Row.lastSeconds] - unsigned[at + Row.startSeconds];
  const nanos = unsigned[at + Row.lastNanos] - unsigned[at + Row.startNanos];
  return Math.max(0, seconds + nanos / 1e9);
}

function portOf(batch: RecordBatch, at: number, responder: boolean): number {
  if ((batch.words[at + Row.meta] & KeyKind.ports) === 0) return -1;
  const initiatorB = (batch.words[at + Row.state] & State.initiatorB) !== 0;
  const ports = batch.words[at + Row.ports];
  return initiatorB === responder ? ports >>> 16 : ports & 0xffff;
}

const versionOf = (batch: RecordBatch, at: number): number => (batch.words[at + Row.meta] >>> 8) & 0xff;

/** Keys of --sort. Sizes and lengths of time: the largest first. Times, addresses, ports, protocols: the smallest. */
export const MEASURES: Readonly<Record<SortKey, Measure>> = {
  bytes: totalBytes,
  packets: totalPackets,
  duration: durationSeconds,
  rate(batch, at) {
    const seconds = durationSeconds(batch, at);
    return seconds === 0 ? 0 : totalBytes(batch, at) / seconds;
  },
  start: (batch, at) => -batch.unsigned[at + Row.startSeconds],
  end: (batch, at) => -batch.unsigned[at + Row.lastSeconds],
  src: (batch, at) => -versionOf(batch, at),
  dst: (batch, at) => -versionOf(batch, at),
  srcPort: (batch, at) => -portOf(batch, at, false),
  dstPort: (batch, at) => -portOf(batch, at, true),
  proto: (batch, at) => -protocolRank(batch.words[at + Row.meta] & 0xff),
};

/** Place of each protocol in the alphabet. */
const PROTOCOL_RANK: Uint8Array = new Uint8Array(256);
[...PROTOCOL_NAMES.keys()]
  .sort((x, y) => (PROTOCOL_NAMES[x] < PROTOCOL_NAMES[y] ? -1 : 1))
  .forEach((protocol, rank) => {
    PROTOCOL_RANK[protocol] = rank;
  });
const protocolRank = (protocol: number): number => PROTOCOL_RANK[protocol];

function compareEndpoints(x: RecordBatch, atX: number, y: RecordBatch, atY: number, responder: boolean): number {
  const words = Math.max(versionOf(x, atX), versionOf(y, atY)) === 6 ? 4 : 1;
  const fromX = endpoint(x, atX, responder);
  const fromY = endpoint(y, atY, responder);
  for (let k = 0; k < words; k++) {
    const difference = x.unsigned[fromX + k] - y.unsigned[fromY + k];
    if (difference !== 0) return difference;
  }
  return 0;
}

const TIE_WORDS = [Row.startSeconds, Row.startNanos, Row.meta, Row.ports, Row.a, Row.b] as const;
const IPV6_TIE_WORDS = [1, 2, 3, 5, 6, 7] as const;

/**
 * Order of records whose measures are equal: negative if X comes first. Total on different flows, so that the same input
 * gives the same table whatever order the records came in.
 */
export function compareRows(key: SortKey, x: RecordBatch, atX: number, y: RecordBatch, atY: number): number {
  if (key === 'src' || key === 'dst') {
    const order = compareEndpoints(x, atX, y, atY, key === 'dst');
    if (order !== 0) return order;
  }
  if (key === 'end') {
    const order = x.unsigned[atX + Row.lastNanos] - y.unsigned[atY + Row.lastNanos];
    if (order !== 0) return order;
  }
  for (const word of TIE_WORDS) {
    const order = x.unsigned[atX + word] - y.unsigned[atY + word];
    if (order !== 0) return order;
  }
  if (versionOf(x, atX) === 6) {
    for (const word of IPV6_TIE_WORDS) {
      const order = x.unsigned[atX + word] - y.unsigned[atY + word];
      if (order !== 0) return order;
    }
  }
  return 0;
}

/** Text of the initiator's or responder's address. */
export function endpointText(batch: RecordBatch, at: number, responder: boolean): string {
  return addressText(batch.words, endpoint(batch, at, responder), versionOf(batch, at));
}

/** Port of the initiator or responder, or undefined where the flow has none. */
export function endpointPort(batch: RecordBatch, at: number, responder: boolean): number | undefined {
  const port = portOf(batch, at, responder);
  return port < 0 ? undefined : port;
}
