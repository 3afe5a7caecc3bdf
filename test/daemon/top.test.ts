import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP_KEYS } from '../../src/cli/spec/read.js';
import type { FlowObject } from '../../src/rpc/service.js';
import { floodDaemon, until } from './support.js';

test('top adds up by every key that the command names, as the flows themselves say', async () => {
  const { daemon } = floodDaemon({ packets: 4000, flows: 400, rate: 1e9 });
  await daemon.start();
  await until(async () => (await daemon.service.loss()).packets === 4000, 'all packets');
  const { flows } = await daemon.service.flows({ limit: 1000 });
  const cut = (address: unknown): string => `${String(address).split('.').slice(0, 2).join('.')}.0.0/16`;
  const twice = (x: string, y: string): string[] => (x === y ? [x] : [x, y]);
  const keys: Record<string, (flow: FlowObject) => string[]> = {
    address: ({ src, dst }) => twice(String(src), String(dst)),
    src: ({ src }) => [String(src)],
    dst: ({ dst }) => [String(dst)],
    'prefix/16': ({ src, dst }) => twice(cut(src), cut(dst)),
    port: ({ proto, dstPort }) => [`${proto}/${dstPort}`],
    protocol: ({ proto }) => [String(proto)],
    conversation: ({ src, dst }) => [[String(src), String(dst)].sort().join(',')],
    'proto,src': ({ proto, src }) => [`${proto},${src}`],
  };
  for (const [key, groupsOf] of Object.entries(keys)) {
    const wanted = new Map<string, [number, number]>();
    for (const flow of flows) {
      for (const group of groupsOf(flow)) {
        const [count, packets] = wanted.get(group) ?? [0, 0];
        wanted.set(group, [count + 1, packets + Number(flow.packets) + Number(flow.reversePackets)]);
      }
    }
    const found = await daemon.service.top(key, { limit: 10_000 });
    assert.deepEqual(
      found.map((entry) => [entry.key, entry.flows, entry.packets]).sort(),
      [...wanted].map(([group, [count, packets]]) => [group, count, packets]).sort(),
      key,
    );
  }
  for (const key of GROUP_KEYS) await daemon.service.top(key, {});
  await assert.rejects(daemon.service.top('prefix/33', {}), { code: 'RHEO_USAGE' });
  await assert.rejects(daemon.service.top('prefix/x', {}), { code: 'RHEO_USAGE' });
  await daemon.stop();
});
