import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byStart, meterFrames } from '../support/drive.js';
import { ip, type TcpOptions, type TimedFrame, tcp, timed, udp, zeros } from '../support/packets.js';

/** The client has the higher address, so that it is endpoint B: the order of addresses must not decide. */
const CLIENT = '192.0.2.200';
const SERVER = '10.0.0.1';
const PORTS = { client: 40_000, server: 443 };

function fromClient(at: number, options: TcpOptions, payload = 0): TimedFrame {
  return timed([at, ip(CLIENT, SERVER, 6, tcp(PORTS.client, PORTS.server, options, zeros(payload)))])[0];
}

function fromServer(at: number, options: TcpOptions, payload = 0): TimedFrame {
  return timed([at, ip(SERVER, CLIENT, 6, tcp(PORTS.server, PORTS.client, options, zeros(payload)))])[0];
}

function handshake(at: number, seq = 1000, ack = 5000): TimedFrame[] {
  return [
    fromClient(at, { flags: 'S', seq }),
    fromServer(at + 0.01, { flags: 'SA', seq: ack, ack: seq + 1 }),
    fromClient(at + 0.02, { seq: seq + 1, ack: ack + 1 }),
  ];
}

/** Both FINs, each acknowledged. */
function farewell(at: number, seq = 1001, ack = 5001): TimedFrame[] {
  return [
    fromClient(at, { flags: 'FA', seq, ack }),
    fromServer(at + 0.01, { flags: 'FA', seq: ack, ack: seq + 1 }),
    fromClient(at + 0.02, { seq: seq + 1, ack: ack + 1 }),
  ];
}

test('who sent the SYN is the initiator, whatever the order of the addresses', async () => {
  const { flowRecords } = await meterFrames(handshake(0));
  assert.equal(flowRecords.length, 1);
  const [flow] = flowRecords;
  assert.deepEqual([flow.src, flow.srcPort, flow.dst, flow.dstPort], [CLIENT, 40_000, SERVER, 443]);
  assert.deepEqual([flow.packets, flow.reversePackets], [2, 1]);
  assert.deepEqual([flow.tcpFlags, flow.reverseTcpFlags], ['SA', 'SA']);
});

test('a wrong guess of the direction is corrected at the SYN, and the counters with it', async () => {
  const stray = fromServer(0, { flags: 'PA', seq: 1, ack: 1 }, 100);
  const { flowRecords, noticed } = await meterFrames([stray, ...handshake(1)]);
  assert.equal(flowRecords.length, 1);
  const [flow] = flowRecords;
  assert.deepEqual([flow.src, flow.srcPort, flow.dst, flow.dstPort], [CLIENT, 40_000, SERVER, 443]);
  assert.deepEqual([flow.packets, flow.bytes, flow.reversePackets, flow.reverseBytes], [2, 80, 2, 180]);
  assert.deepEqual([flow.tcpFlags, flow.reverseTcpFlags], ['SA', 'SPA']);
  assert.equal(noticed.directionCorrected, 1);
});

test('SYN/ACK first: who answered is not the initiator', async () => {
  const { flowRecords, noticed } = await meterFrames(handshake(0).slice(1));
  assert.equal(flowRecords[0].src, CLIENT);
  assert.deepEqual([flowRecords[0].packets, flowRecords[0].reversePackets], [1, 1]);
  assert.equal(noticed.directionCorrected, undefined);
});

test('SYN/ACK alone, then the SYN late: one flow, the direction stays', async () => {
  const [syn, synAck] = handshake(0);
  const { flowRecords } = await meterFrames([synAck, { ...syn, at: 0.5 }]);
  assert.equal(flowRecords.length, 1);
  assert.equal(flowRecords[0].src, CLIENT);
});

test('without a SYN, and for UDP, the first seen is the initiator', async () => {
  const { flowRecords } = await meterFrames([fromServer(0, { flags: 'A' }, 10), fromClient(0.1, {})]);
  assert.equal(flowRecords[0].src, SERVER);
  const answers = timed([0, ip(SERVER, CLIENT, 17, udp(53, 9999))], [1, ip(CLIENT, SERVER, 17, udp(9999, 53))]);
  assert.equal((await meterFrames(answers)).flowRecords[0].src, SERVER);
});

test('SYN sent again does not begin a new flow', async () => {
  const frames = [0, 1, 3].map((at) => fromClient(at, { flags: 'S', seq: 1000 }));
  const { flowRecords } = await meterFrames([...frames, fromServer(3.1, { flags: 'SA', seq: 7, ack: 1001 })]);
  assert.equal(flowRecords.length, 1);
  assert.equal(flowRecords[0].packets, 3);
});

