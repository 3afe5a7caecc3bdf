import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type CaptureName, prepareCapture } from './captures.js';
import { encodersSection, exportSection } from './export-sections.js';
import type { Truth } from './generate.js';
import { liveSection, pausesSection, soakSection } from './live-sections.js';
import { lookupsSection } from './lookups-section.js';
import { type Contestant, type Failure, median, race, type Usage } from './measure.js';
import { BENCH_FOLDER, contestants, rheo, rheoCommand } from './peers.js';

/** One measured line. */
export interface Row {
  name: string;
  /** Absent where the program failed, or where it measures itself. */
  usage?: Usage;
  failed?: string;
  packets: number;
  flows: number;
  /** What is compared with what, e.g. "wall time of softflowd to rheo's". */
  figure?: { value: number; unit: '×' | 's' | 'MiB' | 'Mpps' };
  wanted?: { least: number } | { most: number };
}

export interface Section {
  name: SectionName;
  title: string;
  rows: Row[];
  /** In the place of the table of rows. */
  table?: { head: readonly string[]; rows: readonly (readonly string[])[] };
}

export interface Bench {
  rounds: number;
  /** How long the soak takes. */
  minutes: number;
  /** Also the programs that take minutes. */
  slow: boolean;
  /** Tells on standard error how far it is. */
  told(message: string): void;
}

/** Against other programs: capture, its title, and how much faster the issue wants rheo to be. */
const RACES = {
  A: { title: 'A: 2 M packets, 100 k flows, cut at 128 bytes', wanted: { softflowd: 3 } },
  B: { title: 'B: 5 M packets, 1 M flows, cut at 128 bytes', wanted: { softflowd: 8, nfpcapd: 6 } },
  C: { title: 'C: 1 M packets in full, 50 k flows', wanted: { softflowd: 2, nfpcapd: 2 } },
} as const satisfies Record<string, { title: string; wanted: Record<string, number> }>;

const MOST_MEMORY_MIB = 500;

export const SECTIONS = {
  A: (bench: Bench) => races('A', bench),
  B: (bench: Bench) => races('B', bench),
  C: (bench: Bench) => races('C', bench),
  threads: (bench: Bench) =>
    variants(bench, 'threads', 'Two threads on B', 'B', [
      { name: 'one thread', options: ['--threads', '1'] },
      { name: 'two threads', options: ['--threads', '2'], ratio: 'faster', wanted: 1.6 },
    ]),
  features: async (bench: Bench): Promise<Section> => {
    const rows: Row[] = [];
    for (const capture of ['A', 'B'] as const) {
      const part = await variants(bench, 'features', '', capture, [
        { name: `${capture}, no features`, options: ['--features', 'none'] },
        { name: `${capture}, all features`, options: ['--features', 'all'], ratio: 'slower', wanted: 2 },
      ]);
      rows.push(...part.rows);
    }
    return { name: 'features', title: 'Features', rows };
  },
  json,
  timeouts: (bench: Bench) =>
    variants(bench, 'timeouts', 'B, flows ending by time and all kept to the end', 'B', [
      { name: 'default timeouts', options: [] },
      { name: 'nothing ends by time', options: ['--idle-timeout', '1h', '--active-timeout', '1h'], ratio: 'slower' },
    ]),
  growth,
  floods,
  inner,
  export: exportSection,
  encoders: encodersSection,
  lookups: lookupsSection,
  live: liveSection,
  pauses: pausesSection,
  soak: soakSection,
} as const;
export type SectionName = keyof typeof SECTIONS;
/** They need root and network namespaces, and are only run when they are named. */
export const ON_REQUEST: readonly SectionName[] = ['live', 'pauses', 'soak'];

