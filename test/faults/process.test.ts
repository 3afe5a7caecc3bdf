/** `rheo run` as a process whose ground gives way: disks, folders, memory, itself. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { DaemonProcess, finish, folderOf, RHEO, recordsOf } from '../daemon/command.js';
import { netnsMissing, twoHosts } from '../support/netns.js';
import { ethernet, ip, pcapOf, udp } from '../support/packets.js';
import { hasProgram } from '../support/programs.js';

const root = process.getuid?.() === 0 ? false : 'needs root';
const linux = process.platform === 'linux' ? false : 'needs Linux';
const limit = { timeout: 60_000 };
const NOBODY = 65534;
const PCAP_HEADER = 24;

/** Captures of ever new flows, of which only the first has a header. */
function captures(): (flows: number) => Uint8Array {
  let port = 0;
  return (flows) => {
    const frames = Array.from({ length: flows }, () => {
      const at = port++ / 1000;
      return { at, bytes: ethernet(ip('10.0.0.1', '10.0.0.2', 17, udp(1 + (port & 0x7fff), 1 + (port >> 15)))) };
    });
    return pcapOf(frames).subarray(port === flows ? 0 : PCAP_HEADER);
  };
}

/** Runs the command with a capture that is given to it. */
async function fed(bytes: Uint8Array, folder: string): Promise<{ code: number | null; errors: string }> {
  const [program, ...first] = RHEO;
  const env = { PATH: process.env.PATH, RHEO_CONTROL_SOCKET: path.join(folder, 'control.sock') };
  const child = spawn(program, [...first, 'run', '-'], { env, stdio: ['pipe', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (part: Buffer) => {
    errors += part.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(bytes);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, errors };
}

test('a pipe that is empty or holds no capture: the error, exit code 1, and no attempt to begin it anew', {
  ...limit,
  skip: linux,
}, async (t) => {
  for (const [bytes, why] of [
    [Buffer.alloc(0), /expected the header of a capture, found an empty file/],
    [Buffer.from('no capture at all, but long enough'), /expected a pcap or pcapng capture/],
  ] as const) {
    const { code, errors } = await fed(bytes, folderOf(t));
    assert.equal(code, 1, errors);
    assert.match(errors.slice(errors.lastIndexOf('\nrheo: ')), why);
    assert.doesNotMatch(errors, /begins anew/);
    assert.match(errors, /last summary: Nothing was lost/);
  }
});

test('standard input that is a file is read like a pipe, without a warning', { ...limit, skip: linux }, async (t) => {
  const folder = folderOf(t);
  const file = path.join(folder, 'in.pcap');
  writeFileSync(file, captures()(10));
  const command = '"$@" run --log-level warn - < "$INPUT"';
  const { code, stderr } = await finish(['sh', '-c', command, 'sh', ...RHEO], {
    RHEO_CONTROL_SOCKET: path.join(folder, 'control.sock'),
    INPUT: file,
  });
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /File descriptor|Warning/);
});

test('a folder in which the socket cannot be made: who may not is told what to do', {
  ...limit,
  skip: root || (hasProgram('setpriv') ? false : 'setpriv is missing'),
}, async (t) => {
  const folder = folderOf(t);
  const socket = path.join(folder, 'control.sock');
  const user = ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
  const { code, stderr } = await finish([...user, ...RHEO, 'run', '-'], { RHEO_CONTROL_SOCKET: socket });
  assert.deepEqual([code, readdirSync(folder)], [1, []]);
  assert.ok(
    stderr.startsWith(`rheo: cannot listen on ${socket}: EACCES\n  The folder ${folder} must be writable`),
    stderr,
  );
});

test('the socket’s folder goes away and comes back empty: the daemon meters on, and stops when it is told to', {
  ...limit,
  skip: linux,
}, async (t) => {
  const folder = folderOf(t);
  const control = path.join(folder, 'control');
  mkdirSync(control);
  const socket = path.join(control, 'control.sock');
  const file = path.join(folder, 'flows.ndjson');
  const more = captures();
  const daemon = new DaemonProcess(t, ['--control-socket', socket, '--export', `file:${file}`, '-'], {
    folder,
    input: 'pipe',
  });
  daemon.child.stdin?.write(more(10));
  await daemon.ready();
  rmSync(control, { recursive: true });
  daemon.child.stdin?.write(more(10));
  mkdirSync(control);
  chmodSync(control, 0o555);
  daemon.child.stdin?.end();
  assert.equal(await daemon.end(), 0, daemon.errors);
  assert.equal(daemon.lastSummary.records, 20);
  assert.equal(recordsOf(file).length, 20);
});

/** A file system of a megabyte, gone after the test. */
function smallDisk(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-disk-'));
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status, 0);
  t.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmdirSync(folder);
  });
  return folder;
}

