/**
 * A filter expression as a tree, independent of the link layer. Tests are made of it for each link type (generate.ts).
 * `at` is the offset in the expression, for errors that only the link type brings up.
 */

/** Which of source and destination must match. */
export type Direction = 'either' | 'source' | 'destination' | 'both';

/** What the addresses of a `host` or `net` primitive are looked up in; `any` is IPv4, ARP and RARP. */
export type AddressFamily = 'any' | 'ip' | 'arp' | 'rarp';

export type Layer = 'link' | 'ip' | 'ip6';

/** A header that byte access (`tcp[13]`) counts from. */
export type Base =
  | { readonly header: 'link' }
  | { readonly header: 'network'; readonly etherType: number }
  | { readonly header: 'transport'; readonly protocol: number; readonly version: 'ip' | 'any' }
  | { readonly header: 'icmp6' };

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';
export type Relation = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** Arithmetic on unsigned 32-bit numbers. `depth` is the height of the tree. */
export type Arithmetic = {
  readonly at: number;
  readonly depth: number;
} /** `literal`: written as one number, not computed from several. */ & (
  | { readonly kind: 'constant'; readonly value: number; readonly literal: boolean }
  | { readonly kind: 'length' }
  | { readonly kind: 'load'; readonly base: Base; readonly index: Arithmetic; readonly size: 1 | 2 | 4 }
  | { readonly kind: 'negate'; readonly operand: Arithmetic }
  | {
      readonly kind: 'binary';
      readonly operator: ArithmeticOperator;
      readonly left: Arithmetic;
      readonly right: Arithmetic;
    }
);

export type Node = { readonly at: number } & (
  | { readonly kind: 'all' }
  | { readonly kind: 'not'; readonly operand: Node }
  /** Operators have equal precedence and are applied from the left; `operators[k]` stands before `operands[k + 1]`. */
  | { readonly kind: 'chain'; readonly operands: readonly Node[]; readonly operators: readonly ('and' | 'or')[] }
  | {
      readonly kind: 'host4';
      readonly family: AddressFamily;
      readonly direction: Direction;
      readonly address: number;
      readonly mask: number;
    }
  | {
      readonly kind: 'host6';
      readonly direction: Direction;
      readonly address: Int32Array;
      readonly mask: Int32Array;
    }
  | { readonly kind: 'mac'; readonly direction: Direction; readonly address: Uint8Array }
  | {
      readonly kind: 'port';
      /** IP protocol number; undefined is TCP, UDP or SCTP. */
      readonly protocol: number | undefined;
      readonly direction: Direction;
      readonly low: number;
      readonly high: number;
    }
  | { readonly kind: 'protocol'; readonly version: 'ip' | 'ip6' | 'any'; readonly number: number }
  /** EtherType, or LLC SAP if at most 1500. */
  | { readonly kind: 'etherType'; readonly number: number }
  | { readonly kind: 'vlan'; readonly id: number | undefined }
  | { readonly kind: 'mpls'; readonly label: number | undefined }
  | { readonly kind: 'pppoe'; readonly session: number | undefined }
  | { readonly kind: 'broadcast'; readonly layer: Layer }
  | { readonly kind: 'multicast'; readonly layer: Layer }
  | { readonly kind: 'relation'; readonly relation: Relation; readonly left: Arithmetic; readonly right: Arithmetic }
);
