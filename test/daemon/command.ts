import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect } from '../../src/rpc/client.js';
import type { Loss } from '../../src/rpc/service.js';
import type { Finished, Lab } from '../support/netns.js';

/** The compiled command. */
export const RHEO: readonly string[] = [process.execPath, path.resolve(import.meta.dirname, '../../src/cli/main.js')];

interface Line {
  level: string;
  msg: string;
  [name: string]: unknown;
}

/** The accounts in the last line of the log. */
export interface LastSummary {
  packets: number;
  decoded: number;
  refused: Record<string, number>;
  dropped: number;
  flows: { opened: number; live: number; ended: Record<string, number> };
  records: number;
  targets: { url: string; received: number; sent: number; dropped: Record<string, number> }[];
  msg: string;
}

export interface CommandOptions {
  /** Namespace that the process runs in; else that of the test. */
  inside?: [Lab, string];
  /** Program and its first arguments. */
  rheo?: readonly string[];
  environment?: NodeJS.ProcessEnv;
  /** Standard input. */
  input?: 'pipe' | number;
  folder?: string;
}

/** Runs a program to its end. */
export async function finish(command: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = spawn(command[0], command.slice(1), {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (part: Buffer) => parts[0].push(part));
  child.stderr.on('data', (part: Buffer) => parts[1].push(part));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(parts[0]).toString(), stderr: Buffer.concat(parts[1]).toString() };
}

/** A folder that goes with the test; any user may look into it. */
export function folderOf(context: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-e2e-'));
  chmodSync(folder, 0o755);
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `rheo run` as a process of its own, as it is installed. */
export class DaemonProcess {
  readonly folder: string;
  readonly socket: string;
  readonly child: ChildProcess;
  private readonly rheo: readonly string[];
  private readonly closed: Promise<unknown>;
  private text = '';

  constructor(context: TestContext, args: readonly string[], options: CommandOptions = {}) {
    this.folder = options.folder ?? folderOf(context);
    this.socket = path.join(this.folder, 'control.sock');
    this.rheo = options.rheo ?? RHEO;
    const env = { PATH: process.env.PATH, HOME: this.folder, RHEO_CONTROL_SOCKET: this.socket, ...options.environment };
    const [program, ...first] = this.rheo;
    const command = [...first, 'run', ...args];
    const stdio = [options.input ?? 'ignore', 'ignore', 'pipe'] as const;
    this.child =
      options.inside === undefined
        ? spawn(program, command, { env, stdio: [...stdio] })
        : options.inside[0].start(options.inside[1], program, command, { env, stdio: [...stdio] });
    this.child.stderr?.on('data', (part: Buffer) => {
      this.text += part.toString();
    });
    this.child.stdin?.on('error', () => undefined);
    this.closed = once(this.child, 'close');
    context.after(() => this.child.kill('SIGKILL'));
  }

  /** What it has written to standard error. */
  get errors(): string {
    return this.text;
  }

  get log(): Line[] {
    const whole = this.text.slice(0, this.text.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
  }

  /** Waits until it is so; how long is for the test's time limit. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) {
      if (this.child.exitCode !== null) assert.fail(`ended with ${this.child.exitCode} before ${what}:\n${this.text}`);
      await sleep(20);
    }
  }

  logged(message: RegExp): Promise<void> {
    return this.until(String(message), () => this.log.some(({ msg }) => message.test(msg)));
  }

  /** Waits until packets are metered. */
  ready(): Promise<void> {
    return this.logged(/^observing with/);
  }

  /** A client of this process for its control socket. */
  connect(): Promise<Client> {
    return connect({ socket: this.socket });
  }

  /** `rheo ctl`, as a process. */
  ctl(...words: readonly string[]): Promise<Finished> {
    return finish([...this.rheo, 'ctl', ...words], { RHEO_CONTROL_SOCKET: this.socket });
  }

  /** `rheo ctl … --json`, of which one line is expected. */
  async ask<T>(...words: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.ctl(...words, '--json');
    assert.equal(code, 0, `ctl ${words.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Waits for the end. @returns the exit code */
  async end(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  /** Tells it to stop, and gives the last summary. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<LastSummary> {
    this.child.kill(signal);
    assert.equal(await this.end(), signal === 'SIGTERM' ? 0 : 130, this.text);
    return this.lastSummary;
  }

  get lastSummary(): LastSummary {
    const last = this.log.findLast(({ msg }) => msg.startsWith('last summary: '));
    assert.ok(last !== undefined, this.text);
    return last as unknown as LastSummary;
  }

  /** Most memory that the process has used so far, in bytes. */
  get peakMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Descriptors that the process has open. */
  get descriptors(): Promise<number> {
    return finish(['ls', `/proc/${this.child.pid}/fd`]).then(({ stdout }) => stdout.trim().split('\n').length);
  }
}

/** Asks for the ledger again and again, each time on what came meanwhile; every answer has to balance. */
export class LedgerWatch {
  asked = 0;
  /** Answers of which no two had the same number of packets. */
  different = 0;
  readonly faults: string[] = [];
  private readonly client: Client;
  private readonly done: Promise<void>;
  private over = false;

  constructor(client: Client) {
    this.client = client;
    this.done = this.run();
  }

  private async run(): Promise<void> {
    let packets = -1;
    while (!this.over) {
      const loss: Loss = await this.client.call('loss');
      this.asked++;
      if (loss.packets !== packets) this.different++;
      packets = loss.packets;
      if (!loss.balanced) this.faults.push(loss.imbalance.join('; '));
      await sleep(10);
    }
  }

  /** Ends it. @throws AssertionError if an answer did not balance */
  async end(): Promise<void> {
    this.over = true;
    await this.done;
    assert.deepEqual(this.faults, []);
  }
}

/** The records of a file of lines. */
export function recordsOf(file: string): Record<string, unknown>[] {
  const text = readFileSync(file, 'utf8');
  assert.ok(text === '' || text.endsWith('\n'), `${file} ends in the middle of a record`);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
