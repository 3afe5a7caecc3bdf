/**
 * A daemon under everything at once for a long time: `npm run bench -- soak --minutes 30`. Flows that come and go, TCP
 * connections, clients that ask, read, vanish, send rubbish or never read, reloads, collectors that go and come back.
 */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Lab, twoHosts } from '../test/support/netns.js';
import { descriptors, LabDaemon, pause, residentMiB, runFlood, startTool } from './lab-daemon.js';
import { RandomStream } from './random.js';

export interface SoakOptions {
  seconds: number;
  /** Between two samples, in seconds. */
  sampleSeconds: number;
  /** Packets a second of the floods. */
  perSecond: number;
  seed: number;
  told(message: string): void;
}

export interface Sample {
  /** Since the beginning. */
  seconds: number;
  residentMiB: number;
  heapMiB: number;
  descriptors: number;
  flows: number;
  /** Sums of the ledger that do not balance. */
  imbalance: readonly string[];
}

export interface SoakResult {
  samples: Sample[];
  /** What descriptors stand for before the first client and after the last one, all targets being up. */
  before: readonly string[];
  after: readonly string[];
  /** What was done, and how often. */
  done: Map<string, number>;
  /** Packets and records at the end; packets that the ring had no room for. */
  packets: number;
  records: number;
  dropped: number;
  restarts: number;
  exitCode: number | null;
  stopMs: number;
  /** The daemon's words that are warnings or worse, without those that were brought about. */
  log: string;
}

const SETTLE_MS = 2000;
const MOST_SETTLE_MS = 15_000;
const POLL_MS = 100;
const RECORDS = 'file of records';
const TURN_MS = 200;
const FLOOD_SECONDS = 5;

