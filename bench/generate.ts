/**
 * Makes captures whose flows are known exactly, for benches and tests: `node dist/bench/generate.js OUT.pcap --help`.
 * The truth stands beside the capture, in OUT.pcap.json. Memory grows with the flows that live at one time only.
 */
import { closeSync, openSync, realpathSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LONGEST_FRAME, LONGEST_PAYLOAD, type PacketShape, TcpFlag, writeFrame } from './frame.js';
import { RandomStream } from './random.js';
import { TimeHeap } from './time-heap.js';
import { type Flow, TRAFFIC_MODES, Traffic, type TrafficMode, type TrafficOptions } from './traffic.js';

export interface CaptureOptions extends Partial<TrafficOptions> {
  /** File to write. */
  path: string;
  packets: number;
  flows: number;
  /** Bytes kept of each packet. Default 128. */
  snapLength?: number;
  /** Times in nanoseconds, and the file's magic number for them. Default: microseconds. */
  nanoseconds?: boolean;
}

export interface Totals {
  flows: number;
  packets: number;
  /** Lengths of the IP packets, without link layer and padding. */
  octets: number;
}

/** What a meter must find. */
export interface Truth {
  packets: number;
  /** Flows with both directions as one, and with each direction by itself. */
  biflows: number;
  uniflows: number;
  octets: number;
  /** Lengths of the frames. */
  wireOctets: number;
  capturedOctets: number;
  fileBytes: number;
  /** Time of the first and the last packet as the file has it: seconds since 1970 and nanoseconds. */
  first: { seconds: number; nanos: number };
  last: { seconds: number; nanos: number };
  /** Longest time between two packets of one flow: with an idle timeout above it no flow is ever cut in two. */
  longestGapSeconds: number;
  longestFlowPackets: number;
  byProtocol: Record<'tcp4' | 'udp4' | 'tcp6' | 'udp6', Totals>;
  /** What it was made with. */
  options: Required<Omit<CaptureOptions, 'path'>>;
}

const BASE_SECONDS = 1704067200; // 2024-01-01T00:00:00Z
const BUFFER_BYTES = 4 << 20;
export const TRAFFIC_DEFAULTS: Readonly<Required<Omit<CaptureOptions, 'path' | 'packets' | 'flows'>>> = {
  seed: 1,
  v6: 0.3,
  udp: 0.3,
  vlan: 0,
  durationSeconds: 300,
  mode: 'mixed',
  snapLength: 128,
  nanoseconds: false,
};

/** A flow with packets to come. */
interface LiveFlow extends Flow {
  sent: number;
  last: number;
  /** Next sequence number of the client and of the server. */
  clientSequence: number;
  serverSequence: number;
  /** Bit 0: the client has sent, bit 1: the server has. */
  directions: number;
}

/** Writes the capture and its truth. Throws RangeError on options that cannot be. */
export function generateCapture(given: CaptureOptions): { path: string; truth: Truth } {
  const { path, ...rest } = given;
  const options = { ...TRAFFIC_DEFAULTS, ...rest };
  const writer = new PcapWriter(path, options.snapLength, options.nanoseconds);
  let truth: Truth;
  try {
    truth = writeTraffic(writer, options);
  } finally {
    writer.close();
  }
  writeFileSync(`${path}.json`, `${JSON.stringify(truth, undefined, 1)}\n`);
  return { path, truth };
}

