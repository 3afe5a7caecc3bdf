import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PcapngWriter } from '../../src/codec/pcapng-write.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { block, bytes, enhanced, iface, option, pad, section, u16, u32, u64 } from '../codec/blocks.js';
import { collect, type Packet, readFile, scratch } from './collect.js';

const DATA = Uint8Array.of(9, 8, 7, 6, 5);
const HEX = '0908070605';
/** A second of our days in microseconds. */
const MICROS = 1_700_000_000_123_456n;

function packet(of: Partial<Packet>): Packet {
  return { seconds: 1_700_000_000, nanos: 123_456_000, wire: 5, iface: 0, link: 1, data: HEX, ...of };
}

for (const little of [true, false]) {
  test(`blocks of all kinds, ${little ? 'little' : 'big'} endian`, async (t) => {
    const file = scratch(t);
    const obsolete = block(
      2,
      bytes(
        u16(1, little),
        u16(3, little),
        u32(Number(MICROS >> 32n), little),
        u32(Number(MICROS & 0xffffffffn), little),
        u32(5, little),
        u32(70, little),
        pad(DATA),
      ),
      little,
    );
    const simple = block(3, bytes(u32(1500, little), pad(DATA.subarray(0, 4))), little);
    const names = block(
      4,
      bytes(
        option(1, bytes([192, 0, 2, 7], 'www.example.org\0alias\0'), little),
        option(2, bytes([0x20, 1, 0xd, 0xb8], new Uint8Array(11), [1], 'six.example\0'), little),
        option(1, bytes([10, 0, 0, 1], 'evil\u001b[2J\0'), little),
        option(1, bytes([10, 0, 0, 2]), little),
        option(0, '', little),
      ),
      little,
    );
    const statistics = block(
      5,
      bytes(
        u32(0, little),
        u64(0n, little),
        option(5, u64(40n, little), little),
        option(7, u64(2n, little), little),
        option(0, '', little),
      ),
      little,
    );
    const content = bytes(
      section(little),
      iface(1, 4, [option(2, 'eth0', little), option(3, 'uplink', little), option(0, '', little)], little),
      iface(101, 0, [], little),
      enhanced({ ticks: MICROS, data: DATA, wire: 60, little }),
      block(10, bytes('decryption secrets!!'), little),
      block(0xbad, bytes(u32(32473, little), 'cust'), little),
      obsolete,
      names,
      simple,
      statistics,
      block(0x7777, new Uint8Array(0), little),
      enhanced({
        iface: 1,
        ticks: MICROS + 1n,
        data: DATA,
        little,
        options: [option(1, 'hello', little), option(4, u64(9n, little), little), option(0, '', little)],
      }),
    );
    for (const chunkLength of [1, 7, 64, 1 << 20]) {
      const { source, packets } = await readFile(file('all.pcapng', content), { chunkLength });
      assert.deepEqual(packets, [
        packet({ wire: 60 }),
        packet({ iface: 1, link: 101, wire: 70 }),
        packet({ wire: 1500, data: HEX.slice(0, 8) }),
        packet({ iface: 1, link: 101, nanos: 123_457_000 }),
      ]);
      assert.deepEqual(source.interfaces, [
        { index: 0, name: 'eth0', linkType: 1, snapLength: 4, description: 'uplink' },
        { index: 1, name: 'all.pcapng', linkType: 101, snapLength: 0 },
      ]);
      assert.deepEqual(Object.fromEntries(source.names), {
        '192.0.2.7': 'www.example.org',
        '2001:db8::1': 'six.example',
        '10.0.0.1': 'evil\ufffd[2J',
      });
      assert.equal(source.counters.dropped, 40 + 2 + 3 + 9);
      assert.deepEqual(source.warnings, []);
      assert.deepEqual(source.counters.damaged, {});
    }
  });
}

test('sections have their own byte order, interfaces and clocks; an interface that comes again is the same', async (t) => {
  const file = scratch(t);
  const eth0 = (little: boolean, ...more: Uint8Array[]): Uint8Array =>
    iface(1, 0, [option(2, 'eth0', little), ...more, option(0, '', little)], little);
  const content = bytes(
    section(true),
    eth0(true),
    eth0(true),
    enhanced({ iface: 1, ticks: MICROS, data: DATA }),
    section(false),
    eth0(false, option(9, Uint8Array.of(9), false)),
    enhanced({ ticks: MICROS * 1000n + 789n, data: DATA, little: false }),
    section(true),
    iface(113, 0, [option(9, Uint8Array.of(0x80 | 10)), option(14, u64(-100n))]),
    enhanced({ ticks: (1_700_000_100n << 10n) + 512n, data: DATA }),
  );
  const { source, packets } = await readFile(file('s.pcapng', content));
  assert.deepEqual(packets, [
    packet({ iface: 1 }),
    packet({ iface: 0, nanos: 123_456_789 }),
    packet({ iface: 2, link: 113, nanos: 500_000_000 }),
  ]);
  assert.deepEqual(
    source.interfaces.map(({ name }) => name),
    ['eth0', 'eth0', 's.pcapng'],
  );
});