/** Two configurations that a reload changes between: timeouts, targets, level of the log. */
const VARIANTS = [
  { single: '2s', udp: '4s', active: '10s', level: 'info', extra: [] },
  { single: '5s', udp: '6s', active: '20s', level: 'warn', extra: ['netflow9://127.0.0.1:4740'] },
] as const;

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rheo-soak-'));
  const { lab, left, right } = twoHosts();
  try {
    const run = new Soak(options, lab, left, right, dir);
    return await run.all();
  } finally {
    await lab.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

type Action = (run: Soak) => Promise<void> | void;

class Soak {
  readonly random: RandomStream;
  readonly done = new Map<string, number>();
  private readonly options: SoakOptions;
  private readonly lab: Lab;
  private readonly left: string;
  private readonly right: string;
  private readonly dir: string;
  private readonly samples: Sample[] = [];
  private daemon!: LabDaemon;
  private peer!: ReturnType<typeof startTool>;
  private variant = 0;
  private collectorsUp = true;
  private startedMs = 0;

  constructor(options: SoakOptions, lab: Lab, left: string, right: string, dir: string) {
    this.options = options;
    this.lab = lab;
    this.left = left;
    this.right = right;
    this.dir = dir;
    this.random = new RandomStream(options.seed);
  }

  async all(): Promise<SoakResult> {
    const { lab, left, right, options, dir } = this;
    this.peer = startTool(lab, right, 'soak-peer', 'serve');
    await once(this.peer.stdout!, 'data');
    const config = path.join(dir, 'rheo.yaml');
    this.configure();
    const socket = path.join(dir, 'control.sock');
    this.daemon = await LabDaemon.start({ lab, netns: right, socket, args: ['-c', config] });
    startTool(lab, left, 'soak-peer', 'visit');
    await this.settled();
    const before = descriptors(this.daemon.pid);

    this.startedMs = performance.now();
    let over = false;
    const traffic = this.flood(() => over);
    let names: string[] = [];
    for (let nextSample = 0; this.seconds < options.seconds; ) {
      if (names.length === 0) names = this.shuffled(Object.keys(ACTIONS));
      const name = names.pop()!;
      await ACTIONS[name]!(this);
      this.done.set(name, (this.done.get(name) ?? 0) + 1);
      if (this.seconds >= nextSample) {
        await this.sample();
        nextSample += options.sampleSeconds;
      }
      await pause(TURN_MS);
    }
    over = true;
    await traffic;

    this.collectors(true);
    if (this.variant !== 0) await ACTIONS.reload!(this);
    await this.settled();
    await this.backAt(before);
    const after = descriptors(this.daemon.pid);
    await this.sample();
    const loss = await this.daemon.ask((client) => client.call('loss'));
    const health = await this.daemon.ask((client) => client.call('health'));
    const { code, ms } = await this.daemon.stop();
    return {
      samples: this.samples,
      before,
      after,
      done: this.done,
      packets: loss.packets,
      records: loss.records,
      dropped: loss.dropped,
      restarts: health.threads.reduce((sum, { restarts }) => sum + restarts, 0),
      exitCode: code,
      stopMs: ms,
      log: this.daemon.log,
    };
  }

  get seconds(): number {
    return (performance.now() - this.startedMs) / 1000;
  }

  get socket(): string {
    return this.daemon.socket;
  }

  ask: LabDaemon['ask'] = (question) => this.daemon.ask(question);

  signal(name: NodeJS.Signals): void {
    this.daemon.child.kill(name);
  }

  /** Orders for the other side (soak-peer.ts). */
  order(order: 'events'): void {
    this.peer.stdin!.write(`${order}\n`);
  }

  collectors(up: boolean): void {
    this.collectorsUp = up;
    this.peer.stdin!.write(up ? 'up\n' : 'down\n');
  }

  flap(): void {
    this.collectors(!this.collectorsUp);
  }

  /** Writes the other configuration in the place of the one in force. */
  change(): void {
    this.variant = 1 - this.variant;
    this.configure();
  }

  private configure(): void {
    const { single, udp, active, level, extra } = VARIANTS[this.variant]!;
    const file = path.join(this.dir, 'rheo.yaml');
    const text = {
      interfaces: ['r0'],
      maxFlows: 65_536,
      timeouts: { single, udp, 'tcp.fin': '1s' },
      activeTimeout: active,
      features: ['vlan', 'tunnel', 'ttl', 'retransmissions'],
      export: [
        'ipfix+tcp://127.0.0.1:4739?queue=1M',
        'ipfix://127.0.0.1:4740?queue=1M',
        `file:${this.dir}/flows.ndjson?rotate=10s&keep=30s`,
        ...extra,
      ],
      control: { http: { listen: '127.0.0.1:8080' } },
      log: { level },
    };
    // JSON is YAML. Put in place as a whole: a reload may read it at any time.
    writeFileSync(`${file}.new`, JSON.stringify(text));
    renameSync(`${file}.new`, file);
  }

  /** Floods of changing size, one after the other, each of other packets. */
  private async flood(over: () => boolean): Promise<void> {
    const random = new RandomStream(this.options.seed + 1);
    while (!over()) {
      const seconds = Math.min(FLOOD_SECONDS, Math.max(1, this.options.seconds - this.seconds));
      const flows = Math.floor(10 ** (2 + random.next() * 3));
      const bytes = 60 + Math.floor(random.next() * 1000);
      const perSecond = Math.ceil(this.options.perSecond * (0.2 + 0.8 * random.next()));
      await runFlood(this.lab, this.left, { device: 'l0', bytes, flows, seconds, perSecond });
    }
  }

  private async sample(): Promise<void> {
    const { loss, metrics } = await this.ask(async (client) => ({
      loss: await client.call('loss'),
      metrics: await client.call('metrics'),
    }));
    const { pid } = this.daemon;
    const heap = /^rheo_process_heap_used_bytes ([\d.e+]+)$/m.exec(metrics)?.[1];
    const one: Sample = {
      seconds: this.seconds,
      residentMiB: residentMiB(pid),
      heapMiB: Number(heap) / 2 ** 20,
      descriptors: descriptors(pid).length,
      flows: loss.flows.live,
      imbalance: loss.imbalance,
    };
    this.samples.push(one);
    const { seconds, descriptors: open, flows, imbalance } = one;
    const verdict = imbalance.length === 0 ? 'balanced' : imbalance.join('; ');
    this.options.told(
      `${seconds.toFixed(0)} s: ${one.residentMiB.toFixed(1)} MiB resident, ${one.heapMiB.toFixed(1)} MiB heap, ` +
        `${open} descriptors, ${flows} flows, ${verdict}`,
    );
  }

  /** Waits until all targets are up, so that their sockets are there. */
  private async settled(): Promise<void> {
    for (let waited = 0; waited < MOST_SETTLE_MS; waited += POLL_MS) {
      const { targets } = await this.ask((client) => client.call('health'));
      // Those that a reload took away stay in the list.
      if (targets.every(({ state }) => state === 'up' || state === 'closed')) break;
      await pause(POLL_MS);
    }
    await pause(SETTLE_MS);
  }

  /** Waits until clients are gone and targets are back, so that no descriptor is there that was not before. */
  private async backAt(before: readonly string[]): Promise<void> {
    for (let waited = 0; waited < MOST_SETTLE_MS; waited += POLL_MS) {
      if (leaked(before, descriptors(this.daemon.pid)).length === 0) return;
      await pause(POLL_MS);
    }
  }

  private shuffled(names: string[]): string[] {
    for (let k = names.length - 1; k > 0; k--) {
      const other = Math.floor(this.random.next() * (k + 1));
      [names[k], names[other]] = [names[other]!, names[k]!];
    }
    return names;
  }
}

/** Sends bytes to the control socket and goes away after a time, whatever is said. */
function rude(run: Soak, bytes: string | Uint8Array, afterMs: number, reads: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(run.socket, () => socket.write(bytes));
    if (reads) socket.resume();
    else socket.pause();
    socket.on('error', () => undefined).on('close', () => resolve());
    setTimeout(() => socket.destroy(), afterMs);
  });
}

