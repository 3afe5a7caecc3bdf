/** `npm run bench [-- SECTION…]`: rheo and its peers in turn; bench/README.md explains. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { PROJECT_ROOT } from './captures.js';
import { plotSvg } from './plot.js';
import { ON_REQUEST, type Row, SECTIONS, type Section, type SectionName } from './sections.js';
import { alignedTable, markdownTable, replaceBetweenMarkers } from './table.js';

const NAMES = Object.keys(SECTIONS) as SectionName[];
const USAGE = `usage: npm run bench -- [SECTION…] [options]
sections: ${NAMES.join(' ')}
  all by default, but ${ON_REQUEST.join(', ')} (which need root) only when they are named
  --rounds N   runs of each program (3); medians are shown
  --slow       also tshark, which takes minutes
  --minutes N  length of the soak (30)
  --json       print JSON
  --write      put the tables into docs/performance.md and README.md, and the plot into docs/growth.svg
`;
const HEAD = ['', 'wall s', 'Mpps', 'CPU s', 'RSS MiB', 'figure', 'wanted'];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      minutes: { type: 'string', default: '30' },
      slow: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const minutes = Number(values.minutes);
  const unknown = positionals.filter((name) => !NAMES.includes(name as SectionName));
  if (values.help || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1 || !(minutes > 0)) {
    process.stderr.write(unknown.length > 0 ? `no such section: ${unknown.join(' ')}\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const chosen =
    positionals.length > 0 ? (positionals as SectionName[]) : NAMES.filter((name) => !ON_REQUEST.includes(name));
  const machine = `${machineLine()} · medians of ${rounds}`;
  const told = (message: string) => process.stderr.write(`  ${message}\n`);
  if (!values.json) process.stdout.write(`${machine}\n`);

  const sections: Section[] = [];
  for (const name of chosen) {
    const section = await SECTIONS[name]({ rounds, minutes, slow: values.slow, told });
    sections.push(section);
    const { head, rows: lines } = tableOf(section);
    if (!values.json) process.stdout.write(`\n${section.title}\n${alignedTable(head, lines)}`);
    if (values.write) writeSection(section, machine);
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, sections }, undefined, 1)}\n`);
  const failed = sections.flatMap((section) => section.rows).filter((row) => row.failed !== undefined);
  for (const row of failed) process.stderr.write(`${row.name} failed: ${row.failed}\n`);
  return failed.length > 0 ? 1 : 0;
}

function machineLine(): string {
  const cpus = os.cpus();
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  const cpu = `${cpus[0]?.model.trim() ?? 'unknown processor'}, ${cpus.length} cores, ${memory}`;
  const date = new Date().toISOString().slice(0, 10);
  return `${date} · ${cpu} · ${os.type()} ${os.release().split('-')[0]} · Node ${process.version}`;
}

function tableOf(section: Section): NonNullable<Section['table']> {
  return section.table ?? { head: HEAD, rows: section.rows.map(cells) };
}

function cells(row: Row): string[] {
  if (row.failed !== undefined) return [row.name, 'failed'];
  if (!row.usage) return [row.name, '', '', '', '', figureText(row), wantedText(row)];
  const { wall, cpu, rss } = row.usage;
  const rate = (row.packets / wall / 1e6).toFixed(2);
  return [row.name, wall.toFixed(2), rate, cpu.toFixed(2), rss.toFixed(0), figureText(row), wantedText(row)];
}

function figureText({ figure }: Row): string {
  if (!figure) return '';
  return figure.unit === '×' ? `${figure.value.toFixed(2)}×` : `${Number(figure.value.toPrecision(3))} ${figure.unit}`;
}

function wantedText({ figure, wanted }: Row): string {
  if (!figure || !wanted) return '';
  const unit = figure.unit === '×' ? '×' : ` ${figure.unit}`;
  if ('least' in wanted) return `≥ ${wanted.least}${unit} ${figure.value >= wanted.least ? '✓' : '✗'}`;
  return `≤ ${wanted.most}${unit} ${figure.value <= wanted.most ? '✓' : '✗'}`;
}

/** Fills in a section's tables wherever a document has a place for them. A section with a failure is not written. */
function writeSection(section: Section, machine: string): void {
  if (section.rows.some((row) => row.failed !== undefined)) return;
  const { head, rows } = tableOf(section);
  const table = markdownTable(head, rows);
  const plot = section.name === 'growth' ? '![Time per packet by number of flows](growth.svg)\n\n' : '';
  const text = `**${section.title}**\n\n${plot}${table}\n${machine}\n`;
  for (const file of ['docs/performance.md', 'README.md']) {
    const full = path.join(PROJECT_ROOT, file);
    if (!existsSync(full)) continue;
    const document = replaceBetweenMarkers(readFileSync(full, 'utf8'), section.name, text);
    if (document !== undefined) writeFileSync(full, document);
  }
  if (section.name === 'growth') writeFileSync(path.join(PROJECT_ROOT, 'docs/growth.svg'), growthPlot(section));
}

function growthPlot(section: Section): string {
  const points = section.rows.map((row) => ({ x: row.flows, y: (row.usage!.wall / row.packets) * 1e9 }));
  return plotSvg({
    title: 'Time per packet as the number of flows grows (start of Node included)',
    xLabel: 'flows in the table',
    yLabel: 'ns',
    points,
    xText: (x) => (x >= 1e6 ? `${x / 1e6} M` : `${x / 1e3} k`),
  });
}

process.exitCode = await main();
