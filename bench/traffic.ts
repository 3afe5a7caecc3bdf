import { mix, permute24, unit } from './random.js';

/**
 * `mixed`: web-like traffic, sizes with a heavy tail. `hash-flood`: keys that a stranger who knows the program but not
 * the seed of its hash would choose: they differ in few bits, their low bits are equal, and the difference is the same
 * in both addresses (and both ports), so that a hash which combines the endpoints by xor or by sum sees no difference.
 * `syn-flood`: every packet is a SYN and a new flow.
 */
export const TRAFFIC_MODES = ['mixed', 'hash-flood', 'syn-flood'] as const;
export type TrafficMode = (typeof TRAFFIC_MODES)[number];

export interface TrafficOptions {
  packets: number;
  /** At most `packets`; with at least two packets a flow, every flow has two or more. `syn-flood`: as many as packets. */
  flows: number;
  seed: number;
  /** Share of the flows that are IPv6, UDP, tagged (802.1Q); 0…1. */
  v6: number;
  udp: number;
  vlan: number;
  /** From the first to about the last packet. */
  durationSeconds: number;
  mode: TrafficMode;
}

/** What is fixed about one flow; filled by `describe`, reused. */
export interface Flow {
  number: number;
  v6: boolean;
  udp: boolean;
  /** 0 = untagged. */
  vlan: number;
  /** Four words each, IPv4 in the first. */
  client: Int32Array;
  server: Int32Array;
  clientPort: number;
  serverPort: number;
  packets: number;
  /** Nanoseconds since the capture's start. */
  start: number;
  end: number;
}

const TCP_PORTS = [443, 443, 443, 443, 443, 443, 443, 80, 80, 8080, 22, 25, 993, 3306, 5432, 6379];
const UDP_PORTS = [443, 443, 443, 443, 53, 53, 53, 53, 123, 3478, 5060, 51820];
const FIRST_PORT = 1024;
const CLIENT_PORTS = 65536 - FIRST_PORT;
/** Each flow draws from streams of its own; these tell them apart. */
const Salt = {
  size: 1,
  start: 2,
  life: 3,
  kind: 4,
  udp: 5,
  vlan: 6,
  client: 7,
  server: 8,
  port: 9,
  address: 10,
} as const;
const MEAN_LIFE_NS = 10e9;
const SHORTEST_LIFE_NS = 20e6;

/**
 * All flows of a capture, in order of their first packet. Everything is computed from the seed and the flow's number,
 * but for the next free port of each client: the memory is two bytes a client, one client for a dozen flows.
 */
export class Traffic {
  readonly options: TrafficOptions;
  private readonly clients: number;
  private readonly servers: number;
  private readonly nextPort: Uint16Array;
  private readonly smallest: number;
  private readonly weightPerPacket: number;
  private weight = 0;
  private handedOut = 0;
  private described = 0;

  constructor(options: TrafficOptions) {
    check(options);
    this.options = options;
    this.clients = Math.max(64, Math.floor(options.flows / 12));
    this.servers = Math.max(32, Math.floor(options.flows / 60));
    this.nextPort = new Uint16Array(options.mode === 'mixed' ? this.clients : 0);
    this.smallest = options.packets >= 2 * options.flows ? 2 : 1;
    let sum = 0;
    for (let i = 0; i < options.flows; i++) sum += this.weightOf(i);
    this.weightPerPacket = sum / Math.max(1, options.packets - this.smallest * options.flows);
  }

  /** A flow without values, for `describe`. */
  static blank(): Flow {
    const flow = { number: -1, v6: false, udp: false, vlan: 0, client: new Int32Array(4), server: new Int32Array(4) };
    return { ...flow, clientPort: 0, serverPort: 0, packets: 0, start: 0, end: 0 };
  }

  /** Nanoseconds until the first packet of flow `number`. Never falls with the number. */
  startOf(number: number): number {
    const { flows, durationSeconds, seed } = this.options;
    return Math.floor(((number + unit(seed, number, Salt.start)) / flows) * durationSeconds * 0.95e9);
  }

