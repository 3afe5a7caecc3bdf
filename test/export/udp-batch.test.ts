import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { test } from 'node:test';
import type { Connection } from '../../src/export/transport/connection.js';
import { connectUdp } from '../../src/export/transport/udp.js';
import { canSendBatches } from '../../src/system/udp-socket.js';
import { until } from '../support/export-context.js';

const skip = canSendBatches() ? false : 'no system calls here';
const COUNT = 3000;
const BYTES = 1000;

/** A receiver whose buffer holds a few datagrams. */
async function receiver(got: number[]): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes) => got.push(bytes.readUInt32BE(0)));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  socket.setRecvBufferSize(8192);
  return socket;
}

async function connected(socket: Socket, ready: () => void, lost: (error: Error) => void): Promise<Connection> {
  const peer = { host: '127.0.0.1', port: socket.address().port };
  return connectUdp(peer, { maxMessageBytes: BYTES }, { ready, lost });
}

function datagram(number: number): Uint8Array {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUInt32BE(number);
  return bytes;
}

test('a receiver on this machine gets all, in order, however small its buffer is', {
  skip,
  timeout: 60_000,
}, async () => {
  const got: number[] = [];
  const socket = await receiver(got);
  let sent = 0;
  let done = 0;
  let full = 0;
  const send = (): void => {
    while (sent < COUNT) {
      const more = connection.send(datagram(sent++), (error) => {
        assert.equal(error, undefined);
        done++;
      });
      if (more) continue;
      full++;
      return;
    }
  };
  const connection = await connected(socket, send, assert.fail);
  send();
  await until('all arrive', () => got.length === COUNT);
  assert.equal(done, COUNT);
  assert.ok(full > 1, 'it never was full');
  assert.deepEqual(
    got,
    Array.from({ length: COUNT }, (_, k) => k),
  );
  await connection.close();
  socket.close();
});

test('who is told of a datagram may send the next at once', { skip, timeout: 60_000 }, async () => {
  const got: number[] = [];
  const socket = await receiver(got);
  let sent = 0;
  let room = true;
  const next = (): void => {
    for (let k = 0; k < 2 && room && sent < COUNT; k++) room = connection.send(datagram(sent++), next);
  };
  const connection = await connected(
    socket,
    () => {
      room = true;
      next();
    },
    assert.fail,
  );
  next();
  await until('all arrive', () => got.length === COUNT);
  await connection.close();
  socket.close();
});

test('closing sends what is there; after it, and after destroy, datagrams are done with an error', {
  skip,
}, async () => {
  const got: number[] = [];
  const socket = await receiver(got);
  for (const end of ['close', 'destroy'] as const) {
    const connection = await connected(socket, () => {}, assert.fail);
    const results: (Error | undefined)[] = [];
    for (let k = 0; k < 3; k++) connection.send(datagram(k), (error) => results.push(error));
    await connection[end]();
    assert.deepEqual(
      results.map((error) => error?.message),
      new Array(3).fill(end === 'close' ? undefined : 'closed'),
    );
    assert.equal(
      connection.send(datagram(9), (error) => results.push(error)),
      false,
    );
    assert.equal(results[3]?.message, 'closed');
  }
  await until('three arrive', () => got.length === 3);
  socket.close();
});

test('one that nobody listens to is lost once, and all its datagrams are done', { skip, timeout: 20_000 }, async () => {
  const socket = await receiver([]);
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  const lost: string[] = [];
  let done = 0;
  const events = { ready: () => {}, lost: (error: Error) => lost.push(error.message) };
  const connection = await connectUdp({ host: '127.0.0.1', port }, { maxMessageBytes: BYTES }, events);
  let sent = 0;
  await until('refused', () => {
    if (lost.length === 0) {
      connection.send(datagram(sent++), () => done++);
      connection.send(datagram(sent++), () => done++);
    }
    return lost.length > 0 && done === sent;
  });
  assert.deepEqual(lost, [`127.0.0.1:${port}: nobody listens there`]);
});
