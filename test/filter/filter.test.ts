import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileFilter } from '../../src/filter/filter.js';
import { Batch } from '../../src/packet/batch.js';
import { Refusal } from '../../src/packet/refusal.js';

const short = (value: number): number[] => [value >> 8, value & 255];

/** Ethernet frame of UDP over IPv4. */
function udp(source: number, destination: number, options: { tags?: number[]; fragment?: number } = {}): number[] {
  const tags = (options.tags ?? []).flatMap((id) => [0x81, 0, ...short(id)]);
  return [
    ...[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1],
    ...tags,
    ...[8, 0, 0x45, 0, 0, 28, 0, 1],
    ...short(options.fragment ?? 0),
    ...[64, 17, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7],
    ...short(source),
    ...short(destination),
    ...[0, 8, 0, 0],
  ];
}

function batchOf(frames: readonly number[][], links: readonly number[] = []): Batch {
  const batch = new Batch();
  const bytes = Uint8Array.from([0xee, ...frames.flat(), 0xee]);
  batch.attach(bytes, new DataView(bytes.buffer));
  let at = 1;
  for (const [i, frame] of frames.entries()) {
    batch.offset[i] = at;
    batch.captured[i] = frame.length;
    batch.wire[i] = frame.length;
    batch.link[i] = links[i] ?? 1;
    at += frame.length;
  }
  batch.count = frames.length;
  return batch;
}

function matching(expression: string, batch: Batch): number[] {
  batch.verdict.fill(0);
  const matched = compileFilter(expression).select(batch, 0, batch.count);
  const indexes = [...batch.verdict.subarray(0, batch.count).keys()].filter((i) => batch.verdict[i] === 0);
  assert.equal(matched, indexes.length);
  return indexes;
}

test('sets the verdict of what does not match, within the range only', () => {
  const batch = batchOf([udp(1000, 53), udp(53, 1000), udp(1, 2), udp(1, 53)]);
  batch.verdict[0] = Refusal.sampledOut;
  assert.equal(compileFilter('dst port 53').select(batch, 1, 3), 0);
  assert.deepEqual(
    [...batch.verdict.subarray(0, 4)],
    [Refusal.sampledOut, Refusal.filteredOut, Refusal.filteredOut, 0],
  );
  batch.verdict.fill(0);
  assert.equal(compileFilter('dst port 53').select(batch, 0, 4), 2);
  assert.deepEqual([...batch.verdict.subarray(0, 4)], [0, Refusal.filteredOut, Refusal.filteredOut, 0]);
});

test('one filter follows link types that change from packet to packet', () => {
  const frame = udp(1000, 53);
  const raw = frame.slice(14);
  const batch = batchOf([frame, raw, frame, [2, 0, 0, 0, ...raw], [0, 0, 0, 2, ...raw]], [1, 101, 1, 0, 0]);
  assert.deepEqual(matching('udp port 53 and host 192.0.2.7', batch), [0, 1, 2, 3, 4]);
  assert.deepEqual(matching('tcp', batch), []);
});

test('link types on which tcpdump finds nothing, or finds it on some systems only', () => {
  const raw = udp(1000, 53).slice(14);
  const ipv6 = [0x60, 0, 0, 0, 0, 0, 59, 64, ...new Array<number>(32).fill(1)];
  const slip = new Array<number>(16).fill(0);
  const pflog = (family: number): number[] => [61, family, ...new Array<number>(62).fill(0)];
  const batch = batchOf(
    [
      [...slip, ...raw],
      [...pflog(2), ...raw],
      [...pflog(24), ...ipv6],
    ],
    [8, 117, 117],
  );
  assert.deepEqual(matching('port 53', batch), [0, 1]);
  assert.deepEqual(matching('ip6', batch), [2]);
});

test('looks at the outermost headers: tags hide what is behind them unless the expression names them', () => {
  const batch = batchOf([udp(1, 53), udp(1, 53, { tags: [5] }), udp(1, 53, { tags: [5, 6] })]);
  assert.deepEqual(matching('port 53', batch), [0]);
  assert.deepEqual(matching('vlan', batch), [1, 2]);
  assert.deepEqual(matching('vlan and port 53', batch), [1]);
  assert.deepEqual(matching('vlan 5 and vlan 6 and port 53', batch), [2]);
  assert.deepEqual(matching('vlan 6', batch), []);
  // All that follows in the expression is moved, also across "or".
  assert.deepEqual(matching('port 53 or (vlan 5 and port 53)', batch), [0, 1]);
  assert.deepEqual(matching('(vlan 5 and port 53) or port 53', batch), [1]);
});

