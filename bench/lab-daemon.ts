import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { type Client, connect } from '../src/rpc/client.js';
import type { Lab } from '../test/support/netns.js';
import { BENCH_FOLDER, rheoCommand } from './peers.js';

const TICK_NANOS = 1e7;
const START_MS = 10_000;
const START_POLL_MS = 50;

/** Processor time of one thread in ns, in steps of 10 ms (proc(5): utime, stime). */
export interface ThreadTime {
  user: number;
  system: number;
}

/** Processor times of all threads of a process, by thread id; the main thread has the process id. */
export function threadTimes(pid: number): Map<number, ThreadTime> {
  const times = new Map<number, ThreadTime>();
  for (const name of readdirSync(`/proc/${pid}/task`)) {
    try {
      // After the name in parentheses: field 3 of proc(5) is the first; utime and stime are 14 and 15.
      const text = readFileSync(`/proc/${pid}/task/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
      times.set(Number(name), { user: Number(fields[11]) * TICK_NANOS, system: Number(fields[12]) * TICK_NANOS });
    } catch {
      // The thread has ended meanwhile.
    }
  }
  return times;
}

/** Time for which a thread could have run, but others did, in ms (Documentation/scheduler/sched-stats of the kernel). */
export function waitedMs(pid: number, thread: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

/** What was used between two looks: by the whole process, and by its busiest thread but the main one. */
export function timeBetween(
  pid: number,
  before: ReadonlyMap<number, ThreadTime>,
  after: ReadonlyMap<number, ThreadTime>,
): { all: ThreadTime; busiest: ThreadTime } {
  const all = { user: 0, system: 0 };
  let busiest = { user: 0, system: 0 };
  for (const [id, time] of after) {
    const used = {
      user: time.user - (before.get(id)?.user ?? 0),
      system: time.system - (before.get(id)?.system ?? 0),
    };
    all.user += used.user;
    all.system += used.system;
    if (id !== pid && used.user + used.system > busiest.user + busiest.system) busiest = used;
  }
  return { all, busiest };
}

/** Resident memory in MiB. */
export function residentMiB(pid: number): number {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) / 1024;
}

/** What the open descriptors stand for: paths, `socket`, `anon_inode:[eventpoll]` and the like, in order. */
export function descriptors(pid: number): string[] {
  const found: string[] = [];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      found.push(readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, ''));
    } catch {
      // Closed meanwhile.
    }
  }
  return found.sort();
}

export interface DaemonPlace {
  lab: Lab;
  netns: string;
  /** Path for the control socket; Unix sockets are seen from all namespaces. */
  socket: string;
  args: readonly string[];
}

/** `rheo run` in a namespace, as a process of its own. */
export class LabDaemon {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly socket: string;
  /** What it wrote to standard error. */
  log = '';

  private constructor(child: ChildProcess, socket: string) {
    this.child = child;
    this.pid = child.pid as number;
    this.socket = socket;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
  }

  /** Comes back when it observes. @throws Error if it does not */
  static async start({ lab, netns, socket, args }: DaemonPlace): Promise<LabDaemon> {
    const [program, ...first] = rheoCommand('run', '--control-socket', socket);
    const child = lab.start(netns, program!, [...first, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const daemon = new LabDaemon(child, socket);
    const deadline = performance.now() + START_MS;
    for (;;) {
      try {
        const { threads } = await daemon.ask((client) => client.call('health'));
        if (threads.length > 0 && threads.every(({ state }) => state === 'running')) return daemon;
        if (performance.now() > deadline) throw new Error(`the daemon does not observe: ${daemon.log}`);
        await pause(START_POLL_MS);
      } catch (error) {
        if (child.exitCode !== null) throw new Error(`the daemon did not start: ${daemon.log}`);
        if (performance.now() > deadline) throw error;
        await pause(START_POLL_MS);
      }
    }
  }

  connect(): Promise<Client> {
    return connect({ socket: this.socket });
  }

  /** Asks it with a connection of its own. */
  async ask<T>(question: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await question(client);
    } finally {
      client.close();
    }
  }

  /** Tells it to stop. Returns its exit code and how long that took. */
  async stop(): Promise<{ code: number | null; ms: number }> {
    const started = performance.now();
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const [code] = (await gone) as [number | null];
    return { code, ms: performance.now() - started };
  }
}

/** Starts one of the programs of this folder in a namespace. */
export function startTool(lab: Lab, netns: string, tool: string, ...args: (string | number)[]): ChildProcess {
  const script = path.join(BENCH_FOLDER, `${tool}.js`);
  return lab.start(netns, process.execPath, [script, ...args.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Runs the flood (flood.ts) to its end. Returns the frames that it sent. */
export async function runFlood(
  lab: Lab,
  netns: string,
  flood: { device: string; bytes: number; flows: number; seconds: number; perSecond?: number },
): Promise<number> {
  const { device, bytes, flows, seconds, perSecond = 0 } = flood;
  const child = startTool(lab, netns, 'flood', device, bytes, flows, seconds, perSecond);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the flood ended with code ${code}`);
  return Number(text);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
