/** A capture is read and its packets sampled; other programs say what they got. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { finish, RHEO } from '../daemon/command.js';
import { datagramPcap } from '../support/datagrams.js';
import { hasProgram } from '../support/programs.js';
import { Sfcapd } from '../support/sfcapd.js';
import { SflowCollector } from '../support/sflow-collector.js';
import { projectRoot } from '../support/shared.js';

const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');
const programs = ['tshark', 'sfcapd', 'nfdump', 'sfacctd'];
const name = programs.find((one) => !hasProgram(one));
const skip = name === undefined ? false : `${name} is missing`;
/** sFlow counts the FCS of Ethernet frames, which captures leave out. */
const FCS = 4;

/** Lengths of the frames of the sample, as tshark sees them. */
function lengths(filter: string): number[] {
  const args = ['-n', '-r', SAMPLE, '-Y', filter, '-T', 'fields', '-e', 'frame.len'];
  const text = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return text.trim().split('\n').map(Number);
}

/** Packets and bytes that frames of such lengths stand for. */
function sums(frames: readonly number[], oneIn: number): [packets: number, bytes: number] {
  return [frames.length * oneIn, frames.reduce((sum, length) => sum + length + FCS, 0) * oneIn];
}

function pmacct(context: TestContext, pcap: string): { told: string; packets: number; bytes: number } {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-pmacct-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const output = path.join(folder, 'out.json');
  const lines = [
    'daemonize: false',
    `pcap_savefile: ${pcap}`,
    'plugins: print',
    'aggregate: none',
    'print_output: json',
    `print_output_file: ${output}`,
    'print_refresh_time: 1',
    'print_output_file_append: true',
    'sfacctd_renormalize: true',
  ];
  writeFileSync(path.join(folder, 'conf'), lines.join('\n'));
  const { stdout, stderr } = spawnSync('sfacctd', ['-f', path.join(folder, 'conf')], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  const sum = { packets: 0, bytes: 0 };
  for (const line of readFileSync(output, 'utf8').trim().split('\n')) {
    const one = JSON.parse(line) as typeof sum;
    sum.packets += one.packets;
    sum.bytes += one.bytes;
  }
  return { told: stdout + stderr, ...sum };
}

for (const [oneIn, query, threads] of [
  [1, '', 1],
  [1, '&expanded&header=64', 2],
  [7, '', 1],
  [7, '&expanded', 2],
] as const) {
  test(`1 in ${oneIn}${query}, ${threads} thread${threads === 1 ? '' : 's'}: tshark, sfcapd and sfacctd read it`, {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const [collector, sfcapd] = [await SflowCollector.open(t), await Sfcapd.start(t)];
    const url = `sflow://127.0.0.1:${collector.port},127.0.0.1:${sfcapd.port}?sampling=${oneIn}${query}`;
    const done = await finish([...RHEO, 'read', SAMPLE, '--threads', String(threads), '--export', url]);
    assert.equal(done.code, 0, done.stderr);
    const told = await sfcapd.end();
    const { flows } = collector;
    const frames = flows.map(({ header }) => header!.frameLength - FCS);
    // Two collectors get a copy each.
    assert.match(done.stdout + done.stderr, new RegExp(`: ${(frames.length * 2).toLocaleString('en')} samples\n`));
    const [packets, bytes] = sums(frames, oneIn);
    if (oneIn === 1) assert.deepEqual(frames, lengths('frame'));
    else {
      const all = lengths('frame').length;
      const deviation = Math.sqrt((all / oneIn) * (1 - 1 / oneIn));
      assert.ok(Math.abs(frames.length - all / oneIn) < 5 * deviation, `${frames.length} samples of ${all} packets`);
    }
    assert.deepEqual(told.sums, { flows: frames.length, packets, bytes, sequenceErrors: 0, bad: 0 });
    assert.doesNotMatch(told.told, /error[^s:]|exception|unknown/i);
    assert.equal(told.records.length, frames.length);
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'rheo-sflow-')), 'sflow.pcap');
    t.after(() => rmSync(path.dirname(file), { recursive: true }));
    writeFileSync(file, datagramPcap(collector.datagrams, 6343));
    const tshark = (...args: string[]): string =>
      execFileSync('tshark', ['-n', '-r', file, ...args], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    assert.equal(tshark('-q', '-z', 'expert').trim(), '');
    // What it warns of inside of sampled packets is that others are missing between them.
    const text = tshark('-V');
    const wrong = text.split('\n').filter((line) => /malformed|severity level: error/i.test(line));
    assert.deepEqual(wrong, []);
    assert.equal(text.match(/Header of sampled packet/g)?.length, frames.length);
    // It leaves out what is not IP. A sample stands for the packets since the one before, as the pools say.
    const expected = { packets: 0, bytes: 0 };
    const ip: number[] = [];
    for (const [k, { header, pool, rate }] of flows.entries()) {
      const { bytes: head, frameLength } = header!;
      if (!['800', '86dd'].includes(((head[12] << 8) | head[13]).toString(16))) continue;
      const weight = k === 0 ? rate : pool - flows[k - 1].pool;
      expected.packets += weight;
      expected.bytes += weight * frameLength;
      ip.push(frameLength - FCS);
    }
    if (oneIn === 1) assert.deepEqual(ip, lengths('ip or ipv6'));
    const found = pmacct(t, file);
    assert.deepEqual([found.packets, found.bytes], [expected.packets, expected.bytes], found.told);
  });
}
