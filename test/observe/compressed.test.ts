import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import { openCapture } from '../../src/observe/capture-source.js';
import { bytes } from '../codec/blocks.js';
import { hasProgram } from '../support/programs.js';
import { expected, pcap, readFile, samples, scratch } from './collect.js';

const LIST = samples(3000);
const WHOLE = pcap(LIST);

test('gzip is unpacked, whatever the name says, and progress counts packed bytes', async (t) => {
  const file = scratch(t);
  const packed = gzipSync(WHOLE);
  for (const chunkLength of [100, 4096, 1 << 20]) {
    const { source, packets } = await readFile(file('a.pcap', packed), { chunkLength });
    assert.deepEqual(packets, expected(LIST));
    assert.deepEqual(source.warnings, []);
    assert.equal(source.counters.totalBytes, packed.length);
    assert.equal(source.counters.bytes, packed.length);
  }
});

test('gzip of several members is one capture', async (t) => {
  const file = scratch(t);
  const packed = bytes(
    gzipSync(WHOLE.subarray(0, 11)),
    gzipSync(WHOLE.subarray(11, 5000)),
    gzipSync(WHOLE.subarray(5000)),
  );
  const { packets } = await readFile(file('m.pcap.gz', packed));
  assert.deepEqual(packets, expected(LIST));
});

test('gzip that is cut or damaged gives what came before', async (t) => {
  const file = scratch(t);
  const list = Array.from({ length: 20_000 }, (_, i) => ({
    seconds: i,
    nanos: 0,
    data: Buffer.from(`packet ${i * 7919}`),
  }));
  const whole = gzipSync(pcap(list));
  const cut = await readFile(file('cut.gz', whole.subarray(0, whole.length >> 1)));
  assert.ok(cut.packets.length > 1000);
  assert.deepEqual(cut.packets, expected(list.slice(0, cut.packets.length)));
  assert.equal(cut.source.counters.damaged.compression, 1);
  assert.match(cut.source.warnings[0], /cut\.gz: the compressed data are damaged or cut/);

  const damaged = Buffer.from(whole);
  damaged.fill(0xff, whole.length - 2000, whole.length - 1000);
  const bad = await readFile(file('bad.gz', damaged));
  assert.equal(bad.source.counters.damaged.compression, 1);
  assert.deepEqual(bad.packets, expected(list.slice(0, bad.packets.length)));
});

test('what unpacks to a thousand times its size is read in little memory', async (t) => {
  const file = scratch(t);
  const list = Array.from({ length: 2000 }, (_, i) => ({ seconds: i, nanos: 0, data: new Uint8Array(60_000) }));
  const name = file('bomb.gz', gzipSync(pcap(list)));
  const before = process.memoryUsage.rss();
  const source = await openCapture(name);
  const { Batch } = await import('../../src/packet/batch.js');
  const batch = new Batch();
  let packets = 0;
  do {
    for (let n = source.fill(batch); n > 0; n = source.fill(batch)) packets += n;
  } while (await source.more());
  await source.close();
  assert.equal(packets, 2000);
  assert.ok(process.memoryUsage.rss() - before < 80e6, 'the 120 MB are never in memory at one time');
});

const zstd = (zlib as { zstdCompressSync?: (data: Uint8Array) => Buffer }).zstdCompressSync;

test('zstd is unpacked', { skip: zstd === undefined && 'this Node has no zstd' }, async (t) => {
  const file = scratch(t);
  assert.ok(zstd);
  const { packets, source } = await readFile(file('a.zst', zstd(WHOLE)));
  assert.deepEqual(packets, expected(LIST));
  assert.deepEqual(source.warnings, []);
  const frames = bytes(zstd(WHOLE.subarray(0, 5000)), zstd(WHOLE.subarray(5000)));
  assert.deepEqual((await readFile(file('b.zst', frames))).packets, expected(LIST));
  const list = Array.from({ length: 20_000 }, (_, i) => ({
    seconds: i,
    nanos: 0,
    data: Buffer.from(`packet ${i * 7919}`),
  }));
  const whole = zstd(pcap(list));
  const cut = await readFile(file('c.zst', whole.subarray(0, whole.length - 100)));
  // Node 22 does not tell that a frame is cut; then the record that is cut does. Where Node tells it, both may.
  const { compression = 0, cut: cutRecords = 0 } = cut.source.counters.damaged;
  assert.ok(compression + cutRecords >= 1, 'the loss is told');
  assert.ok(cut.packets.length > 1000);
  assert.deepEqual(cut.packets, expected(list.slice(0, cut.packets.length)));
});

test('zstd without support in Node is an error that says what to do', {
  skip: zstd !== undefined && 'this Node has zstd',
}, async (t) => {
  const file = scratch(t);
  const name = file('a.pcap.zst', bytes([0x28, 0xb5, 0x2f, 0xfd], new Uint8Array(100)));
  await assert.rejects(openCapture(name), { code: 'RHEO_FORMAT', message: /cannot unpack zstd/, remedy: /zstd -dc/ });
});

test('files that gzip and zstd wrote', { skip: !hasProgram('gzip') && 'gzip is not installed' }, async (t) => {
  const file = scratch(t);
  const name = file('tool.pcap', WHOLE);
  execFileSync('gzip', ['-9', name]);
  assert.deepEqual((await readFile(`${name}.gz`)).packets, expected(LIST));
  assert.equal(readFileSync(`${name}.gz`)[0], 0x1f);
});
