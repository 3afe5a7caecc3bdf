import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { MetricsInput } from '../../../src/control/daemon/metric.js';
import { METRICS } from '../../../src/control/daemon/metric-table.js';
import { metricsText } from '../../../src/control/daemon/metrics.js';
import { ProcessWatch } from '../../../src/control/daemon/process-figures.js';
import { RpcCounters } from '../../../src/rpc/counters.js';
import { FakeService } from '../../support/fake-service.js';
import { hasProgram } from '../../support/programs.js';
import { projectRoot } from '../../support/shared.js';
import { healthWith, interfaceWith, lossWith, PROTOCOLS, targetWith } from '../../tui/watched.js';

const promtool = hasProgram('promtool') ? {} : { skip: 'promtool is missing' };
const DASHBOARD = path.join(projectRoot, 'docs/grafana/rheo.json');
const RULES = path.join(projectRoot, 'docs/alerts/rheo.yml');

function input(change: Partial<MetricsInput> = {}): MetricsInput {
  return {
    version: { version: '1.2.3', node: '20.19.0', pid: 1, started: '2024-01-01T00:00:00.000Z' },
    loss: lossWith({ damaged: { cut: 1 } }),
    health: healthWith(),
    statistics: { protocols: PROTOCOLS },
    maxFlows: 1000,
    enrichment: new FakeService().enrichment(),
    control: Object.assign(new RpcCounters(), { open: 1, requests: 17 }),
    process: new ProcessWatch().read(),
    ...change,
  };
}

/** Value of the sample with exactly these labels. */
function sample(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  assert.notEqual(line, undefined, `no sample ${series} in\n${text}`);
  return Number(line?.slice(series.length + 1));
}

function namesIn(text: string): Set<string> {
  return new Set(text.match(/rheo_[a-z0-9_]+/g));
}

test('samples hold what the service says', () => {
  const text = metricsText(input());
  assert.equal(sample(text, 'rheo_interface_kernel_packets_total{interface="eth0",index="0"}'), 1050);
  assert.equal(sample(text, 'rheo_interface_dropped_packets_total{interface="eth0",index="0"}'), 40);
  assert.equal(sample(text, 'rheo_meter_flows_ended_total{reason="idle"}'), 25);
  assert.equal(sample(text, 'rheo_meter_flows_ended_total{reason="deleted"}'), 0);
  assert.equal(sample(text, 'rheo_meter_flows_limit'), 1000);
  assert.equal(sample(text, 'rheo_shard_longest_gap_seconds{shard="0"}'), 0.0125);
  assert.equal(sample(text, 'rheo_export_up{target="1",kind="ipfix"}'), 1);
  assert.equal(sample(text, 'rheo_export_dropped_records_total{target="1",kind="ipfix",reason="queueFull"}'), 2);
  assert.equal(sample(text, 'rheo_protocol_bytes_total{proto="tcp"}'), 700_000);
  assert.equal(sample(text, 'rheo_control_requests_total'), 17);
  assert.equal(sample(text, 'rheo_process_start_time_seconds'), 1_704_067_200);
  assert.equal(sample(text, 'rheo_build_info{version="1.2.3",node="20.19.0"}'), 1);
  assert.ok(sample(text, 'rheo_process_resident_memory_bytes') > 1e6);
});

test('reasons that are known have a sample from the start; what goes down again is no counter', () => {
  const text = metricsText(input());
  assert.equal(sample(text, 'rheo_meter_refused_packets_total{reason="notIp"}'), 6);
  assert.equal(sample(text, 'rheo_meter_refused_packets_total{reason="tableFull"}'), 0);
  assert.equal(sample(text, 'rheo_meter_held_packets'), 4);
  assert.doesNotMatch(text, /reason="(?:held|none|otherShard)"/);
  const later = metricsText(input({ loss: lossWith({ refused: { newReason: 3 } }) }));
  assert.equal(sample(later, 'rheo_meter_refused_packets_total{reason="newReason"}'), 3);
});