function writeTraffic(writer: PcapWriter, options: Truth['options']): Truth {
  const traffic = new Traffic(options);
  const random = new RandomStream(options.seed);
  const heap = new TimeHeap();
  const live: LiveFlow[] = [];
  const free: number[] = [];
  const packet: PacketShape = { reverse: false, flags: 0, sequence: 0, acknowledgment: 0, payload: 0, id: 0 };
  const none = (): Totals => ({ flows: 0, packets: 0, octets: 0 });
  const byProtocol = { tcp4: none(), udp4: none(), tcp6: none(), udp6: none() };
  const tick = options.nanoseconds ? 1 : 1000;
  let opened = 0;
  let uniflows = 0;
  let longestGap = 0;
  let longestFlow = 0;
  let firstTime = 0;
  let nextStart = traffic.startOf(0);

  for (let n = 0; n < options.packets; n++) {
    if (opened < options.flows && nextStart <= heap.time) {
      const slot = free.pop() ?? live.push({ ...Traffic.blank(), ...unsent() }) - 1;
      const flow = Object.assign(live[slot]!, unsent());
      traffic.describe(flow);
      flow.clientSequence = Math.floor(random.next() * 0x1_0000_0000);
      flow.serverSequence = Math.floor(random.next() * 0x1_0000_0000);
      flow.last = flow.start;
      heap.push(flow.start, slot);
      opened++;
      nextStart = opened < options.flows ? traffic.startOf(opened) : Infinity;
      byProtocol[protocolOf(flow)].flows++;
      longestFlow = Math.max(longestFlow, flow.packets);
    }
    const slot = heap.slot;
    const flow = live[slot]!;
    const time = Math.floor(heap.time / tick) * tick;
    if (n === 0) firstTime = time;
    longestGap = Math.max(longestGap, time - flow.last);
    flow.last = time;

    shape(packet, flow, random.next());
    packet.id = n & 0xffff;
    const octets = writer.write(time, flow, packet);
    const totals = byProtocol[protocolOf(flow)];
    totals.packets++;
    totals.octets += octets;
    flow.directions |= packet.reverse ? 2 : 1;

    if (++flow.sent < flow.packets) {
      // The earliest of k times that are spread evenly over what is left.
      const left = Math.max(0, flow.end - heap.time);
      heap.delay(heap.time + left * (1 - (1 - random.next()) ** (1 / (flow.packets - flow.sent))));
    } else {
      uniflows += flow.directions === 3 ? 2 : 1;
      heap.pop();
      free.push(slot);
    }
    if (n === options.packets - 1) {
      const octetsOfAll = Object.values(byProtocol).reduce((sum, one) => sum + one.octets, 0);
      return {
        packets: options.packets,
        biflows: opened,
        uniflows,
        octets: octetsOfAll,
        wireOctets: writer.wireOctets,
        capturedOctets: writer.capturedOctets,
        fileBytes: writer.bytes,
        first: timeOf(firstTime),
        last: timeOf(time),
        longestGapSeconds: longestGap / 1e9,
        longestFlowPackets: longestFlow,
        byProtocol,
        options,
      };
    }
  }
  throw new RangeError('a capture has at least one packet');
}

function unsent(): Pick<LiveFlow, 'sent' | 'last' | 'clientSequence' | 'serverSequence' | 'directions'> {
  return { sent: 0, last: 0, clientSequence: 0, serverSequence: 0, directions: 0 };
}

function protocolOf(flow: Flow): keyof Truth['byProtocol'] {
  return flow.udp ? (flow.v6 ? 'udp6' : 'udp4') : flow.v6 ? 'tcp6' : 'tcp4';
}

function timeOf(time: number): { seconds: number; nanos: number } {
  return { seconds: BASE_SECONDS + Math.floor(time / 1e9), nanos: time % 1e9 };
}

/** Decides on the flow's next packet; `draw` is a random number in [0, 1). */
function shape(packet: PacketShape, flow: LiveFlow, draw: number): void {
  packet.payload = 0;
  if (flow.udp) shapeUdp(packet, flow, draw);
  else shapeTcp(packet, flow, draw);
}

function shapeUdp(packet: PacketShape, flow: LiveFlow, draw: number): void {
  if (flow.packets <= 4) {
    packet.reverse = (flow.sent & 1) === 1;
    packet.payload = 12 + Math.floor(draw * 104); // the smallest are padded to Ethernet's least length
    return;
  }
  packet.reverse = flow.sent > 1 ? draw >= 0.35 : flow.sent === 1;
  packet.payload = packet.reverse && draw > 0.55 ? 1350 : 30 + Math.floor(draw * 900);
}

/** Three packets open a connection and three close it, where it has that many; one in fifty ends with a reset. */
function shapeTcp(packet: PacketShape, flow: LiveFlow, draw: number): void {
  const closing = flow.packets >= 6 ? flow.packets - flow.sent : 0;
  const reset = flow.number % 50 === 0;
  if (flow.sent < 3) {
    packet.reverse = flow.sent === 1;
    packet.flags = [TcpFlag.syn, TcpFlag.syn | TcpFlag.ack, TcpFlag.ack][flow.sent]!;
  } else if (reset && closing === 1) {
    packet.reverse = true;
    packet.flags = TcpFlag.rst | TcpFlag.ack;
  } else if (!reset && closing >= 1 && closing <= 3) {
    packet.reverse = closing === 2;
    packet.flags = TcpFlag.ack | (closing === 1 ? 0 : TcpFlag.fin);
  } else {
    packet.reverse = draw >= 0.42;
    packet.flags = TcpFlag.ack;
    if (packet.reverse) packet.payload = draw > 0.55 ? LONGEST_PAYLOAD : 100 + Math.floor(draw * 1200);
    else if (draw < 0.12) packet.payload = 80 + Math.floor(draw * 6000);
    if (packet.payload > 0 && draw < 0.6) packet.flags |= TcpFlag.psh;
  }
  packet.sequence = packet.reverse ? flow.serverSequence : flow.clientSequence;
  packet.acknowledgment = flow.sent === 0 ? 0 : packet.reverse ? flow.clientSequence : flow.serverSequence;
  const taken = packet.payload + (packet.flags & (TcpFlag.syn | TcpFlag.fin) ? 1 : 0);
  if (packet.reverse) flow.serverSequence = (flow.serverSequence + taken) >>> 0;
  else flow.clientSequence = (flow.clientSequence + taken) >>> 0;
}

