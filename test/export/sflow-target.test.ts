import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { openTarget } from '../../src/export/target.js';
import type { PacketSample } from '../../src/model/packet-sample.js';
import type { Target } from '../../src/model/target.js';
import { droppedOf, exportContext, until } from '../support/export-context.js';
import { ethernet, ip, udp, zeros } from '../support/packets.js';
import { SflowCollector as Collector } from '../support/sflow-collector.js';

const FRAME = ethernet(ip('10.0.0.1', '10.0.0.2', 17, udp(1000, 53, zeros(200))));

function sampleOf(changes: Partial<PacketSample> = {}): PacketSample {
  return {
    source: 3,
    direction: 1,
    link: 1,
    header: FRAME.slice(0, 128),
    wire: FRAME.length,
    timeMs: 1_704_067_200_000,
    oneIn: 100,
    pool: 12_345,
    drops: 0,
    ...changes,
  };
}

function balanced({ counters }: Target): void {
  assert.equal(counters.received, counters.sent + droppedOf(counters) + counters.waiting, JSON.stringify(counters));
}

/** As a daemon does: what waits for company is sent now and then. */
async function reach(target: Target, condition: () => boolean): Promise<void> {
  await until('all samples', () => {
    target.samples?.flush();
    return condition();
  });
}

for (const expanded of [false, true]) {
  test(`samples reach the collector as they are, ${expanded ? 'expanded' : 'compact'}`, async (t) => {
    const collector = await Collector.open(t);
    const query = `sampling=100&header=128&polling=5s&sub-agent=4${expanded ? '&expanded' : ''}`;
    const target = await openTarget(`sflow://127.0.0.1:${collector.port}?${query}`, exportContext());
    const { samples } = target;
    assert.ok(samples);
    assert.deepEqual(samples.wish, { oneIn: 100, headerBytes: 128, pollingMs: 5000 });
    // Numbers that the compact form has no room for.
    const big = 0x1234567;
    samples.takePacket(sampleOf());
    samples.takePacket(sampleOf({ direction: 2, pool: 2 ** 32 + 7, drops: 2 ** 32 + 1, source: big }));
    samples.takePacket(sampleOf({ header: Uint8Array.of(1, 2, 3), direction: 0 }));
    samples.takeCounters({ counters: { ifIndex: 3, ifInOctets: 2 ** 40 }, ethernet: { dot3StatsFCSErrors: 5 } });
    await reach(target, () => collector.flows.length === 3 && collector.counters.length === 1);
    await target.close();
    balanced(target);
    assert.deepEqual([target.counters.received, target.counters.sent], [4, 4]);
    const [{ agent, subAgent, sequence, uptimeMs }] = collector.messages;
    assert.deepEqual([[...agent], subAgent, sequence], [[127, 0, 0, 1], 4, 1]);
    assert.ok(uptimeMs < 60_000, 'since it began');
    const [plain, out, short] = collector.flows;
    assert.deepEqual(
      [plain.source, plain.input, plain.output, plain.rate, plain.pool, plain.drops],
      [3, 3, 0, 100, 12_345, 0],
    );
    assert.deepEqual(plain.header?.bytes, FRAME.slice(0, 128));
    assert.equal(plain.header?.frameLength, FRAME.length + 4);
    const source = expanded ? big : 0xffffff;
    assert.deepEqual([out.source, out.input, out.output, out.pool, out.drops], [source, 0, big, 7, 1]);
    assert.deepEqual([short.sequence, short.input, short.output], [2, 3, 0]);
    assert.deepEqual(short.header?.bytes, Uint8Array.of(1, 2, 3));
    const [counters] = collector.counters;
    assert.deepEqual([counters.counters?.ifInOctets, counters.ethernet], [2 ** 40, { dot3StatsFCSErrors: 5 }]);
  });
}

