import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { RheoError } from '../../src/core/errors.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { Batch } from '../../src/packet/batch.js';
import { bytes } from '../codec/blocks.js';
import { collect, pcap, samples, scratch } from './collect.js';

function failure(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RheoError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.remedy, 'says what to do');
    return true;
  };
}

test('what is not a capture is an error that says what was expected', async (t) => {
  const file = scratch(t);
  const refused = (name: string, content: Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(openCapture(file(name, content)), failure('RHEO_FORMAT', message));
  await refused('empty', new Uint8Array(0), /empty: byte 0: .* found an empty file/);
  await refused('ten', pcap([]).subarray(0, 10), /ten: byte 10: .* found a file of 10 bytes/);
  await refused(
    'text',
    bytes('Dear reader, this is no capture.'),
    /text: byte 0: expected a pcap or pcapng.*0x44656172/,
  );
  await refused('a.xz', bytes([0xfd], '7zXZ\0', new Uint8Array(40)), /compressed with xz/);
  await refused('a.bz2', bytes('BZh91AY', new Uint8Array(40)), /compressed with bzip2/);
  await refused('a.snoop', bytes('snoop\0\0\0', new Uint8Array(40)), /snoop capture/);
});

test('what cannot be opened is an error that says why', async (t) => {
  const file = scratch(t);
  await assert.rejects(openCapture(file('missing')), failure('RHEO_INPUT', /missing: there is no such file/));
  mkdirSync(file('folder'));
  await assert.rejects(openCapture(file('folder')), failure('RHEO_INPUT', /folder: this is a directory/));
  await assert.rejects(openCapture('/dev/null'), (error: RheoError) => error.code === 'RHEO_INPUT');
});

test('a file without permission', { skip: process.getuid?.() === 0 && 'root may read everything' }, async (t) => {
  const file = scratch(t);
  const name = file('secret', pcap([]));
  chmodSync(name, 0);
  await assert.rejects(openCapture(name), failure('RHEO_INPUT', /secret: permission denied/));
});

test('a capture without packets has none', async (t) => {
  const file = scratch(t);
  const source = await openCapture(file('none', pcap([])));
  assert.equal(source.interfaces.length, 1);
  assert.deepEqual(await collect(source), []);
  assert.deepEqual(source.warnings, []);
});

test('batches are filled up, whatever their size, and all point into the bytes that are attached', async (t) => {
  const file = scratch(t);
  const name = file('a', pcap(samples(1000)));
  for (const capacity of [1, 3, 256, 5000]) {
    const source = await openCapture(name);
    const batch = new Batch({ capacity });
    let total = 0;
    let short = 0;
    do {
      for (let n = source.fill(batch); n > 0; n = source.fill(batch)) {
        assert.equal(n, batch.count);
        assert.equal(batch.view.buffer, batch.bytes.buffer);
        assert.equal(batch.view.byteOffset, batch.bytes.byteOffset);
        if (n < capacity) short++;
        total += n;
      }
    } while (await source.more());
    await source.close();
    assert.equal(total, 1000);
    assert.ok(short <= 1);
    assert.equal(await source.more(), false);
    assert.equal(source.fill(batch), 0);
    await source.close();
  }
});

test('no descriptor is left open, after an error neither', async (t) => {
  const file = scratch(t);
  const count = (): number => readdirSync('/proc/self/fd').length;
  const good = file('good', pcap(samples(10)));
  const bad = file('bad', new Uint8Array(100));
  await collect(await openCapture(good));
  const before = count();
  for (let i = 0; i < 5; i++) {
    await collect(await openCapture(good));
    await assert.rejects(openCapture(bad));
    const source = await openCapture(good);
    await source.close();
  }
  assert.equal(count(), before);
});
