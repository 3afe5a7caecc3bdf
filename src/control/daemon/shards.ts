import { RheoError } from '../../core/errors.js';
import { RecordBatch, type RecordLayout } from '../../model/record-batch.js';
import type { ThreadHealth } from '../../rpc/service.js';
import type { ShardReport } from '../report.js';
import type { SamplerTask } from '../sample-road.js';
import { Accounts, addReports } from './accounts.js';
import { type DaemonClock, within } from './clock.js';
import { InterfaceTable } from './interfaces.js';
import type { LiveMessage, LiveOrder, LiveTask, ShardAnswer, ShardQuery } from './messages.js';
import {
  type Asker,
  type Client,
  FIRST_PAUSE_MS,
  newClient,
  type Pending,
  type SliceListener,
  takeGap,
  workerError,
} from './shard-client.js';
import type { ShardHost } from './shard-host.js';
import { reportOf, type ShardsReport } from './shards-report.js';

/** Longest pause before a shard that failed begins anew, in ms. */
const LAST_PAUSE_MS = 30_000;
/** A shard that has run so long is well again. */
const WELL_AFTER_MS = 60_000;
/** Accounts are asked for so long at the most; then those that were published last are taken. */
const REPORT_WAIT_MS = 500;
/** When one shard cannot begin, the others are waited for so long before they are ended by force. */
const GIVE_UP_MS = 1000;

export interface ShardsEars {
  /** Finished records, valid until the call returns or what it returns settles. */
  records(batch: RecordBatch): void | Promise<void>;
  event(level: 'info' | 'warn' | 'error', message: string): void;
  /** A life of a shard is over. */
  folded(shard: number): void;
  /** All shards have come to the end of their sources by themselves, or by a failure after which nothing can be begun anew. */
  ended(failure: RheoError | undefined): void;
}

/** The shards of a daemon, seen from the main thread: starts them, begins those anew that failed, asks them, adds them up. */
export class Shards {
  readonly interfaces: InterfaceTable = new InterfaceTable();
  layout: RecordLayout | undefined;
  private readonly clients: Client[];
  private readonly task: (shard: number) => Omit<LiveTask, 'accounts'>;
  private readonly host: ShardHost;
  private readonly clock: DaemonClock;
  private readonly ears: ShardsEars;
  private lastId = 0;
  private paused = false;
  private ending = false;
  /** What the shards sent and was not worked on yet, in order. */
  private readonly inbox: (() => void | Promise<void>)[] = [];
  private reading = false;

  constructor(
    count: number,
    task: (shard: number) => Omit<LiveTask, 'accounts'>,
    host: ShardHost,
    clock: DaemonClock,
    ears: ShardsEars,
  ) {
    this.task = task;
    this.host = host;
    this.clock = clock;
    this.ears = ears;
    this.clients = Array.from({ length: count }, (_, shard) => newClient(shard));
  }

  /** @throws RheoError if a source cannot be opened; then none is open */
  async start(): Promise<void> {
    try {
      await Promise.all(this.clients.map((client) => this.launch(client)));
    } catch (error) {
      await within(this.clock, GIVE_UP_MS, this.end('exit'));
      await this.kill();
      throw error;
    }
    // Only when all have joined their group may packets come, or a flow would be seen by two.
    for (const client of this.clients) this.order(client, { type: 'release' });
  }

  /** Comes back when the shard observes (but for `release`). */
  private launch(client: Client): Promise<void> {
    client.state = 'starting';
    client.accounts = new Accounts();
    client.received = 0;
    client.startedMs = this.clock.monotonicMs();
    return new Promise((ready, failed) => {
      let failure: RheoError | undefined;
      let done = false;
      let begun = false;
      const heard = (message: LiveMessage): void | Promise<void> => {
        switch (message.type) {
          case 'ready':
            this.layout ??= message.layout;
            client.state = 'running';
            begun = true;
            ready();
            return;
          case 'done':
            done = true;
            return;
          case 'error': {
            const { code, message: text, remedy } = message;
            failure = new RheoError(code, text, remedy === undefined ? {} : { remedy });
            return;
          }
          default:
            return this.hear(client, message);
        }
      };
      const task = this.task(client.shard);
      client.once = task.source.kind === 'pipe';
      client.handle = this.host.start(
        { ...task, accounts: client.accounts.memory },
        {
          message: (message) => this.receive(() => heard(message), message),
          gone: (error) => {
            this.receive(() => {
              failure ??= error === undefined ? undefined : workerError(client.shard, error);
              this.fold(client);
              if (begun) this.gone(client, done, failure);
              else {
                client.state = 'stopped';
                client.settled();
                failed(failure ?? workerError(client.shard, 'it ended before it began'));
              }
            });
          },
        },
      );
    });
  }

