import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { BgpType, Family } from '../../src/codec/bgp.js';
import { BgpSession } from '../../src/enrich/bgp-session.js';
import { MrtStream } from '../../src/enrich/mrt-file.js';
import { RouteTable } from '../../src/enrich/route-table.js';
import {
  attribute,
  bgpMessage,
  capability,
  FOUR_OCTETS,
  openBody,
  reach,
  SEQUENCE,
  SET,
  segments,
  unreach,
  updateBody,
} from '../support/bgp.js';
import { entryAttributes, messageRecord, mrtRecord, oldRibRecord, peerIndexTable, ribRecord } from '../support/mrt.js';
import { mutate } from './mutate.js';
import type { Random, Target } from './target.js';

/** Routes of a stranger: a BGP neighbour, an MRT dump. In front: lengths of the pieces in which the bytes arrive (2). */
const PREFIX = 2;
const TABLE_BYTES = 1 << 20;
const HOP6 = [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 9];
const PREFIXES = ['20.1.0.0/16', '20.1.2.0/24', '0.0.0.0/0', '20.1.2.3/32', '21.0.0.0/7'];
const PREFIXES6 = ['2001:db8::/32', '::/0', '2001:db8:1::/48', '2001:db8:1:2:3:4:5:6/128'];

function some(random: Random, list: readonly string[]): string[] {
  return list.filter(() => random.once(2));
}

function pathAttribute(random: Random, octets: 2 | 4): number[] {
  const kinds = [SEQUENCE, SEQUENCE, SET, 3] as const;
  const list = Array.from({ length: random.below(3) }, (): [number, ...number[]] => [
    random.pick(kinds),
    ...Array.from({ length: 1 + random.below(4) }, () =>
      random.pick([1, 65_001, 23_456, 4_200_000_001 % 2 ** (8 * octets)]),
    ),
  ]);
  return attribute(random.once(8) ? 17 : 2, segments(octets, ...list));
}

function update(random: Random, octets: 2 | 4): number[] {
  const attributes = [
    [...attribute(1, [0]), ...attribute(3, [192, 0, 2, 9])],
    pathAttribute(random, octets),
    random.once(3) ? reach(Family.ipv6, random.once(4) ? [...HOP6, ...HOP6] : HOP6, some(random, PREFIXES6)) : [],
    random.once(4) ? unreach(Family.ipv6, some(random, PREFIXES6)) : [],
    random.once(9) ? pathAttribute(random, octets) : [],
  ];
  const announced = random.once(2) ? some(random, PREFIXES) : [];
  return updateBody({
    withdrawn: random.once(3) ? some(random, PREFIXES) : [],
    attributes: attributes.flat(),
    announced,
  });
}

function open(random: Random): number[] {
  const offered = [
    capability(1, 0, 1, 0, 1),
    capability(1, 0, 2, 0, 1),
    capability(2),
    capability(64, 0, 120),
    FOUR_OCTETS(70_000),
  ];
  return openBody({
    capabilities: offered.filter(() => !random.once(3)).flat(),
    holdTime: random.pick([0, 3, 90, 90]),
  });
}

/** A conversation, whole or with damage in some of its messages, whose headers are right. */
function conversation(random: Random): Uint8Array {
  const hello = open(random);
  const octets = random.once(4) ? 2 : 4;
  const messages: [type: number, body: readonly number[]][] = [
    [BgpType.open, hello],
    [BgpType.keepalive, []],
  ];
  for (let count = random.below(8); count > 0; count--) {
    const type = random.once(6) ? random.pick(Object.values(BgpType)) : BgpType.update;
    messages.push([type, type === BgpType.update ? update(random, octets) : random.once(2) ? [] : [0, 1, 0, 1]]);
  }
  const bytes = messages.flatMap(([type, body]) => {
    const damaged = random.once(4) ? [...mutate(Uint8Array.from(body), random).subarray(0, 4000)] : body;
    return [...bgpMessage(type, damaged)];
  });
  const whole = Uint8Array.from([...random.bytes(PREFIX), ...bytes]);
  return random.once(4) ? mutate(whole, random) : whole;
}

/** Begins of the messages behind the first. */
function messages(bytes: Uint8Array): number[] {
  const begins: number[] = [];
  for (let at = PREFIX; at + 19 <= bytes.length; ) {
    begins.push(at);
    at += Math.max(19, (bytes[at + 16] << 8) | bytes[at + 17]);
  }
  return begins.slice(1);
}

/** As much of a connection as a session touches. */
class FakeSocket {
  readonly sent: number[] = [];
  closed = false;
  private data: ((chunk: Uint8Array) => void) | undefined;

  setNoDelay(): void {}

  on(event: string, listener: (chunk: Uint8Array) => void): void {
    if (event === 'data') this.data = listener;
  }

  once(event: string, listener: () => void): void {
    if (event === 'close') queueMicrotask(listener);
  }

  write(bytes: Uint8Array): void {
    assert.ok(!this.closed, 'nothing is written behind the end');
    this.sent.push(...bytes);
  }

  destroySoon(): void {
    this.closed = true;
  }

  destroy(): void {}

