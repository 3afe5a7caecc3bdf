import { chownSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { RheoError } from '../core/errors.js';
import { RpcCounters } from '../rpc/counters.js';
import type { Loss } from '../rpc/service.js';
import { defaultSocketPath } from '../rpc/socket-path.js';
import { type Listener, listenUnix, type TransportContext } from '../rpc/unix-server.js';
import { ServiceManager, watchdogInterval } from '../system/notify.js';
import { type Account, Capability, dropPrivileges, findAccount, giveOpenFiles } from '../system/privileges.js';
import type { LoadedConfig } from './config/load.js';
import type { Config } from './config/schema.js';
import { Daemon } from './daemon/daemon.js';
import { type Log, openLog } from './log.js';
import { PidFile } from './pid-file.js';
import { Signals } from './signals.js';

export interface RunOptions {
  /** Reads the configuration; again at each reload. */
  load(): LoadedConfig;
  version: string;
  /** For the log, first of all. */
  warnings: readonly string[];
  environment: NodeJS.ProcessEnv;
}

const STATUS_MS = 10_000;
/** What still holds the process when everything is closed is left behind after so long. */
const LINGER_MS = 500;

/**
 * `rheo run`: the process around a daemon. Opens what needs rights (log, pid file, control, targets), gives the rights up,
 * starts the threads, and stays until it is told to stop.
 * @returns the exit code
 * @throws RheoError what keeps it from starting; nothing is left open then
 */
export async function runDaemon(options: RunOptions): Promise<number> {
  const loaded = options.load();
  const { config } = loaded;
  const account = config.user === undefined ? undefined : findAccount(config.user, config.group);
  const log = openLog(config.log, options.environment);
  for (const warning of options.warnings) log.write('warn', warning);
  const run = new Run(options, config, account, log);
  try {
    return await run.run();
  } catch (error) {
    if (config.log.file !== undefined && error instanceof RheoError) log.write('fatal', error.message);
    throw error;
  } finally {
    log.close();
  }
}

class Run {
  readonly #config: Config;
  readonly #account: Account | undefined;
  readonly #log: Log;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #counters = new RpcCounters();
  readonly #daemon: Daemon;
  #manager: ServiceManager | undefined;
  #timers: NodeJS.Timeout[] = [];
  /** Given up one after the other, the last one first. */
  #open: (() => void | Promise<void>)[] = [];

  constructor({ load, version, environment }: RunOptions, config: Config, account: Account | undefined, log: Log) {
    this.#config = config;
    this.#account = account;
    this.#log = log;
    this.#environment = environment;
    this.#daemon = new Daemon({
      config,
      version,
      control: this.#counters,
      readConfig: async () => load().config,
      log: (level, message) => log.write(level, message),
      logLevel: (level) => {
        if (level !== undefined) log.setLevel(level);
        return log.level;
      },
      beforeThreads: () => this.#giveUpRights(),
    });
  }

  async run(): Promise<number> {
    const daemon = this.#daemon;
    const signals = new Signals({
      stop: () => this.#stop(),
      force: (code) => this.#force(code),
      reload: () => this.#reload(),
      statistics: () => this.#dumpStatistics(),
      fatal: (error) => this.#log.write('fatal', `internal error, please report it: ${error.stack ?? error.message}`),
    });
    try {
      await this.#start(signals);
      const loss = await daemon.ended;
      this.#lastWords(loss);
    } finally {
      for (const timer of this.#timers) clearInterval(timer);
      for (const close of this.#open.reverse()) await close();
      signals.close();
    }
    const { failure } = daemon;
    const exitCode = failure === undefined ? signals.exitCode : failure.exitCode;
    setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
    if (failure !== undefined) throw failure;
    return exitCode;
  }

  async #start(signals: Signals): Promise<void> {
    const { NOTIFY_SOCKET: notifySocket } = this.#environment;
    if (notifySocket !== undefined && notifySocket !== '') {
      const manager = new ServiceManager(notifySocket);
      this.#manager = manager;
      this.#open.push(() => manager.close());
    }
    // First of all: a second daemon shall touch nothing of the first one.
    await this.#listen();
    const { pidFile } = this.#config;
    if (pidFile !== undefined) {
      const file = new PidFile(pidFile);
      this.#open.push(() => file.remove());
      if (this.#account !== undefined) chownSync(pidFile, this.#account.uid, this.#account.gid);
    }
    await this.#daemon.start();
    if (signals.stopping) await this.#daemon.stop();
    else this.#ready();
  }

  async #listen(): Promise<void> {
    const { socket, group, http } = this.#config.control;
    const context: TransportContext = {
      service: this.#daemon.service,
      counters: this.#counters,
      log: (level, message) => this.#log.write(level, message),
    };
    const file = socket ?? defaultSocketPath(this.#environment);
    const made = this.#makeFolder(path.dirname(file));
    this.#keep(await listenUnix(context, { path: file, group }));
    if (this.#account !== undefined) {
      // So that the socket can be taken away when the rights are gone.
      chownSync(file, this.#account.uid, -1);
      if (made !== undefined) chownSync(path.dirname(file), this.#account.uid, this.#account.gid);
    }
    const { listen, tlsCert, tlsKey, clientCa, tokenFile, allowedHosts } = http;
    if (listen === undefined) return;
    // Most daemons need no web server.
    const { listenHttp } = await import('../rpc/http-server.js');
    const tls =
      tlsCert === undefined || tlsKey === undefined
        ? undefined
        : { certFile: tlsCert, keyFile: tlsKey, clientCaFile: clientCa };
    this.#keep(await listenHttp(context, { listen, tokenFile, tls, hosts: allowedHosts }));
  }

  /** Makes the socket's folder; gives undefined if it was there, or cannot be made, which the listener tells better. */
  #makeFolder(folder: string): string | undefined {
    try {
      return mkdirSync(folder, { recursive: true, mode: 0o755 });
    } catch {
      return undefined;
    }
  }

  #keep(listener: Listener): void {
    this.#open.push(() => listener.close());
    this.#log.write('info', `control on ${listener.address}`);
  }

  #giveUpRights(): void {
    const { observe, netns, interfaces } = this.#config;
    const account = this.#account;
    if (account !== undefined) giveOpenFiles(account);
    const piped = interfaces.includes('-');
    if (process.platform !== 'linux' || (piped && account === undefined)) return;
    const keep: Capability[] = piped ? [] : [Capability.netRaw, Capability.netAdmin];
    if (observe === 'ebpf') keep.push(Capability.bpf, Capability.perfmon);
    // To open a ring again in another namespace.
    if (netns !== undefined) keep.push(Capability.sysAdmin);
    this.#log.write('info', `runs as ${dropPrivileges(account, keep)}`);
  }

  #ready(): void {
    const manager = this.#manager;
    if (manager === undefined) return;
    manager.ready(this.#status());
    this.#timers.push(setInterval(() => manager.status(this.#status()), STATUS_MS));
    const interval = watchdogInterval(this.#environment);
    if (interval === undefined) return;
    // A thread that hangs is as bad as a main thread that does: then the service manager shall start all anew.
    const sign = (): void => {
      if (this.#daemon.hanging.length === 0) manager.alive();
    };
    sign();
    this.#timers.push(setInterval(sign, interval));
  }

  #status(): string {
    const { packets, flows, verdict } = this.#daemon.ledger();
    return `${packets} packets, ${flows.live} flows. ${verdict}`;
  }

  #stop(): void {
    this.#manager?.stopping('handing out all flows');
    void this.#daemon.stop();
  }

  /** Flows are lost and counted; what does not close in time is left. */
  #force(code: number): void {
    this.#log.write('warn', 'told to stop again: flows in the table are lost');
    void this.#daemon.exitNow();
    setTimeout(() => {
      this.#log.close();
      process.exit(code);
    }, 2 * LINGER_MS);
  }

  async #reload(): Promise<void> {
    this.#manager?.reloading();
    this.#log.reopen();
    try {
      const { changed, needsRestart } = await this.#daemon.service.reload();
      if (changed.length + needsRestart.length === 0)
        this.#log.write('info', 'configuration read again: nothing has changed');
    } catch (error) {
      const { message } = error as Error;
      this.#log.write('error', `the configuration is not taken on, the one before stays in force: ${message}`);
    }
    this.#manager?.ready(this.#status());
  }

  async #dumpStatistics(): Promise<void> {
    const statistics = await this.#daemon.service.statistics();
    this.#log.write('info', 'statistics', { statistics });
    this.#daemon.logStatistics();
  }

  #lastWords(loss: Loss): void {
    const { packets, decoded, refused, dropped, flows, records, targets, verdict } = loss;
    const accounts = targets.map(({ url, received, sent, dropped: lost }) => ({ url, received, sent, dropped: lost }));
    const fields = { packets, decoded, refused, dropped, flows, records, targets: accounts };
    this.#log.write(loss.balanced ? 'info' : 'error', `last summary: ${verdict}`, fields);
  }
}
