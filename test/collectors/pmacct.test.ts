/** The lines of docs/collectors/pmacct.md, as they stand there: `rheo run` at one end of a cable, pmacct's at the other. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Page } from '../support/documents.js';
import { netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { pmacctSums, pmacctWrote, Site, TRAFFIC_FLOWS, truth } from '../support/site.js';

function missing(...programs: string[]): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  const name = programs.find((one) => !hasProgram(one));
  return name === undefined ? false : `${name} is missing`;
}

const page = new Page('pmacct');
const first = page.command('rheo');
const targets = page.targets.filter((url) => !url.startsWith('sflow'));

test('the page has all protocols that nfacctd takes', () => {
  assert.deepEqual(
    targets.map((url) => url.split(':')[0]),
    ['ipfix', 'netflow9', 'netflow5'],
  );
});

/** The page's file and folder for a program, in the folder of the test. */
function prepare(site: Site, program: string): { args: string[]; output: string } {
  const replace = { '/etc/pmacct': site.newFolder('etc'), '/var/lib/pmacct': path.join(site.folder, 'lib') };
  mkdirSync(replace['/var/lib/pmacct']);
  // Not a minute between two lots of lines; that is all that is changed.
  const hasty = { ...replace, 'print_refresh_time: 60': 'print_refresh_time: 1' };
  site.writeFile(`etc/${program}.conf`, page.file('pmacct', `! ${program}.conf`, hasty));
  return { args: page.command(program, replace), output: path.join(replace['/var/lib/pmacct'], 'flows.json') };
}

for (const url of targets) {
  test(`${url}: flows, packets and bytes of real traffic`, {
    skip: missing('nfacctd', 'ping'),
    timeout: 60_000,
  }, async (t) => {
    const site = new Site(t);
    const { args, output } = prepare(site, 'nfacctd');
    const collector = await site.collect('nfacctd', args, { udp: [2100] });
    const file = path.join(site.folder, 'truth.ndjson');
    const line = first.slice(1).map((word) => (word.startsWith('ipfix:') ? url : word));
    const daemon = await site.rheo([...line, '--export', `file:${file}`]);
    await site.traffic();
    const real = await truth(daemon, file);
    await pmacctWrote(output, real.packets);
    await collector.stop('SIGINT');
    assert.deepEqual(pmacctSums(output), { flows: 2 * TRAFFIC_FLOWS, packets: real.packets, bytes: real.bytes });
    assert.equal(real.flows, TRAFFIC_FLOWS);
  });
}

test('sFlow: the file and line for it; with every packet sampled, sfacctd has as many as the daemon', {
  skip: missing('sfacctd', 'ping'),
  timeout: 60_000,
}, async (t) => {
  const site = new Site(t);
  const { args, output } = prepare(site, 'sfacctd');
  const collector = await site.collect('sfacctd', args, { udp: [6343] });
  const file = path.join(site.folder, 'truth.ndjson');
  const line = page.command('rheo', { 'sampling=1000': 'sampling=1&polling=0' }, 'sflow:').slice(1);
  const daemon = await site.rheo([...line, '--export', `file:${file}`]);
  await site.traffic();
  const real = await truth(daemon, file);
  await pmacctWrote(output, real.packets);
  await collector.stop('SIGINT');
  const { flows, packets } = pmacctSums(output);
  assert.deepEqual({ flows, packets }, { flows: 2 * TRAFFIC_FLOWS, packets: real.packets });
});
