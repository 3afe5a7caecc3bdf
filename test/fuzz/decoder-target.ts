import assert from 'node:assert/strict';
import { Batch, MAX_VLAN_DEPTH, Mark } from '../../src/packet/batch.js';
import { Decoder, type DecoderOptions } from '../../src/packet/decoder.js';
import { KEY_PARTS, type KeyPart, keyWords } from '../../src/packet/key.js';
import { REFUSAL_NAMES, Refusal } from '../../src/packet/refusal.js';
import { TUNNEL_NAMES, type TunnelName } from '../../src/packet/tunnel.js';
import { type HostileFrame, linkFrame, realFrame, tunnelFrame } from './frames.js';
import type { Random, Target } from './target.js';

/** In front of the frame: how to decode, link type (2), bytes on the wire beyond it (4), bytes kept of it (2). */
const PREFIX = 9;
const ALL_TUNNELS = TUNNEL_NAMES.filter((name): name is TunnelName => name !== 'none');
const ALL_PARTS = Object.keys(KEY_PARTS) as KeyPart[];
const MAX_IP_LENGTH = 65_535 + 40;

function encode(frame: HostileFrame, random: Random): Uint8Array {
  const out = new Uint8Array(PREFIX + frame.bytes.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, random.byte());
  view.setUint16(1, frame.link);
  view.setUint32(3, frame.more);
  view.setUint16(7, random.below(frame.bytes.length + 1));
  out.set(frame.bytes, PREFIX);
  return out;
}

function optionsOf(kind: number): DecoderOptions {
  return {
    seed: [1, 2],
    checksums: (kind & 7) === 7,
    tunnels: (kind & 24) === 24 ? [] : ALL_TUNNELS,
    key: {
      base: (kind & 0x60) === 0x60 ? 'proto' : 'port',
      extra: (kind & 0x80) !== 0 ? ALL_PARTS : [],
      unidirectional: (kind & 0xe0) === 0xe0,
    },
  };
}

/** What the decoder says of one packet, but for what only holds where the packet lies in memory. */
interface Decoded {
  verdict: number;
  notices: number[];
  columns: Record<string, number | number[]>;
}

/** Where a frame lies: bytes before it, what stands there and behind it; with nothing behind, reading there throws. */
interface Place {
  before: number;
  behind: number;
  fill: number;
}
const EXACT: Place = { before: 1, behind: 0, fill: 0xa5 };
const PLACES: readonly Place[] = [EXACT, { before: 35, behind: 400, fill: 0xff }, { before: 14, behind: 9, fill: 0 }];

function decode(frame: HostileFrame, captured: number, options: DecoderOptions, place: Place): Decoded {
  const memory = new Uint8Array(place.before + captured + place.behind).fill(place.fill);
  memory.set(frame.bytes.subarray(0, captured), place.before);
  const batch = new Batch({ capacity: 2, keyWords: options.key === undefined ? 0 : keyWords(options.key) });
  batch.attach(memory, new DataView(memory.buffer));
  // What a packet before left in the columns must not shine through.
  for (const column of Object.values(batch)) {
    if (ArrayBuffer.isView(column) && column !== batch.bytes && !(column instanceof DataView)) {
      (column as Uint8Array).fill(place.fill);
    }
  }
  const i = 1;
  batch.count = 2;
  batch.offset[i] = place.before;
  batch.captured[i] = captured;
  batch.wire[i] = Math.min(0x7fffffff, frame.bytes.length + frame.more);
  batch.iface[i] = 0;
  batch.link[i] = frame.link;
  batch.verdict[i] = 0;
  const decoder = new Decoder(batch, options);
  decoder.decode(i, 2);
  const verdict = batch.verdict[i];
  assert.equal(decoder.verdicts[verdict], 1, 'the verdict is counted');
  assert.equal(sum(decoder.verdicts), 1, 'one verdict a packet');
  return { verdict, notices: [...decoder.notices], columns: verdict === 0 ? columnsOf(batch, i, captured) : {} };
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const one of numbers) total += one;
  return total;
}

