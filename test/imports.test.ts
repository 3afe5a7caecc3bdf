import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { projectRoot } from './support/shared.js';

/** From left to right: each folder may import from those of the rows before its own (ARCHITECTURE.md). */
const ORDER = [
  ['core'],
  ['packet'],
  ['codec'],
  ['model'],
  ['system'],
  ['filter', 'observe', 'meter', 'export', 'enrich', 'rpc'],
  ['control'],
  ['tui'],
  ['cli'],
];
const FOLDERS = ORDER.flat();
const dir = mkdtempSync(path.join(tmpdir(), 'rheo-imports-'));

before(() => {
  const config = JSON.parse(readFileSync(path.join(projectRoot, 'biome.json'), 'utf8'));
  write('biome.json', JSON.stringify({ ...config, $schema: undefined, vcs: undefined }));
});
after(() => rmSync(dir, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(path.join(dir, path.dirname(file)), { recursive: true });
  writeFileSync(path.join(dir, file), text);
}

/** Files in which the lint finds an error of this rule. */
function findings(rule: string): string[] {
  const biome = path.join(projectRoot, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '--diagnostic-level=error', 'src'];
  const run = spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8', maxBuffer: 1 << 26 });
  const { diagnostics } = JSON.parse(run.stdout) as {
    diagnostics: { category: string; location: { path: unknown } }[];
  };
  const found = diagnostics.filter((d) => d.category.endsWith(`/${rule}`)).map((d) => pathOf(d.location.path));
  return [...new Set(found)].sort();
}

function pathOf(where: unknown): string {
  return typeof where === 'string' ? where : (where as { file: string }).file;
}

test('the lint refuses every import against the order of the folders, and no other', () => {
  const forbidden: string[] = [];
  ORDER.forEach((row, level) => {
    for (const from of row) {
      for (const to of [...FOLDERS, 'test', 'bench']) {
        if (from === to) continue;
        const flat = `src/${from}/${to}.ts`;
        const deep = `src/${from}/inner/${to}.ts`;
        const up = FOLDERS.includes(to) ? '..' : '../..';
        write(flat, `import { x } from '${up}/${to}/x.js';\nexport const y = x;\n`);
        write(deep, `import type { X } from '../${up}/${to}/inner/x.js';\nexport type Y = X;\n`);
        if (!ORDER.slice(0, level).flat().includes(to)) forbidden.push(flat, deep);
      }
    }
  });
  assert.deepEqual(findings('noRestrictedImports'), forbidden.sort());
});

test('the lint refuses import cycles', () => {
  write('src/core/a.ts', "import { b } from './b.js';\nexport const a = () => b;\n");
  write('src/core/b.ts', "import { a } from './a.js';\nexport const b = () => a;\n");
  assert.deepEqual(findings('noImportCycles'), ['src/core/a.ts', 'src/core/b.ts']);
});

test('every folder of the source has its place in the order', () => {
  const entries = readdirSync(path.join(projectRoot, 'src'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  assert.deepEqual(
    folders.filter((folder) => !FOLDERS.includes(folder)),
    [],
  );
});
