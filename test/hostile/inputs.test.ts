import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { block, bytes, iface, option, section } from '../codec/blocks.js';
import { hasProgram } from '../support/programs.js';
import {
  assertRefused,
  assertTidy,
  ended,
  Folder,
  flood,
  HOUSE,
  MAIN,
  pcapHeader,
  read,
  records,
  start,
} from './program.js';

const folder = new Folder();
after(() => folder.remove());
const house = readFileSync(HOUSE);
/** With one thread, and with two, which open the file themselves. */
const THREADS = ['1', '2'];

/** Runs it both ways; both must end alike. */
async function refused(file: string, message: RegExp): Promise<void> {
  for (const threads of THREADS) {
    const run = await read('--threads', threads, file);
    assertRefused(run, message, `${path.basename(file)}, ${threads} threads`);
    assert.ok(run.err.startsWith(`rheo: ${file}: `), `names the file: ${run.err}`);
  }
}

function lengthAt(file: Buffer, at: number, length: number): Buffer {
  const out = Buffer.from(file);
  out.writeUInt32LE(length, at);
  return out;
}

describe('files that are no captures', { concurrency: 2 }, () => {
  test('empty', () =>
    refused(folder.file('empty', ''), /byte 0: expected the header of a capture, found an empty file/));
  test('ten bytes of pcapng, of pcap', async () => {
    await refused(folder.file('ten-ng', house.subarray(0, 10)), /byte 10: expected the header.*a file of 10 bytes/);
    await refused(folder.file('ten', pcapHeader().subarray(0, 10)), /byte 10: expected the header.*a file of 10 bytes/);
  });
  test('another format', () =>
    refused(
      folder.file('text', 'this is no capture at all\n'),
      /byte 0: expected a pcap or pcapng .*found 0x74686973/,
    ));
  test('gzip of another format, and gzip that is cut at once', async () => {
    await refused(folder.file('text.gz', gzipSync('this is no capture')), /expected a pcap or pcapng/);
    await refused(folder.file('cut.gz', gzipSync(house).subarray(0, 12)), /expected the header of a capture/);
  });
  test('xz by name', () => refused(folder.file('x.xz', Buffer.from('fd377a585a0000', 'hex')), /xz(.|\n)*xz -dc/));
  test('a link layer by name', () => {
    const usb = pcapHeader();
    usb.writeUInt32LE(189, 20);
    return refused(folder.file('usb', usb), /USB_LINUX/);
  });
  test('a version that is not known', () => {
    const later = pcapHeader();
    later.writeUInt16LE(7, 4);
    return refused(folder.file('later', later), /byte 4: expected pcap version 2, found 7\.4/);
  });
  test('a directory', () => refused(folder.path, /this is a directory/));
  test('devices', { skip: process.platform !== 'linux' && 'Linux only' }, async () => {
    await refused('/dev/zero', /neither a file nor a pipe/);
    await refused('/dev/urandom', /neither a file nor a pipe/);
  });
  test('a missing file', () => refused(folder.file('missing.pcap'), /no such file/));
  test('a section header that contradicts itself', () =>
    refused(folder.file('section', lengthAt(house, 4, 30)), /byte 0: expected .* found 30/));

  const user = process.getuid?.() === 0 ? hasProgram('setpriv') : process.getuid !== undefined;
  test('no permission', { skip: !user && 'no user without rights can be had' }, async () => {
    const file = folder.file('secret.pcap', house);
    chmodSync(folder.path, 0o755);
    chmodSync(file, 0);
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const command = process.getuid?.() === 0 ? nobody : [];
    for (const threads of THREADS) {
      const run = await ended(start(['read', '--json', '--threads', threads, file], {}, command));
      assertRefused(run, /secret\.pcap: permission denied/, `${threads} threads`);
    }
  });
});

/** What stands on standard error when a file is read up to some damage. */
function assertPartial(run: { code: number | null; err: string }, message: RegExp, what: string): void {
  assert.equal(run.code, 0, `${what}: ${run.err}`);
  assert.match(run.err, message, what);
}

