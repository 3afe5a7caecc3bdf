import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';

/** Counts the calls that may fail, and fails one of them. */
export class Faults {
  /** Calls so far. */
  calls = 0;
  /** What failed: 'bind: ENODEV'. Undefined: nothing yet. */
  failed: string | undefined;
  private readonly nth: number;

  /** @param nth the call that fails, from 1 on; 0: none */
  constructor(nth: number) {
    this.nth = nth;
  }

  /** To be asked before each call: the error that it fails with, if it is its turn. Calls without errors are not counted. */
  next(call: string, errors: readonly string[] | undefined): string | undefined {
    if (errors === undefined || ++this.calls !== this.nth) return undefined;
    const error = errors[this.nth % errors.length];
    this.failed = `${call}: ${error}`;
    return error;
  }
}

/** Nobody caught these. */
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

/** Descriptors of this process, with what they are. */
export function descriptors(): string[] {
  const found: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      found.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, '#'));
    } catch {
      // The folder that was being read.
    }
  }
  return found.sort();
}

/** Timers, sockets and the like that keep the process alive. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => !/^(Immediate|CloseReq|FSReq|TTYWrap|PipeWrap)/.test(kind));
}

/** Turns of the event loop, until what was closed is gone; a few at the most. */
async function settle(isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 200 && !isSo(); n++) {
    if (n < 20) await new Promise((resolve) => setImmediate(resolve));
    // A timer would be one of those that are counted, were it not over.
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * A fault loop: runs something again and again, each time with the next call failing, until a run finds no fault. After each
 * run there are no more descriptors, timers and sockets than before the first, and no promise has failed unheard.
 */
export async function everyFault(
  run: (faults: Faults) => Promise<void>,
  options: { least: number; most?: number },
): Promise<string[]> {
  const seen: string[] = [];
  // What is made once and kept (libraries, thread pool) is made now.
  await run(new Faults(0));
  const [files, kinds] = [descriptors(), resources()];
  for (let n = 1; ; n++) {
    assert.ok(n <= (options.most ?? 500), 'the loop does not end');
    const faults = new Faults(n);
    try {
      await run(faults);
      await settle(() => descriptors().length <= files.length && resources().length <= kinds.length);
      assert.deepEqual(extra(descriptors(), files), [], 'descriptors are left');
      assert.deepEqual(extra(resources(), kinds), [], 'something keeps the process alive');
      assert.deepEqual(unhandled.splice(0), [], 'a promise failed unheard');
    } catch (error) {
      throw new Error(`call ${n} failed (${faults.failed}): ${(error as Error).message}`, { cause: error });
    }
    if (faults.failed === undefined) break;
    seen.push(faults.failed);
  }
  assert.ok(seen.length >= options.least, `only ${seen.length} calls failed: ${seen.join(', ')}`);
  return seen;
}

function extra(now: readonly string[], before: readonly string[]): string[] {
  const left = [...before];
  return now.filter((one) => {
    const at = left.indexOf(one);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}
