// `npm run check`: everything a change must hold to, a line for each step with its time; output only of what failed.
// `--lint` leaves out the tests (which `npm test` runs by themselves).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const withTests = !process.argv.includes('--lint');
const local = (name) => path.join('node_modules', '.bin', name);

const started = performance.now();
const build = step('types and build', local('tsc'), ['-p', 'tsconfig.json']);
const results = [
  build,
  step('format, lint, import order', local('biome'), ['check', '--error-on-warnings', '--max-diagnostics=200']),
  step('unused code', local('knip'), []),
];
// The rest runs what was built, also where the types are not right: it may say why.
await build;
for (const script of [
  'generate-docs.mjs',
  'generate-feature-docs.mjs',
  'generate-config-docs.mjs',
  'generate-rpc-docs.mjs',
  'generate-metric-docs.mjs',
  'generate-elements.mjs',
]) {
  const file = path.join('scripts', script);
  if (existsSync(path.join(root, file))) results.push(step(`drift: ${script}`, process.execPath, [file, '--check']));
}
if (withTests) results.push(step('tests', process.execPath, ['scripts/test.mjs']));

const failed = (await Promise.all(results)).filter((ok) => !ok).length;
const total = seconds(started);
console.log(failed === 0 ? `all right in ${total}` : `${failed} of ${results.length} failed, ${total}`);
process.exitCode = failed === 0 ? 0 : 1;

/** Runs a command and prints one line when it ends; resolves to whether it went well. */
function step(name, command, args) {
  const begun = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) => finish(false, `${error.message}\n`));
    child.on('close', (code) => finish(code === 0, Buffer.concat(output).toString()));

    function finish(ok, text) {
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${seconds(begun).padStart(7)}  ${name}`);
      if (!ok) process.stdout.write(text);
      resolve(ok);
    }
  });
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
