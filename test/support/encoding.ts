import { Added, type ExporterInfo, type FlowEncoder } from '../../src/codec/flow-encoder.js';
import { createFlowEncoder } from '../../src/export/encode/index.js';
import type { EncodeContext, EncodeOptions, RecordProtocol } from '../../src/export/encode/options.js';
import type { RecordBatch } from '../../src/model/record-batch.js';

export const START_MS = 1_704_067_200_000;

export function encodeContext(over: Partial<EncodeContext> = {}): EncodeContext {
  return {
    fields: [],
    interfaces: () => [{ index: 0, name: 'eth0', linkType: 1, snapLength: 0 }],
    sampling: undefined,
    communityIdSeed: 0,
    startedMs: START_MS,
    ...over,
  };
}

export const INFO: ExporterInfo = {
  interfaces: [
    { number: 1, name: 'eth0', description: 'to the world' },
    { number: 2, name: 'eth1' },
  ],
  sampling: { mode: 'count', n: 100 },
  metering: {
    packets: 1000,
    ignoredPackets: 7,
    ignoredOctets: 700,
    notSentFlows: 3,
    notSentPackets: 30,
    notSentOctets: 3000,
  },
  exported: { messages: 5, octets: 5000, records: 50 },
};

export function encoderOf(
  protocol: RecordProtocol,
  options: Partial<EncodeOptions> = {},
  context: Partial<EncodeContext> = {},
): FlowEncoder {
  return createFlowEncoder(protocol, { maxMessageBytes: 1232, ...options }, encodeContext(context));
}

export interface Encoded {
  messages: Uint8Array[];
  /** Sums of what `finish` told. */
  records: number;
  dataRecords: number;
}

/** Drives an encoder as an exporter does, and keeps copies of the messages. */
export function encodeAll(
  encoder: FlowEncoder,
  batches: readonly RecordBatch[],
  nowMs: number,
  info?: ExporterInfo,
): Encoded {
  const encoded: Encoded = { messages: [], records: 0, dataRecords: 0 };
  const flush = (): void => {
    const { bytes, records, dataRecords } = encoder.finish();
    if (bytes.length > 0) encoded.messages.push(bytes.slice());
    encoded.records += records;
    encoded.dataRecords += dataRecords;
  };
  if (info !== undefined) encoder.announce(info);
  for (const batch of batches) {
    for (let index = 0; index < batch.count; index++) {
      for (;;) {
        if (!encoder.open) encoder.begin(nowMs);
        if (encoder.add(batch, index) !== Added.full) break;
        flush();
      }
    }
  }
  while (encoder.open || encoder.pending) {
    if (!encoder.open) encoder.begin(nowMs);
    flush();
  }
  return encoded;
}
