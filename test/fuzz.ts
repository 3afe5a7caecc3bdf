/**
 * Fuzzing, by hand and for as long as one likes: `npm run fuzz -- --help`. The short run among the tests is
 * test/fuzz/fuzz.test.ts; docs/testing.md says what is tried and what must hold.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, inputOf, tryInput } from './fuzz/runner.js';
import { TARGETS } from './fuzz/targets.js';
import type { FuzzMessage, FuzzTask } from './fuzz/worker.js';

const USAGE = `usage: npm run fuzz -- [options]
  --seconds N     how long (60)
  --seed N        which inputs (drawn, and told)
  --target NAME   only this one; may be repeated
  --from N        number of the first input (0)
  --count N       inputs of each target, however long it takes
  --replay FILE   this input alone; needs --target
targets:
${TARGETS.map((target) => `  ${target.name.padEnd(14)}${target.about}\n`).join('')}`;

/** An input that takes longer than this is a finding: nothing that a stranger sends may hold the program up. */
const LONGEST_MS = 20_000;
/** More memory than this is a finding too. */
const MOST_MEMORY = 2 ** 30;

const folder = path.join(tmpdir(), 'rheo-fuzz');

function keep(target: string, input: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(file, input);
  return file;
}

async function replay(name: string, file: string): Promise<number> {
  const target = TARGETS.find((one) => one.name === name);
  if (target === undefined) throw new RangeError(`no target ${name}`);
  const error = await tryInput(target, Uint8Array.from(readFileSync(file)));
  process.stdout.write(`${error === undefined ? 'all well' : (error.stack ?? error.message)}\n`);
  return error === undefined ? 0 : 1;
}

/** Runs a thread over the inputs and watches it. Resolves to the exit code. */
function campaign(
  targets: readonly string[],
  seed: number,
  from: number,
  count: number | undefined,
  seconds: number,
): Promise<number> {
  const place = new Int32Array(new SharedArrayBuffer(12));
  const until = count === undefined ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY;
  const task: FuzzTask = { targets, seed, from, count, until, place };
  const worker = new Worker(new URL('./fuzz/worker.js', import.meta.url), { workerData: task });
  let failed = false;
  return new Promise<number>((resolve, reject) => {
    let before = -1;
    let since = Date.now();
    const stop = (code: number): void => {
      clearInterval(watch);
      void worker.terminate().then(() => resolve(code));
    };
    const watch = setInterval(() => {
      if (place[2] !== before) {
        before = place[2];
        since = Date.now();
      }
      const memory = process.memoryUsage.rss();
      const slow = Date.now() - since > LONGEST_MS;
      if (!slow && memory <= MOST_MEMORY) return;
      const target = TARGETS[place[0]];
      const file = keep(target.name, inputOf(target, seed, place[1]));
      const what = slow ? `took more than ${LONGEST_MS / 1000} s` : `at ${memory} bytes of memory`;
      process.stdout.write(`${target.name}: input ${place[1]} of seed ${seed} ${what}: ${file}\n`);
      stop(1);
    }, 500);
    worker.on('message', (message: FuzzMessage) => {
      if (message.type === 'finding') {
        failed = true;
        const error = Object.assign(new Error(), { stack: message.stack });
        const finding = { ...message.finding, error };
        process.stdout.write(`${describe(finding, keep(finding.target, finding.input))}\n\n`);
        return;
      }
      for (const [name, tried] of Object.entries(message.tried)) process.stdout.write(`${name}: ${tried} inputs\n`);
      stop(failed ? 1 : 0);
    });
    worker.on('error', (error) => {
      clearInterval(watch);
      reject(error);
    });
  });
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      seconds: { ...text, default: '60' },
      seed: text,
      target: { ...text, multiple: true },
      from: { ...text, default: '0' },
      count: text,
      replay: text,
      help: { type: 'boolean', default: false },
    },
  });
  const targets = values.target ?? TARGETS.map((target) => target.name);
  const known = targets.every((name) => TARGETS.some((target) => target.name === name));
  if (values.help || !known || (values.replay !== undefined && targets.length !== 1)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  if (values.replay !== undefined) return replay(targets[0], values.replay);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  process.stdout.write(`seed ${seed}\n`);
  const count = values.count === undefined ? undefined : Number(values.count);
  return campaign(targets, seed, Number(values.from), count, Number(values.seconds));
}

process.exitCode = await main();
