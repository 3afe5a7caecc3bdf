import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonProcess, type LastSummary, recordsOf } from '../daemon/command.js';
import { Lab } from './netns.js';

/** Datagrams to the probe's echo, that many from each of so many ports; a download; pings. */
const PORTS = 20;
const ROUNDS = 30;
const PINGS = 5;
/** Flows that a run of the traffic makes: a UDP one a port, TCP, ICMP. */
export const TRAFFIC_FLOWS: number = PORTS + 2;

const SERVERS = `
  import dgram from 'node:dgram';
  import http from 'node:http';
  const socket = dgram.createSocket('udp4');
  socket.on('message', (text, from) => socket.send(text, from.port, from.address));
  socket.bind(7777, '10.77.1.1', () => http.createServer((_, response) => response.end('x'.repeat(200_000)))
    .listen(8000, '10.77.1.1', () => console.log('up')));
`;
const CLIENT = `
  import dgram from 'node:dgram';
  import http from 'node:http';
  const sockets = await Promise.all(Array.from({ length: ${PORTS} }, () => new Promise((ready) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, () => ready(socket));
  })));
  let answers = 0;
  for (const socket of sockets) socket.on('message', () => answers++);
  for (let round = 0; round < ${ROUNDS}; round++) {
    for (const socket of sockets) socket.send('x'.repeat(round), 7777, '10.77.1.1');
    while (answers < ${PORTS} * (round + 1)) await new Promise((go) => setTimeout(go, 1));
  }
  for (const socket of sockets) socket.close();
  await new Promise((done) => http.get('http://10.77.1.1:8000/', { agent: false }, (response) => {
    response.resume().on('close', done);
  }));
`;

export interface RunningProgram {
  readonly child: ChildProcess;
  /** What it has written to both outputs. */
  readonly said: () => string;
  /** Sends the signal and waits for the end. @returns the exit code */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/**
 * A network of three namespaces: a client talks to the probe over the probe's `eth0`; the probe reaches the collector
 * (192.0.2.2, collector.example.org) over `m0`, so that exported records are no part of what is observed.
 */
export class Site {
  readonly lab: Lab = new Lab();
  readonly client: string = this.lab.netns('client');
  readonly probe: string = this.lab.netns('probe');
  readonly collector: string = this.lab.netns('collector');
  readonly folder: string = mkdtempSync(path.join(tmpdir(), 'rheo-site-'));
  private readonly context: TestContext;

  constructor(context: TestContext) {
    this.context = context;
    // Before the daemons of the test end: they are killed first.
    context.after(() => this.close());
    this.lab.cable(
      { netns: this.client, device: 'c0', addresses: ['10.77.1.2/24'] },
      { netns: this.probe, device: 'eth0', addresses: ['10.77.1.1/24'] },
    );
    this.lab.cable(
      { netns: this.probe, device: 'm0', addresses: ['192.0.2.1/24'] },
      { netns: this.collector, device: 'eth0', addresses: ['192.0.2.2/24'] },
    );
    mkdirSync(`/etc/netns/${this.probe}`, { recursive: true });
    this.name('192.0.2.2');
  }

  /** Gives the name that the pages about collectors use an address, in the probe's own file of hosts. */
  name(address: string): void {
    writeFileSync(`/etc/netns/${this.probe}/hosts`, `127.0.0.1 localhost\n${address} collector.example.org\n`);
  }

