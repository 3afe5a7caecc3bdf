import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { ended, Folder, flood, HOUSE, pcapHeader, start } from './program.js';

const folder = new Folder();
after(() => folder.remove());
/** More records than a pipe holds. */
const LARGE = folder.file('large.pcap', Buffer.concat([pcapHeader(), flood({ from: 0, count: 40_000, rate: 1000 })]));
const FORMS = [['--json'], ['--csv'], [], ['--summary'], ['--group-by', 'address'], ['--count']];

describe('standard output that fails', { concurrency: 2 }, () => {
  test('a full disk: exit code 1, one message', {
    skip: process.platform !== 'linux' && 'needs /dev/full',
  }, async () => {
    for (const form of [...FORMS, ['--json', '--threads', '2']]) {
      const fd = openSync('/dev/full', 'w');
      const run = await ended(start(['read', ...form, HOUSE], { stdio: ['ignore', fd, 'pipe'] }));
      closeSync(fd);
      assert.deepEqual([run.code, run.signal], [1, null], form.join());
      assert.match(
        run.err,
        /^rheo: cannot write standard output after 0 bytes: no space left on the device\n {2}[^\n]+\n$/,
      );
    }
  });
  test('a descriptor that is not open for writing', async () => {
    const fd = openSync(HOUSE, 'r');
    const run = await ended(start(['read', '--json', HOUSE], { stdio: ['ignore', fd, 'pipe'] }));
    closeSync(fd);
    assert.equal(run.code, 1);
    assert.match(run.err, /^rheo: cannot write standard output[^\n]*EBADF\n {2}[^\n]+\n$/);
  });
  test('a reader that goes away at the first byte: a clean and silent end', async () => {
    for (const form of [['--json'], ['--csv'], ['--json', '--threads', '2']]) {
      const child = start(['read', ...form, LARGE]);
      child.stdout?.once('data', () => child.stdout?.destroy());
      const { code, signal, err } = await ended(child);
      assert.deepEqual([code, signal, err], [0, null, ''], form.join());
    }
  });
  test('a reader that is gone before the first byte', async () => {
    for (const form of FORMS) {
      const child = start(['read', '-q', ...form, HOUSE]);
      child.stdout?.destroy();
      const { code, signal, err } = await ended(child);
      assert.deepEqual([code, signal, err], [0, null, ''], form.join());
    }
  });
  test('nobody reads the messages', async () => {
    const broken = folder.file('broken.pcap', Buffer.concat([pcapHeader(), Buffer.alloc(7)]));
    for (const args of [['read', '-v', broken], ['read', folder.path], []]) {
      const child = start(args);
      child.stderr?.destroy();
      const { code, signal } = await ended(child);
      assert.equal(signal, null);
      assert.equal(code, args.length === 0 ? 2 : args.length === 2 ? 1 : 0, args.join(' '));
    }
  });
  test('a reader that is slow gets all', async () => {
    for (const threads of ['1', '2']) {
      const child = start(['read', '--json', '--threads', threads, LARGE]);
      const parts: Buffer[] = [];
      child.stdout?.on('data', (part: Buffer) => {
        parts.push(part);
        if (parts.length % 20 !== 1) return;
        child.stdout?.pause();
        setTimeout(() => child.stdout?.resume(), 5);
      });
      const { code, err } = await ended(child);
      assert.deepEqual([code, err], [0, '']);
      assert.equal(Buffer.concat(parts).toString().trimEnd().split('\n').length, 40_000);
    }
  });
  test('output onto the input file does not run for ever', async () => {
    const file = folder.file('both.pcap');
    writeFileSync(file, Buffer.concat([pcapHeader(), flood({ from: 0, count: 100, rate: 1 })]));
    const fd = openSync(file, 'a');
    const run = await ended(start(['read', '--json', file], { stdio: ['ignore', fd, 'pipe'] }));
    closeSync(fd);
    assert.equal(run.signal, null);
    assert.doesNotMatch(run.err, /internal error/);
  });
});
