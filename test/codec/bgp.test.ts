import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bgpLength, Family, readOpen, writeOpen } from '../../src/codec/bgp.js';
import { BgpError } from '../../src/codec/bgp-error.js';
import { UpdateReader } from '../../src/codec/bgp-update.js';
import { addressText } from '../../src/model/address.js';
import {
  attribute,
  bgpMessage,
  capability,
  FOUR_OCTETS,
  long,
  openBody,
  reach,
  SEQUENCE,
  SET,
  segments,
  short,
  type UpdateParts,
  unreach,
  updateBody,
} from '../support/bgp.js';

interface Told {
  announced: { prefix: string; origin: number; adjacent: number; previous: number; hop: string }[];
  withdrawn: string[];
  complete: Family[];
}

function told(reader: UpdateReader, body: readonly number[]): Told {
  const result: Told = { announced: [], withdrawn: [], complete: [] };
  // What stands around the message must not matter.
  const bytes = Uint8Array.from([9, 9, 9, ...body, ...new Array(40).fill(9)]);
  const prefixOf = (family: Family, words: Int32Array, length: number): string =>
    `${addressText(words, 0, family === Family.ipv6 ? 6 : 4)}/${length}`;
  reader.read(new DataView(bytes.buffer), 3, 3 + body.length, {
    announce: (family, words, length, { originAs, adjacentAs, previousAs, nextHop, nextHop6 }) =>
      result.announced.push({
        prefix: prefixOf(family, words, length),
        origin: originAs,
        adjacent: adjacentAs,
        previous: previousAs,
        hop: addressText(nextHop, 0, nextHop6 ? 6 : 4),
      }),
    withdraw: (family, words, length) => result.withdrawn.push(prefixOf(family, words, length)),
    complete: (family) => result.complete.push(family),
  });
  return result;
}

const HOP = attribute(3, [192, 0, 2, 9]);
const ORIGIN = attribute(1, [0]);
const path4 = (...list: Parameters<typeof segments>[1][]): number[] => attribute(2, segments(4, ...list));
const path2 = (...list: Parameters<typeof segments>[1][]): number[] => attribute(2, segments(2, ...list));
const as4 = (...list: Parameters<typeof segments>[1][]): number[] => attribute(17, segments(4, ...list));

/** Origin, adjacent and previous AS of an update with these attributes. */
function pathOf(attributes: readonly number[], fourOctetAs = true): [number, number, number] {
  const reader = new UpdateReader();
  reader.fourOctetAs = fourOctetAs;
  const { announced } = told(
    reader,
    updateBody({ attributes: [...ORIGIN, ...attributes, ...HOP], announced: ['20.0.0.0/8'] }),
  );
  assert.equal(announced.length, 1, 'announced');
  const [{ origin, adjacent, previous }] = announced;
  return [origin, adjacent, previous];
}

test('paths: origin, adjacent, the one before the origin; prepends, sets, confederations', () => {
  assert.deepEqual(pathOf(path4([SEQUENCE, 1, 2, 3])), [3, 1, 2]);
  assert.deepEqual(pathOf(path4([SEQUENCE, 7])), [7, 7, 0]);
  assert.deepEqual(pathOf(path4([SEQUENCE, 1, 1, 2, 3, 3, 3])), [3, 1, 2], 'prepended');
  assert.deepEqual(pathOf(path4([SEQUENCE, 1], [SEQUENCE, 2, 4_200_000_000])), [4_200_000_000, 1, 2]);
  assert.deepEqual(pathOf(path4([SEQUENCE, 1, 2], [SET, 5, 6])), [0, 1, 2], 'a set does not say which');
  assert.deepEqual(pathOf(path4([SEQUENCE, 1, 2], [SET, 5])), [5, 1, 2], 'a set of one does');
  assert.deepEqual(pathOf(path4([SET, 5, 6])), [0, 0, 0]);
  assert.deepEqual(pathOf(path4([3, 64_512, 64_513], [SEQUENCE, 1, 2])), [2, 1, 1], 'within a confederation');
  assert.deepEqual(pathOf(path4()), [0, 0, 0], 'of our own AS');
  assert.deepEqual(pathOf(path2([SEQUENCE, 1, 2, 3]), false), [3, 1, 2]);
});

