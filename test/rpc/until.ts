import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Much longer than anything here takes: what is not there by then never comes. */
const HUNG_MS = 30_000;

/** Waits for something that follows from what happened. @throws AssertionError if it never comes */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + HUNG_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never came true: ${condition}`);
    await sleep(5);
  }
}

/** The promise, or an error if it is never fulfilled. */
export async function inTime(promise: Promise<void>, what: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: what() })), HUNG_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
