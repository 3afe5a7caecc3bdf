import { Worker } from 'node:worker_threads';
import type { LiveMessage, LiveOrder, LiveTask } from './messages.js';

/** What the main side hears of a shard. */
export interface ShardEars {
  message(message: LiveMessage): void;
  /** It is gone; nothing comes any more. Called once. */
  gone(error: Error | undefined): void;
}

export interface ShardHandle {
  order(order: LiveOrder): void;
  /** Ends it by force. */
  kill(): Promise<void>;
}

/** Where shards run: in threads; in a simulation, where it says. */
export interface ShardHost {
  start(task: LiveTask, ears: ShardEars): ShardHandle;
}

export const WORKER_HOST: ShardHost = {
  start(task, ears) {
    const worker = new Worker(new URL('./live-worker.js', import.meta.url), { workerData: task });
    let failure: Error | undefined;
    worker.on('message', (message: LiveMessage) => ears.message(message));
    worker.on('error', (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    worker.on('exit', () => ears.gone(failure));
    return {
      order: (order) => worker.postMessage(order),
      kill: async () => {
        await worker.terminate();
      },
    };
  },
};
