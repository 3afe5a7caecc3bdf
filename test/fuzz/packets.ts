import type { MeterOptions } from '../../src/model/options.js';
import { KEY_PARTS, type KeyPart } from '../../src/packet/key.js';
import { anyFrame, type HostileFrame } from './frames.js';
import type { Random } from './target.js';

/** In front of the packets: how to meter. */
const SETTINGS = 8;
/** In front of each frame: step of time (2), link type (2), bytes on the wire beyond the frame (4), length (2). */
const PREFIX = 10;

export interface Packet extends HostileFrame {
  seconds: number;
  nanos: number;
}

/** Steps of time in nanoseconds: nothing, a little, past the timeouts, back, and far. */
const STEPS: readonly number[] = [
  0, 0, 0, 1, 1000, 1e6, 249_999_999, 250e6, 1e9, 5e9, 16e9, 31e9, 121e9, 301e9, 1025e9, 86_400e9, -1, -1e6, -1e9, -3e9,
  -40e9, -400e9, 4e18, -4e18,
];
const LATEST = 0xffffffff;

/** Settings and packets as one input. */
export function encodePackets(random: Random): Uint8Array {
  const count = 1 + random.below(random.once(4) ? 200 : 30);
  const pool = Array.from({ length: 1 + random.below(12) }, () => anyFrame(random));
  const calm = random.once(2);
  const parts = [random.bytes(SETTINGS)];
  for (let n = 0; n < count; n++) {
    const frame = random.once(3) ? anyFrame(random) : random.pick(pool);
    const head = new Uint8Array(PREFIX);
    const view = new DataView(head.buffer);
    view.setUint8(0, random.below(calm ? 11 : STEPS.length));
    view.setUint8(1, random.byte());
    view.setUint16(2, frame.link);
    view.setUint32(4, frame.more);
    view.setUint16(8, frame.bytes.length);
    parts.push(head, frame.bytes);
  }
  return Buffer.concat(parts);
}

export function decodePackets(input: Uint8Array): Packet[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const packets: Packet[] = [];
  let seconds = 1_704_067_200;
  let nanos = 0;
  for (let at = SETTINGS; at + PREFIX <= input.length; ) {
    const step = STEPS[view.getUint8(at) % STEPS.length] + view.getUint8(at + 1) * 1000;
    const whole = Math.floor((nanos + step) / 1e9);
    nanos = nanos + step - whole * 1e9;
    seconds = Math.min(LATEST, Math.max(0, seconds + whole));
    const from = at + PREFIX;
    const bytes = input.subarray(from, Math.min(input.length, from + view.getUint16(at + 8)));
    packets.push({ seconds, nanos, link: view.getUint16(at + 2), more: view.getUint32(at + 4), bytes });
    at = from + bytes.length;
  }
  return packets;
}

/** Where the packets begin. */
export function borders(input: Uint8Array): number[] {
  const list: number[] = [];
  for (let at = SETTINGS; at + PREFIX <= input.length; ) {
    list.push(at);
    at += PREFIX + (input[at + 8] << 8) + input[at + 9];
  }
  return list;
}

/** How the packets are metered. */
export interface Plan {
  options: MeterOptions;
  filter: string | undefined;
  /** Neither table nor fragments are limited more than the packets need. */
  roomy: boolean;
}

const FILTERS = ['tcp or udp', 'ip6 or vlan or less 100', 'not ip[0] & 0xf != 5', 'len > ip[2:2]', 'port 53 or icmp'];

export function planOf(input: Uint8Array, packets: number): Plan {
  const at = (k: number): number => input[k] ?? 0;
  const roomy = at(0) % 3 === 0;
  const parts = Object.keys(KEY_PARTS) as KeyPart[];
  const timeouts = [undefined, { active: 1000 }, { idle: { tcp: 1, udp: 1, other: 1, single: 1 }, active: 1 }];
  const sampling = { mode: (['count', 'random', 'hash'] as const)[at(5) % 3], n: 1 + (at(5) % 4), scale: false };
  const timeout = timeouts[at(1) % timeouts.length];
  return {
    options: {
      maxFlows: roomy ? packets * 2 + 16 : 1 + (at(0) % 8),
      whenFull: (['evict', 'refuse', 'early'] as const)[at(2) % 3],
      features: at(3) % 4 === 0 ? 'none' : 'all',
      key: {
        base: (['port', 'port', 'proto', 'ip'] as const)[at(4) & 3],
        extra: parts.filter((_, k) => (at(4) & 0x80) !== 0 && ((at(6) >> k) & 1) === 1),
        unidirectional: (at(4) & 0x30) === 0x30,
      },
      tunnels: (at(4) & 0x0c) === 0x0c ? 'none' : 'all',
      checksums: (at(4) & 0x40) !== 0,
      maxFragments: roomy ? packets + 1 : 1 + (at(7) & 3),
      fragmentTimeout: [15_000, 1, 1000][at(7) % 3],
      ...(timeout === undefined ? {} : { timeouts: timeout }),
      ...((at(5) & 0xf0) === 0xf0 ? { sampling } : {}),
    },
    filter: (at(7) & 0xc0) === 0xc0 ? FILTERS[at(7) % FILTERS.length] : undefined,
    roomy,
  };
}
