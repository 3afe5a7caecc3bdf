import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { PacketSource } from '../../src/model/source.js';
import { openCapture } from '../../src/observe/capture-source.js';
import { Batch } from '../../src/packet/batch.js';
import { hasProgram } from '../support/programs.js';
import { collect, expected, type Packet, pcap, samples, scratch, take } from './collect.js';

const LIST = samples(500);
const WHOLE = pcap(LIST);
const noPipes = !hasProgram('mkfifo') && 'mkfifo is not installed';

/** Takes packets until there are as many as wanted. */
async function takeUntil(source: PacketSource, packets: Packet[], wanted: number): Promise<void> {
  const batch = new Batch();
  while (packets.length < wanted) {
    if (take(source, packets, batch) === 0) assert.ok(await source.more(), 'the source goes on');
  }
}

function makePipe(name: string): string {
  execFileSync('mkfifo', [name]);
  return name;
}

test('packets leave a named pipe as they arrive, and its end is the end', {
  skip: noPipes,
  timeout: 20_000,
}, async (t) => {
  const name = makePipe(scratch(t)('pipe'));
  const source = await openCapture(name);
  const waiting = source.more();
  const writer = openSync(name, constants.O_WRONLY);
  const packets: Packet[] = [];
  const third = 24 + LIST.slice(0, 3).reduce((sum, { data }) => sum + 16 + data.length, 0);
  writeSync(writer, WHOLE.subarray(0, third + 7));
  assert.equal(await waiting, true);
  await takeUntil(source, packets, 3);
  assert.equal(packets.length, 3);
  writeSync(writer, WHOLE.subarray(third + 7));
  closeSync(writer);
  packets.push(...(await collect(source)));
  assert.deepEqual(packets, expected(LIST));
  assert.deepEqual(source.warnings, []);
  assert.equal(source.counters.bytes, WHOLE.length);
  assert.equal(source.counters.totalBytes, undefined);
});

test('a pipe that closes in the middle of a record tells of the cut', { skip: noPipes, timeout: 20_000 }, async (t) => {
  const name = makePipe(scratch(t)('pipe'));
  const source = await openCapture(name);
  const more = source.more();
  const writer = openSync(name, constants.O_WRONLY);
  writeSync(writer, WHOLE.subarray(0, 50));
  closeSync(writer);
  await more;
  assert.equal((await collect(source)).length, 1);
  assert.deepEqual(source.counters.damaged, { cut: 1 });
});

test('closing ends the wait for a writer and for bytes', { skip: noPipes, timeout: 20_000 }, async (t) => {
  const file = scratch(t);
  const lonely = await openCapture(makePipe(file('lonely')));
  const never = lonely.more();
  await lonely.close();
  assert.equal(await never, false);

  const name = makePipe(file('silent'));
  const silent = await openCapture(name);
  const first = silent.more();
  const writer = openSync(name, constants.O_WRONLY);
  writeSync(writer, WHOLE.subarray(0, 30));
  const waits = first.then(async (more) => {
    while (more && (await silent.more()));
  });
  await silent.close();
  await waits;
  closeSync(writer);
  assert.deepEqual(silent.warnings, []);
});

test('what comes through a pipe and is no capture is an error', { skip: noPipes, timeout: 20_000 }, async (t) => {
  const name = makePipe(scratch(t)('pipe'));
  const source = await openCapture(name);
  const more = source.more();
  const writer = openSync(name, constants.O_WRONLY);
  writeSync(writer, 'no capture at all');
  closeSync(writer);
  await assert.rejects(more, { code: 'RHEO_FORMAT' });
  await source.close();
});

/** Counts the packets on standard input in a program of its own. */
const COUNTER = `
  const { openCapture } = await import(process.argv[1] + 'observe/capture-source.js');
  const { Batch } = await import(process.argv[1] + 'packet/batch.js');
  try {
    const source = await openCapture('-');
    const batch = new Batch();
    let n = 0;
    do { for (let k; (k = source.fill(batch)) > 0; ) n += k; } while (await source.more());
    await source.close();
    console.log(n, source.interfaces[0].name, source.counters.bytes);
  } catch (error) { console.log(error.code, error.message); }
`;
const program = ['--input-type=module', '-e', COUNTER, new URL('../../src/', import.meta.url).href];

test('standard input may be a pipe, packed or not, or a file', async (t) => {
  for (const input of [WHOLE, gzipSync(WHOLE)]) {
    const { stdout } = spawnSync(process.execPath, program, { input, encoding: 'utf8' });
    assert.equal(stdout, `500 standard input ${input.length}\n`);
  }
  const fd = openSync(scratch(t)('in.pcap', WHOLE), 'r');
  const { stdout } = spawnSync(process.execPath, program, { stdio: [fd, 'pipe', 'inherit'], encoding: 'utf8' });
  closeSync(fd);
  assert.equal(stdout, `500 standard input ${WHOLE.length}\n`);
  const nothing = spawnSync(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  assert.match(nothing.stdout, /^RHEO_FORMAT standard input: byte 0: .* an empty file/);
});

test('a real pipe between two programs', { timeout: 20_000 }, async () => {
  const child = spawn(process.execPath, program, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const done = new Promise((resolve) => child.on('close', resolve));
  child.stdin.write(WHOLE.subarray(0, 1000));
  setTimeout(() => child.stdin.end(WHOLE.subarray(1000)), 50);
  await done;
  assert.equal(text, `500 standard input ${WHOLE.length}\n`);
});

test('a file that grows is followed until it is closed', { timeout: 20_000 }, async (t) => {
  const name = scratch(t)('grows.pcap', new Uint8Array(0));
  const source = await openCapture(name, { follow: true });
  const packets: Packet[] = [];
  const done = takeUntil(source, packets, LIST.length);
  for (let at = 0; at < WHOLE.length; at += 5000) {
    appendFileSync(name, WHOLE.subarray(at, at + 5000));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await done;
  assert.deepEqual(packets, expected(LIST));
  appendFileSync(name, WHOLE.subarray(24, 30));
  const waiting = source.more();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await source.close();
  assert.equal(await waiting, false);
  assert.deepEqual(source.warnings, []);
});

test('a followed file that shrinks has ended', { timeout: 20_000 }, async (t) => {
  const name = scratch(t)('shrinks.pcap', WHOLE);
  const source = await openCapture(name, { follow: true });
  const packets: Packet[] = [];
  await takeUntil(source, packets, LIST.length);
  const more = source.more();
  writeFileSync(name, '');
  assert.equal(await more, false);
  await source.close();
});
