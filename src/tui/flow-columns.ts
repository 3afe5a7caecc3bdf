import type { FlowObject } from '../rpc/service.js';
import { alignedNumber } from './aligned.js';
import type { NameBook } from './names.js';
import type { Paint } from './paint.js';
import type { RatedFlow } from './rates.js';
import { sparkline } from './sparkline.js';
import { pad, safeText, textWidth, truncate } from './text.js';
import { durationForPeople } from './units.js';

export const GAP = '  ';
/** Columns left free at both sides of the screen. */
export const MARGIN = ' ';

interface Column {
  readonly title: string;
  readonly width: number;
  readonly right: boolean;
  cell(row: RatedFlow, width: number): string;
  /** Style of the cells of flows that move. */
  readonly style?: 'graph' | 'bold';
}

/** Widths of a screen from which on a column is shown. */
const WITH_PROTOCOL = 60;
const WITH_TREND = 72;
const WITH_DIRECTIONS = 112;
const WITH_AGE = 130;
const MOST_ENDPOINT = 48;
const MOST_TREND = 24;

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? safeText(value) : undefined;
}

/** `icmp6` rather than IANA's `ipv6-icmp`. */
export function protocolText(flow: FlowObject): string {
  const proto = text(flow.proto) ?? 'any';
  return proto === 'ipv6-icmp' ? 'icmp6' : proto;
}

/** Name of an end of the flow, and what comes behind it and is not to be cut: the port, or the kind of ICMP message. */
function endpointParts(flow: FlowObject, responder: boolean, names: NameBook): [name: string, tail: string] {
  const address = text(responder ? flow.dst : flow.src) ?? '?';
  const port = responder ? flow.dstPort : flow.srcPort;
  const name = names.address(address);
  if (typeof port === 'number') {
    return [name.includes(':') ? `[${name}]` : name, `:${names.port(port)}`];
  }
  const icmp = flow.icmp as { type?: unknown } | undefined;
  if (!responder || typeof icmp?.type !== 'number') return [name, ''];
  const [, kind] = names.protocol(String(flow.proto), { type: icmp.type }).split(' ');
  return [name, ` ${kind}`];
}

export function endpointName(flow: FlowObject, responder: boolean, names: NameBook): string {
  return endpointParts(flow, responder, names).join('');
}

/** Columns from which on the port of the initiator is shown: it is seldom what somebody wants to know. */
const WITH_SOURCE_PORT = 30;

/** The same in `width` columns: the name is cut before the port is. */
export function fitEndpoint(flow: FlowObject, responder: boolean, names: NameBook, width: number): string {
  const [name, port] = endpointParts(flow, responder, names);
  const tail = responder || width >= WITH_SOURCE_PORT ? port : '';
  const left = width - textWidth(tail);
  if (textWidth(name) <= left) return name + tail;
  if (left < 6) return truncate(name + tail, width);
  return (name.endsWith(']') ? `${truncate(name, left - 1)}]` : truncate(name, left)) + tail;
}

function bits(bytesPerSecond: number): string {
  return alignedNumber(Math.round(bytesPerSecond * 8), '');
}

/** Columns of the table of flows for a screen of this width. Their widths depend on nothing else, so that nothing jumps. */
export function flowColumns(screen: number, names: NameBook): Column[] {
  const rate = (title: string, value: (row: RatedFlow) => number, style: 'bold' | undefined): Column => ({
    title,
    width: 8,
    right: true,
    cell: (row) => bits(value(row)),
    ...(style === undefined ? {} : { style }),
  });
  const behind: Column[] = [];
  if (screen >= WITH_DIRECTIONS) {
    behind.push(
      rate('→ BIT/S', (row) => row.sentRate, undefined),
      rate('← BIT/S', (row) => row.receivedRate, undefined),
      { title: 'PKT/S', width: 7, right: true, cell: (row) => alignedNumber(Math.round(row.packetRate), '') },
    );
  } else {
    behind.push(rate('BIT/S', (row) => row.sentRate + row.receivedRate, undefined));
  }
  if (screen >= WITH_TREND) {
    behind.push({
      title: 'TREND',
      width: 8,
      right: false,
      style: 'graph',
      cell: (row, width) => sparkline(row.history, width),
    });
  }
  if (screen >= WITH_PROTOCOL) {
    behind.push({ title: 'TOTAL', width: 7, right: true, cell: (row) => alignedNumber(row.bytes, 'B') });
  }
  if (screen >= WITH_AGE) {
    behind.push({
      title: 'DURATION',
      width: 8,
      right: true,
      cell: ({ flow }) => (typeof flow.duration === 'number' ? durationForPeople(flow.duration) : ''),
    });
  }
  const front: Column[] =
    screen >= WITH_PROTOCOL ? [{ title: 'PROTO', width: 5, right: false, cell: ({ flow }) => protocolText(flow) }] : [];
  let rest = screen - 2 * MARGIN.length;
  for (const { width } of [...front, ...behind]) rest -= width + GAP.length;
  rest -= GAP.length;
  const source = Math.max(4, Math.min(MOST_ENDPOINT, Math.floor(rest / 2)));
  const destination = Math.max(4, Math.min(MOST_ENDPOINT, rest - source));
  const spare = rest - source - destination;
  const trend = behind.findIndex(({ title }) => title === 'TREND');
  if (spare > 0 && trend >= 0) {
    behind[trend] = { ...behind[trend], width: Math.min(MOST_TREND, behind[trend].width + spare) };
  }
  const end = (title: string, width: number, responder: boolean): Column => ({
    title,
    width,
    right: false,
    cell: ({ flow }, columns) => fitEndpoint(flow, responder, names, columns),
  });
  return [...front, end('SOURCE', source, false), end('DESTINATION', destination, true), ...behind];
}

export function headerLine(columns: readonly Column[], style: Paint): string {
  const cells = columns.map(({ title, width, right }) => pad(truncate(title, width), width, right));
  return MARGIN + style.bold(cells.join(GAP).trimEnd());
}

export function flowLine(columns: readonly Column[], row: RatedFlow, style: Paint): string {
  const quiet = row.sentRate + row.receivedRate === 0;
  const cells = columns.map((column) => {
    const cell = pad(truncate(column.cell(row, column.width), column.width), column.width, column.right);
    return quiet || column.style === undefined ? cell : style[column.style](cell);
  });
  const line = cells.join(GAP).trimEnd();
  return MARGIN + (quiet ? style.dim(line) : line);
}
