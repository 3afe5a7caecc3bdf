import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tunnel } from '../../src/packet/tunnel.js';
import { UDP_TUNNELS } from '../../src/packet/tunnels/index.js';
import { bytes, PACKET_V6, parse, UNTOUCHED } from './link-support.js';
import { NOT_TUNNELS, TUNNEL_CASES } from './tunnels-cases.js';

for (const tunnel of TUNNEL_CASES) {
  const { name, parser, port, kind, frame, header, etherType, id, needs, wireEnd = frame.length } = tunnel;
  const entered = port === 0 ? kind : true;
  const title = `${name}${port === 0 ? '' : ` on port ${port}`} with 0x${etherType.toString(16)}`;
  test(`${title} is entered, also cut, but not cut in its header`, () => {
    for (let captured = 0; captured <= frame.length; captured++) {
      const parsed = parse(parser, frame, { captured, wire: frame.length });
      if (captured >= header + needs) {
        const end = Math.min(captured, wireEnd);
        const wanted = { result: entered, pos: header, end, wireEnd, etherType, mac: UNTOUCHED, tunnelId: id };
        assert.deepEqual(parsed, wanted, `${captured} bytes`);
      } else {
        assert.ok(parsed.result === false || parsed.result === Tunnel.none, `${captured} bytes`);
        assert.deepEqual([parsed.pos, parsed.end, parsed.wireEnd], [0, captured, frame.length], `${captured} bytes`);
      }
    }
  });
}

for (const { name, parser, frame } of NOT_TUNNELS) {
  test(`${name} is not looked into`, () => {
    const parsed = parse(parser, frame);
    assert.ok(parsed.result === false || parsed.result === Tunnel.none);
    const { pos, end, wireEnd, etherType, tunnelId } = parsed;
    assert.deepEqual([pos, end, wireEnd], [0, frame.length, frame.length]);
    assert.deepEqual([etherType, tunnelId], [parse(() => 0, frame).etherType, UNTOUCHED], 'the walk is unchanged');
  });
}

test('each port has one parser', () => {
  const ports = UDP_TUNNELS.map(({ port }) => port);
  assert.deepEqual([...new Set(ports)], ports);
});

/** A tunnel of the table with bytes changed and its end moved, or noise. */
const mutated = fc.oneof(
  fc
    .tuple(
      fc.nat(TUNNEL_CASES.length - 1),
      fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 255 })), { maxLength: 5 }),
      fc.nat(150),
      fc.nat(300),
    )
    .map(([which, changes, captured, more]) => {
      const { parser, frame } = TUNNEL_CASES[which];
      const copy = frame.slice();
      for (const [at, value] of changes) copy[at % copy.length] = value;
      const kept = copy.subarray(0, Math.min(captured, copy.length));
      return { parser, frame: kept, wire: kept.length + more };
    }),
  fc
    .tuple(fc.nat(TUNNEL_CASES.length - 1), fc.uint8Array({ maxLength: 120 }), fc.nat(100))
    .map(([which, frame, more]) => ({ parser: TUNNEL_CASES[which].parser, frame, wire: frame.length + more })),
);

test('whatever stands in a tunnel: nothing thrown, nothing read behind the end, entered or left unchanged', () => {
  const check = fc.property(mutated, ({ parser, frame, wire }) => {
    const alone = parse(parser, frame, { wire });
    for (const behind of [0x00, 0x45, 0xff]) assert.deepEqual(parse(parser, frame, { wire, behind }), alone);
    if (alone.result === false || alone.result === 0) {
      const { etherType } = parse(() => 0, frame);
      const unchanged = { pos: 0, end: frame.length, wireEnd: wire, etherType, mac: UNTOUCHED, tunnelId: UNTOUCHED };
      assert.deepEqual(alone, { result: alone.result, ...unchanged });
      return;
    }
    assert.ok(alone.pos > 0 || parser.name === 'teredo', 'pos');
    assert.ok(alone.pos <= frame.length && alone.end <= frame.length && alone.end <= alone.wireEnd, 'end');
    assert.ok(alone.wireEnd <= wire);
    assert.notEqual(alone.tunnelId, UNTOUCHED);
  });
  fc.assert(check, { numRuns: 5000 });
});

test("a stranger's datagram on a tunnel's port is hardly ever taken for one", () => {
  let taken = 0;
  const check = fc.property(
    fc.uint8Array({ minLength: 20, maxLength: 600 }),
    fc.nat(UDP_TUNNELS.length - 1),
    (frame, which) => {
      if (parse(UDP_TUNNELS[which].parser, frame).result === true) taken++;
    },
  );
  fc.assert(check, { numRuns: 5000 });
  assert.ok(taken <= 1, `${taken} of 5000`);
});

test('Geneve: 63 words of options, each as short as can be, are read to the end', () => {
  const { parser } = TUNNEL_CASES.find(({ name }) => name === 'Geneve') ?? assert.fail();
  const options = bytes(...Array(63).fill('01020300'));
  const parsed = parse(parser, bytes('3f0086dd fedcba00', options, PACKET_V6));
  assert.deepEqual([parsed.result, parsed.pos], [true, 8 + 252]);
});
