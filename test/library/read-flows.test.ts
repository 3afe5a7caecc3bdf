import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createReadStream, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ErrorCode, type FlowRecord, type Progress, RheoError, readFlows, readMembers } from '../../src/index.js';
import { scratch } from '../observe/collect.js';
import { projectRoot } from '../support/shared.js';
import { captureOf, connection, type Packet, Proto } from './packets.js';

const house = path.join(projectRoot, 'samples/house.pcapng');

async function all(flows: AsyncIterable<FlowRecord>): Promise<FlowRecord[]> {
  const records: FlowRecord[] = [];
  for await (const flow of flows) records.push(flow);
  return records;
}

/** Single packets of so many UDP flows, a millisecond apart. */
function singles(count: number, payload: number): Packet[] {
  return Array.from({ length: count }, (_, n) => ({
    at: n,
    src: `10.${(n >> 16) & 0xff}.${(n >> 8) & 0xff}.${n & 0xff}`,
    dst: '192.0.2.1',
    protocol: Proto.udp,
    payload,
  }));
}

function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RheoError, String(error));
    assert.equal(error.code, expected);
    return true;
  };
}

test('records are objects with the members that the design names', async () => {
  const [flow, ...others] = await all(readFlows(captureOf(connection())));
  assert.equal(others.length, 0);
  assert.match(flow.id, /^[0-9a-f]{16}$/);
  assert.equal(flow.start, '2024-01-01T00:00:00.000000000Z');
  assert.equal(flow.end, '2024-01-01T00:00:00.007000000Z');
  assert.equal(flow.duration, 0.007);
  const { src, srcPort, dst, dstPort, proto, packets, bytes, reversePackets, reverseBytes } = flow;
  assert.deepEqual([src, srcPort, dst, dstPort, proto], ['10.0.0.1', 1024, '10.0.0.2', 80, 'tcp']);
  assert.deepEqual([packets, bytes, reversePackets, reverseBytes], [5, 210, 3, 140]);
  assert.deepEqual([flow.tcpFlags, flow.reverseTcpFlags], ['FSPA', 'FSPA']);
});

test('the summary balances, and knows what was read', async () => {
  const flows = readFlows(house);
  const records = await all(flows);
  const summary = await flows.summary;
  assert.ok(summary.balanced, summary.imbalance.join());
  assert.equal(summary.records, records.length);
  assert.equal(summary.interrupted, false);
  assert.equal(summary.bytesRead, readFileSync(house).length);
  assert.equal(
    records.reduce((sum, flow) => sum + Number(flow.packets) + Number(flow.reversePackets), 0),
    summary.decoded,
  );
  assert.deepEqual(
    flows.interfaces.map((one) => [one.name, one.linkType]),
    [['lan', 1]],
  );
  assert.equal(flows.names.get('192.168.7.20'), 'laptop.home');
});

test('a path, bytes, and streams of Node and the Web give the same records', async () => {
  const bytes = readFileSync(house);
  const expected = await all(readFlows(house));
  assert.ok(expected.length > 100);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
  }
  const sources = {
    list: [house],
    bytes: new Uint8Array(bytes),
    gzipped: gzipSync(bytes),
    file: createReadStream(house),
    objects: Readable.from(pieces()),
    web: ReadableStream.from(pieces()) as AsyncIterable<Uint8Array>,
    generator: pieces(),
  };
  for (const [name, source] of Object.entries(sources)) {
    assert.deepEqual(await all(readFlows(source)), expected, name);
  }
});

test('several files are merged by time', async (t) => {
  const file = scratch(t);
  const packets = connection();
  const odd = file('odd.pcap', captureOf(packets.filter((_, n) => n % 2 === 1)));
  const even = file('even.pcap', captureOf(packets.filter((_, n) => n % 2 === 0)));
  assert.deepEqual(await all(readFlows([odd, even])), await all(readFlows(captureOf(packets))));
});