test('a connection that closes: reason end, and the time of its last packet', async () => {
  const later = timed([100, ip('10.9.9.9', '10.9.9.8', 17, udp(1, 2))]);
  const { flowRecords } = await meterFrames([...handshake(0), ...farewell(1), ...later]);
  assert.equal(flowRecords[0].endReason, 'end');
  assert.equal(flowRecords[0].end, '2024-01-01T00:00:01.020000000Z');
  assert.equal(flowRecords[0].duration, 1.02);
});

test('a SYN after both FINs is a new flow, at once', async () => {
  const { flowRecords, flows } = await meterFrames([...handshake(0), ...farewell(1), ...handshake(1.1, 9000, 80)]);
  assert.equal(flowRecords.length, 2);
  const [first, second] = byStart(flowRecords);
  assert.deepEqual([first.packets, first.reversePackets, first.endReason], [4, 2, 'end']);
  assert.deepEqual([second.packets, second.reversePackets], [2, 1]);
  assert.notEqual(first.id, second.id);
  assert.equal(first.communityId, second.communityId);
  assert.equal(flows.opened, 2);
});

test('a SYN after one FIN, and after a RST, is a new flow; it may come from the other side', async () => {
  const closing = fromClient(1, { flags: 'FA', seq: 1001, ack: 5001 });
  const fin = await meterFrames([...handshake(0), closing, ...handshake(1.1, 9000, 80)]);
  assert.equal(fin.flowRecords.length, 2);
  const reset = fromServer(1, { flags: 'RA', seq: 5001, ack: 1001 });
  const other = fromServer(1.1, { flags: 'S', seq: 3 });
  const rst = await meterFrames([...handshake(0), reset, other]);
  const [before, after] = byStart(rst.flowRecords);
  assert.equal(before.endReason, 'end');
  assert.deepEqual([before.src, after.src], [CLIENT, SERVER]);
});

test('a packet that is not a SYN after the end still belongs to the old flow while it lingers', async () => {
  const straggler = fromServer(3, { flags: 'A', seq: 5002, ack: 1002 });
  const { flowRecords } = await meterFrames([...handshake(0), ...farewell(1), straggler]);
  assert.equal(flowRecords.length, 1);
  assert.equal(flowRecords[0].reversePackets, 3);
});

test('a SYN after a pause that no connection survives is a new flow, also with long timeouts', async () => {
  const timeouts = { idle: { tcp: 3_600_000, 'tcp.syn': 3_600_000 }, active: Number.POSITIVE_INFINITY };
  const anew = await meterFrames([...handshake(0), ...handshake(500, 77, 88)], { timeouts });
  assert.equal(anew.flowRecords.length, 2);
  const goesOn = await meterFrames([...handshake(0), fromClient(500, { seq: 1001 }, 5)], { timeouts });
  assert.equal(goesOn.flowRecords.length, 1);
});

/** True if the flow ended as closed: its last timeout was the short one after both FINs. */
async function closes(frames: readonly TimedFrame[]): Promise<boolean> {
  const last = frames[frames.length - 1].at;
  const clock = timed([last + 20, ip('10.9.9.9', '10.9.9.8', 17, udp(1, 2))]);
  const { flowRecords } = await meterFrames([...frames, ...clock], {
    timeouts: { idle: { tcp: 15_000, 'tcp.fin': 2000 } },
  });
  const flow = flowRecords.find((record) => record.proto === 'tcp');
  assert.equal(flowRecords.length, 2);
  return flow?.endReason === 'end';
}

