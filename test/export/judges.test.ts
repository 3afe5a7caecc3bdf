import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { DuckDBInstance } from '@duckdb/node-api';
import { ExportSink } from '../../src/control/export-sink.js';
import { readCaptures } from '../../src/control/read.js';
import { recordFields } from '../../src/control/settings.js';
import { openTarget } from '../../src/export/target.js';
import type { Summary } from '../../src/model/summary.js';
import { exportContext, manyRecords, until } from '../support/export-context.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-judge-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads the sample and exports it. */
async function exported(...urls: string[]): Promise<{ summary: Summary; sent: number[] }> {
  const features = ['vlan', 'tunnel'] as const;
  const sink = await ExportSink.open(urls, {
    fields: recordFields(features),
    keyParts: [],
    sampling: undefined,
    communityIdSeed: 0,
    interfaces: [],
    packets: () => 0,
    log: () => {},
  });
  const summary = await readCaptures([SAMPLE], { features }, sink);
  assert.deepEqual(sink.imbalance(summary.records), []);
  return { summary, sent: sink.summaries().map(({ sent }) => sent) };
}

async function freePort(kind: 'udp' | 'tcp'): Promise<number> {
  if (kind === 'udp') {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => {
      socket.bind(0, '127.0.0.1', resolve);
    });
    const { port } = socket.address();
    await new Promise<void>((resolve) => {
      socket.close(() => resolve());
    });
    return port;
  }
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function output(child: ChildProcess): () => string {
  let text = '';
  child.stdout?.on('data', (bytes) => {
    text += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    text += bytes;
  });
  return () => text;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}

const nfdump = hasProgram('nfcapd') && hasProgram('nfdump') ? false : 'nfdump is missing';

for (const [scheme, flows, family] of [
  ['netflow5', 167, 4],
  ['netflow9', 227, 0],
  ['ipfix', 124, 0],
  ['ipfix?biflow=no', 227, 0],
] as const) {
  test(`nfcapd reads ${scheme}: flows, packets and bytes exact, no sequence errors`, { skip: nfdump }, async () => {
    await inFolder(async (folder) => {
      const port = await freePort('udp');
      const child = spawn('nfcapd', ['-p', `${port}`, '-b', '127.0.0.1', '-w', folder, '-t', '3600', '-B', '4000000']);
      const said = output(child);
      try {
        await until('nfcapd listens', () =>
          readFileSync('/proc/net/udp', 'utf8').includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} `),
        );
        const [name, query = ''] = scheme.split('?');
        const { summary } = await exported(`${name}://127.0.0.1:${port}?${query || 'ttl=4'}`);
        // It reads on for a while after the signal; what is in its socket must be in before.
        await new Promise((resolve) => setTimeout(resolve, 500));
        child.kill('SIGTERM');
        await ended(child);
        const match = /Flows: (\d+), Packets: (\d+), Bytes: (\d+), Sequence Errors: (\d+), Bad Packets: (\d+)/.exec(
          said(),
        );
        assert.ok(match !== null, said());
        const [counted, packets, bytes, sequence, bad] = match.slice(1).map(Number);
        assert.deepEqual([counted, sequence, bad], [flows, 0, 0]);
        if (family === 0) assert.deepEqual([packets, bytes], [summary.decoded, summary.octets]);
      } finally {
        child.kill('SIGKILL');
        await ended(child);
      }
    });
  });
}

