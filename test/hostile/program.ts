import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from '../support/shared.js';

/** The command, compiled. */
export const MAIN: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../src/cli/main.js');
export const HOUSE: string = path.join(projectRoot, 'samples/house.pcapng');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/** Longer than anything here takes; the run counts as hung then, and fails for its signal. */
const HUNG_MS = 60_000;

export function start(
  args: readonly string[],
  options: SpawnOptions = {},
  command: readonly string[] = [],
): ChildProcess {
  const [program, ...rest] = [...command, process.execPath, MAIN, ...args];
  return spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: HUNG_MS,
    killSignal: 'SIGKILL',
    ...options,
  });
}

/** What the child leaves behind. */
export function ended(child: ChildProcess): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (part: Buffer) => out.push(part));
  child.stderr?.on('data', (part: Buffer) => err.push(part));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() });
    });
  });
}

/** `rheo read --json …` to its end. */
export function read(...args: readonly string[]): Promise<Ended> {
  return ended(start(['read', '--json', ...args]));
}

/** One object a line, whole lines only. */
export function records(out: string): Record<string, unknown>[] {
  assert.ok(out === '' || out.endsWith('\n'), 'the last line is whole');
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Nothing on standard output but records, nothing on standard error that only we understand. */
export function assertTidy({ signal, out, err }: Ended, what: string): void {
  assert.equal(signal, null, `${what}: ended by itself`);
  records(out);
  assert.doesNotMatch(err, /internal error|\n {4}at |node:|Error:/, what);
}

/** A clean refusal: exit code 1, no output, the name, what was found or expected, and a remedy on a line of its own. */
export function assertRefused(run: Ended, message: RegExp, what: string): void {
  assertTidy(run, what);
  assert.equal(run.code, 1, `${what}: ${run.err}`);
  assert.equal(run.out, '', what);
  assert.match(run.err, message, what);
  assert.match(run.err, /^rheo: [^\n]+\n {2}[^\n]+\n$/, `${what}: one line that says it, one that helps`);
}

/** A folder that is gone after the tests of a file. */
export class Folder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), 'rheo-hostile-'));

  /** Full path of a file in it, with the content given. */
  file(name: string, content?: Uint8Array | string): string {
    const file = path.join(this.path, name);
    if (content !== undefined) writeFileSync(file, content);
    return file;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Header of a pcap file, raw IP, microseconds, little-endian. */
export function pcapHeader(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(101, 20);
  return header;
}

const PACKET_LENGTH = 40;
const RECORD_LENGTH = 16 + PACKET_LENGTH;

export interface FloodOptions {
  /** Number of the first packet; each number is another flow. */
  from: number;
  count: number;
  /** Packets a second of packet time. */
  rate: number;
  kind?: 'syn' | 'fragment' | 'icmp-error';
}

/** Packets of raw IPv4 as records of pcap, each a flow of its own (or a later fragment, or an error about another). */
export function flood({ from, count, rate, kind = 'syn' }: FloodOptions): Buffer {
  const bytes = Buffer.alloc(count * RECORD_LENGTH);
  for (let n = from, at = 0; n < from + count; n++, at += RECORD_LENGTH) {
    bytes.writeUInt32LE(1_704_067_200 + Math.floor(n / rate), at);
    bytes.writeUInt32LE(Math.floor(((n % rate) * 1e6) / rate), at + 4);
    bytes.writeUInt32LE(PACKET_LENGTH, at + 8);
    bytes.writeUInt32LE(PACKET_LENGTH, at + 12);
    const ip = at + 16;
    bytes.writeUInt8(0x45, ip);
    bytes.writeUInt16BE(PACKET_LENGTH, ip + 2);
    bytes.writeUInt16BE(n & 0xffff, ip + 4);
    bytes.writeUInt16BE(kind === 'fragment' ? 185 : 0, ip + 6);
    bytes.writeUInt8(64, ip + 8);
    bytes.writeUInt8(kind === 'icmp-error' ? 1 : 6, ip + 9);
    bytes.writeUInt32BE((0x0b000000 + n) >>> 0, ip + 12);
    bytes.writeUInt32BE(0xc0000207, ip + 16);
    if (kind === 'icmp-error') bytes.set([3, 1, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0], ip + 20);
    else {
      bytes.writeUInt16BE(1024 + (n % 50_000), ip + 20);
      bytes.writeUInt16BE(443, ip + 22);
      bytes.writeUInt16BE(0x5002, ip + 32);
    }
  }
  return bytes;
}
