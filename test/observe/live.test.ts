import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netnsMissing, netnsPath, twoHosts } from '../support/netns.js';
import { ethernet, fragments4, ipv4, udp, zeros } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';
import { RawSender } from '../support/raw-sender.js';
import { Capture, until } from './live-capture.js';

const skip = netnsMissing();
const noPing = skip || (!hasProgram('ping') && 'ping is not installed');

function numbered(count: number, vlan?: number[]): Uint8Array[] {
  return Array.from({ length: count }, (_, n) =>
    ethernet(
      ipv4('192.0.2.1', '192.0.2.2', 17, udp(1000 + n, 53, zeros(n % 64)), { id: n & 0xffff }),
      vlan === undefined ? {} : { vlan },
    ),
  );
}

test('packets and bytes of real traffic are those that the interface itself counts', { skip: noPing }, async (t) => {
  const { lab, left, right } = twoHosts({ ipv6: true });
  t.after(() => lab.close());
  // Nothing moves while the capture is opened, not even what the kernel sends of its own accord.
  lab.ip(right, 'link', 'set', 'r0', 'down');
  const before = lab.counters(right, 'r0');
  const capture = await Capture.open(t, { interfaces: ['r0'], netns: right });
  assert.deepEqual(
    capture.source.interfaces.map(({ name, linkType }) => [name, linkType]),
    [['r0', 1]],
  );
  assert.equal(capture.of('r0').state, 'down');
  lab.ip(right, 'link', 'set', 'r0', 'up');
  lab.ip(right, 'address', 'replace', 'fd77::2/64', 'dev', 'r0', 'nodad');
  await until('the interface is up', () => capture.of('r0').state === 'up');
  await lab.finish(left, 'ping', '-c', '10', '-i', '0.02', '10.77.0.2');
  await lab.finish(left, 'ping', '-c', '10', '-i', '0.02', '-s', '1000', 'fd77::2');
  const server = await lab.serve(
    right,
    `import http from 'node:http';
     const body = 'x'.repeat(300000);
     http.createServer((request, response) => response.end(body)).listen(8080, '10.77.0.2', () => console.log('up'));`,
  );
  assert.equal(server.first, 'up');
  const got = await lab.node(
    left,
    `let sum = 0;
     for (let n = 0; n < 5; n++) sum += (await (await fetch('http://10.77.0.2:8080/')).text()).length;
     console.log(sum);`,
  );
  assert.equal(Number(got), 1_500_000);
  const sent = (): number => {
    const { receivedPackets, sentPackets } = lab.counters(right, 'r0');
    return receivedPackets - before.receivedPackets + sentPackets - before.sentPackets;
  };
  // What the kernels still say to each other of their own accord must not come between the two counts.
  lab.ip(left, 'link', 'set', 'l0', 'down');
  await until('all packets', () => capture.of('r0').packets === sent());
  const [r0] = await capture.end();
  const after = lab.counters(right, 'r0');
  assert.equal(r0.received, after.receivedPackets - before.receivedPackets);
  assert.equal(r0.transmitted, after.sentPackets - before.sentPackets);
  assert.equal(r0.bytes, after.receivedBytes + after.sentBytes - before.receivedBytes - before.sentBytes);
  assert.equal(r0.dropped, 0);
  assert.equal(capture.seen.length, r0.packets);
  assert.equal(
    capture.seen.reduce((sum, { wire }) => sum + wire, 0),
    r0.bytes,
  );
  assert.equal(capture.seen.filter(({ direction }) => direction === 1).length, r0.received);
  for (const { bytes, direction } of capture.seen) {
    const source = bytes.readUInt8(11);
    assert.equal(direction, source === 2 ? 2 : 1, 'frames from its own address go out');
  }
  // Frames of segmentation offload are one frame each, and stand for at least as many segments as they have bytes for.
  const long = capture.seen.filter(({ wire }) => wire > 1514);
  assert.ok(long.length > 0 && r0.superFrames >= long.length);
  const least = long.reduce((sum, { wire }) => sum + Math.ceil((wire - 66) / 1460), 0);
  assert.ok(r0.segments >= least && r0.segments < least * 1.2, `${r0.segments} segments, at least ${least}`);
  assert.ok(
    capture.seen.some(({ nanos }) => nanos % 1000 !== 0),
    'stamps have nanoseconds',
  );
});

