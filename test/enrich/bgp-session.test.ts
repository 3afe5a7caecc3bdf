import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { Family } from '../../src/codec/bgp.js';
import { RheoError } from '../../src/core/errors.js';
import { BgpSpeaker } from '../../src/enrich/bgp-speaker.js';
import { emptyAnswer } from '../../src/enrich/route-table.js';
import {
  attribute,
  bgpMessage,
  capability,
  FOUR_OCTETS,
  openBody,
  reach,
  SEQUENCE,
  segments,
  short,
  unreach,
  updateBody,
} from '../support/bgp.js';
import { until } from '../support/export-context.js';

/** A neighbour that says what the test wants, on loopback. */

const speakers: BgpSpeaker[] = [];
const sockets: Socket[] = [];
after(async () => {
  for (const socket of sockets) socket.destroy();
  for (const one of speakers) await one.stop();
});

const BASE = { address: '127.0.0.1', port: 0, as: 65_001, id: '192.0.2.1', bytes: 1e7 };

async function speaker(as?: number, holdTime?: number): Promise<{ bgp: BgpSpeaker; log: string[] }> {
  const log: string[] = [];
  const bgp = new BgpSpeaker({
    ...BASE,
    ...(holdTime !== undefined && { holdTime }),
    neighbours: [{ address: '127.0.0.1', as }],
    log: (_level, message) => log.push(message),
  });
  await bgp.start();
  speakers.push(bgp);
  return { bgp, log };
}