test('nfdump -r reads nfdump files: all packets and bytes, and finds the file whole', { skip: nfdump }, async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/a.nfdump`;
    const { summary } = await exported(`file:${file}`);
    const listed = execFileSync(
      'nfdump',
      ['-r', file, '-q', '-o', 'fmt:%ts|%te|%pr|%sa|%sp|%da|%dp|%ipkt|%opkt|%ibyt|%obyt', '-6', '-N'],
      {
        encoding: 'utf8',
        env: { ...process.env, TZ: 'UTC' },
      },
    );
    const rows = listed
      .trim()
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()));
    assert.equal(rows.length, summary.records);
    const sum = (...columns: number[]): number =>
      rows.reduce((all, row) => all + columns.reduce((one, k) => one + Number(row[k]), 0), 0);
    assert.equal(sum(7, 8), summary.decoded);
    assert.equal(sum(9, 10), summary.octets);
    const web = rows.find((row) => row[3] === '192.168.7.20' && row[4] === '55354');
    assert.deepEqual(web, [
      '2026-11-21 08:56:20.497',
      '2026-11-21 08:56:20.498',
      '6',
      '192.168.7.20',
      '55354',
      '203.0.113.80',
      '80',
      '6',
      '4',
      '399',
      '507',
    ]);
    assert.ok(rows.some((row) => row[3] === '2001:db8:7::20' && row[5] === '2001:db8:ffff::80'));
    const verified = execFileSync('nfdump', ['-v', file], { encoding: 'utf8' });
    assert.doesNotMatch(verified, /error|expected/i);
    assert.match(
      execFileSync('nfdump', ['-I', '-r', file], { encoding: 'utf8' }),
      new RegExp(`Packets: ${summary.decoded}\\n`),
    );
  });
});

test('ipfixDump reads IPFIX files', { skip: hasProgram('ipfixDump') ? false : 'ipfixDump is missing' }, async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/a.ipfix`;
    const { summary } = await exported(`file:${file}`);
    const text = execFileSync('ipfixDump', ['--in', file, '--data'], { encoding: 'utf8' });
    assert.equal(text.match(/packetDeltaCount/gi)?.length !== 0, true);
    const stats = execFileSync('ipfixDump', ['--in', file, '--stats'], { encoding: 'utf8' });
    const records = Number(/(\d+) Data Records/.exec(stats)?.[1]);
    assert.ok(records >= summary.records, stats);
  });
});

test('DuckDB reads Parquet: typed columns, the same sums, bounds of row groups', async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/a.parquet`;
    const { summary } = await exported(`file:${file}`, `file:${folder}/a.ndjson`);
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
    assert.deepEqual(
      await rows(
        `select count(*)::int, sum(packets + reversePackets)::int, sum(bytes + reverseBytes)::int from '${file}'`,
      ),
      [[summary.records, summary.decoded, summary.octets]],
    );
    const types = new Map((await rows(`describe select * from '${file}'`)).map((row) => [row[0], row[1]]));
    for (const [name, type] of [
      ['start', /TIMESTAMP/],
      ['duration', /DOUBLE/],
      ['src', /VARCHAR/],
      ['srcPort', /INTEGER/],
      ['bytes', /BIGINT/],
    ] as const) {
      assert.match(String(types.get(name)), type, name);
    }
    // Text, ports and times as in the JSON lines.
    const lines = readFileSync(`${folder}/a.ndjson`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const expected = lines.map((line) => [
      line.id,
      line.src,
      line.dst,
      line.srcPort ?? null,
      line.proto,
      line.tcpFlags ?? null,
      line.communityId ?? null,
      line.icmp === undefined ? null : JSON.stringify(line.icmp),
    ]);
    assert.deepEqual(
      await rows(`select id, src, dst, srcPort, proto, tcpFlags, communityId, icmp from '${file}'`),
      expected,
    );
    // DuckDB keeps microseconds of instants (timestamps with a zone).
    const nanos = await rows(`select epoch_ns("start")::varchar, epoch_ns("end")::varchar from '${file}'`);
    const ns = (text: string): string =>
      `${BigInt(Date.parse(`${text.slice(0, 19)}Z`)) / 1000n}${text.slice(20, 26)}000`;
    assert.deepEqual(
      nanos,
      lines.map((line) => [ns(line.start), ns(line.end)]),
    );
    const bounds = await rows(
      `select stats_min_value, stats_max_value from parquet_metadata('${file}') where path_in_schema = 'bytes'`,
    );
    const bytes = lines.map((line) => line.bytes);
    assert.deepEqual(bounds, [[String(Math.min(...bytes)), String(Math.max(...bytes))]]);
    connection.closeSync();
  });
});

test('rsyslog takes syslog by UDP and by TCP with octet counting', {
  skip: hasProgram('rsyslogd') ? false : 'rsyslogd is missing',
}, async () => {
  await inFolder(async (folder) => {
    const udp = await freePort('udp');
    const tcp = await freePort('tcp');
    writeFileSync(
      `${folder}/r.conf`,
      `global(workDirectory="${folder}")\nmodule(load="imudp")\nmodule(load="imtcp")\n` +
        `input(type="imudp" address="127.0.0.1" port="${udp}" rcvbufSize="4m")\ninput(type="imtcp" address="127.0.0.1" port="${tcp}")\n` +
        'template(name="t" type="string" string="%inputname%|%app-name%|%msgid%|%structured-data%|%msg%\\n")\n' +
        `action(type="omfile" file="${folder}/out" template="t")\n`,
    );
    const child = spawn('rsyslogd', ['-n', '-f', `${folder}/r.conf`, '-i', `${folder}/pid`]);
    const said = output(child);
    try {
      await until('rsyslogd listens', () => {
        const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
        return (
          readFileSync('/proc/net/udp', 'utf8').includes(hex(udp)) &&
          readFileSync('/proc/net/tcp', 'utf8').includes(hex(tcp))
        );
      });
      const { summary } = await exported(`syslog://127.0.0.1:${udp}`, `syslog+tcp://127.0.0.1:${tcp}?format=json`);
      const got = (): string[] => {
        try {
          return readFileSync(`${folder}/out`, 'utf8').trimEnd().split('\n');
        } catch {
          return [];
        }
      };
      await until(`all messages: ${said()}`, () => got().length >= 2 * summary.records);
      const byUdp = got().filter((line) => line.startsWith('imudp|rheo|flow|'));
      const byTcp = got().filter((line) => line.startsWith('imtcp|rheo|flow|'));
      assert.deepEqual([byUdp.length, byTcp.length], [summary.records, summary.records]);
      assert.match(byUdp.join('\n'), /\[flow@32473 id="[0-9a-f]{16}" .* src="192\.168\.7\.20" srcPort="55354"/);
      let packets = 0;
      for (const line of byTcp) {
        const record = JSON.parse(line.slice(line.indexOf('{')));
        packets += record.packets + record.reversePackets;
      }
      assert.equal(packets, summary.decoded);
    } finally {
      child.kill('SIGKILL');
      await ended(child);
    }
  });
});

