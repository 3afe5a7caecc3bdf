// Would a test notice? `node scripts/mutate.mjs [--count N] [--seed N] [--part REGEXP]`
//   --count  mutants (60)
//   --seed   which (1)
//   --part   only files whose path below src/ matches (packet/|codec/|meter/)
// Changes one thing in a copy of the compiled program (an operator, a number, a condition, a statement), runs the tests
// that have to do with that folder, and lists the changes that none of them noticed. Build first: npm run build.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    part: { type: 'string', default: 'packet/|codec/|meter/' },
  },
});

/** A mutant that runs longer than this hangs, and that is noticed. */
const HANGS_MS = 120_000;

/** Folders of tests by folder of the program, quick ones first: the first that fails ends the mutant. */
const TESTS = {
  packet: ['test/fuzz', 'test/packet', 'test/engine'],
  codec: ['test/codec', 'test/fuzz', 'test/observe'],
  meter: ['test/fuzz', 'test/meter', 'test/engine'],
};

/** What is changed into what; the first that matches at a place is taken. */
const CHANGES = [
  [/ <= /g, ' < '],
  [/ >= /g, ' > '],
  [/ < /g, ' <= '],
  [/ > /g, ' >= '],
  [/ === /g, ' !== '],
  [/ !== /g, ' === '],
  [/ && /g, ' || '],
  [/ \|\| /g, ' && '],
  [/ \+ /g, ' - '],
  [/ - /g, ' + '],
  [/ & /g, ' | '],
  [/ \| /g, ' & '],
  [/ >>> /g, ' << '],
  [/ << /g, ' >>> '],
  [/ \+= /g, ' -= '],
  [/\+\+/g, '--'],
  [/\b0x[0-9a-f_]+\b/g, (text) => `0x${(Number(text.replaceAll('_', '')) ^ 1).toString(16)}`],
  [/(?<![\w.'])[1-9]\d*\b(?!['n])/g, (text) => String(Number(text) + 1)],
  [/\btrue\b/g, 'false'],
  [/\bfalse\b/g, 'true'],
  [/^\s+(?:this\.)?[\w.]+(?:\[[^\]]*\])? (?:[-+|&]?=) .*;$/gm, ''],
  [/^\s+(?:this\.)[\w.]+\(.*\);$/gm, ''],
];

/** sfc32 would do; this is enough for choosing places (mulberry32, public domain). */
let state = Number(values.seed) >>> 0;
function random(n) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
}

/** All places of a compiled file that can be changed; comments are left alone. */
function placesIn(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, '\u0000'));
  const places = [];
  for (const [pattern, by] of CHANGES) {
    for (const match of code.matchAll(pattern)) {
      if (match[0].includes('\u0000') || /^\s*(?:import|export)\b/.test(lineAt(code, match.index))) continue;
      const change = typeof by === 'function' ? by(match[0]) : by;
      places.push({ at: match.index, length: match[0].length, by: change });
    }
  }
  return places;
}

function lineAt(text, at) {
  return text.slice(text.lastIndexOf('\n', at) + 1, text.indexOf('\n', at));
}

function filesBelow(folder, ending) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort();
}

/** Runs test files; resolves to whether all passed. */
function passes(cwd, files) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], { cwd, stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    });
  });
}

const scratch = mkdtempSync(path.join(tmpdir(), 'rheo-mutate-'));
// A folder deeper, where nothing lies beside it: tests of shared captures take minutes and are skipped.
const copy = path.join(scratch, 'rheo');
try {
  for (const name of ['dist', 'samples', 'docs', 'man', 'completions', 'package.json', 'biome.json', 'README.md']) {
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  cpSync(path.join(root, 'test/fuzz/corpus'), path.join(copy, 'test/fuzz/corpus'), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  const compiled = path.join(copy, 'dist/src');
  const parts = new RegExp(values.part);
  const candidates = filesBelow(compiled, '.js').filter((name) => parts.test(name) && name.split(path.sep)[0] in TESTS);
  const tests = (folder) => {
    const files = filesBelow(path.join(copy, 'dist', folder), '.test.js');
    return files.map((name) => path.join('dist', folder, name));
  };

  const folders = new Set(candidates.flatMap((name) => TESTS[name.split(path.sep)[0]]));
  for (const folder of folders) {
    if (!(await passes(copy, tests(folder)))) throw new Error(`${folder}: fails as it is; mutants would tell nothing`);
  }
  // Each place is as likely as any other, so that long files get more mutants.
  const all = candidates.flatMap((name) => {
    const text = readFileSync(path.join(compiled, name), 'utf8');
    return placesIn(text).map((place) => ({ name, text, ...place }));
  });
  const survivors = [];
  const count = Number(values.count);
  for (let n = 1; n <= count; n++) {
    const { name, text, at, length, by } = all[random(all.length)];
    const file = path.join(compiled, name);
    writeFileSync(file, text.slice(0, at) + by + text.slice(at + length));
    let noticed;
    for (const folder of TESTS[name.split(path.sep)[0]]) {
      if (await passes(copy, tests(folder))) continue;
      noticed = folder;
      break;
    }
    writeFileSync(file, text);
    const line = text.slice(0, at).split('\n').length;
    const where = `src/${name}:${line}: '${text.slice(at, at + length).trim()}' → '${by.trim()}'`;
    const shown = lineAt(text, at).trim();
    process.stdout.write(`${n}/${count} ${noticed === undefined ? 'SURVIVED' : `noticed by ${noticed}`}  ${where}\n`);
    if (noticed === undefined) survivors.push(`${where}\n    ${shown}`);
  }
  process.stdout.write(
    `\n${count - survivors.length} of ${count} noticed\n${survivors.map((one) => `${one}\n`).join('')}`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
