import assert from 'node:assert/strict';
import { Daemon } from '../../../src/control/daemon/daemon.js';
import { readDump } from '../../../src/control/daemon/dump-format.js';
import type { Loss } from '../../../src/rpc/service.js';
import { FRAME_BYTES, writeFrame } from '../made-frames.js';
import { configOf } from '../support.js';
import { Random } from './random.js';
import { SimClock } from './sim-clock.js';
import { SimHost, type SimThread } from './sim-host.js';
import { SimTarget, TARGET_MODES } from './sim-target.js';

const MAX_FLOWS = 300;
const FLOWS = 500;
const TCP_FLAGS = [undefined, undefined, 0x02, 0x12, 0x10, 0x11, 0x04];
const FILTERS = [undefined, '', 'udp', 'src net 10.0.0.0/24', 'bytes > 100', 'not tcp', 'host 192.0.2.1 and age > 1s'];
/** The first two want the same packets. */
const SAMPLED = [1, 1, 7].map((oneIn, n) => `sflow://192.0.2.${n}?sampling=${oneIn}`);

export interface Outcome {
  loss: Loss;
  actions: number;
  /** What happened, by kind. */
  counts: Record<string, number>;
}

/**
 * A daemon with all of its components, in a world that a seed decides: packets, clock, interfaces that come and go, threads
 * that die, targets that are slow or broken, clients that ask and leave. Invariants are checked all along.
 */
class Simulation {
  private readonly random: Random;
  private readonly clock = new SimClock();
  private readonly host = new SimHost(this.clock);
  private readonly targets: SimTarget[] = [];
  private readonly daemon: Daemon;
  private readonly threads: number;
  private readonly counts: Record<string, number> = {};
  private readonly failures: unknown[] = [];
  private readonly unsubscribe: (() => void)[] = [];
  private busy = 0;
  private ended: Loss | undefined;
  /** Flows were forgotten, or lost with a thread: then packets of records are fewer than those decoded. */
  private forgotten = false;
  private openFails = false;

  constructor(seed: number) {
    this.random = new Random(seed);
    const { random } = this;
    this.threads = 1 + random.below(3);
    const config = configOf({
      threads: this.threads,
      maxFlows: MAX_FLOWS,
      whenFull: random.pick(['evict', 'refuse', 'early'] as const),
      activeTimeout: random.pick(['5s', '60s', 'never']),
      export: Array.from({ length: random.below(3) }, (_, n) => random.pick([`file:first${n}.ndjson`, SAMPLED[n]])),
      statisticsInterval: random.pick(['never', '7s']),
    });
    this.daemon = new Daemon({
      config,
      version: 'simulated',
      source: { kind: 'module', url: 'unused:', options: {} },
      host: this.host,
      clock: this.clock,
      seed: [random.below(1 << 30), random.below(1 << 30)],
      openTarget: async (url) => {
        if (this.openFails) throw new Error('the target cannot be opened');
        const target = new SimTarget(url, () => this.clock.turn());
        this.targets.push(target);
        return target;
      },
    });
    this.daemon.ended.then((loss) => {
      this.ended = loss;
    });
  }

  async run(actions: number): Promise<Outcome> {
    let started = false;
    this.track(
      this.daemon.start().then(() => {
        started = true;
      }),
    );
    for (let n = 0; !started && n < 1000; n++) await this.mechanics();
    assert.ok(started, 'the daemon did not start');
    for (let n = 0; n < actions; n++) {
      await this.action();
      this.check();
    }
    await this.end();
    return { loss: this.ended as Loss, actions, counts: this.counts };
  }

