import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RheoError } from '../../src/core/errors.js';
import { bytes, u16, u32 } from '../codec/blocks.js';
import { expected, pcap, readFile, samples, scratch } from './collect.js';

const DATA = Uint8Array.of(1, 2, 3, 4, 5);

/** A pcap file by hand. */
function handmade(
  options: { magic?: number; version?: [number, number]; network?: number; little?: boolean },
  ...records: Uint8Array[]
): Uint8Array {
  const { magic = 0xa1b2c3d4, version = [2, 4], network = 1, little = true } = options;
  return bytes(
    u32(magic, little),
    u16(version[0], little),
    u16(version[1], little),
    u32(0, little),
    u32(0, little),
    u32(65535, little),
    u32(network, little),
    ...records,
  );
}

function record(
  seconds: number,
  ticks: number,
  captured: number,
  wire: number,
  data: Uint8Array = DATA,
  little = true,
): Uint8Array {
  return bytes(u32(seconds, little), u32(ticks, little), u32(captured, little), u32(wire, little), data);
}

for (const variant of ['micro', 'nano', 'modified'] as const) {
  for (const bigEndian of [false, true]) {
    test(`${variant} files, ${bigEndian ? 'big' : 'little'} endian`, async (t) => {
      const file = scratch(t);
      const list = samples(600);
      const { source, packets } = await readFile(file('a.pcap', pcap(list, { variant, bigEndian })));
      assert.deepEqual(packets, expected(list));
      assert.deepEqual(source.interfaces, [{ index: 0, name: 'a.pcap', linkType: 1, snapLength: 262_144 }]);
      assert.deepEqual(source.warnings, []);
      assert.equal(source.counters.packets, 600);
      assert.equal(source.counters.bytes, source.counters.totalBytes);
    });
  }
}

test('what the writer writes the reader reads, with every size of chunk and batch', async (t) => {
  const file = scratch(t);
  const sample = fc.record({
    seconds: fc.oneof(fc.nat(0x7fffffff), fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff)),
    nanos: fc.integer({ min: 0, max: 999_999_999 }),
    data: fc.uint8Array({ maxLength: 200 }),
    more: fc.constantFrom(0, 0, 1, 65_535, 0x7fff0000),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sample, { maxLength: 30 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 300 }),
      async (list, bigEndian, chunkLength) => {
        const written = list.map(({ more, ...rest }) => ({ ...rest, wire: rest.data.length + more }));
        const name = file('p.pcap', pcap(written, { variant: 'nano', bigEndian }));
        const { packets } = await readFile(name, { chunkLength });
        assert.deepEqual(packets, expected(written));
      },
    ),
    { numRuns: 60 },
  );
});

test('a file cut at any byte gives the packets before the cut, and tells of it', async (t) => {
  const file = scratch(t);
  const list = samples(6);
  const whole = pcap(list);
  const ends = [24];
  for (const { data } of list) ends.push(ends[ends.length - 1] + 16 + data.length);
  for (let length = 24; length <= whole.length; length++) {
    const { source, packets } = await readFile(file('cut.pcap', whole.subarray(0, length)), { chunkLength: 50 });
    const complete = ends.filter((end) => end <= length).length - 1;
    assert.deepEqual(packets, expected(list.slice(0, complete)), `cut at ${length}`);
    const atBorder = ends.includes(length);
    assert.deepEqual(source.counters.damaged, atBorder ? {} : { cut: 1 });
    assert.equal(source.warnings.length, atBorder ? 0 : 1);
    if (!atBorder)
      assert.match(source.warnings[0], new RegExp(`cut\\.pcap: byte ${ends[complete]}: the capture is cut`));
  }
  for (let length = 0; length < 24; length++) {
    await assert.rejects(readFile(file('cut.pcap', whole.subarray(0, length))), (error: RheoError) => {
      assert.equal(error.code, 'RHEO_FORMAT');
      assert.match(error.message, length === 0 ? /an empty file/ : new RegExp(`a file of ${length} bytes`));
      return true;
    });
  }
});

