import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { MAX_WIRE_LENGTH } from '../../src/codec/capture.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { openCaptures } from '../../src/observe/merge.js';
import { hasProgram } from '../support/programs.js';
import { sharedDir } from '../support/shared.js';
import { collect, type Packet } from './collect.js';

const shared = sharedDir();
const MAGICS = ['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d', '0a0d0d0a'];

/** All captures under a folder, told by their first bytes. */
function captures(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => {
      const begin = Buffer.alloc(4);
      const fd = openSync(file, 'r');
      readSync(fd, begin, 0, 4, 0);
      closeSync(fd);
      return MAGICS.includes(begin.toString('hex'));
    });
}

interface Told {
  packets: number;
  bytes: number;
  /** Earliest and latest time, in seconds with as many digits as the file has. */
  first: string;
  last: string;
}

function capinfos(files: string[]): Map<string, Told> {
  const options = ['-T', '-r', '-S', '-c', '-d', '-a', '-e'];
  const { stdout } = spawnSync('capinfos', [...options, ...files], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C' },
  });
  const told = new Map<string, Told>();
  for (const line of stdout.split('\n')) {
    const [file, packets, length, first, last] = line.split('\t');
    if (last !== undefined) told.set(file, { packets: Number(packets), bytes: Number(length), first, last });
  }
  return told;
}

/** A time as capinfos writes it: with as many digits as `like`. */
function timeText({ seconds, nanos }: Packet, like: string): string {
  const digits = like.length - like.indexOf('.') - 1;
  return `${seconds}.${String(nanos).padStart(9, '0').slice(0, digits)}`;
}

function byTime(a: Packet, b: Packet): number {
  return a.seconds - b.seconds || a.nanos - b.nanos;
}

const skip =
  shared === undefined ? 'the shared captures are missing' : !hasProgram('capinfos') && 'capinfos is not installed';

test('packets, bytes and times of all shared captures are those of capinfos', { skip, timeout: 120_000 }, async () => {
  const files = captures(path.join(shared ?? '', 'captures'));
  const told = capinfos(files);
  assert.ok(told.size > 100);
  assert.equal(told.size, files.length);
  for (const file of files) {
    const wanted = told.get(file);
    assert.ok(wanted);
    const source = await openCapture(file);
    const packets = await collect(source);
    assert.deepEqual(source.counters.damaged, {}, file);
    assert.deepEqual(source.warnings, [], file);
    assert.equal(packets.length, wanted.packets, file);
    // A damaged length of 2^31 and more is told as the greatest that a batch holds.
    if (packets.every(({ wire }) => wire < MAX_WIRE_LENGTH)) {
      const length = packets.reduce((sum, { wire }) => sum + wire, 0);
      assert.equal(length, wanted.bytes, file);
    }
    // Damaged fractions of 10^6 µs and more are carried over here; capinfos shows them as negative numbers.
    if (wanted.first.includes('-') || wanted.last.includes('-')) continue;
    const sorted = packets.toSorted(byTime);
    assert.equal(timeText(sorted[0], wanted.first), wanted.first, file);
    assert.equal(timeText(sorted[sorted.length - 1], wanted.last), wanted.last, file);
  }
});

test('all shared captures merged are all their packets, in order where the files are', {
  skip,
  timeout: 120_000,
}, async () => {
  const files = captures(path.join(shared ?? '', 'captures', 'ndpi')).filter((_, i) => i % 8 === 0);
  let packets = 0;
  for (const file of files) packets += (await collect(await openCapture(file))).length;
  const source = await openCaptures(files);
  assert.equal((await collect(source)).length, packets);
  assert.equal(source.counters.packets, packets);
});