test('ports need the first fragment, protocols do not', () => {
  const batch = batchOf([udp(1, 53), udp(1, 53, { fragment: 0x2000 }), udp(1, 53, { fragment: 185 })]);
  assert.deepEqual(matching('port 53', batch), [0, 1]);
  assert.deepEqual(matching('udp', batch), [0, 1, 2]);
});

test('a frame that ends before what is read does not match, nor does its negation', () => {
  const batch = batchOf([udp(1, 53), udp(1, 53).slice(0, 36), udp(1, 53).slice(0, 10)]);
  assert.deepEqual(matching('port 53', batch), [0]);
  assert.deepEqual(matching('not port 53', batch), []);
  assert.deepEqual(matching('not port 54', batch), [0]);
  assert.deepEqual(matching('ip', batch), [0, 1]);
  assert.deepEqual(matching('less 36', batch), [1, 2]);
});

test('and and or have equal precedence and work from the left; not binds tighter', () => {
  const batch = batchOf([udp(1, 2), udp(3, 4), udp(5, 6)]);
  assert.deepEqual(matching('port 1 or port 3 and port 4', batch), [1]);
  assert.deepEqual(matching('port 1 or (port 3 and port 4)', batch), [0, 1]);
  assert.deepEqual(matching('not port 1 and port 3', batch), [1]);
  assert.deepEqual(matching('not port 1 or port 1', batch), [0, 1, 2]);
  assert.deepEqual(matching('not (port 1 or 3)', batch), [2]);
});

test('a value without a qualifier takes the one before it', () => {
  const batch = batchOf([udp(1, 2), udp(3, 4), udp(5, 6)]);
  assert.deepEqual(matching('src port 1 or 3 or 6', batch), [0, 1]);
  assert.deepEqual(matching('not src port 1 and not 3', batch), [2]);
  assert.deepEqual(matching('port (1 or 5)', batch), [0, 2]);
  assert.deepEqual(matching('src port 1 or (udp and dst port 4) or 5', batch), [0, 1, 2]);
  assert.deepEqual(matching('host 10.0.0.9 or 192.0.2.7 and src port 3', batch), [1]);
});

test('addresses and networks', () => {
  const batch = batchOf([udp(1, 2)]);
  const matches = (expression: string): boolean => matching(expression, batch).length === 1;
  assert.ok(matches('host 10.0.0.1'));
  assert.ok(matches('src 10.0.0.1 and dst 192.0.2.7'));
  assert.ok(!matches('src and dst host 10.0.0.1'));
  assert.ok(matches('net 10'));
  assert.ok(matches('net 192.0'));
  assert.ok(matches('net 192.0.2.0/28'));
  assert.ok(!matches('net 192.0.2.8/29'));
  assert.ok(matches('net 192.0.0.0 mask 255.255.0.0'));
  assert.ok(matches('ether src 2:0:0:0:0:1 and ether dst 0200.0000.0002'));
  assert.ok(!matches('arp host 10.0.0.1'));
  assert.ok(!matches('broadcast or multicast'));
});

test('bytes and arithmetic', () => {
  const batch = batchOf([udp(1, 2)]);
  const matches = (expression: string): boolean => matching(expression, batch).length === 1;
  assert.ok(matches('udp[0:2] = 1 and udp[2:2] = 2 and ip[9] = 17'));
  assert.ok(matches('ip[12:4] = 0x0a000001'));
  assert.ok(matches('len = 42 and ether[12:2] == 0x0800'));
  assert.ok(matches('1 - 2 > 5'), 'unsigned, 32 bits');
  assert.ok(matches('2 + 3 * 4 = 14 and (2 + 3) * 4 = 20 and 1 | 6 & 3 = 3'));
  assert.ok(matches('9 % 5 + 1 = 3'), 'as in libpcap, % takes all that follows');
  assert.ok(matches('len / (ip[8] - 63) = 42'));
  assert.ok(!matches('len / (ip[8] - 64) = 42 or len = 42'), 'division by zero rejects');
  assert.ok(!matches('ip[100] = 0 or len = 42'), 'reading behind the end rejects');
  assert.ok(!matches('tcp[13] = 0') && matches('not tcp[13] = 0'));
});
