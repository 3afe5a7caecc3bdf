import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/control/config/load.js';
import { ConfigError } from '../../src/control/config/problems.js';
import { DaemonProcess, RHEO } from '../daemon/command.js';
import { twoHosts } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { ebpfMissing } from './ebpf-support.js';

const missing = ['ping', 'setpriv'].find((name) => !hasProgram(name));
const noProgram = missing !== undefined && `${missing} is missing`;
const noEbpf = (await ebpfMissing()) || noProgram;

test('what needs packets is refused together with observe: ebpf', () => {
  const lines = [
    'observe: ebpf',
    'filter: tcp',
    'sampling: count:10',
    'dedupe: true',
    'checksums: true',
    'threads: 2',
    'features: [vlan, tcpOptions]',
    'key: { extra: mac }',
  ];
  const problems = (text: string): string[] => {
    try {
      parseConfig({ name: 'rheo.yaml', text });
      return [];
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.problems.map((one) => `${one.path.join('/')}: ${one.message}`);
    }
  };
  const found = problems(lines.join('\n'));
  const paths = found.map((text) => text.split(':')[0]);
  assert.deepEqual(paths.sort(), ['checksums', 'dedupe', 'features', 'filter', 'key', 'sampling', 'threads']);
  for (const text of found) assert.match(text, /observe: ebpf /);
  assert.deepEqual(problems(lines.slice(1).join('\n')), [], 'all of it goes with rings');
  assert.deepEqual(
    problems('observe: ebpf\nkey: { extra: [vlan, dscp] }\nexport: [sflow://192.0.2.1, ipfix://192.0.2.1]'),
    [],
  );
});

test('without the right to load programs: a message that says so, and rings', {
  skip: noEbpf,
  timeout: 30_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const daemon = new DaemonProcess(t, ['-i', 'r0', '--observe', 'ebpf'], {
    inside: [lab, right],
    rheo: ['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-bpf,-sys_admin', ...RHEO],
  });
  await daemon.ready();
  await daemon.logged(
    /^observe: ebpf is not possible here, so the packets are taken from rings: .*CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed/,
  );
  await lab.finish(left, 'ping', '-c', '3', '-i', '0.02', '10.77.0.2');
  await daemon.until('the packets', async () => (await daemon.ask<{ packets: number }>('loss')).packets >= 6);
  const last = await daemon.stop();
  assert.equal(last.dropped, 0);
  const half = new DaemonProcess(t, ['-i', 'r0', '--observe', 'ebpf'], {
    inside: [lab, right],
    rheo: ['setpriv', '--bounding-set=-perfmon,-sys_admin', '--inh-caps=-perfmon,-sys_admin', ...RHEO],
  });
  await half.logged(/^observe: ebpf is not possible here, .*CAP_PERFMON is missing/);
  await half.ready();
  await half.stop();
});

test('with the rights of the unit file, and as another user, also when the interface comes back', {
  skip: noEbpf,
  timeout: 60_000,
}, async (t) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const unit = '-all,+net_raw,+net_admin,+bpf,+perfmon,+setuid,+setgid,+setpcap,+chown';
  const daemons = [
    [...RHEO, '--user', 'nobody'],
    ['setpriv', `--bounding-set=${unit}`, `--inh-caps=${unit}`, ...RHEO],
  ].map((command) => {
    const at = command.indexOf(RHEO[1]) + 1;
    const daemon = new DaemonProcess(t, ['-i', 'r0', '--observe', 'ebpf', ...command.slice(at)], {
      inside: [lab, right],
      rheo: command.slice(0, at),
    });
    return daemon;
  });
  for (const daemon of daemons) {
    await daemon.ready();
    await daemon.logged(/^the kernel counts flows/);
  }
  const ping = async (): Promise<void> => {
    const { code } = await lab.finish(left, 'ping', '-c', '3', '-i', '0.02', '10.77.0.2');
    assert.equal(code, 0);
  };
  const has = async (packets: number): Promise<void> => {
    for (const daemon of daemons) {
      await daemon.until(`${packets} packets`, async () => {
        const { flows } = await daemon.ask<{ flows: { packets: number; reversePackets: number }[] }>('flows', 'icmp');
        return flows.reduce((sum, one) => sum + Number(one.packets) + Number(one.reversePackets), 0) >= packets;
      });
    }
  };
  await ping();
  await has(6);
  lab.ip(right, 'link', 'del', 'r0');
  for (const daemon of daemons) await daemon.logged(/^interface r0 is gone/);
  lab.cable(
    { netns: left, device: 'l0', addresses: ['10.77.0.1/24'] },
    { netns: right, device: 'r0', addresses: ['10.77.0.2/24'] },
  );
  for (const daemon of daemons) {
    await daemon.until('r0 is up', async () => {
      const { interfaces } = await daemon.ask<{ interfaces: { state: string }[] }>('loss');
      return interfaces[0]?.state === 'up';
    });
  }
  await ping();
  await has(12);
  for (const daemon of daemons) {
    const last = await daemon.stop();
    assert.deepEqual([last.dropped, last.flows.live], [0, 0]);
    assert.match(last.msg, /Nothing was lost\.$/);
  }
});
