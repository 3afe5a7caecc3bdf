/** Export: B to a collector on loopback, and the encoders by themselves (bench/encoders.ts). Needs nfcapd (Debian: nfdump). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareCapture } from './captures.js';
import type { EncoderRate } from './encoders.js';
import { type Contestant, race, type Usage } from './measure.js';
import { BENCH_FOLDER, contestants, rheo } from './peers.js';
import type { Bench, Section } from './sections.js';

/** Wall time of metering with export to that of metering alone, and of softflowd's to ours. */
const MOST_SLOWER = 1.5;
const LEAST_FASTER = 6;
const LEAST_RECORDS = 1e6;
const LEAST_PARQUET = 5e5;
const BUFFER_BYTES = '4000000';

interface Arrived {
  flows: number;
  sequenceErrors: number;
}

/** nfcapd on a free port of 127.0.0.1. */
class Collector {
  readonly port: number;
  readonly #dir: string;
  readonly #child: ChildProcess;
  #log = '';

  private constructor(port: number) {
    this.port = port;
    this.#dir = mkdtempSync(path.join(tmpdir(), 'rheo-nfcapd-'));
    const options = ['-w', this.#dir, '-t', '86400', '-b', '127.0.0.1', '-p', String(port), '-B', BUFFER_BYTES];
    this.#child = spawn('nfcapd', options, { stdio: ['ignore', 'pipe', 'pipe'] });
    const note = (text: Buffer): void => {
      this.#log += text.toString();
    };
    this.#child.stdout?.on('data', note);
    this.#child.stderr?.on('data', note);
  }

  static async start(): Promise<Collector> {
    const collector = new Collector(await freePort());
    for (let k = 0; k < 50 && !collector.#log.includes('Startup'); k++) await delay(100);
    return collector;
  }

  /** Ends it. @returns what it has counted */
  async stop(): Promise<Arrived> {
    // What is in its buffer shall be read.
    await delay(500);
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.#dir, { recursive: true });
    const sum = { flows: 0, sequenceErrors: 0 };
    for (const [, flows, errors] of this.#log.matchAll(/Flows: (\d+),.* Sequence Errors: (\d+)/g)) {
      sum.flows += Number(flows);
      sum.sequenceErrors += Number(errors);
    }
    return sum;
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  socket.close();
  return port;
}

export async function exportSection(bench: Bench): Promise<Section> {
  const title = 'B, and its flows by IPFIX to nfcapd on loopback';
  const { path: file } = prepareCapture('B', bench.told);
  if (spawnSync('nfcapd', ['-V']).error !== undefined) return failed('export', title, 'nfcapd is missing');
  const once = await exportOnce(file);
  bench.told(`${once.records} records, ${once.flows} arrived, ${once.sequenceErrors} sequence errors`);
  const collector = await Collector.start();
  const peer = contestants(file, tmpdir(), false).find(({ program }) => program === 'softflowd');
  const list: Contestant[] = [
    { name: 'rheo, metering alone', command: rheo(file) },
    { name: 'rheo, IPFIX', command: exporting(file, collector) },
    ...(peer === undefined
      ? []
      : [
          {
            name: `${peer.name}, IPFIX`,
            command: peer.command.map((word) => word.replace(/^127\.0\.0\.1:\d+$/, `127.0.0.1:${collector.port}`)),
          },
        ]),
  ];
  const results = await race(list, bench.rounds, (name, result) => {
    bench.told('failed' in result ? `${name} failed, ${result.failed}` : `${name} ${result.wall.toFixed(2)} s`);
  });
  await collector.stop();
  const failure = results.find((result) => 'failed' in result);
  if (failure !== undefined && 'failed' in failure) return failed('export', title, failure.failed);
  const [alone, own, softflowd] = results as Usage[];
  const count = (value: number): string => value.toLocaleString('en-GB');
  const whole = once.flows === once.records && once.sequenceErrors === 0;
  const line = (name: string, usage: Usage, ...rest: string[]): string[] => [
    name,
    usage.wall.toFixed(2),
    usage.cpu.toFixed(2),
    ...rest,
  ];
  const rows = [
    line(list[0]!.name, alone!),
    line(list[1]!.name, own!, ...ratio(own!.wall / alone!.wall, MOST_SLOWER, 'most')),
    ...(softflowd === undefined
      ? []
      : [line(list[2]!.name, softflowd, ...ratio(softflowd.wall / own!.wall, LEAST_FASTER, 'least'))]),
    ['records of rheo', '', '', count(once.records), ''],
    ['of them at nfcapd', '', '', count(once.flows), `all ${whole ? '✓' : '✗'}`],
    ['sequence errors that it found', '', '', count(once.sequenceErrors), `0 ${whole ? '✓' : '✗'}`],
  ];
  return { name: 'export', title, rows: [], table: { head: ['', 'wall s', 'CPU s', 'figure', 'wanted'], rows } };
}

function exporting(file: string, { port }: Collector): string[] {
  return rheo(file, '--export', `ipfix://127.0.0.1:${port}`);
}

/** One run by itself: nfcapd takes the next program's first sequence number for a loss of the last one's. */
async function exportOnce(file: string): Promise<Arrived & { records: number }> {
  const collector = await Collector.start();
  const [command, ...options] = exporting(file, collector);
  const child = spawn(command!, options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => {
      text += part.toString();
    });
  }
  await new Promise((resolve) => child.once('close', resolve));
  const records = /exported to .*: ([\d,]+) records/.exec(text)?.[1]?.replaceAll(',', '');
  return { records: Number(records), ...(await collector.stop()) };
}

function ratio(value: number, limit: number, kind: 'least' | 'most'): [string, string] {
  const good = kind === 'least' ? value >= limit : value <= limit;
  return [`${value.toFixed(2)}×`, `${kind === 'least' ? '≥' : '≤'} ${limit}× ${good ? '✓' : '✗'}`];
}

export function encodersSection({ rounds, told }: Bench): Section {
  const title = 'Encoders by themselves: records in memory into messages, by processor time';
  const args = [path.join(BENCH_FOLDER, 'encoders.js'), '--json', String(rounds + 2)];
  const ran = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (ran.status !== 0) return failed('encoders', title, ran.stderr.trim());
  const rates = JSON.parse(ran.stdout) as EncoderRate[];
  const millions = (value: number): string => `${(value / 1e6).toFixed(value < 1e6 ? 1 : 0)} M/s`;
  const rows = rates.map(({ name, perSecond, bytes }) => {
    told(`${name} ${(perSecond / 1e6).toFixed(2)} M/s`);
    const least = name.startsWith('Parquet') ? LEAST_PARQUET : LEAST_RECORDS;
    const wanted = `≥ ${millions(least)} ${perSecond >= least ? '✓' : '✗'}`;
    return [name, (perSecond / 1e6).toFixed(2), (1e9 / perSecond).toFixed(0), bytes.toFixed(0), wanted];
  });
  const head = ['', 'M records/s', 'ns a record', 'bytes a record', 'wanted'];
  return { name: 'encoders', title, rows: [], table: { head, rows } };
}

function failed(name: 'export' | 'encoders', title: string, why: string): Section {
  return { name, title, rows: [{ name: title, failed: why, packets: 0, flows: 0 }] };
}
