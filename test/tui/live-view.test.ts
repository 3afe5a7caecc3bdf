import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { textWidth } from '../../src/tui/text.js';
import { hasProgram } from '../support/programs.js';
import { Tmux } from '../support/tmux.js';

const needs = hasProgram('tmux') ? {} : { skip: 'tmux is missing' };
const PROGRAM = fileURLToPath(new URL('./view-program.js', import.meta.url));

/** Runs the program in a terminal; how its settings were before is asked of the terminal by `assertRestored`. */
async function withView(
  words: string,
  run: (terminal: Tmux) => Promise<void>,
  options: { columns?: number; rows?: number; environment?: Record<string, string> } = {},
): Promise<void> {
  const terminal = new Tmux(options.columns ?? 80, options.rows ?? 24, options.environment);
  try {
    await terminal.until(/\$/);
    terminal.type('before=$(stty -g); clear', 'Enter');
    terminal.type(`'${process.execPath}' '${PROGRAM}' ${words}; echo "code $?"`, 'Enter');
    await terminal.until(/rheo on eth0, lo/);
    await run(terminal);
  } finally {
    terminal.close();
  }
}

/** The program has ended with this code and left nothing behind. */
async function assertRestored(terminal: Tmux, code: number): Promise<void> {
  const screen = await terminal.until(/^code \d+$/m);
  assert.match(screen, new RegExp(`^code ${code}$`, 'm'));
  assert.equal(terminal.variable('alternate_on'), '0', 'alternate screen');
  assert.equal(terminal.variable('cursor_flag'), '1', 'cursor');
  assert.equal(terminal.variable('wrap_flag'), '1', 'wrapping at the border');
  terminal.type('test "$before" = "$(stty -g)" && echo "as" "before"', 'Enter');
  await terminal.until(/^as before$/m);
}

test('80 × 24: all in its place; the view refreshes; q gives the terminal back', needs, async () => {
  await withView('', async (terminal) => {
    await terminal.until(/flows +[▁-█]{3}\n\n PROTO/);
    assert.match(terminal.lines().join('\n'), /laptop\.example\.org/);
    assert.equal(terminal.variable('alternate_on'), '1');
    assert.equal(terminal.variable('cursor_flag'), '0');
    const lines = terminal.lines();
    assert.equal(lines.length, 24);
    assert.match(lines[0], /^ rheo on eth0, lo +\d\d:\d\d:\d\d$/);
    assert.match(lines[1], /bit\/s +[\d.]+ k? ?packets\/s +30 flows +[▁-█]+$/);
    assert.match(lines[3], /^ PROTO {2}SOURCE +DESTINATION +BIT\/S {2}TREND +TOTAL$/);
    for (const line of lines.slice(4, 21))
      assert.match(line, /^ (?:tcp|udp|icmp) .* +[\d.]+ [kMG ]? +[▁-█]+ +[\d.]+ [kMG ]B$/);
    assert.match(lines[22], /^ nothing lost +[\d,]+ packets, .*B, 30 flows$/);
    assert.match(lines[23], /^ q quit .*1–17 of 30$/);
    // It moves by itself.
    const before = lines[22];
    await terminal.until((screen) => !screen.includes(before));
    terminal.type('q');
    await assertRestored(terminal, 0);
    assert.match(terminal.lines().join('\n'), /the view ended: quit, raw keys: false/);
  });
});

test('keys: scroll, sort, search, filter, pause, help', needs, async () => {
  await withView('', async (terminal) => {
    terminal.type('', 'Down');
    await terminal.until(/2–18 of 30$/m);
    terminal.type('', 'NPage');
    await terminal.until(/14–30 of 30$/m);
    terminal.type('k');
    await terminal.until(/13–29 of 30$/m);
    terminal.type('g');
    await terminal.until(/1–17 of 30$/m);
    terminal.type('s');
    await terminal.until(/s sort: bytes/);
    terminal.type('/icmp');
    await terminal.until((screen) => /search: icmp_/.test(screen) && !/^ (?:tcp|udp)/m.test(screen));
    terminal.type('', 'Escape');
    await terminal.until(/^ tcp/m);
    terminal.type('fnonsense', 'Enter');
    await terminal.until(/filter: nonsense_ {2}there is no word 'nonsense'/);
    terminal.type('', 'C-u');
    terminal.type('tcp', 'Enter');
    await terminal.until(/^ filter: tcp$/m);
    terminal.type('', 'Escape');
    await terminal.until((screen) => !screen.includes('filter: tcp'));
    terminal.type('p');
    await terminal.until(/paused/);
    // Filters work on what stands still, too.
    terminal.type('fnone', 'Enter');
    await terminal.until(/None of 30 flows matches/);
    terminal.type('', 'Escape');
    await terminal.until(/^ tcp/m);
    terminal.type('p');
    await terminal.until((screen) => !screen.includes('paused'));
    terminal.type('?');
    await terminal.until(/Ctrl-L +draw the screen again/);
    terminal.type('i');
    await terminal.until(/^ tcp/m);
    terminal.type('i');
    await terminal.until(/INTERFACE +STATE +PACKETS/);
    terminal.type('', 'C-c');
    await assertRestored(terminal, 0);
  });
});

