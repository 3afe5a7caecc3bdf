// Writes the man page and the completion scripts from the table of commands (src/cli/spec.ts).
//   node scripts/generate-docs.mjs [--check] [--build FOLDER]
// --check writes nothing and fails where a file differs from what the table says.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const at = process.argv.indexOf('--build');
const build = path.resolve(root, at < 0 ? 'dist' : process.argv[at + 1]);
const load = (file) => import(pathToFileURL(path.join(build, 'src/cli', file)).href);
const { manPage } = await load('man.js');
const { completionScript } = await load('completion.js');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

const files = {
  'man/rheo.1': manPage(version),
  'completions/rheo.bash': completionScript('bash'),
  'completions/_rheo': completionScript('zsh'),
  'completions/rheo.fish': completionScript('fish'),
};

function stored(file) {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const differing = Object.keys(files).filter((file) => stored(file) !== files[file]);
if (check) {
  if (differing.length > 0) {
    console.error(`differ from src/cli/spec.ts: ${differing.join(', ')}; run: node scripts/generate-docs.mjs`);
    process.exitCode = 1;
  }
} else {
  for (const file of differing) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), files[file]);
    console.log(file);
  }
}
