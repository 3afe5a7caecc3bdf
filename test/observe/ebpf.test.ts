import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import type { LiveInterface, LiveSource } from '../../src/model/live-source.js';
import { type EbpfOptions, openEbpf } from '../../src/observe/ebpf/index.js';
import { Batch } from '../../src/packet/batch.js';
import { type Lab, netnsMissing, twoHosts } from '../support/netns.js';
import { ethernet, ipv4, udp, zeros } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';
import { RawSender } from '../support/raw-sender.js';
import { ebpfMissing } from './ebpf-support.js';
import { assertBalance, until } from './live-capture.js';

const skip = await ebpfMissing();
const noPrograms = ['iperf3', 'curl', 'ping'].find((name) => !hasProgram(name));

/** A record as it was handed out. */
interface Seen {
  packets: number;
  wire: number;
  octets: number;
  direction: number;
  /** Source port. */
  port: number;
  first: number;
  last: number;
}

/** A source, and all that comes out of it, in the background. The sums are held all the time. */
class Counted {
  readonly source: LiveSource;
  readonly seen: Seen[] = [];
  readonly done: Promise<void>;

  private constructor(source: LiveSource) {
    this.source = source;
    this.done = this.pull();
  }

  static async open(t: TestContext, options: EbpfOptions): Promise<Counted> {
    const source = await openEbpf(options);
    t.after(() => source.close());
    return new Counted(source);
  }

  of(name: string): LiveInterface {
    const found = this.source.statistics().find((one) => one.name === name);
    assert.ok(found, `${name} is among the interfaces`);
    return found;
  }

  get packets(): number {
    return this.seen.reduce((sum, { packets }) => sum + packets, 0);
  }

  /** Stops, drains, and holds the sums. */
  async end(): Promise<readonly LiveInterface[]> {
    this.source.stop();
    await this.done;
    const statistics = this.source.statistics();
    for (const one of statistics) {
      assert.equal(one.waiting, 0, `nothing waits at ${one.name}`);
      assertBalance(one);
    }
    await this.source.close();
    await this.source.close();
    assert.deepEqual(this.source.statistics(), statistics, 'the sums outlive the maps');
    return statistics;
  }

  private async pull(): Promise<void> {
    const batch = new Batch({ capacity: 50 });
    for (;;) {
      const count = this.source.fill(batch);
      const rest = batch.aggregates;
      assert.ok(rest && batch.hasFrameDirection);
      for (let i = 0; i < count; i++) {
        this.seen.push({
          packets: 1 + rest.packets[i],
          wire: batch.wire[i] + rest.wire[i],
          octets: batch.wire[i] - 14 + rest.octets[i],
          direction: batch.frameDirection[i],
          port: batch.view.getUint16(batch.offset[i] + 34),
          first: batch.seconds[i] + batch.nanos[i] / 1e9,
          last: rest.lastSeconds[i] + rest.lastNanos[i] / 1e9,
        });
      }
      if (count > 0) continue;
      for (const one of this.source.statistics()) assertBalance(one);
      if (!(await this.source.more())) return;
    }
  }
}

function frame(port: number, payload = 20): Uint8Array {
  return ethernet(ipv4('192.0.2.1', '192.0.2.2', 17, udp(port, 53, zeros(payload))));
}

