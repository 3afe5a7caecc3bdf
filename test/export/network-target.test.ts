import assert from 'node:assert/strict';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import type { NetworkTarget } from '../../src/export/network-target.js';
import { openTarget } from '../../src/export/target.js';
import type { ExportContext, Target } from '../../src/model/target.js';
import { droppedOf, exportContext, manyRecords, until } from '../support/export-context.js';

/** The accounts balance at every moment. */
function balanced(target: Target, received: number): void {
  const { counters } = target;
  assert.equal(counters.received, received);
  assert.equal(counters.sent + droppedOf(counters) + counters.waiting, received, JSON.stringify(counters));
}

/** IPFIX messages of a stream or datagrams: checks lengths and sequence numbers, counts flow records (not those of options). */
class IpfixReader {
  records = 0;
  messages = 0;
  readonly sequenceErrors: string[] = [];
  /** By observation domain and id. */
  readonly #templates = new Map<string, { fields: [number, number][]; options: boolean }>();
  /** Sequence number that comes next, by domain. */
  readonly #next = new Map<number, number>();
  #rest = Buffer.alloc(0);

  stream(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 16) {
      const length = this.#rest.readUInt16BE(2);
      if (this.#rest.length < length) return;
      this.message(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
    }
  }

  message(bytes: Buffer): void {
    assert.equal(bytes.readUInt16BE(0), 10);
    assert.equal(bytes.readUInt16BE(2), bytes.length);
    this.messages++;
    const domain = bytes.readUInt32BE(12);
    const next = this.#next.get(domain) ?? 0;
    if (bytes.readUInt32BE(8) !== next) this.sequenceErrors.push(`${bytes.readUInt32BE(8)} for ${next}`);
    let records = 0;
    for (let at = 16; at < bytes.length; ) {
      const id = bytes.readUInt16BE(at);
      const end = at + bytes.readUInt16BE(at + 2);
      if (id === 2 || id === 3) this.#learn(bytes, at + 4, end, id === 3, domain);
      else records += this.#count(bytes, at + 4, end, `${domain}/${id}`);
      at = end;
    }
    this.#next.set(domain, bytes.readUInt32BE(8) + records);
  }

  #learn(bytes: Buffer, from: number, end: number, options: boolean, domain: number): void {
    for (let at = from; at + 4 <= end; ) {
      const id = bytes.readUInt16BE(at);
      const count = bytes.readUInt16BE(at + 2);
      at += options ? 6 : 4;
      const fields: [number, number][] = [];
      for (let k = 0; k < count; k++) {
        const element = bytes.readUInt16BE(at);
        fields.push([element, bytes.readUInt16BE(at + 2)]);
        at += element >= 0x8000 ? 8 : 4;
      }
      this.#templates.set(`${domain}/${id}`, { fields, options });
    }
  }

  #count(bytes: Buffer, from: number, end: number, id: string): number {
    let records = 0;
    const template = this.#templates.get(id);
    assert.ok(template !== undefined, `template ${id} is not known`);
    const shortest = template.fields.reduce((sum, [, length]) => sum + (length === 65535 ? 1 : length), 0);
    for (let at = from; at + shortest <= end; ) {
      for (const [, length] of template.fields) {
        if (length !== 65535) at += length;
        else if (bytes[at] < 255) at += 1 + bytes[at];
        else at += 3 + bytes.readUInt16BE(at + 1);
      }
      records++;
      if (!template.options) this.records++;
    }
    return records;
  }
}

async function udpCollector(
  onMessage: (bytes: Buffer) => void,
  port = 0,
): Promise<{ port: number; socket: DatagramSocket }> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20 });
  socket.on('message', onMessage);
  await new Promise<void>((resolve) => {
    socket.bind(port, '127.0.0.1', resolve);
  });
  return { port: socket.address().port, socket };
}

async function tcpCollector(onSocket: (socket: Socket) => void, port = 0): Promise<{ port: number; server: Server }> {
  const server = createServer(onSocket);
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  return { port: (server.address() as { port: number }).port, server };
}

async function writeAll(target: Target, batches: number, size: number): Promise<void> {
  for (let k = 0; k < batches; k++) await target.write(manyRecords(size, k * size));
}

const lossless = (changes: Partial<ExportContext> = {}): ExportContext => exportContext({ lossless: true, ...changes });

test('UDP: all records arrive, in whole messages of the size that was asked for', async () => {
  const reader = new IpfixReader();
  let longest = 0;
  const { port, socket } = await udpCollector((bytes) => {
    longest = Math.max(longest, bytes.length);
    reader.message(bytes);
  });
  try {
    const target = await openTarget(`ipfix://127.0.0.1:${port}?mtu=1000`, lossless());
    await writeAll(target, 20, 100);
    await target.close();
    balanced(target, 2000);
    assert.equal(target.counters.sent, 2000);
    await until('all records arrive', () => reader.records === 2000);
    assert.deepEqual(reader.sequenceErrors, []);
    assert.ok(longest <= 952, `${longest} bytes`);
    assert.equal(target.counters.messages, reader.messages);
  } finally {
    socket.close();
  }
});

