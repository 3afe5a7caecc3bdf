// Runs the compiled tests: `node scripts/test.mjs [--dir DIR] [--name REGEXP] [PART…]`
//   PART    only test files whose path has one of these parts in it (`pcap`, `meter/`)
//   --name  only tests whose name matches
//   --dir   folder of compiled output (dist)
// `node --test DIR` finds different files on Node 20, 22 and 24; `run({ files })` runs what it is told on all of them.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { dir: { type: 'string', default: 'dist' }, name: { type: 'string' } },
});

// The sources say which tests there are: compiled files that outlived their source are not run.
const sources = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
  .sort();
const files = sources.map((name) => path.resolve(root, values.dir, 'test', name.replace(/\.ts$/, '.js')));
const missing = files.filter((file) => !existsSync(file));
if (files.length === 0) fail(`no test file matches: ${positionals.join(' ')}`);
if (missing.length > 0) fail(`not compiled: ${missing.join(', ')}\nBuild first: npm run build`);

const skipped = new Map();
const options = { files, concurrency: 2 };
if (values.name !== undefined) options.testNamePatterns = new RegExp(values.name);
const stream = run(options)
  .on('test:fail', (event) => {
    if (event.todo === undefined || event.todo === false) process.exitCode = 1;
  })
  .on('test:pass', ({ name, skip }) => {
    if (skip === undefined || skip === false) return;
    const reason = typeof skip === 'string' ? skip : 'no reason given';
    skipped.set(reason, [...(skipped.get(reason) ?? []), name]);
  });
stream
  .compose(new spec())
  .on('end', () => {
    // With --name, node counts every test that the pattern leaves out as skipped.
    if (values.name !== undefined) return;
    for (const [reason, names] of skipped) {
      process.stdout.write(`skipped, ${reason}:\n${names.map((name) => `  ${name}\n`).join('')}`);
    }
  })
  .pipe(process.stdout);

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