test('bad news are 0, in the text as in the service', () => {
  const text = metricsText(
    input({
      health: healthWith({
        status: 'degraded',
        reasons: ['a', 'b'],
        threads: [{ shard: 0, state: 'restarting', restarts: 3, longestGapMs: 0, flows: 0 }],
      }),
      loss: lossWith({
        balanced: false,
        interfaces: [interfaceWith({ state: 'gone' })],
        targets: [targetWith({ state: 'down' })],
      }),
    }),
  );
  for (const series of [
    'rheo_health_ok',
    'rheo_ledger_balanced',
    'rheo_shard_up{shard="0"}',
    'rheo_interface_up{interface="eth0",index="0"}',
    'rheo_export_up{target="1",kind="ipfix"}',
  ]) {
    assert.equal(sample(text, series), 0, series);
  }
  assert.equal(sample(text, 'rheo_health_problems'), 2);
});

test('no label holds an address, whatever the targets are called', () => {
  const urls = ['ipfix://192.0.2.9:4739', 'ipfix+tls://[2001:db8::1]:4740', 'file:/var/flows.csv', '198.51.100.4'];
  const text = metricsText(input({ loss: lossWith({ targets: urls.map((url) => targetWith({ url })) }) }));
  assert.doesNotMatch(text, /192\.0\.2|2001:db8|198\.51|flows\.csv/);
  assert.equal(sample(text, 'rheo_export_up{target="2",kind="ipfix+tls"}'), 1);
  assert.equal(sample(text, 'rheo_export_up{target="4",kind="file"}'), 1);
});