test('resize: 40 × 10 and back, never wider than the screen', needs, async () => {
  await withView('wide', async (terminal) => {
    terminal.resize(40, 10);
    await terminal.until(/^ SOURCE +DESTINATION +BIT\/S$/m);
    let lines = terminal.lines();
    assert.equal(lines.length, 10);
    assert.match(lines[0], /^ rheo on eth0, lo +\d\d:\d\d:\d\d$/);
    assert.match(lines[3], /^ \S.* +[\d.]+(?: [kMG])?$/);
    for (const line of lines) assert.ok(textWidth(line) <= 40, line);
    terminal.resize(140, 30);
    await terminal.until(/→ BIT\/S +← BIT\/S +PKT\/S/);
    lines = terminal.lines();
    assert.match(lines.at(-1)!, /1–23 of 30$/);
    terminal.resize(10, 3);
    await terminal.until(/too small/);
    terminal.resize(80, 24);
    await terminal.until(/^ PROTO/m);
    // Foreign characters in names: the columns behind a wide name stand where they stand behind others.
    const rows = (await terminal.until(/打印机/)).split('\n');
    const wide = rows.find((line) => line.includes('打印机'))!;
    const at = (line: string): number => textWidth(line.slice(0, line.indexOf('192.0.2.7')));
    assert.equal(at(wide), rows[3].indexOf('DESTINATION'));
    assert.match(rows.join('\n'), /\?\[31mred\?\]0;title\?/);
    terminal.type('q');
    await assertRestored(terminal, 0);
  });
});

test('NO_COLOR: no attribute at all', needs, async () => {
  const run = async (terminal: Tmux): Promise<void> => {
    await terminal.until(/^ tcp/m);
    const text = terminal.lines(true).join('\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: attributes of the terminal
    assert.doesNotMatch(text, /\u001b\[(?!0?m|39|49)/);
    terminal.type('q');
    await assertRestored(terminal, 0);
  };
  await withView('', run, { environment: { NO_COLOR: '1' } });
});

test('a quiet machine: says so and shows the interfaces', needs, async () => {
  await withView('quiet', async (terminal) => {
    await terminal.until(/ping localhost[\s\S]*INTERFACE +STATE[\s\S]*eth0 +up[\s\S]*lo +up/);
    terminal.type('q');
    await assertRestored(terminal, 0);
  });
});

test('SIGTERM and SIGHUP give the terminal back', needs, async () => {
  for (const signal of ['TERM', 'HUP'] as const) {
    await withView('', async (terminal) => {
      const shell = Number(terminal.variable('pane_pid'));
      const child = execFileSync('ps', ['-o', 'pid=', '--ppid', String(shell)], { encoding: 'utf8' }).trim();
      process.kill(Number(child), `SIG${signal}`);
      await assertRestored(terminal, 0);
      assert.match(terminal.lines().join('\n'), new RegExp(`the view ended: SIG${signal}`));
    });
  }
});

test('an exception gives the terminal back before its message is shown', needs, async () => {
  await withView('throw', async (terminal) => {
    await assertRestored(terminal, 1);
    assert.match(terminal.lines().join('\n'), /Error: thrown on purpose/);
  });
});

test('a terminal that goes away ends the view, also where SIGHUP is ignored', needs, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-view-'));
  const file = path.join(folder, 'code');
  const terminal = new Tmux(80, 24);
  try {
    await terminal.until(/\$/);
    // Not by the shell of the terminal, which gives up itself when it cannot take the terminal back.
    const script = path.join(folder, 'run.sh');
    writeFileSync(
      script,
      `trap "" HUP\n'${process.execPath}' '${PROGRAM}'\necho $? > '${file}.new'\nmv '${file}.new' '${file}'\n`,
    );
    terminal.type(`sh '${script}'`, 'Enter');
    await terminal.until(/rheo on eth0, lo/);
    terminal.close();
    for (let k = 0; k < 400 && !existsSync(file); k++) await sleep(50);
    assert.equal(readFileSync(file, 'utf8'), '7\n');
  } finally {
    terminal.close();
    rmSync(folder, { recursive: true });
  }
});
