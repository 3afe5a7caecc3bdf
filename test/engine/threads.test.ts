import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { readCaptures } from '../../src/control/read.js';
import { byId, readFiles } from '../support/drive.js';
import { icmp, ip, pcapOf, type TimedFrame, tcp, timed, udp } from '../support/packets.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-threads-'));
after(() => rmSync(folder, { recursive: true }));

function flood(count: number): TimedFrame[] {
  return Array.from({ length: count }, (_, k) => {
    const host = `10.${k >>> 16}.${(k >>> 8) & 255}.${k & 255}`;
    return timed([k / 1000, ip(host, '192.0.2.1', 6, tcp(1024 + (k % 60_000), 80, { flags: 'S' }))])[0];
  });
}

function fileOf(name: string, frames: readonly TimedFrame[]): string {
  const file = path.join(folder, name);
  writeFileSync(file, pcapOf(frames));
  return file;
}

test('a sink that is slower than the threads gets every record', async () => {
  const count = 30_000;
  const file = fileOf('flood.pcap', flood(count));
  let records = 0;
  let overlapping = 0;
  let busy = 0;
  const sink = {
    async write(batch: { count: number }): Promise<void> {
      busy++;
      overlapping = Math.max(overlapping, busy);
      await wait(2);
      records += batch.count;
      busy--;
    },
    close: async (): Promise<void> => undefined,
  };
  const summary = await readCaptures([file], { threads: 2, features: 'none', maxFlows: 1 << 16 }, sink);
  assert.equal(records, count);
  assert.equal(summary.records, count);
  assert.deepEqual(summary.imbalance, []);
  assert.equal(overlapping, 1, 'a sink is never called again before it is done');
});

test('a sink that holds the main thread for long gets every record', async () => {
  const count = 12_000;
  const file = fileOf('flood-short.pcap', flood(count));
  let records = 0;
  const sink = {
    write(batch: { count: number }): void {
      const until = performance.now() + 20;
      while (performance.now() < until);
      records += batch.count;
    },
    close: async (): Promise<void> => undefined,
  };
  const summary = await readCaptures([file], { threads: 2, features: 'none', maxFlows: 1 << 16 }, sink);
  assert.equal(records, count);
  assert.deepEqual(summary.imbalance, []);
});

test('an error of the sink ends the reading with that error', async () => {
  const file = fileOf('flood-error.pcap', flood(5000));
  const sink = {
    write(): void {
      throw new Error('no more paper');
    },
    close: async (): Promise<void> => undefined,
  };
  for (const threads of [1, 2]) {
    await assert.rejects(readCaptures([file], { threads, features: 'none', maxFlows: 8192 }, sink), /no more paper/);
  }
});

test('what ICMP errors are about comes from the threads too', async () => {
  const frames: TimedFrame[] = [];
  for (let k = 1; k < 30; k++) {
    const packet = ip(`10.0.0.${k}`, '10.0.1.1', 17, udp(1000 + k, 53));
    frames.push(...timed([k, packet], [k + 0.1, ip('198.51.100.1', `10.0.0.${k}`, 1, icmp(3, 1, packet))]));
  }
  const file = fileOf('errors.pcap', frames);
  const one = await readFiles([file]);
  assert.equal(one.flowRecords.filter((record) => record.icmpErrors === 1).length, 29);
  for (const threads of [2, 3]) {
    const several = await readFiles([file], { threads });
    assert.deepEqual(byId(several.flowRecords), byId(one.flowRecords));
    assert.deepEqual(several.summary.noticed, one.summary.noticed);
  }
});

test('limits are shared out among the threads', async () => {
  const file = fileOf('flood-limit.pcap', flood(6000));
  const { summary, flowRecords } = await readFiles([file], { threads: 2, maxFlows: 100 });
  assert.deepEqual(summary.imbalance, []);
  assert.ok(summary.flows.peak <= 100);
  assert.equal(flowRecords.length, 6000);
});
