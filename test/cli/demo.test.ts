import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { Lab, netnsMissing } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { Tmux } from '../support/tmux.js';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const namespaces = { skip: netnsMissing() };
const withTmux = { skip: netnsMissing() || (hasProgram('tmux') ? false : 'tmux is missing') };
const unprivileged = {
  skip:
    process.platform !== 'linux' || process.getuid?.() !== 0
      ? 'needs root on Linux, to give it away'
      : hasProgram('setpriv')
        ? false
        : 'setpriv is missing',
};

interface Line {
  bitsPerSecond: number;
  packets: number;
  bytes: number;
  lost: number;
  balanced: boolean;
  top: { proto: string; src: string; dst: string; dstPort?: number; bytes: number }[];
}

/** Calls back for each line of the output until it returns true. */
async function untilLine(child: ChildProcess, wanted: (line: string) => boolean): Promise<void> {
  let rest = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop()!;
      if (lines.some(wanted)) resolve();
    });
    child.on('close', () => reject(new Error(`ended: ${rest}`)));
  });
}

/** Datagrams from loopback to loopback: 20 of 1000 bytes to port 9999, with a pause after each. */
const SENDER = `
  const socket = require('node:dgram').createSocket('udp4');
  let left = 20;
  const send = () => socket.send(Buffer.alloc(1000), 9999, '127.0.0.1', () => (--left > 0 ? setTimeout(send, 20) : socket.close()));
  send();`;

test('live flows as lines for programs: what was sent is what is shown; SIGINT ends cleanly', namespaces, async () => {
  const lab = new Lab();
  try {
    const netns = lab.netns('demo');
    const child = lab.start(netns, process.execPath, [main, 'demo', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr!.on('data', (data) => {
      errors += data;
    });
    const ended = once(child, 'close');
    // Lines come once it observes.
    await untilLine(child, () => true);
    lab.run(netns, process.execPath, '-e', SENDER);
    let moved = false;
    let last: Line | undefined;
    await untilLine(child, (text) => {
      const line = JSON.parse(text) as Line;
      last = line;
      assert.equal(line.balanced, true);
      moved ||= line.top.some(({ proto, dst, dstPort }) => proto === 'udp' && dst === '127.0.0.1' && dstPort === 9999);
      // 20 datagrams, and at most as many answers that the port is closed.
      return moved && line.packets >= 20 && line.bitsPerSecond === 0;
    });
    assert.ok(last!.bytes >= 20 * 1028, `${last!.bytes}`);
    assert.ok(last!.packets <= 40, `${last!.packets}`);
    assert.equal(last!.lost, 0);
    child.kill('SIGINT');
    const [code] = await ended;
    assert.equal(code, 0, errors);
    assert.equal(errors, '');
  } finally {
    await lab.close();
  }
});

test('a reader that goes away ends it', namespaces, async () => {
  const lab = new Lab();
  try {
    const netns = lab.netns('demo');
    const command = `'${process.execPath}' '${main}' demo | head -n 1`;
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', netns, 'sh', '-c', command], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^\d\d:\d\d:\d\d +0 bit\/s +0 packets\/s +0 flows +nothing lost\n$/);
  } finally {
    await lab.close();
  }
});

test('the view on the real thing: a quiet machine, flows, end, last words', withTmux, async () => {
  const lab = new Lab();
  const terminal = new Tmux(80, 24);
  try {
    const netns = lab.netns('demo');
    await terminal.until(/\$/);
    terminal.type('before=$(stty -g); clear', 'Enter');
    terminal.type(`ip netns exec ${netns} '${process.execPath}' '${main}' demo; echo "code $?"`, 'Enter');
    await terminal.until(/No packet yet in .*[\s\S]*INTERFACE +STATE +PACKETS/);
    await terminal.until(/ping localhost/);
    lab.run(netns, process.execPath, '-e', SENDER);
    await terminal.until(/^ udp +localhost +localhost:9999 .* 20\.6 kB$/m);
    await terminal.until(/^ nothing lost +\d+ packets, .*B, \d+ flows?$/m);
    terminal.type('fudp and port 1', 'Enter');
    await terminal.until(/None of \d+ flows? matches/);
    terminal.type('', 'Escape');
    await terminal.until(/localhost:9999/);
    terminal.type('', 'C-c');
    const screen = await terminal.until(/^code \d+$/m);
    assert.match(screen, /^\d+ packets, .*B, \d+ flows? in .*; nothing lost\.\ncode 0$/m);
    assert.equal(terminal.variable('alternate_on'), '0');
    terminal.type('test "$before" = "$(stty -g)" && echo "as" "before"', 'Enter');
    await terminal.until(/^as before$/m);
  } finally {
    terminal.close();
    await lab.close();
  }
});

test('without the right to capture: the sample, why, and how to get the right', unprivileged, () => {
  const drop = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  const { status, stdout, stderr } = spawnSync('setpriv', [...drop, process.execPath, main, 'demo'], {
    encoding: 'utf8',
    env: { ...process.env, npm_lifecycle_event: 'start' },
  });
  assert.equal(status, 0, stderr);
  assert.ok(stdout.split('\n').length > 5);
  assert.match(stderr, /CAP_NET_RAW is missing[\s\S]*sudo npm start\n[\s\S]*setcap cap_net_raw=ep \//);
});

test('an interface that is named and is not there is an error, not the sample', namespaces, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'demo', '-i', 'rheo-none0'], {
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /there is no interface rheo-none0/);
});