test('copies go to all hosts, spread records to one each', async () => {
  for (const spread of [false, true]) {
    const readers = [new IpfixReader(), new IpfixReader(), new IpfixReader()];
    const collectors = await Promise.all(readers.map((reader) => udpCollector((bytes) => reader.message(bytes))));
    try {
      const hosts = collectors.map(({ port }) => `127.0.0.1:${port}`).join(',');
      const target = await openTarget(`ipfix://${hosts}${spread ? '?spread' : ''}`, lossless());
      await until('three sessions', () => target.state === 'up');
      await writeAll(target, 30, 100);
      await target.close();
      const sum = (): number => readers.reduce((all, { records }) => all + records, 0);
      await until('all records arrive', () => sum() === (spread ? 3000 : 9000));
      balanced(target, spread ? 3000 : 9000);
      for (const { records, sequenceErrors } of readers) {
        assert.deepEqual(sequenceErrors, []);
        if (spread) assert.ok(records > 300, `${records} of 3000`);
        else assert.equal(records, 3000);
      }
    } finally {
      for (const { socket } of collectors) socket.close();
    }
  }
});

test('TCP: a collector that goes away and comes back gets templates again and sequence numbers from 0', async () => {
  const readers: IpfixReader[] = [];
  const sockets: Socket[] = [];
  const onSocket = (socket: Socket): void => {
    const reader = new IpfixReader();
    readers.push(reader);
    sockets.push(socket);
    socket.on('data', (bytes) => reader.stream(bytes));
    socket.on('error', () => {});
  };
  const first = await tcpCollector(onSocket);
  const context = exportContext();
  const target = await openTarget(`ipfix+tcp://127.0.0.1:${first.port}`, context);
  await until('connected', () => target.state === 'up');
  target.write(manyRecords(500));
  target.tick(0);
  await until('the first records', () => readers[0]?.records === 500);
  first.server.close();
  sockets[0].destroy();
  await until('noticed', () => target.state !== 'up');
  // What comes meanwhile waits.
  target.write(manyRecords(500, 500));
  balanced(target, 1000);
  assert.equal(target.counters.waiting, 500);
  const second = await tcpCollector(onSocket, first.port);
  try {
    await until('connected again', () => target.state === 'up');
    target.tick(0);
    await until('the rest', () => readers[1]?.records === 500);
    await target.close();
    balanced(target, 1000);
    assert.equal(target.counters.sent, 1000);
    assert.ok(target.counters.reconnects >= 1);
    for (const reader of readers) assert.deepEqual(reader.sequenceErrors, []);
    assert.ok(context.logged.some((line) => line.startsWith('warn: export to 127.0.0.1')));
    assert.ok(context.logged.some((line) => line.includes('reached again')));
  } finally {
    second.server.close();
  }
});

test('a dead collector: records wait, then are dropped; another target and the caller feel nothing', async () => {
  const reader = new IpfixReader();
  const { port, socket } = await udpCollector((bytes) => reader.message(bytes));
  const gone = await udpCollector(() => {});
  gone.socket.close();
  try {
    const context = exportContext();
    const dead = await openTarget(`ipfix+tcp://127.0.0.1:${gone.port}?queue=64k`, context);
    const alive = await openTarget(`ipfix://127.0.0.1:${port}`, context);
    await until('alive is up', () => alive.state === 'up');
    for (let k = 0; k < 20; k++) {
      const batch = manyRecords(100, k * 100);
      assert.equal(dead.write(batch), undefined);
      assert.equal(alive.write(batch), undefined);
      balanced(dead, (k + 1) * 100);
      balanced(alive, (k + 1) * 100);
    }
    // 64 KiB of rows of 128 bytes, and the batch that went over.
    assert.ok(dead.counters.waiting >= 500 && dead.counters.waiting <= 700, `${dead.counters.waiting}`);
    assert.equal(dead.counters.dropped.unreachable, 2000 - dead.counters.waiting);
    await until('all arrive', () => {
      alive.tick(0);
      return reader.records === 2000;
    });
    await alive.close();
    await dead.close();
    balanced(dead, 2000);
    assert.equal(dead.counters.dropped.unreachable, 2000);
    assert.equal(dead.counters.sent, 0);
    assert.match(dead.lastError ?? '', /ECONNREFUSED/);
  } finally {
    socket.close();
  }
});