describe('files that are damaged', { concurrency: 2 }, () => {
  test('a length of 0x7fffffff: what stands before it is handed out, the place is told', async () => {
    const file = folder.file(
      'length.pcap',
      lengthAt(Buffer.concat([pcapHeader(), flood({ from: 0, count: 9, rate: 1 })]), 24 + 56 * 5 + 8, 0x7fffffff),
    );
    for (const threads of THREADS) {
      const run = await read('--threads', threads, file);
      assertTidy(run, file);
      assertPartial(
        run,
        /byte 304: expected a packet of at most 262144 .*found a length of 2147483647; the 224 bytes/,
        file,
      );
      assert.equal(records(run.out).length, 5);
    }
  });
  test('pcapng: a block length of 0x7fffffff', async () => {
    const second = house.readUInt32LE(4);
    for (const threads of THREADS) {
      const run = await read(
        '--threads',
        threads,
        folder.file('block.pcapng', lengthAt(house, second + 4, 0x7fffffff)),
      );
      assertTidy(run, 'block');
      assertPartial(run, new RegExp(`byte ${second}: expected a block length .* found 2147483647`), 'block');
      assert.equal(run.out, '');
    }
  });
  test('cut anywhere: the records of what was there, and the place', async () => {
    for (const length of [29, 20_001, house.length - 1]) {
      for (const threads of THREADS) {
        const run = await read('--threads', threads, folder.file(`cut-${length}.pcapng`, house.subarray(0, length)));
        assertTidy(run, `cut at ${length}`);
        assertPartial(run, /damaged: 1 cut\n(.|\n)*byte \d+: the capture is cut/, `cut at ${length}`);
      }
    }
  });
  test('gzip that is cut or damaged: as far as it goes', async () => {
    const packed = gzipSync(house);
    const wrong = Buffer.from(packed);
    wrong.fill(0, packed.length - 5000, packed.length - 4900);
    for (const file of [
      folder.file('half.gz', packed.subarray(0, packed.length / 2)),
      folder.file('wrong.gz', wrong),
    ]) {
      for (const threads of THREADS) {
        const run = await read('--threads', threads, file);
        assertTidy(run, file);
        assertPartial(run, /the compressed data are damaged or cut/, file);
        assert.ok(records(run.out).length > 0);
      }
    }
  });
  test('names and interfaces that steer a terminal do not', async () => {
    const evil = '\u001b]0;owned\u0007\u001b[2J\u202e';
    const file = folder.file(
      'names.pcapng',
      bytes(
        section(),
        iface(1, 0, [option(2, evil), option(3, evil)]),
        block(4, bytes(option(1, bytes([192, 0, 2, 7], `${evil}\0`)), [0, 0, 0, 0])),
        block(6, bytes(new Uint8Array(12), [14, 0, 0, 0, 14, 0, 0, 0], new Uint8Array(16))),
        [1, 2, 3],
      ),
    );
    for (const form of [[], ['--json'], ['--group-by', 'address'], ['--csv'], ['--summary'], ['-v']]) {
      const { out, err } = await ended(start(['read', ...form, file]));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
      assert.doesNotMatch(out + err, /[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]/, form.join());
    }
    const strange = folder.file(`${evil.replaceAll('/', '')}.pcap`, 'no capture');
    const { err } = await read(strange);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    assert.doesNotMatch(err, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/, 'a file name');
  });
  test('a file that shrinks while it is read', async () => {
    const content = Buffer.concat([pcapHeader(), flood({ from: 0, count: 150_000, rate: 1000 })]);
    const file = folder.file('shrinks.pcap', content);
    for (const threads of THREADS) {
      writeFileSync(file, content);
      const child = start(['read', '--json', '--threads', threads, '--max-flows', '1000', file]);
      // It waits for its reader, so it is in the middle of the file.
      const first = await new Promise<Buffer>((resolve) => child.stdout?.once('data', resolve));
      child.stdout?.pause();
      truncateSync(file, 1000);
      const end = ended(child);
      child.stdout?.unshift(first);
      child.stdout?.resume();
      const run = await end;
      assertTidy(run, 'shrinks');
      assert.ok(run.code === 0, run.err);
      assert.match(run.err, /the capture is cut/, 'it is told that the end is missing');
    }
  });
});

