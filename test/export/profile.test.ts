import assert from 'node:assert/strict';
import { test } from 'node:test';
import { profileWriter } from '../../src/export/profile/index.js';
import { recordMembers } from '../../src/model/read-record.js';
import { collector } from '../support/collector.js';
import { exportContext } from '../support/export-context.js';
import { batchOf, DESIGN_RECORD, type TestRecord } from '../support/records.js';

function linesOf(profile: string, records: readonly TestRecord[]): string[] {
  const { output, text } = collector();
  const writer = profileWriter('file:x', profile, recordMembers([], []), exportContext())(output);
  void writer.write(batchOf(records));
  return text().trimEnd().split('\n');
}

const PING: TestRecord = { a: 'fe80::1', b: 'fe80::2', protocol: 58, icmp: { type: 128, code: 0 }, packets: [2, 2] };

test('Suricata EVE', () => {
  const [line] = linesOf('eve', [DESIGN_RECORD]);
  const event = JSON.parse(line);
  assert.equal(event.timestamp, '2024-01-01T00:00:12.500000+0000');
  assert.equal(event.event_type, 'flow');
  assert.ok(Number.isSafeInteger(event.flow_id));
  assert.deepEqual(
    [event.src_ip, event.src_port, event.dest_ip, event.dest_port, event.proto],
    ['10.0.0.1', 51000, '192.0.2.7', 443, 'TCP'],
  );
  assert.deepEqual(event.flow, {
    pkts_toserver: 10,
    pkts_toclient: 8,
    bytes_toserver: 1234,
    bytes_toclient: 43210,
    start: '2024-01-01T00:00:00.001365+0000',
    end: '2024-01-01T00:00:12.500000+0000',
    age: 12,
    state: 'closed',
    reason: 'timeout',
    alerted: false,
  });
  assert.equal(event.tcp.tcp_flags_ts, '1b');
  assert.equal(event.tcp.syn, true);
  assert.equal(JSON.parse(linesOf('eve', [PING])[0]).icmp_type, 128);
});

test('Zeek, as JSON and with tabs', () => {
  const json = JSON.parse(linesOf('zeek', [DESIGN_RECORD])[0]);
  assert.equal(json.ts, 1704067200.001365);
  assert.equal(json.duration, 12.498635);
  assert.equal(json['id.resp_p'], 443);
  assert.equal(json.conn_state, 'SF');
  assert.equal(json.orig_ip_bytes, 1234);
  assert.ok(!('service' in json));
  const lines = linesOf('zeek-tsv', [DESIGN_RECORD, PING]);
  const names =
    lines
      .find((line) => line.startsWith('#fields'))
      ?.split('\t')
      .slice(1) ?? [];
  const types =
    lines
      .find((line) => line.startsWith('#types'))
      ?.split('\t')
      .slice(1) ?? [];
  assert.equal(names.length, types.length);
  const rows = lines.filter((line) => !line.startsWith('#')).map((line) => line.split('\t'));
  assert.deepEqual(
    rows.map((row) => row.length),
    [names.length, names.length],
  );
  const cell = (row: number, name: string): string => rows[row][names.indexOf(name)];
  assert.equal(cell(0, 'ts'), '1704067200.001365');
  assert.equal(cell(0, 'service'), '-');
  assert.deepEqual(
    [cell(1, 'proto'), cell(1, 'id.orig_p'), cell(1, 'id.resp_p'), cell(1, 'conn_state')],
    ['icmp', '128', '0', 'OTH'],
  );
  assert.equal(cell(1, 'duration'), '-');
});

test('Zeek: states of TCP connections from who sent what', () => {
  const state = (flagsA: number, flagsB: number, answered = true): string =>
    JSON.parse(linesOf('zeek', [{ ...DESIGN_RECORD, flagsA, flagsB, packets: [3, answered ? 2 : 0] }])[0]).conn_state;
  assert.equal(state(0x02, 0, false), 'S0');
  assert.equal(state(0x12, 0x12), 'S1');
  assert.equal(state(0x13, 0x12), 'S2');
  assert.equal(state(0x12, 0x13), 'S3');
  assert.equal(state(0x13, 0x13), 'SF');
  assert.equal(state(0x02, 0x14), 'REJ');
  assert.equal(state(0x16, 0x12), 'RSTO');
  assert.equal(state(0x12, 0x16), 'RSTR');
  assert.equal(state(0x10, 0x10), 'OTH');
});

test('Elastic Common Schema', () => {
  const event = JSON.parse(linesOf('ecs', [DESIGN_RECORD])[0]);
  assert.equal(event['@timestamp'], '2024-01-01T00:00:12.500000000Z');
  assert.equal(event.event.duration, 12_498_635_000);
  assert.deepEqual(event.event.type, ['connection', 'end']);
  assert.deepEqual(event.source, { ip: '10.0.0.1', address: '10.0.0.1', port: 51000, bytes: 1234, packets: 10 });
  assert.equal(event.network.bytes, 44_444);
  assert.equal(event.network.packets, 18);
  assert.equal(event.network.iana_number, '6');
});

test('goflow2: a line for each direction that has packets', () => {
  const [there, back] = linesOf('goflow2', [DESIGN_RECORD]).map((line) => JSON.parse(line));
  assert.deepEqual(
    [there.src_addr, there.dst_port, there.bytes, there.packets, there.etype, there.proto],
    ['10.0.0.1', 443, 1234, 10, 'IPv4', 'TCP'],
  );
  assert.deepEqual(
    [back.src_addr, back.src_port, back.bytes, back.packets, back.tcp_flags],
    ['192.0.2.7', 443, 43210, 8, 0x1b],
  );
  assert.match(linesOf('goflow2', [DESIGN_RECORD])[0], /"time_flow_start_ns":1704067200001365000,/);
  assert.equal(linesOf('goflow2', [{ ...DESIGN_RECORD, packets: [1, 0] }]).length, 1);
});

test('a profile that there is not', () => {
  assert.throws(() => linesOf('suricata', []), /no profile 'suricata'/);
});