test('AS4_PATH takes the place of the end of the path (RFC 6793 §4.2.3)', () => {
  const mapped = 23_456;
  assert.deepEqual(
    pathOf([...path2([SEQUENCE, mapped, mapped]), ...as4([SEQUENCE, 70_001, 70_002])], false),
    [70_002, 70_001, 70_001],
  );
  assert.deepEqual(
    pathOf([...path2([SEQUENCE, 1, 2, mapped]), ...as4([SEQUENCE, 70_002])], false),
    [70_002, 1, 2],
    'what an old speaker put in front stays',
  );
  assert.deepEqual(
    pathOf([...path2([SEQUENCE, 1, 2]), ...as4([SEQUENCE, 3, 4, 5])], false),
    [2, 1, 1],
    'longer than the path: left out',
  );
  assert.deepEqual(
    pathOf([...path2([SEQUENCE, 1, mapped]), ...as4([SET, 70_001, 70_002])], false),
    [0, 1, 1],
    'a set counts as one',
  );
  const cut = attribute(17, [SEQUENCE, 2, 0, 0]);
  assert.deepEqual(pathOf([...path2([SEQUENCE, 1, 2]), ...cut], false), [2, 1, 1], 'damaged: left out');
  assert.deepEqual(
    pathOf([...path4([SEQUENCE, 1, 2]), ...as4([SEQUENCE, 9, 9])]),
    [2, 1, 1],
    'a session of four octets has none',
  );
});

function treated(parts: UpdateParts): Told {
  const reader = new UpdateReader();
  const result = told(reader, updateBody(parts));
  assert.equal(reader.treatedAsWithdrawn, 1);
  assert.deepEqual(result.announced, []);
  return result;
}

test('damaged attributes withdraw the prefixes they came with (RFC 7606)', () => {
  const announced = ['20.0.0.0/8', '21.1.0.0/16'];
  const good = [...ORIGIN, ...path4([SEQUENCE, 1])];
  for (const [what, attributes] of Object.entries({
    'no path': [...ORIGIN, ...HOP],
    'a path that is cut': [...ORIGIN, ...attribute(2, [SEQUENCE, 2, 0, 0, 0, 1]), ...HOP],
    'an empty segment': [...ORIGIN, ...attribute(2, [SEQUENCE, 0]), ...HOP],
    'an unknown segment': [...ORIGIN, ...attribute(2, [9, 1, 0, 0, 0, 1]), ...HOP],
    'a next hop of five bytes': [...good, ...attribute(3, [1, 2, 3, 4, 5])],
    'an attribute behind the end': [...good, 0x40, 9, 200, 1],
    'an attribute without a length': [...good, 0x40, 9],
    'an extended one without a length': [...good, 0x50, 9, 0],
  })) {
    assert.deepEqual(treated({ attributes, announced }).withdrawn, announced, what);
  }
  const six = treated({
    attributes: [...attribute(2, [9, 1]), ...reach(Family.ipv6, new Array(16).fill(1), ['2001:db8::/32'])],
  });
  assert.deepEqual(six.withdrawn, ['2001:db8::/32']);
});

test('IPv6 by MP_REACH_NLRI, with one next hop and two; withdrawn by MP_UNREACH_NLRI', () => {
  const global = [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 1];
  const local = [0xfe, 0x80, ...new Array(13).fill(0), 2];
  for (const hop of [global, [...global, ...local]]) {
    const attributes = [...reach(Family.ipv6, hop, ['2001:db8:5::/48', '::/0']), ...ORIGIN, ...path4([SEQUENCE, 1, 2])];
    const { announced } = told(new UpdateReader(), updateBody({ attributes }));
    assert.deepEqual(announced, [
      { prefix: '2001:db8:5::/48', origin: 2, adjacent: 1, previous: 1, hop: '2001:db8::1' },
      { prefix: '::/0', origin: 2, adjacent: 1, previous: 1, hop: '2001:db8::1' },
    ]);
  }
  const gone = told(new UpdateReader(), updateBody({ attributes: unreach(Family.ipv6, ['2001:db8::/32', '::/0']) }));
  assert.deepEqual(gone.withdrawn, ['2001:db8::/32', '::/0']);
  assert.deepEqual(gone.complete, []);
});