  /** A new folder in the one of the test. */
  newFolder(name: string): string {
    const folder = path.join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  writeFile(name: string, text: string): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** Starts a program beside the collector, and waits until it listens on the ports. */
  async collect(
    program: string,
    args: readonly string[],
    listens: Readonly<Partial<Record<'udp' | 'tcp', readonly number[]>>>,
  ): Promise<RunningProgram> {
    const child = this.lab.start(this.collector, program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'close') as Promise<[number | null]>;
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    }
    const open = (): boolean => {
      for (const [kind, ports] of Object.entries(listens)) {
        const now = sockets(this.lab, this.collector, kind).map(({ port }) => port);
        if (!ports.every((port) => now.includes(port))) return false;
      }
      return true;
    };
    while (!open()) {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${text}`);
      await sleep(20);
    }
    return {
      child,
      said: () => text,
      stop: async (signal = 'SIGTERM') => {
        child.kill(signal);
        return (await ended)[0];
      },
    };
  }

  /** `rheo run` at the probe, metering. */
  async rheo(args: readonly string[]): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(this.context, args, { inside: [this.lab, this.probe] });
    await daemon.ready();
    return daemon;
  }

  /** The client's programs talk to the probe's, to the end. */
  async traffic(): Promise<void> {
    this.#served ??= this.lab.serve(this.probe, SERVERS);
    await this.#served;
    await this.lab.node(this.client, CLIENT);
    this.lab.run(this.client, 'ping', '-q', '-c', String(PINGS), '-i', '0.02', '10.77.1.1');
  }
  #served: Promise<unknown> | undefined;

  /** Waits until the collectors have read all that is in their sockets. */
  async drained(): Promise<void> {
    while (sockets(this.lab, this.collector, 'udp').some(({ waiting }) => waiting > 0)) await sleep(20);
    // What was read may not be decoded yet.
    await sleep(200);
  }

  private async close(): Promise<void> {
    await this.lab.close();
    rmSync(`/etc/netns/${this.probe}`, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a daemon wrote of its traffic, and its own accounts. */
interface Truth {
  readonly summary: LastSummary;
  readonly flows: number;
  /** Of both directions. */
  readonly packets: number;
  readonly bytes: number;
}

/** Stops a daemon that has `file` (NDJSON) among its targets. @throws Error if the file is not what was decoded */
export async function truth(daemon: DaemonProcess, file: string): Promise<Truth> {
  const summary = await daemon.stop();
  const records = recordsOf(file) as Record<'packets' | 'reversePackets' | 'bytes' | 'reverseBytes', number>[];
  const packets = records.reduce((sum, record) => sum + record.packets + record.reversePackets, 0);
  const bytes = records.reduce((sum, record) => sum + record.bytes + record.reverseBytes, 0);
  if (packets !== summary.decoded) throw new Error(`${file} holds ${packets} of ${summary.decoded} packets`);
  return { summary, flows: records.length, packets, bytes };
}

/** Sockets of a namespace: local ports, and bytes that wait to be read. TCP: those that listen. */
function sockets(lab: Lab, netns: string, kind: string): { port: number; waiting: number }[] {
  return ['', '6'].flatMap((family) =>
    lab
      .run(netns, 'cat', `/proc/net/${kind}${family}`)
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => kind === 'udp' || state === '0A')
      .map(([, local, , , queues]) => ({
        port: Number.parseInt(local.split(':').at(-1)!, 16),
        waiting: Number.parseInt(queues.split(':')[1], 16),
      })),
  );
}

/** Packets and bytes of the lines (JSON) of pmacct's print plugin, and how many different flows there are. */
export function pmacctSums(file: string): { flows: number; packets: number; bytes: number } {
  const text = readFileSync(file, 'utf8');
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const keys = lines.map((line) =>
    [line.ip_src, line.ip_dst, line.port_src, line.port_dst, line.ip_proto].map(String).join(),
  );
  const sum = (name: string): number => lines.reduce((all, line) => all + Number(line[name]), 0);
  return { flows: new Set(keys).size, packets: sum('packets'), bytes: sum('bytes') };
}

/**
 * Waits until pmacct's print plugin has written so many packets, for 5 s at the most: what waits for company in its core
 * process it writes when it is stopped, but what is on the way between its processes then it loses.
 */
export async function pmacctWrote(file: string, packets: number): Promise<void> {
  for (let tries = 0; tries < 100 && !(existsSync(file) && pmacctSums(file).packets >= packets); tries++)
    await sleep(50);
}

interface NfdumpSums {
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
  readonly sequenceErrors: number;
  readonly badPackets: number;
}

/** What nfdump reads in a file, or in those of a folder that nfcapd or sfcapd wrote; in and out columns together. */
export function nfdumpSums(where: string): Omit<NfdumpSums, 'sequenceErrors' | 'badPackets'> {
  const text = execFileSync(
    'nfdump',
    [statSync(where).isFile() ? '-r' : '-R', where, '-q', '-N', '-o', 'fmt:%ipkt|%opkt|%ibyt|%obyt|%fl'],
    {
      encoding: 'utf8',
    },
  );
  const rows = text
    .trim()
    .split('\n')
    .filter((line) => line.includes('|'))
    .map((line) => line.split('|').map(Number));
  const sum = (...columns: number[]): number =>
    rows.reduce((all, row) => all + columns.reduce((one, k) => one + row[k], 0), 0);
  return { flows: rows.length, packets: sum(0, 1), bytes: sum(2, 3) };
}

/** The last accounts that nfcapd told of a source. */
export function nfcapdTold(said: string): NfdumpSums {
  const all = [
    ...said.matchAll(/Flows: (\d+), Packets: (\d+), Bytes: (\d+), Sequence Errors: (\d+), Bad Packets: (\d+)/g),
  ];
  if (all.length === 0) throw new Error(`nfcapd told no accounts: ${said}`);
  const [flows, packets, bytes, sequenceErrors, badPackets] = all.at(-1)!.slice(1).map(Number);
  return { flows, packets, bytes, sequenceErrors, badPackets };
}