describe('pipes', { concurrency: 2, skip: process.platform === 'win32' && 'no named pipes' }, () => {
  test('standard input that is empty, a directory, closed', async () => {
    const empty = await ended(start(['read', '--json', '-']));
    assertRefused(empty, /standard input: byte 0: expected the header .* empty file/, 'empty');
    const fd = openSync(folder.path, 'r');
    const directory = await ended(start(['read', '--json', '-'], { stdio: [fd, 'pipe', 'pipe'] }));
    closeSync(fd);
    assertRefused(directory, /standard input: this is a directory/, 'directory');
    const script = '"$0" "$1" read --json - <&-';
    const shell = spawnSync('sh', ['-c', script, process.execPath, MAIN], { encoding: 'utf8' });
    assert.equal(shell.status, 1, shell.stderr);
    assert.doesNotMatch(shell.stderr, /internal error|\n {4}at /);
  });
  test('a writer that dies in the middle of a packet', async () => {
    for (const length of [4, 24, 30, 100]) {
      const child = start(['read', '--json', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
      const end = ended(child);
      child.stdin?.on('error', () => {});
      child.stdin?.end(Buffer.concat([pcapHeader(), flood({ from: 0, count: 3, rate: 1 })]).subarray(0, length));
      const run = await end;
      if (length < 24) assertRefused(run, /standard input: byte \d+: expected the header/, `${length} bytes`);
      else {
        assertTidy(run, `${length} bytes`);
        assert.equal(run.code, 0);
        assert.equal(records(run.out).length, Math.floor((length - 24) / 56));
        if ((length - 24) % 56 !== 0) assert.match(run.err, /standard input: byte \d+: the capture is cut/);
      }
    }
  });
  test('a named pipe, also with two threads', {
    skip: !hasProgram('mkfifo') && 'mkfifo is not installed',
  }, async () => {
    for (const threads of THREADS) {
      const pipe = folder.file(`pipe-${threads}`);
      spawnSync('mkfifo', [pipe]);
      const end = read('--threads', threads, pipe);
      const fd = openSync(pipe, 'w');
      writeSync(fd, house, 0, 40_000);
      closeSync(fd);
      const run = await end;
      assertTidy(run, 'named pipe');
      assert.equal(run.code, 0, run.err);
      assert.match(run.err, /the capture is cut/);
      assert.ok(records(run.out).length > 0);
    }
  });
  test('endless nonsense on standard input', { skip: process.platform !== 'linux' && 'Linux only' }, async () => {
    for (const device of ['/dev/zero', '/dev/urandom']) {
      const fd = openSync(device, 'r');
      const run = await ended(start(['read', '--json', '-'], { stdio: [fd, 'pipe', 'pipe'] }));
      closeSync(fd);
      assertTidy(run, device);
      // Four random bytes may be those of something that is told by its name.
      assertRefused(run, /standard input: /, device);
    }
  });
});

describe('flags', { concurrency: 2 }, () => {
  test('what cannot be read as a flag or value: exit code 2, nothing on standard output', async () => {
    const wrong: string[][] = [
      ['--max-flows', '0'],
      ['--max-flows', '99999999999999'],
      ['--threads', '65'],
      ['--idle-timeout', '0'],
      ['--timeout', 'tcp.fin='],
      ['--features', 'no\u001b[31msuch'],
      ['--key', '__proto__'],
      ['--fields', 'constructor'],
      ['--tunnels', 'none,gre'],
      ['--=x'],
      ['-\u0007'],
    ];
    for (const args of wrong) {
      const run = await read(...args, HOUSE);
      const what = args.join(' ');
      assertTidy(run, what);
      assert.deepEqual([run.code, run.out], [2, ''], `${what}: ${run.err}`);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
      assert.doesNotMatch(run.err, /[\x00-\x09\x0b-\x1f]/, what);
    }
  });
  test('filters that are wrong, long or deep', async () => {
    const deep = `${'('.repeat(50_000)}tcp${')'.repeat(50_000)}`;
    for (const filter of ['tcp port', 'host 1.2.3.4.5', 'tcp[', '\\', deep, 'x'.repeat(100_000)]) {
      const run = await read(HOUSE, '--', filter);
      const what = filter.slice(0, 20);
      assertTidy(run, what);
      assert.deepEqual([run.code, run.out], [2, ''], `${what}: ${run.err}`);
      assert.ok(run.err.length < 2000, `${what}: a message that fits a screen, not ${run.err.length} characters`);
    }
  });
});