  /**
   * Records, and what must not overtake them, wait for their turn: one batch a turn of the event loop, so that timers,
   * clients and signals are heard meanwhile. All else is heard at once.
   */
  private receive(call: () => void | Promise<void>, message?: LiveMessage): void {
    if (message !== undefined && message.type !== 'records' && message.type !== 'done' && message.type !== 'error') {
      void call();
      return;
    }
    this.inbox.push(call);
    if (!this.reading) void this.readInbox();
  }

  private async readInbox(): Promise<void> {
    this.reading = true;
    for (let call = this.inbox.shift(); call !== undefined; call = this.inbox.shift()) {
      await call();
      if (this.inbox.length > 0) await this.clock.turn();
    }
    this.reading = false;
  }

  private hear(client: Client, message: LiveMessage): void | Promise<void> {
    switch (message.type) {
      case 'records':
        return this.takeRecords(client, message);
      case 'interfaces':
        for (const change of this.interfaces.tell(client.shard, message.interfaces)) this.ears.event('warn', change);
        return;
      case 'source':
        for (const warning of message.warnings.slice(client.warnings.length)) this.ears.event('warn', warning);
        client.damaged = message.damaged;
        client.warnings = message.warnings;
        return;
      case 'event':
        this.ears.event(message.level, message.message);
        return;
      case 'reported':
        this.take(client, message.id)?.answer(undefined);
        return;
      case 'answer':
        this.take(client, message.id)?.answer(message.answer);
        return;
      case 'refused':
        this.take(client, message.id)?.refuse(new RheoError(message.code, message.message));
        return;
      case 'slice': {
        const { id, buffer, block, seconds } = message;
        const more = (): void => this.order(client, { type: 'more', id, buffer });
        const { slice } = client.pending.get(id) ?? {};
        if (slice === undefined) more();
        else slice(block, seconds, more);
      }
    }
  }

  private takeRecords(client: Client, message: Extract<LiveMessage, { type: 'records' }>): void | Promise<void> {
    const { id, memory, count, quoted } = message;
    const batch = new RecordBatch(this.layout as RecordLayout, memory, quoted);
    batch.count = count;
    this.interfaces.renumber(client.shard, batch);
    client.received += count;
    const { handle } = client;
    const give = (): void => handle?.order({ type: 'give', id });
    const busy = this.ears.records(batch);
    if (busy === undefined) {
      give();
      return;
    }
    return busy.then(give, give);
  }

  private take(client: Client, id: number): Pending | undefined {
    const pending = client.pending.get(id);
    client.pending.delete(id);
    return pending;
  }

  /** A life of the shard is over: its accounts are kept. */
  private fold(client: Client): void {
    const report = client.accounts.read();
    const { received } = client;
    client.recordsDropped += report.recordsDropped;
    client.recordsLost += report.records - report.recordsDropped - received;
    const last: ShardReport = { ...report, live: 0, lost: report.live };
    client.past = client.past === undefined ? last : addReports(client.past, last);
    this.ears.folded(client.shard);
    this.interfaces.fold(client.shard, report.interfaces);
    client.handle = undefined;
    client.accounts = new Accounts();
    client.received = 0;
    const pending = [...client.pending.values()];
    client.pending.clear();
    for (const one of pending) one.refuse(workerError(client.shard, 'it ended before the answer was there'));
  }

  private gone(client: Client, done: boolean, failure: RheoError | undefined): void {
    if (failure !== undefined) client.lastError = failure.message;
    if (this.ending || done || client.once) {
      if (failure !== undefined) this.ears.event('error', failure.message);
      client.state = 'stopped';
      client.settled();
      if (!this.ending && this.clients.every(({ state }) => state === 'stopped')) this.ears.ended(failure);
      return;
    }
    const ranMs = this.clock.monotonicMs() - client.startedMs;
    if (ranMs > WELL_AFTER_MS) client.pauseMs = FIRST_PAUSE_MS;
    client.lastError ??= 'it ended without a word';
    this.restartLater(client);
  }

