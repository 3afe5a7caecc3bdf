import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFeatures } from '../../../src/meter/features/index.js';
import { Mark } from '../../../src/packet/batch.js';
import { membersOf, runHooks, type TestPacket } from '../../support/hook-harness.js';

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const MSS_1460 = [2, 4, 0x05, 0xb4];
const SCALE_7 = [1, 3, 3, 7];
const TIMESTAMPS = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

function measure(features: string[], packets: TestPacket[], initiatorB?: boolean): Record<string, unknown> {
  const { hooks, fields } = createFeatures(features);
  return membersOf(fields, runHooks(hooks, packets, initiatorB === undefined ? {} : { initiatorB }));
}

const HANDSHAKE: TestPacket[] = [
  { direction: 1, at: 1000, tcp: { flags: SYN, sequence: 99, window: 64240, options: [...MSS_1460, ...SCALE_7] } },
  { direction: 0, at: 23_500, tcp: { flags: SYN | ACK, sequence: 499, window: 65535, options: MSS_1460 } },
  { direction: 1, at: 30_000, tcp: { flags: ACK, sequence: 100, window: 502, options: TIMESTAMPS } },
];

test('handshake: round trips, MSS, window scale, windows, options', () => {
  assert.deepEqual(measure(['roundTrip', 'mss', 'windowScale', 'window', 'tcpOptions'], HANDSHAKE), {
    serverRoundTrip: 22.5,
    clientRoundTrip: 6.5,
    mss: 1460,
    reverseMss: 1460,
    windowScale: 7,
    window: 64240,
    reverseWindow: 65535,
    windowMin: 502,
    reverseWindowMin: 65535,
    windowMax: 64240,
    reverseWindowMax: 65535,
    tcpOptions: ['nop', 'mss', 'wscale', 'timestamps'],
    reverseTcpOptions: ['mss'],
  });
});

test('handshake: the answer is timed from the last SYN, the ACK from the last SYN/ACK', () => {
  const [syn, answer, ack] = HANDSHAKE;
  const again = [syn, { ...syn, at: 5000 }, answer, { ...answer, at: 28_000 }, ack];
  const members = measure(['roundTrip'], again);
  assert.deepEqual(members, { serverRoundTrip: 18.5, clientRoundTrip: 2 });
});

test('handshake: half seen, or with time set back, gives what is known and nothing negative', () => {
  const [syn, answer, ack] = HANDSHAKE;
  assert.deepEqual(measure(['roundTrip'], [syn]), {});
  assert.deepEqual(measure(['roundTrip'], [ack]), {});
  assert.deepEqual(measure(['roundTrip'], [answer, ack], true), { clientRoundTrip: 6.5 });
  assert.deepEqual(measure(['roundTrip'], [syn, { ...answer, at: 0 }, ack]), { clientRoundTrip: 30 });
  const refused = { ...ack, tcp: { flags: RST | ACK, sequence: 100 } };
  assert.deepEqual(measure(['roundTrip'], [syn, answer, refused]), { serverRoundTrip: 22.5 });
});

test('a window is zero only if neither SYN, FIN nor RST is set', () => {
  const flags = [SYN, ACK, ACK, FIN | ACK, RST];
  const packets = flags.map((flag): TestPacket => ({ tcp: { flags: flag, window: 0 } }));
  assert.deepEqual(measure(['zeroWindows'], packets), { zeroWindows: 2 });
});

test('SYN, FIN and RST are counted for each direction', () => {
  const packets: TestPacket[] = [
    ...HANDSHAKE,
    { direction: 0, tcp: { flags: FIN | ACK } },
    { direction: 0, tcp: { flags: FIN | ACK } },
    { direction: 1, tcp: { flags: RST } },
  ];
  assert.deepEqual(measure(['controlCounts'], packets), {
    syns: 1,
    reverseSyns: 1,
    fins: 0,
    reverseFins: 2,
    rsts: 1,
    reverseRsts: 0,
  });
});

test('retransmissions and reordering, across the wrap of the sequence number', () => {
  const start = 0xffffff00;
  const data = (offset: number, payload = 100): TestPacket => ({
    tcp: { flags: ACK, sequence: (start + offset) >>> 0 },
    payload,
  });
  const packets = [
    data(0),
    data(100),
    data(100),
    data(300),
    data(200),
    data(400, 0), // a pure ACK
    data(399, 0), // keep-alives, without and with a byte
    data(399, 1),
    { tcp: { flags: RST, sequence: start }, payload: 10 },
    { direction: 1 as const, tcp: { flags: ACK, sequence: 5 }, payload: 10 },
  ];
  assert.deepEqual(measure(['retransmissions', 'outOfOrder'], packets), {
    retransmissions: 1,
    outOfOrder: 1,
    reverseRetransmissions: 0,
    reverseOutOfOrder: 0,
  });
  assert.deepEqual(measure(['outOfOrder'], packets), { outOfOrder: 1, reverseOutOfOrder: 0 });
});

test('headers cut by the snap length: nothing is read behind the captured bytes', () => {
  const packet = HANDSHAKE[0];
  const whole = 14 + 20 + 28;
  for (let snap = 14 + 20; snap <= whole; snap++) {
    const members = measure(
      ['window', 'mss', 'windowScale', 'tcpOptions', 'zeroWindows', 'retransmissions'],
      [{ ...packet, snap }],
    );
    const behind = snap - 34;
    assert.equal(members.window, behind >= 16 ? 64240 : undefined, `${behind} bytes of the header`);
    assert.equal(members.mss, behind >= 24 ? 1460 : undefined);
    assert.equal(members.windowScale, behind >= 28 ? 7 : undefined);
    assert.equal(members.zeroWindows, behind >= 14 ? 0 : undefined);
  }
});

test('hostile options: length 0, 1, beyond the header', () => {
  const seen = (options: number[]): unknown =>
    measure(['tcpOptions', 'mss'], [{ tcp: { flags: SYN, options } }]).tcpOptions;
  assert.deepEqual(seen([2, 0, 0, 0]), undefined);
  assert.deepEqual(seen([1, 8, 1, 0]), ['nop']);
  assert.deepEqual(seen([5, 200, 0, 0]), undefined);
  assert.deepEqual(seen([254, 4, 0, 0, 30, 2, 61, 2, 62, 2, 34, 2]), ['mptcp', 'fastopen', 'exp2']);
  assert.deepEqual(seen([0, 2, 4, 5]), ['eol']);
});

test('other protocols, later fragments and strays are passed over', () => {
  const { hooks, fields } = createFeatures(['window', 'controlCounts', 'retransmissions', 'tcpOptions']);
  const records = runHooks(hooks, [
    { payload: 20 },
    { marks: Mark.fragmentLater, payload: 8 },
    { stray: true, tcp: { flags: SYN } },
  ]);
  assert.deepEqual(membersOf(fields, records), {});
});