/** The valid columns of a decoded packet, offsets from the first byte of the frame; they must point into it. */
function columnsOf(batch: Batch, i: number, captured: number): Decoded['columns'] {
  const marks = batch.marks[i];
  const start = batch.offset[i];
  const inside = (offset: number, length: number, what: string): number => {
    const at = offset - start;
    assert.ok(at >= 0 && at + length <= captured, `${what} at ${at}, ${length} bytes, of ${captured}`);
    return at;
  };
  const optional = (offset: number, length: number, what: string): number =>
    offset === 0 ? -1 : inside(offset, length, what);
  const v6 = (marks & Mark.ipv6) !== 0;
  const depth = batch.vlanDepth[i];
  assert.ok(depth <= MAX_VLAN_DEPTH, `${depth} tags`);
  assert.ok(batch.direction[i] <= 1, 'a direction');
  assert.ok(batch.octets[i] >= 20 && batch.octets[i] <= Math.max(MAX_IP_LENGTH, batch.wire[i]), `${batch.octets[i]} B`);
  const { payloadLength, payloadCaptured } = batch;
  assert.ok(payloadCaptured[i] >= 0 && payloadCaptured[i] <= payloadLength[i], 'captured payload');
  assert.ok(payloadLength[i] <= batch.octets[i], 'payload longer than the packet');
  const columns: Decoded['columns'] = {
    marks,
    a: v6 ? [batch.a0[i], batch.a1[i], batch.a2[i], batch.a3[i]] : batch.a0[i],
    b: v6 ? [batch.b0[i], batch.b1[i], batch.b2[i], batch.b3[i]] : batch.b0[i],
    ports: batch.ports[i],
    meta: batch.meta[i],
    keyExtra: [...batch.keyExtra.subarray(i * batch.keyWords, (i + 1) * batch.keyWords)],
    hash: batch.hash[i],
    direction: batch.direction[i],
    octets: batch.octets[i],
    network: inside(batch.network[i], v6 ? 40 : 20, 'IP header'),
    transport: optional(batch.transport[i], (marks & Mark.tcp) !== 0 ? 14 : 1, 'transport header'),
    payloadLength: payloadLength[i],
    payloadCaptured: payloadCaptured[i],
    payload: payloadCaptured[i] === 0 ? -1 : inside(batch.payload[i], payloadCaptured[i], 'payload'),
    tos: batch.tos[i],
    ttl: batch.ttl[i],
    tcpFlags: batch.tcpFlags[i],
    mac: optional(batch.mac[i], 12, 'MAC addresses'),
    vlan: [...batch.vlan.subarray(i * MAX_VLAN_DEPTH, i * MAX_VLAN_DEPTH + depth)],
    mpls: batch.mplsDepth[i] === 0 ? 0 : [batch.mplsDepth[i], batch.mplsTop[i]],
    flowLabel: batch.flowLabel[i],
  };
  if ((marks & Mark.tunnelled) !== 0) columns.tunnel = [batch.tunnel[i], batch.tunnelId[i]];
  if ((marks & (Mark.fragmentFirst | Mark.fragmentLater)) !== 0) {
    columns.fragment = [batch.fragmentId[i], batch.fragmentOffset[i]];
  }
  if ((marks & Mark.icmpError) !== 0) columns.quote = batch.quote[i] - start;
  if ((marks & Mark.outerFragment) !== 0)
    columns.outer = [inside(batch.outer[i], 20, 'outer header'), batch.outerId[i]];
  return columns;
}

/** A packet cut by the snap length: refused, or the same as the whole one where the same headers were reached. */
function checkCut(whole: Decoded, cut: Decoded): void {
  if (whole.verdict !== 0 || cut.verdict !== 0) return;
  const [all, part] = [whole.columns, cut.columns];
  if (all.network !== part.network) return;
  for (const column of ['a', 'b', 'octets', 'tos', 'ttl', 'vlan', 'mpls', 'flowLabel', 'mac'] as const) {
    if (column === 'a' || column === 'b') {
      const pair = (one: Decoded['columns']): string => [JSON.stringify(one.a), JSON.stringify(one.b)].sort().join();
      assert.equal(pair(part), pair(all), 'addresses of a packet that is cut');
    } else assert.deepEqual(part[column], all[column], `${column} of a packet that is cut`);
  }
}

function run(input: Uint8Array): void {
  if (input.length < PREFIX) return;
  const view = new DataView(input.buffer, input.byteOffset);
  const options = optionsOf(view.getUint8(0));
  const frame: HostileFrame = { link: view.getUint16(1), more: view.getUint32(3), bytes: input.subarray(PREFIX) };
  const whole = decode(frame, frame.bytes.length, options, EXACT);
  for (const place of PLACES.slice(1)) {
    assert.deepEqual(decode(frame, frame.bytes.length, options, place), whole, 'the same, wherever the packet lies');
  }
  const full = decode(frame, frame.bytes.length, { ...options, plain: false }, EXACT);
  assert.deepEqual(full, whole, 'the short way for plain packets and the full way agree');
  const captured = Math.min(view.getUint16(7), frame.bytes.length);
  const cut = decode(frame, captured, options, EXACT);
  assert.deepEqual(decode(frame, captured, options, PLACES[1]), cut, 'the same cut, wherever the packet lies');
  checkCut(whole, cut);
  checkShards(frame, options, whole);
}

/** Of several shards exactly one has the packet and says of it what a single one says. */
function checkShards(frame: HostileFrame, options: DecoderOptions, whole: Decoded): void {
  const shards = [0, 1, 2].map((shard) => decode(frame, frame.bytes.length, { ...options, shard, shards: 3 }, EXACT));
  const owners = shards.filter((one) => one.verdict !== Refusal.otherShard);
  assert.equal(owners.length, 1, `shards say ${shards.map((one) => REFUSAL_NAMES[one.verdict]).join()}`);
  assert.deepEqual(owners[0], whole, 'a shard says the same');
}

function target(name: string, about: string, tries: number, make: (random: Random) => HostileFrame): Target {
  return { name, about, tries, make: (random) => encode(make(random), random), run };
}

export const DECODER_TARGETS: readonly Target[] = [
  target('link', 'every link layer through the decoder', 1500, linkFrame),
  target('tunnel', 'tags, labels, tunnels inside tunnels through the decoder', 1500, tunnelFrame),
  target('real', 'damaged frames of the sample through the decoder', 500, realFrame),
];