async function races(capture: keyof typeof RACES, bench: Bench): Promise<Section> {
  const { path: file, truth } = prepareCapture(capture, bench.told);
  const { title, wanted } = RACES[capture];
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-bench-out-'));
  try {
    const peers = contestants(file, dir, bench.slow);
    const all: Contestant[] = [{ name: 'rheo', command: rheo(file) }, ...peers];
    const [own, ...others] = await run(all, bench);
    const row: Row = { name: 'rheo', ...sizes(truth), ...outcome(own!) };
    if (capture === 'B' && row.usage) {
      row.figure = { value: row.usage.rss, unit: 'MiB' };
      row.wanted = { most: MOST_MEMORY_MIB };
    }
    const rows = peers.map((peer, i) => {
      const result: Row = { name: peer.name, ...sizes(truth), ...outcome(others[i]!) };
      const least = (wanted as Record<string, number>)[peer.program];
      setRatio(result, result, row, least && { least });
      return result;
    });
    return { name: capture, title, rows: [row, ...rows] };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

interface Variant {
  name: string;
  options: string[];
  /** Say how many times faster, or slower, it is than the first variant. */
  ratio?: 'faster' | 'slower';
  wanted?: number;
}

/** rheo on one capture with different options; the first is what the others are compared with. */
async function variants(
  bench: Bench,
  name: SectionName,
  title: string,
  capture: CaptureName,
  list: readonly Variant[],
): Promise<Section> {
  const { path: file, truth } = prepareCapture(capture, bench.told);
  const all = list.map((variant) => ({ name: variant.name, command: rheo(file, ...variant.options) }));
  const results = await run(all, bench);
  const rows: Row[] = list.map((one, i) => ({ name: one.name, ...sizes(truth), ...outcome(results[i]!) }));
  list.forEach((one, i) => {
    const row = rows[i]!;
    if (one.ratio === 'faster') setRatio(row, rows[0]!, row, one.wanted && { least: one.wanted });
    if (one.ratio === 'slower') setRatio(row, row, rows[0]!, one.wanted && { most: one.wanted });
  });
  return { name, title, rows };
}

/** A million records as text: every flow of B, whole. */
async function json(bench: Bench): Promise<Section> {
  const { path: file, truth } = prepareCapture('B', bench.told);
  const command = rheoCommand('read', file, '--json', '--idle-timeout', '1h', '--active-timeout', '1h');
  const [result] = await run([{ name: '1 M records as JSON', command }], bench);
  const row: Row = { name: '1 M records as JSON', ...sizes(truth), ...outcome(result!) };
  if (row.usage) {
    row.figure = { value: row.usage.wall, unit: 's' };
    row.wanted = { most: 6 };
  }
  return { name: 'json', title: 'JSON to /dev/null (metering of B included)', rows: [row] };
}

/** Time per packet as the table grows: no flow ends before the capture does. */
async function growth(bench: Bench): Promise<Section> {
  const rows: Row[] = [];
  for (const capture of ['flows-10k', 'flows-100k', 'flows-1M', 'flows-4M'] as const) {
    const { path: file, truth } = prepareCapture(capture, bench.told);
    const name = `${truth.biflows.toLocaleString('en-GB')} flows`;
    const command = rheo(file, '--idle-timeout', '1h', '--active-timeout', '1h', '--max-flows', '5000000');
    const [result] = await run([{ name, command }], bench);
    rows.push({ name, ...sizes(truth), ...outcome(result!) });
  }
  return { name: 'growth', title: 'Growth of the flow table', rows };
}

async function floods(bench: Bench): Promise<Section> {
  const kinds = [
    { capture: 'keys-random', name: 'random keys' },
    { capture: 'keys-aimed', name: 'keys aimed at the hash', most: 1.25 },
    { capture: 'syn-flood', name: 'SYN flood: each packet a flow' },
  ] as const;
  const files = kinds.map(({ capture }) => prepareCapture(capture, bench.told));
  const results = await run(
    kinds.map(({ name }, i) => ({ name, command: rheo(files[i]!.path) })),
    bench,
  );
  const rows: Row[] = kinds.map(({ name }, i) => ({
    name,
    ...sizes(files[i]!.truth),
    ...outcome(results[i]!),
  }));
  kinds.forEach((kind, i) => {
    if (i > 0) setRatio(rows[i]!, rows[i]!, rows[0]!, 'most' in kind && { most: kind.most });
  });
  return { name: 'floods', title: 'Floods', rows };
}

/** Packets that lie in memory, into the table, by one core: bench/inner.ts tells its own rate, round by round. */
function inner(bench: Bench): Section {
  const works = [
    { name: '100 k flows', packets: 2_000_000, flows: 100_000, least: 10 },
    { name: '1 M flows', packets: 4_000_000, flows: 1_000_000, least: 6 },
  ];
  const rows = works.map(({ name, packets, flows, least }): Row => {
    const rounds = String(bench.rounds + 2); // the first ones warm up
    const args = [path.join(BENCH_FOLDER, 'inner.js'), String(packets), String(flows), rounds];
    const ran = spawnSync(process.execPath, args, { encoding: 'utf8' });
    const rates = [...ran.stdout.matchAll(/([\d.]+) Mpps/g)].map((match) => Number(match[1]));
    bench.told(`inner loop, ${name}: ${rates.join(' ')} Mpps`);
    if (ran.status !== 0 || rates.length === 0) return { name, packets, flows, failed: ran.stderr.trim() };
    return { name, packets, flows, figure: { value: median(rates.slice(2)), unit: 'Mpps' }, wanted: { least } };
  });
  return { name: 'inner', title: 'Inner loop: bytes in memory to flow table, one core', rows };
}

/** Sets the figure of `row` to the wall time of `a` over that of `b`. */
function setRatio(row: Row, a: Row, b: Row, wanted: Row['wanted'] | false | 0): void {
  if (!a.usage || !b.usage) return;
  row.figure = { value: a.usage.wall / b.usage.wall, unit: '×' };
  if (wanted) row.wanted = wanted;
}

function sizes(truth: Truth): { packets: number; flows: number } {
  return { packets: truth.packets, flows: truth.biflows };
}

function outcome(result: Usage | Failure): { usage: Usage } | { failed: string } {
  return 'failed' in result ? result : { usage: result };
}

function run(list: readonly Contestant[], bench: Bench): Promise<(Usage | Failure)[]> {
  return race(list, bench.rounds, (name, result) => {
    bench.told('failed' in result ? `${name} failed, ${result.failed}` : `${name} ${result.wall.toFixed(2)} s`);
  });
}
