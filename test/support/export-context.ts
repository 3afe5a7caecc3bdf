import { PLAIN_LAYOUT, RecordBatch } from '../../src/model/record-batch.js';
import type { ExportContext } from '../../src/model/target.js';
import { appendRecord, type TestRecord } from './records.js';

export interface TestContext extends ExportContext {
  /** What was logged: `level: message`. */
  readonly logged: string[];
}

export function exportContext(changes: Partial<ExportContext> = {}): TestContext {
  const logged: string[] = [];
  return {
    fields: [],
    interfaces: () => [],
    summary: () => ({
      packets: 0,
      octets: 0,
      decoded: 0,
      refused: {},
      dropped: 0,
      flows: { opened: 0, live: 0, ended: {}, peak: 0 },
      records: 0,
    }),
    sampling: undefined,
    lossless: false,
    communityIdSeed: 0,
    now: () => 1_704_067_300_000,
    startedMs: 1_704_000_000_000,
    log: (level, message) => logged.push(`${level}: ${message}`),
    logged,
    ...changes,
  };
}

/** `count` records, each told from the others by its ports; every fourth is IPv6. */
export function manyRecords(count: number, from = 0): RecordBatch {
  const batch = new RecordBatch(PLAIN_LAYOUT, new ArrayBuffer(Math.max(count, 1) * PLAIN_LAYOUT.stride * 4));
  for (let k = from; k < from + count; k++) {
    const six = k % 4 === 3;
    const record: TestRecord = {
      a: six ? '2001:db8::1' : '10.0.0.1',
      b: six ? '2001:db8::2' : '192.0.2.7',
      protocol: k % 2 === 0 ? 6 : 17,
      portA: 1024 + (k % 60_000),
      portB: 443,
      start: [1_704_067_200 + (k % 60), 123_456_789],
      last: [1_704_067_260, 5],
      packets: [k + 1, k % 3],
      octets: [(k + 1) * 100, (k % 3) * 40],
      flagsA: 0x1b,
      flagsB: k % 3 === 0 ? 0 : 0x1b,
    };
    appendRecord(batch, record);
  }
  return batch;
}

/** Records that were dropped, for all reasons. */
export function droppedOf(counters: { readonly dropped: Readonly<Record<string, number>> }): number {
  return Object.values(counters.dropped).reduce((all, one) => all + one, 0);
}

/** Waits until the condition holds; fails after `ms`. Nothing is measured by it. */
export async function until(what: string, condition: () => boolean, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
