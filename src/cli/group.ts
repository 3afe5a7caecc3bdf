import { ErrorCode, RheoError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import { addressText } from '../model/address.js';
import { ASIDE_END, ASIDE_WORDS, Aside } from '../model/aside.js';
import { endpoint } from '../model/core-fields.js';
import { PROTOCOL_NAMES } from '../model/protocols.js';
import { approximateCounter } from '../model/record.js';
import type { RecordBatch } from '../model/record-batch.js';
import { Row } from '../model/row.js';
import type { RecordSink } from '../model/sink.js';
import { KeyKind } from '../packet/key.js';
import { GroupTable, SUMS, Sum } from './group-table.js';
import { endpointPort } from './order.js';
import { type GroupKey, READ_GROUP_KEYS } from './spec.js';

export interface GroupBy {
  readonly key: GroupKey;
  /** Prefix lengths of `prefix`. */
  readonly prefix4: number;
  readonly prefix6: number;
}

/** Groups that are told apart; flows of further ones are added up as "(other)". */
export const MAX_GROUPS = 262_144;

/**
 * Reads `address`, `prefix`, `prefix/16`, `prefix/24,/48`.
 * @throws RheoError `RHEO_USAGE`
 */
export function parseGroupBy(text: string): GroupBy {
  const cut = text.indexOf('/');
  const word = cut < 0 ? text : text.slice(0, cut);
  if (!(READ_GROUP_KEYS as readonly string[]).includes(word) || (cut >= 0 && word !== 'prefix')) {
    throw new RheoError(ErrorCode.usage, `--group-by: '${text}' is not one of ${READ_GROUP_KEYS.join(', ')}`, {
      remedy: didYouMean(word, READ_GROUP_KEYS, '', 'Choose one of them; prefix may have lengths: prefix/24,/64.'),
    });
  }
  let prefix4 = 24;
  let prefix6 = 64;
  if (cut >= 0) {
    const match = /^\/(\d{1,3})(?:,\/?(\d{1,3}))?$/.exec(text.slice(cut));
    prefix4 = Number(match?.[1]);
    prefix6 = match?.[2] === undefined ? 64 : Number(match[2]);
    if (match === null || prefix4 > 32 || prefix6 > 128) {
      throw new RheoError(ErrorCode.usage, `--group-by: '${text}' has no valid prefix lengths`, {
        remedy: 'Give the length for IPv4 (0 to 32) and then for IPv6 (0 to 128): prefix/24,/64.',
      });
    }
  }
  return { key: word as GroupKey, prefix4, prefix6 };
}

/** Members that make up the key of a group, as they are called in JSON and CSV. */
export const GROUP_MEMBERS: Readonly<Record<GroupKey, readonly string[]>> = {
  address: ['address'],
  src: ['src'],
  dst: ['dst'],
  prefix: ['prefix'],
  port: ['proto', 'port'],
  protocol: ['proto'],
  conversation: ['address', 'peer'],
  as: ['as'],
};

/** Sums of one group. `sent` is what the group sent: of ports, protocols what initiators sent, of conversations `address`. */
export interface Group {
  /** As GROUP_MEMBERS names them; empty for "(other)". */
  readonly key: readonly (string | number | undefined)[];
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface Groups {
  /** In order, as many as were asked for. */
  readonly shown: readonly Group[];
  /** All others together; undefined if there are none. */
  readonly other: Group | undefined;
  /** Groups in `other`; undefined if more were met than are told apart. */
  readonly otherCount: number | undefined;
}

export const GROUP_ORDERS = ['bytes', 'packets', 'flows', 'key'] as const;
export type GroupOrder = (typeof GROUP_ORDERS)[number];

const NO_VALUE = -1;
const KEY_WORDS: Readonly<Record<GroupKey, number>> = {
  address: 5,
  src: 5,
  dst: 5,
  prefix: 5,
  port: 2,
  protocol: 1,
  conversation: 9,
  as: 1,
};

/** Adds flows up by a key, in bounded memory. */
export class GroupSink implements RecordSink {
  readonly #by: GroupBy;
  readonly #table: GroupTable;
  readonly #key: Int32Array;
  readonly #done: (groups: GroupSink) => void;

  /** @param done called once when no more records will come */
  constructor(by: GroupBy, done: (groups: GroupSink) => void, limit: number = MAX_GROUPS) {
    this.#by = by;
    this.#table = new GroupTable(KEY_WORDS[by.key], limit);
    this.#key = new Int32Array(this.#table.keyWords);
    this.#done = done;
  }

  write(batch: RecordBatch): void {
    const { stride } = batch.layout;
    for (let at = 0, end = batch.count * stride; at < end; at += stride) this.#record(batch, at);
  }

  async close(): Promise<void> {
    this.#done(this);
  }

  /** The first `top` groups in the order, and the rest together. */
  result(order: GroupOrder, top: number): Groups {
    const table = this.#table;
    const measure = (group: number): number => {
      const { sums } = table;
      const at = group * SUMS;
      if (order === 'flows') return sums[at + Sum.flows];
      if (order === 'packets') return sums[at + Sum.packetsSent] + sums[at + Sum.packetsReceived];
      return sums[at + Sum.bytesSent] + sums[at + Sum.bytesReceived];
    };
    const byKey = (x: number, y: number): number => {
      for (let k = 0; k < table.keyWords; k++) {
        const difference = (table.keys[x * table.keyWords + k] >>> 0) - (table.keys[y * table.keyWords + k] >>> 0);
        if (difference !== 0) return difference;
      }
      return 0;
    };
    const groups = Array.from({ length: table.size }, (_, group) => group);
    groups.sort(order === 'key' ? byKey : (x, y) => measure(y) - measure(x) || byKey(x, y));
    const shown = groups
      .slice(0, top)
      .map((group) => toGroup(this.#keyOf(group), table.sums.subarray(group * SUMS, group * SUMS + SUMS)));
    const rest = Float64Array.from(table.overflow);
    for (const group of groups.slice(top)) {
      for (let k = 0; k < SUMS; k++) rest[k] += table.sums[group * SUMS + k];
    }
    const overflowed = table.overflow[Sum.flows] > 0;
    return {
      shown,
      other: rest[Sum.flows] === 0 ? undefined : toGroup([], rest),
      otherCount: overflowed ? undefined : Math.max(0, groups.length - top),
    };
  }

  #record(batch: RecordBatch, at: number): void {
    const { words, unsigned } = batch;
    const key = this.#key;
    const source = endpoint(batch, at, false);
    const destination = endpoint(batch, at, true);
    const sourceIsA = source === at + Row.a;
    const forward = sourceIsA ? Row.packetsA : Row.packetsB;
    const backward = sourceIsA ? Row.packetsB : Row.packetsA;
    const toOctets = Row.octetsA - Row.packetsA;
    const packets = approximateCounter(unsigned, at + forward);
    const octets = approximateCounter(unsigned, at + forward + toOctets);
    const reversePackets = approximateCounter(unsigned, at + backward);
    const reverseOctets = approximateCounter(unsigned, at + backward + toOctets);
    const version = (words[at + Row.meta] >>> 8) & 0xff;
    switch (this.#by.key) {
      case 'address':
      case 'prefix': {
        this.#address(words, source, version);
        this.#table.add(key, packets, octets, reversePackets, reverseOctets);
        // A flow inside one group is in it once.
        if (this.#sameAddress(words, destination, version)) return;
        this.#address(words, destination, version);
        this.#table.add(key, reversePackets, reverseOctets, packets, octets);
        return;
      }
      case 'src':
        this.#address(words, source, version);
        break;
      case 'dst':
        this.#address(words, destination, version);
        this.#table.add(key, reversePackets, reverseOctets, packets, octets);
        return;
      case 'port':
        key[0] = protocolOf(words[at + Row.meta]);
        key[1] = endpointPort(batch, at, true) ?? NO_VALUE;
        break;
      case 'protocol':
        key[0] = protocolOf(words[at + Row.meta]);
        break;
      case 'as': {
        const { aside } = batch;
        const beside = (at / batch.layout.stride) * ASIDE_WORDS + Aside.as;
        const asA = aside === undefined ? 0 : aside[beside];
        const asB = aside === undefined ? 0 : aside[beside + ASIDE_END];
        key[0] = sourceIsA ? asA : asB;
        this.#table.add(key, packets, octets, reversePackets, reverseOctets);
        // A flow within one AS is in it once.
        if (asA === asB) return;
        key[0] = sourceIsA ? asB : asA;
        this.#table.add(key, reversePackets, reverseOctets, packets, octets);
        return;
      }
      case 'conversation': {
        // The order of the row, the same for all flows of the pair.
        key[0] = version;
        const count = version === 6 ? 4 : 1;
        for (let k = 0; k < 4; k++) {
          key[1 + k] = k < count ? words[at + Row.a + k] : 0;
          key[5 + k] = k < count ? words[at + Row.b + k] : 0;
        }
        if (sourceIsA) this.#table.add(key, packets, octets, reversePackets, reverseOctets);
        else this.#table.add(key, reversePackets, reverseOctets, packets, octets);
        return;
      }
    }
    this.#table.add(key, packets, octets, reversePackets, reverseOctets);
  }

  /** Word k of the address, cut to the prefix where the key is one. */
  #word(words: Int32Array, from: number, k: number, version: number): number {
    if (version !== 6 && k > 0) return 0;
    if (this.#by.key !== 'prefix') return words[from + k];
    const bits = (version === 6 ? this.#by.prefix6 : this.#by.prefix4) - k * 32;
    if (bits <= 0) return 0;
    return bits >= 32 ? words[from + k] : words[from + k] & ~(0xffffffff >>> bits);
  }

  #address(words: Int32Array, from: number, version: number): void {
    this.#key[0] = version;
    for (let k = 0; k < 4; k++) this.#key[1 + k] = this.#word(words, from, k, version);
  }

  #sameAddress(words: Int32Array, from: number, version: number): boolean {
    for (let k = 0; k < 4; k++) if (this.#key[1 + k] !== this.#word(words, from, k, version)) return false;
    return true;
  }

  #keyOf(group: number): (string | number | undefined)[] {
    const { keys, keyWords } = this.#table;
    const at = group * keyWords;
    const by = this.#by;
    switch (by.key) {
      case 'port':
        return [protocolText(keys[at]), keys[at + 1] === NO_VALUE ? undefined : keys[at + 1]];
      case 'protocol':
        return [protocolText(keys[at])];
      case 'as':
        return [keys[at] === 0 ? undefined : keys[at] >>> 0];
      case 'conversation':
        return [addressText(keys, at + 1, keys[at]), addressText(keys, at + 5, keys[at])];
      case 'prefix':
        return [`${addressText(keys, at + 1, keys[at])}/${keys[at] === 6 ? by.prefix6 : by.prefix4}`];
      default:
        return [addressText(keys, at + 1, keys[at])];
    }
  }
}

function protocolOf(meta: number): number {
  return (meta & KeyKind.anyProtocol) !== 0 ? NO_VALUE : meta & 0xff;
}

function protocolText(protocol: number): string | undefined {
  return protocol === NO_VALUE ? undefined : PROTOCOL_NAMES[protocol];
}

function toGroup(key: readonly (string | number | undefined)[], sums: Float64Array): Group {
  return {
    key,
    flows: sums[Sum.flows],
    packets: sums[Sum.packetsSent] + sums[Sum.packetsReceived],
    bytes: sums[Sum.bytesSent] + sums[Sum.bytesReceived],
    packetsSent: sums[Sum.packetsSent],
    packetsReceived: sums[Sum.packetsReceived],
    bytesSent: sums[Sum.bytesSent],
    bytesReceived: sums[Sum.bytesReceived],
  };
}
