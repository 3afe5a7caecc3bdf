import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RheoError } from '../../src/core/errors.js';
import { Output, type WriteBytes } from '../../src/export/output.js';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/** Takes a few bytes at a time and fails at the calls that are listed. */
function flaky(failures: ReadonlyMap<number, string>, most: number): { write: WriteBytes; text: () => string } {
  let calls = 0;
  let text = '';
  return {
    write(_fd, bytes, offset, length) {
      const code = failures.get(calls++);
      if (code !== undefined) throw failure(code);
      const taken = Math.min(most, length);
      text += Buffer.from(bytes.subarray(offset, offset + taken)).toString('latin1');
      return taken;
    },
    text: () => text,
  };
}

const LINE = '0123456789\n';

test('short writes and full pipes lose nothing, at whichever call they happen', () => {
  for (let n = 0; n < 8; n++) {
    for (const code of ['EAGAIN', 'EINTR']) {
      const sink = flaky(
        new Map([
          [n, code],
          [n + 1, code],
        ]),
        3,
      );
      const output = new Output(1, 'a pipe', sink.write);
      output.text(LINE);
      output.text(LINE);
      assert.equal(sink.text(), LINE + LINE);
      assert.equal(output.written, 22);
      assert.equal(output.closed, false);
    }
  }
});

test('a reader that goes away is a clean end', () => {
  for (let n = 0; n < 8; n++) {
    const sink = flaky(new Map([[n, 'EPIPE']]), 3);
    const output = new Output(1, 'a pipe', sink.write);
    let told = 0;
    output.onClosed = () => {
      told++;
    };
    output.text(LINE);
    output.text(LINE);
    assert.equal(output.closed, true);
    assert.equal(told, 1);
    assert.equal(sink.text(), (LINE + LINE).slice(0, sink.text().length));
  }
});

test('a full disk is an error that says where, with exit code 1', () => {
  const sink = flaky(new Map([[2, 'ENOSPC']]), 3);
  const output = new Output(1, 'flows.ndjson', sink.write);
  assert.throws(
    () => output.text(LINE),
    (error) => {
      assert.ok(error instanceof RheoError);
      assert.equal(error.code, 'RHEO_OUTPUT');
      assert.equal(error.exitCode, 1);
      assert.match(error.message, /flows\.ndjson after 6 bytes: no space left/);
      assert.ok(error.remedy !== undefined);
      return true;
    },
  );
});

test('other failures name themselves', () => {
  const output = new Output(1, 'standard output', flaky(new Map([[0, 'EBADF']]), 3).write);
  assert.throws(() => output.text(LINE), { code: 'RHEO_OUTPUT', message: /EBADF/ });
});

test('a file gets the bytes', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-output-'));
  const file = path.join(folder, 'out');
  const fd = openSync(file, 'w');
  const output = new Output(fd, file);
  output.text('flöw\n');
  output.write(new Uint8Array([65, 66, 67]), 2);
  closeSync(fd);
  assert.equal(readFileSync(file, 'utf8'), 'flöw\nAB');
  rmSync(folder, { recursive: true });
});

test('a device without room', () => {
  const fd = openSync('/dev/full', 'w');
  assert.throws(() => new Output(fd, '/dev/full').text(LINE), { code: 'RHEO_OUTPUT', message: /no space left/ });
  closeSync(fd);
});

test('a patient output makes nobody wait: what a full pipe does not take goes out with drain, in order', async () => {
  for (let n = 0; n < 8; n++) {
    const sink = flaky(
      new Map([
        [n, 'EAGAIN'],
        [n + 2, 'EAGAIN'],
        [n + 3, 'EINTR'],
      ]),
      3,
    );
    const output = Output.patient(1, 'a pipe', sink.write);
    const bytes = Buffer.from(LINE);
    output.write(bytes, bytes.length);
    // The caller's memory is free again.
    const copy = Buffer.from('abcdefghij\n');
    output.write(copy, copy.length);
    copy.fill(0);
    await output.drain();
    assert.equal(sink.text(), `${LINE}abcdefghij\n`);
    assert.equal(output.written, 22);
    assert.equal(output.drain(), undefined);
  }
});

test('a patient output whose reader goes away, or whose disk is full, while it drains', async () => {
  const gone = flaky(
    new Map([
      [1, 'EAGAIN'],
      [2, 'EPIPE'],
    ]),
    3,
  );
  const output = Output.patient(1, 'a pipe', gone.write);
  output.text(LINE);
  await output.drain();
  assert.equal(output.closed, true);
  const full = flaky(
    new Map([
      [1, 'EAGAIN'],
      [2, 'ENOSPC'],
    ]),
    3,
  );
  const other = Output.patient(1, 'a file', full.write);
  other.text(LINE);
  await assert.rejects(async () => other.drain(), { code: 'RHEO_OUTPUT' });
});
