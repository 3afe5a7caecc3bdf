import { type Config, type ConfigInput, configSchema } from '../../src/control/config/schema.js';
import { Daemon, type DaemonOptions } from '../../src/control/daemon/daemon.js';
import { readMembers, recordMembers } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import type { Target, TargetCounters } from '../../src/model/target.js';
import type { FlowObject } from '../../src/rpc/service.js';
import type { FloodOptions } from './flood-source.js';

export function configOf(input: ConfigInput = {}): Config {
  const { idleTimeout: _, ...config } = configSchema.parse({ maxFlows: 1 << 16, features: 'none', ...input });
  return config;
}

/** Keeps the records that it gets. */
export class MemoryTarget implements Target {
  readonly url: string;
  readonly counters: TargetCounters = {
    received: 0,
    sent: 0,
    dropped: {},
    waiting: 0,
    messages: 0,
    bytes: 0,
    reconnects: 0,
  };
  state: 'connecting' | 'up' | 'down' = 'up';
  lastError: string | undefined;
  closed = false;
  ticks = 0;
  templates = 0;
  readonly flows: FlowObject[] = [];
  private readonly members = recordMembers([], []);
  private readonly keep: boolean;

  constructor(url = 'memory:', keep = true) {
    this.url = url;
    this.keep = keep;
  }

  write(batch: RecordBatch): void {
    this.counters.received += batch.count;
    this.counters.sent += batch.count;
    if (!this.keep) return;
    for (let i = 0; i < batch.count; i++) this.flows.push(readMembers(batch, i, this.members));
  }

  sendTemplates(): void {
    this.templates++;
  }

  tick(): void {
    this.ticks++;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export interface Flooded {
  daemon: Daemon;
  target: MemoryTarget;
  log: string[];
}

/** A daemon over threads that take packets out of nothing. */
export function floodDaemon(
  flood: FloodOptions,
  config: ConfigInput = {},
  options: Partial<DaemonOptions> = {},
): Flooded {
  const target = new MemoryTarget('memory:', flood.packets <= 1_000_000);
  const log: string[] = [];
  const daemon = new Daemon({
    config: configOf({ export: 'file:unused.ndjson', ...config }),
    version: '0.0.0',
    source: { kind: 'module', url: new URL('./flood-source.js', import.meta.url).href, options: flood },
    openTarget: async () => target,
    log: (level, message) => log.push(`${level}: ${message}`),
    ...options,
  });
  return { daemon, target, log };
}

/** Waits until something is so. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