test('names of interfaces cannot break the text', () => {
  const text = metricsText(input({ loss: lossWith({ interfaces: [interfaceWith({ name: 'a"b\\c\nd' })] }) }));
  assert.equal(sample(text, 'rheo_interface_packets_total{interface="a\\"b\\\\c\\nd",index="0"}'), 1000);
  for (const line of text.trimEnd().split('\n')) {
    assert.match(line, /^(?:# (?:HELP|TYPE) rheo_[a-z0-9_]+ \S.*|rheo_[a-z0-9_]+(?:\{[^\n]*\})? -?[0-9.e+-]+)$/);
  }
});

test('without interfaces and targets their metrics are left out whole', () => {
  const text = metricsText(input({ loss: lossWith({ interfaces: [], targets: [] }), control: undefined }));
  assert.doesNotMatch(text, /rheo_interface_|rheo_export_|rheo_control_clients/);
});

test('names follow the conventions: counters end in _total, gauges do not, and each has its own name', () => {
  const names = METRICS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help } of METRICS) {
    assert.match(name, /^rheo_[a-z0-9]+(?:_[a-z0-9]+)+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.match(help, /\.$/, name);
  }
});

test('all that the table has is in the text and on the page; dashboard and rules name nothing else', () => {
  const known = new Set(METRICS.map(({ name }) => name));
  assert.deepEqual(
    namesIn(metricsText(input()).replace(/^[^#].*$/gm, (line) => line.replace(/[{ ].*/, ''))),
    known,
    'metricsText',
  );
  const page = readFileSync(path.join(projectRoot, 'docs/metrics.md'), 'utf8');
  for (const name of known) assert.ok(page.includes(`| \`${name}\` |`), `${name} is not in docs/metrics.md`);
  for (const file of [DASHBOARD, RULES]) {
    const named = namesIn(readFileSync(file, 'utf8'));
    assert.ok(named.size > 5, file);
    for (const name of named) assert.ok(known.has(name), `${path.basename(file)} names ${name}, which does not exist`);
  }
});

test('docs/metrics.md is what the table says', () => {
  const build = path.resolve(import.meta.dirname, '../../..');
  const script = path.join(projectRoot, 'scripts/generate-metric-docs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check', '--build', build], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('labels that rules and dashboard select by exist', () => {
  const labels = new Map(METRICS.map((metric) => [metric.name, new Set([...metric.labels, 'job', 'instance'])]));
  for (const file of [DASHBOARD, RULES]) {
    const text = readFileSync(file, 'utf8').replaceAll('\\"', '"');
    let selectors = 0;
    for (const [, name, selector] of text.matchAll(/(rheo_[a-z0-9_]+)\{([^}]*)\}/g)) {
      selectors++;
      for (const [, label] of selector.matchAll(/([a-z_]+)(?:=~|!~|!=|=)"/g)) {
        assert.ok(labels.get(name)?.has(label), `${path.basename(file)}: ${name} has no label ${label}`);
      }
    }
    assert.ok(selectors > 0, file);
  }
});

test('panels of the dashboard have distinct numbers and places', () => {
  const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {
    panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.get(`${x},${y}`), undefined, `${title} covers another panel`);
        taken.set(`${x},${y}`, title);
      }
    }
  }
});

test('promtool finds nothing wrong with the metrics', promtool, () => {
  const hostile = lossWith({
    interfaces: [
      interfaceWith(),
      interfaceWith({ index: 1, name: 'a"b\\c\nd' }),
      interfaceWith({ index: 2, name: 'ü€😀' }),
    ],
  });
  for (const text of [metricsText(input()), metricsText(input({ loss: hostile }))]) {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(stdout + stderr, '');
    assert.equal(status, 0);
  }
});

test('promtool finds nothing wrong with the rules', promtool, () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
});

/** A test of promtool: series, a value a minute, and the alerts that they raise after an hour. */
function rulesTest(series: readonly string[], alerts: readonly { name: string; labels: string }[]): string {
  const values = series.map((one) => {
    const at = one.lastIndexOf(' ');
    return `      - series: '${one.slice(0, at)}'\n        values: '${one.slice(at + 1)}'\n`;
  });
  const expected = alerts.map(
    ({ name, labels }) => `      - eval_time: 1h\n        alertname: ${name}\n        exp_alerts: [${labels}]\n`,
  );
  return `rule_files: ['${RULES}']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n${values.join('')}    alert_rule_test:\n${expected.join('')}`;
}

test('rules are silent while all is well, and speak where something is wrong', promtool, () => {
  const at = 'job="rheo",instance="a"';
  const good = [
    `up{${at}} 1x60`,
    `rheo_health_ok{${at}} 1x60`,
    `rheo_ledger_balanced{${at}} 1x60`,
    `rheo_meter_packets_total{${at}} 0+60000x60`,
    `rheo_meter_refused_packets_total{${at},reason="notIp"} 0+6000x60`,
    `rheo_meter_refused_packets_total{${at},reason="tableFull"} 0x60`,
    `rheo_meter_flows_ended_total{${at},reason="resources"} 0x60`,
    `rheo_interface_dropped_packets_total{${at},interface="eth0",index="0"} 0x60`,
    `rheo_interface_up{${at},interface="eth0",index="0"} 1x60`,
    `rheo_shard_up{${at},shard="0"} 1x60`,
    `rheo_export_up{${at},target="1",kind="ipfix"} 1x60`,
    `rheo_enrich_neighbour_up{${at},neighbour="1"} 1x60`,
    `rheo_enrich_neighbour_refused_prefixes_total{${at},neighbour="1"} 0x60`,
    `rheo_meter_dropped_records_total{${at}} 0x60`,
    `rheo_meter_flows{${at}} 10x60`,
    `rheo_meter_flows_limit{${at}} 100x60`,
  ];
  const names = [...readFileSync(RULES, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-rules-'));
  after(() => rmSync(folder, { recursive: true }));
  const check = (text: string): string => {
    const file = path.join(folder, 'test.yml');
    writeFileSync(file, text);
    const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
    return stdout + stderr;
  };
  assert.match(
    check(
      rulesTest(
        good,
        names.map((name) => ({ name, labels: '' })),
      ),
    ),
    /SUCCESS/,
  );

  // promtool wants labels and annotations of what fires; which rules fire is read from what it says instead.
  const fires = (bad: string): string[] => {
    const series = bad.slice(0, bad.lastIndexOf(' '));
    const all = [...good.filter((one) => !one.startsWith(`${series} `)), bad];
    const said = check(
      rulesTest(
        all,
        names.map((name) => ({ name, labels: '' })),
      ),
    );
    return [...said.matchAll(/alertname:\s*(\w+)/g)].map(([, name]) => name).sort();
  };
  assert.deepEqual(fires(`up{${at}} 0x60`), ['RheoDaemonAway']);
  assert.deepEqual(fires(`rheo_health_ok{${at}} 0x60`), ['RheoDegraded']);
  assert.deepEqual(fires(`rheo_ledger_balanced{${at}} 0x60`), ['RheoLedgerDoesNotBalance']);
  assert.deepEqual(fires(`rheo_interface_dropped_packets_total{${at},interface="eth0",index="0"} 0+60x60`), [
    'RheoRingDropsPackets',
  ]);
  assert.deepEqual(fires(`rheo_meter_refused_packets_total{${at},reason="networkShort"} 0+6000x60`), [
    'RheoRefusesPackets',
  ]);
  assert.deepEqual(fires(`rheo_export_up{${at},target="1",kind="ipfix"} 0x60`), ['RheoTargetDown']);
  assert.deepEqual(fires(`rheo_export_dropped_records_total{${at},target="1",kind="ipfix",reason="x"} 0+60x60`), [
    'RheoExportDropsRecords',
  ]);
  assert.deepEqual(fires(`rheo_meter_dropped_records_total{${at}} 0+60x60`), ['RheoLosesRecords']);
  assert.deepEqual(fires(`rheo_meter_flows{${at}} 95x60`), ['RheoTableNearlyFull']);
  assert.deepEqual(fires(`rheo_meter_flows_ended_total{${at},reason="resources"} 0+6x60`), ['RheoTableFull']);
  assert.deepEqual(fires(`rheo_meter_refused_packets_total{${at},reason="tableFull"} 0+6x60`), ['RheoTableFull']);
  assert.deepEqual(fires(`rheo_shard_up{${at},shard="0"} 0x60`), ['RheoThreadDown']);
  assert.deepEqual(fires(`rheo_interface_up{${at},interface="eth0",index="0"} 0x60`), ['RheoInterfaceDown']);
  assert.deepEqual(fires(`rheo_enrich_neighbour_up{${at},neighbour="1"} 0x60`), ['RheoBgpNeighbourDown']);
  assert.deepEqual(fires(`rheo_enrich_neighbour_refused_prefixes_total{${at},neighbour="1"} 5x60`), [
    'RheoRoutesRefused',
  ]);
});

test('what the process uses: a blocked loop and garbage collections are seen', async () => {
  const watch = new ProcessWatch();
  watch.start();
  try {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const until = performance.now() + 80;
    let garbage: unknown[] = [];
    while (performance.now() < until) garbage = Array.from({ length: 10_000 }, () => ({}));
    assert.equal(garbage.length, 10_000);
    // The histogram takes the delay down when its timer runs, the observer tells of collections a turn later.
    const seen = (): boolean => watch.read().gc.minor.runs > 0 && watch.read().eventLoopDelay.max >= 0.05;
    for (let k = 0; k < 100 && !seen(); k++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { eventLoopDelay, gc, cpu, descriptors, residentMemory } = watch.read();
    assert.ok(eventLoopDelay.max >= 0.05, `delay ${eventLoopDelay.max}`);
    assert.ok(eventLoopDelay.max >= eventLoopDelay.p99 && eventLoopDelay.p99 >= 0);
    assert.ok(gc.minor.runs > 0 && gc.minor.seconds > 0);
    assert.ok(cpu.user > 0 && residentMemory > 1e6);
    if (process.platform === 'linux') assert.ok(descriptors! >= 3);
  } finally {
    watch.stop();
  }
});
