import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BgpType, Family } from '../../src/codec/bgp.js';
import { MOST_MRT_BYTES, type MrtCounters, MrtReader } from '../../src/codec/mrt.js';
import { addressText } from '../../src/model/address.js';
import { attribute, bgpMessage, long, reach, short, unreach, updateBody } from '../support/bgp.js';
import { entryAttributes, messageRecord, mrtRecord, oldRibRecord, peerIndexTable, ribRecord } from '../support/mrt.js';

interface Read {
  /** Prefix, origin, adjacent AS and next hop; only the prefix if it was withdrawn. */
  told: (string | number)[][];
  counters: MrtCounters;
  end: number;
}

function read(...records: readonly (readonly number[])[]): Read {
  const told: (string | number)[][] = [];
  const prefixOf = (family: Family, words: Int32Array, length: number): string =>
    `${addressText(words, 0, family === Family.ipv6 ? 6 : 4)}/${length}`;
  const reader = new MrtReader({
    announce: (family, words, length, { originAs, adjacentAs, nextHop, nextHop6 }) =>
      told.push([prefixOf(family, words, length), originAs, adjacentAs, addressText(nextHop, 0, nextHop6 ? 6 : 4)]),
    withdraw: (family, words, length) => told.push([prefixOf(family, words, length)]),
    complete: () => {},
  });
  const bytes = Uint8Array.from(records.flat());
  const end = reader.read(new DataView(bytes.buffer), 0, bytes.length);
  return { told, counters: reader.counters, end };
}

const HOP6 = [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 9];
/** MP_REACH_NLRI as TABLE_DUMP_V2 has it: the next hop only (RFC 6396 §4.3.4). */
const SHORT_REACH = attribute(14, [16, ...HOP6]);

test('TABLE_DUMP_V2: the first entry of each prefix, both families, with additional paths too', () => {
  const near = entryAttributes(4, [65_001, 4_200_000_001]);
  const far = entryAttributes(4, [65_009, 65_008, 65_007]);
  const { told, counters } = read(
    peerIndexTable(),
    ribRecord(2, '20.1.0.0/16', [near, far]),
    ribRecord(2, '0.0.0.0/0', [far]),
    ribRecord(4, '2001:db8::/32', [[...near, ...SHORT_REACH]]),
    ribRecord(4, '2001:db9::/32', [[...near, ...reach(Family.ipv6, HOP6, [])]]),
    ribRecord(8, '20.2.0.0/16', [near, far]),
    ribRecord(10, '2001:dba::/48', [[...far, ...SHORT_REACH]]),
    ribRecord(2, '20.3.0.0/16', []),
  );
  assert.deepEqual(told, [
    ['20.1.0.0/16', 4_200_000_001, 65_001, '192.0.2.9'],
    ['0.0.0.0/0', 65_007, 65_009, '192.0.2.9'],
    ['2001:db8::/32', 4_200_000_001, 65_001, '2001:db8::9'],
    ['2001:db9::/32', 4_200_000_001, 65_001, '2001:db8::9'],
    ['20.2.0.0/16', 4_200_000_001, 65_001, '192.0.2.9'],
    ['2001:dba::/48', 65_007, 65_009, '2001:db8::9'],
  ]);
  assert.deepEqual(counters, { records: 8, other: 1, damaged: 0 });
});

test('TABLE_DUMP, the old one: AS numbers of two octets', () => {
  const { told, counters } = read(oldRibRecord([20, 1, 0, 0], 16, entryAttributes(2, [65_001, 65_005])));
  assert.deepEqual(told, [['20.1.0.0/16', 65_005, 65_001, '192.0.2.9']]);
  assert.deepEqual(counters, { records: 1, other: 0, damaged: 0 });
});

