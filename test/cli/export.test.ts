import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../support/shared.js';

const main = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../src/cli/main.js');
const sample = path.join(projectRoot, 'samples/house.pcapng');
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-cli-export-'));
after(() => rmSync(folder, { recursive: true }));

function rheo(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env: {} });
}

test('files hold what standard output would have, and the summary tells of each target', () => {
  const json = rheo('read', sample, '--json').stdout;
  const csv = rheo('read', sample, '--csv').stdout;
  const run = rheo('read', sample, '--export', `file:${folder}/a.ndjson`, '--export', `file:${folder}/a.csv`);
  assert.equal(run.status, 0, run.stderr);
  assert.equal(run.stdout, '');
  assert.match(run.stderr, /exported to file:.*a\.ndjson: 124 records\n/);
  assert.match(run.stderr, /exported to file:.*a\.csv: 124 records\n/);
  assert.equal(readFileSync(`${folder}/a.ndjson`, 'utf8'), json);
  assert.equal(readFileSync(`${folder}/a.csv`, 'utf8'), csv);
});

test('--json beside --export writes both', () => {
  const run = rheo('read', sample, '--json', '--export', `file:${folder}/b.ndjson`);
  assert.equal(run.status, 0, run.stderr);
  assert.equal(readFileSync(`${folder}/b.ndjson`, 'utf8'), run.stdout);
});

test('--scale multiplies once, in files and on standard output alike', () => {
  const sampled = ['--sample', 'count:2', '--scale'];
  const alone = rheo('read', sample, ...sampled, '--export', `file:${folder}/c.ndjson`);
  assert.equal(alone.status, 0, alone.stderr);
  const both = rheo('read', sample, ...sampled, '--json', '--export', `file:${folder}/d.ndjson`);
  assert.equal(readFileSync(`${folder}/c.ndjson`, 'utf8'), both.stdout);
  assert.equal(readFileSync(`${folder}/d.ndjson`, 'utf8'), both.stdout);
});

test('what a protocol cannot carry is told, and is no failure', () => {
  const run = rheo('read', sample, '--export', 'netflow5://127.0.0.1:9?mtu=1400');
  assert.match(run.stderr, /39 that are not IPv4/);
});

test('wrong targets are told before anything is read', () => {
  const run = rheo('read', sample, '--export', 'ipfx://x');
  assert.equal(run.status, 2);
  assert.match(run.stderr, /scheme 'ipfx' is not known\n {2}Did you mean ipfix\?/);
});

test('rheo fields lists members with their elements', () => {
  const listed = rheo('fields', '--json')
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const bytes = listed.find(({ name }) => name === 'bytes');
  assert.deepEqual(bytes.element, { name: 'octetDeltaCount', id: '1' });
  assert.equal(listed.find(({ name }) => name === 'ttlMin').feature, 'ttl');
  assert.match(rheo('fields').stdout, /^NAME +TYPE +ELEMENT/);
});
