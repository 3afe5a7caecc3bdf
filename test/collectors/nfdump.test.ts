/** The lines of docs/collectors/nfdump.md, as they stand there: `rheo run` at one end of a cable, nfcapd at the other. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Page } from '../support/documents.js';
import { netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { nfcapdTold, nfdumpSums, Site, TRAFFIC_FLOWS, truth } from '../support/site.js';

function missing(...programs: string[]): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = programs.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

const skip = missing('nfcapd', 'nfdump', 'ping');
const page = new Page('nfdump');

/** Runs nfcapd and rheo with lines of the page while there is traffic. */
async function run(t: TestContext, nfcapd: readonly string[], rheo: readonly string[]) {
  const site = new Site(t);
  const folder = site.newFolder('nfdump');
  const args = nfcapd.map((word) => word.replace('/var/cache/nfdump', folder));
  const collector = await site.collect('nfcapd', args, { udp: [9995] });
  const file = path.join(site.folder, 'truth.ndjson');
  const daemon = await site.rheo([...rheo.slice(1), '--export', `file:${file}`]);
  await site.traffic();
  const real = await truth(daemon, file);
  await site.drained();
  await collector.stop();
  return { folder, real, told: nfcapdTold(collector.said()) };
}

/** The lines of rheo, also those that the text names: with another target in the place of the first one's. */
const first = page.command('rheo');
const targets = page.targets.filter((url) => !/^(file|sflow):/.test(url) && !url.includes('239.'));

test('the page has all protocols that nfcapd takes', () => {
  assert.deepEqual(
    targets.map((url) => url.split(':')[0]),
    ['ipfix', 'netflow9', 'netflow5', 'netflow1'],
  );
});

for (const url of targets) {
  test(`${url}: flows, packets and bytes of real traffic, no sequence errors`, { skip, timeout: 60_000 }, async (t) => {
    const line = first.map((word) => (word.startsWith('ipfix:') ? url : word));
    const { folder, real, told } = await run(t, page.command('nfcapd'), line);
    assert.equal(real.flows, TRAFFIC_FLOWS);
    assert.deepEqual([told.sequenceErrors, told.badPackets], [0, 0]);
    // A biflow is one record in IPFIX, and one for each direction elsewhere.
    assert.equal(told.flows, url.startsWith('ipfix') ? TRAFFIC_FLOWS : 2 * TRAFFIC_FLOWS);
    const { packets, bytes } = nfdumpSums(folder);
    assert.deepEqual([packets, bytes], [real.packets, real.bytes]);
    const [{ received, sent, dropped }] = real.summary.targets;
    assert.deepEqual({ received, sent, dropped }, { received: TRAFFIC_FLOWS, sent: TRAFFIC_FLOWS, dropped: {} });
  });
}

test('multicast: the lines for a group, with the hops that were asked for', {
  skip: skip || missing('tcpdump'),
  timeout: 60_000,
}, async (t) => {
  const site = new Site(t);
  const folder = site.newFolder('nfdump');
  site.lab.ip(site.probe, 'route', 'add', '239.0.0.0/8', 'dev', 'm0');
  site.lab.ip(site.collector, 'route', 'add', '239.0.0.0/8', 'dev', 'eth0');
  const sniffer = site.lab.start(
    site.collector,
    'tcpdump',
    ['-i', 'eth0', '-n', '-v', '-l', '-Z', 'root', 'udp', 'port', '9995'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let seen = '';
  let ready = false;
  sniffer.stdout?.on('data', (part) => {
    seen += part;
  });
  sniffer.stderr?.on('data', (part) => {
    ready ||= String(part).includes('listening on');
  });
  const args = page.command('nfcapd', { '/var/cache/nfdump': site.newFolder('nfdump/flows') }, '-J');
  const collector = await site.collect('nfcapd', args, { udp: [9995] });
  while (!ready) await new Promise((resolve) => setTimeout(resolve, 10));
  const daemon = await site.rheo(page.command('rheo', {}, '239.').slice(1));
  await site.traffic();
  const summary = await daemon.stop();
  await site.drained();
  await collector.stop();
  assert.equal(nfcapdTold(collector.said()).flows, TRAFFIC_FLOWS);
  const { packets } = nfdumpSums(path.join(folder, 'flows'));
  assert.equal(packets, summary.decoded);
  assert.match(seen, /ttl 8,.*\n +192\.0\.2\.1\.\d+ > 239\.192\.0\.1\.9995/);
  assert.doesNotMatch(seen, /ttl [^8]/);
});

test('files for nfdump, and the question that the page asks of them', { skip, timeout: 60_000 }, async (t) => {
  const site = new Site(t);
  const folder = site.newFolder('nfdump');
  const replace = { '/var/cache/nfdump': folder };
  const file = path.join(site.folder, 'truth.ndjson');
  const daemon = await site.rheo([...page.command('rheo', replace, 'file:').slice(1), '--export', `file:${file}`]);
  await site.traffic();
  const real = await truth(daemon, file);
  const { flows, packets, bytes } = nfdumpSums(folder);
  assert.deepEqual([flows, packets, bytes], [TRAFFIC_FLOWS, real.packets, real.bytes]);
  const top = site.lab.run(site.collector, 'nfdump', ...page.command('nfdump', replace));
  assert.match(top, /10\.77\.1\.2/);
});

test('sFlow: the lines for it; with every packet sampled, sfcapd has as many as the daemon', {
  skip: skip || missing('sfcapd'),
  timeout: 60_000,
}, async (t) => {
  const site = new Site(t);
  const folder = site.newFolder('nfdump');
  const args = page.command('sfcapd', { '/var/cache/nfdump': folder });
  const collector = await site.collect('sfcapd', args, { udp: [6343] });
  const file = path.join(site.folder, 'truth.ndjson');
  const line = page.command('rheo', { 'sampling=1000': 'sampling=1&polling=0' }, 'sflow:').slice(1);
  const daemon = await site.rheo([...line, '--export', `file:${file}`]);
  await site.traffic();
  const real = await truth(daemon, file);
  await site.drained();
  await collector.stop();
  const [{ sent, dropped }] = real.summary.targets;
  assert.deepEqual([dropped, real.summary.dropped], [{}, 0]);
  const told = nfcapdTold(collector.said());
  assert.deepEqual([told.flows, told.packets, told.sequenceErrors, told.badPackets], [sent, sent, 0, 0]);
  // What is not IP (ARP) is sampled, too.
  const rows = site.lab.run(
    site.collector,
    'nfdump',
    '-R',
    folder,
    '-q',
    '-N',
    '-A',
    'proto',
    '-o',
    'fmt:%pr|%ipkt',
    'net 10.77.1.0/24',
  );
  const ip = rows
    .trim()
    .split('\n')
    .reduce((sum, row) => sum + Number(row.split('|')[1]), 0);
  assert.equal(ip, real.packets);
});
