import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowTable, type TableOptions } from '../../src/cli/flow-table.js';
import { GroupSink, parseGroupBy } from '../../src/cli/group.js';
import { renderGroups } from '../../src/cli/group-view.js';
import { SummarySink, type SummaryView } from '../../src/cli/histogram.js';
import { ProgressBar, progressText } from '../../src/cli/progress.js';
import { bar, renderSummary } from '../../src/cli/summary-view.js';
import { renderTable } from '../../src/cli/table.js';
import { recordMembers } from '../../src/model/read-record.js';
import { EndReason } from '../../src/model/row.js';
import { NameBook } from '../../src/tui/names.js';
import { pad, safeText, textWidth, truncate } from '../../src/tui/text.js';
import { durationForPeople, grouped, plural, scaled } from '../../src/tui/units.js';
import { collector } from '../support/collector.js';
import { batchOf, DESIGN_RECORD, type TestRecord } from '../support/records.js';

const PIPE: TableOptions = { units: false, width: undefined, color: false, names: new NameBook(true) };
const SCREEN: TableOptions = { units: true, width: 80, color: false, names: new NameBook(true) };

const TRAFFIC: readonly TestRecord[] = [
  DESIGN_RECORD,
  { a: 'fe80::1', b: 'ff02::fb', protocol: 17, portA: 5353, portB: 5353, packets: [2, 0], octets: [300, 0] },
  {
    a: '10.0.0.1',
    b: '10.0.0.2',
    protocol: 1,
    icmp: { type: 8, code: 0 },
    packets: [1, 1],
    octets: [84, 84],
    last: [1704067200, 1_500_000],
  },
];

async function flowTable(options: TableOptions, fields?: string[]): Promise<string> {
  const { output, text } = collector();
  const members = recordMembers([], []);
  const chosen = fields?.map((name) => members.find((field) => field.name === name)!);
  const table = new FlowTable(output, chosen, options);
  table.write(batchOf(TRAFFIC));
  await table.close();
  return text();
}

test('the table on a terminal', async () => {
  assert.equal(
    await flowTable({ ...SCREEN, width: 120 }),
    [
      'PROTO      SOURCE          DESTINATION      PACKETS  REPLIES     SENT  RECEIVED  DURATION  START',
      'tcp        10.0.0.1:51000  192.0.2.7:https       10        8  1.23 kB   43.2 kB    12.5 s  00:00:00',
      'udp        [fe80::1]:mdns  mdns:mdns              2        0    300 B       0 B       0 s  00:00:00',
      'icmp echo  10.0.0.1        10.0.0.2               1        1     84 B      84 B   1.50 ms  00:00:00',
      '',
    ].join('\n'),
  );
});

test('the table in a pipe has plain numbers and whole times', async () => {
  const lines = (await flowTable({ ...PIPE, names: new NameBook(false) })).split('\n');
  assert.match(
    lines[1],
    /^tcp +10\.0\.0\.1:51000 +192\.0\.2\.7:443 +10 +8 +1234 +43210 +12\.498635 +2024-01-01T00:00:00\.001365000Z$/,
  );
  assert.match(lines[3], /^icmp type-8 /);
});