class Neighbour {
  readonly socket: Socket;
  closed = false;
  private bytes: Uint8Array = new Uint8Array(0);

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    sockets.push(this.socket);
    this.socket.on('data', (chunk) => {
      this.bytes = Uint8Array.from([...this.bytes, ...chunk]);
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
    this.socket.on('error', () => {});
  }

  say(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  /** What it was sent: type and body of each message. */
  get heard(): { type: number; body: number[] }[] {
    const list: { type: number; body: number[] }[] = [];
    for (let at = 0; at + 19 <= this.bytes.length; ) {
      const length = (this.bytes[at + 16] << 8) | this.bytes[at + 17];
      list.push({ type: this.bytes[at + 18], body: [...this.bytes.subarray(at + 19, at + length)] });
      at += length;
    }
    return list;
  }

  /** Code and subcode of the NOTIFICATION that ended the session. */
  async notified(): Promise<number[]> {
    await until('the session ended', () => this.closed);
    const last = this.heard.at(-1);
    assert.equal(last?.type, 3, 'a NOTIFICATION is the last message');
    return last?.body ?? [];
  }
}

const KEEPALIVE = bgpMessage(4, []);
const CAPABILITIES = [...capability(1, 0, 1, 0, 1), ...capability(1, 0, 2, 0, 1), ...FOUR_OCTETS(65_002)];
const open = (change: Parameters<typeof openBody>[0] = {}): Uint8Array =>
  bgpMessage(1, openBody({ capabilities: CAPABILITIES, ...change }));
const RESTARTING = [...CAPABILITIES, ...capability(64, ...short(120))];

const PATH = [...attribute(1, [0]), ...attribute(2, segments(4, [SEQUENCE, 65_002, 65_010]))];
const HOP = attribute(3, [192, 0, 2, 9]);
const announce = (...announced: string[]): Uint8Array =>
  bgpMessage(2, updateBody({ attributes: [...PATH, ...HOP], announced }));
const announce6 = (...announced: string[]): Uint8Array =>
  bgpMessage(2, updateBody({ attributes: [...PATH, ...reach(Family.ipv6, new Array(16).fill(1), announced)] }));
const END4 = bgpMessage(2, updateBody({}));
const END6 = bgpMessage(2, updateBody({ attributes: unreach(Family.ipv6, []) }));

/** A session that is established. */
async function established(bgp: BgpSpeaker, change?: Parameters<typeof openBody>[0]): Promise<Neighbour> {
  const { sessions } = bgp.status[0];
  const neighbour = new Neighbour(bgp.port);
  neighbour.say(open(change), KEEPALIVE);
  await until('it is established', () => bgp.status[0].sessions > sessions && bgp.status[0].state === 'established');
  return neighbour;
}

const known = (bgp: BgpSpeaker): [number, number] => [bgp.status[0].prefixes4, bgp.status[0].prefixes6];

test('OPEN, KEEPALIVE, routes; messages in single bytes; NOTIFICATION when it stops', async () => {
  const { bgp } = await speaker(65_002);
  const neighbour = new Neighbour(bgp.port);
  neighbour.socket.setNoDelay(true);
  for (const byte of [...open(), ...KEEPALIVE, ...announce('20.0.0.0/8', '21.0.0.0/16')]) {
    neighbour.say(Uint8Array.of(byte));
  }
  await until('both routes came', () => bgp.status[0].prefixes4 === 2);
  await until('OPEN and KEEPALIVE came', () => neighbour.heard.length >= 2);
  assert.deepEqual(
    neighbour.heard.map(({ type }) => type),
    [1, 4],
  );
  const answer = emptyAnswer();
  assert.ok(bgp.tables[0].find(Family.ipv4, Int32Array.of((20 << 24) | 5), 0, answer));
  assert.deepEqual([answer.originAs, answer.adjacentAs, answer.prefixLength], [65_010, 65_002, 8]);
  bgp.refresh();
  assert.deepEqual(bgp.status[0].state, 'established');
  await bgp.stop();
  assert.deepEqual(await neighbour.notified(), [6, 2]);
});

test('what a neighbour must not say, and the codes it is told', async () => {
  const { bgp } = await speaker(65_002);
  const marker = KEEPALIVE.slice();
  marker[3] = 0;
  const long = KEEPALIVE.slice();
  long[16] = 0x11;
  const cases: [string, Uint8Array[], number[]][] = [
    ['no marker', [marker], [1, 1]],
    ['a long message', [long], [1, 2]],
    ['an unknown type', [bgpMessage(9, [])], [1, 3]],
    ['another version', [open({ version: 3 })], [2, 1]],
    ['another AS', [open({ capabilities: FOUR_OCTETS(65_003) })], [2, 2]],
    ['a hold time of 1 s', [open({ holdTime: 1 })], [2, 6]],
    ['KEEPALIVE before OPEN', [KEEPALIVE], [5, 1]],
    ['UPDATE before KEEPALIVE', [open(), announce('20.0.0.0/8')], [5, 2]],
    ['OPEN twice', [open(), open()], [5, 2]],
    ['OPEN when established', [open(), KEEPALIVE, open()], [5, 3]],
    ['KEEPALIVE with contents', [open(), bgpMessage(4, [1])], [1, 2]],
    ['a damaged UPDATE', [open(), KEEPALIVE, bgpMessage(2, [0, 9, 0, 0])], [3, 1]],
    ['a prefix of 33 bits', [open(), KEEPALIVE, bgpMessage(2, [...updateBody({}), 33, 1, 2, 3, 4, 5])], [3, 10]],
  ];
  for (const [what, messages, codes] of cases) {
    const neighbour = new Neighbour(bgp.port);
    neighbour.say(...messages);
    assert.deepEqual(await neighbour.notified(), codes, what);
    assert.deepEqual(known(bgp), [0, 0], what);
    assert.equal(bgp.status[0].state, 'idle', what);
  }
});

test('the hold timer: keepalives are sent, and silence ends the session', async () => {
  const { bgp, log } = await speaker(65_002, 90);
  const neighbour = await established(bgp, { holdTime: 3 });
  neighbour.say(announce('20.0.0.0/8'));
  await until('the route came', () => bgp.status[0].prefixes4 === 1);
  // Half of the hold time later it is told something, which counts.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  neighbour.say(KEEPALIVE);
  assert.deepEqual(await neighbour.notified(), [4, 0]);
  const keepalives = neighbour.heard.filter(({ type }) => type === 4).length;
  assert.ok(keepalives >= 3, `${keepalives} keepalives in the time of the session`);
  assert.equal(bgp.status[0].lastError, 'nothing heard for 3 s');
  assert.deepEqual(known(bgp), [0, 0], log.join('\n'));
});

test('graceful restart: routes stay, and those that are not told again go at End-of-RIB', async () => {
  const { bgp } = await speaker(65_002);
  const first = await established(bgp, { capabilities: RESTARTING });
  first.say(announce('20.0.0.0/8', '21.0.0.0/8'), announce6('2001:db8::/32', '2001:db9::/32'), END4, END6);
  await until('the routes came', () => known(bgp).join() === '2,2');
  first.socket.destroy();
  await until('the session was lost', () => bgp.status[0].state === 'stale');
  assert.deepEqual(known(bgp), [2, 2]);
  const second = await established(bgp, { capabilities: RESTARTING });
  assert.deepEqual(known(bgp), [2, 2]);
  second.say(announce('21.0.0.0/8', '22.0.0.0/8'), END4);
  await until('the old IPv4 route is gone', () => known(bgp).join() === '2,2' && bgp.status[0].updates === 2);
  assert.equal(bgp.tables[0].find(Family.ipv4, Int32Array.of(20 << 24), 0, emptyAnswer()), false);
  assert.ok(bgp.tables[0].find(Family.ipv4, Int32Array.of(22 << 24), 0, emptyAnswer()));
  // Lost again before all IPv6 routes were told: those of the first session are gone when the third begins.
  second.say(announce6('2001:db8::/32'));
  await until('one was told again', () => bgp.status[0].updates === 3);
  second.socket.destroy();
  await until('the session was lost', () => bgp.status[0].state === 'stale');
  assert.deepEqual(known(bgp), [2, 2]);
  await established(bgp, { capabilities: RESTARTING });
  assert.deepEqual(known(bgp), [2, 1]);
  assert.equal(bgp.tables[0].users, 3, 'each prefix uses one route');
});

test('a family that the neighbour no longer tells is gone when it comes back', async () => {
  const { bgp } = await speaker(65_002);
  const first = await established(bgp, { capabilities: RESTARTING });
  first.say(announce('20.0.0.0/8'), announce6('2001:db8::/32'), END4, END6);
  await until('the routes came', () => known(bgp).join() === '1,1');
  first.socket.destroy();
  await until('the session was lost', () => bgp.status[0].state === 'stale');
  const only4 = [...capability(1, 0, 1, 0, 1), ...FOUR_OCTETS(65_002), ...capability(64, 0, 120)];
  await established(bgp, { capabilities: only4 });
  assert.deepEqual(known(bgp), [1, 0]);
});

test('without graceful restart, and after a NOTIFICATION, routes go at once', async () => {
  const { bgp } = await speaker(65_002);
  for (const [capabilities, last] of [
    [CAPABILITIES, undefined],
    [RESTARTING, bgpMessage(3, [6, 2])],
  ] as const) {
    const neighbour = await established(bgp, { capabilities });
    neighbour.say(announce('20.0.0.0/8'));
    await until('the route came', () => bgp.status[0].prefixes4 === 1);
    if (last === undefined) neighbour.socket.end();
    else neighbour.say(last);
    await until('the session ended', () => bgp.status[0].state === 'idle');
    assert.deepEqual(known(bgp), [0, 0]);
    assert.equal(bgp.tables[0].users, 0);
  }
});

test('a neighbour that connects again has lost its old session', async () => {
  const { bgp } = await speaker(65_002);
  const first = await established(bgp, { capabilities: RESTARTING });
  first.say(announce('20.0.0.0/8'), END4, END6);
  await until('the route came', () => bgp.status[0].prefixes4 === 1);
  const second = await established(bgp, { capabilities: RESTARTING });
  await until('the first one is closed', () => first.closed);
  assert.deepEqual(known(bgp), [1, 0]);
  second.say(END4, END6);
  await until('what was not told again is gone', () => bgp.status[0].prefixes4 === 0);
});

test('it ends though a neighbour reads nothing and never closes', async () => {
  const { bgp } = await speaker(65_002);
  const neighbour = await established(bgp);
  neighbour.socket.pause();
  await bgp.stop();
  assert.equal(bgp.status[0].state, 'idle');
});

test('neighbours are known by their address, however it was written; wrong ones are refused', () => {
  const make = (...addresses: string[]) =>
    new BgpSpeaker({ ...BASE, neighbours: addresses.map((address) => ({ address })), log: () => {} });
  assert.equal(make('2001:DB8:0::1').status[0].address, '2001:db8::1');
  for (const addresses of [['router.example.org'], [''], ['192.0.2.1', '192.0.2.1'], ['2001:db8::1', '2001:DB8::1']]) {
    assert.throws(() => make(...addresses), RheoError);
  }
  assert.throws(() => new BgpSpeaker({ ...BASE, id: '0.0.0.0', neighbours: [], log: () => {} }), RheoError);
});

test('a port that is taken is told with a remedy', async () => {
  const { bgp } = await speaker();
  const second = new BgpSpeaker({ ...BASE, port: bgp.port, neighbours: [], log: () => {} });
  await assert.rejects(second.start(), (error) => error instanceof RheoError && error.message.includes('EADDRINUSE'));
  await second.stop();
});

test('route refresh is asked of those that can do it, for each of their families (RFC 2918)', async () => {
  const { bgp } = await speaker();
  const asked = (neighbour: Neighbour): number[][] =>
    neighbour.heard.filter(({ type }) => type === 5).map(({ body }) => body);
  const able = await established(bgp, { capabilities: [...CAPABILITIES, ...capability(2)] });
  bgp.refresh();
  await until('it was asked', () => asked(able).length === 2);
  assert.deepEqual(asked(able), [
    [0, 1, 0, 1],
    [0, 2, 0, 1],
  ]);
  const unable = await established(bgp);
  bgp.refresh();
  unable.say(announce('20.0.0.0/8'));
  await until('the route came', () => known(bgp)[0] === 1);
  assert.deepEqual([asked(unable), bgp.status[0].state], [[], 'established']);
});
