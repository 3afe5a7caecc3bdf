import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { openCaptures } from '../../src/observe/merge.js';
import { Batch } from '../../src/packet/batch.js';
import { bytes, enhanced, iface, option, section } from '../codec/blocks.js';
import { collect, pcap, type Sample, samples, scratch } from './collect.js';

function byte(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

test('a capture that was dealt out to several files comes back in order', async (t) => {
  const file = scratch(t);
  const packet = fc.record({ gap: fc.constantFrom(0, 0, 1, 999, 1_500_000_000), pile: fc.nat(59), size: fc.nat(50) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(packet, { maxLength: 200 }),
      fc.integer({ min: 20, max: 400 }),
      fc.constantFrom(1, 7, 256),
      fc.integer({ min: 2, max: 6 }),
      async (packets, chunkLength, capacity, count) => {
        const piles: Sample[][] = Array.from({ length: count }, () => []);
        const all: { time: bigint; pile: number; data: string }[] = [];
        let time = 1_700_000_000_000_000_000n;
        for (const { gap, pile: any, size } of packets) {
          const pile = any % count;
          time += BigInt(gap);
          const data = new Uint8Array(size).fill(all.length);
          piles[pile].push({ seconds: Number(time / 1_000_000_000n), nanos: Number(time % 1_000_000_000n), data });
          all.push({ time, pile, data: Buffer.from(data).toString('hex') });
        }
        // At equal times the order of the files decides, within a file its own order.
        const wanted = all
          .map((entry, i) => ({ ...entry, i }))
          .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.pile - b.pile || a.i - b.i));
        const names = piles.map((pile, i) => file(`${i}.pcap`, pcap(pile, { variant: 'nano' })));
        const source = await openCaptures(names, { chunkLength });
        const got = await collect(source, capacity);
        assert.deepEqual(
          got.map(({ seconds, nanos, data }) => [BigInt(seconds) * 1_000_000_000n + BigInt(nanos), data]),
          wanted.map(({ time: at, data }) => [at, data]),
        );
        assert.equal(source.counters.packets, packets.length);
        assert.equal(source.counters.bytes, source.counters.totalBytes);
        for (const { iface: from, data } of got) {
          if (data !== '') assert.ok(source.interfaces[from].name.endsWith('.pcap'));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a file that begins between the packets of open ones comes in time', async (t) => {
  const file = scratch(t);
  const at = (...tenths: number[]): Uint8Array =>
    pcap(tenths.map((tenth) => ({ seconds: 1, nanos: tenth * 100_000_000, data: byte(tenth) })));
  const source = await openCaptures([
    file('a', at(1, 3, 5, 7)),
    file('b', at(2, 8)),
    file('c', at(4)),
    file('d', at(6)),
  ]);
  const packets = await collect(source);
  assert.deepEqual(
    packets.map(({ nanos }) => nanos / 100_000_000),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test('rotated files are opened one after the other, in the order of their time', async (t) => {
  const file = scratch(t);
  const names = Array.from({ length: 300 }, (_, i) => {
    const first = { seconds: 1000 + i, nanos: 0, data: byte(2 * i) };
    return file(`${(i * 7) % 300}.pcap`, pcap([first, { ...first, nanos: 999_999_000, data: byte(2 * i + 1) }]));
  }).reverse();
  const source = await openCaptures(names);
  const batch = new Batch();
  const open = readdirSync('/proc/self/fd').length;
  let most = 0;
  let next = 0;
  do {
    for (let n = source.fill(batch); n > 0; n = source.fill(batch)) {
      for (let i = 0; i < n; i++) assert.equal(batch.view.getUint16(batch.offset[i], true), next++);
    }
    most = Math.max(most, readdirSync('/proc/self/fd').length - open);
  } while (await source.more());
  await source.close();
  assert.equal(next, 600);
  assert.ok(most <= 2, `${most} files were open at one time`);
});

test('too many files of the same time are an error with a remedy', async (t) => {
  const file = scratch(t);
  const list = [
    { seconds: 1, nanos: 0, data: byte(1) },
    { seconds: 9, nanos: 0, data: byte(1) },
  ];
  const names = Array.from({ length: 257 }, (_, i) => file(`${i}.pcap`, pcap(list)));
  const source = await openCaptures(names);
  await assert.rejects(collect(source), { code: 'RHEO_LIMIT', message: /more than 256 files overlap in time/ });
  await source.close();
  const fits = await openCaptures(names.slice(0, 256));
  assert.equal((await collect(fits)).length, 512);
});

test('an interface of the same name and kind is one, those without a name are as many as files', async (t) => {
  const file = scratch(t);
  const named = (name: string, ticks: bigint): Uint8Array =>
    bytes(section(), iface(1, 0, [option(2, name), option(0, '')]), enhanced({ ticks, data: byte(1) }));
  const source = await openCaptures([
    file('a.pcapng', named('eth0', 1_000_000n)),
    file('b.pcapng', named('eth0', 2_000_000n)),
    file('c.pcapng', named('eth1', 3_000_000n)),
    file('d.pcap', pcap([{ seconds: 4, nanos: 0, data: byte(1) }])),
    file('e.pcap', pcap([{ seconds: 5, nanos: 0, data: byte(1) }])),
  ]);
  const packets = await collect(source);
  assert.deepEqual(
    packets.map(({ iface: from }) => source.interfaces[from].name),
    ['eth0', 'eth0', 'eth1', 'd.pcap', 'e.pcap'],
  );
  assert.equal(source.interfaces.length, 4);
});

test('damage in one file leaves the others whole', async (t) => {
  const file = scratch(t);
  const list = samples(100);
  const whole = pcap(list);
  const source = await openCaptures([
    file('cut', whole.subarray(0, 200)),
    file('whole', whole),
    file('none', pcap([])),
  ]);
  const packets = await collect(source);
  assert.ok(packets.length > 100 && packets.length < 200);
  assert.deepEqual(source.counters.damaged, { cut: 1 });
  assert.equal(source.warnings.length, 1);
});

test('a file that is no capture, and what cannot be merged', async (t) => {
  const file = scratch(t);
  const good = file('good', pcap(samples(3)));
  await assert.rejects(openCaptures([good, file('bad', bytes('not a capture'))]), {
    code: 'RHEO_FORMAT',
    message: /bad: byte 0/,
  });
  await assert.rejects(openCaptures([good, file('missing')]), { code: 'RHEO_INPUT' });
  await assert.rejects(openCaptures([]), { code: 'RHEO_USAGE' });
  await assert.rejects(openCaptures(['-', good, '-']), { code: 'RHEO_USAGE' });
  await assert.rejects(openCaptures([good, good], { follow: true }), { code: 'RHEO_USAGE' });
  const one = await openCaptures([good]);
  assert.equal((await collect(one)).length, 3);
});

test('closing in the middle leaves no descriptor', async (t) => {
  const file = scratch(t);
  const names = [0, 1, 2].map((i) => file(`${i}`, pcap(samples(50, 1000 + i))));
  const before = readdirSync('/proc/self/fd').length;
  const source = await openCaptures(names, { chunkLength: 100 });
  await source.more();
  source.fill(new Batch({ capacity: 5 }));
  await source.close();
  await source.close();
  assert.equal(await source.more(), false);
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('any number of files that take turns packet by packet', async (t) => {
  const file = scratch(t);
  for (let count = 2; count <= 9; count++) {
    const order = Array.from({ length: 40 * count }, (_, i) => (i * i * 7 + i) % count);
    const names = Array.from({ length: count }, (_, k) =>
      file(
        `${count}-${k}`,
        pcap(order.flatMap((owner, i) => (owner === k ? [{ seconds: 1, nanos: i * 1000, data: byte(i) }] : []))),
      ),
    );
    const packets = await collect(await openCaptures(names));
    assert.deepEqual(
      packets.map(({ nanos }) => nanos / 1000),
      order.map((_, i) => i),
    );
  }
});
