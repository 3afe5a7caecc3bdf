/** `npm run simulate [-- FIRST [COUNT [ACTIONS]]]`: runs the simulation of the daemon for many seeds; prints those that fail. */
import { simulate } from './simulation/simulation.js';

const [first = 1, count = 1000, actions = 300] = process.argv.slice(2).map(Number);
const counts: Record<string, number> = {};
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  try {
    const outcome = await simulate(seed, actions);
    for (const [what, times] of Object.entries(outcome.counts)) counts[what] = (counts[what] ?? 0) + times;
    counts.packets = (counts.packets ?? 0) + outcome.loss.packets;
    counts.records = (counts.records ?? 0) + outcome.loss.records;
  } catch (error) {
    failed++;
    console.error(`seed ${seed} (${actions} actions): ${error instanceof Error ? error.stack : String(error)}`);
  }
}
console.log(`${count} seeds from ${first}, ${failed} failed`);
console.log(
  Object.entries(counts)
    .map(([what, times]) => `${what} ${times}`)
    .join(', '),
);
if (failed > 0) process.exitCode = 1;
