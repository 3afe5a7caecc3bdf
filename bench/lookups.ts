/**
 * Look-ups in a full table of routes, loaded from a dump. To make the dump, and to measure, are two runs, so that the memory
 * of the second is that of the table.
 *
 *     node dist/bench/lookups.js --make FILE [--ipv4 PREFIXES] [--ipv6 PREFIXES]
 *     node dist/bench/lookups.js FILE [--rounds N]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Family } from '../src/codec/bgp.js';
import { MrtReader } from '../src/codec/mrt.js';
import { Enricher } from '../src/enrich/enricher.js';
import { loadMrt } from '../src/enrich/mrt-file.js';
import { emptyAnswer, RouteTable } from '../src/enrich/route-table.js';
import { PLAIN_LAYOUT, RECORD_BATCH_SIZE, RecordBatch } from '../src/model/record-batch.js';
import { Row } from '../src/model/row.js';
import { RandomStream } from './random.js';
import { prefixes4, prefixes6, writeRoutes } from './routes.js';

/** What the run found out, as one line of JSON. Rates in millions a second of processor time, by round. */
export interface Lookups {
  prefixes4: number;
  prefixes6: number;
  routes: number;
  loadSeconds: number;
  /** Memory of the process before it has a table, with it, and at the most while it was loaded, in MiB. */
  emptyMiB: number;
  fullMiB: number;
  mostMiB: number;
  ipv4: number[];
  ipv6: number[];
  /** Records enriched, one in five of them IPv6, two look-ups each: between any addresses, and between ten thousand. */
  records: number[];
  recordsOfFew: number[];
  /** All routes taken out, in ms. */
  clearMs: number;
}

const SEED = 1;
const ASKED = 1 << 20;
const BATCHES = 256;
/** Addresses that most traffic of a site has to do with. */
const FEW = 10_000;
/** As the daemon's default, `enrich.memory`. */
const MEMORY = 400e6;

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    make: { type: 'boolean', default: false },
    ipv4: { ...text, default: '1000000' },
    ipv6: { ...text, default: '200000' },
    rounds: { ...text, default: '5' },
  },
});
const [file] = positionals;
const [many4, many6, rounds] = [values.ipv4, values.ipv6, values.rounds].map(Number);

/** Addresses within the prefixes of a dump, each as likely as the next, in any order: the least that caches can help. */
function addressesIn(dump: string): { four: Int32Array; six: Int32Array } {
  const random = new RandomStream(SEED);
  const found = { [Family.ipv4]: [] as number[], [Family.ipv6]: [] as number[] };
  const reader = new MrtReader({
    announce: (family, words, length) => {
      for (let w = 0; w < (family === Family.ipv4 ? 1 : 4); w++) {
        const own = Math.max(0, Math.min(32, length - 32 * w));
        found[family].push(words[w] | (own === 32 ? 0 : (random.next() * 0x1_0000_0000) >>> own));
      }
    },
    withdraw: () => {},
    complete: () => {},
  });
  const bytes = readFileSync(dump);
  reader.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  const draw = (list: readonly number[], width: 1 | 4): Int32Array => {
    const words = new Int32Array(4 * ASKED);
    for (let n = 0; n < ASKED; n++) {
      const from = width * Math.floor((random.next() * list.length) / width);
      for (let w = 0; w < width; w++) words[4 * n + w] = list[from + w];
    }
    return words;
  };
  return { four: draw(found[Family.ipv4], 1), six: draw(found[Family.ipv6], 4) };
}

/** Rounds of a work that returns how many look-ups it made, in millions a second of processor time: one thread works. */
function rates(work: () => number): number[] {
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begun = process.cpuUsage();
    const count = work();
    const { user, system } = process.cpuUsage(begun);
    found.push(count / (user + system));
  }
  return found;
}

function find(table: RouteTable, words: Int32Array, family: Family): number {
  const answer = emptyAnswer();
  const count = words.length / 4;
  let missed = 0;
  for (let n = 0; n < count; n++) if (!table.find(family, words, 4 * n, answer)) missed++;
  if (missed > 0) throw new Error(`${missed} addresses have no route`);
  return count;
}

/** @param addresses how many different ones of each family */
function recordsOf(four: Int32Array, six: Int32Array, addresses: number): RecordBatch[] {
  return Array.from({ length: BATCHES }, (_, b) => {
    const batch = new RecordBatch(PLAIN_LAYOUT);
    for (let index = 0; index < RECORD_BATCH_SIZE; index++) {
      const at = index * PLAIN_LAYOUT.stride;
      const ipv6 = index % 5 === 0;
      const from = ipv6 ? six : four;
      const first = 4 * ((b * RECORD_BATCH_SIZE + index) % (addresses / 2));
      for (let w = 0; w < 4; w++) {
        batch.words[at + Row.a + w] = from[2 * first + w];
        batch.words[at + Row.b + w] = from[2 * first + 4 + w];
      }
      batch.words[at + Row.meta] = 6 | ((ipv6 ? 6 : 4) << 8);
    }
    batch.count = RECORD_BATCH_SIZE;
    return batch;
  });
}

function enrich(enricher: Enricher, batches: readonly RecordBatch[]): number[] {
  return rates(() => {
    for (const batch of batches) enricher.enrich(batch);
    return batches.length * RECORD_BATCH_SIZE;
  });
}

function resident(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

async function measureDump(dump: string): Promise<Lookups> {
  const emptyMiB = resident();
  const table = new RouteTable(MEMORY);
  const begun = performance.now();
  await loadMrt(dump, table);
  const loadSeconds = (performance.now() - begun) / 1000;
  if (table.refused > 0) throw new Error(`${table.refused} prefixes found no room`);
  const fullMiB = resident();
  const mostMiB = process.resourceUsage().maxRSS / 1024;
  const { four, six } = addressesIn(dump);
  const enricher = new Enricher([table], undefined);
  const found = {
    prefixes4: table.v4.size,
    prefixes6: table.v6.size,
    routes: table.routes,
    loadSeconds,
    emptyMiB,
    fullMiB,
    mostMiB,
    ipv4: rates(() => find(table, four, Family.ipv4)),
    ipv6: rates(() => find(table, six, Family.ipv6)),
    records: enrich(enricher, recordsOf(four, six, ASKED)),
    recordsOfFew: enrich(enricher, recordsOf(four, six, FEW)),
  };
  const { records, routed } = enricher.counters;
  if (routed !== 2 * records) throw new Error(`${routed} of ${2 * records} endpoints have a route`);
  const cleared = performance.now();
  table.clear();
  return { ...found, clearMs: performance.now() - cleared };
}

if (values.make) writeRoutes(file, prefixes4(many4, SEED), prefixes6(many6, SEED), SEED);
else process.stdout.write(`${JSON.stringify(await measureDump(file))}\n`);
