/** A thread that tries inputs of the targets in turn until it is told to stop; see ../fuzz.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Finding, fuzz } from './runner.js';
import { TARGETS } from './targets.js';

/** What the thread is given. */
export interface FuzzTask {
  targets: readonly string[];
  seed: number;
  from: number;
  /** Inputs of each target; undefined: until `until`. */
  count: number | undefined;
  /** By `Date.now()`. */
  until: number;
  /** Where the thread stands: index of the target, number of the input, tries so far. */
  place: Int32Array;
}

/** What it says: a finding, or at the end how many inputs were tried. */
export type FuzzMessage =
  | { type: 'finding'; finding: Omit<Finding, 'error'>; stack: string }
  | { type: 'end'; tried: Record<string, number> };

/** Inputs of one target before the next has its turn. */
const TURN = 50;

const task = workerData as FuzzTask;
const say = (message: FuzzMessage): void => parentPort?.postMessage(message);
const targets = TARGETS.filter((target) => task.targets.includes(target.name));
const tried: Record<string, number> = Object.fromEntries(targets.map((target) => [target.name, 0]));
const last = task.count === undefined ? Number.POSITIVE_INFINITY : task.from + task.count;

for (let from = task.from; from < last && Date.now() < task.until; from += TURN) {
  const to = Math.min(last, from + TURN);
  for (const target of targets) {
    Atomics.store(task.place, 0, TARGETS.indexOf(target));
    const finding = await fuzz(target, task.seed, from, to, (iteration) => {
      Atomics.store(task.place, 1, iteration);
      Atomics.add(task.place, 2, 1);
    });
    if (finding !== undefined) {
      const { error, ...rest } = finding;
      say({ type: 'finding', finding: rest, stack: error.stack ?? error.message });
    }
    tried[target.name] += to - from;
  }
}
say({ type: 'end', tried });