test('link layers and VLANs: what sFlow has a number for goes as it is, from others IP is taken, the rest is refused', async (t) => {
  const collector = await Collector.open(t);
  const target = await openTarget(`sflow://127.0.0.1:${collector.port}?agent=2001:db8::1`, exportContext());
  const { samples } = target;
  assert.ok(samples);
  const packet = ip('10.0.0.1', '10.0.0.2', 17, udp(1000, 53));
  const packet6 = ip('2001:db8::1', '2001:db8::2', 17, udp(1000, 53));
  const tagged = ethernet(packet, { vlan: [0x6000 | 42] });
  const cooked = Uint8Array.of(...zeros(14), 0x08, 0x00, ...packet);
  const given: [Partial<PacketSample>, [protocol: number, bytes: Uint8Array] | undefined][] = [
    [{ link: 1, header: tagged }, [1, tagged]],
    [{ link: 1, header: tagged, direction: 2 }, [1, tagged]],
    [{ link: 101, header: packet }, [11, packet]],
    [{ link: 101, header: packet6 }, [12, packet6]],
    [{ link: 113, header: cooked }, [11, packet]],
    [{ link: 0, header: Uint8Array.of(2, 0, 0, 0, ...packet) }, [11, packet]],
    // ARP in a cooked capture, 802.11, and nothing at all.
    [{ link: 113, header: Uint8Array.of(...zeros(14), 0x08, 0x06, ...zeros(28)) }, undefined],
    [{ link: 105, header: FRAME }, undefined],
    [{ link: 101, header: zeros(0) }, undefined],
  ];
  for (const [changes] of given) samples.takePacket(sampleOf({ wire: changes.header!.length, ...changes }));
  const expected = given.flatMap(([, wanted]) => (wanted === undefined ? [] : [wanted]));
  await reach(target, () => collector.flows.length === expected.length);
  await target.close();
  balanced(target);
  assert.deepEqual(target.counters.dropped, { linkType: 3 });
  const got = collector.flows.map(({ header }): [number, Uint8Array] => [header!.protocol, header!.bytes]);
  assert.deepEqual(got, expected);
  // What was taken off in front is no part of the frame; Ethernet's FCS is.
  assert.deepEqual(
    collector.flows.map(({ header }) => [header!.frameLength - header!.bytes.length, header!.stripped]),
    [[4, 4], [4, 4], ...new Array(4).fill([0, 0])],
  );
  const unknown = 0xffffffff;
  assert.deepEqual(
    collector.flows.slice(0, 3).map(({ switched }) => switched),
    [
      { sourceVlan: 42, sourcePriority: 3, destinationVlan: unknown, destinationPriority: unknown },
      { sourceVlan: unknown, sourcePriority: unknown, destinationVlan: 42, destinationPriority: 3 },
      undefined,
    ],
  );
  assert.equal(collector.messages[0].agent.length, 16);
});

test('each collector gets all samples, in datagrams of its own that are not longer than they may be', async (t) => {
  const [one, two] = [await Collector.open(t), await Collector.open(t)];
  const url = `sflow://127.0.0.1:${one.port},127.0.0.1:${two.port}?mtu=800`;
  const target = await openTarget(url, exportContext());
  assert.equal(target.samples?.copies, 2);
  for (let k = 0; k < 500; k++) target.samples?.takePacket(sampleOf({ pool: k + 1, source: 1 + (k % 3) }));
  await reach(target, () => one.flows.length === 500 && two.flows.length === 500);
  await target.close();
  balanced(target);
  assert.equal(target.counters.sent, 1000);
  for (const { messages, flows, datagrams } of [one, two]) {
    assert.deepEqual(
      flows.map(({ pool }) => pool),
      Array.from({ length: 500 }, (_, k) => k + 1),
    );
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      messages.map((_, k) => k + 1),
    );
    assert.ok(Math.max(...datagrams.map(({ length }) => length)) <= 752);
    for (const source of [1, 2, 3]) {
      const numbers = flows.filter((flow) => flow.source === source).map(({ sequence }) => sequence);
      assert.deepEqual(
        numbers,
        numbers.map((_, k) => k + 1),
      );
    }
  }
});

