import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { findAccount, findGroup, threadStates } from '../../src/system/privileges.js';

const linux = process.platform === 'linux';
const skip = linux ? false : 'needs Linux';
const needsRoot = !linux ? 'needs Linux' : process.getuid?.() !== 0 && 'needs root';
const module = pathToFileURL(path.resolve(import.meta.dirname, '../../src/system/privileges.js')).href;

/** Runs a script that ends by printing JSON, in a process of its own: there is no way back. */
function inProcess(script: string): Record<string, unknown> {
  const source = `import * as p from ${JSON.stringify(module)};\nimport { promises as fs, mkdtempSync, openSync, renameSync, writeFileSync, chmodSync } from 'node:fs';\nimport { Worker } from 'node:worker_threads';\n${script}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, unknown>;
}

const STATES = `JSON.stringify(p.threadStates(), (_, value) => typeof value === 'bigint' ? Number(value) : value)`;
interface State {
  uids: number[];
  gids: number[];
  groups: number[];
  permitted: number;
  effective: number;
  noNewPrivileges: boolean;
}

test('all threads drop user, groups and capabilities; worker threads get what the main thread keeps', {
  skip: needsRoot,
}, () => {
  const { said, before, states, back } = inProcess(`
    // The pool of libuv has threads before and after.
    await Promise.all([1, 2, 3, 4].map(() => fs.readFile('/etc/hostname')));
    const before = p.threadStates().length;
    const said = p.dropPrivileges(p.findAccount('nobody'), [p.Capability.netRaw, p.Capability.netAdmin]);
    const code = "import fs from 'node:fs/promises'; import { parentPort } from 'node:worker_threads';" +
      "await fs.readFile('/etc/hostname'); parentPort.on('message', () => {}); parentPort.postMessage(1);";
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
    await new Promise((resolve) => worker.once('message', resolve));
    let back = 'regained';
    try { process.setuid(0); } catch (error) { back = error.code; }
    console.log(JSON.stringify({ said, before, back, states: JSON.parse(${STATES}) }));
    process.exit();
  `) as { said: string; before: number; back: string; states: State[] };
  assert.equal(said, 'user 65534, group 65534, capabilities: CAP_NET_RAW, CAP_NET_ADMIN');
  assert.equal(back, 'EPERM');
  assert.ok(before >= 5);
  const kept = (1 << 13) | (1 << 12);
  for (const { uids, gids, groups, permitted, effective } of states) {
    assert.deepEqual([...new Set([...uids, ...gids])], [65_534]);
    assert.ok(groups.every((group) => group === 65_534));
    assert.equal(permitted & ~kept, 0);
    assert.equal(effective & ~kept, 0);
  }
  // The main thread and the worker; those from before have nothing.
  const able = states.filter(({ effective }) => effective !== 0);
  assert.equal(able.length, 2);
  for (const { effective, noNewPrivileges } of able) {
    assert.equal(effective, kept);
    assert.equal(noNewPrivileges, true);
  }
});

test('nothing is kept where nothing is asked for', { skip: needsRoot }, () => {
  const { states } = inProcess(`
    p.dropPrivileges(p.findAccount('65534', '0'), []);
    console.log(JSON.stringify({ states: JSON.parse(${STATES}) }));
  `) as { states: State[] };
  for (const { uids, gids, permitted } of states) {
    assert.deepEqual([...new Set(uids)], [65_534]);
    assert.deepEqual([...new Set(gids)], [0]);
    assert.equal(permitted, 0);
  }
});

test('files that are open belong to the account, so that it can rename them in a sticky folder', {
  skip: needsRoot,
}, () => {
  const { renamed } = inProcess(`
    const folder = mkdtempSync('/tmp/rheo-privileges-');
    chmodSync(folder, 0o1777);
    openSync(folder + '/x.part', 'w');
    const account = p.findAccount('nobody');
    p.giveOpenFiles(account);
    p.dropPrivileges(account, []);
    renameSync(folder + '/x.part', folder + '/x');
    await fs.rm(folder + '/x');
    console.log(JSON.stringify({ renamed: folder }));
  `) as { renamed: string };
  spawnSync('rmdir', [renamed]);
});

test('an account that is not there is refused, with what to do', { skip }, () => {
  assert.throws(() => findAccount('no-such-user', undefined), /there is no user 'no-such-user'/);
  assert.throws(() => findAccount('4123456789', undefined), /has no entry, so its group is not known/);
  assert.throws(() => findGroup('no-such-group'), /there is no group 'no-such-group'/);
  assert.deepEqual(findAccount('4123456789', '7'), { name: '4123456789', uid: 4_123_456_789, gid: 7 });
  assert.deepEqual(findAccount('0', undefined), { name: 'root', uid: 0, gid: 0 });
});

test('who is not root cannot become somebody else', { skip: needsRoot }, () => {
  const { message } = inProcess(`
    p.dropPrivileges(p.findAccount('nobody'), []);
    let message = 'became';
    try { p.dropPrivileges(p.findAccount('daemon'), []); } catch (error) { message = error.message; }
    console.log(JSON.stringify({ message }));
  `);
  assert.match(String(message), /^cannot become user daemon: /);
});

test('the states of threads are those of this process', { skip }, () => {
  const states = threadStates();
  assert.equal(states[0].id, process.pid);
  assert.deepEqual(states[0].uids, Array(4).fill(process.getuid?.()));
});
