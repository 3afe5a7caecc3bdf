import { type DaemonClock, within } from './clock.js';
import type { Shards } from './shards.js';

/** A stop that makes no progress for so long (ms) is forced; one that does, after so long. */
const STEP_MS = 500;
const STUCK_MS = 1500;
const LONGEST_MS = 30_000;
/** `exit` waits so long for threads to close their sockets. */
const EXIT_MS = 1000;

export interface StopWatch {
  readonly clock: DaemonClock;
  /** Grows as long as the shards work. */
  progress(): number;
  /** Somebody else ends the shards faster: then they are left to him. */
  givenUp(): boolean;
  /** They do not end, and are ended by force. */
  forced(): void;
}

/** Has the shards end all flows and hand them out; those that get nowhere are ended by force. */
export async function stopShards(shards: Shards, watch: StopWatch): Promise<void> {
  const { clock } = watch;
  let done = false;
  const finished = shards.end('stop').then(() => {
    done = true;
  });
  const begunAt = clock.monotonicMs();
  let progressAt = begunAt;
  let progress = -1;
  while (!done && !watch.givenUp()) {
    await within(clock, STEP_MS, finished);
    const now = clock.monotonicMs();
    const reached = watch.progress();
    if (reached !== progress) progressAt = now;
    progress = reached;
    if (done || (now - progressAt < STUCK_MS && now - begunAt < LONGEST_MS)) continue;
    watch.forced();
    await shards.kill();
    await finished;
  }
}

/** Ends the shards now: flows in their tables are lost. */
export async function exitShards(shards: Shards, clock: DaemonClock): Promise<void> {
  const finished = shards.end('exit');
  if (!(await within(clock, EXIT_MS, finished))) await shards.kill();
  await finished;
}
