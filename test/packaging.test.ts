import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

test('the unit asks for no capability but four, in both lists', () => {
  const unit = text('packaging', 'rheo.service');
  const list = 'CAP_NET_RAW CAP_NET_ADMIN CAP_BPF CAP_PERFMON';
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

test('the container file copies what is there, and starts what the build makes', () => {
  const lines = text('packaging', 'Containerfile').split('\n');
  const copied = lines.flatMap((line) => {
    const [word, ...operands] = line.split(' ');
    return word === 'COPY' && !operands[0].startsWith('--from') ? operands.slice(0, -1) : [];
  });
  assert.deepEqual(copied.slice(0, 3), ['package.json', 'package-lock.json', 'tsconfig.json']);
  for (const name of copied) assert.ok(existsSync(file(name)), name);
  const { bin } = JSON.parse(text('package.json')) as { bin: { rheo: string } };
  for (const word of ['ENTRYPOINT', 'HEALTHCHECK']) {
    assert.ok(lines.find((line) => line.startsWith(word))?.includes(`"/opt/rheo/${bin.rheo}"`), word);
  }
  // What the program needs besides its code is in its package: all of that is copied, or not used in a container.
  const { files } = JSON.parse(text('package.json')) as { files: string[] };
  const left = files.filter((name) => name !== 'dist/src' && !copied.includes(name));
  assert.deepEqual(left, ['completions', 'docs/config.schema.json', 'man', 'packaging']);
});

test('schema and reference in docs are those of the code', () => {
  assert.equal(text('docs', 'config.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  assert.ok(text('docs', 'configuration.md').includes(configReference()));
});