async function traffic(lab: Lab, left: string, right: string): Promise<void> {
  const run = async (program: string, ...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await lab.finish(left, program, ...args);
    assert.equal(code, 0, `${program}: ${stdout}${stderr}`);
  };
  const web = await lab.serve(
    right,
    `import http from 'node:http';
     http.createServer((request, response) => response.end('x'.repeat(300000)))
       .listen(8080, '10.77.0.2', () => console.log('up'));`,
  );
  assert.equal(web.first, 'up');
  const server = lab.start(right, 'iperf3', ['-s', '-1', '--forceflush'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(server, 'exit');
  await once(server.stdout!, 'data');
  await Promise.all([
    run('iperf3', '-c', '10.77.0.2', '-n', '20M', '-P', '2', '--bidir'),
    run('ping', '-c', '10', '-i', '0.02', '-s', '3000', '10.77.0.2'),
    run('curl', '-s', '-o', '/dev/null', 'http://10.77.0.2:8080/'),
  ]);
  await exited;
}

test('packets and bytes of iperf3, curl and ping are those that the interface itself counts', {
  skip: skip || (noPrograms !== undefined && `${noPrograms} is missing`),
  timeout: 60_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const before = lab.counters(right, 'r0');
  const capture = await Counted.open(t, { interfaces: ['r0'], netns: right });
  await traffic(lab, left, right);
  const after = lab.counters(right, 'r0');
  const [r0] = await capture.end();
  assert.equal(r0.received, after.receivedPackets - before.receivedPackets);
  assert.equal(r0.transmitted, after.sentPackets - before.sentPackets);
  const bytes = after.receivedBytes + after.sentBytes - before.receivedBytes - before.sentBytes;
  assert.equal(r0.bytes, bytes);
  assert.equal(capture.packets, r0.packets);
  assert.equal(
    capture.seen.reduce((sum, { wire }) => sum + wire, 0),
    bytes,
  );
  assert.ok(r0.packets > 500 && capture.seen.length < r0.packets / 2, 'packets are gathered');
  assert.ok(r0.superFrames > 0 && r0.segments > 2 * r0.superFrames, 'offload is told');
});

test('nothing is lost while maps are exchanged, and each record is right', { skip, timeout: 60_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  // Some ten thousand records, for some ten thousand flows a second.
  const capture = await Counted.open(t, { interfaces: ['r0'], netns: right, memory: 4 << 20 });
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  const ROUNDS = 400;
  const NEW = 100;
  const TIMES = 3;
  const began = Date.now() / 1000;
  for (let round = 0; round < ROUNDS; round++) {
    // Each flow has a packet in so many rounds; each round has some new ones.
    for (let n = 0; n < TIMES * NEW; n++) {
      const port = 1000 + round * NEW + n;
      while (!sender.send(frame(port, port % 50))) await nextTurn();
      // Packets come at all stages of an exchange.
      if (n % 30 === 0) await nextTurn();
    }
  }
  const ended = Date.now() / 1000;
  const [r0] = await capture.end();
  const all = ROUNDS * TIMES * NEW;
  assert.deepEqual([r0.packets, r0.dropped], [all, 0]);
  const flows = new Map<number, number[]>();
  for (const { port, packets, octets, wire, direction, first, last } of capture.seen) {
    const sum = flows.get(port) ?? [0, 0];
    flows.set(port, [sum[0] + packets, sum[1] + octets]);
    assert.equal(wire, octets + 14 * packets);
    assert.equal(direction, 1);
    assert.ok(first >= began - 1 && first <= last && last <= ended + 1, `${first} … ${last}`);
  }
  assert.equal(flows.size, (ROUNDS + TIMES - 1) * NEW);
  for (let port = 1000; port < 1000 + flows.size; port++) {
    const from = Math.min(1 + Math.floor((port - 1000) / NEW), TIMES);
    const to = Math.min(1 + Math.floor((1000 + flows.size - 1 - port) / NEW), TIMES);
    const packets = Math.min(from, to);
    assert.deepEqual(flows.get(port), [packets, packets * (28 + (port % 50))], `port ${port}`);
  }
  t.diagnostic(`${capture.seen.length} records of ${all} packets`);
  assert.ok(capture.seen.length < 0.7 * all, 'packets are gathered');
});

test('a flow that goes on, map after map', { skip, timeout: 30_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Counted.open(t, { interfaces: ['r0'], netns: right });
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  // Each map is filled again with records of the same flows in the same places, where old ones still lie.
  for (let round = 1; round <= 5; round++) {
    for (const port of [1, 2, 1]) assert.ok(sender.send(frame(port)));
    await until(`round ${round}`, () => capture.packets >= 3 * round);
  }
  const [r0] = await capture.end();
  assert.deepEqual([r0.packets, r0.dropped], [15, 0]);
  assert.deepEqual(
    capture.seen.map(({ port, packets }) => [port, packets]),
    Array.from({ length: 5 }, () => [
      [1, 2],
      [2, 1],
    ]).flat(),
  );
});

test('a map that is full: what it does not take is counted as dropped', { skip, timeout: 30_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Counted.open(t, { interfaces: ['r0'], netns: right, memory: 1 });
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  // In one go: the source, which lives in this thread, cannot exchange maps meanwhile.
  for (let port = 0; port < 3000; port++) assert.ok(sender.send(frame(1000 + port)));
  // A flow that has a record goes on.
  for (let n = 0; n < 100; n++) assert.ok(sender.send(frame(1000)));
  await until('all were counted', () => capture.of('r0').kernel >= 3100);
  const [r0] = await capture.end();
  assert.deepEqual([r0.kernel, r0.dropped], [3100, 3000 - 1023]);
  assert.equal(capture.source.counters.dropped, r0.dropped);
  assert.deepEqual([capture.seen.length, capture.packets], [1023, 1123]);
  assert.equal(capture.seen.find(({ port }) => port === 1000)?.packets, 101);
});

test('paused it counts nothing; afterwards it goes on', { skip, timeout: 30_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Counted.open(t, { interfaces: ['r0'], netns: right });
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  await sender.sendAll([frame(1), frame(1)]);
  capture.source.pause();
  await until('what came before the pause is there', () => capture.packets === 2);
  const clock = capture.source.now();
  await sender.sendAll([frame(2), frame(3)]);
  await until('time goes on', () => capture.source.now().seconds > clock.seconds);
  capture.source.resume();
  await until('it counts again', () => {
    sender.send(frame(4));
    return capture.of('r0').kernel > 2;
  });
  await capture.end();
  assert.deepEqual([...new Set(capture.seen.map(({ port }) => port))], [1, 4]);
});

test('an interface goes and comes back, another one comes', { skip, timeout: 30_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const capture = await Counted.open(t, { interfaces: ['r*'], netns: right });
  const send = async (device: string, port: number): Promise<void> => {
    const sender = new RawSender(left, device);
    await sender.sendAll([frame(port)]);
    sender.close();
  };
  await send('l0', 1);
  lab.ip(right, 'link', 'del', 'r0');
  await until('r0 is gone', () => capture.of('r0').state === 'gone');
  lab.cable({ netns: left, device: 'l0' }, { netns: right, device: 'r0' });
  lab.cable({ netns: left, device: 'l1' }, { netns: right, device: 'r1' });
  await until('both are up', () => ['r0', 'r1'].every((name) => interfaceOf(capture, name)?.state === 'up'));
  await send('l0', 2);
  await send('l1', 3);
  const statistics = await capture.end();
  assert.deepEqual(
    statistics.map(({ name, packets }) => [name, packets]),
    [
      ['r0', 2],
      ['r1', 1],
    ],
  );
  assert.deepEqual(
    capture.seen.map(({ port }) => port),
    [1, 2, 3],
  );
});

function interfaceOf(capture: Counted, name: string): LiveInterface | undefined {
  return capture.source.statistics().find((one) => one.name === name);
}

test('closed in the midst of packets', { skip, timeout: 30_000 }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const sender = new RawSender(left, 'l0');
  t.after(() => sender.close());
  for (let round = 0; round < 5; round++) {
    const capture = await Counted.open(t, { interfaces: ['r0'], netns: right, memory: 1 });
    for (let n = 0; n < 400; n++) sender.send(frame(n));
    for (let turn = 0; turn < round * 3; turn++) await nextTurn();
    await capture.source.close();
    await capture.done;
    assertBalance(capture.of('r0'));
  }
});

test('an interface that is not there', { skip: netnsMissing() }, async () => {
  await assert.rejects(
    openEbpf({ interfaces: ['nosuch0'] }),
    (error) =>
      error instanceof RheoError && error.code === ErrorCode.input && /no interface nosuch0/.test(error.message),
  );
  await assert.rejects(
    openEbpf({ interfaces: [] }),
    (error) => error instanceof RheoError && error.code === ErrorCode.usage,
  );
});
