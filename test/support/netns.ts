import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hasProgram } from './programs.js';

/**
 * Why tests with network namespaces cannot run here, for `{ skip: netnsMissing() }`; false if they can.
 * Needs root, Linux and the program `ip` (iproute2).
 */
export function netnsMissing(): string | false {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (!hasProgram('ip')) return 'the program ip is missing';
  return false;
}

/** One end of a veth pair. */
export interface End {
  netns: string;
  device: string;
  /** With prefix length: '10.77.0.1/24', 'fd77::1/64'. */
  addresses?: readonly string[];
  mac?: string;
}

/** What the kernel itself counted at an interface. */
export interface DeviceCounters {
  receivedPackets: number;
  receivedBytes: number;
  sentPackets: number;
  sentBytes: number;
}

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

let labs = 0;

/**
 * A handful of network namespaces with cables between them, and the programs that run inside. Names are unique to this
 * process. `close` ends the programs that were started and removes the namespaces; it also happens when the process exits.
 */
export class Lab {
  private readonly prefix = `rheo-test-${process.pid}-${labs++}`;
  private readonly namespaces: string[] = [];
  private readonly children = new Set<ChildProcess>();
  private readonly onExit = (): void => this.cleanUp();

  constructor() {
    process.on('exit', this.onExit);
  }

  /** Makes a namespace with its loopback up. @returns its full name, as `ip netns` takes it; its path is `netnsPath` */
  netns(name: string, options: { ipv6?: boolean } = {}): string {
    const full = `${this.prefix}-${name}`;
    ip('netns', 'add', full);
    this.namespaces.push(full);
    if (options.ipv6 !== true) {
      // Without IPv6 the kernel sends nothing of its own accord (router solicitations, MLD): counts are exact.
      this.run(full, 'sh', '-c', 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > "$f"; done');
    }
    ip('-n', full, 'link', 'set', 'lo', 'up');
    return full;
  }

  /** Removes a namespace before the end of the test. */
  deleteNetns(full: string): void {
    ip('netns', 'del', full);
    this.namespaces.splice(this.namespaces.indexOf(full), 1);
  }

  /** A cable between two ends, both up. */
  cable(a: End, b: End): void {
    const second = ['peer', 'name', b.device, 'netns', b.netns];
    ip('-n', a.netns, 'link', 'add', a.device, 'type', 'veth', ...second);
    for (const end of [a, b]) {
      if (end.mac !== undefined) ip('-n', end.netns, 'link', 'set', end.device, 'address', end.mac);
      for (const address of end.addresses ?? []) {
        const nodad = address.includes(':') ? ['nodad'] : [];
        ip('-n', end.netns, 'address', 'add', address, 'dev', end.device, ...nodad);
      }
    }
    for (const end of [a, b]) ip('-n', end.netns, 'link', 'set', end.device, 'up');
  }

  /** `ip` inside a namespace: `lab.ip(ns, 'link', 'del', 'veth0')`. */
  ip(netns: string, ...args: string[]): string {
    return ip('-n', netns, ...args);
  }

  /** Runs a program inside a namespace to its end. @returns what it wrote @throws Error if it fails */
  run(netns: string, program: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', netns, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  }

  /** Starts a program inside a namespace; it is killed by `close` if it still runs then. */
  start(netns: string, program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', netns, program, ...args], options);
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  /** Runs a program inside a namespace while this process goes on. */
  async finish(netns: string, program: string, ...args: string[]): Promise<Finished> {
    const child = this.start(netns, program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = ['', ''];
    for (const [index, stream] of [child.stdout, child.stderr].entries()) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        texts[index] += text;
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout: texts[0], stderr: texts[1] };
  }

  /** Runs a Node script (its text) inside a namespace while this process goes on. @throws Error if it fails */
  async node(netns: string, script: string, ...args: string[]): Promise<string> {
    const done = await this.finish(netns, process.execPath, '--input-type=module', '-e', script, '--', ...args);
    if (done.code !== 0) throw new Error(`script ended with code ${done.code}: ${done.stderr}`);
    return done.stdout;
  }

  /** Starts a Node script inside a namespace and waits for its first output ('ready' or a port, say). */
  async serve(netns: string, script: string, ...args: string[]): Promise<{ child: ChildProcess; first: string }> {
    const child = this.start(netns, process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`script ended with code ${code} before it said anything`);
    });
    const said = once(child.stdout!, 'data').then(([data]) => String(data).trim());
    const first = await Promise.race([said, exited]);
    exited.catch(() => undefined);
    return { child, first };
  }

  counters(netns: string, device: string): DeviceCounters {
    const [link] = JSON.parse(ip('-n', netns, '-j', '-s', 'link', 'show', 'dev', device));
    const { rx, tx } = link.stats64;
    return { receivedPackets: rx.packets, receivedBytes: rx.bytes, sentPackets: tx.packets, sentBytes: tx.bytes };
  }

  /** Ends what was started and removes the namespaces. */
  async close(): Promise<void> {
    process.off('exit', this.onExit);
    const ends = [...this.children].map((child) => once(child, 'exit'));
    this.cleanUp();
    await Promise.all(ends);
  }

  private cleanUp(): void {
    for (const child of this.children) child.kill('SIGKILL');
    for (const name of this.namespaces.splice(0)) {
      try {
        ip('netns', 'del', name);
      } catch {
        // Already gone: a test may have removed it.
      }
    }
  }
}

/** The file that stands for a namespace made by `ip netns`. */
export function netnsPath(full: string): string {
  return `/run/netns/${full}`;
}

/** Two hosts and a cable: `left` has 10.77.0.1 at its device `l0`, `right` 10.77.0.2 at `r0` (fd77::1, fd77::2 with IPv6). */
export function twoHosts(options: { ipv6?: boolean } = {}): { lab: Lab; left: string; right: string } {
  const lab = new Lab();
  const left = lab.netns('left', options);
  const right = lab.netns('right', options);
  const addresses = (n: number): string[] => [`10.77.0.${n}/24`, ...(options.ipv6 === true ? [`fd77::${n}/64`] : [])];
  lab.cable(
    { netns: left, device: 'l0', addresses: addresses(1), mac: '02:00:00:00:00:01' },
    { netns: right, device: 'r0', addresses: addresses(2), mac: '02:00:00:00:00:02' },
  );
  return { lab, left, right };
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
