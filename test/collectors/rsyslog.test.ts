/** The lines of docs/collectors/rsyslog.md, as they stand there: `rheo run` at one end of a cable, rsyslog at the other. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Authority } from '../support/certificates.js';
import { Page } from '../support/documents.js';
import { until } from '../support/export-context.js';
import { netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { type RunningProgram, Site, TRAFFIC_FLOWS, truth } from '../support/site.js';

/** rsyslog's part for TLS is a package of its own. */
function gtlsMissing(): string | false {
  const found =
    existsSync('/usr/lib') &&
    readdirSync('/usr/lib').some((name) => existsSync(`/usr/lib/${name}/rsyslog/lmnsd_gtls.so`));
  if (!found && process.env.RHEO_CI) throw new Error('rsyslog-gnutls is missing, and RHEO_CI is set');
  return found ? false : 'rsyslog-gnutls is missing';
}

function missing(...programs: string[]): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = programs.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

const page = new Page('rsyslog');

interface Syslogd {
  readonly site: Site;
  /** Folder in the place of /etc/rheo. */
  readonly etc: string;
  readonly collector: RunningProgram;
  /** Lines of flows that it wrote. */
  readonly lines: () => string[];
}

async function rsyslog(
  t: TestContext,
  firstLine: string,
  listens: { udp?: number[]; tcp: number[] },
): Promise<Syslogd> {
  const site = new Site(t);
  const etc = site.newFolder('etc');
  const output = path.join(site.folder, 'flows.log');
  const authority = new Authority(etc);
  authority.issue('collector', 'collector.example.org');
  authority.issue('exporter', 'exporter.example.org');
  const replace = { '/etc/rheo': etc, '/var/log/flows.log': output };
  const file = site.writeFile('rsyslog.conf', page.file('rsyslog', firstLine, replace));
  mkdirSync(path.join(site.folder, 'work'));
  const args = ['-n', '-f', file, '-i', path.join(site.folder, 'pid')];
  const collector = await site.collect('rsyslogd', args, listens);
  return {
    site,
    etc,
    collector,
    lines: () => (existsSync(output) ? readFileSync(output, 'utf8').split('\n').slice(0, -1) : []),
  };
}

/** Packets and bytes that the structured data of the lines tell. */
function sums(lines: readonly string[]): { flows: number; packets: number; bytes: number } {
  const sum = (name: RegExp): number =>
    lines.reduce((all, line) => {
      const values = [...line.matchAll(name)].map(([, value]) => Number(value));
      assert.equal(values.length, 2, line);
      return all + values[0] + values[1];
    }, 0);
  return {
    flows: lines.length,
    packets: sum(/ (?:p|reverseP)ackets="(\d+)"/g),
    bytes: sum(/ (?:b|reverseB)ytes="(\d+)"/g),
  };
}

for (const [scheme, conf, listens] of [
  ['syslog', '# rsyslog.conf', { udp: [514], tcp: [601] }],
  ['syslog+tcp', '# rsyslog.conf', { udp: [514], tcp: [601] }],
  ['syslog+tls', '# rsyslog.conf, TLS', { tcp: [6514] }],
] as const) {
  test(`${scheme}: a message a flow, with all packets and bytes`, {
    skip: missing('rsyslogd', 'openssl', 'ping') || gtlsMissing(),
    timeout: 60_000,
  }, async (t) => {
    const { site, etc, collector, lines } = await rsyslog(t, conf, { ...listens, tcp: [...listens.tcp] } as never);
    const file = path.join(site.folder, 'truth.ndjson');
    const url = page.targets.find((target) => target.startsWith(`${scheme}:`))!;
    const daemon = await site.rheo([
      '-i',
      'eth0',
      '--export',
      url.replaceAll('/etc/rheo', etc),
      '--export',
      `file:${file}`,
    ]);
    await site.traffic();
    const real = await truth(daemon, file);
    await until(`the lines of rsyslog: ${collector.said()}`, () => lines().length >= real.flows);
    await collector.stop();
    assert.equal(real.flows, TRAFFIC_FLOWS);
    assert.deepEqual(sums(lines()), { flows: real.flows, packets: real.packets, bytes: real.bytes });
    assert.match(lines()[0], /^\[flow@32473 id="[0-9a-f]{16}" .*src="10\.77\.1\.2"/);
  });
}

test('TLS: an exporter whose name rsyslog does not know gets nothing through, and says so', {
  skip: missing('rsyslogd', 'openssl', 'ping') || gtlsMissing(),
  timeout: 60_000,
}, async (t) => {
  const { site, etc, collector, lines } = await rsyslog(t, '# rsyslog.conf, TLS', { tcp: [6514] });
  const other = new Authority(site.newFolder('other'));
  const stranger = other.issue('exporter', 'exporter.example.org');
  const url = page.targets.find((target) => target.startsWith('syslog+tls:'))!.replaceAll('/etc/rheo', etc);
  // Of another authority; rsyslog's certificate is checked against it, too.
  const wrong = [
    url.replace(`${etc}/exporter.pem`, stranger.cert).replace(`${etc}/exporter.key`, stranger.key),
    url.replace(`${etc}/ca.pem`, other.certificate),
    url.replace('collector.example.org', '192.0.2.2'),
  ];
  const daemon = await site.rheo(['-i', 'eth0', ...wrong.flatMap((one) => ['--export', one])]);
  const failures = (): number =>
    new Set(daemon.log.filter(({ msg }) => /trying again/.test(msg)).map(({ msg }) => msg)).size;
  await daemon.until('each target is told of', () => failures() >= wrong.length);
  await site.traffic();
  const summary = await daemon.stop();
  assert.deepEqual(lines(), [], collector.said());
  for (const { received, sent, dropped } of summary.targets) {
    assert.equal(received, TRAFFIC_FLOWS);
    assert.equal(sent + Object.values(dropped).reduce((all, one) => all + one, 0), received);
  }
  // Those that do not trust the collector hand nothing out.
  assert.deepEqual(
    summary.targets.slice(1).map(({ sent }) => sent),
    [0, 0],
  );
});
