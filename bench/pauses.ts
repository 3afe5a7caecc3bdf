/**
 * What makes the thread with the packets pause: millions of flows, queries, dumps, millions of flows ending at once, while
 * packets come. `npm run bench -- pauses`. The longest pause is the daemon's own figure: the longest time between two looks
 * at the ring (`health`, longestGapMs).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from '../src/rpc/client.js';
import { type Lab, twoHosts } from '../test/support/netns.js';
import { LabDaemon, pause, residentMiB, runFlood, type ThreadTime, threadTimes, waitedMs } from './lab-daemon.js';
import { median } from './measure.js';

export interface Phase {
  name: string;
  /** Flows in the table at its beginning and its end. */
  flowsBefore: number;
  flowsAfter: number;
  /** Longest time between two looks at the ring, in ms. */
  longestGapMs: number;
  /** How long the thread waited for a core in all: pauses that are not its own doing lie in there. */
  waitedMs: number;
  /** Until the answer began, and until it was complete, in ms; of a phase that asks something. */
  answerBeganMs: number | undefined;
  answerMs: number | undefined;
  /** Packets that came meanwhile, those for which there was no room, and records dropped on the way to the main thread. */
  packets: number;
  dropped: number;
  recordsDropped: number;
  residentMiB: number;
}

export interface PausesOptions {
  flows: number;
  /** Packets a second while the table is filled, and while things are asked. */
  fillPerSecond: number;
  perSecond: number;
  told(message: string): void;
}

interface Asked {
  began: number;
  ended: number;
}
type Work = (client: Client) => Promise<Asked | undefined>;

/** Real-time priorities (sched(7)), before all ordinary programs: of the daemon's threads, of the one with the packets. */
const PRIORITY = { all: '1', packets: '2' } as const;
/** A question is asked so often before, so that its code is compiled, and then so often for the median. */
const WARM_ASKED = 3;
const ASKED = 5;
const LINGER_MS = 500;
const DEVICE = 'l0';
const FRAME_BYTES = 128;
const WAIT_FOR_END_MS = 60_000;