test('standard input is read by -', () => {
  const library = pathToFileURL(path.join(import.meta.dirname, '../../src/index.js')).href;
  const program = `import { readFlows } from ${JSON.stringify(library)};
    let n = 0;
    for await (const flow of readFlows('-')) n++;
    console.log(n);`;
  const args = ['--input-type=module', '-e', program];
  const run = spawnSync(process.execPath, args, { input: readFileSync(house), encoding: 'utf8' });
  assert.equal(run.stderr, '');
  assert.ok(Number(run.stdout) > 100, run.stdout);
});

test('batches hold the same records, read by the members', async () => {
  const expected = await all(readFlows(house, { features: 'all' }));
  const flows = readFlows(house, { features: 'all' });
  const found: Record<string, unknown>[] = [];
  for await (const batch of flows.batches()) {
    for (let index = 0; index < batch.count; index++) found.push(readMembers(batch, index, flows.members));
  }
  assert.deepEqual(found, expected);
});

test('two threads give the records of one', async () => {
  const byId = (a: FlowRecord, b: FlowRecord): number => (a.id < b.id ? -1 : 1);
  const one = (await all(readFlows(house))).sort(byId);
  const flows = readFlows(house, { threads: 2 });
  const two: FlowRecord[] = [];
  for await (const batch of flows.batches()) {
    // Waits, so that batches of both threads stand in line.
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (let n = 0; n < batch.count; n++) two.push(readMembers(batch, n, flows.members) as FlowRecord);
  }
  assert.deepEqual(two.sort(byId), one);
  assert.ok((await flows.summary).balanced);
});

test('options reach the meter: filter, key, features, timeouts, sampling with scaled counters, seed', async () => {
  const filtered = await all(readFlows(house, { filter: 'udp port 53' }));
  assert.ok(filtered.length > 10);
  assert.ok(filtered.every((flow) => flow.proto === 'udp' && (flow.dstPort === 53 || flow.srcPort === 53)));

  const talks = captureOf([...connection(), ...connection({ srcPort: 2000, at: 20 })]);
  assert.equal((await all(readFlows(talks))).length, 2);
  assert.equal((await all(readFlows(talks, { key: { base: 'ip' } }))).length, 1);
  const [byMac] = await all(readFlows(talks, { key: { extra: ['mac'] } }));
  assert.equal(byMac.srcMac, '02:00:00:00:00:01');

  const [measured] = await all(readFlows(talks, { features: ['ttl'] }));
  assert.deepEqual([measured.ttlMin, measured.reverseTtlMax], [64, 64]);

  const apart = captureOf([
    { at: 0, protocol: Proto.udp },
    { at: 900, protocol: Proto.udp },
  ]);
  assert.equal((await all(readFlows(apart, { timeouts: { idle: { single: 500 } } }))).length, 2);

  const steady = captureOf(Array.from({ length: 40 }, (_, n) => ({ at: n, protocol: Proto.udp, payload: 2 })));
  const [sampled] = await all(readFlows(steady, { sampling: { mode: 'count', n: 10, scale: true } }));
  assert.deepEqual([sampled.packets, sampled.bytes], [40, 1200]);
  assert.deepEqual(sampled.sampling, { mode: 'count', n: 10, scaled: true });

  const [plain] = await all(readFlows(steady));
  const [seeded] = await all(readFlows(steady, { communityIdSeed: 7 }));
  assert.notEqual(plain.communityId, seeded.communityId);
});

test('the meter waits for the loop', async () => {
  const bytes = captureOf(singles(12_000, 1000));
  let given = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (; given < bytes.length; given += 65_536) yield bytes.subarray(given, given + 65_536);
  }
  const flows = readFlows(pieces(), { timeouts: { idle: { single: 10 } } });
  let records = 0;
  for await (const batch of flows.batches()) {
    if (records === 0) {
      // Until nothing moves any more.
      for (let quiet = 0, last = given; quiet < 100; quiet = given === last ? quiet + 1 : 0, last = given) {
        await new Promise(setImmediate);
      }
      assert.ok(given < bytes.length, 'all was read while the first batch was in hand');
    }
    records += batch.count;
  }
  assert.equal(records, 12_000);
});

