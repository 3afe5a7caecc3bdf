/** Floods over a cable between two namespaces, in turn at rheo, tcpdump and softflowd: `npm run bench -- live`. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Lab, twoHosts } from '../test/support/netns.js';
import { hasProgram } from '../test/support/programs.js';
import { LabDaemon, pause, runFlood, threadTimes, timeBetween } from './lab-daemon.js';
import { median } from './measure.js';

export interface LiveRun {
  /** Packets a second that the kernel had at the interface, and those that the program took. */
  delivered: number;
  through: number;
  /** Packets at the interface that the program did not see. */
  lost: number;
  lostShare: number;
  /** Processor time per packet that it took, in ns: of all threads; in user mode of the thread with the packets. */
  user: number;
  system: number;
  threadUser: number;
}

export interface LiveResult {
  /** Bytes of a frame, flows. */
  bytes: number;
  flows: number;
  program: LiveProgram;
  /** Medians of the rounds. */
  run: LiveRun;
}

export type LiveProgram = 'none' | 'rheo' | 'rheo, eBPF' | 'tcpdump' | 'softflowd';

const FRAME_BYTES = [128, 1000] as const;
const FLOWS = [1000, 100_000, 1_000_000] as const;
const FLOOD_SECONDS = 2;
const WARM_SECONDS = 0.5;
const WARM_PER_SECOND = 150_000;
const MAX_FLOWS = 2_000_000;
/** A program has done its work when it used no processor for so long. */
const QUIET_MS = 200;
const MOST_QUIET_POLLS = 50;
const START_MS = 10_000;
/** In eBPF mode flows come out of the kernel's map so often. */
const FETCHED_MS = 1500;

/** A program that watches the right side. */
interface Watcher {
  pid: number;
  /** Packets that it has taken so far. */
  taken(): Promise<number>;
  /** Comes back when it has told itself of all that it has seen; absent: it does so at once. */
  settled?(): Promise<void>;
  stop(): Promise<void>;
}

/** Which of the programs can run here. */
export function livePrograms(): LiveProgram[] {
  const peers = (['tcpdump', 'softflowd'] as const).filter((name) => hasProgram(name));
  return ['none', 'rheo', 'rheo, eBPF', ...peers];
}

/** All programs at all floods, in turn, so that what else the machine does falls on each alike. */
export async function measureLive(rounds: number, told: (message: string) => void): Promise<LiveResult[]> {
  const results: LiveResult[] = [];
  for (const bytes of FRAME_BYTES) {
    for (const flows of FLOWS) {
      const programs = livePrograms();
      const runs = new Map<LiveProgram, LiveRun[]>(programs.map((program) => [program, []]));
      for (let round = 0; round < rounds; round++) {
        for (const program of programs) {
          const run = await oneRun(program, bytes, flows);
          runs.get(program)!.push(run);
          told(
            `${bytes} B, ${flows} flows, ${program}: ${kilo(run.delivered)} kpps delivered, ${kilo(run.through)} taken, ` +
              `${run.lost} lost, ${run.user.toFixed(0)} ns a packet in user mode (${run.threadUser.toFixed(0)} of its thread), ` +
              `${run.system.toFixed(0)} in the kernel`,
          );
        }
      }
      for (const program of programs) results.push({ bytes, flows, program, run: medianRun(runs.get(program)!) });
    }
  }
  return results;
}

function medianRun(runs: readonly LiveRun[]): LiveRun {
  const of = (value: (run: LiveRun) => number): number => median(runs.map(value));
  return {
    delivered: of((run) => run.delivered),
    through: of((run) => run.through),
    lost: of((run) => run.lost),
    lostShare: of((run) => run.lostShare),
    user: of((run) => run.user),
    system: of((run) => run.system),
    threadUser: of((run) => run.threadUser),
  };
}

