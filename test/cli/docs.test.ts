import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { completionScript } from '../../src/cli/completion.js';
import { manPage } from '../../src/cli/man.js';
import { COMMANDS, SHELLS } from '../../src/cli/spec.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const folder = mkdtempSync(path.join(tmpdir(), 'rheo-docs-'));
after(() => rmSync(folder, { recursive: true }));

const FILES = { bash: 'rheo.bash', zsh: '_rheo', fish: 'rheo.fish' } as const;

for (const shell of SHELLS) {
  test(`${shell} takes its completion script`, { skip: !hasProgram(shell) && `needs ${shell}` }, () => {
    const file = path.join(folder, FILES[shell]);
    writeFileSync(file, completionScript(shell));
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });
}

test('the scripts in the package are those of the table', () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell);
    assert.equal(readFileSync(path.join(projectRoot, 'completions', FILES[shell]), 'utf8'), script);
    for (const command of COMMANDS) {
      for (const flag of command.flags) assert.ok(script.includes(flag.name), `${shell}: ${flag.name}`);
    }
  }
});

/** What bash offers for a line whose last word is being typed. */
function bashOffers(...words: string[]): string[] {
  const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rheo 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['-c', script, path.join(folder, 'offers.bash'), ...words], {
    encoding: 'utf8',
  });
  return stdout.trimEnd().split('\n');
}

test('bash completes commands, flags, values and lists', { skip: !hasProgram('bash') && 'needs bash' }, () => {
  writeFileSync(path.join(folder, 'offers.bash'), completionScript('bash'));
  assert.deepEqual(bashOffers('rheo', 're'), ['read']);
  assert.deepEqual(bashOffers('rheo', 'completion', 'z'), ['zsh']);
  assert.deepEqual(bashOffers('rheo', 'read', '--js'), ['--json']);
  assert.deepEqual(bashOffers('rheo', 'read', '--when-full', 'e'), ['evict', 'early']);
  assert.deepEqual(bashOffers('rheo', 'read', '--tunnels', 'gre,vx'), ['gre,vxlan']);
});

test('fish completes flags', { skip: !hasProgram('fish') && 'needs fish' }, () => {
  const file = path.join(folder, 'offers.fish');
  writeFileSync(file, completionScript('fish'));
  const offers = (line: string): string =>
    spawnSync('fish', ['--no-config', '-c', `source ${file}; complete -C ${JSON.stringify(line)}`], {
      encoding: 'utf8',
    }).stdout;
  assert.match(offers('rheo re'), /^read\t/);
  assert.match(offers('rheo read --idle'), /^--idle-timeout\t/);
  assert.match(offers('rheo read --when-full ev'), /^evict/);
});

test('zsh defines its function', { skip: !hasProgram('zsh') && 'needs zsh' }, () => {
  const file = path.join(folder, 'offers.zsh');
  writeFileSync(file, completionScript('zsh'));
  const script = `autoload -U compinit; compinit -D -u; source ${file}; print -r -- $_comps[rheo]`;
  const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8' });
  assert.equal(stdout, '_rheo\n', stderr);
});

const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as { version: string };

test('the man page in the package is that of the table, and names every flag', () => {
  const page = manPage(version);
  assert.equal(readFileSync(path.join(projectRoot, 'man/rheo.1'), 'utf8'), page);
  for (const command of COMMANDS) {
    for (const flag of command.flags) assert.ok(page.includes(flag.name.replaceAll('-', '\\-')), flag.name);
  }
});

test('man shows it without warnings', { skip: !hasProgram('man') && 'needs man' }, () => {
  const file = path.join(folder, 'rheo.1');
  writeFileSync(file, manPage(version));
  const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', file], {
    encoding: 'utf8',
    env: { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' },
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.match(stdout, /--idle-timeout/);
});

test('mandoc finds no fault', { skip: !hasProgram('mandoc') && 'needs mandoc' }, () => {
  const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], {
    input: manPage(version),
    encoding: 'utf8',
  });
  assert.equal(stdout + stderr, '');
});
