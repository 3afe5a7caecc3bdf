/** One daemon that exports to everything at once, with dead and stuck targets among them; others' programs count. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Loss } from '../../src/rpc/service.js';
import { Authority } from '../support/certificates.js';
import { until } from '../support/export-context.js';
import { dumpedIpfix } from '../support/ipfix-dump.js';
import { netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { nfcapdTold, nfdumpSums, pmacctSums, pmacctWrote, Site, TRAFFIC_FLOWS, truth } from '../support/site.js';

const PROGRAMS = ['nfcapd', 'nfdump', 'sfcapd', 'nfacctd', 'ipfixDump', 'openssl', 'rsyslogd', 'ping'];

function missing(): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = PROGRAMS.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

/** Takes one stream into a file. */
const SINK = `
  import { createWriteStream } from 'node:fs';
  import net from 'node:net';
  net.createServer((socket) => socket.pipe(createWriteStream(process.argv[1]))).listen(4739, () => console.log('up'));
`;
/** Takes connections and never reads. */
const STUCK = `
  import net from 'node:net';
  net.createServer({ pauseOnConnect: true }, () => {}).listen(4999, () => console.log('up'));
`;

const ROUNDS = 3;

test('to all at once: each judge counts the same, the accounts balance, the dead harm nobody', {
  skip: missing(),
  timeout: 120_000,
}, async (t) => {
  const site = new Site(t);
  const host = 'collector.example.org';
  const etc = site.newFolder('etc');
  const authority = new Authority(etc);
  authority.issue('collector', host);
  const ours = authority.issue('exporter', 'exporter.example.org');
  const inside = (...names: string[]): string => path.join(site.folder, ...names);

  // Collectors.
  const nfcapd: Record<string, Awaited<ReturnType<Site['collect']>>> = {};
  for (const [name, program, port] of [
    ['v5', 'nfcapd', 9005],
    ['v9', 'nfcapd', 9009],
    ['ipfix', 'nfcapd', 9010],
    ['sflow', 'sfcapd', 6343],
  ] as const) {
    const args = ['-p', String(port), '-w', site.newFolder(name), '-B', '4000000', '-t', '3600'];
    nfcapd[name] = await site.collect(program, args, { udp: [port] });
  }
  const pmacct = site.writeFile(
    'nfacctd.conf',
    `daemonize: false\nnfacctd_port: 2100\nplugins: print\naggregate: src_host, dst_host, src_port, dst_port, proto\n` +
      `print_output: json\nprint_output_file: ${inside('pmacct.json')}\nprint_output_file_append: true\nprint_refresh_time: 1\n`,
  );
  const pmacctd = await site.collect('nfacctd', ['-f', pmacct], { udp: [2100] });
  await site.lab.serve(site.collector, SINK, inside('tcp.stream'));
  await site.lab.serve(site.collector, STUCK);
  await site.collect(
    'sh',
    [
      '-c',
      `exec openssl s_server -accept 4740 -cert ${etc}/collector.pem -key ${etc}/collector.key -CAfile ${etc}/ca.pem ` +
        `-Verify 2 -verify_return_error -quiet -naccept 1 >${inside('tls.stream')} 2>${inside('tls.log')} < /dev/zero`,
    ],
    { tcp: [4740] },
  );
  const rsyslog = site.writeFile(
    'rsyslog.conf',
    'module(load="imudp")\nmodule(load="imtcp")\ninput(type="imudp" port="514" rcvbufSize="4m")\ninput(type="imtcp" port="601")\n' +
      'template(name="t" type="string" string="%inputname% %msg%\\n")\n' +
      `action(type="omfile" file="${inside('syslog')}" template="t")\n`,
  );
  await site.collect('rsyslogd', ['-n', '-f', rsyslog, '-i', inside('rsyslog.pid')], { udp: [514], tcp: [601] });

  const living = [
    `netflow5://${host}:9005`,
    `netflow9://${host}:9009`,
    `ipfix://${host}:9010`,
    `ipfix://${host}:2100?biflow=no`,
    `ipfix+tcp://${host}:4739`,
    `ipfix+tls://${host}:4740?ca=${authority.certificate}&cert=${ours.cert}&key=${ours.key}`,
    `syslog://${host}:514?format=json`,
    `syslog+tcp://${host}:601?format=json`,
    ...['ndjson', 'csv', 'parquet', 'ipfix', 'nfdump', 'log', 'ndjson.gz'].map(
      (ending) => `file:${inside(`flows.${ending}`)}`,
    ),
  ];
  const dead = [
    `ipfix://${host}:9`,
    'ipfix+tcp://192.0.2.77:4739',
    'netflow9://nowhere.invalid:2055',
    `ipfix+tls://${host}:4999?ca=${authority.certificate}`,
    `syslog+tcp://${host}:4999?queue=64k`,
  ];
  const sflow = `sflow://${host}:6343?sampling=1&polling=0`;
  const targets = [...living, sflow, ...dead];
  const daemon = await site.rheo(['-i', 'eth0', ...targets.flatMap((url) => ['--export', url])]);
  // A datagram socket may have to send something first.
  await daemon.until('all that live are up', async () => {
    const { targets: now } = await daemon.ask<Loss>('loss');
    return living.every(
      (url, k) => now[k].state === 'up' || (!/^file:|[+]/.test(url) && now[k].state === 'connecting'),
    );
  });
  const accounts = async (): Promise<void> => {
    const loss = await daemon.ask<Loss>('loss');
    assert.deepEqual(loss.imbalance, []);
    for (const { url, received, sent, dropped, waiting } of loss.targets) {
      const lost = Object.values(dropped).reduce((all, one) => all + one, 0);
      assert.equal(received, sent + lost + waiting, url);
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    await site.traffic();
    await daemon.ctl('expire-all');
    await accounts();
  }
  const real = await truth(daemon, inside('flows.ndjson'));
  await site.drained();

  // Its own accounts.
  const { targets: said, records } = real.summary;
  assert.equal(records, ROUNDS * TRAFFIC_FLOWS);
  // In their order; URLs are told without secrets.
  assert.deepEqual(
    said.map(({ url }) => url.split('?')[0]),
    targets.map((url) => url.split('?')[0]),
  );
  for (const { url, received, sent, dropped } of said) {
    const lost = Object.values(dropped).reduce((all, one) => all + one, 0);
    assert.equal(received, sent + lost, url);
    if (url.startsWith('sflow:')) continue;
    assert.equal(received, records, url);
  }
  const by = (urls: readonly string[]): typeof said => urls.map((url) => said[targets.indexOf(url)]);
  for (const { url, sent } of by(living)) assert.equal(sent, records, url);
  for (const { url, sent } of by(dead.slice(1, 4))) assert.equal(sent, 0, url);

  // Everyone else's.
  const whole = { packets: real.packets, bytes: real.bytes };
  const two = ({ packets, bytes }: { packets: number; bytes: number }): typeof whole => ({ packets, bytes });
  const counted: Record<string, { packets: number; bytes: number }> = {};
  for (const [name, { said: told, stop }] of Object.entries(nfcapd)) {
    await stop();
    const sums = two(nfdumpSums(inside(name)));
    if (name !== 'sflow') counted[`nfcapd ${name}`] = sums;
    else assert.equal(sums.packets, by([sflow])[0].sent);
    assert.deepEqual([nfcapdTold(told()).sequenceErrors, nfcapdTold(told()).badPackets], [0, 0], name);
  }
  await pmacctWrote(inside('pmacct.json'), real.packets);
  await pmacctd.stop('SIGINT');
  counted.nfacctd = two(pmacctSums(inside('pmacct.json')));
  for (const name of ['tcp.stream', 'tls.stream', 'flows.ipfix']) counted[name] = two(dumpedIpfix(inside(name)));
  counted['flows.nfdump'] = two(nfdumpSums(inside('flows.nfdump')));
  const unzipped = execFileSync('gzip', ['-dc', inside('flows.ndjson.gz')], { encoding: 'utf8' });
  counted['flows.ndjson.gz'] = ofRecords(lines(unzipped).map((line) => JSON.parse(line)));
  for (const name of ['flows.parquet', 'flows.csv']) counted[name] = await duckdb(inside(name));
  counted['flows.log'] = zeek(readFileSync(inside('flows.log'), 'utf8'));
  const syslog = (): string[] => lines(readFileSync(inside('syslog'), 'utf8'));
  await until('rsyslog', () => existsSync(inside('syslog')) && syslog().length >= 2 * records);
  for (const input of ['imudp', 'imtcp']) {
    const own = syslog().filter((line) => line.startsWith(`${input} `));
    counted[`rsyslog ${input}`] = ofRecords(own.map((line) => JSON.parse(line.slice(line.indexOf('{')))));
  }
  for (const [name, sums] of Object.entries(counted)) assert.deepEqual(sums, whole, name);
  assert.deepEqual(
    readdirSync(site.folder).filter((name) => name.endsWith('.part')),
    [],
  );
});

function lines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

type Counters = Partial<Record<'packets' | 'reversePackets' | 'bytes' | 'reverseBytes', number | string>>;

function ofRecords(records: readonly Counters[]): { packets: number; bytes: number } {
  const sum = (name: keyof Counters): number => records.reduce((all, record) => all + Number(record[name] ?? 0), 0);
  return { packets: sum('packets') + sum('reversePackets'), bytes: sum('bytes') + sum('reverseBytes') };
}

/** What DuckDB reads in a file of tables. */
async function duckdb(file: string): Promise<{ packets: number; bytes: number }> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const columns = 'sum(packets + coalesce(reversePackets, 0))::int, sum(bytes + coalesce(reverseBytes, 0))::int';
  const [[packets, bytes]] = (await connection.runAndReadAll(`select ${columns} from '${file}'`)).getRowsJson();
  connection.closeSync();
  return { packets: Number(packets), bytes: Number(bytes) };
}

/** Zeek's conn.log tells its columns itself. */
function zeek(text: string): { packets: number; bytes: number } {
  const all = lines(text);
  const names = all
    .find((line) => line.startsWith('#fields\t'))!
    .split('\t')
    .slice(1);
  const rows = all.filter((line) => !line.startsWith('#')).map((line) => line.split('\t'));
  const sum = (name: string): number => rows.reduce((total, row) => total + Number(row[names.indexOf(name)]), 0);
  return { packets: sum('orig_pkts') + sum('resp_pkts'), bytes: sum('orig_ip_bytes') + sum('resp_ip_bytes') };
}
