import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linkParser, pppProtocol } from '../../src/packet/link/index.js';
import { Refusal } from '../../src/packet/refusal.js';
import { EtherType, type LinkParser } from '../../src/packet/walk.js';
import { LINK_CASES, REFUSED } from './link-cases.js';
import { bytes, ipv4, PACKET_V4, type Parsed, parse, UNTOUCHED, udp } from './link-support.js';

function parserOf(link: number): LinkParser {
  const parser = linkParser(link);
  assert.ok(parser, `link type ${link} has a parser`);
  return parser;
}

for (const { name, link, frame, header, etherType, mac, wireEnd = frame.length } of LINK_CASES) {
  const parser = parserOf(link);
  const title = `link type ${link}: ${name} with 0x${etherType.toString(16)}`;
  test(`${title} is read, also cut; cut in its header it is refused`, () => {
    const wanted = { result: 0, pos: header, end: wireEnd, wireEnd, etherType, mac, tunnelId: UNTOUCHED };
    assert.deepEqual(parse(parser, frame), wanted);
    for (let captured = 0; captured < frame.length; captured++) {
      const { result, pos, end } = parse(parser, frame, { captured, wire: frame.length });
      if (captured < header) assert.equal(result, Refusal.linkShort, `${captured} bytes`);
      else if (captured > header) {
        assert.deepEqual([result, pos, end], [0, header, Math.min(captured, wireEnd)], `${captured} bytes`);
      }
    }
  });
}

for (const { name, link, frame, refusal } of REFUSED) {
  test(`link type ${link}: ${name} is refused as ${refusal}`, () => {
    assert.equal(parse(parserOf(link), frame).result, Refusal[refusal]);
  });
}

test('link types without IP, or that are unknown, have no parser', () => {
  for (const link of [2, 147, 186, 187, 189, 195, 220, 249, 266, 288, 292, 293, 295, 0xffff, -1]) {
    assert.equal(linkParser(link), undefined, String(link));
  }
});

test('NFLOG: a packet that the kernel copied in part keeps its real length', () => {
  const packet = ipv4(udp(1, 2, new Uint8Array(1000)));
  const copied = packet.subarray(0, 64);
  const frame = bytes('0200 0001', Uint8Array.of(4 + copied.length, 0), '0900', copied);
  const { result, pos, end, wireEnd } = parse(parserOf(239), frame);
  assert.deepEqual({ result, pos, end, wireEnd }, { result: 0, pos: 8, end: 8 + 64, wireEnd: 8 + packet.length });
});

test('the frame check sequence is taken off the wire length, also where the snap length cut it off', () => {
  const frame = LINK_CASES.find(({ name }) => name === 'radiotap, frame check sequence');
  assert.ok(frame);
  const { end, wireEnd } = parse(parserOf(127), frame.frame, { captured: 60 });
  assert.deepEqual({ end, wireEnd }, { end: 60, wireEnd: frame.frame.length - 4 });
});

test('PPP protocols are read whole and compressed', () => {
  for (const [field, etherType] of [
    ['0021', EtherType.ipv4],
    ['21', EtherType.ipv4],
    ['0057', EtherType.ipv6],
    ['57', EtherType.ipv6],
    ['0281', EtherType.mpls],
    ['0283', EtherType.mplsMulticast],
  ] as const) {
    const parsed = parse(pppProtocol, bytes(field, PACKET_V4));
    assert.deepEqual([parsed.result, parsed.pos, parsed.etherType], [0, field.length / 2, etherType], field);
  }
});

/** A frame of the table with bytes changed and its end moved, or noise. */
const mutated = fc.oneof(
  fc
    .tuple(
      fc.nat(LINK_CASES.length - 1),
      fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat(300),
      fc.nat(3000),
    )
    .map(([which, changes, captured, more]) => {
      const { link, frame } = LINK_CASES[which];
      const copy = frame.slice();
      for (const [at, value] of changes) copy[at % copy.length] = value;
      const kept = copy.subarray(0, Math.min(captured, copy.length));
      return { link, frame: kept, wire: kept.length + more };
    }),
  fc
    .tuple(fc.nat(LINK_CASES.length - 1), fc.uint8Array({ maxLength: 200 }), fc.nat(100))
    .map(([which, frame, more]) => ({ link: LINK_CASES[which].link, frame, wire: frame.length + more })),
);

test('whatever stands in a frame: no exception, nothing read behind its end, a walk that stays in bounds', () => {
  const check = fc.property(mutated, ({ link, frame, wire }) => {
    const parser = parserOf(link);
    const alone: Parsed = parse(parser, frame, { wire });
    for (const behind of [0x00, 0x08, 0xff]) assert.deepEqual(parse(parser, frame, { wire, behind }), alone);
    if (alone.result !== 0) return;
    assert.ok(alone.mac === -1 || (alone.mac >= 0 && alone.mac + 12 <= frame.length), 'mac');
    assert.ok(alone.pos >= 0 && alone.pos <= frame.length, 'pos');
    assert.ok(alone.end <= frame.length && alone.end <= alone.wireEnd, 'end');
    assert.ok(alone.etherType >= 0 && alone.etherType <= 0xffff);
  });
  fc.assert(check, { numRuns: 5000 });
});
