/** A thread that meters one shard of a live source; see shards.ts. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { compileFilter } from '../../filter/filter.js';
import { LiveShard } from './live-shard.js';
import type { LiveMessage, LiveOrder, LiveTask } from './messages.js';
import { openSource, type ShardSource } from './sources.js';

const task = workerData as LiveTask;
const port = parentPort as NonNullable<typeof parentPort>;
const say = (message: LiveMessage): void => port.postMessage(message);

let source: ShardSource | undefined;
try {
  source = await openSource(task.source, task.shard, task.shards, (level, message) => {
    say({ type: 'event', level, message });
  });
  const shard = new LiveShard({
    task,
    source,
    filter: task.filter === undefined ? undefined : compileFilter(task.filter),
    say,
    now: () => performance.now(),
    turn: () => nextTurn(),
  });
  port.on('message', (order: LiveOrder) => shard.order(order));
  await shard.run();
} catch (error) {
  if (error instanceof RheoError) {
    say({ type: 'error', code: error.code, message: error.message, remedy: error.remedy });
  } else {
    const stack = error instanceof Error ? error.stack : undefined;
    if (stack !== undefined) say({ type: 'event', level: 'error', message: `thread ${task.shard}: ${stack}` });
    const message = error instanceof Error ? error.message : String(error);
    say({ type: 'error', code: ErrorCode.worker, message, remedy: undefined });
  }
} finally {
  await source?.close();
}
port.close();