test('one update with prefixes of both families: each has its own next hop', () => {
  const global = [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 1];
  const attributes = [...reach(Family.ipv6, global, ['2001:db8::/32']), ...ORIGIN, ...path4([SEQUENCE, 1]), ...HOP];
  const { announced, withdrawn } = told(
    new UpdateReader(),
    updateBody({ attributes, announced: ['20.0.0.0/8'], withdrawn: ['21.0.0.0/8'] }),
  );
  assert.deepEqual(
    announced.map(({ prefix, hop }) => [prefix, hop]),
    [
      ['20.0.0.0/8', '192.0.2.9'],
      ['2001:db8::/32', '2001:db8::1'],
    ],
  );
  assert.deepEqual(withdrawn, ['21.0.0.0/8']);
});

test('End-of-RIB of each family, and what only looks like it (RFC 4724 §2)', () => {
  const reader = new UpdateReader();
  assert.deepEqual(told(reader, updateBody({})).complete, [Family.ipv4]);
  assert.deepEqual(told(reader, updateBody({ attributes: unreach(Family.ipv6, []) })).complete, [Family.ipv6]);
  assert.deepEqual(told(reader, updateBody({ withdrawn: ['20.0.0.0/8'] })).complete, []);
  const more = [...unreach(Family.ipv6, []), ...ORIGIN, ...path4([SEQUENCE, 1]), ...HOP];
  assert.deepEqual(told(reader, updateBody({ attributes: more, announced: ['20.0.0.0/8'] })).complete, []);
  // Other families (multicast) are not ours.
  assert.deepEqual(told(reader, updateBody({ attributes: attribute(15, [0, 2, 2]) })).complete, []);
  // What an update left behind does not count for the next one.
  told(
    reader,
    updateBody({ attributes: [...reach(Family.ipv6, new Array(16).fill(1), ['::/0']), ...path4([SEQUENCE, 1])] }),
  );
  assert.deepEqual(told(reader, updateBody({ withdrawn: ['20.0.0.0/8'] })).withdrawn, ['20.0.0.0/8']);
  assert.equal(reader.treatedAsWithdrawn, 0);
});

test('where prefixes cannot be told apart the session ends, with the right code', () => {
  const wrong: [string, number[], number][] = [
    ['cut', [0, 0, 0], 1],
    ['withdrawn routes behind the end', [0, 9, 0, 0], 1],
    ['attributes behind the end', [0, 0, 0, 9], 1],
    ['a prefix of 33 bits', [...updateBody({}), 33, 1, 2, 3, 4, 5], 10],
    ['a prefix behind the end', [...updateBody({}), 24, 1, 2], 10],
    [
      'MP_REACH twice',
      updateBody({ attributes: [...reach(2, new Array(16).fill(1), []), ...reach(2, new Array(16).fill(1), [])] }),
      1,
    ],
    ['MP_UNREACH twice', updateBody({ attributes: [...unreach(2, []), ...unreach(2, [])] }), 1],
    ['MP_REACH cut', updateBody({ attributes: attribute(14, [0, 2, 1]) }), 9],
    ['its next hop behind its end', updateBody({ attributes: attribute(14, [0, 2, 1, 16, 1, 2]) }), 9],
    ['its next hop of 5 bytes', updateBody({ attributes: reach(2, [1, 2, 3, 4, 5], []) }), 9],
    [
      'nothing behind its next hop',
      updateBody({ attributes: attribute(14, [0, 2, 1, 16, ...new Array(16).fill(1)]) }),
      9,
    ],
    ['MP_UNREACH cut', updateBody({ attributes: attribute(15, [0, 2]) }), 9],
    ['a prefix of 129 bits', updateBody({ attributes: attribute(15, [0, 2, 1, 129, ...new Array(17).fill(1)]) }), 10],
  ];
  for (const [what, body, subcode] of wrong) {
    assert.throws(
      () => told(new UpdateReader(), body),
      (error) => error instanceof BgpError && error.code === 3 && error.subcode === subcode,
      what,
    );
  }
});

