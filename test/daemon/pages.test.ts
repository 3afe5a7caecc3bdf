import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowObject } from '../../src/rpc/service.js';
import { floodDaemon, until } from './support.js';

const PACKETS = 20_011;
const FLOWS = 3000;

function values(flows: readonly FlowObject[], key: string): number[] {
  return flows.map((flow) => {
    const size = (name: string): number =>
      Number(flow[name]) + Number(flow[`reverse${name[0]!.toUpperCase()}${name.slice(1)}`]);
    return key === 'rate' ? size('bytes') / Math.max(1, Number(flow.duration)) : size(key);
  });
}

test('pages ranked by what the rows tell are those ranked by what the records tell', async (t) => {
  const { daemon } = floodDaemon({ packets: PACKETS, flows: FLOWS, rate: 1e9 });
  t.after(() => daemon.stop());
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === PACKETS, 'all packets');
  for (const sort of ['bytes', 'packets', 'duration', 'rate']) {
    for (const order of ['asc', 'desc'] as const) {
      const query = { sort, order, offset: 7, limit: 50 };
      const fast = await daemon.service.flows(query);
      // A filter that all flows match: then each flow is copied and looked at.
      const slow = await daemon.service.flows({ ...query, filter: 'packets >= 0' });
      assert.deepEqual(fast, slow, `${sort} ${order}`);
      assert.equal(fast.matched, FLOWS);
      if (sort === 'duration') continue;
      const found = values(fast.flows, sort);
      const sorted = found.toSorted((x, y) => (order === 'asc' ? x - y : y - x));
      assert.deepEqual(found, sorted, `${sort} ${order} is in order`);
    }
  }
});

test('without an order the walk ends when the page is full, and pages do not overlap', async (t) => {
  const { daemon } = floodDaemon({ packets: PACKETS, flows: FLOWS, rate: 1e9 });
  t.after(() => daemon.stop());
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === PACKETS, 'all packets');
  const first = await daemon.service.flows({ sort: 'none', limit: 100 });
  assert.equal(first.flows.length, 100);
  assert.ok(first.scanned < FLOWS, `${first.scanned} flows looked at`);
  const ids = new Set<string>();
  for (let offset = 0; offset < FLOWS; offset += 500) {
    for (const { src, srcPort, dst, dstPort } of (await daemon.service.flows({ sort: 'none', offset, limit: 500 }))
      .flows) {
      ids.add(`${src}:${srcPort} ${dst}:${dstPort}`);
    }
  }
  assert.equal(ids.size, FLOWS);
});
