import type { RecordBatch } from '../../model/record-batch.js';
import { Row, State } from '../../model/row.js';
import { KeyKind } from '../../packet/key.js';
import { Protocol } from '../../packet/transport.js';
import type { WordCopy } from './plan.js';

/**
 * Which template a record needs: what a record does not have is not in its template, so that no zero stands for "unknown"
 * where it can be helped. A variant is a small number made of these.
 */
export const KIND = { none: 0, ports: 1, icmp: 2, spi: 3, anyProtocol: 4 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export interface Variant {
  readonly ipv6: boolean;
  /** TCP headers were seen, or could have been. */
  readonly tcp: boolean;
  readonly kind: Kind;
  /** Holds the reverse elements, too (biflows in which the responder was seen). */
  readonly reverse: boolean;
  /** From the responder to the initiator; has the template of those that go the other way. */
  readonly turned: boolean;
  /** VLAN ids: none, one, two, more. */
  readonly vlans: number;
  /**
   * TCP flags need more than eight bits. Those that do not go out in one byte (RFC 9565 §3 allows it): some collectors read
   * no more.
   */
  readonly wideFlags: boolean;
}

const REVERSE = 16;
const VLAN_SHIFT = 5;
const WIDE_FLAGS = 128;
const TCP = 256;
/** Variants that there can be. */
export const VARIANTS = 512;
/** The ninth TCP flag of both endpoints in the word of the flags. */
const NINTH_FLAGS = 0x0100_0100;

/** The variant of a record, without VLANs and reverse, by its words `meta` and `tcpFlags`. */
export function variantOf(meta: number, flags = 0): number {
  const kind =
    (meta & KeyKind.ports) !== 0
      ? KIND.ports
      : (meta & KeyKind.icmp) !== 0
        ? KIND.icmp
        : (meta & KeyKind.spi) !== 0
          ? KIND.spi
          : (meta & KeyKind.anyProtocol) !== 0
            ? KIND.anyProtocol
            : KIND.none;
  const tcp = (meta & 0xff) === Protocol.tcp && (meta & KeyKind.orphanFragments) === 0 && kind !== KIND.anyProtocol;
  return (
    (((meta >>> 8) & 0xff) === 6 ? 1 : 0) |
    (kind << 1) |
    (tcp ? TCP : 0) |
    ((flags & NINTH_FLAGS) === 0 || !tcp ? 0 : WIDE_FLAGS)
  );
}

export function withReverse(variant: number): number {
  return variant | REVERSE;
}

export function withVlans(variant: number, count: number): number {
  return variant | (Math.min(3, count) << VLAN_SHIFT);
}

export function describeVariant(variant: number, turned = false): Variant {
  return {
    turned,
    ipv6: (variant & 1) !== 0,
    tcp: (variant & TCP) !== 0,
    kind: ((variant >>> 1) & 7) as Kind,
    reverse: (variant & REVERSE) !== 0,
    vlans: (variant >>> VLAN_SHIFT) & 3,
    wideFlags: (variant & WIDE_FLAGS) !== 0,
  };
}

/** 0 if endpoint A of the record at word `base` is the initiator, 1 if B is. */
export function initiatorOf(words: Int32Array, base: number): number {
  return words[base + Row.state] & State.initiatorB;
}

/** True if that endpoint (0: A, 1: B) sent at least one packet. */
export function sentAny(words: Int32Array, base: number, endpoint: number): boolean {
  const at = base + (endpoint === 0 ? Row.packetsA : Row.packetsB);
  return (words[at] | words[at + 1]) !== 0;
}

/**
 * Writes one value of the record whose first word is `base`, and returns where the next one goes.
 * @param source endpoint (0: A, 1: B) that is the source of the record that is being written
 */
export type Write = (
  view: DataView,
  at: number,
  batch: RecordBatch,
  index: number,
  base: number,
  source: number,
) => number;

/** A field of a template and how its value is written. */
export interface WireField {
  readonly pen: number;
  readonly id: number;
  readonly length: number;
  readonly write: Write;
  /** What `write` copies, where it does nothing else: for a record whose source is A, and for one whose source is B. */
  readonly copies?: readonly [WordCopy, WordCopy];
  /** Part of the flow key (flowKeyIndicator). */
  readonly key?: boolean;
}

/** A member of the records: the fields that it gives in a variant. `side` 1: those of the other direction. */
export interface Member {
  readonly name: string;
  /** Names of the information elements that it gives. */
  readonly elements: readonly string[];
  fields(variant: Variant, side: 0 | 1): readonly WireField[];
  /** Our own elements among them. */
  readonly own?: readonly string[];
}
