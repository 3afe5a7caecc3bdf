import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { configJsonSchema } from '../src/control/config/json-schema.js';
import { loadConfig } from '../src/control/config/load.js';
import { configReference } from '../src/control/config/reference.js';
import { hasProgram } from './support/programs.js';
import { projectRoot } from './support/shared.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-packaging-'));
after(() => rmSync(folder, { recursive: true }));
const file = (...names: string[]): string => path.join(projectRoot, ...names);
const text = (...names: string[]): string => readFileSync(file(...names), 'utf8');

test('systemd finds no fault in the unit', { skip: !hasProgram('systemd-analyze') && 'needs systemd-analyze' }, () => {
  const unit = path.join(folder, 'rheo.service');
  // The program has to be there.
  writeFileSync(unit, text('packaging', 'rheo.service').replace('ExecStart=/usr/bin/rheo', 'ExecStart=/bin/true'));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
  assert.equal(stdout + stderr, '');
  assert.equal(status, 0);
  writeFileSync(unit, text('packaging', 'rheo.service').replace('Restart=on-failure', 'Restart=perhaps'));
  assert.notEqual(spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' }).stderr, '');
});

test('the unit asks for no capability but three, in both lists', () => {
  const unit = text('packaging', 'rheo.service');
  const list = 'CAP_NET_RAW CAP_NET_ADMIN CAP_BPF';
  assert.equal(/^AmbientCapabilities=(.*)$/m.exec(unit)?.[1], list);
  assert.equal(/^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1], list);
});

test('the example of a configuration is one, also with all that is commented out', () => {
  assert.deepEqual(loadConfig(file('packaging', 'rheo.yaml')).config.log.level, 'info');
  const all = path.join(folder, 'all.yaml');
  writeFileSync(
    all,
    text('packaging', 'rheo.yaml').replace(/^# (interfaces|filter|idleTimeout|activeTimeout|- ipfix)/gm, (_, key) => {
      return key === '- ipfix' ? '  - ipfix' : key;
    }),
  );
  const { config } = loadConfig(all);
  assert.deepEqual([config.interfaces, config.filter, config.export.length], [['eth0', 'veth*'], 'not port 22', 2]);
});

test('the compose file names files that are there, and no more capabilities than needed', () => {
  const { services } = parse(text('packaging', 'compose.yaml')) as {
    services: { rheo: { build: { dockerfile: string }; cap_drop: string[]; cap_add: string[] } };
  };
  assert.match(text(services.rheo.build.dockerfile), /^USER rheo$/m);
  assert.deepEqual([services.rheo.cap_drop, services.rheo.cap_add], [['ALL'], ['NET_RAW', 'NET_ADMIN']]);
});

test('schema and reference in docs are those of the code', () => {
  assert.equal(text('docs', 'config.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  assert.ok(text('docs', 'configuration.md').includes(configReference()));
});