test('leaving the loop closes the file, ends the stream and settles the summary', async () => {
  const flows = readFlows(house);
  for await (const flow of flows) {
    assert.ok(flow);
    assert.ok(process.platform !== 'linux' || openSamples() === 1);
    break;
  }
  assert.equal(openSamples(), 0);
  assert.ok((await flows.summary).balanced);

  const stream = new PassThrough();
  stream.write(captureOf([...connection(), { at: 20_000, srcPort: 9 }, { at: 40_000, srcPort: 10 }]));
  const live = readFlows(stream);
  for await (const flow of live) {
    assert.equal(flow.endReason, 'end');
    break;
  }
  assert.ok(stream.destroyed);
  const summary = await live.summary;
  assert.ok(summary.interrupted);
  assert.ok(summary.balanced);
});

test('what the loop throws comes out of it, and everything is closed', async () => {
  const flows = readFlows(house);
  const loop = async (): Promise<void> => {
    for await (const flow of flows) throw new Error(`enough of ${flow.proto}`);
  };
  await assert.rejects(loop, /enough of tcp/);
  assert.equal(openSamples(), 0);
  await flows.summary;
});

test('a signal ends the reading, and what lives then is handed out', async () => {
  const stream = new PassThrough();
  stream.write(captureOf(connection().slice(0, 4)));
  const abort = new AbortController();
  const onProgress = ({ packets }: Progress): void => {
    if (packets === 4) abort.abort();
  };
  const flows = readFlows(stream, { signal: abort.signal, onProgress });
  const records = await all(flows);
  assert.deepEqual(
    records.map((flow) => [flow.endReason, flow.packets]),
    [['forced', 3]],
  );
  assert.ok((await flows.summary).interrupted);
  assert.ok(stream.destroyed);

  const never = readFlows(house, { signal: AbortSignal.abort() });
  assert.deepEqual(await all(never), []);
  assert.ok((await never.summary).interrupted);
});

test('errors come from the loop and from the summary, with their codes', async () => {
  const missing = readFlows('/no/such.pcap');
  await assert.rejects(all(missing), code(ErrorCode.input));
  await assert.rejects(missing.summary, code(ErrorCode.input));
  await assert.rejects(all(readFlows(new Uint8Array(0))), code(ErrorCode.format));
  await assert.rejects(all(readFlows(Buffer.from('not a capture at all, but long enough'))), code(ErrorCode.format));
  await assert.rejects(all(readFlows([])), code(ErrorCode.usage));
  await assert.rejects(all(readFlows(house, { filter: 'tcp tcp (' })), code(ErrorCode.filter));
  const broken = new PassThrough();
  broken.destroy(new Error('the other side is gone'));
  await assert.rejects(all(readFlows(broken)));
  await assert.rejects(all(readFlows(Readable.from(['text'] as never))), code(ErrorCode.usage));
  await assert.rejects(all(readFlows(createReadStream(house, 'latin1'))), code(ErrorCode.usage));
  await assert.rejects(all(readFlows(42 as never)), code(ErrorCode.usage));
});

test('options that do not fit are refused at once', () => {
  assert.throws(() => readFlows(house, { features: ['nonsense'] }), code(ErrorCode.usage));
  assert.throws(() => readFlows(house, { timeouts: { active: -1 } }), code(ErrorCode.usage));
  assert.throws(() => readFlows(house, { communityIdSeed: 65536 }), code(ErrorCode.usage));
  assert.throws(() => readFlows(house, { sampling: { mode: 'count', n: 1.5, scale: true } }), code(ErrorCode.usage));
  assert.throws(() => readFlows([new Uint8Array(1)] as never), code(ErrorCode.usage));
});

test('a reading is read once', async () => {
  const flows = readFlows(house);
  await all(flows);
  await assert.rejects(all(flows), code(ErrorCode.usage));
  assert.throws(() => flows.batches(), code(ErrorCode.usage));
});

/** How often this process has the sample open. */
function openSamples(): number {
  if (process.platform !== 'linux') return 0;
  const names = readdirSync('/proc/self/fd').map((fd) => {
    // The descriptor that listed the folder is closed by now.
    return readlinkOrNothing(`/proc/self/fd/${fd}`);
  });
  return names.filter((name) => name === house).length;
}

function readlinkOrNothing(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