test('OPEN: what the neighbour can do', () => {
  const read = (body: readonly number[]) => readOpen(new DataView(Uint8Array.from(body).buffer), 0, body.length);
  assert.deepEqual(read(openBody()), {
    as: 65_002,
    holdTime: 90,
    id: 1,
    fourOctetAs: false,
    routeRefresh: false,
    restartTime: undefined,
    families: [Family.ipv4],
  });
  const capabilities = [
    ...capability(1, 0, 2, 0, 1),
    ...capability(1, 0, 1, 0, 1),
    ...capability(1, 0, 1, 0, 2),
    ...capability(2),
    ...capability(64, ...short(0x8000 | 120)),
    ...capability(200, 1, 2, 3),
    ...FOUR_OCTETS(4_200_000_001),
  ];
  const all = read(openBody({ as: 4_200_000_001, capabilities }));
  assert.deepEqual(all.families, [Family.ipv6, Family.ipv4]);
  assert.deepEqual([all.as, all.routeRefresh, all.restartTime], [4_200_000_001, true, 120]);
  // Parameters longer than 255 bytes (RFC 9072).
  const many = Array.from({ length: 100 }, () => capability(200, 1, 2, 3)).flat();
  const list = [...many, ...FOUR_OCTETS(70_000), ...capability(2)];
  const parameters = [255, 255, ...short(list.length + 3), 2, ...short(list.length), ...list];
  const extended = [4, ...short(65_002), ...short(0), ...long(7), ...parameters];
  assert.equal(read(extended).as, 70_000);
  assert.throws(() => read(extended.slice(0, -1)), BgpError, 'lengths that do not add up');
  // Ours is read by our own reader.
  const own = writeOpen(4_200_000_001, 90, 0xc0000201);
  const back = readOpen(new DataView(own.buffer), 19, own.length);
  assert.deepEqual([back.as, back.holdTime, back.id, back.restartTime], [4_200_000_001, 90, 0xc0000201, 0]);
  assert.deepEqual(back.families, [Family.ipv4, Family.ipv6]);
});

test('OPEN and headers that are wrong, with their codes', () => {
  const wrong: [number[], number][] = [
    [openBody({ version: 3 }), 1],
    [openBody({ as: 0 }), 2],
    [openBody({ id: 0 }), 3],
    [openBody({ holdTime: 2 }), 6],
    [openBody().slice(0, 9), 0],
    [[...openBody(), 1], 0],
    [[...openBody().slice(0, -1), 2, 1, 0], 4],
    [[...openBody().slice(0, -1), 1, 2], 0],
  ];
  for (const [body, subcode] of wrong) {
    assert.throws(
      () => readOpen(new DataView(Uint8Array.from(body).buffer), 0, body.length),
      (error) => error instanceof BgpError && error.code === 2 && error.subcode === subcode,
      `${subcode}`,
    );
  }
  const length = (bytes: Uint8Array) => bgpLength(new DataView(bytes.buffer), 0, bytes.length);
  assert.equal(length(bgpMessage(4, [])), 19);
  assert.equal(length(bgpMessage(4, []).slice(0, 18)), undefined);
  const damaged = (change: (bytes: Uint8Array) => void) => {
    const bytes = bgpMessage(4, []);
    change(bytes);
    return () => length(bytes);
  };
  const code = (subcode: number) => (error: unknown) =>
    error instanceof BgpError && error.code === 1 && error.subcode === subcode;
  assert.throws(
    damaged((bytes) => bytes.fill(0, 3, 4)),
    code(1),
  );
  assert.throws(
    damaged((bytes) => bytes.fill(18, 17, 18)),
    code(2),
  );
  assert.throws(
    damaged((bytes) => bytes.fill(0x11, 16, 17)),
    code(2),
  );
  assert.throws(
    damaged((bytes) => bytes.fill(9, 18, 19)),
    code(3),
  );
});
