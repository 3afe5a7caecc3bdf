import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFeatures } from '../../../src/meter/features/index.js';
import { Mark } from '../../../src/packet/batch.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

function measure(features: string[], packets: TestPacket[], interfaces: string[] = []): Record<string, unknown> {
  const list = interfaces.map((name, index) => ({ index, name, linkType: 1, snapLength: 0 }));
  const { hooks, fields } = createFeatures(features, { interfaces: list });
  return membersOf(fields, runHooks(hooks, packets));
}

test('ToS of the first packet, lowest and highest TTL, by direction', () => {
  const packets: TestPacket[] = [
    { direction: 1, tos: 0xb8, ttl: 64 },
    { direction: 1, tos: 0, ttl: 0 },
    { direction: 0, tos: 2, ttl: 255 },
    { direction: 1, ttl: 70 },
  ];
  assert.deepEqual(measure(['tos', 'ttl'], packets), {
    tos: 0xb8,
    reverseTos: 2,
    ttlMin: 0,
    reverseTtlMin: 255,
    ttlMax: 70,
    reverseTtlMax: 255,
  });
});

test('a direction without packets has no members', () => {
  const { hooks, fields } = createFeatures('all');
  const members = membersOf(fields, runHooks(hooks, [{ payload: 5 }]));
  assert.deepEqual(
    Object.keys(members).filter((name) => name.startsWith('reverse')),
    [],
  );
});

test('the flow label is a member of IPv6 flows only', () => {
  assert.deepEqual(
    measure(
      ['flowLabel'],
      [
        { version: 6, flowLabel: 0xabcde },
        { version: 6, flowLabel: 1 },
      ],
    ),
    {
      flowLabel: 0xabcde,
    },
  );
  assert.deepEqual(measure(['flowLabel'], [{ flowLabel: 0 }]), {});
});

test('lengths: what a plain computation says', () => {
  const length = fc.integer({ min: 20, max: 65_575 });
  const packets = fc.array(fc.record({ direction: fc.constantFrom<0 | 1>(0, 1), octets: length }), { minLength: 1 });
  fc.assert(
    fc.property(packets, (list) => {
      const members = measure(['length'], list);
      for (const prefix of ['', 'reverse'] as const) {
        const direction = prefix === '' ? list[0].direction : 1 - list[0].direction;
        const lengths = list.filter((packet) => packet.direction === direction).map((packet) => packet.octets);
        const member = (name: string): unknown => members[prefix === '' ? `length${name}` : `reverseLength${name}`];
        if (lengths.length === 0) {
          assert.equal(member('Min'), undefined);
          continue;
        }
        const mean = lengths.reduce((sum, octets) => sum + octets, 0) / lengths.length;
        const variance = lengths.reduce((sum, octets) => sum + (octets - mean) ** 2, 0) / lengths.length;
        assert.equal(member('Min'), Math.min(...lengths));
        assert.equal(member('Max'), Math.max(...lengths));
        assert.ok(Math.abs((member('Mean') as number) - mean) <= 0.001);
        assert.ok(Math.abs((member('Deviation') as number) - Math.sqrt(variance)) <= 0.01);
        assert.ok((member('Min') as number) <= (member('Mean') as number) + 0.001);
        assert.ok((member('Mean') as number) <= (member('Max') as number) + 0.001);
      }
    }),
  );
});

test('bytes on the wire, payload packets and bytes, fragments', () => {
  const packets: TestPacket[] = [
    { payload: 10, wire: 60, marks: Mark.fragmentFirst },
    { payload: 0, wire: 64, marks: Mark.fragmentLater },
    { payload: 1000, wire: 2 ** 31 - 1, snap: 40 },
    { payload: 0, wire: 2 ** 31 - 1 },
    { direction: 1, payload: 0, wire: 60 },
  ];
  assert.deepEqual(measure(['layer2', 'payload', 'fragments'], packets), {
    fragments: 2,
    layer2Bytes: 60 + 64 + (2 ** 31 - 1) * 2,
    reverseLayer2Bytes: 60,
    payloadPackets: 2,
    reversePayloadPackets: 0,
    payloadBytes: 1010,
    reversePayloadBytes: 0,
  });
});

test('direction of the first frame each way, where it is known', () => {
  const packets: TestPacket[] = [
    { frameDirection: 2 },
    { frameDirection: 1 },
    { direction: 1, frameDirection: 1 },
    { direction: 1, frameDirection: 2 },
  ];
  const { flowDirection, reverseFlowDirection } = measure(['interface'], packets, ['eth0']);
  assert.deepEqual([flowDirection, reverseFlowDirection], [1, 0]);
  const unknown = measure(['interface'], [{ frameDirection: 0 }, { direction: 1 }], ['eth0']);
  assert.ok(!('flowDirection' in unknown) && !('reverseFlowDirection' in unknown));
});

test('MPLS label and interface of the first packet of each direction', () => {
  const packets: TestPacket[] = [
    { mpls: 0, iface: 1 },
    { mpls: 7, iface: 0 },
    { direction: 1, iface: 2 },
  ];
  assert.deepEqual(measure(['mpls', 'interface'], packets, ['lo', 'eth0']), {
    interface: 1,
    reverseInterface: 2,
    interfaceName: 'eth0',
    mpls: 0,
  });
});
