// Writes docs/metrics.md from the table of metrics (src/control/daemon/metric-table.ts).
//   node scripts/generate-metric-docs.mjs [--check] [--build FOLDER]
// --check writes nothing and fails where the file differs from what the table says.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const at = process.argv.indexOf('--build');
const build = path.resolve(root, at < 0 ? 'dist' : process.argv[at + 1]);
const { METRICS } = await import(pathToFileURL(path.join(build, 'src/control/daemon/metric-table.js')).href);

const PARTS = [
  ['health', 'Health and ledger'],
  ['interface', 'Interfaces'],
  ['meter', 'Metering'],
  ['protocol', 'Protocols'],
  ['shard', 'Shards'],
  ['export', 'Export targets'],
  ['enrich', 'Enrichment'],
  ['control', 'Control'],
  ['process', 'Process'],
];
/** Metrics that stand with another part than their name says. */
const WITH = { ledger: 'health', build: 'process' };

function partOf({ name }) {
  const part = name.split('_')[1];
  return WITH[part] ?? part;
}

const unknown = METRICS.filter((metric) => !PARTS.some(([part]) => part === partOf(metric)));
if (unknown.length > 0) throw new Error(`no part of the page for ${unknown.map(({ name }) => name).join(', ')}`);

const sections = PARTS.map(([part, title]) => {
  const rows = METRICS.filter((metric) => partOf(metric) === part).map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `## ${title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
});

const text = `# Metrics

<!-- Made by scripts/generate-metric-docs.mjs from src/control/daemon/metric-table.ts; do not edit. -->

The daemon gives these at \`/metrics\` and by \`rheo ctl metrics\`, in Prometheus's text format 0.0.4. Names are
\`rheo_<part>_<thing>_<unit>\`; counters count since the start of the daemon and end in \`_total\`. Labels never hold an
address: a target goes by its number in the order of the configuration (\`target\`) and the scheme of its URL (\`kind\`);
\`rheo ctl health\` says which one that is. Labels that name a reason are there from the start with the value 0 where the
reasons are known, so that \`rate()\` sees the first one.

[grafana/rheo.json](grafana/rheo.json) is a dashboard of them, [alerts/rheo.yml](alerts/rheo.yml) rules that say when
somebody should look.

${sections.join('\n')}`;

const file = path.join(root, 'docs/metrics.md');
if (process.argv.includes('--check')) {
  let stored = '';
  try {
    stored = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (stored !== text) {
    console.error('docs/metrics.md differs from the table of metrics; run: node scripts/generate-metric-docs.mjs');
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
