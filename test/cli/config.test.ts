import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { parseArguments } from '../../src/cli/parse.js';
import { runOverrides, unknownVariables } from '../../src/cli/run-options.js';
import { findCommand } from '../../src/cli/spec.js';
import { parseConfig } from '../../src/control/config/load.js';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const folder = mkdtempSync(path.join(tmpdir(), 'rheo-cli-config-'));
after(() => rmSync(folder, { recursive: true }));

function rheo(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { PATH: process.env.PATH, HOME: folder, ...environment };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env, cwd: folder });
}

test('every flag of run becomes a value above the file, from the line or from the environment', () => {
  const run = findCommand('run');
  assert.ok(run !== undefined);
  const sampleOf: Record<string, string> = {
    time: '7s',
    integer: '64',
    file: '/x',
    classTime: 'udp=3s',
    sampling: 'count:9',
    list: 'vlan',
  };
  const texts: Record<string, string> = {
    'ring-memory': '8M',
    export: 'file:x.csv',
    'http-listen': '127.0.0.1:1',
    tunnels: 'gre',
  };
  for (const flag of run.flags.filter(({ name }) => !['config', 'scale'].includes(name))) {
    const value = texts[flag.name] ?? flag.choices?.find(() => flag.kind === 'choice') ?? sampleOf[flag.kind] ?? 'x';
    const parsed = parseArguments(run, flag.kind === 'switch' ? [`--${flag.name}`] : [`--${flag.name}`, value]);
    const [first] = runOverrides(parsed);
    assert.ok(first !== undefined, flag.name);
    assert.deepEqual([first.kind, first.where], ['flag', `--${flag.name}`]);
    const variable = `RHEO_${flag.name.toUpperCase().replaceAll('-', '_')}`;
    const [other] = runOverrides(parseArguments(run, [], { [variable]: flag.kind === 'switch' ? '1' : value }));
    assert.deepEqual({ ...other, kind: '', where: '' }, { ...first, kind: '', where: '' });
    assert.deepEqual([other.kind, other.where], ['environment', variable]);
    // Some need others to make sense; none may be unknown.
    try {
      parseConfig(undefined, [first]);
    } catch (error) {
      assert.match((error as Error).message, /without a|are only seen with/, flag.name);
    }
  }
});

test('operands of run are - and a filter', () => {
  const run = findCommand('run');
  assert.ok(run !== undefined);
  const config = (...args: string[]) => parseConfig(undefined, runOverrides(parseArguments(run, args))).config;
  assert.deepEqual([config('tcp', 'port', '443').filter, config('--', 'udp').filter], ['tcp port 443', 'udp']);
  assert.deepEqual([config('-').interfaces, config('-', 'udp').filter], [['-'], 'udp']);
  assert.deepEqual(config('-i', 'eth0', '-i', 'veth*').interfaces, ['eth0', 'veth*']);
  assert.deepEqual(config('--track', 'vlan', '--unidirectional').key, {
    base: 'port',
    extra: ['tos', 'vlan'],
    unidirectional: true,
  });
});

test('check tells all mistakes and ends with 2; print and schema print', () => {
  const file = path.join(folder, 'rheo.yaml');
  writeFileSync(file, 'threads: many\nlog: { levl: info }\n');
  const wrong = rheo(['config', 'check', 'rheo.yaml']);
  assert.equal(wrong.status, 2);
  assert.match(
    wrong.stderr,
    /^rheo: 2 mistakes in the configuration\n {2}rheo\.yaml:1:10: threads: expected .*\n {2}rheo\.yaml:2:8: log\.levl: /,
  );
  const json = rheo(['config', 'check', '--json', 'rheo.yaml']);
  assert.equal(json.status, 2);
  const { problems } = JSON.parse(json.stdout) as { problems: Record<string, unknown>[] };
  assert.deepEqual(
    problems.map(({ key, line }) => [key, line]),
    [
      ['threads', 1],
      ['log.levl', 2],
    ],
  );
  writeFileSync(file, 'threads: 3\n');
  const right = rheo(['config', 'check', 'rheo.yaml'], { RHEO_THREDS: '1' });
  assert.deepEqual([right.status, right.stdout], [0, 'rheo.yaml: all right\n']);
  assert.match(right.stderr, /RHEO_THREDS means nothing/);
  const printed = rheo(['config', 'print', '--origin', '-c', 'rheo.yaml', '--dedupe'], { RHEO_SNAP_LENGTH: '99' });
  assert.match(printed.stdout, /^threads: 3 # rheo\.yaml:1:10$/m);
  assert.match(printed.stdout, /^snapLength: 99 # RHEO_SNAP_LENGTH$/m);
  assert.match(printed.stdout, /^dedupe: true # --dedupe$/m);
  assert.equal((JSON.parse(rheo(['config', 'schema']).stdout) as { type: string }).type, 'object');
  for (const args of [['config'], ['config', 'chek'], ['config', 'check', 'a', 'b'], ['config', 'schema', 'x']]) {
    assert.equal(rheo(args).status, 2, args.join(' '));
  }
});

test('a variable that means nothing is named, with what was meant', () => {
  assert.deepEqual(unknownVariables({ RHEO_THREADS: '1', HOME: 'x', RHEO_CONFIG: 'x', RHEO_CONTROL_SOCKET: 'x' }), []);
  assert.match(
    unknownVariables({ RHEO_INTERFACES: 'x' })[0],
    /RHEO_INTERFACES means nothing\. Did you mean RHEO_INTERFACE\?/,
  );
});