/** Writes pcap through one buffer, synchronously. */
class PcapWriter {
  wireOctets = 0;
  capturedOctets = 0;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private readonly view = new DataView(this.buffer.buffer);
  private readonly lengths = { wire: 0, ip: 0 };
  private readonly snapLength: number;
  private readonly perTick: number;
  private readonly file: number;
  private used = 24;
  private flushed = 0;

  constructor(path: string, snapLength: number, nanoseconds: boolean) {
    this.snapLength = snapLength;
    this.perTick = nanoseconds ? 1 : 1000;
    this.file = openSync(path, 'w');
    this.view.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, true);
    this.view.setUint16(4, 2, true);
    this.view.setUint16(6, 4, true);
    this.view.setUint32(16, snapLength, true);
    this.view.setUint32(20, 1, true); // LINKTYPE_ETHERNET
  }

  /** Length of the file. */
  get bytes(): number {
    return this.flushed + this.used;
  }

  /** Returns the length of the IP packet. `time` is in nanoseconds since the capture's start. */
  write(time: number, flow: Flow, packet: PacketShape): number {
    if (this.used + 16 + LONGEST_FRAME > BUFFER_BYTES) this.flush();
    const at = this.used;
    writeFrame(this.view, at + 16, flow, packet, this.lengths);
    const captured = Math.min(this.snapLength, this.lengths.wire);
    const second = Math.floor(time / 1e9);
    this.view.setUint32(at, BASE_SECONDS + second, true);
    this.view.setUint32(at + 4, Math.floor((time - second * 1e9) / this.perTick), true);
    this.view.setUint32(at + 8, captured, true);
    this.view.setUint32(at + 12, this.lengths.wire, true);
    this.used = at + 16 + captured;
    this.capturedOctets += captured;
    this.wireOctets += this.lengths.wire;
    return this.lengths.ip;
  }

  close(): void {
    this.flush();
    closeSync(this.file);
  }

  private flush(): void {
    for (let from = 0; from < this.used; ) from += writeSync(this.file, this.buffer, from, this.used - from);
    this.flushed += this.used;
    this.used = 0;
  }
}

const USAGE = `usage: node dist/bench/generate.js OUT.pcap [options]
  --packets N (2000000)   --flows N (100000)      --seed N (1)           --snaplen BYTES (128)
  --v6 SHARE (0.3)        --udp SHARE (0.3)       --vlan SHARE (0)       --duration SECONDS (300)
  --nanoseconds           --mode ${TRAFFIC_MODES.join(' | ')} (mixed)
The truth (flows, packets, IP bytes, by protocol) is written to OUT.pcap.json.
`;

function main(args: string[]): number {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      packets: { ...text, default: '2000000' },
      flows: { ...text, default: '100000' },
      seed: { ...text, default: '1' },
      snaplen: { ...text, default: '128' },
      v6: { ...text, default: '0.3' },
      udp: { ...text, default: '0.3' },
      vlan: { ...text, default: '0' },
      duration: { ...text, default: '300' },
      mode: { ...text, default: 'mixed' },
      nanoseconds: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const path = positionals[0];
  if (values.help || path === undefined || !TRAFFIC_MODES.includes(values.mode as TrafficMode)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { truth } = generateCapture({
    path,
    packets: Number(values.packets),
    flows: values.mode === 'syn-flood' ? Number(values.packets) : Number(values.flows),
    seed: Number(values.seed),
    snapLength: Number(values.snaplen),
    v6: Number(values.v6),
    udp: Number(values.udp),
    vlan: Number(values.vlan),
    durationSeconds: Number(values.duration),
    mode: values.mode as TrafficMode,
    nanoseconds: values.nanoseconds,
  });
  process.stdout.write(`${JSON.stringify(truth, undefined, 1)}\n`);
  return 0;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