test('frames come out as they were sent, in order, on both sides, to the nanosecond in order', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const out = await Capture.open(t, { interfaces: ['l0'], netns: netnsPath(left) });
  const into = await Capture.open(t, { interfaces: ['r0'], netns: right });
  const sender = new RawSender(left, 'l0');
  const parts = fragments4('192.0.2.1', '192.0.2.2', 17, udp(7, 7, zeros(3000)), 77, 1480);
  const frames = [...numbered(700), ...parts.map((part) => ethernet(part)), ...numbered(50)];
  const start = out.source.now();
  await sender.sendAll(frames);
  sender.close();
  await until('all packets', () => into.of('r0').packets === frames.length && out.of('l0').packets === frames.length);
  const wanted = frames.map((frame) => Buffer.from(frame).toString('hex'));
  assert.deepEqual(out.hex, wanted);
  assert.deepEqual(into.hex, wanted);
  assert.ok(out.seen.every(({ direction }) => direction === 2));
  assert.ok(into.seen.every(({ direction }) => direction === 1));
  const end = into.source.now();
  let last = start.seconds * 1e9 + start.nanos;
  for (const { seconds, nanos } of into.seen) {
    const time = seconds * 1e9 + nanos;
    assert.ok(time >= last, 'time goes on');
    last = time;
  }
  assert.ok(last <= end.seconds * 1e9 + end.nanos);
  await out.end();
  await into.end();
});

test('a VLAN tag that the kernel took off is put back', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const out = await Capture.open(t, { interfaces: ['l0'], netns: left });
  const into = await Capture.open(t, { interfaces: ['r0'], netns: right });
  const cut = await Capture.open(t, { interfaces: ['r0'], netns: right, snapLength: 40 });
  const sender = new RawSender(left, 'l0');
  const frames = [...numbered(5, [7]), ...numbered(5), ...numbered(5, [5, 4095]), ...numbered(2, [0])];
  await sender.sendAll(frames);
  sender.close();
  for (const [capture, name] of [
    [out, 'l0'],
    [into, 'r0'],
    [cut, 'r0'],
  ] as const) {
    await until('all packets', () => capture.of(name).packets === frames.length);
  }
  const wanted = frames.map((frame) => Buffer.from(frame).toString('hex'));
  assert.deepEqual(out.hex, wanted);
  assert.deepEqual(into.hex, wanted);
  assert.deepEqual(
    into.seen.map(({ wire }) => wire),
    frames.map(({ length }) => length),
  );
  assert.deepEqual(
    cut.seen.map(({ wire }) => wire),
    frames.map(({ length }) => length),
  );
  for (const [i, { bytes }] of cut.seen.entries()) {
    assert.ok(bytes.length === 40 || bytes.length === 44, 'the kernel counts the snap length without the tag');
    assert.ok(wanted[i].startsWith(bytes.toString('hex')));
  }
  for (const capture of [out, into, cut]) await capture.end();
});

