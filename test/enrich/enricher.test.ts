import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RandomStream } from '../../bench/random.js';
import { AS_WORDS } from '../../src/cli/spec/metering.js';
import { Family } from '../../src/codec/bgp.js';
import type { BgpRoute } from '../../src/codec/bgp-update.js';
import { AS_CHOICES, type AsChoice } from '../../src/enrich/as-choice.js';
import { Enricher } from '../../src/enrich/enricher.js';
import type { Places } from '../../src/enrich/places.js';
import { RouteTable } from '../../src/enrich/route-table.js';
import { readMembers } from '../../src/model/read-record.js';
import { placesOf } from '../support/mmdb.js';
import { addressWords, batchOf, type TestRecord } from '../support/records.js';

function route(path: readonly number[], hop = '0.0.0.0'): BgpRoute {
  return {
    originAs: path.at(-1) ?? 0,
    adjacentAs: path[0] ?? 0,
    previousAs: path.at(-2) ?? 0,
    nextHop: Int32Array.from([...addressWords(hop), 0, 0, 0]).subarray(0, 4),
    nextHop6: hop.includes(':'),
  };
}

function tableOf(routes: Readonly<Record<string, BgpRoute>>): RouteTable {
  const table = new RouteTable(1e7);
  for (const [prefix, one] of Object.entries(routes)) {
    const [address, bits] = prefix.split('/');
    const words = Int32Array.from([...addressWords(address), 0, 0, 0]);
    table.announce(address.includes(':') ? Family.ipv6 : Family.ipv4, words, Number(bits), one);
  }
  return table;
}

function enriched(
  records: readonly TestRecord[],
  tables: readonly RouteTable[],
  places?: Places,
  choice?: AsChoice,
): Record<string, unknown>[] {
  const enricher = new Enricher(tables, places, choice);
  const batch = batchOf(records);
  // What an earlier batch left there must not show.
  batch.aside = new Int32Array(16 * records.length).fill(-1);
  enricher.enrich(batch);
  return records.map((_, index) => readMembers(batch, index, enricher.fields));
}

const OUT: TestRecord = { a: '10.0.0.1', b: '192.0.2.7', protocol: 6, portA: 5, portB: 443 };
const TABLE = tableOf({
  '10.0.0.0/8': route([65_001]),
  '192.0.2.0/24': route([65_001, 65_002, 4_200_000_003], '198.51.100.1'),
  '0.0.0.0/0': route([65_009], '198.51.100.9'),
  '2001:db8::/32': route([65_001, 65_006], '2001:db8:ffff::1'),
});

test('AS numbers, prefix lengths, next hop: those of the initiator are src, whichever endpoint it is', () => {
  const members = {
    srcAs: 65_001,
    dstAs: 4_200_000_003,
    srcPrefixLength: 8,
    dstPrefixLength: 24,
    nextHop: '198.51.100.1',
    bgpNextAdjacentAs: 65_001,
    bgpPrevAdjacentAs: 65_001,
  };
  const back = { ...OUT, initiatorB: true };
  assert.deepEqual(enriched([OUT, back], [TABLE]), [
    members,
    {
      srcAs: 4_200_000_003,
      dstAs: 65_001,
      srcPrefixLength: 24,
      dstPrefixLength: 8,
      bgpNextAdjacentAs: 65_001,
      bgpPrevAdjacentAs: 65_001,
    },
  ]);
});

test('the default route is a prefix of 0 bits; where there is no route there are no members', () => {
  const [one] = enriched([{ ...OUT, b: '203.0.113.1' }], [TABLE]);
  assert.deepEqual([one.dstAs, one.dstPrefixLength, one.nextHop], [65_009, 0, '198.51.100.9']);
  const none = enriched([{ a: '2001:db9::1', b: '2001:db8::1', protocol: 17, portA: 1, portB: 2 }], [TABLE])[0];
  assert.deepEqual(none, {
    dstAs: 65_006,
    dstPrefixLength: 32,
    nextHop: '2001:db8:ffff::1',
    bgpNextAdjacentAs: 65_001,
  });
  assert.deepEqual(enriched([OUT], [tableOf({})]), [{}]);
});

test('origin, neighbour or the one before the origin', () => {
  const as = (choice: AsChoice): unknown => enriched([OUT], [TABLE], undefined, choice)[0].dstAs;
  assert.equal(as('origin'), 4_200_000_003);
  assert.equal(as('neighbour'), 65_001);
  assert.equal(as('peer'), 65_001, 'the word that routers have for it');
  assert.equal(as('previous'), 65_002);
  assert.deepEqual(AS_WORDS, AS_CHOICES, 'the flag knows the same words');
});

