import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { hasProgram } from './support/programs.js';
import { projectRoot } from './support/shared.js';

const house = path.join(projectRoot, 'samples/house.pcapng');
const skip = hasProgram('tshark') ? false : 'tshark is not installed';

function tshark(...args: string[]): string[] {
  const run = spawnSync('tshark', ['-r', house, ...args], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout.split('\n').filter((line) => line !== '');
}

/** What samples/README.md says is in it: display filter and least number of packets. */
const CONTENTS: Record<string, number> = {
  'http.request and ip': 1,
  'http.request and ipv6': 1,
  'tls.handshake.type == 1 and ip': 2,
  'tls.handshake.type == 1 and ipv6': 2,
  'quic and ip': 5,
  'quic and ipv6': 5,
  'dns and udp': 50,
  'dns and tcp': 2,
  'dns.flags.rcode == 3': 1,
  'icmp.type == 8': 4,
  'icmpv6.type == 128': 3,
  'ip.flags.mf == 1': 4,
  'ipv6.fraghdr': 4,
  ssh: 20,
  'tcp.dstport == 9100 and tcp.len > 0': 5,
  'tcp.dstport == 5201': 10,
  'udp.dstport == 5201': 50,
  ntp: 2,
  'icmp.type == 3 and icmp.code == 3': 1,
  'ip.dst == 198.51.100.66 and tcp.flags.syn == 1': 3,
  'ip.src == 192.168.7.40 and tcp.flags.reset == 1': 40,
};

test('the sample holds what its README says', { skip }, () => {
  for (const [filter, least] of Object.entries(CONTENTS)) {
    const count = tshark('-n', '-Y', filter).length;
    assert.ok(count >= least, `${filter}: ${count} packets, not ${least}`);
  }
  assert.equal(tshark('-n', '-Y', 'ip.src == 198.51.100.66').length, 0, 'the server that has gone does not answer');
});

test('the sample names its hosts, and only addresses for private use and documentation occur', { skip }, () => {
  const fields = ['-T', 'fields', '-E', 'occurrence=a', '-E', 'separator=/s', '-E', 'aggregator=/s'];
  const named = new Set(
    tshark('-N', 'n', ...fields, '-e', 'ip.src_host', '-e', 'ipv6.src_host')
      .join(' ')
      .split(' '),
  );
  for (const name of ['laptop.home', 'phone.home', 'printer.home', 'nas.home', 'router.home', 'www.example.com']) {
    assert.ok(named.has(name), `${name} in ${[...named].join(' ')}`);
  }
  const addresses = new Set(
    tshark('-n', ...fields, '-e', 'ip.addr', '-e', 'ipv6.addr')
      .join(' ')
      .split(/\s+/),
  );
  const own = /^(192\.168\.7\.|203\.0\.113\.|198\.51\.100\.66$|2001:db8:|fe80:|ff02:|::$|224\.0\.0\.)/;
  assert.deepEqual(
    [...addresses].filter((address) => address !== '' && !own.test(address)),
    [],
  );
});