  private restartLater(client: Client): void {
    const { pauseMs } = client;
    client.state = 'restarting';
    client.restarts++;
    client.pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    const reason = client.lastError ?? '';
    this.ears.event('error', `thread ${client.shard} failed and begins anew in ${pauseMs / 1000} s: ${reason}`);
    client.cancelRestart = this.clock.after(pauseMs, () => {
      client.cancelRestart = undefined;
      this.launch(client).then(
        () => {
          this.order(client, { type: 'release' });
          if (this.paused) this.order(client, { type: 'pause', on: true });
          this.ears.event('info', `thread ${client.shard} observes again`);
        },
        (error: unknown) => {
          client.lastError = error instanceof Error ? error.message : String(error);
          if (this.ending) client.state = 'stopped';
          else this.restartLater(client);
        },
      );
    });
  }

  private order(client: Client, order: LiveOrder): void {
    client.handle?.order(order);
  }

  /** Shards that can be asked. */
  get running(): number[] {
    return this.clients.filter(({ state }) => state === 'running').map(({ shard }) => shard);
  }

  pause(on: boolean): void {
    this.paused = on;
    for (const client of this.clients) this.order(client, { type: 'pause', on });
  }

  /** Other packets are chosen for export from now on, as this says for each shard. */
  setSamplers(tasks: (shard: number) => SamplerTask[]): void {
    for (const client of this.clients) {
      if (client.handle !== undefined) this.order(client, { type: 'samplers', samplers: tasks(client.shard) });
    }
  }

  /** Timeouts in ns, as FlowMeter takes them. Shards that begin later get them with their task. */
  setTimeouts(idleNanos: Float64Array, activeNanos: number): void {
    for (const client of this.clients) this.order(client, { type: 'timeouts', idleNanos, activeNanos });
  }

  /** Asks one shard. With `slice`, the slices of a dump come there first. */
  ask(shard: number, query: ShardQuery, slice?: SliceListener): { answer: Promise<ShardAnswer>; cancel(): void } {
    const client = this.clients[shard];
    const id = ++this.lastId;
    const answer = new Promise<ShardAnswer>((resolve, reject) => {
      if (client.state !== 'running') {
        reject(workerError(shard, 'it does not run'));
        return;
      }
      client.pending.set(id, { answer: (given) => resolve(given as ShardAnswer), refuse: reject, slice });
      this.order(client, { type: 'query', id, query });
    });
    const cancel = (): void => {
      if (this.take(client, id) !== undefined) this.order(client, { type: 'cancel', id });
    };
    return { answer, cancel };
  }

  /** Asks all that run. */
  async askAll(query: ShardQuery): Promise<{ shard: number; answer: ShardAnswer }[]> {
    return Promise.all(this.running.map(async (shard) => ({ shard, answer: await this.ask(shard, query).answer })));
  }

  /** Has the accounts brought up to now. A shard that does not answer is not waited for. */
  async refresh(): Promise<void> {
    const asked = this.clients.filter(({ state }) => state === 'running');
    const answers = asked.map(
      (client) =>
        new Promise<void>((resolve) => {
          const id = ++this.lastId;
          const cancel = this.clock.after(REPORT_WAIT_MS, () => {
            client.pending.delete(id);
            resolve();
          });
          const over = (): void => {
            cancel();
            resolve();
          };
          client.pending.set(id, { answer: over, refuse: over, slice: undefined });
          this.order(client, { type: 'report', id });
        }),
    );
    await Promise.all(answers);
  }

  /** The accounts at this moment, all from between two batches. */
  report(): ShardsReport {
    return reportOf(this.clients, this.interfaces);
  }

  health(asker: Asker): ThreadHealth[] {
    return this.clients.map((client) => ({
      shard: client.shard,
      state: client.state === 'starting' ? 'restarting' : client.state,
      restarts: client.restarts,
      ...(client.lastError === undefined ? {} : { lastError: client.lastError }),
      longestGapMs: takeGap(client, asker),
      flows: client.handle === undefined ? 0 : client.accounts.read().live,
    }));
  }

  /** How often each shard has looked at its source; one that stands still hangs. */
  looks(): number[] {
    return this.clients.map(({ accounts }) => accounts.looks);
  }

  /** Ends all: drained and handed out, or (`exit`) at once. Comes back when they are gone. */
  async end(how: 'stop' | 'exit'): Promise<void> {
    this.ending = true;
    await Promise.all(
      this.clients.map(async (client) => {
        client.cancelRestart?.();
        if (client.handle === undefined) {
          client.state = 'stopped';
          return;
        }
        const gone = new Promise<void>((resolve) => {
          const before = client.settled;
          client.settled = () => {
            before();
            resolve();
          };
        });
        this.order(client, { type: how });
        await gone;
      }),
    );
  }

  /** Ends by force what still runs. */
  async kill(): Promise<void> {
    this.ending = true;
    await Promise.all(this.clients.map((client) => client.handle?.kill()));
  }
}
