import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Family } from '../../src/codec/bgp.js';
import { RheoError } from '../../src/core/errors.js';
import { BgpSpeaker } from '../../src/enrich/bgp-speaker.js';
import { loadMrt } from '../../src/enrich/mrt-file.js';
import { emptyAnswer, RouteTable } from '../../src/enrich/route-table.js';
import { parseDotted, parseIpv6 } from '../../src/filter/address.js';
import { hasProgram } from '../support/programs.js';

/** Routers of others tell their routes: BIRD and FRR, on loopback, on ports of our own. */
const ROUTES = 100_000;
const noBird = hasProgram('bird') ? false : 'no program bird';
const dir = mkdtempSync(path.join(tmpdir(), 'rheo-bgp-'));
const children: ChildProcess[] = [];

after(async () => {
  for (const bgp of speakers) await bgp.stop();
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  rmSync(dir, { recursive: true });
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`it did not come true that ${what}`);
}

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: 'ignore' });
  children.push(child);
  return child;
}

const speakers: BgpSpeaker[] = [];

async function speaker(
  neighbour: string,
  as: number,
  passwordFile?: string,
): Promise<{ bgp: BgpSpeaker; log: string[] }> {
  const log: string[] = [];
  const bgp = new BgpSpeaker({
    address: '127.0.0.1',
    port: 0,
    as: 4_200_000_001,
    id: '192.0.2.1',
    neighbours: [{ address: neighbour, as, passwordFile }],
    bytes: 3e8,
    log: (_level, message) => log.push(message),
  });
  await bgp.start();
  speakers.push(bgp);
  return { bgp, log };
}

function originOf(bgp: BgpSpeaker, address: string): { origin: number; length: number } | undefined {
  const answer = emptyAnswer();
  const six = parseIpv6(address);
  const words = six ?? Int32Array.of(parseDotted(address)?.address ?? 0);
  const family = six === undefined ? Family.ipv4 : Family.ipv6;
  return bgp.tables[0].find(family, words, 0, answer)
    ? { origin: answer.originAs, length: answer.prefixLength }
    : undefined;
}

test('BIRD: a table of 100,000 routes, withdrawals, a session that flaps', { skip: noBird }, async () => {
  const { bgp, log } = await speaker('127.0.0.2', 65_002);
  const four = Array.from(
    { length: ROUTES },
    (_, n) => `route ${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.0/24 blackhole;`,
  );
  const six = Array.from({ length: 1000 }, (_, n) => `route 2001:db8:${n.toString(16)}::/48 blackhole;`);
  const control = path.join(dir, 'bird.ctl');
  const config = path.join(dir, 'bird.conf');
  writeFileSync(
    config,
    `router id 127.0.0.2;
protocol device {}
protocol static many { ipv4; ${four.join('\n')} }
protocol static six { ipv6; ${six.join('\n')} }
protocol static one { ipv4; route 20.0.0.0/8 blackhole; route 0.0.0.0/0 blackhole; }
protocol bgp peer {
  local 127.0.0.2 port 17901 as 65002; strict bind; neighbor 127.0.0.1 port ${bgp.port} as 4200000001; multihop;
  connect delay time 0; connect retry time 1; error wait time 1,1; graceful restart on;
  ipv4 { import none; export filter { bgp_path.prepend(65010); bgp_path.prepend(65011); accept; }; };
  ipv6 { import none; next hop address 2001:db8:ffff::2; export all; };
}`,
  );
  start('bird', ['-f', '-c', config, '-s', control, '-P', path.join(dir, 'bird.pid')]);
  const birdc = (...words: string[]): string => execFileSync('birdc', ['-s', control, ...words], { encoding: 'utf8' });
  const status = () => bgp.status[0];
  await until('all routes came', () => status().prefixes4 === ROUTES + 2 && status().prefixes6 === 1000);
  assert.equal(status().state, 'established');
  assert.equal(status().as, 65_002);
  assert.equal(status().treatedAsWithdrawn, 0);
  assert.ok(status().routes <= 4, 'equal routes are kept once');
  assert.deepEqual(originOf(bgp, '20.1.2.3'), { origin: 65_010, length: 24 });
  assert.deepEqual(originOf(bgp, '20.255.0.1'), { origin: 65_010, length: 24 });
  assert.deepEqual(originOf(bgp, '22.0.0.1'), { origin: 65_010, length: 0 });
  assert.deepEqual(originOf(bgp, '2001:db8:3e7::1'), { origin: 65_002, length: 48 });
  assert.equal(originOf(bgp, '2001:db8:3e8::1'), undefined);

  birdc('disable', 'many');
  await until('they were withdrawn', () => status().prefixes4 === 2);
  assert.deepEqual(originOf(bgp, '20.1.2.3'), { origin: 65_010, length: 8 });
  birdc('enable', 'many');
  await until('they came again', () => status().prefixes4 === ROUTES + 2);

  for (let n = 0; n < 3; n++) {
    const { sessions } = status();
    birdc('restart', 'peer');
    await until('the session came back', () => status().sessions > sessions && status().state === 'established');
  }
  await until('all routes came again', () => status().prefixes4 === ROUTES + 2 && status().prefixes6 === 1000);
  birdc('disable', 'peer');
  await until('the session ended', () => status().state === 'idle');
  assert.equal(status().prefixes4 + status().prefixes6, 0, log.join('\n'));
});

