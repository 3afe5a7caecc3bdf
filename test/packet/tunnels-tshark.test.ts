import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { hasProgram } from '../support/programs.js';
import { bytes, ipv4, udp, words } from './link-support.js';
import { TUNNEL_CASES } from './tunnels-cases.js';

const PAYLOAD = '68656c6c6f';
/** Fields in which tshark has a tunnel's id, and which of ours they hold. */
const IDS = [
  'gre.key',
  'erspan.spanid',
  'vxlan.vni',
  'geneve.vni',
  'gtp.teid',
  'l2tp.tunnel',
  'l2tp.session',
  'gre.key.call_id',
] as const;

const skip = hasProgram('tshark') ? false : 'tshark is not installed';

test('tshark finds the same packets in the hand-made tunnels', { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-tunnels-'));
  try {
    const cases = TUNNEL_CASES.filter(({ tshark }) => tshark !== false);
    const packets = cases.map(({ port, frame }) => {
      const packet = port === 0 ? ipv4(frame, 47, 99) : ipv4(udp(port, port, frame), 17, 99);
      return bytes(words(0, 0, packet.length, packet.length), packet);
    });
    const file = path.join(folder, 'tunnels.pcap');
    writeFileSync(file, bytes(words(0xa1b2c3d4, 0x00040002, 0, 0, 65535, 101), ...packets));
    const names = ['ip.src', 'ipv6.src', 'udp.payload', ...IDS];
    const args = ['-n', '-r', file, '-d', 'udp.port==8472,vxlan', '-d', 'udp.port==2152,gtp', '-T', 'json'];
    const run = spawnSync('tshark', [...args, ...names.flatMap((name) => ['-e', name])], { encoding: 'utf8' });
    const read = JSON.parse(run.stdout) as { _source: { layers: Record<string, string[]> } }[];
    assert.equal(read.length, cases.length, run.stderr);
    const differ: string[] = [];
    for (const [i, { name, id, kind }] of cases.entries()) {
      const { layers } = read[i]._source;
      const inner = [...(layers['ip.src'] ?? []).slice(1), ...(layers['ipv6.src'] ?? [])];
      if (inner.length !== 1) differ.push(`${name}: packets inside: ${inner}`);
      const ids = IDS.flatMap((field) => layers[field] ?? []).map(Number);
      const ours = kind === 9 ? [id >>> 16, id & 0xffff] : [id >>> 0];
      if (id !== 0 && kind !== 3 && !ours.every((value) => ids.includes(value)))
        differ.push(`${name}: ids ${ids}, not ${ours}`);
      if (!name.includes('link-local') && layers['udp.payload']?.at(-1) !== PAYLOAD) differ.push(`${name}: payload`);
    }
    assert.deepEqual(differ, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