test('a collector that is slow: what its queue has no room for is dropped, counted, and told in the samples', async (t) => {
  const collector = await Collector.open(t);
  const target = await openTarget(`sflow://127.0.0.1:${collector.port}?rate=1000&queue=64k`, exportContext());
  await until('the session', () => target.state === 'up');
  for (let k = 0; k < 1000; k++) target.samples?.takePacket(sampleOf({ pool: k + 1, drops: 5 }));
  balanced(target);
  const { queueFull } = target.counters.dropped;
  assert.ok(queueFull > 500, JSON.stringify(target.counters));
  target.samples?.takePacket(sampleOf({ source: 4 }));
  const closing = target.close();
  balanced(target);
  target.samples?.takePacket(sampleOf());
  assert.equal(target.counters.dropped.closed, 1);
  await closing;
  balanced(target);
  assert.equal(target.counters.waiting, 0);
  await until('all samples', () => collector.flows.length === target.counters.sent);
  const drops = collector.flows.filter(({ source }) => source === 3).map((flow) => flow.drops);
  // When the first datagram was made, nothing was lost yet.
  assert.equal(drops[0], 5);
  assert.equal(drops.at(-1), 5 + queueFull + 1);
  assert.deepEqual(
    drops,
    [...drops].sort((a, b) => a - b),
  );
});

test('a collector that is away gets nothing old when it comes back; reading a capture, it is waited for', async (t) => {
  const collector = await Collector.open(t);
  const { port } = collector;
  await collector.close();
  const target = await openTarget(`sflow://127.0.0.1:${port}`, exportContext());
  const live = target.samples!;
  live.takePacket(sampleOf());
  live.flush();
  await until('the refusal', () => {
    live.takePacket(sampleOf());
    live.flush();
    return target.state === 'down';
  });
  const before = droppedOf(target.counters);
  for (let k = 0; k < 20; k++) live.takePacket(sampleOf());
  assert.equal(droppedOf(target.counters), before + 20);
  assert.match(target.lastError ?? '', /nobody listens/);
  balanced(target);
  await target.close();
  balanced(target);

  const lossless = await openTarget(`sflow://127.0.0.1:${port}?queue=64k`, exportContext({ lossless: true }));
  const sink = lossless.samples!;
  await until('the refusal', () => {
    sink.takePacket(sampleOf());
    sink.flush();
    return lossless.state === 'down';
  });
  let given = lossless.counters.received;
  while (sink.room() === undefined && given < 10_000) {
    sink.takePacket(sampleOf());
    given++;
  }
  assert.ok(given < 10_000, 'there was always room');
  const room = sink.room();
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let samples = 0;
  socket.on('message', (datagram) => {
    // Behind version, agent address, sub-agent, sequence number and uptime.
    samples += datagram.readUInt32BE(24);
  });
  await new Promise<void>((resolve) => {
    socket.bind(port, '127.0.0.1', resolve);
  });
  await room;
  await lossless.close();
  balanced(lossless);
  // What went out to find out whether somebody listens found nobody; nothing else was lost.
  const { sent, received, dropped } = lossless.counters;
  assert.deepEqual(Object.keys(dropped), ['unreachable']);
  assert.equal(sent + dropped.unreachable, received);
  assert.ok(dropped.unreachable < given / 2, `${dropped.unreachable} of ${given}`);
  await until('all samples', () => samples === sent);
});

test('reading a capture, the packets are the clock, and no datagram spans more than a second of them', async (t) => {
  const collector = await Collector.open(t);
  const target = await openTarget(`sflow://127.0.0.1:${collector.port}`, exportContext({ lossless: true }));
  for (const ms of [0, 400, 900, 1500, 3000, 3100])
    target.samples?.takePacket(sampleOf({ timeMs: 1_704_067_200_000 + ms }));
  await target.close();
  await reach(target, () => collector.flows.length === 6);
  assert.deepEqual(
    collector.messages.map(({ samples, uptimeMs }) => [samples.length, uptimeMs]),
    [
      [3, 900],
      [1, 1500],
      [2, 3100],
    ],
  );
});

test('a header that does not fit into a datagram is refused before anything is opened', async () => {
  await assert.rejects(openTarget('sflow://127.0.0.1?header=1024&mtu=1000', exportContext()), (error: Error) => {
    assert.match(error.message, /a header of 1024 bytes does not fit into the mtu/);
    return true;
  });
});
