import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../src/cli/spec.js';
import { hasProgram } from '../support/programs.js';

const main = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../src/cli/main.js');
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-cli-'));
after(() => rmSync(folder, { recursive: true }));

/** Packets of UDP over raw IPv4, each a flow of its own, as a pcap file. */
function capture(flows: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(101, 20);
  const packets = Array.from({ length: flows }, (_, k) => {
    const packet = Buffer.alloc(16 + 28 + 12);
    packet.writeUInt32LE(1704067200 + Math.floor(k / 1000), 0);
    packet.writeUInt32LE((k % 1000) * 1000, 4);
    packet.writeUInt32LE(40, 8);
    packet.writeUInt32LE(40, 12);
    packet.writeUInt8(0x45, 16);
    packet.writeUInt16BE(40, 18);
    packet.writeUInt8(64, 24);
    packet.writeUInt8(17, 25);
    packet.writeUInt32BE(0x0a000000 + (k >> 8), 28);
    packet.writeUInt32BE(0xc0000207, 32);
    packet.writeUInt16BE(1024 + (k % 60000), 36);
    packet.writeUInt16BE(k % 2 === 0 ? 53 : 123, 38);
    packet.writeUInt16BE(20, 40);
    return packet;
  });
  return Buffer.concat([header, ...packets]);
}

const small = path.join(folder, 'small.pcap');
writeFileSync(small, capture(100));
const large = path.join(folder, 'large.pcap');
writeFileSync(large, capture(20_000));

interface Result {
  code: number | null;
  out: string;
  err: string;
}

function rheo(args: readonly string[], environment: NodeJS.ProcessEnv = {}, input?: Buffer): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    maxBuffer: 64e6,
    ...(input === undefined ? {} : { input }),
  });
  return { code: status, out: stdout, err: stderr };
}

test('--json: a line for each flow, and silence on standard error', () => {
  const { code, out, err } = rheo(['read', '--json', small]);
  assert.equal(code, 0);
  const records = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(records.length, 100);
  assert.equal(new Set(records.map((record) => record.id)).size, 100);
  assert.equal(
    records.reduce((sum, record) => sum + record.packets, 0),
    100,
  );
  assert.equal(
    records.reduce((sum, record) => sum + record.bytes, 0),
    4000,
  );
  assert.ok(records.every((record) => record.proto === 'udp' && record.dst === '192.0.2.7'));
  assert.equal(err, '');
});

test('the table: twenty flows and a line about all of them', () => {
  const { code, out, err } = rheo(['read', small]);
  assert.equal(code, 0);
  assert.equal(out.split('\n').length, 22);
  assert.match(out, /^PROTO +SOURCE +DESTINATION/);
  assert.match(out, /192\.0\.2\.7:domain/);
  assert.match(err, /^100 packets, 4\.00 kB, 100 flows/);
  assert.ok(!out.includes('\u001b'));
  assert.equal(rheo(['read', '-q', small]).err, '');
  assert.match(rheo(['read', '-n', small]).out, /192\.0\.2\.7:53\b/);
});

test('standard input, filters, counting', () => {
  assert.equal(rheo(['read', '--count', '-'], {}, capture(7)).out, '7\n');
  assert.equal(rheo(['read', '--count', small, 'udp', 'port', '53']).out, '50\n');
  assert.equal(rheo(['read', '--count', small, '--', 'tcp']).out, '0\n');
  assert.equal(rheo(['read', '--json', small, 'port', '123']).out.trimEnd().split('\n').length, 50);
});

test('--top, --sort, --fields, --csv', () => {
  const { out } = rheo(['read', '--csv', '--fields', 'srcPort,dst', '--sort', 'srcPort', '--top', '3', small]);
  assert.equal(out, 'srcPort,dst\r\n1024,192.0.2.7\r\n1025,192.0.2.7\r\n1026,192.0.2.7\r\n');
  assert.equal(rheo(['read', '--json', '--top', '2', small]).out.trimEnd().split('\n').length, 2);
  const wrong = rheo(['read', '--json', '--fields', 'source', small]);
  assert.deepEqual([wrong.code, wrong.out], [2, '']);
  assert.match(wrong.err, /no field is called 'source'\n.*srcPort/);
});