  /** Something of what always goes on: messages arrive, loops go on, time passes. */
  private async mechanics(): Promise<void> {
    const { random, clock } = this;
    const choices: (() => void)[] = [];
    for (const thread of this.host.threads) {
      if (thread.out.length > 0) choices.push(() => thread.out.shift()?.());
      if (thread.orders.length > 0) choices.push(() => thread.hear());
    }
    if (clock.turns.length > 0) {
      choices.push(() => clock.turns.splice(random.below(clock.turns.length), 1)[0].resume());
    }
    if (choices.length === 0 || random.chance(0.1)) choices.push(() => clock.advance(random.next() * 300));
    random.pick(choices)();
    // All that follows without waiting happens now.
    await new Promise((resolve) => setImmediate(resolve));
  }

  private async action(): Promise<void> {
    const { random } = this;
    const steps = random.below(12);
    for (let n = 0; n < steps; n++) await this.mechanics();
    const dice = random.next();
    if (dice < 0.45) this.traffic();
    else if (dice < 0.55) await this.pass();
    else if (dice < 0.85) this.ask();
    else this.fault();
    await new Promise((resolve) => setImmediate(resolve));
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  private get alive(): SimThread[] {
    return this.host.threads.filter(({ alive, source }) => alive && source !== undefined);
  }

  private traffic(): void {
    const { random } = this;
    this.count('traffic');
    const packets = random.chance(0.1) ? 900 : random.below(60);
    const spread = random.chance(0.3) ? FLOWS : 20;
    for (let n = 0; n < packets; n++) {
      const flow = random.below(spread);
      const bytes = new Uint8Array(FRAME_BYTES);
      writeFrame(bytes, 0, flow, random.chance(0.4), random.pick(TCP_FLAGS));
      if (random.chance(0.02)) bytes[12 + random.below(20)] = random.below(256);
      // Both directions of a flow go to the same shard.
      const shard = flow % this.threads;
      for (const thread of this.alive) {
        if (thread.shard === shard) thread.source?.offer(bytes, random.below(3), random.next() * 40);
      }
    }
  }

  /** Time passes, and all that is to be done meanwhile is done. */
  private async pass(): Promise<void> {
    this.count('pass');
    const { clock, random } = this;
    const until = clock.monotonicMs() + random.next() * (random.chance(0.2) ? 60_000 : 2000);
    while (clock.monotonicMs() < until) {
      for (const { resume } of clock.turns.splice(0)) resume();
      for (const thread of this.host.threads) {
        while (thread.orders.length > 0) thread.hear();
        for (const say of thread.out.splice(0)) say();
      }
      clock.advance(until - clock.monotonicMs());
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private fault(): void {
    const { random, host, clock } = this;
    const thread = this.alive.length > 0 ? random.pick(this.alive) : undefined;
    const kinds: Record<string, () => void> = {
      crash: () => {
        thread?.crash();
        this.forgotten = true;
      },
      sourceFails: () => {
        if (thread?.source !== undefined) thread.source.fails = new Error('the ring broke');
      },
      interfaceGoes: () => thread?.source?.vanish(random.below(3)),
      interfaceComes: () => thread?.source?.appear(random.below(3)),
      openingFails: () => {
        host.refusing = !host.refusing && random.chance(0.5);
      },
      clockStep: () => clock.set((random.next() - 0.5) * 7_200_000),
      target: () => {
        if (this.targets.length > 0) random.pick(this.targets).mode = random.pick(TARGET_MODES);
      },
      targetsOpening: () => {
        this.openFails = !this.openFails && random.chance(0.5);
      },
      reload: () => this.reload(),
    };
    const kind = random.pick(Object.keys(kinds));
    this.count(kind);
    kinds[kind]();
  }

  private reload(): void {
    const { random, daemon } = this;
    const before = daemon.config;
    const listed = [...before.export];
    const urls = ['file:a.ndjson', 'file:b.ndjson', 'file:c.ndjson', ...SAMPLED].filter(() => random.chance(0.5));
    const next = configOf({
      threads: this.threads,
      maxFlows: MAX_FLOWS,
      whenFull: before.whenFull,
      export: urls,
      activeTimeout: random.pick(['5s', '60s']),
      timeouts: { udp: random.pick(['1s', '30s']) },
      promiscuous: random.chance(0.5),
    });
    this.track(
      daemon.reload(next).catch((error: unknown) => {
        // All or nothing.
        assert.match(String(error), /cannot be opened/);
        assert.deepEqual(daemon.config.export, listed);
      }),
    );
  }

  /** Notes what goes wrong in something that nobody waits for. */
  private track(promise: Promise<unknown>): void {
    this.busy++;
    promise
      .catch((error: unknown) => this.failures.push(error))
      .finally(() => {
        this.busy--;
      });
  }

  /** A question: it may fail if a thread goes down meanwhile, but not in another way. */
  private async tolerant<T>(question: Promise<T>, look: (answer: T) => void): Promise<void> {
    let answer: T;
    try {
      answer = await question;
    } catch (error) {
      assert.match(String(error), /thread|stopping|queries at one time|dumps are being read/);
      this.count('unanswered');
      return;
    }
    look(answer);
  }

  private ask(): void {
    const { random } = this;
    const { service } = this.daemon;
    const filter = random.pick(FILTERS);
    const kinds: Record<string, () => Promise<unknown>> = {
      loss: () => this.tolerant(service.loss(), (loss) => this.checkLoss(loss)),
      health: () => this.tolerant(service.health(), () => undefined),
      metrics: () => this.tolerant(service.metrics(), (text) => assert.ok(text.includes('rheo_meter_packets_total'))),
      statistics: () =>
        this.tolerant(service.statistics(), ({ balanced, imbalance }) => assert.ok(balanced, String(imbalance))),
      flows: () => this.flows(filter),
      top: () =>
        this.tolerant(service.top(random.pick(['src', 'dstPort', 'proto,dst']), { filter, limit: 5 }), (top) => {
          assert.ok(top.length <= 6);
          for (const { flows, packets } of top) assert.ok(flows > 0 && packets >= flows);
        }),
      dump: () => this.dump(filter, random.chance(0.5) ? 'ndjson' : 'binary'),
      expire: () => this.tolerant(service.expire(filter), (count) => assert.ok(count <= MAX_FLOWS * 2)),
      delete: () => {
        this.forgotten = true;
        return this.tolerant(service.delete(filter), (count) => assert.ok(count <= MAX_FLOWS * 2));
      },
      timeouts: () =>
        service.setTimeouts({ idle: { udp: random.pick([500, 30_000]) }, active: random.pick([null, 4000]) }),
      stopGather: () => service.stopGather(),
      startGather: () => service.startGather(),
      templates: async () => service.sendTemplates(),
      subscribe: async () => {
        const broken = random.chance(0.2);
        const listen = (): void => {
          if (broken) throw new Error('the listener is broken');
        };
        const what = random.pick(['records', 'statistics', 'events'] as const);
        this.unsubscribe.push(service.subscribe(what, listen));
      },
      unsubscribe: async () => this.unsubscribe.pop()?.(),
    };
    const kind = random.pick(Object.keys(kinds));
    this.count(kind);
    this.track(kinds[kind]());
  }

  private async flows(filter: string | undefined): Promise<void> {
    const limit = 1 + this.random.below(40);
    const offset = this.random.below(10);
    await this.tolerant(
      this.daemon.service.flows({ filter, limit, offset, sort: 'packets' }),
      ({ flows, matched, scanned }) => {
        assert.ok(matched <= scanned);
        assert.equal(flows.length, Math.max(0, Math.min(limit, matched - offset)));
        const sizes = flows.map((flow) => Number(flow.packets) + Number(flow.reversePackets));
        assert.deepEqual(
          sizes,
          [...sizes].sort((x, y) => y - x),
        );
      },
    );
  }

  private async dump(filter: string | undefined, format: 'ndjson' | 'binary'): Promise<void> {
    const leaves = this.random.chance(0.3);
    const pieces: Uint8Array[] = [];
    const read = async (): Promise<boolean> => {
      for await (const piece of this.daemon.service.dump({ filter, format })) {
        pieces.push(piece);
        if (leaves) return false;
        // A slow reader.
        await this.clock.turn();
      }
      return true;
    };
    await this.tolerant(read(), (whole) => {
      if (!whole) return;
      const bytes = Buffer.concat(pieces);
      if (format === 'binary') for (const batch of readDump(bytes)) assert.ok(batch.count > 0);
      else {
        if (filter === 'udp') assert.ok(!/"proto":"(?!udp)/.test(bytes.toString()));
        const ids = bytes
          .toString()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line).id as string);
        assert.equal(new Set(ids).size, ids.length, 'a flow stands in the dump twice');
      }
    });
  }

  private check(): void {
    const [failure] = this.failures;
    if (failure !== undefined) throw failure;
    this.checkLoss(this.daemon.ledger());
    for (const thread of this.host.threads) assert.ok(thread.out.length < 10_000, 'messages pile up');
  }

  private checkLoss(loss: Loss): void {
    assert.deepEqual(loss.imbalance, []);
    assert.ok(loss.flows.live <= MAX_FLOWS + this.threads, `${loss.flows.live} flows live`);
    assert.ok(loss.packets <= this.given);
  }

  /** Packets that the sources have handed out. */
  private get given(): number {
    return this.host.threads.reduce((sum, { source }) => sum + (source?.counters.packets ?? 0), 0);
  }

  private async end(): Promise<void> {
    const { random, daemon } = this;
    const how = random.next();
    this.host.refusing = false;
    if (how < 0.2) {
      this.count('exit');
      this.forgotten = true;
      this.track(daemon.exitNow());
    } else {
      this.count('stop');
      this.track(daemon.stop());
      if (how < 0.35) {
        this.count('stop twice');
        this.forgotten = true;
        for (let n = random.below(50); n > 0; n--) await this.mechanics();
        this.track(daemon.stop());
      }
    }
    for (let n = 0; n < 20_000 && (this.ended === undefined || this.busy > 0); n++) {
      await this.mechanics();
      this.check();
    }
    assert.ok(this.ended !== undefined, 'the daemon did not stop');
    assert.equal(this.busy, 0, 'something was never answered');
    this.checkEnd(this.ended);
  }

  private checkEnd(loss: Loss): void {
    this.check();
    assert.equal(loss.flows.live, 0);
    assert.equal(loss.recordsWaiting, 0);
    for (const { waiting } of loss.interfaces) assert.equal(waiting, 0);
    for (const { alive, source } of this.host.threads)
      assert.ok(!alive && (source?.closed ?? true), 'a source is open');
    const given = this.given;
    for (const target of this.targets) {
      assert.ok(target.closed, `${target.url} was not closed`);
      assert.equal(new Set(target.ids).size, target.ids.length, 'a target was given a flow twice');
      const pool = [...target.pools.values()].reduce((sum, one) => sum + one, 0);
      assert.ok(pool <= given, `${pool} packets could be sampled of ${given}`);
    }
    assert.deepEqual(this.clock.timers, [], 'timers are left');
    if (!this.forgotten) {
      assert.equal(loss.flows.ended.lost, undefined, 'flows were lost though no thread died');
      assert.equal(loss.recordsLost, 0);
    }
    const forgotten = this.forgotten || loss.recordsDropped > 0 || loss.recordsLost > 0;
    for (const target of this.targets) {
      assert.ok(target.packets <= loss.decoded);
      if (target.samples !== undefined) {
        this.counts.samples = (this.counts.samples ?? 0) + target.counters.received;
        continue;
      }
      const all = target.ids.length === loss.records && target.counters.received === loss.records;
      if (all && !forgotten) assert.equal(target.packets, loss.decoded, 'packets of the records = packets decoded');
    }
  }
}

/** @throws AssertionError what does not hold; the same for the same seed */
export async function simulate(seed: number, actions = 300): Promise<Outcome> {
  return new Simulation(seed).run(actions);
}
