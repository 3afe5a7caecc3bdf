/** Ways to a collector: streams with and without TLS, addresses and interfaces of our own, several hosts by turns. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTarget } from '../../src/export/target.js';
import { finish, RHEO } from '../daemon/command.js';
import { Authority } from '../support/certificates.js';
import { Page } from '../support/documents.js';
import { exportContext, manyRecords, until } from '../support/export-context.js';
import { dumpedIpfix } from '../support/ipfix-dump.js';
import { netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';
import { nfcapdTold, nfdumpSums, Site, TRAFFIC_FLOWS, truth } from '../support/site.js';
import { udpQueueEmpty } from '../support/udp-queue.js';

const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');

function missing(...programs: string[]): string | false {
  const name = programs.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-transports-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** The sample as lines: what every copy of it must add up to. */
async function sample(): Promise<{ flows: number; packets: number; bytes: number }> {
  const { stdout } = await finish([...RHEO, 'read', SAMPLE, '--json']);
  const records = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const sum = (name: string): number => records.reduce((all, record) => all + (record[name] ?? 0), 0);
  return {
    flows: records.length,
    packets: sum('packets') + sum('reversePackets'),
    bytes: sum('bytes') + sum('reverseBytes'),
  };
}

test('TCP: libfixbuf reads the stream', { skip: missing('ipfixDump'), timeout: 60_000 }, async (t) => {
  const folder = folderOf(t);
  const file = path.join(folder, 'stream');
  const dump = spawn('sh', ['-c', 'cat > "$1"', 'sh', file], { stdio: ['pipe', 'ignore', 'ignore'] });
  t.after(() => dump.kill('SIGKILL'));
  const written = once(dump, 'close');
  const server = createServer((socket) => socket.pipe(dump.stdin)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const { code, stderr } = await finish([...RHEO, 'read', SAMPLE, '--export', `ipfix+tcp://127.0.0.1:${port}`]);
  assert.equal(code, 0, stderr);
  await written;
  assert.deepEqual(dumpedIpfix(file), await sample());
});

interface Sink {
  readonly child: ChildProcess;
  readonly port: number;
  /** What came through the TLS session. */
  readonly file: string;
  readonly closed: Promise<unknown>;
}

/** openssl as a collector that writes down what comes, and asks for a certificate of its authority. */
async function tlsSink(t: TestContext, folder: string, name: string, options: readonly string[]): Promise<Sink> {
  const port = await freePort();
  const file = path.join(folder, name);
  const said = path.join(folder, `${name}.log`);
  const args = [
    's_server',
    '-accept',
    `127.0.0.1:${port}`,
    '-cert',
    `${folder}/collector.pem`,
    '-key',
    `${folder}/collector.key`,
  ];
  const verify = ['-CAfile', `${folder}/ca.pem`, '-Verify', '2', '-verify_return_error', '-quiet', '-naccept', '1'];
  const child = spawn('openssl', [...args, ...verify, ...options], {
    stdio: ['pipe', openSync(file, 'w'), openSync(said, 'w')],
  });
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close');
  await until('openssl listens', () => {
    assert.equal(child.exitCode, null, readFileSync(said, 'utf8'));
    return readFileSync('/proc/net/tcp', 'utf8').includes(
      `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`,
    );
  });
  return { child, port, file, closed };
}

const tls = missing('openssl', 'ipfixDump') || (process.platform === 'linux' ? false : 'needs /proc');

for (const version of ['-tls1_2', '-tls1_3']) {
  test(`TLS (openssl s_server ${version}): both sides show certificates, libfixbuf reads the stream`, {
    skip: tls,
    timeout: 60_000,
  }, async (t) => {
    const folder = folderOf(t);
    const authority = new Authority(folder);
    authority.issue('collector', 'collector.example.org');
    const { cert, key } = authority.issue('exporter', 'exporter.example.org');
    const sink = await tlsSink(t, folder, 'stream', [version]);
    const url = `ipfix+tls://127.0.0.1:${sink.port}?name=collector.example.org&ca=${authority.certificate}&cert=${cert}&key=${key}`;
    const { code, stderr } = await finish([...RHEO, 'read', SAMPLE, '--export', url]);
    assert.equal(code, 0, stderr);
    await sink.closed;
    assert.deepEqual(dumpedIpfix(sink.file), await sample());
  });
}

test('TLS: wrong names, wrong authorities, no certificate, old versions: nothing gets through, and the reason is told', {
  skip: tls,
  timeout: 90_000,
}, async (t) => {
  const folder = folderOf(t);
  const authority = new Authority(folder);
  authority.issue('collector', 'collector.example.org');
  const { cert, key } = authority.issue('exporter', 'exporter.example.org');
  mkdirSync(path.join(folder, 'other'));
  const other = new Authority(path.join(folder, 'other'));
  const stranger = other.issue('exporter', 'exporter.example.org');
  const ours = `&cert=${cert}&key=${key}`;
  const name = 'name=collector.example.org';
  const ca = `ca=${authority.certificate}`;
  const cases: [what: string, query: string, options: string[], error: RegExp][] = [
    ['another name', `name=elsewhere.example.org&${ca}${ours}`, [], /altnames|does not match/i],
    ['the address instead of the name', `${ca}${ours}`, [], /altnames|does not match|not in the cert/i],
    ['another authority', `${name}&ca=${other.certificate}${ours}`, [], /certificate/i],
    ['no authority given', `${name}${ours}`, [], /certificate/i],
    ['we show no certificate', `${name}&${ca}`, ['-tls1_2'], /alert|handshake|closed/i],
    [
      'we show that of a stranger',
      `${name}&${ca}&cert=${stranger.cert}&key=${stranger.key}`,
      ['-tls1_2'],
      /alert|closed/i,
    ],
    ['TLS 1.1', `${name}&${ca}${ours}`, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], /version|alert|protocol|closed/i],
  ];
  const results = cases.map(async ([what, query, options, error], k) => {
    const sink = await tlsSink(t, folder, `stream${k}`, options);
    const { code, stderr } = await finish([
      ...RHEO,
      'read',
      SAMPLE,
      '--export',
      `ipfix+tls://127.0.0.1:${sink.port}?${query}`,
    ]);
    assert.equal(code, 1, `${what}: ${stderr}`);
    assert.match(stderr, error, what);
    assert.equal(readFileSync(sink.file).length, 0, what);
    assert.match(stderr, /: 0 records/, `${what}: ${stderr}`);
  });
  await Promise.all(results);
});

