import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFeatures, DEFAULT_FEATURES } from '../../../src/meter/features/index.js';
import { TUNNEL_NAMES } from '../../../src/packet/tunnel.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

function measure(packets: TestPacket[], initiatorB?: boolean): Record<string, unknown> {
  const { hooks, fields } = createFeatures(['vlan', 'tunnel', 'mac']);
  return membersOf(fields, runHooks(hooks, packets, initiatorB === undefined ? {} : { initiatorB }));
}

test('VLAN tags of the first packet, tag 0 and the deepest stack included', () => {
  assert.deepEqual(measure([{ vlan: [0] }, { vlan: [9] }]), { vlan: [0] });
  const deep = [4095, 1, 0, 2048, 5, 6, 7, 4094];
  assert.deepEqual(measure([{ vlan: deep }]), { vlan: deep });
});

test('the tunnel and its id', () => {
  assert.deepEqual(measure([{ tunnel: { type: 'vxlan', id: 42 } }]), { tunnel: { type: 'vxlan', id: 42 } });
  assert.deepEqual(measure([{ tunnel: { type: 'gre', id: -1 } }]), { tunnel: { type: 'gre', id: 0xffffffff } });
  assert.deepEqual(measure([{ tunnel: { type: 'ipip', id: 0 } }]), { tunnel: { type: 'ipip' } });
});

test('what the batch holds from packets before is not taken for this one', () => {
  const { hooks, fields } = createFeatures(DEFAULT_FEATURES);
  const records = runHooks(hooks, [{ flow: 0, vlan: [7, 8], tunnel: { type: 'vxlan', id: 1 } }, { flow: 1 }]);
  assert.deepEqual(membersOf(fields, records, 1), {});
});

test('MAC addresses of initiator and responder, whoever sent the first frame', () => {
  const mac = [0xff, 0xfe, 0, 1, 2, 3, 0x80, 5, 6, 7, 8, 0xf9];
  const [destination, source] = ['ff:fe:00:01:02:03', '80:05:06:07:08:f9'];
  const later = { mac: mac.map(() => 7) };
  for (const direction of [0, 1] as const) {
    assert.deepEqual(measure([{ mac, direction }, later]), { srcMac: source, dstMac: destination });
    assert.deepEqual(measure([{ mac, direction }], direction === 0), { srcMac: destination, dstMac: source });
  }
  assert.deepEqual(measure([{}, later]), {});
  assert.deepEqual(measure([{ mac: mac.map(() => 0) }]), { srcMac: '00:00:00:00:00:00', dstMac: '00:00:00:00:00:00' });
});

test('in a tunnel there is room for five VLAN ids', () => {
  const tunnel = { type: 'l2tp', id: -2 } as const;
  assert.deepEqual(measure([{ vlan: [4095, 2, 3, 4, 4095], tunnel }]), {
    vlan: [4095, 2, 3, 4, 4095],
    tunnel: { type: 'l2tp', id: 0xfffffffe },
  });
  assert.deepEqual(measure([{ vlan: [1, 2, 3, 4, 5, 6], tunnel }]).vlan, [1, 2, 3, 4, 5]);
});

test('the kinds of tunnels fit into four bits', () => {
  assert.ok(TUNNEL_NAMES.length <= 16);
});