test('any: one ring for all interfaces, each packet with its own; loopback only once', { skip: noPing }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  lab.cable(
    { netns: left, device: 'l1', addresses: ['10.78.0.1/24'] },
    { netns: right, device: 'r1', addresses: ['10.78.0.2/24'] },
  );
  const capture = await Capture.open(t, { interfaces: ['any'], netns: right });
  const loopback = await Capture.open(t, { interfaces: ['lo'], netns: right });
  const run = (netns: string, to: string): unknown => lab.finish(netns, 'ping', '-c', '4', '-i', '0.02', to);
  await Promise.all([run(left, '10.77.0.2'), run(left, '10.78.0.2'), run(right, '127.0.0.1')]);
  const counted = (): number =>
    ['r0', 'r1', 'lo'].reduce((sum, name) => sum + lab.counters(right, name).receivedPackets, 0) +
    ['r0', 'r1'].reduce((sum, name) => sum + lab.counters(right, name).sentPackets, 0);
  await until('all packets', () => capture.source.counters.packets === counted());
  await until('loopback', () => loopback.of('lo').packets === 8);
  for (const name of ['r0', 'r1']) {
    const { received, transmitted, bytes, kernelIndex } = capture.of(name);
    const own = lab.counters(right, name);
    assert.deepEqual([received, transmitted], [own.receivedPackets, own.sentPackets]);
    assert.equal(bytes, own.receivedBytes + own.sentBytes);
    assert.equal(kernelIndex, JSON.parse(lab.ip(right, '-j', 'link', 'show', 'dev', name))[0].ifindex);
  }
  assert.equal(capture.of('lo').packets, 8, 'four requests, four replies, no copies');
  assert.equal(capture.of('any').packets, 0);
  const names = capture.source.interfaces.map(({ name }) => name);
  for (const { iface, bytes } of capture.seen) {
    const text = bytes.toString('hex');
    const expected = text.includes('0a4d00') ? 'r0' : text.includes('0a4e00') ? 'r1' : 'lo';
    assert.equal(names[iface], expected);
  }
  await capture.end();
  await loopback.end();
});

test('a kernel filter, a snap length and sampling are the kernel’s work', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  // UDP source port below 1100: ldh [34]; jge #1100, drop.
  const kernelFilter = [
    { code: 0x28, jt: 0, jf: 0, k: 34 },
    { code: 0x35, jt: 1, jf: 0, k: 1100 },
    { code: 0x06, jt: 0, jf: 0, k: 0xffffffff },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ];
  const filtered = await Capture.open(t, { interfaces: ['r0'], netns: right, kernelFilter, snapLength: 60 });
  const sampled = await Capture.open(t, { interfaces: ['r0'], netns: right, sampleOneIn: 4, kernelFilter });
  const all = await Capture.open(t, { interfaces: ['r0'], netns: right });
  const sender = new RawSender(left, 'l0');
  const frames = numbered(1000);
  for (let round = 0; round < 8; round++) await sender.sendAll(frames);
  sender.close();
  await until('all packets', () => all.of('r0').packets === 8000);
  const [one] = await filtered.end();
  assert.equal(one.kernel, 800);
  assert.ok(filtered.seen.every(({ bytes, wire }) => bytes.length === Math.min(60, wire)));
  assert.ok(filtered.seen.some(({ wire }) => wire > 60));
  const [some] = await sampled.end();
  // 800 packets, one in four: 200, give or take 12; ten times that is beyond all chance.
  assert.ok(some.packets > 80 && some.packets < 320, `${some.packets} sampled`);
  assert.equal(some.sampledOneIn, 4);
  assert.equal((await all.end())[0].kernel, 8000);
});

test('what the ring has no room for is counted as dropped, and nothing else is lost', { skip }, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const ring = { blockBytes: 1 << 16, blocks: 4 };
  const capture = await Capture.open(t, { interfaces: ['r0'], netns: right, ring });
  const sender = new RawSender(left, 'l0');
  const frame = ethernet(ipv4('192.0.2.1', '192.0.2.2', 17, udp(9, 9, zeros(1200))));
  // Sent without a pause: nobody reads the ring until this is over.
  for (let n = 0; n < 3000; n++) assert.ok(sender.send(frame));
  sender.close();
  await until('all packets', () => capture.of('r0').kernel === 3000 && capture.of('r0').waiting === 0);
  const [r0] = await capture.end();
  assert.ok(r0.dropped > 0 && r0.packets > 0);
  assert.equal(r0.packets + r0.dropped, 3000);
  assert.equal(capture.source.counters.dropped, r0.dropped);
});
