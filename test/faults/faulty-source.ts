/** Interfaces, in the thread of a shard, whose system calls fail as another thread wants. */
import type { ShardSource } from '../../src/control/daemon/sources.js';
import { type LiveOptions, openLive } from '../../src/observe/live/index.js';
import { ERRORS, failCalls } from './system-calls.js';

/** Calls that may fail, by number. */
export const CALLS: readonly string[] = Object.keys(ERRORS);

/** Words (32 bits) of the shared memory: number of the call that always fails, or −1; calls that failed; 1: the source breaks. */
export const Word = { failing: 0, failed: 1, broken: 2 } as const;

export interface FaultyOptions {
  live: LiveOptions;
  control: SharedArrayBuffer;
}

export async function openSource(options: unknown): Promise<ShardSource> {
  const { live, control } = options as FaultyOptions;
  const words = new Int32Array(control);
  failCalls({
    next(call, errors) {
      if (errors === undefined || CALLS[Atomics.load(words, Word.failing)] !== call) return undefined;
      return errors[Atomics.add(words, Word.failed, 1) % errors.length];
    },
  });
  const source = await openLive(live);
  const fill = source.fill.bind(source);
  source.fill = (batch) => {
    if (Atomics.exchange(words, Word.broken, 0) === 1) throw new Error('the source broke');
    return fill(batch);
  };
  return source;
}