test('BIRD killed: its routes stay for its restart time, and those it no longer has go', { skip: noBird }, async () => {
  const { bgp } = await speaker('127.0.0.4', 65_004);
  const config = path.join(dir, 'gr.conf');
  const write = (routes: string): void =>
    writeFileSync(
      config,
      `router id 127.0.0.4;
protocol device {}
protocol static some { ipv4; ${routes} }
protocol bgp peer {
  local 127.0.0.4 port 17902 as 65004; strict bind; neighbor 127.0.0.1 port ${bgp.port} as 4200000001; multihop;
  connect delay time 0; connect retry time 1; graceful restart on; graceful restart time 60;
  ipv4 { import none; export all; };
}`,
    );
  const args = ['-f', '-c', config, '-s', path.join(dir, 'gr.ctl'), '-P', path.join(dir, 'gr.pid')];
  write('route 30.0.0.0/8 blackhole; route 31.0.0.0/8 blackhole;');
  const bird = start('bird', args);
  await until('both routes came', () => bgp.status[0].prefixes4 === 2);
  bird.kill('SIGKILL');
  await until('the session was lost', () => bgp.status[0].state === 'stale');
  assert.equal(bgp.status[0].prefixes4, 2, 'routes stay');
  write('route 30.0.0.0/8 blackhole; route 32.0.0.0/8 blackhole;');
  start('bird', args);
  await until('the old route was swept', () => originOf(bgp, '31.0.0.1') === undefined);
  assert.equal(bgp.status[0].prefixes4, 2);
  assert.equal(originOf(bgp, '32.0.0.1')?.origin, 65_004);
});

test('FRR', { skip: hasProgram('/usr/lib/frr/bgpd') ? false : 'no program bgpd (Debian: frr)' }, async () => {
  const { bgp } = await speaker('127.0.0.3', 65_003);
  const config = path.join(dir, 'bgpd.conf');
  writeFileSync(
    config,
    `router bgp 65003
 bgp router-id 127.0.0.3
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 127.0.0.1 remote-as 4200000001
 neighbor 127.0.0.1 port ${bgp.port}
 neighbor 127.0.0.1 update-source 127.0.0.3
 neighbor 127.0.0.1 ebgp-multihop 2
 neighbor 127.0.0.1 timers connect 1
 address-family ipv4 unicast
${Array.from({ length: 500 }, (_, n) => `  network 40.${n >> 8}.${n & 255}.0/24`).join('\n')}
 exit-address-family
 address-family ipv6 unicast
  neighbor 127.0.0.1 activate
  network 2001:db8:f::/48
 exit-address-family
`,
  );
  const args = [
    '-f',
    config,
    '-i',
    path.join(dir, 'bgpd.pid'),
    '-p',
    '0',
    '-P',
    '0',
    '-Z',
    '-S',
    '-u',
    'root',
    '-g',
    'root',
  ];
  start('/usr/lib/frr/bgpd', [...args, '-z', path.join(dir, 'zserv'), '--vty_socket', dir, '-l', '127.0.0.3']);
  await until('the routes came', () => bgp.status[0].prefixes4 === 500 && bgp.status[0].prefixes6 === 1);
  assert.deepEqual(originOf(bgp, '40.1.5.9'), { origin: 65_003, length: 24 });
  assert.deepEqual(originOf(bgp, '2001:db8:f::9'), { origin: 65_003, length: 48 });
});

test('a neighbour with another AS is refused, a stranger too', { skip: noBird }, async () => {
  const { bgp, log } = await speaker('127.0.0.5', 65_999);
  const config = path.join(dir, 'wrong.conf');
  writeFileSync(
    config,
    `router id 127.0.0.5;
protocol device {}
protocol bgp peer { local 127.0.0.5 port 17903 as 65005; strict bind; neighbor 127.0.0.1 port ${bgp.port} as 4200000001; multihop; connect delay time 0; ipv4 { import none; export all; }; }
protocol bgp stranger { local 127.0.0.6 port 17904 as 65005; strict bind; neighbor 127.0.0.1 port ${bgp.port} as 4200000001; multihop; connect delay time 0; ipv4 { import none; export all; }; }`,
  );
  start('bird', ['-f', '-c', config, '-s', path.join(dir, 'wrong.ctl'), '-P', path.join(dir, 'wrong.pid')]);
  await until('both were refused', () => ['AS 65005', 'no neighbour'].every((text) => log.join('\n').includes(text)));
  assert.equal(bgp.status[0].sessions, 0);
});

