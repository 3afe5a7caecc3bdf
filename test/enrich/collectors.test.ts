/** What enrichment adds, as other programs read it: nfcapd and nfdump, DuckDB. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { mmdbFile } from '../support/mmdb.js';
import { entryAttributes, peerIndexTable, ribRecord } from '../support/mrt.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');
const dir = mkdtempSync(path.join(tmpdir(), 'rheo-enrich-'));
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  rmSync(dir, { recursive: true });
});

const MRT = path.join(dir, 'rib');
const MMDB = path.join(dir, 'places.mmdb');
const LAPTOP = '192.168.7.20';
const WEB = '203.0.113.80';
writeFileSync(
  MRT,
  Uint8Array.from([
    ...peerIndexTable(),
    ...ribRecord(2, '192.168.0.0/16', [entryAttributes(4, [65_001, 65_003], [192, 0, 2, 10])]),
    ...ribRecord(2, '203.0.113.0/24', [entryAttributes(4, [65_009, 4_200_000_009], [192, 0, 2, 1])]),
  ]),
);
writeFileSync(MMDB, mmdbFile([['192.168.0.0/16', { country: { iso_code: 'CH' }, city: { names: { en: 'Geneva' } } }]]));

function rheo(...args: string[]): string {
  return execFileSync(process.execPath, [main, 'read', SAMPLE, '--mrt', MRT, ...args], { encoding: 'utf8' });
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

const noNfdump = hasProgram('nfcapd') && hasProgram('nfdump') ? false : 'nfcapd is missing (Debian: nfdump)';

for (const protocol of ['netflow5', 'netflow9', 'ipfix'] as const) {
  test(`${protocol}: nfcapd reads AS numbers, masks and next hops`, { skip: noNfdump }, async () => {
    const port = await freePort();
    const folder = path.join(dir, protocol);
    mkdirSync(folder);
    const args = ['-w', folder, '-p', String(port), '-b', '127.0.0.1', '-t', '3600'];
    const collector = spawn('nfcapd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(collector);
    await once(collector.stderr, 'data');
    // It says something before it listens.
    await sleep(500);
    rheo('--quiet', '--export', `${protocol}://127.0.0.1:${port}`);
    await sleep(500);
    const ended = once(collector, 'exit');
    collector.kill('SIGTERM');
    await ended;
    const form = 'fmt:%sa,%da,%sas,%das,%smk,%dmk,%nh,%nhb';
    const text = execFileSync('nfdump', ['-R', folder, '-q', '-o', form], { encoding: 'utf8' });
    const flows = text.split('\n').map((line) => line.split(',').map((cell) => cell.trim()));
    const out = flows.filter(([source, destination]) => source === LAPTOP && destination === WEB);
    assert.ok(out.length >= 2, text);
    // v5 has no room for 4,200,000,009 and says AS_TRANS; nfdump takes no masks from it, and it has one next hop only.
    const v5 = protocol === 'netflow5';
    const wanted = v5 ? ['65003', '23456'] : ['65003', '4200000009', '16', '24', '192.0.2.1', '192.0.2.1'];
    for (const [, , ...rest] of out) assert.deepEqual(rest.slice(0, wanted.length), wanted);
    if (v5) for (const cells of out) assert.equal(cells[6], '192.0.2.1');
  });
}

test('NDJSON, CSV and Parquet have what was found; AS numbers are added up', async () => {
  const [ndjson, csv, parquet] = ['ndjson', 'csv', 'parquet'].map((end) => path.join(dir, `flows.${end}`));
  rheo('--quiet', '--mmdb', MMDB, ...[ndjson, csv, parquet].flatMap((file) => ['--export', `file:${file}`]));
  const wanted = { srcAs: 65_003, dstAs: 4_200_000_009, dstPrefixLength: 24, nextHop: '192.0.2.1', srcCity: 'Geneva' };
  const names = Object.keys(wanted);
  const lines = readFileSync(ndjson, 'utf8').trim().split('\n');
  const objects = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const out = objects.filter(({ src, dst }) => src === LAPTOP && dst === WEB);
  assert.ok(out.length >= 2);
  for (const one of out) assert.deepEqual(Object.fromEntries(names.map((name) => [name, one[name]])), wanted);
  const [head, ...rows] = readFileSync(csv, 'utf8').trim().split('\n');
  const columns = head.split(',');
  const cells = rows.map((row) => row.split(',')).filter((row) => row[columns.indexOf('dst')] === WEB);
  for (const row of cells) {
    assert.deepEqual(
      names.map((name) => row[columns.indexOf(name)]),
      Object.values(wanted).map(String),
    );
  }
  const connection = await (await DuckDBInstance.create()).connect();
  const select = `select distinct ${names.map((name) => `${name}::varchar as ${name}`).join(', ')} from '${parquet}'
    where src = '${LAPTOP}' and dst = '${WEB}'`;
  const [found, ...more] = (await connection.runAndReadAll(select)).getRowObjects();
  connection.closeSync();
  assert.deepEqual(more, []);
  const asText = (value: unknown): string => String(value).replace(/\.0$/, '');
  assert.deepEqual(
    names.map((name) => asText(found[name])),
    Object.values(wanted).map(String),
  );

  const groups = rheo('--quiet', '--json', '--group-by', 'as', '--top', '100').trim().split('\n');
  const flowsOf = new Map(
    groups.map((line) => JSON.parse(line) as { as?: number; flows: number }).map(({ as, flows }) => [as, flows]),
  );
  const count = (test: (one: Record<string, unknown>) => boolean): number => objects.filter(test).length;
  assert.equal(
    flowsOf.get(4_200_000_009),
    count(({ dstAs, srcAs }) => dstAs === 4_200_000_009 || srcAs === 4_200_000_009),
  );
  assert.equal(
    flowsOf.get(65_003),
    count(({ dstAs, srcAs }) => dstAs === 65_003 || srcAs === 65_003),
  );
});
