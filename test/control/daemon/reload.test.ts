import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planReload } from '../../../src/control/daemon/reload.js';
import { configOf } from '../../daemon/support.js';

const [A, B, C] = ['file:a.ndjson', 'file:b.ndjson', 'file:c.ndjson'];

test('targets that stay keep their order, new ones come behind them', () => {
  const plan = planReload(configOf({ export: [A, B] }), configOf({ export: [C, B] }));
  assert.deepEqual(plan.changed, ['export']);
  assert.deepEqual([plan.added, plan.removed, plan.config.export], [[C], [0], [B, C]]);
});

test('one URL twice is two targets; both go together', () => {
  const plan = planReload(configOf({ export: [A, B, A] }), configOf({ export: [B] }));
  assert.deepEqual([plan.added, plan.removed, plan.config.export], [[], [0, 2], [B]]);
});

test('what is not taken on stays as it was', () => {
  const before = configOf({ maxFlows: 1000, activeTimeout: '60s', promiscuous: false });
  const wanted = configOf({ maxFlows: 2000, activeTimeout: '30s', promiscuous: true, log: { level: 'debug' } });
  const plan = planReload(before, wanted);
  assert.deepEqual(plan.changed.toSorted(), ['activeTimeout', 'log.level']);
  assert.deepEqual(plan.needsRestart.toSorted(), ['maxFlows', 'promiscuous']);
  const { activeTimeout, log } = wanted;
  assert.deepEqual(plan.config, { ...before, activeTimeout, log });
});

test('the same again changes nothing', () => {
  const config = configOf({ export: [A] });
  const plan = planReload(config, configOf({ export: [A] }));
  assert.deepEqual([plan.changed, plan.needsRestart, plan.added, plan.removed], [[], [], [], []]);
  assert.deepEqual(plan.config, config);
});