test('a narrow terminal cuts addresses, not numbers, and adds up directions', async () => {
  const long: TestRecord = { ...DESIGN_RECORD, a: '2001:db8:1111:2222:3333:4444:5555:6666', b: 'fe80::1' };
  for (const width of [80, 99, 100, 109, 110, 120]) {
    const { output, text } = collector();
    const table = new FlowTable(output, undefined, { ...SCREEN, width });
    table.write(batchOf([long, ...TRAFFIC]));
    await table.close();
    for (const line of text().split('\n')) assert.ok(textWidth(line) <= width, `${width}: ${line}`);
    assert.match(text(), width < 100 ? /44\.4 kB/ : /43\.2 kB/);
    assert.match(text(), /\[2001:db.*…/);
    assert.equal(text().includes('START'), width >= 110);
  }
});

test('a table of chosen fields', async () => {
  assert.equal(
    await flowTable(PIPE, ['dst', 'bytes', 'icmp']),
    [
      'dst        bytes  icmp',
      '192.0.2.7   1234  ',
      'mdns         300  ',
      '10.0.0.2      84  {"type":8,"code":0}',
      '',
    ].join('\n'),
  );
});

test('names of the capture go before well-known ones, and cannot steer the terminal', () => {
  const names = new NameBook(true);
  names.learn(new Map([['192.0.2.7', 'www.example.org']]));
  names.learn(new Map([['192.0.2.8', 'evil\u001b[2Jname\u202e']]));
  assert.equal(names.endpoint('192.0.2.7', 443), 'www.example.org:https');
  assert.equal(names.address('192.0.2.8'), 'evil?[2Jname?');
  assert.equal(names.endpoint('2001:db8::1', 51000), '[2001:db8::1]:51000');
  assert.equal(names.protocol('ipv6-icmp', { type: 135 }), 'icmp6 neighbor-solicit');
  assert.equal(names.protocol('icmp', { type: 200 }), 'icmp type-200');
  const none = new NameBook(false);
  none.learn(new Map([['192.0.2.7', 'www.example.org']]));
  assert.equal(none.endpoint('192.0.2.7', 443), '192.0.2.7:443');
});

test('text is measured and cut by columns, not by code units', () => {
  assert.equal(textWidth('abc'), 3);
  assert.equal(textWidth('é'), 1);
  assert.equal(textWidth('e\u0301'), 1);
  assert.equal(textWidth('日本'), 4);
  assert.equal(textWidth('👩‍👩‍👧'), 2);
  assert.equal(truncate('abcdef', 6), 'abcdef');
  assert.equal(truncate('abcdef', 4), 'abc…');
  assert.equal(truncate('日本語', 4), '日…');
  assert.equal(truncate('👩‍👩‍👧x', 2), '…');
  assert.equal(truncate('abc', 0), '');
  assert.equal(pad('日', 4, true), '  日');
  assert.equal(safeText('a\u0000\u009b\u2066b\n'), 'a???b?');
});

test('columns are aligned, titles in bold where colours are wanted', () => {
  const columns = [
    { title: 'A', align: 'left' as const },
    { title: 'B', align: 'right' as const },
  ];
  assert.equal(
    renderTable(
      columns,
      [
        ['日本', '1'],
        ['x', '100'],
      ],
      PIPE,
    ),
    'A       B\n日本    1\nx     100\n',
  );
  assert.ok(renderTable(columns, [], { ...PIPE, color: true }).startsWith('\u001b[1mA  B\u001b[0m\n'));
});

test('units for people', () => {
  const sizes: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [9994, '9.99 kB'],
    [9996, '10.0 kB'],
    [99_960, '100 kB'],
    [999_400, '999 kB'],
    [999_600, '1.00 MB'],
    [1.5e18, '1.50 EB'],
  ];
  for (const [value, text] of sizes) assert.equal(scaled(value, 'B'), text);
  assert.equal(scaled(5, ''), '5');
  const times: [number, string][] = [
    [0, '0 s'],
    [5e-9, '5 ns'],
    [1.5e-6, '1.50 µs'],
    [0.0123, '12.3 ms'],
    [1, '1.00 s'],
    [99.9, '99.9 s'],
    [200, '3m 20s'],
    [7500, '2h 05m'],
    [273_600, '3d 04h'],
  ];
  for (const [value, text] of times) assert.equal(durationForPeople(value), text);
  assert.equal(grouped(1234567), '1,234,567');
  assert.equal(grouped(2n ** 64n), '18,446,744,073,709,551,616');
  assert.equal(plural(1, 'flow'), '1 flow');
  assert.equal(plural(1000, 'flow'), '1,000 flows');
});

async function summaryOf(records: readonly TestRecord[]): Promise<SummaryView> {
  let view: SummaryView | undefined;
  const sink = new SummarySink((done) => {
    view = done;
  });
  sink.write(batchOf(records));
  await sink.close();
  return view!;
}

