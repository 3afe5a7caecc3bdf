import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab, netnsMissing } from '../support/netns.js';
import { NotifySocket } from '../support/notify-socket.js';
import { projectRoot } from '../support/shared.js';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const sample = readFileSync(
  path.join(
    projectRoot,
    'samples',
    readdirSync(path.join(projectRoot, 'samples')).find((name) => /\.pcap(ng)?$/.test(name)) ?? '',
  ),
);
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-run-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const linux = process.platform === 'linux' ? false : 'needs Linux';
let count = 0;

interface Line {
  level: string;
  msg: string;
  [name: string]: unknown;
}

/** `rheo run` as a child, its log, and a service manager that it tells. */
class Daemon {
  readonly folder = path.join(folder, String(count++));
  readonly socket = path.join(this.folder, 'control.sock');
  readonly child: ChildProcess;
  readonly manager: NotifySocket;
  readonly told: string[] = [];
  readonly #closed: Promise<unknown>;
  #log = '';

  constructor(
    context: TestContext,
    args: readonly string[],
    options: { environment?: NodeJS.ProcessEnv; lab?: [Lab, string] } = {},
  ) {
    // Abstract names end at the border of a network namespace.
    this.manager = new NotifySocket(options.lab === undefined ? 'abstract' : 'path');
    const environment = {
      PATH: process.env.PATH,
      HOME: this.folder,
      RHEO_CONTROL_SOCKET: this.socket,
      NOTIFY_SOCKET: this.manager.name,
      ...options.environment,
    };
    const command = [main, 'run', ...args];
    this.child =
      options.lab === undefined
        ? spawn(process.execPath, command, { env: environment, stdio: 'pipe' })
        : options.lab[0].start(options.lab[1], process.execPath, command, { env: environment, stdio: 'pipe' });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    this.child.stdin?.on('error', () => {});
    this.#closed = once(this.child, 'close');
    context.after(() => {
      this.child.kill('SIGKILL');
      this.manager[Symbol.dispose]();
    });
  }

  get errors(): string {
    return this.#log;
  }

  get log(): Line[] {
    return this.#log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
  }

  has(message: RegExp): boolean {
    return this.log.some(({ msg }) => message.test(msg));
  }