test('SCTP: a kernel without it is told of', async (t) => {
  const { code, stderr } = await finish([...RHEO, 'read', SAMPLE, '--export', 'ipfix+sctp://127.0.0.1:4739']);
  if (!/SCTP/.test(stderr) && code !== 2) return t.skip('this kernel has SCTP');
  assert.equal(code, 2);
  assert.match(stderr, /this kernel has no SCTP.*\n.*ipfix\+tcp:/);
});

test('spread: each record to one of two nfcapd, which both can read them', {
  skip: missing('nfcapd', 'nfdump'),
}, async (t) => {
  const folder = folderOf(t);
  const collectors = [];
  for (const name of ['a', 'b']) {
    const own = path.join(folder, name);
    mkdirSync(own);
    const port = await freePort();
    const child = spawn(
      'nfcapd',
      new Page('nfdump').command('nfcapd', { '/var/cache/nfdump': own, 9995: String(port) }),
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part) => {
        said += part;
      });
    }
    const closed = once(child, 'close');
    await until('nfcapd listens', () => said.includes('Startup'));
    collectors.push({ port, own, child, closed, said: () => said });
  }
  const target = await openTarget(
    `ipfix://${collectors.map(({ port }) => `127.0.0.1:${port}`).join()}?spread`,
    exportContext({ now: () => Date.now() }),
  );
  t.after(() => target.close());
  await until('the connections', () => target.state === 'up');
  const count = 3000;
  // The first message to each is a probe; who knows first that it was not refused takes what waits. So a few go ahead.
  await target.write(manyRecords(60, 0));
  await sleep(1000);
  for (let from = 60; from < count; from += 60) await target.write(manyRecords(60, from));
  await until('all is sent', () => {
    target.tick(Date.now());
    return target.counters.sent === count;
  });
  for (const { port } of collectors) await udpQueueEmpty(port);
  const sums = { flows: 0, packets: 0, bytes: 0 };
  for (const { own, child, closed, said } of collectors) {
    child.kill('SIGTERM');
    await closed;
    const { flows, sequenceErrors, badPackets } = nfcapdTold(said());
    assert.deepEqual([sequenceErrors, badPackets], [0, 0]);
    // In turns, a message each: neither gets much more than the other.
    assert.ok(flows > count / 4, `${flows}`);
    const part = nfdumpSums(own);
    sums.flows += flows;
    sums.packets += part.packets;
    sums.bytes += part.bytes;
  }
  let packets = 0;
  let bytes = 0;
  for (let k = 0; k < count; k++) {
    packets += k + 1 + (k % 3);
    bytes += (k + 1) * 100 + (k % 3) * 40;
  }
  assert.deepEqual(sums, { flows: count, packets, bytes });
});

