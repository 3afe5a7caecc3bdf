import { putLayers } from '../../src/meter/layers.js';
import type { FlowHook, RecordField, SideTable } from '../../src/model/hook.js';
import { RecordBatch, type RecordLayout } from '../../src/model/record-batch.js';
import { ROW_WORDS, Row, State } from '../../src/model/row.js';
import { BATCH_SIZE, Batch, MAX_VLAN_DEPTH, Mark } from '../../src/packet/batch.js';
import { Tunnel, type TunnelName } from '../../src/packet/tunnel.js';

/** A packet as a test writes it. Whatever is left out is zero or follows from the rest. */
export interface TestPacket {
  /** Number of the flow, from 0. */
  flow?: number;
  /** 0: A to B, 1: B to A. */
  direction?: 0 | 1;
  /** Nanoseconds after 2024-01-01. */
  at?: number;
  version?: 4 | 6;
  tos?: number;
  ttl?: number;
  flowLabel?: number;
  marks?: number;
  tcp?: { flags?: number; sequence?: number; window?: number; options?: readonly number[] };
  /** Bytes of payload, or their number (then they are zeros). */
  payload?: Uint8Array | number;
  /** Bytes that are kept of the frame. */
  snap?: number;
  /** IP length; by default what the headers and the payload make. */
  octets?: number;
  wire?: number;
  mac?: readonly number[];
  vlan?: readonly number[];
  tunnel?: { type: TunnelName; id: number };
  mpls?: number;
  iface?: number;
  /** 0 unknown, 1 in, 2 out. */
  frameDirection?: number;
  /** Belongs to no flow. */
  stray?: boolean;
}

const EPOCH = 1_704_067_200;
const ETHERNET = 14;
const IP_HEADER: Record<4 | 6, number> = { 4: 20, 6: 40 };

interface Frame {
  bytes: Uint8Array;
  captured: number;
  network: number;
  transport: number;
  payload: number;
  payloadLength: number;
  payloadCaptured: number;
  octets: number;
  tcpHeader: number;
}

