/** tshark reads what `rheo read --export` sends, with every format, option and template, and has nothing to remark. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { finish, RHEO } from '../daemon/command.js';
import { datagramPcap } from '../support/datagrams.js';
import { until } from '../support/export-context.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-tshark-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `rheo read` with a target here. @returns the messages that came */
async function datagrams(scheme: string, query: string, flags: readonly string[]): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 2 ** 20 });
  socket.on('message', (message) => messages.push(message)).bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const last = createSocket('udp4');
  try {
    await read(`${scheme}://127.0.0.1:${socket.address().port}${query}`, flags);
    // Datagrams on loopback keep their order: what comes before this one is all there is.
    last.send(Buffer.from('end'), socket.address().port, '127.0.0.1');
    await until('the last datagram', () => messages.at(-1)?.toString() === 'end');
    messages.pop();
  } finally {
    socket.close();
    last.close();
  }
  return messages;
}

async function stream(query: string, flags: readonly string[]): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let ended = false;
  const server = createServer((socket) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => {
      ended = true;
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await read(`ipfix+tcp://127.0.0.1:${(server.address() as { port: number }).port}${query}`, flags);
    await until('the end of the stream', () => ended);
  } finally {
    server.close();
  }
  const bytes = Buffer.concat(chunks);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += messages.at(-1)!.length) {
    messages.push(bytes.subarray(at, at + bytes.readUInt16BE(at + 2)));
  }
  return messages;
}

async function read(url: string, flags: readonly string[]): Promise<void> {
  const { code, stderr } = await finish([...RHEO, 'read', SAMPLE, ...flags, '--export', url]);
  assert.equal(code, 0, stderr);
}

/** tshark takes templates of 60 fields, unless told otherwise. */
const CFLOW = ['-d', 'udp.port==9994,cflow', '-o', 'cflow.max_template_fields:200'];

function tshark(messages: readonly Buffer[], port: number, ...args: string[]): string {
  const file = path.join(folder, 'export.pcap');
  writeFileSync(file, datagramPcap(messages, port));
  return execFileSync('tshark', ['-n', '-r', file, ...CFLOW, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Of IANA's elements, those that tshark 4.0 does not know yet. */
const NEWER = /Unknown ?\(520\)|Type 520/;

const ALL = ['--features', 'all'];
const KEYS = ['--key', 'vlan,mac,dscp,interface,mpls,tunnel,flowLabel'];
const SAMPLED = ['--sample', 'count:2'];

const WAYS: [scheme: string, query: string, flags: readonly string[]][] = [
  ['ipfix', '', []],
  ['ipfix', '', ALL],
  ['ipfix', '', [...ALL, ...KEYS]],
  ['ipfix', '', [...ALL, ...SAMPLED]],
  ['ipfix', '', [...ALL, '--sample', 'random:2']],
  ['ipfix', '', [...ALL, '--sample', 'hash:2']],
  ['ipfix', '', [...ALL, ...SAMPLED, '--scale']],
  ['ipfix', '?biflow=no', ALL],
  ['ipfix', '?time=s', ALL],
  ['ipfix', '?time=us', ALL],
  ['ipfix', '?time=ns', ALL],
  ['ipfix', '?profile=basic', ALL],
  ['ipfix', '?profile=full', ALL],
  ['ipfix', '?profile=security', ALL],
  ['ipfix', '?profile=application', ALL],
  ['ipfix', '?fields=src,dst,packets,bytes', ALL],
  ['ipfix', '?domain=0&pen=4242', ALL],
  ['ipfix', '?mtu=9000', ALL],
  ['ipfix', '?template-packets=1', ALL],
  ['ipfix', '', [...ALL, '--unidirectional']],
  ['ipfix', '', [...ALL, '--track', 'ip']],
  ['ipfix+tcp', '', ALL],
  ['ipfix+tcp', '?biflow=no&time=ns', ALL],
  ['netflow9', '', []],
  ['netflow9', '', ALL],
  ['netflow9', '', [...ALL, ...KEYS]],
  ['netflow9', '', [...ALL, ...SAMPLED]],
  ['netflow9', '?template-packets=1&domain=7', ALL],
  ['netflow9', '?profile=basic', ALL],
  ['netflow9', '?mtu=576', ALL],
  ['netflow5', '', ALL],
  ['netflow5', '', [...ALL, ...SAMPLED]],
  ['netflow1', '', ALL],
];

describe('tshark', { skip: hasProgram('tshark') ? false : 'tshark is missing' }, () => {
  for (const [scheme, query, flags] of WAYS) {
    test(`${scheme}://${query} ${flags.join(' ')}`, { timeout: 60_000 }, async () => {
      const messages = scheme === 'ipfix+tcp' ? await stream(query, flags) : await datagrams(scheme, query, flags);
      const text = tshark(messages, 9994, '-V');
      assert.doesNotMatch(text, /expert info|malformed|no template found|unexpected/i);
      const unknown = text.split('\n').filter((line) => /unknown/i.test(line) && !NEWER.test(line));
      assert.deepEqual(unknown, []);
      // Every record is read, not only passed over: the two that the sample has at the least in each way.
      assert.ok((text.match(/^ +(Flow \d+|pdu \d+\/\d+)/gim) ?? []).length > 2, text);
    });
  }

  for (const query of [
    '?sampling=1&polling=1s',
    '?sampling=3&header=64',
    '?sampling=1&expanded&agent=192.0.2.1&sub-agent=3',
  ]) {
    test(`sflow://${query}`, { timeout: 60_000 }, async () => {
      const messages = await datagrams('sflow', query, []);
      assert.ok(messages.length > 0);
      const text = tshark(messages, 6343, '-V');
      assert.doesNotMatch(text, /malformed/i);
      assert.match(text, /Header of sampled packet/);
    });
  }
});