async function oneRun(program: LiveProgram, bytes: number, flows: number): Promise<LiveRun> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-live-'));
  const { lab, left, right } = twoHosts();
  try {
    const watcher = await START[program](lab, right, dir);
    // Who runs for weeks is not measured cold. So slowly nobody loses anything, and the packets can be subtracted.
    const warm = { device: 'l0', bytes, flows: 1000, seconds: WARM_SECONDS, perSecond: WARM_PER_SECOND };
    await runFlood(lab, left, warm);
    await watcher?.settled?.();
    const times = watcher === undefined ? undefined : await timesWhenQuiet(watcher.pid);
    const before = lab.counters(right, 'r0').receivedPackets;
    await runFlood(lab, left, { device: 'l0', bytes, flows, seconds: FLOOD_SECONDS });
    const delivered = lab.counters(right, 'r0').receivedPackets - before;
    const run = {
      delivered: delivered / FLOOD_SECONDS,
      through: 0,
      lost: 0,
      lostShare: 0,
      user: 0,
      system: 0,
      threadUser: 0,
    };
    if (watcher === undefined || times === undefined) return run;
    await watcher.settled?.();
    const after = await timesWhenQuiet(watcher.pid);
    const { all, busiest } = timeBetween(watcher.pid, times, after);
    const taken = (await watcher.taken()) - before;
    await watcher.stop();
    // A program with one thread only has its packets there.
    const thread = after.size > 1 ? busiest : all;
    return {
      ...run,
      through: taken / FLOOD_SECONDS,
      lost: delivered - taken,
      lostShare: (delivered - taken) / delivered,
      user: all.user / taken,
      system: all.system / taken,
      threadUser: thread.user / taken,
    };
  } finally {
    await lab.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function timesWhenQuiet(pid: number): Promise<ReturnType<typeof threadTimes>> {
  let times = threadTimes(pid);
  for (let polls = 0; polls < MOST_QUIET_POLLS; polls++) {
    const before = times;
    await pause(QUIET_MS);
    times = threadTimes(pid);
    const { all } = timeBetween(pid, before, times);
    if (all.user + all.system === 0) break;
  }
  return times;
}

type Start = (lab: Lab, netns: string, dir: string) => Promise<Watcher | undefined>;

const START: Record<LiveProgram, Start> = {
  none: async () => undefined,

  rheo: (lab, netns, dir) => startRheo(lab, netns, dir),
  'rheo, eBPF': (lab, netns, dir) => startRheo(lab, netns, dir, '--observe', 'ebpf'),

  async tcpdump(lab, netns) {
    // As much of a ring and of each frame as rheo has by default.
    const args = ['-i', 'r0', '-n', '-Z', 'root', '-B', '65536', '-s', '2048', '-w', '/dev/null'];
    const child = lab.start(netns, 'tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const said = sayings(child);
    await until(() => said().includes('listening on'), 'tcpdump listens');
    const stop = async (): Promise<void> => {
      if (child.exitCode !== null) return;
      const gone = once(child, 'close');
      child.kill('SIGINT');
      await gone;
    };
    return {
      pid: child.pid!,
      taken: async () => {
        await stop();
        return numberIn(said(), /(\d+) packets captured/);
      },
      stop,
    };
  },

  async softflowd(lab, netns, dir) {
    const socket = path.join(dir, 'softflowd.ctl');
    const files = ['-c', socket, '-p', path.join(dir, 'softflowd.pid')];
    const args = ['-i', 'r0', '-d', '-m', String(MAX_FLOWS), '-v', '10', '-n', '127.0.0.1:9996', ...files];
    const child = lab.start(netns, 'softflowd', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = sayings(child);
    await until(() => /listening|data collection/i.test(said()), 'softflowd listens');
    return {
      pid: child.pid!,
      taken: async () => numberIn(await conversation(socket, 'statistics\n'), /Packets processed: (\d+)/),
      stop: async () => {
        const gone = once(child, 'close');
        await conversation(socket, 'exit\n');
        await gone;
      },
    };
  },
};

async function startRheo(lab: Lab, netns: string, dir: string, ...more: string[]): Promise<Watcher> {
  const args = ['-i', 'r0', '--max-flows', String(MAX_FLOWS), '--log-level', 'warn', ...more];
  const daemon = await LabDaemon.start({ lab, netns, socket: path.join(dir, 'control.sock'), args });
  const taken = async (): Promise<number> => (await daemon.ask((client) => client.call('loss'))).decoded;
  return {
    pid: daemon.pid,
    taken,
    // What the kernel counts is fetched from there now and then.
    settled: async () => {
      let before = -1;
      for (let now = await taken(); now !== before; now = await taken()) {
        before = now;
        await pause(more.length > 0 ? FETCHED_MS : QUIET_MS);
      }
    },
    stop: async () => void (await daemon.stop()),
  };
}

function sayings(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  }
  return () => text;
}

/** Says something to a Unix socket and listens until the other side ends. */
function conversation(socketPath: string, words: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(socketPath, () => socket.write(words));
    socket.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    socket.on('error', reject).on('close', () => resolve(text));
  });
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${pattern.source} in: ${text}`);
  return Number(found);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await pause(20);
  }
}

function kilo(value: number): string {
  return (value / 1000).toFixed(0);
}