test('histograms: each flow in one bucket, limits belong to the upper one', async () => {
  const flow = (bytes: number, packets: number, seconds: number, reason: number): TestRecord => ({
    a: '10.0.0.1',
    b: '10.0.0.2',
    protocol: 17,
    portA: 1,
    portB: 2,
    octets: [bytes, 0],
    packets: [packets, 0],
    last: [1704067200 + seconds, 0],
    reason,
  });
  const view = await summaryOf([
    flow(99, 1, 0, EndReason.idle),
    flow(100, 2, 1, EndReason.idle),
    flow(299, 3, 2, EndReason.end),
    flow(1000, 9, 3, EndReason.end),
    flow(1001, 10, 9, EndReason.end),
  ]);
  assert.deepEqual(
    view.sizes.map((b) => [b.from, b.to, b.flows]),
    [
      [0, 100, 1],
      [100, 300, 2],
      [300, 1000, 0],
      [1000, 3000, 2],
    ],
  );
  assert.deepEqual(
    view.packetsPerFlow.map((b) => [b.from, b.to, b.flows]),
    [
      [1, 2, 1],
      [2, 3, 1],
      [3, 10, 2],
      [10, 30, 1],
    ],
  );
  assert.deepEqual(
    view.endReasons.map((b) => [b.name, b.flows, b.bytes]),
    [
      ['end', 3, 2300],
      ['idle', 2, 199],
    ],
  );
  assert.deepEqual(
    view.protocols.map((b) => [b.name, b.flows, b.packets]),
    [['udp', 5, 25]],
  );
  assert.equal(
    view.durations.reduce((sum, b) => sum + b.flows, 0),
    5,
  );
  assert.deepEqual([view.flows, view.packets, view.bytes], [5, 25, 2499 + 0]);
  const none = await summaryOf([]);
  assert.deepEqual([none.flows, none.sizes], [0, []]);
});

test('a summary as JSON, as CSV, on a terminal', async () => {
  const view = await summaryOf(TRAFFIC);
  assert.deepEqual(JSON.parse(renderSummary(view, 'json', PIPE)), JSON.parse(JSON.stringify(view)));
  assert.match(renderSummary(view, 'csv', PIPE), /\r\nprotocols,,,tcp,1,18,44444\r\n/);
  const screen = renderSummary(view, 'table', SCREEN);
  assert.match(screen, /^BYTES PER FLOW/);
  assert.match(screen, /100 B – 300 B +1 +2 +168 B +█/);
  assert.ok(!renderSummary(view, 'table', PIPE).includes('█'));
  assert.equal(bar(0, 10), '');
  assert.equal(bar(1, 1_000_000), '▏');
  assert.equal(bar(10, 10), '█'.repeat(24));
});

test('groups as JSON, as CSV, as a table', async () => {
  const by = parseGroupBy('address');
  let table = '';
  let json = '';
  let csv = '';
  const sink = new GroupSink(by, (done) => {
    const groups = done.result('bytes', 2);
    table = renderGroups(by, groups, 'table', SCREEN);
    json = renderGroups(by, groups, 'json', SCREEN);
    csv = renderGroups(by, groups, 'csv', SCREEN);
  });
  sink.write(batchOf(TRAFFIC));
  await sink.close();
  const lines = table.split('\n');
  assert.match(lines[0], /^ADDRESS +FLOWS +PACKETS +BYTES +SENT +RECEIVED +SHARE$/);
  assert.match(lines[1], /^10\.0\.0\.1 +2 +20 +44\.6 kB +1\.32 kB +43\.3 kB +49\.7%$/);
  assert.match(lines[3], /^\(other: 3\) +3 /);
  const objects = json
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(objects[0].address, '10.0.0.1');
  assert.deepEqual([objects[2].other, objects[2].groups, objects[2].flows], [true, 3, 3]);
  assert.match(csv, /\r\n\(other\),3,/);
});

test('progress appears after a second, with the time left', () => {
  let now = 0;
  const written: string[] = [];
  const progress = new ProgressBar(
    (part) => {
      written.push(part);
    },
    () => now,
  );
  const state = { packets: 1_000_000, bytesRead: 25, totalBytes: 100, flows: 1000 };
  now = 999;
  progress.update(state);
  progress.clear();
  assert.deepEqual(written, []);
  now = 2000;
  progress.update(state);
  assert.equal(
    written.join(''),
    '\r\u001b[K██████░░░░░░░░░░░░░░░░░░ 25%  1.00 Mpackets, 1.00 kflows, 500 kpackets/s, 6.00 s left',
  );
  now = 2100;
  progress.update(state);
  assert.equal(written.length, 1);
  progress.clear();
  assert.deepEqual(written.slice(1), ['\r\u001b[K']);
  assert.ok(!progressText({ ...state, totalBytes: undefined }, 2).includes('%'));
});