function request(method: string, params: object = {}): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`;
}

/** What happens to the daemon, by name: all of them in turn, in an order by chance, again and again. */
const ACTIONS: Record<string, Action> = {
  statistics: (run) => run.ask(async (client) => void (await client.call('statistics'))),
  metrics: (run) => run.ask(async (client) => void (await client.call('metrics'))),
  flows: (run) =>
    run.ask(async (client) => void (await client.call('flows', { filter: 'udp and bytes > 100', sort: 'rate' }))),
  top: (run) => run.ask(async (client) => void (await client.call('top', { key: 'src' }))),
  dump: (run) =>
    run.ask(async (client) => {
      for await (const _ of client.dump({ format: run.random.next() < 0.5 ? 'ndjson' : 'binary' }));
    }),
  'dump left in the middle': (run) =>
    run.ask(async (client) => {
      for await (const _ of client.dump()) break;
    }),
  'dump that nobody reads': (run) => rude(run, request('dump', { format: 'ndjson' }), 1000, false),
  'client gone at once': (run) => rude(run, request('dump', { format: 'binary' }), 1, true),
  'half a request': (run) => rude(run, request('flows').slice(0, 20), 50, true),
  rubbish: (run) =>
    rude(
      run,
      Uint8Array.from({ length: 5000 }, () => run.random.next() * 256),
      50,
      true,
    ),
  'subscription left': (run) => rude(run, request('subscribe', { what: 'records' }), 500, true),
  'subscription that nobody reads': (run) => rude(run, request('subscribe', { what: 'records' }), 1000, false),
  'HTTP events left': (run) => run.order('events'),
  expire: (run) => run.ask(async (client) => void (await client.call('expire', { filter: 'port 1030' }))),
  delete: (run) => run.ask(async (client) => void (await client.call('delete', { filter: 'port 1040' }))),
  timeouts: (run) =>
    run.ask(
      async (client) => void (await client.call('setTimeouts', { idle: { single: 1000 + run.random.next() * 5000 } })),
    ),
  reload: (run) => {
    run.change();
    run.signal('SIGHUP');
  },
  'statistics into the log': (run) => run.signal('SIGUSR1'),
  'collectors go or come back': (run) => run.flap(),
  pause: (run) =>
    run.ask(async (client) => {
      await client.call('stopGather');
      await client.call('startGather');
    }),
};

/** Descriptors that are there after, and were not before; a file of records may be open, or none. */
export function leaked(before: readonly string[], after: readonly string[]): string[] {
  const kind = (one: string): string => (one.endsWith('.part') ? RECORDS : one);
  const left = before.map(kind);
  if (!left.includes(RECORDS)) left.push(RECORDS);
  return after.map(kind).filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Slope of the least-squares line through (seconds, value), per hour. */
export function slopePerHour(points: readonly { seconds: number; value: number }[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, { seconds }) => sum + seconds, 0) / n;
  const meanY = points.reduce((sum, { value }) => sum + value, 0) / n;
  let above = 0;
  let below = 0;
  for (const { seconds, value } of points) {
    above += (seconds - meanX) * (value - meanY);
    below += (seconds - meanX) ** 2;
  }
  return below === 0 ? 0 : (above / below) * 3600;
}
