/**
 * Records a second that each encoder puts into messages, measured alone: records of the default layout (two thirds IPv4, all
 * with ports and answers), messages of 1232 bytes that nobody sends. sFlow: headers of sampled packets. Parquet:
 * all members of the core into row groups, addresses and ports all different.
 *
 *     node dist/bench/encoders.js [ROUNDS] [--json]
 */

import { parseArgs } from 'node:util';
import { Added, type FlowEncoder } from '../src/codec/flow-encoder.js';
import { SflowWriter } from '../src/codec/sflow-write.js';
import { createFlowEncoder } from '../src/export/encode/index.js';
import type { EncodeContext, EncodeOptions, RecordProtocol } from '../src/export/encode/options.js';
import { ParquetFormat } from '../src/export/file/parquet-format.js';
import { createFeatures } from '../src/meter/features/index.js';
import { recordMembers } from '../src/model/read-record.js';
import { PLAIN_LAYOUT, RECORD_BATCH_SIZE, RecordBatch, type RecordLayout } from '../src/model/record-batch.js';
import { EndReason, REASON_SHIFT, ROW_WORDS, Row } from '../src/model/row.js';
import { KeyKind } from '../src/packet/key.js';
import { alignedTable } from './table.js';

const START = 1_704_067_200;
const MESSAGE_BYTES = 1232;
const BATCHES = 200;
const HEADER_BYTES = 128;

/** One encoder's figures: records a second of processor time in the best round, bytes of output a record. */
export interface EncoderRate {
  readonly name: string;
  readonly perSecond: number;
  readonly bytes: number;
}

function batchOf(layout: RecordLayout, ipv6Share: number, first = 0): RecordBatch {
  const batch = new RecordBatch(layout);
  const { words } = batch;
  for (let index = 0; index < RECORD_BATCH_SIZE; index++) {
    const at = index * layout.stride;
    const ipv6 = index % 10 < ipv6Share * 10;
    for (let k = 0; k < 4; k++) {
      words[at + Row.a + k] = Math.imul(first + index + k, 0x9e3779b1);
      words[at + Row.b + k] = Math.imul(first + index + k, 0x85ebca6b);
    }
    words[at + Row.ports] = Math.imul(first + index, 0xc2b2ae35);
    words[at + Row.meta] = (index % 3 === 0 ? 17 : 6) | ((ipv6 ? 6 : 4) << 8) | KeyKind.ports;
    words[at + Row.state] = (index & 1) | (EndReason.idle << REASON_SHIFT);
    words[at + Row.startSeconds] = START;
    words[at + Row.startNanos] = index * 1000;
    words[at + Row.lastSeconds] = START + 10;
    words[at + Row.lastNanos] = index * 500_000;
    words[at + Row.tcpFlags] = 0x001b001b;
    words[at + Row.packetsA] = 10;
    words[at + Row.packetsB] = 8;
    words[at + Row.octetsA] = 1000 + index;
    words[at + Row.octetsB] = 50_000 + index;
  }
  batch.count = RECORD_BATCH_SIZE;
  return batch;
}

/** Encodes all records once; returns the bytes, so that the work is not thrown away. */
function encode(encoder: FlowEncoder, batch: RecordBatch): number {
  let bytes = 0;
  for (let round = 0; round < BATCHES; round++) {
    for (let index = 0; index < batch.count; index++) {
      for (;;) {
        if (!encoder.open) encoder.begin((START + 20) * 1000);
        if (encoder.add(batch, index) !== Added.full) break;
        bytes += encoder.finish().bytes.length;
      }
    }
  }
  return bytes + encoder.finish().bytes.length;
}

/** Into row groups; the start and the end of the file are part of it. */
function parquet(batches: readonly RecordBatch[]): number {
  let bytes = 0;
  const format = new ParquetFormat(recordMembers([], []), 0, (part) => {
    bytes += part.length;
  });
  format.begin();
  for (let round = 0; round < BATCHES; round++) format.write(batches[round % batches.length]!);
  format.end();
  return bytes;
}

