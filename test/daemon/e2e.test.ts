/** Real programs talk over a cable; `rheo run` watches one end of it, and is compared with the kernel and tcpdump. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import type { FlowPage, Loss } from '../../src/rpc/service.js';
import { type DeviceCounters, type Lab, netnsMissing, twoHosts } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { DaemonProcess, finish, folderOf, LedgerWatch, RHEO, recordsOf } from './command.js';

const programs = ['iperf3', 'curl', 'ping', 'dig', 'tcpdump'];

function missing(): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = programs.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

const WEB_SERVER = `
  import http from 'node:http';
  http.createServer((request, response) => response.end('x'.repeat(Number(request.url.slice(1)))))
    .listen(8000, () => console.log('up'));
`;

/** Answers each question with 192.0.2.1. */
const NAME_SERVER = `
  import dgram from 'node:dgram';
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, from) => {
    let end = 12;
    while (query[end] !== 0) end += query[end] + 1;
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    for (const [at, count] of [[4, 1], [6, 1], [8, 0], [10, 0]]) head.writeUInt16BE(count, at);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    socket.send(Buffer.concat([head, query.subarray(12, end + 5), answer]), from.port, from.address);
  });
  socket.bind(53, '10.77.0.2', () => console.log('up'));
`;

/** Addresses of the server: those of a pair stay in one thread. */
const HOSTS = Array.from({ length: 8 }, (_, n) => `10.77.0.${n + 2}`);
const NAMES = Array.from({ length: 12 }, (_, n) => `host${n}.example`);

/** Traffic of real programs, side by side. @returns what the programs themselves say of it */
async function traffic(lab: Lab, left: string, right: string): Promise<{ pings: number; downloads: number }> {
  const run = async (program: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.finish(left, program, ...args);
    assert.equal(code, 0, `${program} ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const iperf = async (port: string, ...args: string[]): Promise<void> => {
    const server = lab.start(right, 'iperf3', ['-s', '-1', '-p', port, '--forceflush'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(server, 'exit');
    await once(server.stdout!, 'data');
    await run('iperf3', '-c', '10.77.0.2', '-p', port, ...args);
    await exited;
  };
  const sizes = Array.from({ length: 16 }, (_, n) => 1 + n * 10_000);
  const [ping, downloads, names] = await Promise.all([
    run('ping', '-c', '20', '-i', '0.05', '10.77.0.2'),
    Promise.all(
      sizes.map((size, n) =>
        run(
          'curl',
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{size_download}',
          `http://${HOSTS[n % HOSTS.length]}:8000/${size}`,
        ),
      ),
    ),
    run('dig', '@10.77.0.2', '+short', '+tries=1', ...NAMES),
    iperf('5201', '-n', '8M', '-b', '60M', '-P', '2'),
    iperf('5202', '-u', '-b', '8M', '-l', '400', '-t', '1'),
  ]);
  assert.deepEqual(downloads.map(Number), sizes);
  assert.equal(names.trim().split('\n').length, NAMES.length);
  return { pings: Number(/(\d+) received/.exec(ping)?.[1]), downloads: sizes.length };
}

/** Of each flow what does not depend on who looked; and its times in seconds. */
function comparable(records: readonly Record<string, unknown>[]): { texts: string[]; times: number[][] } {
  const all = records.map(({ id: _, start, end, duration, endReason: _reason, ...rest }) => ({
    text: JSON.stringify(rest),
    times: [Date.parse(String(start)) / 1000, Date.parse(String(end)) / 1000, Number(duration)],
  }));
  all.sort((x, y) => (x.text < y.text ? -1 : 1));
  return { texts: all.map(({ text }) => text), times: all.map(({ times }) => times) };
}

const sent = (to: DeviceCounters, from: DeviceCounters): number[] => [
  to.receivedPackets - from.receivedPackets,
  to.sentPackets - from.sentPackets,
  to.receivedBytes + to.sentBytes - from.receivedBytes - from.sentBytes,
];