  /** Describes the next flow; flows must be asked for in order, from 0 on. */
  describe(flow: Flow): void {
    const { seed, v6, udp, vlan, mode, durationSeconds } = this.options;
    const i = this.described++;
    flow.number = i;
    flow.v6 = mode !== 'hash-flood' && unit(seed, i, Salt.kind) < v6;
    flow.udp = mode === 'mixed' && unit(seed, i, Salt.udp) < udp;
    flow.vlan = unit(seed, i, Salt.vlan) < vlan ? 100 + (mix(seed, i, Salt.vlan) & 7) : 0;
    flow.packets = this.takePackets(i);
    if (mode === 'mixed') this.setKey(flow);
    else if (mode === 'syn-flood') setFloodKey(flow, seed);
    else setAlignedKey(flow);

    const duration = durationSeconds * 1e9;
    let life = -Math.log(unit(seed, i, Salt.life)) * MEAN_LIFE_NS + SHORTEST_LIFE_NS;
    if (flow.packets > 200) life = Math.max(life, Math.min(duration * 0.9, flow.packets * 2e6));
    flow.start = this.startOf(i);
    flow.end = Math.min(flow.start + life, duration);
  }

  /** Share of flow i in the packets: a Pareto tail, cut at 5000. */
  private weightOf(i: number): number {
    return Math.min(unit(this.options.seed, i, Salt.size) ** (-1 / 1.15), 5000);
  }

  /** Rounds the running sum, not each share, so that the packets of all flows add up exactly. */
  private takePackets(i: number): number {
    const { packets, flows } = this.options;
    this.weight += this.weightOf(i);
    const extra = packets - this.smallest * flows;
    const upTo = i === flows - 1 ? extra : Math.min(extra, Math.floor(this.weight / this.weightPerPacket));
    const count = this.smallest + upTo - this.handedOut;
    this.handedOut = upTo;
    return count;
  }

  /** A client takes its ports one after the other, so no two flows have the same key. */
  private setKey(flow: Flow): void {
    const { seed } = this.options;
    const client = mix(seed, flow.number, Salt.client) % this.clients;
    const server = mix(seed, flow.number, Salt.server) % this.servers;
    const taken = this.nextPort[client]!++;
    if (taken >= CLIENT_PORTS) throw new RangeError('a client of the generated traffic has run out of ports');
    flow.clientPort = FIRST_PORT + ((mix(seed, client, Salt.port) + taken) % CLIENT_PORTS);
    const ports = flow.udp ? UDP_PORTS : TCP_PORTS;
    flow.serverPort = ports[mix(seed, flow.number, Salt.port) % ports.length]!;
    if (flow.v6) {
      setV6(flow.client, 0, client, seed);
      setV6(flow.server, 0xffff, server, seed);
    } else {
      flow.client[0] = 0x0a00_0000 | permute24(client, seed);
      flow.server[0] = 0xc612_0000 | (server & 0x1_ffff); // 198.18.0.0/15, for benchmarks (RFC 2544)
    }
  }
}

function check(options: TrafficOptions): void {
  const { packets, flows, mode } = options;
  if (!Number.isSafeInteger(packets) || !Number.isSafeInteger(flows) || flows < 1 || packets < flows) {
    throw new RangeError(`a capture needs at least one flow and as many packets as flows, not ${packets} and ${flows}`);
  }
  if (flows > 1 << 24) throw new RangeError(`at most ${1 << 24} flows can be generated, not ${flows}`);
  if (mode === 'syn-flood' && packets !== flows) {
    throw new RangeError(`in a SYN flood every packet is a flow: ${packets} packets cannot be ${flows} flows`);
  }
}

/** 2001:db8:SUBNET::/48 and a host part that holds `host` itself, so that two hosts never share an address. */
function setV6(words: Int32Array, subnet: number, host: number, seed: number): void {
  words[0] = 0x2001_0db8;
  words[1] = (subnet << 16) | (mix(seed, host, Salt.address) & 0xffff);
  words[2] = mix(seed, host, Salt.address + 1);
  words[3] = host;
}

function setFloodKey(flow: Flow, seed: number): void {
  const source = permute24(flow.number, seed);
  flow.clientPort = FIRST_PORT + (mix(seed, flow.number, Salt.port) % CLIENT_PORTS);
  flow.serverPort = 443;
  if (flow.v6) {
    setV6(flow.client, 0, source, seed);
    setV6(flow.server, 0xffff, 1, seed);
  } else {
    flow.client[0] = 0x0a00_0000 | source;
    flow.server[0] = 0xc612_0001;
  }
}

/** 20 bits of the number go to the high bits of both addresses alike, the rest to the high bits of both ports alike. */
function setAlignedKey(flow: Flow): void {
  const low = flow.number & 0xf_ffff;
  const high = flow.number >>> 20;
  flow.client[0] = 0x0a00_0001 ^ (low << 12);
  flow.server[0] = 0xc612_0001 ^ (low << 12);
  flow.clientPort = 0x8001 ^ (high << 8);
  flow.serverPort = 0x01bb ^ (high << 8);
}
