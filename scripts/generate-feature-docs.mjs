// Writes docs/features.md from the definitions of the features (src/meter/features).
//   node scripts/generate-feature-docs.mjs [--check] [--build FOLDER]
// --check writes nothing and fails where the file differs from what the definitions say.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const at = process.argv.indexOf('--build');
const build = path.resolve(root, at < 0 ? 'dist' : process.argv[at + 1]);
const module = path.join(build, 'src/meter/features/index.js');
const { createFeatures, DEFAULT_FEATURES, FEATURES } = await import(pathToFileURL(module).href);
const file = 'docs/features.md';

function twinOf(name) {
  return `reverse${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function rowsOf(feature) {
  const { fields } = createFeatures([feature.name]);
  const names = new Set(fields.map((field) => field.name));
  const twins = new Set([...names].map(twinOf));
  const rows = fields
    .filter((field) => !twins.has(field.name))
    .map((field) => {
      const element = field.element ? `${field.element.name} (${field.element.id})` : '';
      const twin = names.has(twinOf(field.name)) ? 'yes' : '';
      return [`\`${field.name}\``, field.description, field.unit ?? '', field.type, twin, element];
    });
  return rows.map((row, k) => [k === 0 ? `\`${feature.name}\`` : '', ...row]);
}

function bytesOf(selection) {
  return createFeatures(selection).hooks.reduce((sum, hook) => sum + hook.words * 4, 0);
}

function table(rows) {
  const [head, ...rest] = rows;
  return [head, head.map(() => '---'), ...rest].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const head = ['Feature', 'Member', 'Meaning', 'Unit', 'Type', 'Reverse', 'Information element'];
const text = `# Features

<!-- Made by scripts/generate-feature-docs.mjs from src/meter/features; do not edit. -->

What can be measured of each flow besides its key, times, counters and TCP flags. \`--features LIST\` takes names of the
first column, \`all\` or \`none\`; what is not asked for takes neither time nor memory. The default is
${DEFAULT_FEATURES.map((name) => `\`${name}\``).join(' and ')}: known from the packet that begins a flow, so that later ones cost nothing.

Members stand in the records under the names of the second column. Those marked in the column "Reverse" are of the
initiator's packets and have a twin for the responder's, with \`reverse\` before the name (and the reverse information
element of RFC 5103, 29305/id). A member is absent where it is not known: no packet in that direction, no TCP header,
no payload captured. A flow that goes on after the active timeout begins anew in all of them.

Memory a flow: ${bytesOf(DEFAULT_FEATURES)} bytes with the default, ${bytesOf('all')} with all.

${table([head, ...[...FEATURES.values()].flatMap(rowsOf)])}

## How they are measured
- **Times** come from the packets, in microseconds with three decimals. Where time steps back, a gap counts as 0 and the
  next one is measured from the latest time. Deviations are of the population; they are summed as squares, so that those
  more than seven digits below the mean are noise.
- **Retransmissions and reordering** go by sequence numbers alone: a segment whose first byte was seen before is a
  retransmission; one that begins inside a hole that earlier segments left is out of order, whether it was overtaken or was lost
  before it got here and was sent again. The three latest holes are remembered. Keep-alives are neither. The details
  stand in \`src/meter/features/sequence.ts\`.
- **The handshake's two times** are those seen here: the closer to a side, the shorter that side's part. A SYN that is sent
  again starts the clock anew.
- **Slots** are the simplest of rings over time; finer ones will hang on the same hook.
- **Entropy and first bytes** look at the first packet with captured payload in each direction, not at the stream.
`;

let stored;
try {
  stored = readFileSync(path.join(root, file), 'utf8');
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
}
if (stored !== text) {
  if (process.argv.includes('--check')) {
    console.error(`${file} differs from src/meter/features; run: node scripts/generate-feature-docs.mjs`);
    process.exitCode = 1;
  } else {
    writeFileSync(path.join(root, file), text);
    console.log(file);
  }
}
