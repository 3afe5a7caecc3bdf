import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { METHOD_NAMES } from '../../src/rpc/methods.js';
import { openApiDocument } from '../../src/rpc/openapi.js';
import { openRpcDocument } from '../../src/rpc/openrpc.js';
import { referencePage } from '../../src/rpc/reference.js';
import { projectRoot } from '../support/shared.js';

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

test('the pages in docs are those of the table', () => {
  assert.equal(read('docs/rpc.md'), referencePage());
  assert.deepEqual(JSON.parse(read('docs/openrpc.json')), openRpcDocument(version));
  assert.deepEqual(JSON.parse(read('docs/openapi.json')), openApiDocument(version));
});

test('every method is on the page and in the document', () => {
  const page = referencePage();
  const { methods } = openRpcDocument(version) as { methods: { name: string; params: unknown[]; result: object }[] };
  assert.deepEqual(
    methods.map(({ name }) => name),
    METHOD_NAMES,
  );
  for (const name of METHOD_NAMES) assert.ok(page.includes(`\n### ${name}\n`), name);
  const flows = methods.find(({ name }) => name === 'flows');
  assert.equal(flows?.params.length, 5);
});

test('every reference inside the OpenAPI document leads somewhere', () => {
  const document = openApiDocument(version);
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, target]) => target);
  assert.ok(references.length > 0);
  for (const target of references) {
    let at: unknown = document;
    for (const part of target.split('/')) at = (at as Record<string, unknown>)[part];
    assert.equal(typeof at, 'object', target);
  }
});
