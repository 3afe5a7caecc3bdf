import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/shared.js';

/** Folders with documents of ours. */
const FOLDERS = ['.', 'docs', 'docs/decisions', 'bench', 'samples', 'examples'];

test('every relative link in the documents leads to a file', () => {
  const broken: string[] = [];
  let links = 0;
  for (const folder of FOLDERS) {
    const full = path.join(projectRoot, folder);
    if (!existsSync(full)) continue;
    for (const name of readdirSync(full).filter((entry) => entry.endsWith('.md'))) {
      const text = readFileSync(path.join(full, name), 'utf8').replace(/```.*?```/gs, '');
      for (const [, target] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue;
        links++;
        if (!existsSync(path.join(full, target!))) broken.push(`${path.join(folder, name)}: ${target}`);
      }
    }
  }
  assert.ok(links > 0);
  assert.deepEqual(broken, []);
});