test('FINs are followed by sequence numbers', async (t) => {
  const open = handshake(0);
  const finClient = fromClient(1, { flags: 'FA', seq: 1001, ack: 5001 });
  const finServer = fromServer(1.1, { flags: 'FA', seq: 5001, ack: 1002 });
  const lastAck = fromClient(1.2, { seq: 1002, ack: 5002 });

  await t.test('both acknowledged: closed', async () => {
    assert.equal(await closes([...open, finClient, finServer, lastAck]), true);
  });
  await t.test('one FIN only (half closed): not closed', async () => {
    assert.equal(await closes([...open, finClient, fromServer(1.1, { seq: 5001, ack: 1002 })]), false);
  });
  await t.test('the last acknowledgement is missing: not closed', async () => {
    assert.equal(await closes([...open, finClient, finServer]), false);
  });
  await t.test('an acknowledgement of less than the FIN does not count', async () => {
    const old = fromClient(1.2, { seq: 1002, ack: 5001 });
    assert.equal(await closes([...open, finClient, finServer, old]), false);
  });
  await t.test('a FIN with data is acknowledged behind its data', async () => {
    const withData = fromClient(1, { flags: 'FPA', seq: 1001, ack: 5001 }, 300);
    const dataOnly = fromServer(1.1, { flags: 'FA', seq: 5001, ack: 1301 });
    assert.equal(await closes([...open, withData, dataOnly, lastAck]), false);
    const all = fromServer(1.1, { flags: 'FA', seq: 5001, ack: 1302 });
    assert.equal(await closes([...open, withData, all, lastAck]), true);
  });
  await t.test('sequence numbers that wrap', async () => {
    const top = 0xffff_ffff;
    const frames = [
      fromClient(1, { flags: 'FA', seq: top - 9, ack: top }, 9),
      fromServer(1.1, { flags: 'FA', seq: top, ack: 0 }, 10),
      fromClient(1.2, { seq: 0, ack: 10 }),
    ];
    assert.equal(await closes(frames), true);
    const unfinished = [...frames.slice(0, 2), fromClient(1.2, { seq: 0, ack: 9 })];
    assert.equal(await closes(unfinished), false);
  });
  await t.test('a FIN sent again changes nothing', async () => {
    const again = [
      { ...finClient, at: 1.05 },
      { ...finClient, at: 1.06 },
    ];
    assert.equal(await closes([...open, finClient, ...again, finServer, lastAck]), true);
    assert.equal(await closes([...open, finClient, ...again]), false);
  });
  await t.test('half close: the other side goes on sending, then closes', async () => {
    const data = [1.1, 2, 3].map((at, k) => fromServer(at, { flags: 'PA', seq: 5001 + k * 100, ack: 1002 }, 100));
    const fin = fromServer(4, { flags: 'FA', seq: 5301, ack: 1002 });
    const ack = fromClient(4.1, { seq: 1002, ack: 5302 });
    assert.equal(await closes([...open, finClient, ...data]), false);
    assert.equal(await closes([...open, finClient, ...data, fin, ack]), true);
  });
  await t.test('data behind the FIN (which no sender may send) leaves the end where it was', async () => {
    const behind = fromClient(1.05, { flags: 'PA', seq: 1002, ack: 5001 }, 50);
    assert.equal(await closes([...open, finClient, behind, finServer, lastAck]), true);
  });
  await t.test('both close at once', async () => {
    const frames = [
      fromClient(1, { flags: 'FA', seq: 1001, ack: 5001 }),
      fromServer(1, { flags: 'FA', seq: 5001, ack: 1001 }),
      fromClient(1.1, { seq: 1002, ack: 5002 }),
      fromServer(1.1, { seq: 5002, ack: 1002 }),
    ];
    assert.equal(await closes([...open, ...frames]), true);
    assert.equal(await closes([...open, ...frames.slice(0, 3)]), false);
  });
});

test('a SYN has a sequence number of its own before that of the FIN it comes with', async () => {
  const frames = (acknowledged: number): TimedFrame[] => [
    fromClient(0, { flags: 'SF', seq: 1000 }),
    fromServer(0.1, { flags: 'FA', seq: 5000, ack: acknowledged }),
    fromClient(0.2, { seq: 1002, ack: 5001 }),
  ];
  const only = async (acknowledged: number): Promise<string> => {
    const { flowRecords } = await meterFrames(frames(acknowledged));
    assert.equal(flowRecords.length, 1);
    return flowRecords[0].endReason;
  };
  assert.equal(await only(1002), 'end', 'SYN and FIN acknowledged');
  assert.equal(await only(1001), 'forced', 'only the SYN acknowledged: the connection is still open');
});

test('a SYN counts in the sequence of data: the byte before them is none that was missing', async () => {
  const frames = [
    fromClient(0, { flags: 'S', seq: 1000 }),
    fromClient(0.1, { seq: 1001 }, 10),
    fromClient(0.2, { seq: 1000 }, 1),
  ];
  const { flowRecords } = await meterFrames(frames, { features: ['outOfOrder', 'retransmissions'] });
  assert.equal(flowRecords[0].outOfOrder ?? 0, 0, JSON.stringify(flowRecords[0]));
});
