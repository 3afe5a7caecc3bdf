import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SflowWriter } from '../../src/codec/sflow-write.js';
import type { EncodeOptions, RecordProtocol } from '../../src/export/encode/options.js';
import { createFeatures } from '../../src/meter/features/index.js';
import type { RecordField } from '../../src/model/hook.js';
import type { RecordBatch, RecordLayout } from '../../src/model/record-batch.js';
import { PLAIN_LAYOUT } from '../../src/model/record-batch.js';
import { datagramPcap } from '../support/datagrams.js';
import { encodeAll, encoderOf, INFO, START_MS } from '../support/encoding.js';
import { hasProgram } from '../support/programs.js';
import { batchOf, type TestRecord } from '../support/records.js';

/** Programs of others that read what we write. */

const T = START_MS / 1000;
const NOW = START_MS + 60_250;
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-judges-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function missing(...names: string[]): { skip: string | false } {
  const name = names.find((one) => !hasProgram(one));
  return { skip: name === undefined ? false : `${name} is not installed` };
}

const TIMES = { start: [T + 1, 1_365_999], last: [T + 12, 500_000_001] } satisfies Partial<TestRecord>;
const RECORDS: readonly TestRecord[] = [
  {
    a: '10.0.0.1',
    b: '192.0.2.7',
    protocol: 6,
    portA: 51000,
    portB: 443,
    packets: [10, 8],
    octets: [1234, 43210],
    flagsA: 0x1b,
    flagsB: 0x12,
    reason: 3,
    ...TIMES,
  },
  { a: '10.0.0.1', b: '192.0.2.8', protocol: 17, portA: 5353, portB: 53, packets: [1, 0], octets: [60, 0], ...TIMES },
  {
    a: '10.0.0.1',
    b: '192.0.2.8',
    protocol: 1,
    icmp: { type: 8, code: 0 },
    packets: [3, 3],
    octets: [252, 252],
    ...TIMES,
  },
  {
    a: '2001:db8::1',
    b: '2001:db8::2',
    protocol: 6,
    portA: 1,
    portB: 65535,
    packets: [2n ** 33n, 7],
    octets: [2n ** 40n + 1n, 700],
    flagsA: 0x1ff,
    initiatorB: true,
    ...TIMES,
  },
  { a: '2001:db8::1', b: '2001:db8::2', protocol: 50, spi: 0xdeadbeef, packets: [2, 0], octets: [200, 0], ...TIMES },
  { a: '10.0.0.1', b: '192.0.2.8', protocol: 47, packets: [3, 4], octets: [300, 400], ...TIMES },
];

/** Records of the layout that all features have; their columns are zero, as of flows without anything. */
function featureBatch(): { batch: RecordBatch; fields: readonly RecordField[] } {
  const { hooks, fields } = createFeatures('all');
  const side: Record<string, number> = {};
  let stride = PLAIN_LAYOUT.stride;
  for (const hook of hooks) {
    side[hook.name] = stride;
    stride += hook.words;
  }
  const layout: RecordLayout = { ...PLAIN_LAYOUT, stride, side };
  return { batch: batchOf(RECORDS, layout), fields };
}

const VARIATIONS: [name: string, protocol: RecordProtocol, options: Partial<EncodeOptions>, features?: boolean][] = [
  ['IPFIX', 'ipfix', {}],
  ['IPFIX time=s', 'ipfix', { time: 's' }],
  ['IPFIX time=us', 'ipfix', { time: 'us' }],
  ['IPFIX time=ns', 'ipfix', { time: 'ns' }],
  ['IPFIX biflow=no', 'ipfix', { biflow: false }],
  ['IPFIX profile basic', 'ipfix', { fields: ['basic'] }],
  ['IPFIX profile security', 'ipfix', { fields: ['security'] }],
  ['IPFIX profile application', 'ipfix', { fields: ['application'] }],
  ['IPFIX small messages', 'ipfix', { maxMessageBytes: 512 }],
  ['IPFIX domain 0, another enterprise', 'ipfix', { observationDomain: 0, enterprise: 4242 }],
  ['IPFIX all features', 'ipfix', { maxMessageBytes: 8000 }, true],
  ['NetFlow v9', 'netflow9', {}],
  ['NetFlow v9 time=ms', 'netflow9', { time: 'ms' }],
  ['NetFlow v9 all features', 'netflow9', {}, true],
  ['NetFlow v5', 'netflow5', {}],
  ['NetFlow v1', 'netflow1', {}],
];

