import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Log, readableLine } from '../../src/control/log.js';
import type { LogOutput } from '../../src/control/log-output.js';
import { openLogFile } from '../../src/control/log-output.js';
import { redact } from '../../src/control/redact.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-log-'));
after(() => rmSync(folder, { recursive: true }));

class Lines implements LogOutput {
  readonly lines: string[] = [];
  dropped = 0;
  reopens = 0;
  write(line: string): void {
    this.lines.push(line);
  }
  reopen(): void {
    this.reopens++;
  }
  close(): void {}
  get messages(): { level: string; msg: string }[] {
    return this.lines.map((line) => JSON.parse(line) as { level: string; msg: string });
  }
}

test('lines are JSON with level, time, pid and message; what is below the level is not written', () => {
  const output = new Lines();
  const log = new Log(output, 'info', 'json', () => 0);
  log.write('debug', 'not this');
  log.write('warn', 'interface gone', { interface: 'eth0' });
  log.setLevel('debug');
  log.write('debug', 'now this');
  log.close();
  assert.equal(output.lines.length, 2);
  const [first] = output.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    { ...first, time: '' },
    { level: 'warn', time: '', pid: process.pid, interface: 'eth0', msg: 'interface gone' },
  );
  assert.match(String(first.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.throws(() => log.setLevel('inof'), /there is no log level 'inof'/);
  assert.equal(log.level, 'debug');
});

test('the same message is written ten times a minute, then counted; numbers do not make it another one', () => {
  const output = new Lines();
  let now = 1000;
  const log = new Log(output, 'info', 'json', () => now);
  for (let k = 0; k < 1000; k++) log.write('warn', `client 10.0.0.${k % 250}:${k} sent garbage`);
  log.write('error', 'something else');
  assert.equal(output.lines.length, 11);
  now += 59_999;
  log.write('error', 'something else');
  assert.equal(output.lines.length, 12);
  now += 1;
  log.write('info', 'after');
  const [summary, last] = output.messages.slice(12);
  assert.equal(summary.msg, 'client 10.0.0.0:0 sent garbage (990 more like it in a minute)');
  assert.equal(summary.level, 'warn');
  assert.equal(last.msg, 'after');
  log.write('warn', 'client 10.0.0.1:1 sent garbage');
  assert.equal(output.lines.length, 15);
  log.close();
});

test('messages of ever new words are limited all together, and memory with them', () => {
  const output = new Lines();
  const log = new Log(output, 'info', 'json', () => 0);
  const word = (k: number): string => k.toString(2).replaceAll('0', 'x').replaceAll('1', 'y');
  for (let k = 0; k < 5000; k++) log.write('warn', `who is ${word(k)}?`);
  assert.equal(output.lines.length, 256 + 10);
  log.close();
});

test('secrets are not written, wherever they stand', () => {
  const output = new Lines();
  const log = new Log(output, 'info', 'json', () => 0);
  log.write('info', 'connecting to ipfix+tls://me:hunter2@host with Authorization: Bearer hunter2hunter2', {
    token: 'hunter2',
    http: { password: 'hunter2' },
  });
  log.close();
  assert.equal(output.lines.length, 1);
  assert.doesNotMatch(output.lines[0], /hunter2/);
  for (const text of [
    'https://u:hunter2@x/',
    'password=hunter2',
    '{"token":"hunter2"}',
    "secret: 'hunter2'",
    'api_key=hunter2&x=1',
  ]) {
    assert.doesNotMatch(redact(text), /hunter2/, text);
  }
  for (const text of [
    'tokenFile: /etc/rheo/token',
    'ipfix://host:4739',
    'basic flow of 3 tokens',
    'http://[::1]:80/',
  ]) {
    assert.equal(redact(text), text);
  }
});

test('readable lines have one line whatever strangers put into names', () => {
  const json = JSON.stringify({
    level: 'warn',
    time: 'T',
    pid: 1,
    msg: 'a\nb\u001b[2J\u202ec',
    name: 'x y',
    count: 3,
    plain: 'eth0',
  });
  assert.equal(readableLine(json, false), 'T warn  a?b?[2J?c  name="x y"  count=3  plain=eth0\n');
  assert.equal(readableLine(json, true), '<4>a?b?[2J?c  name="x y"  count=3  plain=eth0\n');
});

test('a file is appended to, and opened again after a rotation', () => {
  const file = path.join(folder, 'rheo.log');
  const output = openLogFile(file);
  output.write('one\n');
  renameSync(file, `${file}.1`);
  output.write('two\n');
  output.reopen();
  output.write('three\n');
  output.close();
  assert.equal(readFileSync(`${file}.1`, 'utf8'), 'one\ntwo\n');
  assert.equal(readFileSync(file, 'utf8'), 'three\n');
  const again = openLogFile(file);
  again.write('four\n');
  again.close();
  assert.equal(readFileSync(file, 'utf8'), 'three\nfour\n');
  assert.throws(() => openLogFile(path.join(folder, 'no', 'such')), /log\.file: .* cannot be opened/);
});

test('a full disk stops nobody: lines wait, then are dropped and counted', {
  skip: process.platform !== 'linux' && 'needs /dev/full',
}, () => {
  const output = openLogFile('/dev/full');
  const line = `${'x'.repeat(1023)}\n`;
  for (let k = 0; k < 300; k++) output.write(line);
  assert.equal(output.dropped, 300 - 256);
  output.close();
  assert.equal(output.dropped, 300);
});

test('who does not read standard error does not stop the process', {
  skip: process.platform !== 'linux' && 'needs Linux',
}, () => {
  const module = pathToFileURL(path.resolve(import.meta.dirname, '../../src/control/log.js')).href;
  const script = `
    import { openLog } from ${JSON.stringify(module)};
    const log = openLog({ level: 'info', format: 'json' }, {});
    for (let k = 0; k < 3000; k++) log.write('info', 'line ' + String.fromCharCode(97 + k % 26).repeat(900 + k % 200));
    log.close();
    process.stdout.write('came through');
  `;
  // The reader of the pipe sleeps; if the writer waited for it, it would be ended by the time limit.
  const run = spawnSync('bash', ['-c', '"$0" --input-type=module -e "$1" 2> >(sleep 20)', process.execPath, script], {
    encoding: 'utf8',
    timeout: 15_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  assert.equal(run.stdout, 'came through');
});
