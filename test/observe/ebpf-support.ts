import type { TestContext } from 'node:test';
import { Daemon } from '../../src/control/daemon/daemon.js';
import { EbpfUnavailable, openEbpf } from '../../src/observe/ebpf/index.js';
import type { FlowObject, Loss } from '../../src/rpc/service.js';
import { configOf, MemoryTarget, until } from '../daemon/support.js';
import { netnsMissing } from '../support/netns.js';

/** Why flows cannot be counted in the kernel here, for `{ skip }`; false if they can. */
export async function ebpfMissing(): Promise<string | false> {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  try {
    await (await openEbpf({ interfaces: ['lo'] })).close();
    return false;
  } catch (error) {
    if (error instanceof EbpfUnavailable) return error.message;
    throw error;
  }
}

/** A daemon in this process that observes one interface. */
export class Observer {
  readonly daemon: Daemon;
  readonly target: MemoryTarget = new MemoryTarget();
  readonly log: string[] = [];

  constructor(observe: 'ring' | 'ebpf', netns: string, config: Parameters<typeof configOf>[0] = {}) {
    this.daemon = new Daemon({
      config: configOf({
        interfaces: ['r0'],
        netns,
        observe,
        features: ['vlan'],
        tunnels: 'none',
        export: 'file:unused.ndjson',
        ...config,
      }),
      version: '0.0.0',
      openTarget: async () => this.target,
      log: (level, message) => this.log.push(`${level}: ${message}`),
    });
  }

  static async start(t: TestContext, ...args: ConstructorParameters<typeof Observer>): Promise<Observer> {
    const observer = new Observer(...args);
    await observer.daemon.start();
    t.after(() => observer.daemon.stop());
    return observer;
  }

  /** Waits until it has so many packets, stops it, and gives its last accounts. */
  async end(packets: number): Promise<Loss> {
    await until(() => {
      const { packets: seen, dropped } = this.daemon.ledger();
      return seen + dropped >= packets;
    }, `${packets} packets`).catch((error) => {
      throw new Error(`there are ${this.daemon.ledger().packets}: ${this.log.join('\n')}`, { cause: error });
    });
    await this.daemon.stop();
    return this.daemon.ended;
  }

  get flows(): readonly FlowObject[] {
    return this.target.flows;
  }
}

/** What does not depend on how packets were seen: no times, and no reason that comes of them. */
export function timeless(flows: readonly FlowObject[]): string[] {
  return flows
    .map(({ id: _, start: _s, end: _e, duration: _d, endReason: _r, ...rest }) => JSON.stringify(rest))
    .sort();
}