for (const threads of [1, 2]) {
  test(`iperf3, curl, ping and dig, ${threads} thread${threads === 1 ? '' : 's'}: all that the kernel and tcpdump saw`, {
    skip: missing(),
    timeout: 60_000,
  }, async (t) => {
    const { lab, left, right } = twoHosts();
    t.after(() => lab.close());
    const folder = folderOf(t);
    const file = path.join(folder, 'flows.ndjson');
    const capture = path.join(folder, 'capture.pcap');
    for (const host of HOSTS.slice(1)) lab.ip(right, 'address', 'add', `${host}/24`, 'dev', 'r0');
    await Promise.all([lab.serve(right, WEB_SERVER), lab.serve(right, NAME_SERVER)]);
    const before = lab.counters(right, 'r0');
    // Once from inside of the namespace, once from outside.
    const where = threads === 1 ? [] : ['--netns', right];
    const daemon = new DaemonProcess(
      t,
      ['-i', 'r0', '--threads', String(threads), '--export', `file:${file}`, ...where],
      { folder, ...(threads === 1 ? { inside: [lab, right] } : {}) },
    );
    const tcpdump = lab.start(
      right,
      'tcpdump',
      ['-i', 'r0', '-Z', 'root', '-U', '-B', '32768', '-s', '2048', '--time-stamp-precision=nano', '-w', capture],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let told = '';
    tcpdump.stderr?.on('data', (part: Buffer) => {
      told += part.toString();
    });
    await daemon.ready();
    await daemon.until('tcpdump listens', () => /listening on/.test(told));
    assert.deepEqual(sent(lab.counters(right, 'r0'), before), [0, 0, 0]);

    const client = await daemon.connect();
    t.after(() => client.close());
    const watch = new LedgerWatch(client);
    const { pings, downloads } = await traffic(lab, left, right);
    const [received, transmitted, bytes] = sent(lab.counters(right, 'r0'), before);
    let loss: Loss | undefined;
    await daemon.until('all packets', async () => {
      loss = await client.call('loss');
      return loss.packets >= received + transmitted;
    });
    await watch.end();
    assert.ok(watch.different > 10, `the ledger was asked in the midst of it: ${watch.different} of ${watch.asked}`);
    t.diagnostic(`the ledger was asked ${watch.asked} times, ${watch.different} of them with other numbers`);

    // Packets and bytes are those of the interface's own counters.
    const [r0] = loss?.interfaces ?? [];
    assert.deepEqual([r0?.received, r0?.transmitted, r0?.bytes], [received, transmitted, bytes]);
    assert.deepEqual([loss?.packets, loss?.wireBytes], [received + transmitted, bytes]);
    assert.deepEqual([loss?.dropped, loss?.imbalance], [0, []]);
    assert.equal(loss?.threads.length, threads);
    assert.ok(
      loss?.threads.every(({ packets }) => packets > 0),
      'each thread has its share',
    );

    // What the programs say is what the flows say.
    const flows = async (filter: string): Promise<FlowPage> => daemon.ask<FlowPage>('flows', filter, '--limit', '1000');
    const icmp = await flows('icmp');
    assert.deepEqual(
      icmp.flows.map(({ packets, reversePackets }) => [packets, reversePackets]),
      [[pings, pings]],
    );
    const dns = await flows('udp and dst port 53');
    assert.equal(
      dns.flows.reduce((sum, { packets }) => sum + Number(packets), 0),
      NAMES.length,
    );
    const web = await flows('tcp and dst port 8000');
    assert.equal(web.matched, downloads);

    // It is asked how many it has written until it has all of them.
    await daemon.until('tcpdump has all', () => {
      tcpdump.kill('SIGUSR1');
      return new RegExp(`^(tcpdump: )?${received + transmitted} packets captured`, 'm').test(told);
    });
    tcpdump.kill('SIGINT');
    await once(tcpdump, 'close');
    assert.match(told, /^0 packets dropped by kernel/m);
    client.close();
    const last = await daemon.stop();
    assert.match(last.msg, /Nothing was lost\.$/);
    const records = recordsOf(file);
    assert.deepEqual([records.length, last.flows.live], [last.records, 0]);
    const read = await finish([...RHEO, 'read', '--json', capture]);
    assert.equal(read.code, 0, read.stderr);
    const ours = comparable(records);
    const theirs = comparable(
      read.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
    assert.deepEqual(ours.texts, theirs.texts);
    // Frames that are sent get their time from each socket for itself.
    for (const [k, times] of ours.times.entries()) {
      for (const [n, time] of times.entries()) assert.ok(Math.abs(time - theirs.times[k][n]) < 1, ours.texts[k]);
    }
  });
}
