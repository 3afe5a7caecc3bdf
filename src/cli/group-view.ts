import { csvValue, jsonText } from '../export/value-text.js';
import { grouped, scaled } from '../tui/units.js';
import type { TableOptions } from './flow-table.js';
import { GROUP_MEMBERS, type Group, type GroupBy, type Groups } from './group.js';
import { renderTable, type TableColumn } from './table.js';

export type ViewFormat = 'table' | 'json' | 'csv';

const SUM_MEMBERS = [
  'flows',
  'packets',
  'bytes',
  'packetsSent',
  'packetsReceived',
  'bytesSent',
  'bytesReceived',
] as const;

/** JSON has `other: true` in the row that adds up the groups that are not shown; CSV and table have "(other)" as its key. */
export function renderGroups(by: GroupBy, groups: Groups, format: ViewFormat, options: TableOptions): string {
  if (format === 'json') return groupsAsJson(by, groups);
  if (format === 'csv') return groupsAsCsv(by, groups);
  return groupsAsTable(by, groups, options);
}

function groupsAsJson(by: GroupBy, groups: Groups): string {
  const members = GROUP_MEMBERS[by.key];
  const sums = (group: Group): [string, number][] => SUM_MEMBERS.map((name) => [name, group[name]]);
  let text = '';
  for (const group of groups.shown) {
    text += `${jsonText(Object.fromEntries([...members.map((name, k) => [name, group.key[k]]), ...sums(group)]))}\n`;
  }
  const { other, otherCount } = groups;
  if (other !== undefined) {
    text += `${jsonText({ other: true, groups: otherCount, ...Object.fromEntries(sums(other)) })}\n`;
  }
  return text;
}

function groupsAsCsv(by: GroupBy, groups: Groups): string {
  const members = GROUP_MEMBERS[by.key];
  const line = (cells: readonly unknown[]): string => `${cells.map(csvValue).join(',')}\r\n`;
  let text = line([...members, ...SUM_MEMBERS]);
  for (const group of groups.shown) text += line([...group.key, ...SUM_MEMBERS.map((name) => group[name])]);
  const { other } = groups;
  if (other !== undefined) {
    text += line([...members.map((_, k) => (k === 0 ? '(other)' : '')), ...SUM_MEMBERS.map((name) => other[name])]);
  }
  return text;
}

function keyCell(by: GroupBy, group: Group, options: TableOptions): string {
  const { names } = options;
  const [first, second] = group.key;
  switch (by.key) {
    case 'port': {
      const proto = first ?? 'any';
      if (second === undefined) return String(proto);
      const name = names.port(Number(second));
      return name === String(second) ? `${proto}/${second}` : `${proto}/${second} ${name}`;
    }
    case 'protocol':
      return String(first ?? 'any');
    case 'conversation':
      return `${names.address(String(first))} ↔ ${names.address(String(second))}`;
    case 'prefix':
      return String(first);
    case 'as':
      return first === undefined ? 'unknown' : `AS${first}`;
    default:
      return names.address(String(first));
  }
}

function groupsAsTable(by: GroupBy, groups: Groups, options: TableOptions): string {
  const columns: TableColumn[] = [
    { title: by.key.toUpperCase(), align: 'left', shrinkTo: 16 },
    { title: 'FLOWS', align: 'right' },
    { title: 'PACKETS', align: 'right' },
    { title: 'BYTES', align: 'right' },
    { title: 'SENT', align: 'right' },
    { title: 'RECEIVED', align: 'right' },
    { title: 'SHARE', align: 'right' },
  ];
  const all = groups.other === undefined ? groups.shown : [...groups.shown, groups.other];
  const total = all.reduce((sum, group) => sum + group.bytes, 0);
  const count = (value: number): string => (options.units ? scaled(value, '') : String(value));
  const bytes = (value: number): string => (options.units ? scaled(value, 'B') : String(value));
  const row = (key: string, group: Group): string[] => [
    key,
    count(group.flows),
    count(group.packets),
    bytes(group.bytes),
    bytes(group.bytesSent),
    bytes(group.bytesReceived),
    `${total === 0 ? '0.0' : ((group.bytes / total) * 100).toFixed(1)}%`,
  ];
  const rows = groups.shown.map((group) => row(keyCell(by, group, options), group));
  if (groups.other !== undefined) {
    const more = groups.otherCount === undefined ? '(other)' : `(other: ${grouped(groups.otherCount)})`;
    rows.push(row(more, groups.other));
  }
  return renderTable(columns, rows, options);
}
