// Writes docs/config.schema.json and the tables of docs/configuration.md from the schema (src/control/config/schema.ts).
//   node scripts/generate-config-docs.mjs [--check] [--build FOLDER]
// --check writes nothing and fails where a file differs from what the schema says.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const at = process.argv.indexOf('--build');
const build = path.resolve(root, at < 0 ? 'dist' : process.argv[at + 1]);
const load = (file) => import(pathToFileURL(path.join(build, 'src/control/config', file)).href);
const { configJsonSchema } = await load('json-schema.js');
const { configReference } = await load('reference.js');

const BEGIN = '<!-- generated from src/control/config/schema.ts by scripts/generate-config-docs.mjs -->\n';
const END = '<!-- end -->';

function stored(file) {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

const page = stored('docs/configuration.md');
const begin = page.indexOf(BEGIN);
const end = page.indexOf(END, begin);
if (begin < 0 || end < 0) throw new Error('docs/configuration.md has lost the marks between which the tables stand');

const files = {
  'docs/config.schema.json': `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  'docs/configuration.md': `${page.slice(0, begin + BEGIN.length)}\n${configReference()}\n${page.slice(end)}`,
};
const differing = Object.keys(files).filter((file) => stored(file) !== files[file]);
if (check && differing.length > 0) {
  console.error(`differ from the schema: ${differing.join(', ')}; run: node scripts/generate-config-docs.mjs`);
  process.exitCode = 1;
}
for (const file of check ? [] : differing) {
  writeFileSync(path.join(root, file), files[file]);
  console.log(file);
}