test('a slow collector: what it cannot take is dropped as queueFull, nobody waits', async () => {
  const sockets: Socket[] = [];
  const { port, server } = await tcpCollector((socket) => {
    socket.pause();
    sockets.push(socket);
    socket.on('error', () => {});
  });
  try {
    const target = await openTarget(`ipfix+tcp://127.0.0.1:${port}?queue=64k`, exportContext());
    await until('connected', () => target.state === 'up');
    let received = 0;
    // Socket buffers of both sides fill up first.
    while (target.counters.dropped.queueFull === undefined) {
      assert.ok(received < 2_000_000, 'the buffers never fill up');
      for (let k = 0; k < 50; k++) {
        assert.equal(target.write(manyRecords(1000, received)), undefined);
        received += 1000;
      }
      balanced(target, received);
      await new Promise((resolve) => setImmediate(resolve));
    }
    sockets[0].destroy();
    await target.close();
    balanced(target, received);
    assert.equal(target.counters.waiting, 0);
  } finally {
    server.close();
  }
});

test('lossless: the caller waits for a slow collector and loses nothing', async () => {
  const reader = new IpfixReader();
  const { port, server } = await tcpCollector((socket) => {
    socket.on('data', (bytes) => {
      reader.stream(bytes);
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    });
  });
  try {
    const target = await openTarget(`ipfix+tcp://127.0.0.1:${port}?queue=64k`, lossless());
    let waited = 0;
    for (let k = 0; k < 100; k++) {
      const writing = target.write(manyRecords(1000, k * 1000));
      if (writing !== undefined) waited++;
      await writing;
      balanced(target, (k + 1) * 1000);
    }
    await target.close();
    assert.ok(waited > 0, 'nobody waited');
    assert.equal(target.counters.sent, 100_000);
    await until('all arrive', () => reader.records === 100_000);
    assert.deepEqual(reader.sequenceErrors, []);
  } finally {
    server.close();
  }
});

test('UDP: nobody listens; then somebody does, and gets templates first', async () => {
  const reader = new IpfixReader();
  const { port, socket } = await udpCollector(() => {});
  socket.close();
  const context = exportContext();
  const target = await openTarget(`ipfix://127.0.0.1:${port}`, context);
  let received = 0;
  await until('the refusal', () => {
    target.write(manyRecords(50, received));
    received += 50;
    target.tick(0);
    balanced(target, received);
    return target.state === 'down';
  });
  assert.match(target.lastError ?? '', /nobody listens there/);
  const late = await udpCollector((bytes) => reader.message(bytes), port);
  try {
    await until('up again', () => {
      target.tick(0);
      return target.state === 'up';
    });
    const before = reader.records;
    target.write(manyRecords(100, received));
    received += 100;
    target.tick(0);
    await until('records', () => reader.records >= before + 100);
    await target.close();
    balanced(target, received);
    assert.equal(context.logged.filter((line) => line.startsWith('warn')).length, 1, context.logged.join('\n'));
  } finally {
    late.socket.close();
  }
});

test('IPv6 records in NetFlow v5 are counted as not carried, one each', async () => {
  const { port, socket } = await udpCollector(() => {});
  try {
    const target = await openTarget(`netflow5://127.0.0.1:${port}`, lossless());
    await writeAll(target, 1, 400);
    await target.close();
    balanced(target, 400);
    assert.deepEqual(target.counters.dropped, { notIpv4: 100 });
    assert.equal(target.counters.sent, 300);
  } finally {
    socket.close();
  }
});

test('rate: no more records a second than asked for', async () => {
  const { port, socket } = await udpCollector(() => {});
  try {
    const target = await openTarget(`ipfix://127.0.0.1:${port}?rate=20000`, lossless());
    await until('up', () => target.state === 'up');
    const start = performance.now();
    await writeAll(target, 20, 1000);
    await target.close();
    // 20,000 records less what may go out at once take at least 0.9 s, however slow the machine is.
    assert.ok(performance.now() - start > 900, `${performance.now() - start} ms`);
    assert.equal(target.counters.sent, 20_000);
  } finally {
    socket.close();
  }
});

test('templates are sent again when they are asked for', async () => {
  const templates: number[] = [];
  const { port, socket } = await udpCollector((bytes) => templates.push(bytes.readUInt16BE(16)));
  try {
    const target = (await openTarget(`ipfix://127.0.0.1:${port}`, exportContext())) as NetworkTarget;
    await until('up', () => target.state === 'up');
    target.write(manyRecords(4));
    target.tick();
    await until('records', () => target.counters.sent === 4);
    const before = templates.filter((id) => id === 2).length;
    target.sendTemplates();
    await until('templates', () => templates.filter((id) => id === 2).length > before);
    await target.close();
  } finally {
    socket.close();
  }
});