  /** Waits until it is so; how long is for the test's time limit. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      this.told.push(...this.manager.take());
      if (isSo()) return;
      if (this.child.exitCode !== null) assert.fail(`ended with ${this.child.exitCode} before ${what}:\n${this.#log}`);
      await sleep(20);
    }
  }

  ready(times = 1): Promise<void> {
    return this.until(`READY ${times}`, () => this.told.filter((text) => text.startsWith('READY=1')).length >= times);
  }

  logged(message: RegExp): Promise<void> {
    return this.until(String(message), () => this.has(message));
  }

  async end(): Promise<number | null> {
    await this.#closed;
    this.told.push(...this.manager.take());
    return this.child.exitCode;
  }
}

const limit = { timeout: 30_000 };

test('reads packets from a pipe, tells its manager, answers, hands all out when the pipe ends', {
  ...limit,
  skip: linux,
}, async (t) => {
  const records = path.join(folder, 'records.ndjson');
  const daemon = new Daemon(t, ['--export', `file:${records}`, '-']);
  daemon.child.stdin?.write(sample);
  await daemon.ready();
  assert.ok(existsSync(daemon.socket));
  daemon.child.stdin?.end();
  assert.equal(await daemon.end(), 0);
  assert.ok(!existsSync(daemon.socket));
  const last = daemon.log.at(-1) as Line;
  assert.match(last.msg, /^last summary: /);
  assert.ok((last.packets as number) > 0);
  assert.equal(readFileSync(records, 'utf8').trimEnd().split('\n').length, last.records);
});

for (const [signal, code] of [
  ['SIGTERM', 0],
  ['SIGINT', 130],
] as const) {
  test(`${signal}: all flows are handed out, socket and pid file are gone, exit ${code}`, {
    ...limit,
    skip: linux,
  }, async (t) => {
    const pidFile = path.join(folder, `${signal}.pid`);
    const daemon = new Daemon(t, ['--pid-file', pidFile, '--statistics-interval', '100ms', '-']);
    daemon.child.stdin?.write(sample);
    await daemon.ready();
    await daemon.logged(/^[1-9]\d* packets/);
    assert.equal(readFileSync(pidFile, 'utf8'), `${daemon.child.pid}\n`);
    const begun = performance.now();
    daemon.child.kill(signal);
    assert.equal(await daemon.end(), code);
    t.diagnostic(`stopped in ${Math.round(performance.now() - begun)} ms`);
    assert.ok(daemon.told.some((text) => text.startsWith('STOPPING=1')));
    assert.ok(!existsSync(pidFile));
    assert.ok(!existsSync(daemon.socket));
    const { flows, records } = daemon.log.at(-1) as unknown as {
      flows: { opened: number; live: number };
      records: number;
    };
    assert.equal(flows.live, 0);
    assert.ok(flows.opened > 0 && records >= flows.opened);
  });
}

test('a second signal forces the end', { ...limit, skip: linux }, async (t) => {
  const daemon = new Daemon(t, ['-']);
  daemon.child.stdin?.write(sample);
  await daemon.ready();
  // Both are there before either is worked on.
  daemon.child.kill('SIGSTOP');
  daemon.child.kill('SIGTERM');
  daemon.child.kill('SIGINT');
  daemon.child.kill('SIGCONT');
  assert.ok([130, 143].includes((await daemon.end()) ?? -1));
  assert.ok(daemon.has(/told to stop again/));
});

test('SIGHUP takes on what it can, says what needs a restart, and keeps all if the file is wrong', {
  ...limit,
  skip: linux,
}, async (t) => {
  const file = path.join(folder, 'reload.yaml');
  const write = (text: string): void => writeFileSync(file, text);
  write('idleTimeout: 30s\nlog: { level: info }\n');
  const daemon = new Daemon(t, ['-c', file, '--snap-length', '500', '-']);
  daemon.child.stdin?.write(sample);
  await daemon.ready();
  write('idleTimeout: 10s\nmaxFlows: 5000\nsnapLength: 1000\nlog: { level: debug }\n');
  daemon.child.kill('SIGHUP');
  await daemon.ready(2);
  const reloading = daemon.told.find((text) => text.startsWith('RELOADING=1'));
  assert.match(reloading ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+$/m);
  await daemon.logged(/these need a restart: maxFlows$/);
  assert.ok(daemon.has(/changed: .*log\.level.*timeouts\.tcp/) || daemon.has(/changed: .*timeouts\.tcp.*log\.level/));
  write('idleTimeout: 10s\nmaxFlows: lots\n');
  daemon.child.kill('SIGHUP');
  await daemon.ready(3);
  await daemon.logged(/the configuration is not taken on.*reload\.yaml:2:11: maxFlows: expected a whole number/);
  daemon.child.kill('SIGTERM');
  assert.equal(await daemon.end(), 0);
});

test('SIGUSR1 writes statistics to the log, --statistics-interval a line now and then', {
  ...limit,
  skip: linux,
}, async (t) => {
  const daemon = new Daemon(t, ['--statistics-interval', '200ms', '-']);
  daemon.child.stdin?.write(sample);
  await daemon.ready();
  await daemon.logged(/^\d+ packets, \d+ of them in flows/);
  daemon.child.kill('SIGUSR1');
  await daemon.logged(/^statistics$/);
  const { statistics } = daemon.log.find(({ msg }) => msg === 'statistics') as unknown as {
    statistics: { protocols: unknown };
  };
  assert.ok(Array.isArray(statistics.protocols));
});

test('the watchdog gets signs of life', { ...limit, skip: linux }, async (t) => {
  const daemon = new Daemon(t, ['-'], { environment: { WATCHDOG_USEC: '200000' } });
  daemon.child.stdin?.write(sample.subarray(0, 24));
  await daemon.until('three signs', () => daemon.told.filter((text) => text === 'WATCHDOG=1').length >= 3);
});

test('a second daemon on the same socket is refused and leaves the first one alone; a stale one is replaced', {
  ...limit,
  skip: linux,
}, async (t) => {
  const first = new Daemon(t, ['-']);
  first.child.stdin?.write(sample);
  await first.ready();
  const second = new Daemon(t, ['--control-socket', first.socket, '--pid-file', path.join(folder, 'second.pid'), '-']);
  assert.equal(await second.end(), 1);
  assert.match(second.errors, /a daemon answers on .* already \(process \d+\)/);
  assert.ok(!existsSync(path.join(folder, 'second.pid')));
  const client = connect(first.socket);
  await once(client, 'connect');
  client.destroy();
  first.child.kill('SIGKILL');
  await once(first.child, 'close');
  assert.ok(existsSync(first.socket));
  const third = new Daemon(t, ['--control-socket', first.socket, '-']);
  third.child.stdin?.write(sample);
  await third.ready();
});

test('a pid file of a process that is alive is refused, of a dead one replaced', {
  ...limit,
  skip: linux,
}, async (t) => {
  const pidFile = path.join(folder, 'taken.pid');
  writeFileSync(pidFile, `${process.pid}\n`);
  const daemon = new Daemon(t, ['--pid-file', pidFile, '-']);
  assert.equal(await daemon.end(), 1);
  assert.match(daemon.errors, new RegExp(`names process ${process.pid}, which is alive`));
  assert.equal(readFileSync(pidFile, 'utf8'), `${process.pid}\n`);
  assert.ok(!existsSync(daemon.socket));
  writeFileSync(pidFile, '999999999\n');
  const other = new Daemon(t, ['--pid-file', pidFile, '-']);
  other.child.stdin?.write(sample);
  await other.ready();
  assert.equal(readFileSync(pidFile, 'utf8'), `${other.child.pid}\n`);
});

test('what is wrong at the start is told, with exit code 2 for wrong use', { ...limit, skip: linux }, async (t) => {
  for (const [args, code, text] of [
    [['--http-listen', '0.0.0.0:0', '-'], 2, /--http-listen: .* needs TLS/],
    [['--user', 'no-such-user', '-'], 2, /there is no user 'no-such-user'/],
    [['-c', '/no/such.yaml', '-'], 1, /no such file/],
    [['tcp', 'prot', '1'], 2, /filter: column/],
    [['-i', 'lo', '-'], 2, /goes with no --interface/],
    [['--export', 'file:/no/such/x.csv', '-'], 1, /no\/such/],
    [['--control-socket', '/proc/x.sock', '-'], 1, /cannot listen on/],
  ] as const) {
    const daemon = new Daemon(t, args);
    assert.equal(await daemon.end(), code, daemon.errors);
    assert.match(daemon.errors, text);
    assert.doesNotMatch(daemon.errors, /internal error/);
  }
});

test('a variable that means nothing is told', { ...limit, skip: linux }, async (t) => {
  const daemon = new Daemon(t, ['-'], { environment: { RHEO_THREDS: '2' } });
  daemon.child.stdin?.write(sample);
  await daemon.logged(/the variable RHEO_THREDS means nothing\. Did you mean RHEO_THREADS\?/);
});

test('observes an interface with the rights of nobody', { ...limit, skip: netnsMissing() }, async (t) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const netns = lab.netns('run');
  // Not the folder of the tests: nobody has no rights there.
  const open = mkdtempSync('/tmp/rheo-run-open-');
  t.after(() => rmSync(open, { recursive: true }));
  chmodSync(open, 0o1777);
  const file = path.join(open, 'records.ndjson');
  const pidFile = path.join(open, 'pid');
  const socket = path.join(open, 'rheo', 'control.sock');
  const daemon = new Daemon(
    t,
    [
      '-i',
      'lo',
      '--user',
      'nobody',
      '--export',
      `file:${file}`,
      '--pid-file',
      pidFile,
      '--control-socket',
      socket,
      'icmp',
    ],
    { lab: [lab, netns] },
  );
  await daemon.ready();
  const tasks = `/proc/${readFileSync(pidFile, 'utf8').trim()}/task`;
  for (const task of readdirSync(tasks)) {
    const status = readFileSync(`${tasks}/${task}/status`, 'utf8');
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    // CAP_NET_ADMIN and CAP_NET_RAW, or none.
    assert.match(status, /^CapPrm:\t0000000000003000$|^CapPrm:\t0{16}$/m);
  }
  lab.run(netns, 'ping', '-c', '3', '-i', '0.1', '127.0.0.1');
  daemon.child.kill('SIGTERM');
  assert.equal(await daemon.end(), 0, daemon.errors);
  const lines = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { proto: string });
  assert.ok(lines.length > 0 && lines.every(({ proto }) => proto === 'icmp'));
  assert.ok(!existsSync(pidFile) && !existsSync(socket));
});
