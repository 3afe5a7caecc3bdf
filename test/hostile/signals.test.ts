import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { assertTidy, ended, Folder, flood, pcapHeader, records, start } from './program.js';

const FLOWS = 150_000;
const folder = new Folder();
after(() => folder.remove());
const LARGE = folder.file('large.pcap', Buffer.concat([pcapHeader(), flood({ from: 0, count: FLOWS, rate: 10_000 })]));

/** Waits for the first record. */
function firstOutput(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.stdout?.once('data', (part: Buffer) => {
      child.stdout?.pause();
      child.stdout?.unshift(part);
      resolve();
    });
  });
}

/** Packets by the summary. */
function packetsOf(err: string): number {
  const [, packets] = /^([\d,]+) packets/.exec(err) ?? [];
  return Number(packets?.replaceAll(',', ''));
}

describe('SIGINT', { concurrency: 2, skip: process.platform === 'win32' && 'no signals' }, () => {
  for (const threads of ['1', '2']) {
    test(`in the middle of a file, ${threads} threads: what there is, whole lines, exit code 130`, async () => {
      const child = start(['read', '--json', '--threads', threads, '--max-flows', '5000', LARGE]);
      await firstOutput(child);
      // Nobody reads now: the command cannot have come to the end.
      child.kill('SIGINT');
      const end = ended(child);
      child.stdout?.resume();
      const run = await end;
      assertTidy(run, 'interrupted');
      assert.equal(run.code, 130, run.err);
      const found = records(run.out).length;
      assert.ok(found > 0 && found < FLOWS, `${found} records`);
      assert.match(run.err, /interrupted: this is what was read until then/);
      assert.equal(packetsOf(run.err), found, 'the summary is of what was read');
      assert.doesNotMatch(run.err, /balance/, 'the ledger balances');
    });
  }

  test('while waiting for a silent pipe: the flows that are open are told', async () => {
    const child = start(['read', '--json', '-v', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const end = ended(child);
    // Flows a thousand seconds apart: the first ones are over, and told, while the last one is open.
    child.stdin?.write(Buffer.concat([pcapHeader(), flood({ from: 0, count: 3000, rate: 1 })]));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    child.kill('SIGINT');
    const run = await end;
    assertTidy(run, 'waiting');
    assert.equal(run.code, 130, run.err);
    assert.equal(records(run.out).length, packetsOf(run.err), 'a record for each packet that was read');
    child.stdin?.destroy();
  });

  test('a table of what was read', async () => {
    const child = start(['read', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const end = ended(child);
    // More than a pipe holds: when all is written, the command reads.
    await new Promise<void>((resolve) => {
      child.stdin?.write(Buffer.concat([pcapHeader(), flood({ from: 0, count: 100_000, rate: 1000 })]), () =>
        resolve(),
      );
    });
    child.kill('SIGINT');
    const { code, out, err } = await end;
    assert.equal(code, 130, err);
    assert.match(out, /^PROTO +SOURCE/);
    assert.match(err, /interrupted/);
    child.stdin?.destroy();
  });

  test('a second one ends it at once', async () => {
    for (const threads of ['1', '2']) {
      const child = start(['read', '--json', '--threads', threads, '--max-flows', '100000', LARGE]);
      await firstOutput(child);
      const end = new Promise<string>((resolve) => {
        child.on('exit', (code, signal) => resolve(`${code} ${signal}`));
      });
      // Somebody who reads so slowly that the first signal cannot soon be answered with all records.
      const again = setInterval(() => {
        child.kill('SIGINT');
        child.stdout?.read(256 * 1024);
      }, 20);
      assert.equal(await end, 'null SIGINT', `${threads} threads`);
      clearInterval(again);
      child.stdout?.destroy();
    }
  });

  test('is heard while nobody reads from the pipe: the second one ends it at once', async () => {
    // A named pipe: what a shell makes of `|`. (Children of node get a socket.)
    const fifo = folder.file('full');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    const reading = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writing = openSync(fifo, constants.O_WRONLY);
    const child = start(['read', '--json', '--max-flows', '5000', LARGE], { stdio: ['ignore', writing, 'pipe'] });
    closeSync(writing);
    const end = new Promise<string>((resolve) => {
      child.on('exit', (code, signal) => resolve(`${code} ${signal}`));
    });
    const some = new Uint8Array(100);
    while (readNow(reading, some) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    // Long enough for the pipe to be full.
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(child.exitCode, null, 'it waits for the reader to take what it has');
    child.kill('SIGINT');
    assert.equal(await end, 'null SIGINT');
    closeSync(reading);
  });
});

/** Bytes that are there now. */
function readNow(fd: number, into: Uint8Array): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