test('a length that no packet has ends the reading and keeps what was before it', async (t) => {
  const file = scratch(t);
  const list = samples(5);
  for (const length of [262_145, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const name = file('long.pcap', bytes(pcap(list), record(1, 0, length, length), pcap(list).subarray(24)));
    const { source, packets } = await readFile(name);
    assert.deepEqual(packets, expected(list));
    assert.deepEqual(source.counters.damaged, { length: 1 });
    const at = pcap(list).length;
    assert.match(
      source.warnings[0],
      new RegExp(`byte ${at}: expected .* 262144 .* found a length of ${length}; the \\d+ bytes`),
    );
  }
});

test('the longest packet that is allowed is read, across chunks', async (t) => {
  const file = scratch(t);
  const list = [{ seconds: 1, nanos: 0, data: new Uint8Array(262_144).fill(7) }, ...samples(3)];
  for (const chunkLength of [1000, 65_536, 2_000_000]) {
    const { packets, source } = await readFile(file('max.pcap', pcap(list)), { chunkLength });
    assert.deepEqual(packets, expected(list));
    assert.deepEqual(source.warnings, []);
  }
});

test('contradictory lengths and times are put right', async (t) => {
  const file = scratch(t);
  const name = file(
    'odd.pcap',
    handmade(
      {},
      record(10, 999_999, 5, 3),
      record(10, 1_000_000, 5, 5),
      record(10, 0xffffffff, 5, 0xffffffff),
      record(0xffffffff, 5_000_000, 5, 0x80000000),
    ),
  );
  const { packets } = await readFile(name);
  const told = packets.map(({ seconds, nanos, wire }) => [seconds, nanos, wire]);
  assert.deepEqual(told, [
    [10, 999_999_000, 5],
    [11, 0, 5],
    [10 + 4294, 967_295_000, 0x7fffffff],
    [0xffffffff, 0, 0x7fffffff],
  ]);
  const nano = file('nano.pcap', handmade({ magic: 0xa1b23c4d }, record(10, 1_000_000_001, 5, 5)));
  const [packet] = (await readFile(nano)).packets;
  assert.deepEqual([packet.seconds, packet.nanos], [11, 1]);
});

test('old versions have their lengths in either order', async (t) => {
  const file = scratch(t);
  for (const version of [
    [2, 1],
    [2, 3],
    [543, 0],
  ] as [number, number][]) {
    const { packets } = await readFile(
      file('old.pcap', handmade({ version }, record(1, 0, 60, 5), record(2, 0, 5, 60))),
    );
    assert.deepEqual(
      packets.map(({ wire, data }) => [wire, data]),
      [
        [60, '0102030405'],
        [60, '0102030405'],
      ],
    );
  }
  await assert.rejects(
    readFile(file('new.pcap', handmade({ version: [3, 0] }))),
    /byte 4: expected pcap version 2, found 3\.0/,
  );
});

test('the length of the frame check sequence is not part of the link type; aliases become the registered number', async (t) => {
  const file = scratch(t);
  const fcs = await readFile(file('fcs.pcap', handmade({ network: 0x24000001 }, record(1, 0, 5, 5))));
  assert.equal(fcs.packets[0].link, 1);
  for (const network of [12, 14, 101]) {
    const raw = await readFile(file('raw.pcap', handmade({ network, little: false }, record(1, 0, 5, 5, DATA, false))));
    assert.equal(raw.packets[0].link, 101);
  }
});

test('a link type that is not supported is an error with its name', async (t) => {
  const file = scratch(t);
  const refused = (network: number, message: RegExp): Promise<void> =>
    assert.rejects(readFile(file('x.pcap', handmade({ network }))), (error: RheoError) => {
      assert.equal(error.code, 'RHEO_LINK_TYPE');
      assert.match(error.message, message);
      return true;
    });
  await refused(189, /x\.pcap: link type 189 \(USB_LINUX\) carries USB/);
  await refused(4711, /x\.pcap: link type 4711 is not in the registry/);
});
