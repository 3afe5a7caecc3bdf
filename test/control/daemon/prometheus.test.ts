import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BgpType } from '../../../src/codec/bgp.js';
import { parseConfig } from '../../../src/control/config/load.js';
import { Daemon } from '../../../src/control/daemon/daemon.js';
import { METRICS } from '../../../src/control/daemon/metric-table.js';
import { RpcCounters } from '../../../src/rpc/counters.js';
import { listenHttp } from '../../../src/rpc/http-server.js';
import { bgpMessage, openBody } from '../../support/bgp.js';
import { Lab, netnsMissing } from '../../support/netns.js';
import { hasProgram } from '../../support/programs.js';
import { projectRoot } from '../../support/shared.js';

const needs = { skip: netnsMissing() || (hasProgram('prometheus') ? false : 'prometheus is missing') };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** Asks again until the answer is wanted. @throws Error with the last answer after 30 s */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  let last: unknown;
  for (let k = 0; k < 150; k++) {
    try {
      const answer = await ask();
      if (wanted(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await sleep(200);
  }
  throw new Error(`not what was wanted: ${last instanceof Error ? last : JSON.stringify(last)}`);
}

test("Debian's Prometheus scrapes a daemon that observes, and its rules are silent", needs, async () => {
  const lab = new Lab();
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-prometheus-'));
  const netns = lab.netns('metrics');
  const flag = (name: string, value: unknown) => ({ path: [name], value, kind: 'flag' as const, where: name });
  const bgp = { as: 65_001, id: '192.0.2.1', address: '127.0.0.1', port: 0, neighbours: [{ address: '127.0.0.1' }] };
  const flags = [flag('interfaces', ['lo']), flag('netns', netns), flag('maxFlows', 4096), flag('enrich', { bgp })];
  const { config } = parseConfig(undefined, flags);
  const counters = new RpcCounters();
  const daemon = new Daemon({ config, version: '1.2.3', control: counters });
  await daemon.start();
  // A BGP neighbour with nothing to tell, as its metrics are only there with one.
  const neighbour = connect(daemon.enrichment!.bgpPort, '127.0.0.1', () => {
    neighbour.write(bgpMessage(BgpType.open, openBody()));
    neighbour.write(bgpMessage(BgpType.keepalive, []));
  });
  neighbour.on('error', () => {});
  const target = `127.0.0.1:${await freePort()}`;
  const http = await listenHttp({ service: daemon.service, counters, log: () => undefined }, { listen: target });
  const own = `127.0.0.1:${await freePort()}`;
  const file = path.join(folder, 'prometheus.yml');
  writeFileSync(
    file,
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ['${path.join(projectRoot, 'docs/alerts/rheo.yml')}']
scrape_configs: [{ job_name: rheo, static_configs: [{ targets: ['${target}'] }] }]
`,
  );
  const server = spawn(
    'prometheus',
    [`--config.file=${file}`, `--storage.tsdb.path=${path.join(folder, 'data')}`, `--web.listen-address=${own}`],
    { stdio: 'ignore' },
  );
  const ended = once(server, 'exit');
  const ask = async <T>(what: string): Promise<T> => {
    const answer = (await (await fetch(`http://${own}/api/v1/${what}`)).json()) as { data: T };
    return answer.data;
  };
  const query = async (text: string): Promise<Sample[]> =>
    (await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(text)}`)).result;
  try {
    const targets = await until(
      () => ask<{ activeTargets: { health: string; lastError: string }[] }>('targets'),
      ({ activeTargets: [one] }) => one !== undefined && one.health !== 'unknown',
    );
    assert.deepEqual(
      targets.activeTargets.map(({ health, lastError }) => [health, lastError]),
      [['up', '']],
    );

    await lab.node(
      netns,
      `import { createSocket } from 'node:dgram';
       const socket = createSocket('udp4');
       let left = 25;
       const send = () => socket.send(Buffer.alloc(100), 9999, '127.0.0.1', () => (--left > 0 ? send() : socket.close()));
       send();`,
    );
    // Each datagram, and as many answers that the port is closed as the kernel likes to give.
    const [packets] = await until(
      () => query('rheo_interface_packets_total{interface="lo"}'),
      ([one]) => one !== undefined && Number(one.value[1]) >= 25,
    );
    assert.equal(packets.metric.job, 'rheo');
    assert.equal((await query('rheo_ledger_balanced'))[0].value[1], '1');
    assert.equal((await query('rheo_enrich_neighbour_up'))[0].value[1], '1');
    const names = await query('count by (__name__) ({__name__=~"rheo_.+"})');
    const stored = new Set(names.map(({ metric }) => metric.__name__));
    // A daemon without targets, pipe and ended flows has nothing to say on these.
    const absent = METRICS.filter(({ name }) => !stored.has(name)).map(({ name }) => name);
    assert.deepEqual(
      absent.filter((name) => !/^rheo_(?:export_|protocol_|meter_damaged_)/.test(name)),
      [],
    );
    const known = new Set(METRICS.map(({ name }) => name));
    assert.deepEqual(
      [...stored].filter((name) => !known.has(name)),
      [],
    );
    // Before the first scrape the daemon was away, so this takes a moment.
    const rules = () => ask<{ groups: { rules: { health: string; state: string }[] }[] }>('rules');
    await until(
      rules,
      ({ groups }) =>
        groups.length === 1 &&
        groups[0].rules.length > 5 &&
        groups[0].rules.every(({ health, state }) => health === 'ok' && state === 'inactive'),
    );
  } finally {
    server.kill('SIGTERM');
    await ended;
    neighbour.destroy();
    await http.close();
    await daemon.service.shutdown();
    await daemon.ended;
    await lab.close();
    rmSync(folder, { recursive: true });
  }
});