test('--group-by and --summary', () => {
  const groups = rheo(['read', '--json', '--group-by', 'port', small]).out.trimEnd().split('\n');
  assert.deepEqual(
    groups.map((line) => JSON.parse(line)).map(({ proto, port, flows }) => [proto, port, flows]),
    [
      ['udp', 53, 50],
      ['udp', 123, 50],
    ],
  );
  const summary = JSON.parse(rheo(['read', '--json', '--summary', small]).out);
  assert.deepEqual([summary.flows, summary.packets, summary.bytes], [100, 100, 4000]);
  assert.match(rheo(['read', '--summary', small]).out, /PROTOCOL +FLOWS/);
  assert.equal(rheo(['read', '--group-by', 'address', '--sort', 'duration', small]).code, 2);
});

test('the environment gives flags, the command line wins', () => {
  assert.match(rheo(['read', small], { RHEO_JSON: '1' }).out, /^\{"id"/);
  assert.match(rheo(['read', '--csv', small], { RHEO_JSON: '1' }).out, /^id,start/);
  const wrong = rheo(['read', small], { RHEO_IDLE_TIMEOUT: 'soon' });
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /RHEO_IDLE_TIMEOUT: 'soon'/);
});

test('wrong use: exit code 2 and a hint', () => {
  const cases: [string[], RegExp][] = [
    [['raed', small], /Did you mean: rheo read\?/],
    [[small], /rheo read .*small\.pcap/],
    [['read', '--jsn', small], /Did you mean --json\?/],
    [['read', '--json', '--csv', small], /exclude each other/],
    [['read'], /no capture file/],
    [['read', '--features', 'nonsense', small], /nonsense/],
    [['read', small, 'flurb'], /flurb/],
    [['completion', 'tcsh'], /bash\|zsh\|fish/],
    [['completion'], /which shell/],
    [['demo', 'x'], /too much/],
    [[], /rheo COMMAND --help/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = rheo(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '', args.join(' '));
    assert.match(err, message, args.join(' '));
    assert.ok(!err.includes('internal error'), err);
  }
});

test('what cannot be read: exit code 1 and the name', () => {
  for (const name of [path.join(folder, 'missing.pcap'), 'missing']) {
    const { code, err } = rheo(['read', name]);
    assert.equal(code, 1);
    assert.match(err, /missing(\.pcap)?: no such file/);
  }
  const empty = path.join(folder, 'empty.pcap');
  writeFileSync(empty, '');
  for (const file of [folder, empty]) {
    const { code, err } = rheo(['read', file]);
    assert.equal(code, 1, err);
    assert.ok(err.startsWith('rheo: ') && err.includes(file), err);
    assert.ok(!err.includes('internal error'), err);
  }
});

test('every command has help with examples', () => {
  for (const command of COMMANDS) {
    const { code, out } = rheo([command.name, '--help']);
    assert.equal(code, 0);
    assert.match(out, /Examples:/);
    assert.equal(rheo(['help', command.name]).out, out);
    for (const flag of command.flags) assert.ok(out.includes(`--${flag.name}`), flag.name);
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
  }
  assert.match(rheo(['--help']).out, /Exit codes/);
  assert.match(rheo(['--version']).out, /^rheo \d+\.\d+\.\d+ \(Node /);
});

test('a full disk at standard output', { skip: process.platform !== 'linux' && 'needs /dev/full' }, () => {
  for (const args of [['--json', small], ['--csv', small], [small], ['--count', small]]) {
    const fd = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [main, 'read', ...args], {
      stdio: ['ignore', fd, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(fd);
    assert.equal(status, 1);
    assert.match(stderr, /cannot write standard output.*no space left/);
  }
});

test('a reader that goes away is a clean end', { skip: !hasProgram('bash') && 'needs bash' }, () => {
  for (const flag of ['--json', '--csv']) {
    const script = '"$0" "$1" read "$2" "$3" | head -n 1 >/dev/null; echo $PIPESTATUS';
    const { stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, main, flag, large], {
      encoding: 'utf8',
    });
    assert.equal(stdout, '0\n');
    assert.equal(stderr, '');
  }
});

test('SIGINT: what there is, and exit code 130', async () => {
  const child = spawn(process.execPath, [main, 'read', '--json', '--no-progress', '-'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    err += chunk;
  });
  child.stdin.on('error', () => {});
  // A pipe holds 64 KiB: when this is written, most of it has been read.
  await new Promise<void>((resolve) => {
    child.stdin.write(capture(20_000), () => resolve());
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => resolve(code));
  });
  child.kill('SIGINT');
  const code = await ended;
  assert.equal(code, 130, err);
  const records = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(records.length > 100, String(records.length));
});

test('the sample of the demo needs nothing and says what comes next', () => {
  const { code, out, err } = rheo(['demo', '--sample']);
  assert.equal(code, 0, err);
  assert.ok(out.split('\n').length > 5);
  assert.match(err, /Next: npx rheo read FILE/);
});
