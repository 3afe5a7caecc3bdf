import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InterfaceTable } from '../../../src/control/daemon/interfaces.js';
import { PacketSampling } from '../../../src/control/daemon/packet-sampling.js';
import { Targets } from '../../../src/control/daemon/targets.js';
import type { LiveInterface } from '../../../src/model/live-source.js';
import type { CounterSample } from '../../../src/model/packet-sample.js';
import type { Target } from '../../../src/model/target.js';
import type { LinkCounters } from '../../../src/system/link-counters.js';
import { SimClock } from '../../daemon/simulation/sim-clock.js';

function iface(name: string, kernelIndex: number): LiveInterface {
  return {
    index: 0,
    name,
    linkType: 1,
    snapLength: 0,
    kernelIndex,
    state: 'up',
    kernel: 0,
    packets: 0,
    bytes: 0,
    received: 0,
    transmitted: 0,
    dropped: 0,
    waiting: 0,
    superFrames: 0,
    segments: 0,
    duplicates: 0,
    sampledOneIn: 1,
    lastError: undefined,
  };
}

function targetOf(pollingMs: number): { target: Target; counters: CounterSample[] } {
  const counters: CounterSample[] = [];
  const accounts = { received: 0, sent: 0, dropped: {}, waiting: 0, messages: 0, bytes: 0, reconnects: 0 };
  const target: Target = {
    url: 'sflow://192.0.2.1',
    counters: accounts,
    state: 'up',
    lastError: undefined,
    samples: {
      wish: { oneIn: 10, headerBytes: 128, pollingMs },
      copies: 1,
      takePacket: () => assert.fail('there are no packets'),
      takeCounters: (sample) => {
        accounts.received++;
        accounts.sent++;
        counters.push(sample);
      },
      flush: () => undefined,
      room: () => undefined,
    },
    write: () => assert.fail('records are not for it'),
    sendTemplates: () => undefined,
    tick: () => undefined,
    close: async () => undefined,
  };
  return { target, counters };
}

/** Counters of a machine, and what was done to them. */
class Machine {
  readonly links = new Map<string, LinkCounters>();
  opened = 0;
  closed = 0;
  fails: string | undefined;

  add(name: string, octets: number): void {
    this.links.set(name, { name, counters: { ifInOctets: octets }, ethernet: undefined });
  }

  async open(): Promise<{ read(): Map<string, LinkCounters>; close(): void }> {
    this.opened++;
    // A namespace is looked at as it was when it was opened.
    const links = new Map(this.links);
    return {
      read: () => {
        if (this.fails !== undefined) throw new Error(this.fails);
        return links;
      },
      close: () => {
        this.closed++;
      },
    };
  }
}

function setUp(machine: Machine, countedByKernel = false) {
  const clock = new SimClock();
  const events: string[] = [];
  const event = (level: string, message: string): void => void events.push(`${level}: ${message}`);
  const targets = new Targets(clock, event);
  const interfaces = new InterfaceTable();
  const sampling = new PacketSampling({
    clock,
    targets,
    interfaces,
    openCounters: () => machine.open(),
    countedByKernel,
    seed: () => 1,
    event,
  });
  const pass = async (ms: number): Promise<void> => {
    for (const end = clock.monotonicMs() + ms; clock.monotonicMs() < end; ) {
      clock.advance(end - clock.monotonicMs());
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const join = async (target: Target): Promise<void> => {
    targets.add(target);
    await sampling.add([target]);
  };
  return { clock, events, targets, interfaces, sampling, pass, join };
}

test('counters of real interfaces go to each target at its own beat', async () => {
  const machine = new Machine();
  machine.add('eth0', 5);
  machine.add('eth1', 7);
  machine.add('other', 9);
  const { interfaces, targets, sampling, pass, join, clock } = setUp(machine);
  interfaces.tell(0, [iface('eth0', 3), iface('any', 0), iface('eth1', 4)]);
  const [often, seldom, never] = [targetOf(5000), targetOf(20_000), targetOf(0)];
  for (const { target } of [often, seldom, never]) await join(target);
  await pass(41_500);
  assert.deepEqual([often.counters.length, seldom.counters.length, never.counters.length], [18, 6, 0]);
  assert.deepEqual(
    often.counters.slice(0, 2).map(({ counters }) => [counters.ifIndex, counters.ifInOctets]),
    [
      [3, 5],
      [4, 7],
    ],
  );
  assert.deepEqual(targets.imbalance(), []);
  assert.equal(machine.opened, 1);
  sampling.remove([often.target, seldom.target, never.target]);
  assert.equal(machine.closed, 1);
  assert.deepEqual(clock.timers, []);
});

test('counters that cannot be read are told of once, and opened again', async () => {
  const machine = new Machine();
  machine.add('eth0', 5);
  const { interfaces, sampling, pass, join, events } = setUp(machine);
  interfaces.tell(0, [iface('eth0', 3)]);
  const { target, counters } = targetOf(1000);
  await join(target);
  await pass(2500);
  assert.equal(counters.length, 2);
  machine.fails = 'no buffer';
  await pass(25_000);
  assert.deepEqual(events, ['warn: the counters of interfaces cannot be read: no buffer']);
  assert.equal(counters.length, 2);
  assert.ok(machine.opened >= 2 && machine.opened <= 4, `${machine.opened}`);
  machine.fails = undefined;
  await pass(3000);
  assert.ok(counters.length > 2);
  sampling.close();
  assert.equal(machine.closed, machine.opened);
});

test('an interface that is not there any more: the namespace may be another one, and is opened again', async () => {
  const machine = new Machine();
  const { interfaces, sampling, pass, join } = setUp(machine);
  interfaces.tell(0, [iface('eth0', 3)]);
  const { target, counters } = targetOf(1000);
  await join(target);
  await pass(3000);
  assert.equal(counters.length, 0);
  machine.add('eth0', 5);
  await pass(15_000);
  assert.ok(counters.length > 0);
  assert.equal(machine.opened, 2);
  sampling.close();
  assert.equal(machine.closed, 2);
});

test('where the kernel counts flows, it is told that there are no packets', async () => {
  const { sampling, join, events } = setUp(new Machine(), true);
  await join(targetOf(0).target);
  assert.match(events.join(), /warn: the kernel counts flows/);
  sampling.close();
});