function messagesOf(
  protocol: RecordProtocol,
  options: Partial<EncodeOptions>,
  features = false,
  times = 3,
): Uint8Array[] {
  const rich = features ? featureBatch() : { batch: batchOf(RECORDS), fields: [] };
  const encoder = encoderOf(protocol, options, { fields: rich.fields });
  return encodeAll(encoder, new Array(times).fill(rich.batch), NOW, INFO).messages;
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Sends datagrams to 127.0.0.1, slowly enough for any receiver. */
async function send(messages: readonly Uint8Array[], port: number): Promise<void> {
  const socket = createSocket('udp4');
  for (const message of messages) {
    await new Promise<void>((resolve, reject) => {
      socket.send(message, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
    });
    await sleep(1);
  }
  socket.close();
}

interface Captured {
  told: string;
  flows: Record<string, unknown>[];
}

/** Runs nfcapd or sfcapd while the messages are sent, and nfdump on what it wrote. */
async function capture(program: string, messages: readonly Uint8Array[]): Promise<Captured> {
  const port = await freePort();
  const target = path.join(folder, `${program}-${port}`);
  mkdirSync(target);
  const args = ['-p', String(port), '-b', '127.0.0.1', '-w', target, '-t', '3600', '-B', '4000000'];
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let told = '';
  const startup = new Promise<void>((resolve) => {
    const hear = (chunk: Buffer): void => {
      told += chunk.toString();
      if (told.includes('Startup')) resolve();
    };
    child.stdout!.on('data', hear);
    child.stderr!.on('data', hear);
  });
  await Promise.race([startup, sleep(5000)]);
  await send(messages, port);
  await sleep(300);
  child.kill('SIGTERM');
  await ended;
  const file = readdirSync(target).find((name) => name.startsWith('nfcapd.'));
  assert.ok(file, told);
  const json = execFileSync('nfdump', ['-r', path.join(target, file), '-o', 'json'], { encoding: 'utf8' });
  return { told, flows: JSON.parse(json) as Record<string, unknown>[] };
}

/** It takes templates of 60 fields, unless told otherwise. */
const CFLOW = ['-d', 'udp.port==9994,cflow', '-o', 'cflow.max_template_fields:200'];

describe('tshark', missing('tshark'), () => {
  for (const [name, protocol, options, features] of VARIATIONS) {
    it(`finds nothing to remark in ${name}`, () => {
      const file = path.join(folder, 'export.pcap');
      writeFileSync(file, datagramPcap(messagesOf(protocol, options, features), 9994));
      const run = (...args: string[]): string =>
        execFileSync('tshark', ['-n', '-r', file, ...CFLOW, ...args], {
          encoding: 'utf8',
          maxBuffer: 1 << 28,
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      assert.equal(run('-q', '-z', 'expert').trim(), '');
      const text = run('-V');
      assert.doesNotMatch(text, /malformed|no template found|unexpected/i);
      // Every record is read, not only passed over.
      const flows = text.match(/^ +(Flow \d+|pdu \d+\/\d+)/gim) ?? [];
      assert.ok(flows.length >= 3 * (protocol === 'netflow5' || protocol === 'netflow1' ? 7 : 6), `${flows.length}`);
    });
  }

  it('finds nothing to remark in sFlow, compact and expanded', () => {
    for (const expanded of [false, true]) {
      const file = path.join(folder, 'sflow.pcap');
      writeFileSync(file, datagramPcap(sflowMessages(expanded, 20), 6343));
      const run = (...args: string[]): string =>
        execFileSync('tshark', ['-n', '-r', file, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const text = run('-V');
      assert.doesNotMatch(text, /malformed/i);
      assert.equal(text.match(/Header of sampled packet/g)?.length, 20);
      assert.match(text, /Generic interface counters/);
      assert.match(text, /Ethernet interface counters/);
    }
  });
});

const FRAME_BYTES = 100;

/** A frame: Ethernet, IPv4, TCP. */
function frame(): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x0200);
  view.setUint16(6, 0x0200);
  view.setUint16(12, 0x0800);
  view.setUint32(14, 0x4500_0000 + FRAME_BYTES - 14);
  view.setUint32(22, 0x4006_0000);
  view.setUint32(26, 0x0a000001);
  view.setUint32(30, 0x0a000002);
  view.setUint32(34, (1234 << 16) | 80);
  view.setUint16(46, 0x5010);
  return bytes;
}

function sflowMessages(expanded: boolean, count: number): Uint8Array[] {
  const writer = new SflowWriter({ agent: '127.0.0.1', expanded });
  const bytes = frame();
  const messages: Uint8Array[] = [];
  const vlans = { sourceVlan: 5, sourcePriority: 0, destinationVlan: 6, destinationPriority: 0 };
  for (let k = 0; k < count; k++) {
    const switched = (k & 1) === 0 ? undefined : vlans;
    while (!writer.flowSample(1, 1, 2, 10, 10 * (k + 1), 0, bytes, 0, FRAME_BYTES, FRAME_BYTES, 1, switched)) {
      messages.push(writer.finish(1000).slice());
    }
  }
  const counters = { ifIndex: 1, ifType: 6, ifSpeed: 1e9, ifDirection: 1, ifStatus: 3, ifInOctets: 12_345 };
  while (!writer.counterSample(counters, { dot3StatsFCSErrors: 1 })) messages.push(writer.finish(1000).slice());
  messages.push(writer.finish(1000).slice());
  return messages;
}

describe('nfcapd', missing('nfcapd', 'nfdump'), () => {
  /** What it counts: a flow for each biflow, or for each side that sent; packets and bytes of both sides; only IPv4 of v5. */
  function expected(ipv4Only: boolean, biflow: boolean): { flows: number; packets: bigint; octets: bigint } {
    const sum = { flows: 0, packets: 0n, octets: 0n };
    for (const record of RECORDS) {
      if (ipv4Only && record.a.includes(':')) continue;
      if (biflow) sum.flows++;
      for (const side of [0, 1]) {
        if (BigInt(record.packets![side]) === 0n) continue;
        if (!biflow) sum.flows++;
        sum.packets += BigInt(record.packets![side]);
        sum.octets += BigInt(record.octets![side]);
      }
    }
    return sum;
  }
  const repeats = 50;
  for (const [name, protocol, options, features] of VARIATIONS) {
    // Version 1.7.1 knows no other times.
    if (['s', 'us', 'ns'].includes(options.time ?? '') || (features && protocol === 'ipfix')) continue;
    it(`reads ${name} exactly, without sequence errors`, async () => {
      const ipv4 = protocol === 'netflow5' || protocol === 'netflow1';
      const wanted = expected(ipv4, protocol === 'ipfix' && options.biflow !== false);
      const { told, flows } = await capture('nfcapd', messagesOf(protocol, options, features, repeats));
      const times = BigInt(repeats);
      assert.match(told, /Sequence Errors: 0, Bad Packets: 0/);
      assert.match(
        told,
        new RegExp(
          `Flows: ${wanted.flows * repeats}, Packets: ${wanted.packets * times}, Bytes: ${wanted.octets * times},`,
        ),
      );
      assert.doesNotMatch(told, /error[^s:]|unknown|skip/i);
      assert.equal(flows.length, wanted.flows * repeats);
      for (const flow of flows) {
        assert.equal(flow.first, '2024-01-01T00:00:01.001');
        assert.equal(flow.last, '2024-01-01T00:00:12.500');
      }
      const tcp = flows.find((flow) => flow.dst_port === 443)!;
      assert.equal(tcp.src4_addr, '10.0.0.1');
      assert.equal(tcp.tcp_flags, '...AP.SF');
      assert.equal(tcp.input_snmp, 1);
    });
  }

  it('sees no sequence errors when templates and options come again and again', async () => {
    const { sampling: _, ...unsampled } = INFO;
    const encoder = encoderOf('ipfix');
    const batch = batchOf(RECORDS);
    const messages = [1, 2, 3, 4].flatMap(() => encodeAll(encoder, [batch, batch], NOW, unsampled).messages);
    const { told } = await capture('nfcapd', messages);
    assert.match(told, /Flows: 48,.*Sequence Errors: 0, Bad Packets: 0/);
  });

  it('reads on when it starts in the middle, as soon as templates come again', async () => {
    const encoder = encoderOf('ipfix');
    const batch = batchOf(RECORDS);
    encodeAll(encoder, [batch], NOW, INFO);
    const lost = encodeAll(encoder, [batch], NOW).messages;
    const { messages } = encodeAll(encoder, [batch, batch], NOW, INFO);
    const { told } = await capture('nfcapd', [...lost, ...messages]);
    assert.match(told, /Flows: 12,/);
  });
});

describe('sfcapd', missing('sfcapd', 'nfdump'), () => {
  for (const expanded of [false, true]) {
    it(`reads ${expanded ? 'expanded' : 'compact'} samples exactly`, async () => {
      const { told, flows } = await capture('sfcapd', sflowMessages(expanded, 200));
      // Each sample stands for ten packets of 104 bytes (with FCS).
      assert.match(told, /Flows: 200, Packets: 2000, Bytes: 208000, Sequence Errors: 0, Bad Packets: 0/);
      assert.equal(flows[0].src4_addr, '10.0.0.1');
      assert.equal(flows[0].dst_port, 80);
      assert.equal(flows[0].output_snmp, 2);
      assert.deepEqual([flows[1].src_vlan, flows[1].dst_vlan], [5, 6]);
    });
  }
});

describe('ipfixDump', missing('ipfixDump'), () => {
  for (const [name, protocol, options, features] of VARIATIONS) {
    if (protocol !== 'ipfix') continue;
    it(`reads ${name} as a file`, () => {
      const file = path.join(folder, 'out.ipfix');
      const messages = messagesOf('ipfix', { maxMessageBytes: 65_535, ...options, reliable: true }, features, 10);
      writeFileSync(file, Buffer.concat(messages));
      const { status, stdout, stderr } = spawnSync('ipfixDump', ['--in', file, '--rfc5610'], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      assert.equal(status, 0, stderr);
      assert.equal(stderr, '');
      const flows = stdout.match(/^\s*\(4\)\s+protocolIdentifier/gm) ?? [];
      assert.equal(flows.length, (options.biflow === false ? 10 : 6) * 10);
      // RFC 5610 told it the names of our elements.
      if (options.fields === undefined) assert.match(stdout, /flowFragmented/);
    });
  }
});

describe('pmacct', missing('nfacctd', 'sfacctd'), () => {
  interface Aggregate {
    ip_src: string;
    ip_dst: string;
    port_dst: number;
    tcp_flags?: string;
    packets: number;
    bytes: number;
  }

  function account(program: string, pcap: Uint8Array, more: string): { told: string; found: Aggregate[] } {
    const file = path.join(folder, `${program}.pcap`);
    const output = path.join(folder, `${program}.json`);
    const configuration = path.join(folder, `${program}.conf`);
    writeFileSync(file, pcap);
    rmSync(output, { force: true });
    writeFileSync(
      configuration,
      [
        'daemonize: false',
        `pcap_savefile: ${file}`,
        'plugins: print',
        `aggregate: src_host,dst_host,src_port,dst_port,proto${more}`,
        'print_output: json',
        `print_output_file: ${output}`,
        'print_refresh_time: 1',
        ...(program === 'sfacctd' ? ['sfacctd_renormalize: true'] : []),
      ].join('\n'),
    );
    const { stdout, stderr } = spawnSync(program, ['-f', configuration], { encoding: 'utf8', timeout: 20_000 });
    const lines = readFileSync(output, 'utf8').trim().split('\n');
    return { told: stdout + stderr, found: lines.map((line) => JSON.parse(line) as Aggregate) };
  }

  for (const [protocol, sides] of [
    ['ipfix', 1],
    ['netflow9', 2],
    ['netflow5', 2],
  ] as const) {
    it(`reads ${protocol}`, () => {
      const { told, found } = account('nfacctd', datagramPcap(messagesOf(protocol, {}, false, 1), 9994), ',tcpflags');
      assert.doesNotMatch(told, /malformed|discarded|unknown template/i);
      const tcp = found.find((one) => one.port_dst === 443)!;
      assert.deepEqual([tcp.ip_src, tcp.packets, tcp.bytes, tcp.tcp_flags], ['10.0.0.1', 10, 1234, '27']);
      assert.equal(
        found.some((one) => one.ip_src === '192.0.2.7'),
        sides === 2,
      );
    });
  }

  it('reads sFlow', () => {
    const { told, found } = account('sfacctd', datagramPcap(sflowMessages(false, 20), 6343), ',vlan');
    assert.doesNotMatch(told, /malformed|discarded/i);
    assert.deepEqual(
      found.map((one) => [one.ip_src, one.packets, one.bytes]),
      [
        ['10.0.0.1', 100, 10_400],
        ['10.0.0.1', 100, 10_400],
      ],
    );
  });
});