  arrive(bytes: Uint8Array): void {
    this.data?.(bytes);
  }
}

function* pieces(bytes: Uint8Array, most: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += most) yield bytes.subarray(at, at + most);
}

/** What a table holds, and whether it is whole in itself. */
function contents(table: RouteTable, input: Uint8Array): unknown {
  assert.equal(table.users, table.prefixes, 'each prefix has one route');
  assert.ok(table.routes <= table.prefixes, 'no route without a prefix');
  assert.ok(table.prefixes + table.refused <= input.length, 'a prefix takes a byte, or more');
  return [table.v4.size, table.v6.size, table.routes, table.refused];
}

function talk(input: Uint8Array, piece: number): unknown {
  const table = new RouteTable(TABLE_BYTES);
  const socket = new FakeSocket();
  const ends: unknown[] = [];
  let opened = 0;
  const session = new BgpSession(socket as unknown as Socket, table, {
    as: 65_001,
    id: 1,
    holdTime: 90,
    peerAs: undefined,
    onOpen: ({ as, families }) => {
      opened++;
      assert.ok(as > 0 && families.length >= 1 && families.length <= 2);
    },
    onComplete: (family) => table.sweep(family),
    onClose: (reason, mayReturn) => ends.push([reason, mayReturn]),
  });
  try {
    for (const chunk of pieces(input, piece)) socket.arrive(chunk);
    assert.ok(ends.length <= 1 && opened <= 1, 'it begins once and ends once');
    assert.equal(socket.closed, ends.length === 1);
    assert.ok(session.treatedAsWithdrawn <= session.updates);
    const { state, updates, treatedAsWithdrawn } = session;
    return [contents(table, input), ends, opened, state, updates, treatedAsWithdrawn, socket.sent];
  } finally {
    session.close();
  }
}

function dump(random: Random): Uint8Array {
  const records = Array.from({ length: 1 + random.below(8) }, (): number[] => {
    const octets = random.once(4) ? 2 : 4;
    const path = Array.from({ length: random.below(4) }, () => 1 + random.below(60_000));
    const attributes = entryAttributes(octets, path);
    const six = [...attributes, ...attribute(14, [16, ...HOP6])];
    switch (random.below(7)) {
      case 0:
        return peerIndexTable();
      case 1:
        return ribRecord(random.pick([4, 10] as const), random.pick(PREFIXES6), [six, attributes]);
      case 2:
        return oldRibRecord([20, 1, 2, 0], random.below(34), attributes);
      case 3:
      case 4: {
        const subtype = random.pick(octets === 4 ? ([4, 7] as const) : ([1, 6] as const));
        return messageRecord(subtype, bgpMessage(BgpType.update, update(random, octets)), random.once(3));
      }
      default:
        return ribRecord(random.pick([2, 8] as const), random.pick(PREFIXES), random.once(9) ? [] : [attributes]);
    }
  }).map((record) => {
    if (!random.once(3)) return record;
    // Damage inside, so that the records behind it are still found.
    const [type, subtype] = [(record[4] << 8) | record[5], (record[6] << 8) | record[7]];
    return mrtRecord(type, subtype, [...mutate(Uint8Array.from(record.slice(12)), random)]);
  });
  const whole = Uint8Array.from([...random.bytes(PREFIX), ...records.flat()]);
  return random.once(4) ? mutate(whole, random) : whole;
}

/** Begins of the records behind the first. */
function records(bytes: Uint8Array): number[] {
  const begins: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = PREFIX; at + 12 <= bytes.length; at += 12 + view.getUint32(at + 8)) begins.push(at);
  return begins.slice(1);
}

function load(input: Uint8Array, piece: number): unknown {
  const table = new RouteTable(TABLE_BYTES);
  const stream = new MrtStream(table);
  let wrong: number | undefined;
  for (const chunk of pieces(input, piece)) {
    wrong = stream.take(chunk);
    if (wrong !== undefined) break;
  }
  const counters = stream.end();
  assert.ok(counters.other + counters.damaged <= counters.records);
  assert.ok(counters.records * 12 <= input.length + 12, 'a record takes 12 bytes, or more');
  // Where the dump is no dump, the piece that shows it has fewer or more records in it.
  return wrong === undefined ? [contents(table, input), counters] : contents(table, input) && 'no dump';
}

function target(
  name: string,
  about: string,
  make: Target['make'],
  parts: Target['parts'] & {},
  take: (input: Uint8Array, piece: number) => unknown,
): Target {
  return {
    name,
    about,
    tries: 400,
    make,
    parts,
    run(bytes) {
      if (bytes.length < PREFIX) return;
      const input = bytes.slice(PREFIX);
      const piece = 1 + (((bytes[0] << 8) | bytes[1]) & (bytes[0] < 128 ? 15 : 1023));
      assert.deepEqual(take(input, piece), take(input, input.length + 1), 'the same, however the bytes arrive');
    },
  };
}

export const ROUTE_TARGETS: readonly Target[] = [
  target('bgp', 'what a BGP neighbour says, in pieces of any length', conversation, messages, talk),
  target('mrt', 'damaged MRT dumps, in pieces of any length', dump, records, load),
];