export async function measurePauses(options: PausesOptions): Promise<Phase[]> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-pauses-'));
  const { lab, left, right } = twoHosts();
  try {
    const args = [
      '-i',
      'r0',
      '--max-flows',
      String(options.flows + 100_000),
      '--idle-timeout',
      '1h',
      '--log-level',
      'warn',
    ];
    const daemon = await LabDaemon.start({ lab, netns: right, socket: path.join(dir, 'control.sock'), args });
    const client = await daemon.connect();
    const run = new Pauses(options, lab, left, daemon, client);
    await run.all();
    client.close();
    await daemon.stop();
    return run.phases;
  } finally {
    await lab.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * The daemon's threads shall not wait for other programs of this machine, which is not its fault. Returns false where
 * real-time priorities are not to be had.
 */
function preferThreads(pid: number, packets: number): boolean {
  const all = spawnSync('chrt', ['--all-tasks', '--rr', '--pid', PRIORITY.all, String(pid)]);
  return all.status === 0 && spawnSync('chrt', ['--rr', '--pid', PRIORITY.packets, String(packets)]).status === 0;
}

/** The thread that has done the most since then, but for the main one. */
function busiestThread(pid: number, before: ReadonlyMap<number, ThreadTime>): number {
  let busiest = pid;
  let most = -1;
  for (const [id, { user, system }] of threadTimes(pid)) {
    const earlier = before.get(id);
    const used = user + system - (earlier === undefined ? 0 : earlier.user + earlier.system);
    if (id === pid || used <= most) continue;
    most = used;
    busiest = id;
  }
  return busiest;
}

class Pauses {
  readonly phases: Phase[] = [];
  private readonly options: PausesOptions;
  private readonly lab: Lab;
  private readonly netns: string;
  private readonly daemon: LabDaemon;
  private readonly client: Client;
  /** The thread with the packets. */
  private thread = 0;

  constructor(options: PausesOptions, lab: Lab, netns: string, daemon: LabDaemon, client: Client) {
    this.options = options;
    this.lab = lab;
    this.netns = netns;
    this.daemon = daemon;
    this.client = client;
  }

  async all(): Promise<void> {
    const { flows, fillPerSecond, perSecond } = this.options;
    const fillSeconds = (flows / fillPerSecond) * 1.1;
    // The program is warm when it is looked at.
    const before = threadTimes(this.daemon.pid);
    await this.flood(1000, 2, perSecond);
    this.thread = busiestThread(this.daemon.pid, before);
    if (!preferThreads(this.daemon.pid, this.thread)) {
      this.options.told('no real-time priority here: pauses are also those that other programs make');
    }
    await this.phase('flows begin', () => this.fill(fillSeconds));
    await this.phase('flows go on', () => this.flood(flows, 3, perSecond));
    await this.asked('version', (client) => repeated(() => timed(client.call('version'))));
    await this.asked('health', (client) => repeated(() => timed(client.call('health'))));
    await this.asked('statistics', (client) => repeated(() => timed(client.call('statistics'))));
    await this.asked('flows, no order', (client) => repeated(() => timed(client.call('flows', { sort: 'none' }))));
    await this.asked('flows by bytes', (client) => repeated(() => timed(client.call('flows', {}))));
    await this.asked('flows, one address', (client) =>
      repeated(() => timed(client.call('flows', { filter: 'host 10.0.0.7' }))),
    );
    await this.asked('top by source', (client) => repeated(() => timed(client.call('top', { key: 'src' }))));
    await this.asked('top by port', (client) => repeated(() => timed(client.call('top', { key: 'srcPort' }))));
    await this.asked('dump, binary', (client) => read(client, 'binary'));
    await this.asked('dump, NDJSON', (client) => read(client, 'ndjson'));
    await this.asked('all end: expire', async (client) => timed(client.call('expire', {})));
    await this.phase('flows begin again', () => this.fill(fillSeconds));
    await this.asked('all end: timeouts set to 1 s', async (client) => {
      const idle = { single: 1000, udp: 1000 };
      const asked = await timed(client.call('setTimeouts', { idle }));
      const deadline = performance.now() + WAIT_FOR_END_MS;
      while ((await this.flowsNow()) > flows / 10 && performance.now() < deadline) await pause(100);
      return asked;
    });
  }

  /** Something is asked while packets of few flows come. */
  private asked(name: string, work: Work): Promise<void> {
    return this.phase(name, async () => {
      let over = false;
      const traffic = this.floodUntil(() => over);
      await pause(LINGER_MS);
      const asked = await work(this.client);
      await pause(LINGER_MS);
      over = true;
      await traffic;
      return asked;
    });
  }

  private async floodUntil(over: () => boolean): Promise<void> {
    while (!over()) await this.flood(1000, 1, this.options.perSecond);
  }

  private async flood(flows: number, seconds: number, perSecond: number): Promise<undefined> {
    await runFlood(this.lab, this.netns, { device: DEVICE, bytes: FRAME_BYTES, flows, seconds, perSecond });
    return undefined;
  }

  /** All flows, one packet each or a few; again and for longer where the sender was too slow. */
  private async fill(seconds: number): Promise<undefined> {
    const { flows, fillPerSecond } = this.options;
    for (let times = 1; times <= 4; times *= 2) {
      await this.flood(flows, seconds * times, fillPerSecond);
      if ((await this.flowsNow()) >= flows) break;
    }
    return undefined;
  }

  private async flowsNow(): Promise<number> {
    return (await this.client.call('health')).threads.reduce((sum, { flows }) => sum + flows, 0);
  }

  private async phase(name: string, work: () => Promise<Asked | undefined>): Promise<void> {
    const { client } = this;
    const before = await client.call('loss');
    await client.call('health'); // the longest gap is counted anew from here on
    const started = performance.now();
    let longestGapMs = 0;
    // Whoever asks `health` meanwhile takes the longest gap: so it is kept from the metrics, which have their own.
    await client.call('metrics');
    const waitedBefore = waitedMs(this.daemon.pid, this.thread);
    const asked = await work();
    const waited = waitedMs(this.daemon.pid, this.thread) - waitedBefore;
    const metrics = await client.call('metrics');
    longestGapMs = Number(/^rheo_shard_longest_gap_seconds\{[^}]*\} (\S+)$/m.exec(metrics)?.[1]) * 1000;
    const after = await client.call('loss');
    const phase: Phase = {
      name,
      flowsBefore: before.flows.live,
      flowsAfter: after.flows.live,
      longestGapMs,
      waitedMs: waited,
      answerBeganMs: asked?.began,
      answerMs: asked?.ended,
      packets: after.packets - before.packets,
      dropped: after.dropped - before.dropped,
      recordsDropped: after.recordsDropped - before.recordsDropped,
      residentMiB: residentMiB(this.daemon.pid),
    };
    this.phases.push(phase);
    const answer =
      asked === undefined ? '' : `, answer after ${asked.began.toFixed(1)} ms, whole ${asked.ended.toFixed(0)} ms`;
    this.options.told(
      `${name}: ${phase.flowsBefore} → ${phase.flowsAfter} flows in ${((performance.now() - started) / 1000).toFixed(1)} s, ` +
        `${phase.packets} packets, longest gap ${longestGapMs.toFixed(1)} ms (waited ${waited.toFixed(1)} for a core)${answer}, ${phase.dropped} packets and ` +
        `${phase.recordsDropped} records dropped, ${phase.residentMiB.toFixed(0)} MiB`,
    );
  }
}

/** An order, once. */
async function timed(call: Promise<unknown>): Promise<Asked> {
  const started = performance.now();
  await call;
  const ended = performance.now() - started;
  return { began: ended, ended };
}

/** A question, again and again: medians. */
async function repeated(ask: () => Promise<Asked>): Promise<Asked> {
  for (let n = 0; n < WARM_ASKED; n++) await ask();
  const asked: Asked[] = [];
  for (let n = 0; n < ASKED; n++) asked.push(await ask());
  return { began: median(asked.map(({ began }) => began)), ended: median(asked.map(({ ended }) => ended)) };
}

async function read(client: Client, format: 'binary' | 'ndjson'): Promise<Asked> {
  const started = performance.now();
  let began: number | undefined;
  for await (const _ of client.dump({ format })) began ??= performance.now() - started;
  const ended = performance.now() - started;
  return { began: began ?? ended, ended };
}
