import type { KeyOptions } from '../packet/key.js';
import type { TunnelName } from '../packet/tunnel.js';

/** Timeout classes; times in milliseconds of packet time. */
export const TIMEOUT_CLASSES = ['tcp', 'tcp.syn', 'tcp.fin', 'tcp.rst', 'udp', 'icmp', 'single', 'other'] as const;
export type TimeoutClass = (typeof TIMEOUT_CLASSES)[number];
export interface Timeouts {
  /** Class → idle timeout in ms. */
  idle: Record<TimeoutClass, number>;
  /** Active timeout in ms: a flow that lasts longer is reported and goes on as a new record. Infinity = never. */
  active: number;
}

export type WhenFull = 'evict' | 'refuse' | 'early';

export interface Sampling {
  /** `count`: every n-th packet; `random`: each with probability 1/n; `hash`: the flows whose hash falls in 1/n. */
  mode: 'count' | 'random' | 'hash';
  n: number;
  /** Multiply totals by n in the output. */
  scale: boolean;
}

/** Everything that decides how packets become records. All optional; defaults in `meter/`. */
export interface MeterOptions {
  key?: Partial<KeyOptions>;
  timeouts?: { idle?: Partial<Record<TimeoutClass, number>>; active?: number };
  /** Most flows at one time. Default from the machine's memory. */
  maxFlows?: number;
  whenFull?: WhenFull;
  /** Feature names, or 'all' or 'none'. */
  features?: readonly string[] | 'all' | 'none';
  /** Tunnels to look into, or 'all' or 'none'. Default: all but l2tp. */
  tunnels?: readonly TunnelName[] | 'all' | 'none';
  /** Verify IPv4, TCP and UDP checksums; packets that fail are refused. Default false. */
  checksums?: boolean;
  sampling?: Sampling;
  /** Fragments held that arrived before their first one, and how long (ms). */
  maxFragments?: number;
  fragmentTimeout?: number;
}

export interface ReadOptions extends MeterOptions {
  /** pcap filter expression. */
  filter?: string;
  /** Shards. Default 1. */
  threads?: number;
  /** Go on reading as the file grows. */
  follow?: boolean;
}