test('the first table that has a route counts, even if its prefix is the shorter one', () => {
  const first = tableOf({ '192.0.0.0/8': route([1]) });
  const [one] = enriched([OUT], [first, TABLE]);
  assert.deepEqual([one.dstAs, one.dstPrefixLength, one.srcAs], [1, 8, 65_001]);
});

const PLACE = { country: { iso_code: 'CH' }, city: { names: { en: 'Geneva' } } };
const NETWORK = { autonomous_system_number: 7, autonomous_system_organization: 'Seven' };

test('places; the AS of an MMDB file counts only where no route is known', async () => {
  const places = await placesOf([
    ['192.0.2.0/24', { ...PLACE, ...NETWORK }],
    ['203.0.113.0/24', NETWORK],
  ]);
  const routes = tableOf({ '192.0.2.0/24': route([65_001]) });
  const [both, second] = enriched([OUT, { ...OUT, b: '203.0.113.9' }], [routes], places);
  assert.deepEqual(both, {
    dstAs: 65_001,
    dstPrefixLength: 24,
    bgpNextAdjacentAs: 65_001,
    dstCountry: 'CH',
    dstCity: 'Geneva',
    dstOrganization: 'Seven',
  });
  assert.deepEqual(second, { dstAs: 7, dstOrganization: 'Seven' });
  // A route whose origin is not known (a set) is known all the same.
  const sets = tableOf({ '192.0.2.0/24': route([]) });
  assert.equal(enriched([OUT], [sets], places)[0].dstAs, undefined);
  const reversed = enriched([{ ...OUT, initiatorB: true }], [], places)[0];
  assert.deepEqual(reversed, { srcAs: 7, srcCountry: 'CH', srcCity: 'Geneva', srcOrganization: 'Seven' });
});

test('counters tell what was found', async () => {
  const enricher = new Enricher([TABLE], await placesOf([['10.0.0.0/8', PLACE]]));
  const batch = batchOf([OUT, { ...OUT, a: '11.0.0.1' }]);
  enricher.enrich(batch);
  enricher.enrich(batch);
  assert.deepEqual(enricher.counters, { records: 4, routed: 8, placed: 2 });
  enricher.fill(batch);
  assert.equal(enricher.counters.records, 4, 'who only looks at flows does not count');
});

test('what is remembered of an address counts until a route changes', () => {
  const table = tableOf({ '192.0.0.0/16': route([1]) });
  const enricher = new Enricher([table], undefined);
  const dstAs = (record: TestRecord): unknown => {
    const batch = batchOf([record]);
    enricher.enrich(batch);
    return enricher.fields.find(({ name }) => name === 'dstAs')?.read(batch, 0);
  };
  assert.deepEqual([dstAs(OUT), dstAs(OUT), dstAs({ ...OUT, b: '193.0.0.1' })], [1, 1, undefined]);
  table.announce(Family.ipv4, Int32Array.of(0xc0000200 | 0, 0, 0, 0), 24, route([2]));
  assert.equal(dstAs(OUT), 2);
  table.withdraw(Family.ipv4, Int32Array.of(0xc0000200 | 0, 0, 0, 0), 24);
  assert.equal(dstAs(OUT), 1);
  table.restart();
  table.sweep(Family.ipv4);
  assert.equal(dstAs(OUT), undefined);
  assert.equal(enricher.counters.routed, 4);
});

test('remembered or not, and whoever shares a place in memory: the answer is that of a fresh enricher', () => {
  const routes = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`20.${n}.0.0/16`, route([n + 1])]));
  const table = tableOf(routes);
  const enricher = new Enricher([table], undefined);
  const random = new RandomStream(3);
  const six = tableOf({ '2001:db8::/32': route([9]) });
  const both = new Enricher([table, six], undefined);
  for (let n = 0; n < 40_000; n++) {
    const third = Math.floor(random.next() * 64);
    const last = Math.floor(random.next() * 256);
    const record = { ...OUT, a: `20.${third}.${last}.1`, b: `21.${third}.0.${last}` };
    const ipv6 = { ...OUT, a: `2001:db8::${last}`, b: `2001:db9::${third}` };
    const batch = batchOf([record, ipv6]);
    for (const one of [enricher, both]) {
      one.enrich(batch);
      const [first, second] = [0, 1].map((index) => one.fields[0].read(batch, index));
      assert.equal(first, third + 1);
      assert.equal(second, one === both ? 9 : undefined);
    }
  }
});
