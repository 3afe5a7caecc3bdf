import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pcapOf } from '../support/packets.js';
import { projectRoot } from '../support/shared.js';
import { CASES } from './cases.js';

/**
 * Golden cases: `test/cases/NAME/` holds a capture, the arguments of the command (one a line) and what it must print.
 * `UPDATE_GOLDEN=1` writes them anew from cases.ts and from what the command prints now: look at the difference.
 */
const update = process.env.UPDATE_GOLDEN === '1';
const folder = path.join(projectRoot, 'test/cases');
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function read(name: string, args: readonly string[]): string {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('RHEO_')));
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [main, 'read', 'in.pcap', '--json', '--quiet', ...args],
    {
      cwd: path.join(folder, name),
      encoding: 'utf8',
      env: environment,
    },
  );
  assert.equal(status, 0, stderr);
  return stdout;
}

function lines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

for (const [name, { args, frames }] of Object.entries(CASES)) {
  test(`golden: ${name}`, () => {
    const own = path.join(folder, name);
    const capture = pcapOf(frames);
    if (update) {
      mkdirSync(own, { recursive: true });
      writeFileSync(path.join(own, 'in.pcap'), capture);
      writeFileSync(path.join(own, 'args'), args.map((arg) => `${arg}\n`).join(''));
      writeFileSync(path.join(own, 'expected.ndjson'), read(name, args));
    }
    assert.ok(existsSync(own), 'UPDATE_GOLDEN=1 makes it');
    assert.deepEqual(new Uint8Array(readFileSync(path.join(own, 'in.pcap'))), capture, 'in.pcap is what cases.ts says');
    const given = readFileSync(path.join(own, 'args'), 'utf8').split('\n').slice(0, -1);
    assert.deepEqual(given, args);
    const expected = readFileSync(path.join(own, 'expected.ndjson'), 'utf8');
    assert.deepEqual(lines(read(name, given)), lines(expected));
  });
}

test('each folder of golden cases has its case', () => {
  const folders = readdirSync(folder).filter((name) => statSync(path.join(folder, name)).isDirectory());
  assert.deepEqual(folders.sort(), Object.keys(CASES).sort());
});