test('the disk of log and records is full, then is not: packets are metered on, what did not fit is counted', {
  ...limit,
  skip: root || (hasProgram('mount') ? false : 'mount is missing'),
}, async (t) => {
  const disk = smallDisk(t);
  const folder = folderOf(t);
  const [log, file, ballast] = ['rheo.log', 'flows.ndjson', 'ballast'].map((name) => path.join(disk, name));
  const more = captures();
  const daemon = new DaemonProcess(
    t,
    ['--log-file', log, '--statistics-interval', '100ms', '--export', `file:${file}?queue=64k`, '-'],
    { folder, input: 'pipe' },
  );
  daemon.child.stdin?.write(more(10));
  await daemon.until('the socket', async () => (await daemon.ctl('version')).code === 0);
  const client = await daemon.connect();
  t.after(() => client.close());
  spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k', 'count=1000']);
  const full = readFileSync(log).length;
  daemon.child.stdin?.write(more(5000));
  const told = async (): Promise<{ records: number; dropped: number; waiting: number }> => {
    const loss = await client.call('loss');
    assert.deepEqual(loss.imbalance, []);
    const [{ dropped, waiting }] = loss.targets;
    const sum = Object.values(dropped).reduce((all, count) => all + count, 0);
    return { records: loss.records, dropped: sum, waiting };
  };
  await daemon.until('5010 packets', async () => (await client.call('loss')).packets === 5010);
  await client.call('expire', {});
  await daemon.until('records that do not fit', async () => (await told()).dropped > 0);
  assert.ok(readFileSync(log).length - full <= 4096, 'no more of the log than what was left of its block');
  assert.notEqual((await client.call('health')).status, 'ok');
  rmSync(ballast);
  // The file goes on; so does the log, with what waited for it.
  daemon.child.stdin?.write(more(10));
  await daemon.until('5020 packets', async () => (await client.call('loss')).packets === 5020);
  client.close();
  daemon.child.stdin?.end();
  assert.equal(await daemon.end(), 0, daemon.errors);
  const lines = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = lines.at(-1);
  assert.match(last.msg, /^last summary: \d+ records were dropped on the way to file:/);
  const [{ received, sent, dropped }] = last.targets;
  const lost = Object.values(dropped as Record<string, number>).reduce((all, count) => all + count, 0);
  assert.deepEqual([last.packets, last.records, received, sent + lost], [5020, 5020, 5020, 5020]);
  assert.equal(recordsOf(file).length, sent);
  t.diagnostic(`${lost} of ${received} records did not fit`);
});

test('no memory for the table: an error with what to do, and nothing is left behind', {
  ...limit,
  skip: linux,
}, async (t) => {
  const folder = folderOf(t);
  const socket = path.join(folder, 'control.sock');
  const command = 'ulimit -v 3500000 && exec "$@" run --max-flows 33554432 -';
  const child = spawn('sh', ['-c', command, 'sh', ...RHEO], {
    env: { PATH: process.env.PATH, RHEO_CONTROL_SOCKET: socket },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (part: Buffer) => {
    errors += part.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.write(captures()(10));
  assert.deepEqual(await once(child, 'close'), [1, null]);
  assert.match(errors, /^rheo: no memory for a table of 33554432 flows\n {2}give a smaller --max-flows$/m);
  assert.deepEqual(readdirSync(folder), []);
});

test('kill -9 under load and a restart at once: socket, pid file and the file of records are taken over, lines stay whole', {
  ...limit,
  skip: netnsMissing(),
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const folder = folderOf(t);
  const file = path.join(folder, 'flows.ndjson');
  const args = ['-i', 'r0', '--pid-file', path.join(folder, 'rheo.pid'), '--export', `file:${file}`];
  const options = { inside: [lab, right] as [typeof lab, string], folder };
  await lab.serve(left, CHATTER);
  const written = (): number => readdirSync(folder).filter((name) => name.startsWith('flows')).length;
  for (let life = 0; life < 3; life++) {
    const daemon = new DaemonProcess(t, [...args, '--timeout', 'single=1s'], options);
    await daemon.ready();
    await daemon.until('records', async () => {
      const client = await daemon.connect();
      const loss = await client.call('loss');
      client.close();
      assert.deepEqual(loss.imbalance, []);
      return loss.records > 1000;
    });
    daemon.child.kill('SIGKILL');
    assert.equal(await daemon.end(), null);
    assert.ok(written() > 0);
  }
  const last = new DaemonProcess(t, args, options);
  await last.ready();
  const { records, targets } = await last.stop();
  assert.deepEqual([targets[0].received, targets[0].sent], [records, records]);
  assert.deepEqual(
    readdirSync(folder).filter((name) => !name.startsWith('flows')),
    [],
    'socket and pid file are gone',
  );
  let lines = 0;
  for (const name of readdirSync(folder)) lines += recordsOf(path.join(folder, name)).length;
  t.diagnostic(`${lines} whole lines in ${written()} files`);
  assert.ok(lines >= records);
});

/** Datagrams from ever new ports to where nobody listens. */
const CHATTER = `
  import dgram from 'node:dgram';
  const socket = dgram.createSocket('udp4');
  let port = 1;
  socket.on('error', () => undefined);
  console.log('up');
  setInterval(() => {
    for (let n = 0; n < 20; n++) socket.send('x', (port++ & 0x7fff) + 1, '10.77.0.2');
  }, 2);
`;