test('TLS: names and authorities are checked on both sides', {
  skip: hasProgram('openssl') ? false : 'openssl is missing',
}, async () => {
  await inFolder(async (folder) => {
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    for (const ca of ['ca', 'other']) {
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${ca}.key`,
        '-out',
        `${ca}.pem`,
        '-subj',
        `/CN=${ca}`,
        '-days',
        '2',
      );
    }
    for (const name of ['collector', 'exporter']) {
      openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}.example`,
        '-addext',
        `subjectAltName=DNS:${name}.example`,
      );
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-copy_extensions',
        'copy',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
      );
    }
    const read = (name: string): Buffer => readFileSync(`${folder}/${name}`);
    let bytes = 0;
    const server = createTlsServer(
      {
        key: read('collector.key'),
        cert: read('collector.pem'),
        ca: read('ca.pem'),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => {
        socket.on('data', (chunk) => {
          bytes += chunk.length;
        });
        socket.on('error', () => {});
      },
    );
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as { port: number };
    const ours = `cert=${folder}/exporter.pem&key=${folder}/exporter.key`;
    const attempt = async (query: string, goes: boolean, error: RegExp): Promise<void> => {
      const target = await openTarget(`ipfix+tls://127.0.0.1:${port}?${query}`, exportContext());
      target.write(manyRecords(10));
      await until(query, () => (goes ? target.state === 'up' : target.lastError !== undefined));
      await target.close();
      assert.equal(target.counters.sent, goes ? 10 : 0, query);
      if (!goes) assert.match(target.lastError ?? '', error, query);
    };
    try {
      await attempt(`ca=${folder}/ca.pem&name=collector.example&${ours}`, true, /./);
      assert.ok(bytes > 100);
      await attempt(`ca=${folder}/ca.pem&name=someone.example&${ours}`, false, /altnames|ALTNAME/i);
      await attempt(`ca=${folder}/ca.pem&${ours}`, false, /altnames|ALTNAME|IP/i);
      await attempt(`ca=${folder}/other.pem&name=collector.example&${ours}`, false, /certificate|CERT/i);
      await assert.rejects(
        openTarget(`ipfix+tls://127.0.0.1:${port}?ca=${folder}/none`, exportContext()),
        /option 'ca'/,
      );
    } finally {
      server.close();
    }
  });
});
