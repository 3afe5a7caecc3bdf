/**
 * What features cost: nanoseconds a packet of each group, of each feature alone, and of all together, at a small and at a
 * large number of flows (random flow a packet, so that nearly each one meets memory that is not in the cache).
 *
 *     node dist/bench/features.js [FLOWS…]
 */

import { createHeader } from '../src/meter/features/header.js';
import { createFeatures, FEATURES, featureNames } from '../src/meter/features/index.js';
import { createPayload } from '../src/meter/features/payload.js';
import { createTcp } from '../src/meter/features/tcp.js';
import { createTiming } from '../src/meter/features/timing.js';
import type { FlowHook, SideTable } from '../src/model/hook.js';
import { BATCH_SIZE, Batch, Mark } from '../src/packet/batch.js';

const ROUNDS = 5;
const LEAST_PACKETS = 500_000;
/** Memory of one frame: Ethernet, IPv4, TCP with timestamps, payload. */
const FRAME = 512;
const TRANSPORT = 34;
const HEADER = 32;
const PAYLOAD = TRANSPORT + HEADER;
const SYN = 2;
const ACK = 16;

/** Fills batches with packets of random flows: TCP, in order, half of them with payload. */
class Traffic {
  readonly batch: Batch = new Batch();
  readonly created: Int32Array = new Int32Array(BATCH_SIZE);
  createdCount = 0;
  readonly #flows: number;
  readonly #sequences: Uint32Array;
  #random = 1;
  #nanos = 0;

  constructor(flows: number) {
    this.#flows = flows;
    this.#sequences = new Uint32Array(flows * 2);
    const memory = new Uint8Array(1 + BATCH_SIZE * FRAME);
    for (let k = 0; k < memory.length; k++) memory[k] = Math.imul(k, 0x9e3779b1) >>> 24;
    const { batch } = this;
    batch.attach(memory, new DataView(memory.buffer));
    for (let i = 0; i < BATCH_SIZE; i++) {
      const offset = 1 + i * FRAME;
      batch.offset[i] = offset;
      batch.mac[i] = offset;
      batch.network[i] = offset + 14;
      batch.transport[i] = offset + TRANSPORT;
      batch.payload[i] = offset + PAYLOAD;
      batch.marks[i] = Mark.tcp;
      batch.view.setUint8(offset + TRANSPORT + 12, (HEADER >>> 2) << 4);
      batch.view.setInt32(offset + TRANSPORT + 20, 0x0101080a);
    }
    batch.count = BATCH_SIZE;
  }

  #next(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return this.#random;
  }

  fill(): void {
    const { batch } = this;
    const sequences = this.#sequences;
    this.createdCount = 0;
    for (let i = 0; i < BATCH_SIZE; i++) {
      const flow = Math.floor((this.#next() / 2 ** 32) * this.#flows);
      const direction = this.#next() >>> 31;
      const length = this.#next() >>> 31 === 0 ? 0 : FRAME - PAYLOAD;
      const at = flow * 2 + direction;
      const first = sequences[at] === 0;
      if (first && sequences[at ^ 1] === 0) this.created[this.createdCount++] = i;
      batch.flow[i] = flow;
      batch.direction[i] = direction;
      batch.payloadLength[i] = length;
      batch.payloadCaptured[i] = length;
      batch.octets[i] = PAYLOAD - 14 + length;
      batch.wire[i] = PAYLOAD + length;
      batch.captured[i] = batch.wire[i];
      batch.ttl[i] = 64;
      batch.tcpFlags[i] = first ? SYN : ACK;
      batch.view.setUint32(batch.transport[i] + 4, first ? 0 : sequences[at]);
      sequences[at] += length + (first ? 1 : 0);
      this.#nanos += 1000;
      batch.seconds[i] = 1_700_000_000 + Math.floor(this.#nanos / 1e9);
      batch.nanos[i] = this.#nanos % 1e9;
    }
  }
}

/** Nanoseconds a packet: of some rounds the least median over the batches, so that interruptions do not count. */
function measure(hooks: readonly FlowHook[], flows: number): { nanos: number; words: number } {
  const words = hooks.reduce((sum, hook) => sum + hook.words, 0);
  const side = table(flows, words);
  let offset = 0;
  for (const hook of hooks) {
    hook.bind?.(side, offset);
    offset += hook.words;
  }
  const traffic = new Traffic(flows);
  const { batch, created } = traffic;
  const times = new Float64Array(Math.ceil(Math.max(flows * 2, LEAST_PACKETS) / BATCH_SIZE));
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < times.length; n++) {
      traffic.fill();
      const begin = process.hrtime.bigint();
      for (const hook of hooks) {
        if (traffic.createdCount > 0) hook.created?.(batch, created, traffic.createdCount);
        hook.updated?.(batch, 0, BATCH_SIZE);
      }
      times[n] = Number(process.hrtime.bigint() - begin);
    }
    times.sort();
    least = Math.min(least, times[times.length >> 1] / BATCH_SIZE);
  }
  return { nanos: least, words };
}

function table(rows: number, stride: number): SideTable {
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

function show(label: string, names: readonly string[] | 'all', flows: number): void {
  const { nanos, words } = measure(createFeatures(names).hooks, flows);
  const cost = nanos.toFixed(1).padStart(8);
  console.log(`${label.padEnd(48)}${cost} ns/packet${String(words * 4).padStart(6)} B/flow`);
}

const GROUPS = [
  ['first packet', undefined],
  ['header', createHeader],
  ['tcp', createTcp],
  ['timing', createTiming],
  ['payload', createPayload],
] as const;

const given = process.argv.slice(2).map(Number);
for (const flows of given.length > 0 ? given : [100_000, 1_000_000]) {
  console.log(`\n${flows} flows`);
  show('all', 'all', flows);
  for (const [label, group] of GROUPS) {
    const names = featureNames.filter((name) => FEATURES.get(name)?.group === group);
    show(`${label}: ${names.length} features`, names, flows);
  }
  for (const name of featureNames) show(`  ${name}`, [name], flows);
}
