import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Family } from '../../src/codec/bgp.js';
import type { BgpRoute } from '../../src/codec/bgp-update.js';
import { emptyAnswer, RouteTable } from '../../src/enrich/route-table.js';

function route(originAs: number, hop = 0, nextHop6 = false): BgpRoute {
  return { originAs, adjacentAs: originAs + 1, previousAs: 7, nextHop: Int32Array.of(hop, 0, 0, 0), nextHop6 };
}

const word = (n: number): Int32Array => Int32Array.of((10 << 24) | (n << 8), 0, 0, 0);

test('announced, changed, withdrawn, swept: each prefix uses one route, and routes without users are forgotten', () => {
  const action = fc.record({
    kind: fc.constantFrom('announce', 'announce', 'announce', 'withdraw', 'restart', 'sweep', 'clear'),
    family: fc.constantFrom(Family.ipv4, Family.ipv6),
    prefix: fc.integer({ min: 0, max: 12 }),
    as: fc.integer({ min: 1, max: 5 }),
  });
  const property = fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
    const table = new RouteTable(1e7);
    const plain = new Map<string, { as: number; fresh: boolean; family: Family }>();
    for (const { kind, family, prefix, as } of actions) {
      const key = `${family} ${prefix}`;
      switch (kind) {
        case 'announce':
          table.announce(family, word(prefix), 24, route(as));
          plain.set(key, { as, fresh: true, family });
          break;
        case 'withdraw':
          table.withdraw(family, word(prefix), 24);
          plain.delete(key);
          break;
        case 'restart':
          // As the speaker does: what an earlier restart has left is gone before.
          for (const one of [Family.ipv4, Family.ipv6]) table.sweep(one);
          for (const [name, { fresh }] of plain) if (!fresh) plain.delete(name);
          table.restart();
          for (const one of plain.values()) one.fresh = false;
          break;
        case 'sweep': {
          const gone = [...plain].filter(([, one]) => one.family === family && !one.fresh);
          assert.equal(table.sweep(family), gone.length);
          for (const [name] of gone) plain.delete(name);
          break;
        }
        default:
          table.clear();
          plain.clear();
      }
      assert.equal(table.prefixes, plain.size);
      assert.equal(table.users, plain.size, 'users of routes');
      assert.equal(table.routes, new Set([...plain.values()].map((one) => one.as)).size, 'equal routes are kept once');
    }
    const answer = emptyAnswer();
    for (const family of [Family.ipv4, Family.ipv6]) {
      for (let prefix = 0; prefix <= 12; prefix++) {
        const expected = plain.get(`${family} ${prefix}`);
        assert.equal(table.find(family, word(prefix), 0, answer), expected !== undefined);
        if (expected !== undefined) assert.equal(answer.originAs, expected.as);
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test('routes that differ in anything are told apart, also when there are many', () => {
  const table = new RouteTable(1e8);
  const count = 4 * 4999;
  for (let n = 0; n < count; n++) table.announce(Family.ipv4, word(n), 24, route((n % 4999) + 1, n % 4, n % 2 === 1));
  assert.equal(table.routes, count);
  assert.equal(table.users, count);
  const answer = emptyAnswer();
  for (let n = 0; n < count; n++) {
    assert.ok(table.find(Family.ipv4, word(n), 0, answer));
    assert.deepEqual(
      [answer.originAs, answer.adjacentAs, answer.previousAs, answer.nextHop[0], answer.nextHop6, answer.prefixLength],
      [(n % 4999) + 1, (n % 4999) + 2, 7, n % 4, n % 2 === 1, 24],
    );
  }
  const large = route(4_294_967_295, -1);
  table.announce(Family.ipv4, word(1), 24, large);
  table.find(Family.ipv4, word(1), 0, answer);
  assert.deepEqual([answer.originAs, answer.nextHop[0]], [4_294_967_295, -1]);
});

test('what finds no room is counted and leaves nothing behind', () => {
  const table = new RouteTable(2 * 1024 * 192);
  for (let n = 0; n < 3000; n++) {
    table.announce(Family.ipv6, Int32Array.of(n << 16, n, n, n), 128, route(n + 1));
  }
  assert.ok(table.refused > 0);
  assert.equal(table.prefixes + table.refused, 3000);
  assert.equal(table.routes, table.prefixes);
  assert.equal(table.users, table.prefixes);
});
