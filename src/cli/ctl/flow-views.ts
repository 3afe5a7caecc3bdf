import { formatTime } from '../../core/quantity.js';
import type { FlowObject, FlowPage, TimeoutTable, TopEntry } from '../../rpc/service.js';
import { safeText } from '../../tui/text.js';
import { durationForPeople, grouped, plural } from '../../tui/units.js';
import { renderTable, type TableColumn } from '../table.js';
import type { ViewStyle } from './action.js';
import { bytesCell, countCell, pairs } from './text.js';

interface FlowColumn extends TableColumn {
  cell(flow: FlowObject): string;
}

/** Members of a record that comes from elsewhere: what is not as it should be counts as absent. */
function textOf(flow: FlowObject, member: string): string {
  const value = flow[member];
  return typeof value === 'string' ? value : '';
}

function numberOf(flow: FlowObject, member: string): number {
  const value = flow[member];
  return typeof value === 'number' ? value : 0;
}

function columns(style: ViewStyle): FlowColumn[] {
  const { names } = style;
  const endpoint = (address: string, port: string) => (flow: FlowObject) =>
    names.endpoint(textOf(flow, address), typeof flow[port] === 'number' ? numberOf(flow, port) : undefined);
  const count = (title: string, member: string): FlowColumn => ({
    title,
    align: 'right',
    cell: (flow) => countCell(numberOf(flow, member), style),
  });
  const bytes = (title: string, member: string): FlowColumn => ({
    title,
    align: 'right',
    cell: (flow) => bytesCell(numberOf(flow, member), style),
  });
  return [
    { title: 'PROTO', align: 'left', cell: (flow) => safeText(textOf(flow, 'proto')) },
    { title: 'SOURCE', align: 'left', shrinkTo: 12, cell: endpoint('src', 'srcPort') },
    { title: 'DESTINATION', align: 'left', shrinkTo: 12, cell: endpoint('dst', 'dstPort') },
    count('PACKETS', 'packets'),
    count('REPLIES', 'reversePackets'),
    bytes('SENT', 'bytes'),
    bytes('RECEIVED', 'reverseBytes'),
    {
      title: 'DURATION',
      align: 'right',
      cell: (flow) => {
        const seconds = numberOf(flow, 'duration');
        return style.units ? durationForPeople(seconds) : String(seconds);
      },
    },
    { title: 'START', align: 'left', cell: (flow) => startText(textOf(flow, 'start'), style) },
  ];
}

function startText(start: string, style: ViewStyle): string {
  return safeText(style.units ? start.slice(11, 19) : start);
}

function flowTable(flows: readonly FlowObject[], style: ViewStyle): string {
  const all = columns(style);
  return renderTable(
    all,
    flows.map((flow) => all.map((column) => column.cell(flow))),
    style,
  );
}

/** A page of flows, and how many there are besides. */
export function flowPageView({ flows, matched, scanned }: FlowPage, style: ViewStyle): string {
  const table = flowTable(flows, style);
  // A program counts the lines itself.
  if (!style.units) return table;
  return `${table}${plural(flows.length, 'flow')} of ${grouped(matched)} that match, ${plural(scanned, 'flow')} in the table\n`;
}

/** Ended flows as they come: a line each, no table, as nobody knows how wide the next one is. */
export function flowLine(flow: FlowObject, style: ViewStyle): string {
  const { names } = style;
  const [, source, destination] = columns(style);
  const packets = numberOf(flow, 'packets') + numberOf(flow, 'reversePackets');
  const bytes = numberOf(flow, 'bytes') + numberOf(flow, 'reverseBytes');
  const parts = [
    textOf(flow, 'end').slice(11, 19),
    names.protocol(textOf(flow, 'proto') || undefined, undefined),
    `${source.cell(flow)} > ${destination.cell(flow)}`,
    style.units ? plural(packets, 'packet') : String(packets),
    bytesCell(bytes, style),
    durationForPeople(numberOf(flow, 'duration')),
    textOf(flow, 'endReason'),
  ];
  return `${safeText(parts.filter((part) => part !== '').join('  '))}\n`;
}

export function topView(key: string, entries: readonly TopEntry[], style: ViewStyle): string {
  return renderTable(
    [
      { title: key.toUpperCase(), align: 'left', shrinkTo: 12 },
      { title: 'FLOWS', align: 'right' },
      { title: 'PACKETS', align: 'right' },
      { title: 'BYTES', align: 'right' },
    ],
    entries.map((entry) => [
      safeText(entry.key),
      countCell(entry.flows, style),
      countCell(entry.packets, style),
      bytesCell(entry.bytes, style),
    ]),
    style,
  );
}

export function timeoutView({ idle, active }: TimeoutTable, style: ViewStyle): string {
  const rows = Object.entries(idle).map(([name, ms]) => [safeText(name), formatTime(ms)]);
  const table = renderTable(
    [
      { title: 'CLASS', align: 'left' },
      { title: 'IDLE', align: 'right' },
    ],
    rows,
    style,
  );
  return `${table}${pairs([['active', active === null ? 'never' : formatTime(active)]])}`;
}
