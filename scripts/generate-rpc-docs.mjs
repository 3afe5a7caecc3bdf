// Writes docs/rpc.md, docs/openrpc.json and docs/openapi.json from the table of methods (src/rpc/methods.ts).
//   node scripts/generate-rpc-docs.mjs [--check] [--build FOLDER]
// --check writes nothing and fails where a file differs from what the table says.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const at = process.argv.indexOf('--build');
const build = path.resolve(root, at < 0 ? 'dist' : process.argv[at + 1]);
const load = (file) => import(pathToFileURL(path.join(build, 'src/rpc', file)).href);
const { referencePage } = await load('reference.js');
const { openRpcDocument } = await load('openrpc.js');
const { openApiDocument } = await load('openapi.js');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

const files = {
  'docs/rpc.md': referencePage(),
  'docs/openrpc.json': `${JSON.stringify(openRpcDocument(version), undefined, 1)}\n`,
  'docs/openapi.json': `${JSON.stringify(openApiDocument(version), undefined, 1)}\n`,
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
    console.error(`differ from src/rpc: ${differing.join(', ')}; run: node scripts/generate-rpc-docs.mjs`);
    process.exitCode = 1;
  }
} else {
  for (const file of differing) {
    writeFileSync(path.join(root, file), files[file]);
    console.log(file);
  }
}
