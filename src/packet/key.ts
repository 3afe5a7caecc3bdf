/** Flow key: what makes two packets belong to one flow (RFC 7011 §2, "Flow Key"). */

/** Bits of `meta` above the protocol (bits 0–7) and the IP version (bits 8–15). */
export const KeyKind = {
  /** ICMP: sent by endpoint B, or, of messages that come in pairs, B is who asks: for each asker a flow of its own. */
  reversed: 1 << 16,
  /** Fragments whose first one never came: ports are unknown. */
  orphanFragments: 1 << 17,
  /** `ports` holds a security parameter index. */
  spi: 1 << 18,
  /** `ports` holds ports. */
  ports: 1 << 19,
  /** `ports` holds ICMP type << 8 | code. */
  icmp: 1 << 20,
  /** The protocol is not part of the key (`--track ip`): its byte is 0 and means nothing. */
  anyProtocol: 1 << 21,
} as const;

/** What `--key` can add to the 5-tuple; each takes a number of 32-bit words in `Batch.keyExtra`. */
export const KEY_PARTS = {
  /** Outermost two VLAN ids. */
  vlan: 1,
  /** Both MAC addresses, in the order of the endpoints. */
  mac: 3,
  /** ToS / Traffic Class without ECN (DSCP). */
  dscp: 1,
  /** The whole ToS / Traffic Class byte. */
  tos: 1,
  /** Observation point. */
  interface: 1,
  /** Top MPLS label. */
  mpls: 1,
  /** Tunnel kind and id. */
  tunnel: 2,
  /** IPv6 flow label. */
  flowLabel: 1,
} as const;
export type KeyPart = keyof typeof KEY_PARTS;

export const BASE_KEYS = ['ip', 'proto', 'port'] as const;
/** softflowd's track levels, as far as they concern the 5-tuple: addresses only, with protocol, with ports. */
export type BaseKey = (typeof BASE_KEYS)[number];

export interface KeyOptions {
  /** How much of the 5-tuple counts. Default `port`. */
  base: BaseKey;
  /** Parts added to it, each at most once. Default none. */
  extra: readonly KeyPart[];
  /** One flow for each direction instead of one for both. Default false. */
  unidirectional: boolean;
}

export const DEFAULT_KEY: KeyOptions = { base: 'port', extra: [], unidirectional: false };

/** 32-bit words that the extra parts take. */
export function keyWords(key: KeyOptions): number {
  let words = 0;
  for (const part of key.extra) words += KEY_PARTS[part];
  return words;
}
