/** Look-ups in a full table of routes: bench/lookups.ts measures itself. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Lookups } from './lookups.js';
import { median } from './measure.js';
import { BENCH_FOLDER } from './peers.js';
import type { Bench, Section } from './sections.js';

const LEAST_MILLIONS = 1;
const MOST_MB = 400;

export function lookupsSection({ rounds, told }: Bench): Section {
  const title = 'Look-ups in a full table of routes, by a second of one processor’s time';
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-routes-'));
  try {
    const dump = path.join(dir, 'rib');
    const program = (...args: string[]): string => {
      const ran = spawnSync(process.execPath, [path.join(BENCH_FOLDER, 'lookups.js'), ...args], { encoding: 'utf8' });
      if (ran.status !== 0) throw new Error(ran.stderr.trim());
      return ran.stdout;
    };
    program('--make', dump);
    // The first rounds warm up.
    const found = JSON.parse(program(dump, '--rounds', String(rounds + 2))) as Lookups;
    told(`IPv4 ${found.ipv4.map((rate) => rate.toFixed(2)).join(' ')} million look-ups/s`);
    return { name: 'lookups', title, rows: [], table: { head: ['', 'figure', 'wanted'], rows: rowsOf(found) } };
  } catch (error) {
    return { name: 'lookups', title, rows: [{ name: title, failed: (error as Error).message, packets: 0, flows: 0 }] };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function rowsOf(found: Lookups): string[][] {
  const rate = (values: readonly number[]): number => median(values.slice(2));
  const lookups = (values: readonly number[]): string[] => {
    const millions = rate(values);
    const mark = millions >= LEAST_MILLIONS ? '✓' : '✗';
    return [`${millions.toFixed(2)} M/s`, `≥ ${LEAST_MILLIONS} M/s ${mark}`];
  };
  const megabytes = (found.mostMiB * 2 ** 20) / 1e6;
  const count = (value: number): string => value.toLocaleString('en-GB');
  return [
    ['IPv4 look-ups', ...lookups(found.ipv4)],
    ['IPv6 look-ups', ...lookups(found.ipv6)],
    [
      'memory of the process at the most',
      `${megabytes.toFixed(0)} MB`,
      `≤ ${MOST_MB} MB ${megabytes <= MOST_MB ? '✓' : '✗'}`,
    ],
    ['records enriched, between any addresses (two look-ups each)', `${rate(found.records).toFixed(2)} M/s`],
    ['records enriched, between 10,000 addresses', `${rate(found.recordsOfFew).toFixed(2)} M/s`],
    [
      `${count(found.prefixes4)} + ${count(found.prefixes6)} prefixes, ${count(found.routes)} routes, read from MRT`,
      `${found.loadSeconds.toFixed(1)} s`,
    ],
    ['all taken out, as when a session is lost', `${found.clearMs.toFixed(0)} ms`],
  ];
}