test('BGP4MP: updates of two and four octets, announced and withdrawn; other messages are left out', () => {
  const update = (octets: 2 | 4, withdrawn: string[], announced: string[], more: readonly number[] = []) =>
    bgpMessage(
      BgpType.update,
      updateBody({
        withdrawn,
        announced,
        attributes: announced.length + more.length === 0 ? [] : [...entryAttributes(octets, [65_001, 65_005]), ...more],
      }),
    );
  const { told, counters } = read(
    messageRecord(1, update(2, [], ['20.1.0.0/16'])),
    messageRecord(4, update(4, [], ['20.2.0.0/16'], reach(Family.ipv6, HOP6, ['2001:db8::/32']))),
    messageRecord(6, update(2, ['20.1.0.0/16'], [])),
    messageRecord(7, bgpMessage(BgpType.update, updateBody({ attributes: unreach(Family.ipv6, ['2001:db8::/32']) }))),
    messageRecord(4, update(4, [], ['20.3.0.0/16']), true),
    messageRecord(4, bgpMessage(BgpType.keepalive, [])),
    // A change of state, and a record of OSPF.
    mrtRecord(16, 0, [...short(1), ...short(2)]),
    mrtRecord(11, 0, [1, 2, 3]),
  );
  assert.deepEqual(told, [
    ['20.1.0.0/16', 65_005, 65_001, '192.0.2.9'],
    ['20.2.0.0/16', 65_005, 65_001, '192.0.2.9'],
    ['2001:db8::/32', 65_005, 65_001, '2001:db8::9'],
    ['20.1.0.0/16'],
    ['2001:db8::/32'],
    ['20.3.0.0/16', 65_005, 65_001, '192.0.2.9'],
  ]);
  assert.deepEqual(counters, { records: 8, other: 3, damaged: 0 });
});

test('a record that is damaged is counted and left out, those around it are read', () => {
  const good = ribRecord(2, '20.1.0.0/16', [entryAttributes(4, [65_001])]);
  const body = (record: readonly number[]): number[] => record.slice(12);
  const attributes = entryAttributes(4, [65_001]);
  const wrong: Record<string, number[]> = {
    'shorter than its head': mrtRecord(13, 2, [0, 0, 0, 1, 8]),
    'a prefix of 33 bits': mrtRecord(13, 2, [...long(1), 33, 1, 2, 3, 4, 5, ...short(0)]),
    'a prefix behind its end': mrtRecord(13, 2, [...long(1), 32, 1, 2]),
    'no number of entries': mrtRecord(13, 2, [...long(1), 8, 20, 0]),
    'an entry that is cut': mrtRecord(13, 2, body(good).slice(0, 12)),
    'attributes behind its end': mrtRecord(13, 2, body(good).slice(0, -1)),
    'a path that is cut': ribRecord(2, '20.2.0.0/16', [attribute(2, [2, 9, 0, 0, 0, 1])]),
    'a next hop of 3 bytes': ribRecord(4, '2001:db8::/32', [[...attributes, ...attribute(14, [3, 1, 2, 3])]]),
    'an old one of 40 bits': oldRibRecord([20, 0, 0, 0], 40, entryAttributes(2, [1])),
    'an old one that is cut': mrtRecord(12, 1, [0, 0, 0, 1, 20]),
    'a message that is cut': messageRecord(4, bgpMessage(BgpType.update, updateBody({})).slice(0, -1)),
    'a message without its head': messageRecord(4, []),
    'an update with a prefix of 33 bits': messageRecord(4, bgpMessage(BgpType.update, [...updateBody({}), 33, 1])),
  };
  for (const [what, record] of Object.entries(wrong)) {
    const { told, counters } = read(good, record, good);
    assert.deepEqual(counters, { records: 3, other: 0, damaged: 1 }, what);
    assert.equal(told.length, 2, what);
  }
});

test('an incomplete record waits for more; one that is longer than any can be is told', () => {
  const good = ribRecord(2, '20.1.0.0/16', [entryAttributes(4, [65_001])]);
  for (let cut = 0; cut < good.length; cut++) {
    const { told, end } = read(good, good.slice(0, cut));
    assert.deepEqual([told.length, end], [1, good.length], `${cut}`);
  }
  const endless = [...long(0), ...short(13), ...short(2), ...long(MOST_MRT_BYTES + 1)];
  assert.deepEqual([read(good, endless).end, read(good, endless).told.length], [-1, 1]);
});