function sampleHeaders(writer: SflowWriter): number {
  const frame = new Uint8Array(1514);
  for (let k = 0; k < frame.length; k++) frame[k] = Math.imul(k, 0x9e3779b1) >>> 24;
  let bytes = 0;
  for (let k = 0; k < BATCHES * RECORD_BATCH_SIZE; k++) {
    while (!writer.flowSample(1, 1, 2, 100, k * 100, 0, frame, 0, HEADER_BYTES, 1514)) {
      bytes += writer.finish(k).length;
    }
  }
  return bytes + writer.finish(0).length;
}

const context: EncodeContext = {
  fields: [],
  interfaces: () => [{ index: 0, name: 'eth0', linkType: 1, snapLength: 0 }],
  sampling: undefined,
  communityIdSeed: 0,
  startedMs: START * 1000,
};

function cases(): [name: string, run: () => number][] {
  const mixed = batchOf(PLAIN_LAYOUT, 0.3);
  const ipv4 = batchOf(PLAIN_LAYOUT, 0);
  const features = createFeatures('all');
  let stride = ROW_WORDS;
  const side: Record<string, number> = {};
  for (const hook of features.hooks) {
    side[hook.name] = stride;
    stride += hook.words;
  }
  const rich = batchOf({ ...PLAIN_LAYOUT, stride, side }, 0.3);
  const flow = (
    name: string,
    protocol: RecordProtocol,
    batch: RecordBatch,
    options: Partial<EncodeOptions> = {},
    over: Partial<EncodeContext> = {},
  ): [string, () => number] => [
    name,
    () => {
      const settings = { maxMessageBytes: MESSAGE_BYTES, ...options };
      return encode(createFlowEncoder(protocol, settings, { ...context, ...over }), batch);
    },
  ];
  const different = Array.from({ length: BATCHES }, (_, k) => batchOf(PLAIN_LAYOUT, 0.3, k * RECORD_BATCH_SIZE));
  return [
    flow('v5 (IPv4, two records a biflow)', 'netflow5', ipv4),
    flow('v1 (IPv4, two records a biflow)', 'netflow1', ipv4),
    flow('v9 (two records a biflow)', 'netflow9', mixed),
    flow('IPFIX basic', 'ipfix', mixed, { fields: ['basic'] }),
    flow('IPFIX full', 'ipfix', mixed),
    flow('IPFIX security (Community ID)', 'ipfix', mixed, { fields: ['security'] }),
    flow('IPFIX full, biflow=no', 'ipfix', mixed, { biflow: false }),
    flow('IPFIX basic, time=ns', 'ipfix', mixed, { fields: ['basic'], time: 'ns' }),
    flow('IPFIX full, all features', 'ipfix', rich, { maxMessageBytes: 8192 }, { fields: features.fields }),
    [
      'sFlow (headers of 128 bytes)',
      () => sampleHeaders(new SflowWriter({ agent: '127.0.0.1', maxMessageBytes: MESSAGE_BYTES })),
    ],
    ['Parquet (all of the core, text included)', () => parquet(different)],
  ];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const rounds = Number(positionals[0] ?? 5);
const rates = cases().map(([name, run]): EncoderRate => {
  let best = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    // Of the processor, all threads: what else the machine does counts less than by the clock.
    const before = process.cpuUsage();
    bytes = run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  const records = BATCHES * RECORD_BATCH_SIZE;
  return { name, perSecond: (records / best) * 1000, bytes: bytes / records };
});
if (values.json) console.log(JSON.stringify(rates));
else {
  const rows = rates.map(({ name, perSecond, bytes }) => [
    name,
    Math.round(perSecond).toLocaleString('en'),
    (1e9 / perSecond).toFixed(0),
    bytes.toFixed(0),
  ]);
  console.log(alignedTable(['encoder', 'records/s', 'ns a record', 'bytes a record'], rows));
}
