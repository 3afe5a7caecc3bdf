import { ErrorCode, RheoError } from '../core/errors.js';
import { TIMEOUT_CLASSES, type TimeoutClass, type Timeouts } from '../model/options.js';
import { Protocol } from '../packet/transport.js';

/** Number of each class, as it stands in the state word of a row. */
export const Class = { tcp: 0, syn: 1, fin: 2, rst: 3, udp: 4, icmp: 5, single: 6, other: 7 } as const;
export const CLASSES = 8;

/**
 * Defaults in ms. 30 s idle is what most of today's meters use (a collector sees a flow soon after it ended, and a pause in
 * an interactive session still mostly stays one flow); unanswered SYNs and single packets are what floods and scans
 * consist of and leave sooner; after FIN and RST only stragglers are waited for. Active: 5 minutes, one collector interval.
 */
export const DEFAULT_TIMEOUTS: Timeouts = {
  idle: {
    tcp: 30_000,
    'tcp.syn': 15_000,
    'tcp.fin': 5_000,
    'tcp.rst': 5_000,
    udp: 30_000,
    icmp: 15_000,
    single: 15_000,
    other: 30_000,
  },
  active: 300_000,
};

/** A SYN that comes this long after the flow's last packet (ns) begins a new connection: longer than TIME-WAIT lasts. */
export const NEW_CONNECTION_GAP_NANOS = 120e9;

/** Longest timeout that is taken: 10 years. */
const LONGEST_MS = 10 * 365 * 86_400_000;

export function completeTimeouts(
  given: { idle?: Partial<Record<TimeoutClass, number>>; active?: number } = {},
): Timeouts {
  const idle = { ...DEFAULT_TIMEOUTS.idle, ...given.idle };
  for (const name of TIMEOUT_CLASSES) check(name, idle[name]);
  const active = given.active ?? DEFAULT_TIMEOUTS.active;
  if (active !== Infinity) check('active', active);
  return { idle, active };
}

function check(name: string, ms: number): void {
  if (!(ms > 0 && ms <= LONGEST_MS)) {
    throw new RheoError(ErrorCode.usage, `timeout ${name} must be more than 0 and at most 10 years, not ${ms} ms`);
  }
}

/** Idle timeouts in ns by class number. */
export function idleNanos(timeouts: Timeouts): Float64Array {
  return Float64Array.from(TIMEOUT_CLASSES, (name) => timeouts.idle[name] * 1e6);
}

/** Class of an established flow by protocol number. */
export const CLASS_OF_PROTOCOL: Uint8Array = new Uint8Array(256).fill(Class.other);
CLASS_OF_PROTOCOL[Protocol.tcp] = Class.tcp;
CLASS_OF_PROTOCOL[Protocol.udp] = Class.udp;
CLASS_OF_PROTOCOL[Protocol.udplite] = Class.udp;
CLASS_OF_PROTOCOL[Protocol.icmp] = Class.icmp;
CLASS_OF_PROTOCOL[Protocol.icmp6] = Class.icmp;
