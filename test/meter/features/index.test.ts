import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RheoError } from '../../../src/core/errors.js';
import { createFeatures, DEFAULT_FEATURES, FEATURES, featureNames } from '../../../src/meter/features/index.js';
import { Mark } from '../../../src/packet/batch.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

/** Packets of a few flows with everything in them, time going forward and sometimes back. */
const packet: fc.Arbitrary<TestPacket> = fc.record(
  {
    flow: fc.nat(3),
    direction: fc.constantFrom<0 | 1>(0, 1),
    at: fc.nat(200_000_000_000),
    version: fc.constantFrom<4 | 6>(4, 6),
    tos: fc.nat(255),
    ttl: fc.nat(255),
    flowLabel: fc.nat(0xfffff),
    marks: fc.constantFrom(0, 0, 0, Mark.fragmentFirst, Mark.fragmentLater),
    tcp: fc.option(
      fc.record({
        flags: fc.nat(0x3f),
        sequence: fc.integer({ min: 0xfffffff0, max: 0x100000010 }),
        window: fc.nat(0xffff),
        options: fc.array(fc.nat(12), { maxLength: 40 }),
      }),
      { nil: undefined },
    ),
    payload: fc.uint8Array({ maxLength: 40 }),
    snap: fc.integer({ min: 34, max: 200 }),
    mac: fc.array(fc.nat(255), { minLength: 12, maxLength: 12 }),
    vlan: fc.array(fc.nat(4095), { maxLength: 8 }),
    mpls: fc.nat(0xfffff),
    iface: fc.nat(2),
    stray: fc.boolean(),
  },
  { requiredKeys: ['flow', 'direction', 'at'] },
) as fc.Arbitrary<TestPacket>;
/** Members whose twin has a name of its own. */
const EXCHANGED: Record<string, string> = { srcMac: 'dstMac', dstMac: 'srcMac' };
const packets = fc.array(packet, { minLength: 1, maxLength: 60 });

test('however the packets are cut into batches, the values are the same', () => {
  fc.assert(
    fc.property(packets, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (list, cuts) => {
      const values = [[256], [1], cuts].map((lengths) => {
        const { hooks, fields } = createFeatures('all');
        const records = runHooks(hooks, list, { cuts: lengths });
        return Array.from({ length: records.count }, (_, index) => membersOf(fields, records, index));
      });
      assert.deepEqual(values[1], values[0]);
      assert.deepEqual(values[2], values[0]);
    }),
  );
});

test('a feature has the same value alone as with all others', () => {
  fc.assert(
    fc.property(packets, fc.constantFrom(...featureNames), (list, name) => {
      const all = createFeatures('all');
      const alone = createFeatures([name]);
      const everything = membersOf(all.fields, runHooks(all.hooks, list));
      const members = membersOf(alone.fields, runHooks(alone.hooks, list));
      for (const field of alone.fields) assert.deepEqual(members[field.name], everything[field.name], field.name);
    }),
  );
});

test('flows do not touch each other: mixed or one after the other, the values are the same', () => {
  fc.assert(
    fc.property(packets, (list) => {
      const { hooks, fields } = createFeatures('all');
      const records = runHooks(hooks, list);
      for (let flow = 0; flow < records.count; flow++) {
        const own = list.filter((each) => each.flow === flow).map((each) => ({ ...each, flow: 0 }));
        if (own.length === 0) continue;
        const single = createFeatures('all');
        const expected = membersOf(single.fields, runHooks(single.hooks, own));
        assert.deepEqual(membersOf(fields, records, flow), expected);
      }
    }),
  );
});

test('exchanging the initiator exchanges the members of the two directions', () => {
  fc.assert(
    fc.property(packets, (list) => {
      const values = [false, true].map((initiatorB) => {
        const { hooks, fields } = createFeatures('all');
        return membersOf(fields, runHooks(hooks, list, { initiatorB }));
      });
      const names = new Set(Object.keys(values[0]).concat(Object.keys(values[1])));
      const twin = (name: string): string => `reverse${name.charAt(0).toUpperCase()}${name.slice(1)}`;
      const { fields } = createFeatures('all');
      for (const name of names) {
        if (name.startsWith('reverse')) continue;
        const hasTwin = fields.some((field) => field.name === twin(name));
        assert.deepEqual(values[1][hasTwin ? twin(name) : (EXCHANGED[name] ?? name)], values[0][name], name);
      }
    }),
  );
});

test('none costs nothing: no hook; few cost few words', () => {
  assert.deepEqual(createFeatures('none'), { hooks: [], fields: [] });
  const words = (names: readonly string[] | 'all'): number =>
    createFeatures(names).hooks.reduce((sum, hook) => sum + hook.words, 0);
  assert.ok(words(['tos', 'ttl']) <= 4);
  assert.ok(words('all') <= 170);
  for (const name of featureNames) assert.ok(words([name]) < words('all'), name);
});

test('default features need no hook: the rows have room for them', () => {
  assert.deepEqual(createFeatures(DEFAULT_FEATURES).hooks, []);
  assert.ok(createFeatures(DEFAULT_FEATURES).fields.length > 0);
});

test('names of fields are unique, and every feature has at least one', () => {
  const names = createFeatures('all').fields.map((field) => field.name);
  assert.equal(new Set(names).size, names.length);
  for (const [name, definition] of FEATURES) {
    assert.equal(definition.name, name);
    assert.ok(createFeatures([name]).fields.length > 0, name);
  }
});

test('reverse elements are those of RFC 5103', () => {
  const { fields } = createFeatures(['tos', 'layer2']);
  const elements = Object.fromEntries(fields.map((field) => [field.name, field.element]));
  assert.deepEqual(elements.tos, { name: 'ipClassOfService', id: '5' });
  assert.deepEqual(elements.reverseTos, { name: 'reverseIpClassOfService', id: '29305/5' });
  assert.deepEqual(elements.reverseLayer2Bytes, { name: 'reverseLayer2OctetDeltaCount', id: '29305/352' });
});

test('a name that is not known is an error that lists those that are', () => {
  assert.throws(
    () => createFeatures(['ttl', 'tll']),
    (error) => {
      assert.ok(error instanceof RheoError);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, /"tll"/);
      for (const name of featureNames) assert.ok(error.remedy?.includes(name));
      return true;
    },
  );
});

test('a name given twice counts once; the order of the names does not matter', () => {
  const twice = createFeatures(['ttl', 'tos', 'ttl']);
  const once = createFeatures(['tos', 'ttl']);
  assert.deepEqual(
    twice.fields.map((field) => field.name),
    once.fields.map((field) => field.name),
  );
  assert.deepEqual(
    twice.hooks.map((hook) => [hook.name, hook.words]),
    once.hooks.map((hook) => [hook.name, hook.words]),
  );
});
