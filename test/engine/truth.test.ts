import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { generateCapture } from '../../bench/generate.js';
import { TIMEOUT_CLASSES } from '../../src/model/options.js';
import type { FlowRecord } from '../../src/model/record.js';
import { openCaptures } from '../../src/observe/merge.js';
import { byId, meterSource, readFiles } from '../support/drive.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-truth-'));
after(() => rmSync(folder, { recursive: true }));

const DAY = 86_400_000;
const UNCUT = {
  idle: Object.fromEntries(TIMEOUT_CLASSES.map((name) => [name, DAY])),
  active: Number.POSITIVE_INFINITY,
};
const CASES = [
  { seed: 1 },
  { seed: 2, vlan: 0.5, nanoseconds: true },
  { seed: 3, v6: 1, udp: 0.1 },
  { seed: 4, v6: 0, udp: 0.9, vlan: 1, snapLength: 64 },
  { seed: 5, mode: 'hash-flood' as const, nanoseconds: true },
  { seed: 6, mode: 'syn-flood' as const, flows: 12_000 },
  { seed: 7, snapLength: 65_535, packets: 5000, flows: 300 },
];

function kindOf(record: FlowRecord): string {
  return `${record.proto}${record.src.includes(':') ? 6 : 4}`;
}

for (const options of CASES) {
  test(`generated traffic comes back exactly: ${JSON.stringify(options)}`, async () => {
    const file = path.join(folder, `${options.seed}.pcap`);
    const { truth } = generateCapture({ path: file, packets: 12_000, flows: 900, ...options });
    assert.ok(truth.longestGapSeconds * 1000 < DAY);
    const one = await readFiles([file], { timeouts: UNCUT });
    const { summary } = one;
    assert.equal(summary.packets, truth.packets);
    assert.equal(summary.decoded, truth.packets);
    assert.equal(summary.octets, truth.octets);
    assert.equal(summary.wireBytes, truth.wireOctets);
    assert.deepEqual(summary.refused, {});
    assert.deepEqual(summary.imbalance, []);
    assert.deepEqual(summary.first, truth.first);
    assert.deepEqual(summary.last, truth.last);
    assert.equal(one.flowRecords.length, truth.biflows);

    const found: Record<string, { flows: number; packets: number; octets: number }> = {};
    for (const kind of Object.keys(truth.byProtocol)) found[kind] = { flows: 0, packets: 0, octets: 0 };
    let uniflows = 0;
    for (const record of one.flowRecords) {
      const sums = found[kindOf(record)];
      sums.flows++;
      sums.packets += Number(record.packets) + Number(record.reversePackets);
      sums.octets += Number(record.bytes) + Number(record.reverseBytes);
      uniflows += Number(record.packets) > 0 && Number(record.reversePackets) > 0 ? 2 : 1;
      assert.ok(Number(record.packets) > 0, 'who opens the flow has sent something');
    }
    assert.deepEqual(found, truth.byProtocol);
    assert.equal(uniflows, truth.uniflows);
    assert.equal(new Set(one.flowRecords.map((record) => record.id)).size, truth.biflows, 'ids are unique');

    for (const threads of [2, 3]) {
      const several = await readFiles([file], { timeouts: UNCUT, threads });
      assert.deepEqual(byId(several.flowRecords), byId(one.flowRecords), `${threads} threads`);
      assert.deepEqual(several.summary.imbalance, []);
    }

    const each = await readFiles([file], { timeouts: UNCUT, key: { unidirectional: true } });
    assert.equal(each.flowRecords.length, truth.uniflows);
    assert.equal(each.summary.octets, truth.octets);
  });
}

test('with the usual timeouts and all features: the same records with one, two and three threads', async () => {
  const file = path.join(folder, 'timeouts.pcap');
  const { truth } = generateCapture({
    path: file,
    packets: 12_000,
    flows: 1500,
    seed: 8,
    vlan: 0.3,
    durationSeconds: 900,
  });
  const options = { features: 'all' as const, timeouts: { active: 20_000, idle: { tcp: 4000, udp: 3000 } } };
  const one = await readFiles([file], options);
  assert.ok(one.flowRecords.length > truth.biflows, 'flows were cut');
  assert.equal(one.summary.octets, truth.octets);
  assert.deepEqual(one.summary.imbalance, []);
  for (const threads of [2, 3]) {
    const several = await readFiles([file], { ...options, threads });
    assert.deepEqual(byId(several.flowRecords), byId(one.flowRecords), `${threads} threads`);
    assert.equal(several.summary.flows.opened, one.summary.flows.opened);
    assert.deepEqual(several.summary.flows.ended, one.summary.flows.ended);
  }
});

test('however much is read at a time, the records are the same', async () => {
  const file = path.join(folder, 'chunks.pcap');
  generateCapture({ path: file, packets: 8000, flows: 600, seed: 9, snapLength: 400 });
  const options = { features: 'all' as const, maxFlows: 1 << 14, timeouts: { active: 20_000 } };
  const [first, ...others] = await Promise.all(
    [1 << 21, 1 << 16, 5000, 700].map((chunkLength) =>
      meterSource(() => openCaptures([file], { chunkLength }), options),
    ),
  );
  for (const other of others) {
    assert.deepEqual(byId(other.flowRecords), byId(first.flowRecords));
    assert.deepEqual(other.noticed, first.noticed);
    assert.deepEqual(other.imbalance, []);
  }
});