test('what the writer writes the reader reads', async (t) => {
  const file = scratch(t);
  const record = fc.record({
    iface: fc.nat(2),
    seconds: fc.oneof(fc.nat(0x7fffffff), fc.constantFrom(0, 0x80000000, 0xffffffff)),
    nanos: fc.integer({ min: 0, max: 999_999_999 }),
    data: fc.uint8Array({ maxLength: 99 }),
    more: fc.constantFrom(0, 1, 1400),
    comment: fc.option(fc.string({ maxLength: 9 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 20 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 400 }),
      async (records, bigEndian, chunkLength) => {
        const writer = new PcapngWriter({ bigEndian });
        const out = new Uint8Array(8192);
        let at = writer.writeSection(out, 0);
        at = writer.writeInterface(out, at, { linkType: 1, name: 'eth0' });
        at = writer.writeInterface(out, at, { linkType: 101, snapLength: 96, digits: 6, description: 'tunnel' });
        at = writer.writeInterface(out, at, { linkType: 276 });
        for (const { iface: from, seconds, nanos, data, more, comment } of records) {
          const end = writer.writePacket(out, at, from, seconds, nanos, data, data.length + more, comment);
          assert.equal(end - at, writer.packetLength(data.length, comment));
          at = end;
        }
        const { source, packets } = await readFile(file('w.pcapng', out.subarray(0, at)), { chunkLength });
        const links = [1, 101, 276];
        const wanted = records.map(({ iface: from, seconds, nanos, data, more }) => ({
          seconds,
          nanos: from === 1 ? nanos - (nanos % 1000) : nanos,
          wire: data.length + more,
          iface: from,
          link: links[from],
          data: Buffer.from(data).toString('hex'),
        }));
        assert.deepEqual(packets, wanted);
        assert.deepEqual(source.warnings, []);
        assert.equal(source.interfaces[1].description, 'tunnel');
      },
    ),
    { numRuns: 60 },
  );
});

test('a file cut at any byte gives the packets before the cut', async (t) => {
  const file = scratch(t);
  const parts = [
    section(),
    iface(1, 0),
    enhanced({ ticks: MICROS, data: DATA }),
    block(10, new Uint8Array(40)),
    enhanced({ ticks: MICROS, data: DATA, options: [option(1, 'x'), option(0, '')] }),
    block(4, bytes(option(1, bytes([1, 2, 3, 4], 'a\0')), option(0, ''))),
    block(3, bytes(u32(5), pad(DATA))),
  ];
  const holds = [0, 0, 1, 0, 1, 0, 1];
  const whole = bytes(...parts);
  const ends: number[] = [];
  for (const part of parts) ends.push((ends.at(-1) ?? 0) + part.length);
  for (let length = 4; length < ends[0]; length++) {
    const cut = file('begin.pcapng', whole.subarray(0, length));
    await assert.rejects(openCapture(cut), {
      code: 'RHEO_FORMAT',
      message: `${cut}: byte ${length}: expected the header of a capture, found a file of ${length} bytes`,
    });
  }
  for (let length = ends[0]; length <= whole.length; length++) {
    const { source, packets } = await readFile(file('cut.pcapng', whole.subarray(0, length)), { chunkLength: 33 });
    let wanted = 0;
    for (const [i, end] of ends.entries()) if (end <= length) wanted += holds[i];
    assert.equal(packets.length, wanted, `cut at ${length}`);
    assert.deepEqual(source.counters.damaged, ends.includes(length) ? {} : { cut: 1 }, `cut at ${length}`);
    assert.equal(source.warnings.length, ends.includes(length) ? 0 : 1);
  }
});

test('a damaged block ends the reading with its place, and keeps the packets before it', async (t) => {
  const file = scratch(t);
  const good = bytes(section(), iface(1, 0), enhanced({ ticks: MICROS, data: DATA }));
  const odd = enhanced({ ticks: MICROS, data: DATA });
  const withWord = (at: number, value: number): Uint8Array => {
    const copy = Buffer.from(odd);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  const cases: [string, Uint8Array, RegExp][] = [
    ['block', withWord(4, 0x7fffffff), /found 2147483647/],
    ['block', withWord(4, 0), /found 0/],
    ['block', withWord(4, 41), /found 41/],
    ['block', withWord(4, 0xfffffffc), /found 4294967292/],
    ['block', withWord(odd.length - 4, 44), /the block length 40 again at the end of the block, found 44/],
    ['length', withWord(20, 9), /at most 8 captured bytes, found a length of 9/],
    ['length', withWord(20, 0xffffffff), /found a length of 4294967295/],
    ['block', bytes(u32(0x99), u32(17 * 1024 * 1024), new Uint8Array(40)), /found 17825792/],
    ['block', bytes(u32(0x99), u32(8), u32(8)), /found 8/],
    ['block', bytes(u32(1), u32(12), u32(12)), /between 20 and/],
    [
      'block',
      bytes(u32(0x0a0d0d0a), u32(28), u32(0x11223344), new Uint8Array(16)),
      /byte-order magic .* found 0x11223344/,
    ],
    ['version', section(true, 2), /version 1, found version 2\.0/],
  ];
  for (const [reason, bad, message] of cases) {
    const { source, packets } = await readFile(file('bad.pcapng', bytes(good, bad, odd)));
    assert.equal(packets.length, 1, String(message));
    assert.deepEqual(source.counters.damaged, { [reason]: 1 }, String(message));
    assert.match(source.warnings[0], message);
    assert.match(source.warnings[0], new RegExp(`bad\\.pcapng: byte ${good.length}: expected`));
  }
  await assert.rejects(
    readFile(file('first.pcapng', section(true, 7))),
    /byte 0: expected a section of pcapng version 1/,
  );
});

test('a record that cannot be used is left out, and the reading goes on', async (t) => {
  const file = scratch(t);
  const content = bytes(
    section(),
    iface(1, 0, [option(14, u64(-1_800_000_000n)), option(0, '')]),
    iface(189, 0, [option(2, 'usbmon0'), option(0, '')]),
    iface(1, 0, [option(2, 'ok'), option(0, '')]),
    enhanced({ iface: 0, ticks: MICROS, data: DATA }),
    enhanced({ iface: 0, ticks: MICROS, data: DATA }),
    enhanced({ iface: 1, ticks: MICROS, data: DATA }),
    enhanced({ iface: 1, ticks: MICROS, data: DATA }),
    enhanced({ iface: 3, ticks: MICROS, data: DATA }),
    enhanced({ iface: 0xffffffff, ticks: MICROS, data: DATA }),
    enhanced({ iface: 2, ticks: MICROS, data: DATA }),
  );
  const { source, packets } = await readFile(file('mixed.pcapng', content));
  assert.deepEqual(packets, [packet({ iface: 1 })]);
  assert.deepEqual(source.counters.damaged, { time: 2, linkType: 2, interface: 2 });
  assert.equal(source.warnings.length, 3);
  assert.match(source.warnings.join('\n'), /usbmon0: link type 189 \(USB_LINUX\) carries USB.*left out/);
});

test('packets of nothing but an unsupported link type are an error with its name', async (t) => {
  const file = scratch(t);
  const content = bytes(section(), iface(220, 0), enhanced({ ticks: MICROS, data: DATA }));
  await assert.rejects(
    readFile(file('usb.pcapng', content)),
    /interface 0: link type 220 \(USB_LINUX_MMAPPED\) carries USB/,
  );
  const unused = await readFile(file('unused.pcapng', bytes(section(), iface(220, 0))));
  assert.deepEqual(unused.packets, []);
});

test('simple and obsolete blocks at their borders', async (t) => {
  const file = scratch(t);
  const obsolete = (id: number, drops: number, wire: number): Uint8Array =>
    block(
      2,
      bytes(
        u16(id),
        u16(drops),
        u32(Number(MICROS >> 32n)),
        u32(Number(MICROS & 0xffffffffn)),
        u32(5),
        u32(wire),
        pad(DATA),
      ),
    );
  const simple = block(3, bytes(u32(5), pad(DATA)));
  const content = bytes(
    section(),
    simple,
    iface(1, 5),
    obsolete(0, 0xffff, 0),
    obsolete(1, 7, 5),
    simple,
    obsolete(0, 0, 0xffffffff),
    enhanced({ ticks: MICROS, data: DATA, wire: 0 }),
    enhanced({ ticks: MICROS, data: DATA, wire: 0xffffffff }),
  );
  for (const capacity of [1, 2, 256]) {
    const source = await openCapture(file('old.pcapng', content));
    const packets = await collect(source, capacity);
    const huge = packet({ wire: 0x7fffffff });
    assert.deepEqual(packets, [packet({}), packet({}), huge, packet({}), huge]);
    assert.deepEqual(source.counters.damaged, { interface: 2 });
    assert.equal(source.counters.dropped, 0);
  }
});

test('names, interfaces and warnings stay within their bounds', async (t) => {
  const file = scratch(t);
  const parts: Uint8Array[] = [section()];
  for (let i = 0; i < 300; i++) {
    const records: Uint8Array[] = [];
    for (let k = 0; k < 250; k++) records.push(option(1, bytes([10, i >> 8, i & 0xff, k], 'n\0')));
    parts.push(block(4, bytes(...records, option(0, ''))));
  }
  for (let i = 0; i < 150; i++) parts.push(section(), enhanced({ iface: i, ticks: 0n, data: DATA }));
  const { source } = await readFile(file('many.pcapng', bytes(...parts)));
  assert.equal(source.names.size, 65_536);
  assert.deepEqual(source.counters.damaged, { interface: 150 });
  assert.ok(source.warnings.length <= 101);

  const many = Array.from({ length: 70_000 }, (_, i) => iface(1, i));
  const limited = await readFile(file('ifs.pcapng', bytes(section(), ...many)));
  assert.equal(limited.source.interfaces.length, 65_536);
  assert.deepEqual(limited.source.counters.damaged, { block: 1 });
});
