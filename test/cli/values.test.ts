import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInteger, parseSwitch, parseTime } from '../../src/cli/values.js';

test('times are those of softflowd, and plain seconds', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['30', 30_000],
    ['1.5', 1500],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h30m15s250ms', 5_415_250],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
    ['1W2D', 777_600_000],
    ['0.25s', 250],
  ];
  for (const [text, ms] of cases) assert.equal(parseTime(text, '--x'), ms, text);
  for (const text of ['', 's', '5x', '-1', '1e3', '5 m', '1m!', 'NaN', '1h-3m', '99999999999w', '.5s']) {
    assert.throws(() => parseTime(text, '--idle-timeout'), { code: 'RHEO_USAGE', message: /--idle-timeout/ }, text);
  }
});

test('numbers may have multipliers and are held to their limits', () => {
  assert.equal(parseInteger('64k', '--x', 0, 1e9), 64_000);
  assert.equal(parseInteger('2M', '--x', 0, 1e9), 2_000_000);
  assert.equal(parseInteger('1_000', '--x', 0, 1e9), 1000);
  assert.equal(parseInteger('0', '--x', 0, 10), 0);
  assert.equal(parseInteger('10', '--x', 0, 10), 10);
  for (const text of ['11', '-1', '', '1.5', 'k', '0x10', '99999999999999999999']) {
    assert.throws(() => parseInteger(text, '--top', 0, 10), { code: 'RHEO_USAGE', message: /--top/ }, text);
  }
});

test('switches in the environment', () => {
  for (const text of ['1', 'true', 'YES', 'on']) assert.equal(parseSwitch(text, 'X'), true);
  for (const text of ['0', 'false', 'No', 'off', '']) assert.equal(parseSwitch(text, 'X'), false);
  assert.throws(() => parseSwitch('maybe', 'RHEO_JSON'), { code: 'RHEO_USAGE', message: /RHEO_JSON/ });
});