const notLinux = process.platform === 'linux' ? false : 'TCP MD5 signatures exist on Linux only';

test('BIRD with a password (TCP MD5): the right one is needed', { skip: noBird || notLinux }, async () => {
  const passwordFile = path.join(dir, 'password');
  writeFileSync(passwordFile, 'a shared secret\n');
  const right = await speaker('127.0.0.8', 65_008, passwordFile);
  const wrong = await speaker('127.0.0.8', 65_008, passwordFile);
  const config = path.join(dir, 'md5.conf');
  const peer = (name: string, { bgp }: { bgp: BgpSpeaker }, password: string): string =>
    `protocol bgp ${name} { local 127.0.0.8 port 17908 as 65008; strict bind; neighbor 127.0.0.1 port ${bgp.port} as 4200000001;
  multihop; connect delay time 0; connect retry time 1; password "${password}"; ipv4 { import none; export all; }; }`;
  writeFileSync(
    config,
    `router id 127.0.0.8;
protocol device {}
protocol static some { ipv4; route 30.0.0.0/8 blackhole; }
${peer('right', right, 'a shared secret')}`,
  );
  start('bird', ['-f', '-c', config, '-s', path.join(dir, 'md5.ctl'), '-P', path.join(dir, 'md5.pid')]);
  await until('the route came', () => right.bgp.status[0].prefixes4 === 1);
  // Unsigned, and signed with another password: the kernel drops what comes, so nobody gets as far as a connection.
  const config2 = path.join(dir, 'md5wrong.conf');
  writeFileSync(
    config2,
    `router id 127.0.0.8;\nprotocol device {}\n${peer('wrong', wrong, 'another').replaceAll('17908', '17918')}`,
  );
  start('bird', ['-f', '-c', config2, '-s', path.join(dir, 'md5w.ctl'), '-P', path.join(dir, 'md5w.pid')]);
  const unsigned = connect({ port: wrong.bgp.port, host: '127.0.0.1', localAddress: '127.0.0.8' });
  unsigned.on('error', () => {});
  const connected = await new Promise((resolve) => {
    unsigned.once('connect', () => resolve(true));
    setTimeout(() => resolve(false), 2500);
  });
  unsigned.destroy();
  assert.equal(connected, false);
  assert.deepEqual([wrong.bgp.status[0].sessions, wrong.bgp.status[0].state], [0, 'idle']);
});

test('a password that cannot be had is told', async () => {
  const made = speaker('127.0.0.9', 65_009, path.join(dir, 'none'));
  await assert.rejects(made, (error) => error instanceof RheoError && error.message.includes('127.0.0.9'));
});

test("BIRD's MRT dumps of its tables are read", { skip: noBird }, async () => {
  const config = path.join(dir, 'mrt.conf');
  const dump = path.join(dir, 'rib');
  writeFileSync(
    config,
    `router id 127.0.0.7;
protocol device {}
protocol static four { ipv4; ${Array.from({ length: 3000 }, (_, n) => `route 50.${n >> 8}.${n & 255}.0/24 blackhole;`).join('')} }
protocol static six { ipv6; route 2001:db8:7::/48 blackhole; route ::/0 blackhole; }
protocol mrt mrt4 { table master4; filename "${dump}4"; period 1; }
protocol mrt mrt6 { table master6; filename "${dump}6"; period 1; }
protocol bgp peer { local 127.0.0.7 port 17979 as 65007; strict bind; neighbor 127.0.0.1 port 9 as 65001; multihop; ipv4 { import none; export all; }; }`,
  );
  start('bird', ['-f', '-c', config, '-s', path.join(dir, 'mrt.ctl'), '-P', path.join(dir, 'mrt.pid')]);
  const table = new RouteTable(1e8);
  await until('both were written', () => existsSync(`${dump}4`) && existsSync(`${dump}6`));
  // A record is written at once, a dump is not.
  await until('they were complete', () => statSync(`${dump}4`).size > 3000 * 20 && statSync(`${dump}6`).size > 60);
  const counters = await loadMrt(`${dump}4`, table);
  await loadMrt(`${dump}6`, table);
  assert.equal(counters.damaged, 0);
  assert.equal(table.v4.size, 3000);
  assert.equal(table.v6.size, 2);
  const zipped = path.join(dir, 'rib4.gz');
  writeFileSync(zipped, gzipSync(readFileSync(`${dump}4`)));
  const again = new RouteTable(1e8);
  await loadMrt(zipped, again);
  assert.equal(again.v4.size, 3000);
  // Cut anywhere, it is damaged or shorter, and never an error but ours.
  const bytes = readFileSync(`${dump}4`).subarray(0, 400);
  for (let length = 0; length < bytes.length; length++) {
    const cut = path.join(dir, 'cut');
    writeFileSync(cut, bytes.subarray(0, length));
    await loadMrt(cut, new RouteTable(1e6)).catch((error) => assert.ok(error instanceof RheoError, String(error)));
  }
});