function frameOf(packet: TestPacket): Frame {
  const body = typeof packet.payload === 'object' ? packet.payload : new Uint8Array(packet.payload ?? 0);
  const options = packet.tcp?.options ?? [];
  const tcpHeader = packet.tcp ? 20 + Math.ceil(options.length / 4) * 4 : 0;
  const network = ETHERNET;
  const transport = network + IP_HEADER[packet.version ?? 4];
  const payload = transport + (packet.tcp ? tcpHeader : 8);
  const bytes = new Uint8Array(payload + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(packet.mac ?? [], 0);
  if (packet.tcp) {
    view.setUint32(transport + 4, (packet.tcp.sequence ?? 0) >>> 0);
    view.setUint8(transport + 12, (tcpHeader >>> 2) << 4);
    view.setUint8(transport + 13, packet.tcp.flags ?? 0);
    view.setUint16(transport + 14, packet.tcp.window ?? 0);
    bytes.set(options, transport + 20);
  }
  bytes.set(body, payload);
  const captured = Math.min(bytes.length, packet.snap ?? bytes.length);
  return {
    bytes: bytes.slice(0, captured),
    captured,
    network,
    transport,
    payload,
    payloadLength: body.length,
    payloadCaptured: Math.max(0, captured - payload),
    octets: packet.octets ?? bytes.length - ETHERNET,
    tcpHeader,
  };
}

/** Sets the columns of the batch from the packets, as source, decoder and meter would have done. */
function fillBatch(batch: Batch, packets: readonly TestPacket[]): void {
  const frames = packets.map(frameOf);
  // Exactly the captured bytes: reading behind the last of them throws.
  const memory = new Uint8Array(1 + frames.reduce((sum, frame) => sum + frame.captured, 0));
  batch.attach(memory, new DataView(memory.buffer));
  batch.count = packets.length;
  let offset = 1;
  packets.forEach((packet, i) => {
    const frame = frames[i];
    memory.set(frame.bytes, offset);
    const at = packet.at ?? 0;
    let marks = packet.marks ?? 0;
    if (packet.version === 6) marks |= Mark.ipv6;
    const behind = frame.captured - frame.transport;
    if (packet.tcp && behind >= 14) marks |= behind < frame.tcpHeader ? Mark.tcp | Mark.cut : Mark.tcp;
    if (packet.tunnel) marks |= Mark.tunnelled;
    batch.offset[i] = offset;
    batch.captured[i] = frame.captured;
    batch.wire[i] = packet.wire ?? ETHERNET + frame.octets;
    batch.seconds[i] = EPOCH + Math.floor(at / 1e9);
    batch.nanos[i] = at - Math.floor(at / 1e9) * 1e9;
    batch.iface[i] = packet.iface ?? 0;
    batch.hasFrameDirection ||= packet.frameDirection !== undefined;
    batch.frameDirection[i] = packet.frameDirection ?? 0;
    batch.verdict[i] = 0;
    batch.marks[i] = marks;
    batch.meta[i] = (packet.tcp ? 6 : 17) | ((packet.version ?? 4) << 8);
    batch.direction[i] = packet.direction ?? 0;
    batch.octets[i] = frame.octets;
    batch.network[i] = offset + frame.network;
    batch.transport[i] = offset + frame.transport;
    batch.payload[i] = offset + frame.payload;
    batch.payloadLength[i] = frame.payloadLength;
    batch.payloadCaptured[i] = frame.payloadCaptured;
    batch.tos[i] = packet.tos ?? 0;
    batch.ttl[i] = packet.ttl ?? 64;
    batch.tcpFlags[i] = packet.tcp?.flags ?? 0;
    batch.mac[i] = packet.mac ? offset : 0;
    batch.vlanDepth[i] = packet.vlan?.length ?? 0;
    batch.vlan.set(packet.vlan ?? [], i * MAX_VLAN_DEPTH);
    batch.mplsDepth[i] = packet.mpls === undefined ? 0 : 1;
    batch.mplsTop[i] = packet.mpls ?? 0;
    batch.tunnel[i] = packet.tunnel ? Tunnel[packet.tunnel.type] : 0;
    batch.tunnelId[i] = packet.tunnel?.id ?? 0;
    batch.flowLabel[i] = packet.flowLabel ?? 0;
    batch.flow[i] = packet.stray ? -1 : (packet.flow ?? 0);
    offset += frame.captured;
  });
}

function sideTable(rows: number, stride: number): SideTable {
  const buffer = new ArrayBuffer(rows * stride * 4);
  return {
    words: new Int32Array(buffer),
    unsigned: new Uint32Array(buffer),
    bytes: new Uint8Array(buffer),
    shorts: new Uint16Array(buffer),
    doubles: new Float64Array(buffer),
    stride,
  };
}

/** Binds the hooks to a side table with `padding` words before them. */
function bindHooks(hooks: readonly FlowHook[], rows: number, padding = 0): SideTable {
  const side = sideTable(
    rows,
    hooks.reduce((sum, hook) => sum + hook.words, padding),
  );
  let offset = padding;
  for (const hook of hooks) {
    if (hook.words % 2 !== 0) throw new Error(`hook ${hook.name} asks for an odd number of words`);
    hook.bind?.(side, offset);
    offset += hook.words;
  }
  return side;
}

/**
 * A meter without a flow table: the packets say which flow they belong to. Runs the hooks over the packets, cut into
 * batches and those into segments of the lengths given in turn, and returns one record a flow.
 * The initiator is who sent the first packet, unless `initiatorB` says otherwise.
 */
export function runHooks(
  hooks: readonly FlowHook[],
  packets: readonly TestPacket[],
  options: { cuts?: readonly number[]; initiatorB?: boolean } = {},
): RecordBatch {
  const flows = 1 + packets.reduce((most, packet) => Math.max(most, packet.flow ?? 0), 0);
  const padding = 2;
  const side = bindHooks(hooks, flows, padding);
  const layout: RecordLayout = {
    stride: ROW_WORDS + side.stride,
    keyOffset: ROW_WORDS,
    keyParts: [],
    side: offsetsOf(hooks, ROW_WORDS + padding),
  };
  const records = new RecordBatch(layout, new ArrayBuffer(flows * layout.stride * 4));
  records.count = flows;
  const cuts = options.cuts?.length ? options.cuts : [BATCH_SIZE];
  let cut = 0;
  const batch = new Batch();
  for (let from = 0; from < packets.length; from += BATCH_SIZE) {
    fillBatch(batch, packets.slice(from, from + BATCH_SIZE));
    for (let at = 0; at < batch.count; ) {
      const to = Math.min(batch.count, at + cuts[cut++ % cuts.length]);
      segment(hooks, batch, at, to, records, options.initiatorB);
      at = to;
    }
  }
  for (let row = 0; row < flows; row++) {
    const from = row * side.stride;
    records.words.set(side.words.subarray(from, from + side.stride), row * layout.stride + ROW_WORDS);
  }
  return records;
}

function offsetsOf(hooks: readonly FlowHook[], first: number): Record<string, number> {
  const offsets: Record<string, number> = {};
  let offset = first;
  for (const hook of hooks) {
    offsets[hook.name] = offset;
    offset += hook.words;
  }
  return offsets;
}

function segment(
  hooks: readonly FlowHook[],
  batch: Batch,
  from: number,
  to: number,
  records: RecordBatch,
  initiatorB: boolean | undefined,
): void {
  const { words, unsigned, layout } = records;
  const created = new Int32Array(BATCH_SIZE);
  let count = 0;
  for (let i = from; i < to; i++) {
    if (batch.flow[i] < 0) continue;
    const row = batch.flow[i] * layout.stride;
    if ((words[row + Row.state] & State.live) === 0) {
      created[count++] = i;
      words[row + Row.state] = State.live | ((initiatorB ?? batch.direction[i] === 1) ? State.initiatorB : 0);
      words[row + Row.state] |= putLayers(words, row + Row.layers, batch, i);
      words[row + Row.meta] = batch.meta[i];
    }
    const counters = row + (batch.direction[i] === 0 ? Row.packetsA : Row.packetsB);
    unsigned[counters]++;
    unsigned[counters + 2] += batch.octets[i];
  }
  for (const hook of hooks) {
    if (count > 0) hook.created?.(batch, created, count);
    hook.updated?.(batch, from, to);
  }
}

/** The members of record `index` that are not absent, by name. */
export function membersOf(fields: readonly RecordField[], records: RecordBatch, index = 0): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const field of fields) {
    const value = field.read(records, index);
    if (value !== undefined) members[field.name] = value;
  }
  return members;
}
