// Writes src/model/elements.ts from scripts/information-elements.tsv.
//   node scripts/generate-elements.mjs [--check]
// --check writes nothing and fails where the file differs from what the table says.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const table = readFileSync(path.join(root, 'scripts/information-elements.tsv'), 'utf8');
const file = 'src/model/elements.ts';

const rows = [];
let date = '';
let last = 0;
for (const line of table.split('\n')) {
  if (line.startsWith('#')) date ||= /as of (\d{4}-\d\d-\d\d)/.exec(line)?.[1] ?? '';
  if (line === '' || line.startsWith('#')) continue;
  const [number, name, type, semantics, unit] = line.split('\t');
  if (!/^\w+$/.test(name) || Number(number) <= last) throw new Error(`line not understood or out of order: ${line}`);
  last = Number(number);
  const rest = [semantics === '-' ? 'default' : semantics, unit === '-' ? 'none' : unit];
  rows.push(`  [${number}, '${name}', '${type}', '${rest[0]}', '${rest[1]}'],`);
}
if (date === '') throw new Error('the table does not say its date');

const text = `// Made by scripts/generate-elements.mjs from scripts/information-elements.tsv; do not edit.
import type { DataType, Semantics, Unit } from '../codec/ipfix/data-type.js';

/** An information element of IANA's registry (RFC 7012). */
export interface InformationElement {
  readonly id: number;
  readonly name: string;
  readonly type: DataType;
  readonly semantics: Semantics;
  readonly unit: Unit;
}

/** Day of the registry that the table follows. */
export const REGISTRY_DATE = '${date}';

const TABLE: readonly (readonly [number, string, DataType, Semantics, Unit])[] = [
${rows.join('\n')}
];

/** All elements by number. */
export const ELEMENTS: ReadonlyMap<number, InformationElement> = new Map(
  TABLE.map(([id, name, type, semantics, unit]) => [id, { id, name, type, semantics, unit }]),
);

/** All elements by name. */
export const ELEMENTS_BY_NAME: ReadonlyMap<string, InformationElement> = new Map(
  [...ELEMENTS.values()].map((element) => [element.name, element]),
);
`;
const before = (() => {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return '';
  }
})();
if (process.argv.includes('--check')) {
  if (before !== text) {
    console.error(`${file} is not what scripts/information-elements.tsv says: run node scripts/generate-elements.mjs`);
    process.exitCode = 1;
  }
} else if (before !== text) {
  writeFileSync(path.join(root, file), text);
  console.log(`wrote ${file}`);
}
