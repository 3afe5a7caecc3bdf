import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What one run of a program took. */
export interface Usage {
  /** Seconds from start to end, the start of the program included. */
  wall: number;
  /** Seconds of processor time, user and system, all threads. */
  cpu: number;
  /** Largest resident set in MiB. */
  rss: number;
}

export interface Failure {
  failed: string;
}

const GNU_TIME = '/usr/bin/time';
const POLL_MS = 10;
const TICKS_PER_SECOND = 100;

/**
 * Runs a program to its end, its output thrown away. GNU time tells what it used, from wait4(2); where that is not
 * installed, /proc is read while it runs, which misses what it does in its last hundredth of a second.
 */
export async function measure(command: readonly string[]): Promise<Usage | Failure> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-bench-'));
  const errors = path.join(dir, 'errors');
  const times = path.join(dir, 'times');
  const withTime = existsSync(GNU_TIME);
  const line = withTime ? [GNU_TIME, '-o', times, '-f', '%U %S %M', ...command] : command;
  const log = openSync(errors, 'w');
  try {
    const started = performance.now();
    const child = spawn(line[0]!, line.slice(1), { stdio: ['ignore', 'ignore', log] });
    const polled = withTime ? { cpu: 0, rss: 0 } : poll(child);
    const status = await ended(child);
    const wall = (performance.now() - started) / 1000;
    if (status !== 0) return { failed: `${status}, ${complaint(errors)}` };
    if (!withTime) return { wall, ...polled };
    const [user, system, kibibytes] = readFileSync(times, 'utf8').trim().split(' ').map(Number);
    return { wall, cpu: user! + system!, rss: kibibytes! / 1024 };
  } finally {
    closeSync(log);
    rmSync(dir, { recursive: true });
  }
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'ended'));
  });
}

function poll(child: ChildProcess): { cpu: number; rss: number } {
  const used = { cpu: 0, rss: 0 };
  const timer = setInterval(() => {
    try {
      // After the name in parentheses: field 3 of proc(5) is the first; utime and stime are 14 and 15.
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      used.cpu = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
      if (peak) used.rss = Number(peak[1]) / 1024;
    } catch {
      clearInterval(timer); // it has ended
    }
  }, POLL_MS);
  child.on('close', () => clearInterval(timer));
  child.on('error', () => clearInterval(timer));
  return used;
}

/** The line that says what went wrong: the first with "error" in it, else the last. */
function complaint(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? '';
}

/** The middle one of a number of runs, by each of its figures. */
export function medianUsage(runs: readonly Usage[]): Usage {
  return {
    wall: median(runs.map((run) => run.wall)),
    cpu: median(runs.map((run) => run.cpu)),
    rss: median(runs.map((run) => run.rss)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Contestant {
  name: string;
  command: readonly string[];
}

/**
 * Runs all in turn, A B C A B C …, so that what else the machine does falls on each alike.
 * One that fails is not run again.
 */
export async function race(
  contestants: readonly Contestant[],
  rounds: number,
  told: (name: string, result: Usage | Failure) => void,
): Promise<(Usage | Failure)[]> {
  const runs: Usage[][] = contestants.map(() => []);
  const failures: (Failure | undefined)[] = contestants.map(() => undefined);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { name, command }] of contestants.entries()) {
      if (failures[i]) continue;
      const result = await measure(command);
      told(name, result);
      if ('failed' in result) failures[i] = result;
      else runs[i]!.push(result);
    }
  }
  return contestants.map((_, i) => failures[i] ?? medianUsage(runs[i]!));
}
