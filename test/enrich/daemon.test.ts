/** A daemon with BIRD as its neighbour: records of what it sees have the routes that it is told. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { EnrichmentStatus } from '../../src/rpc/service.js';
import { DaemonProcess, folderOf, recordsOf } from '../daemon/command.js';
import { mmdbFile } from '../support/mmdb.js';
import { Lab, netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';

const PACKETS = 5;
const SEND = `
  import dgram from 'node:dgram';
  const socket = dgram.createSocket('udp4');
  socket.bind(5000, '20.1.2.3', async () => {
    for (let n = 0; n < ${PACKETS}; n++) await new Promise((sent) => socket.send('x', 9000, '21.0.0.1', sent));
    socket.close();
  });
`;

test('records have the AS numbers, prefixes and next hop of the session, and go to files with them', {
  skip: netnsMissing() || (hasProgram('bird') ? false : 'no program bird'),
  timeout: 60_000,
}, async (t) => {
  const lab = new Lab();
  t.after(() => lab.close());
  const inside = lab.netns('routes');
  for (const address of ['20.1.2.3/32', '21.0.0.1/32']) lab.ip(inside, 'address', 'add', address, 'dev', 'lo');
  const folder = folderOf(t);
  const [file, mmdb, config, bird] = ['flows.ndjson', 'places.mmdb', 'rheo.yaml', 'bird.conf'].map((name) =>
    path.join(folder, name),
  );
  const places = (code: string): void =>
    writeFileSync(mmdb, mmdbFile([['21.0.0.0/8', { country: { iso_code: code } }]]));
  places('CH');
  writeFileSync(
    config,
    `interfaces: lo
filter: udp port 9000
export: 'file:${file}'
enrich:
  mmdb: ${mmdb}
  bgp: { as: 4200000001, id: 192.0.2.1, address: 127.0.0.1, port: 1790, neighbours: [{ address: 127.0.0.2, as: 65002 }] }
`,
  );
  writeFileSync(
    bird,
    `router id 127.0.0.2;
protocol device {}
protocol static some { ipv4; route 20.1.2.0/24 blackhole; route 21.0.0.0/8 blackhole; }
protocol bgp peer {
  local 127.0.0.2 port 17901 as 65002; strict bind; neighbor 127.0.0.1 port 1790 as 4200000001; multihop;
  connect delay time 0; connect retry time 1; error wait time 1,1;
  ipv4 { import none; export filter { bgp_path.prepend(65010); accept; }; };
}`,
  );
  const daemon = new DaemonProcess(t, ['-c', config], { inside: [lab, inside], folder });
  await daemon.ready();
  const router = lab.start(inside, 'bird', ['-f', '-c', bird, '-s', `${bird}.ctl`, '-P', `${bird}.pid`]);
  t.after(() => router.kill('SIGKILL'));
  await daemon.until('the routes came', async () => {
    const { neighbours } = await daemon.ask<EnrichmentStatus>('enrichment');
    return neighbours[0].prefixes4 === 2;
  });
  const { stdout } = await daemon.ctl('enrichment');
  assert.match(stdout, /^127\.0\.0\.2 +established +65002 +2 +0 +1 /m);

  const wanted = {
    srcAs: 65_010,
    dstAs: 65_010,
    srcPrefixLength: 24,
    dstPrefixLength: 8,
    nextHop: '127.0.0.2',
    bgpNextAdjacentAs: 65_002,
    dstCountry: 'CH',
  };
  const membersOf = (record: Record<string, unknown>): unknown =>
    Object.fromEntries(Object.keys(wanted).map((name) => [name, record[name]]));
  await lab.node(inside, SEND);
  type Page = { flows: Record<string, unknown>[] };
  await daemon.until('the packets are seen', async () => {
    const { flows } = await daemon.ask<Page>('flows');
    return flows[0]?.packets === PACKETS;
  });
  assert.deepEqual(membersOf((await daemon.ask<Page>('flows')).flows[0]), wanted);
  assert.equal((await daemon.ask<EnrichmentStatus>('enrichment')).records, 0, 'looking at flows does not count');

  // Another file in its place is read with the configuration.
  places('IT');
  await daemon.ask('reload');
  assert.deepEqual(membersOf((await daemon.ask<Page>('flows')).flows[0]), { ...wanted, dstCountry: 'IT' });
  await daemon.ask('expire-all');
  await daemon.until('the record is handed out', async () => {
    const { records, routed, placed } = await daemon.ask<EnrichmentStatus>('enrichment');
    return records === 1 && routed === 2 && placed === 1;
  });
  await daemon.stop();
  const [record] = recordsOf(file);
  assert.deepEqual(membersOf(record), { ...wanted, dstCountry: 'IT' });
});