test('own address and interface: datagrams leave as was asked', {
  skip: netnsMissing() || missing('nfcapd', 'nfdump', 'tcpdump', 'ping'),
  timeout: 60_000,
}, async (t) => {
  const site = new Site(t);
  // A second address, and a second way that no route leads to.
  site.lab.ip(site.probe, 'address', 'add', '192.0.2.9/24', 'dev', 'm0');
  site.lab.cable(
    { netns: site.probe, device: 'm1', addresses: ['198.51.100.1/24'] },
    { netns: site.collector, device: 'eth1', addresses: ['198.51.100.2/24'] },
  );
  const seen: Record<string, string> = {};
  for (const device of ['eth0', 'eth1']) {
    seen[device] = '';
    const args = ['-i', device, '-n', '-l', '-Z', 'root', 'udp', 'and', 'port', '9995', 'or', 'port', '9996'];
    const child = site.lab.start(site.collector, 'tcpdump', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (part) => {
        seen[device] += part;
      });
    }
    await until('tcpdump', () => seen[device].includes('listening on'));
  }
  const ways = [
    { port: 9995, option: 'source=192.0.2.9', device: 'eth0', from: '192.0.2.9' },
    { port: 9996, option: 'device=m1', device: 'eth1', from: '198.51.100.1' },
  ];
  const collectors = [];
  for (const { port } of ways) {
    const folder = site.newFolder(String(port));
    const args = new Page('nfdump').command('nfcapd', { '/var/cache/nfdump': folder, 9995: String(port) });
    collectors.push(await site.collect('nfcapd', args, { udp: [port] }));
  }
  const file = path.join(site.folder, 'truth.ndjson');
  const targets = ways.flatMap(({ port, option }) => ['--export', `ipfix://192.0.2.2:${port}?${option}`]);
  const daemon = await site.rheo(['-i', 'eth0', ...targets, '--export', `file:${file}`]);
  await site.traffic();
  const real = await truth(daemon, file);
  await site.drained();
  for (const [k, { port, device, from }] of ways.entries()) {
    await collectors[k].stop();
    assert.equal(nfcapdTold(collectors[k].said()).flows, TRAFFIC_FLOWS);
    assert.equal(nfdumpSums(path.join(site.folder, String(port))).packets, real.packets);
    for (const other of ['eth0', 'eth1']) {
      const lines = seen[other].split('\n').filter((line) => line.includes(`.${port}: `));
      assert.equal(lines.length > 0, other === device, seen[other]);
      for (const line of lines) assert.ok(line.includes(`IP ${from}.`), line);
    }
  }
});

test('a name is looked up again when the collector cannot be reached', {
  skip: netnsMissing() || missing('nfcapd', 'nfdump', 'ping'),
  timeout: 60_000,
}, async (t) => {
  const site = new Site(t);
  // On loopback, where a refusal comes at once.
  site.name('127.0.0.1');
  const folder = site.newFolder('flows');
  const args = new Page('nfdump').command('nfcapd', { '/var/cache/nfdump': folder });
  const collector = await site.collect('nfcapd', args, { udp: [9995] });
  const file = path.join(site.folder, 'truth.ndjson');
  const url = 'ipfix://collector.example.org:9995';
  const daemon = await site.rheo(['-i', 'eth0', '--export', url, '--export', `file:${file}`]);
  await daemon.logged(/collector\.example\.org.*nobody listens there; trying again/);
  site.name('192.0.2.2');
  await daemon.logged(/collector\.example\.org.*reached again/);
  await site.traffic();
  const real = await truth(daemon, file);
  await site.drained();
  await collector.stop();
  assert.equal(nfdumpSums(folder).packets, real.packets);
});
