import type { LiveInterface } from '../../model/live-source.js';
import type { Health, Loss, MinMeanMax, Statistics, TargetStatus } from '../../rpc/service.js';
import { safeText } from '../../tui/text.js';
import { durationForPeople } from '../../tui/units.js';
import { countList, refusalList } from '../footer.js';
import { renderTable, type TableColumn } from '../table.js';
import type { ViewStyle } from './action.js';
import { bytesCell, countCell, countText, pairs } from './text.js';

function sum(counters: Readonly<Record<string, number>>): number {
  return Object.values(counters).reduce((all, count) => all + count, 0);
}

/** ` (7 not IP, 3 cut IP header)`, or nothing. */
function reasons(list: string): string {
  return list === '' ? '' : ` (${safeText(list)})`;
}

function duration(ms: number, style: ViewStyle): string {
  return style.units ? durationForPeople(ms / 1000) : `${ms} ms`;
}

export function statisticsView(statistics: Statistics, style: ViewStyle): string {
  const { expired, flows, protocols } = statistics;
  const count = (value: number): string => countText(value, style);
  const bytes = (value: number): string => bytesCell(value, style);
  const lines: [string, string][] = [
    ['active flows', `${count(statistics.activeFlows)}, at one time at the most ${count(flows.peak)}`],
    ['packets', `${count(statistics.packets)}, ${bytes(statistics.wireBytes)} on the wire`],
    ['metered', `${count(statistics.decoded)}, ${bytes(statistics.octets)} of IP`],
    ['not metered', `${count(sum(statistics.refused))}${reasons(refusalList(statistics.refused))}`],
    ['dropped before', count(statistics.dropped)],
    ['flows opened', count(flows.opened)],
    ['flows ended', `${count(sum(flows.ended))}${reasons(countList(flows.ended))}`],
    ['records', count(statistics.records)],
    ['running for', durationForPeople(statistics.elapsed)],
  ];
  const cells = (name: string, { min, mean, max }: MinMeanMax, text: (value: number) => string): string[] => [
    name,
    text(min),
    text(mean),
    text(max),
  ];
  const sizes = renderTable(
    [
      { title: 'ENDED FLOWS', align: 'left' },
      { title: 'MINIMUM', align: 'right' },
      { title: 'MEAN', align: 'right' },
      { title: 'MAXIMUM', align: 'right' },
    ],
    [
      cells('bytes', expired.bytes, bytes),
      cells('packets', expired.packets, (value) => countCell(value, style)),
      cells('duration', expired.durationMs, (value) => duration(value, style)),
    ],
    style,
  );
  const byProtocol = renderTable(
    [
      { title: 'PROTO', align: 'left' },
      { title: 'FLOWS', align: 'right' },
      { title: 'PACKETS', align: 'right' },
      { title: 'BYTES', align: 'right' },
      { title: 'MEAN AGE', align: 'right' },
      { title: 'MAXIMUM', align: 'right' },
    ],
    protocols.map((protocol) => [
      safeText(protocol.proto),
      countCell(protocol.flows, style),
      countCell(protocol.packets, style),
      bytes(protocol.bytes),
      duration(protocol.meanDurationMs, style),
      duration(protocol.maxDurationMs, style),
    ]),
    style,
  );
  return `${pairs(lines)}\n${sizes}\n${byProtocol}`;
}

/** `1,000 = 990 metered + 10 not (7 not IP …)`: each account as the sum that it must be. */
export function lossView(loss: Loss, style: ViewStyle): string {
  const count = (value: number): string => countText(value, style);
  const { flows } = loss;
  const kernel = loss.interfaces.reduce((all, entry) => all + entry.kernel, 0);
  const waiting = loss.interfaces.reduce((all, entry) => all + entry.waiting, 0);
  const ring = loss.interfaces.reduce((all, entry) => all + entry.dropped, 0);
  const lines: [string, string][] = [
    [
      'kernel',
      `${count(kernel)} = ${count(kernel - ring - waiting)} handed out + ${count(ring)} dropped in the ring + ${count(waiting)} waiting`,
    ],
    [
      'packets',
      `${count(loss.packets)} = ${count(loss.decoded)} metered + ${count(sum(loss.refused))} not${reasons(refusalList(loss.refused))}`,
    ],
    [
      'flows',
      `${count(flows.opened)} opened = ${count(flows.live)} live + ${count(sum(flows.ended))} ended${reasons(countList(flows.ended))}`,
    ],
    [
      'records',
      `${count(loss.records)} handed on, ${count(loss.recordsWaiting)} on their way, ${count(loss.recordsDropped)} dropped, ${count(loss.recordsLost)} lost with a thread`,
    ],
    ...loss.targets.map((target): [string, string] => [
      'target',
      `${safeText(target.url)}: ${targetSum(target, style)}`,
    ]),
  ];
  if (loss.subscribersDropped > 0) lines.push(['slow readers', `${count(loss.subscribersDropped)} records dropped`]);
  for (const sentence of loss.imbalance) lines.push(['wrong', safeText(sentence)]);
  for (const warning of loss.warnings) lines.push(['warning', safeText(warning)]);
  const threads = renderTable(
    ['SHARD', 'PACKETS', 'METERED', 'OPENED', 'LIVE', 'RECORDS'].map(
      (title): TableColumn => ({ title, align: 'right' }),
    ),
    loss.threads.map((thread) =>
      [thread.shard, thread.packets, thread.decoded, thread.opened, thread.live, thread.records].map(count),
    ),
    style,
  );
  const balance = loss.balanced ? 'The accounts balance.' : 'THE ACCOUNTS DO NOT BALANCE.';
  return `${pairs(lines)}\n${interfaceView(loss.interfaces, style)}\n${threads}\n${safeText(loss.verdict)} ${balance}\n`;
}

function targetSum(target: TargetStatus, style: ViewStyle): string {
  const count = (value: number): string => countText(value, style);
  const dropped = `${count(sum(target.dropped))} dropped${reasons(countList(target.dropped))}`;
  return `${count(target.received)} = ${count(target.sent)} sent + ${dropped} + ${count(target.waiting)} waiting`;
}

export function interfaceView(interfaces: readonly LiveInterface[], style: ViewStyle): string {
  const columns: TableColumn[] = [
    { title: 'INTERFACE', align: 'left' },
    { title: 'STATE', align: 'left' },
    ...['KERNEL', 'PACKETS', 'IN', 'OUT', 'BYTES', 'DROPPED', 'WAITING', 'DUPLICATES'].map(
      (title): TableColumn => ({ title, align: 'right' }),
    ),
    { title: 'SAMPLED', align: 'left' },
  ];
  const rows = interfaces.map((entry) => [
    safeText(entry.name),
    safeText(entry.lastError === undefined ? entry.state : `${entry.state}: ${entry.lastError}`),
    countCell(entry.kernel, style),
    countCell(entry.packets, style),
    countCell(entry.received, style),
    countCell(entry.transmitted, style),
    bytesCell(entry.bytes, style),
    countCell(entry.dropped, style),
    countCell(entry.waiting, style),
    countCell(entry.duplicates, style),
    entry.sampledOneIn > 1 ? `1 in ${entry.sampledOneIn}` : 'no',
  ]);
  return renderTable(columns, rows, style);
}

export function healthView(health: Health, style: ViewStyle): string {
  const head = pairs([
    ['status', safeText(health.status)],
    ...health.reasons.map((reason): [string, string] => ['because', safeText(reason)]),
    ['running for', durationForPeople(health.uptimeSeconds)],
  ]);
  const threads = renderTable(
    [
      { title: 'SHARD', align: 'right' },
      { title: 'STATE', align: 'left' },
      { title: 'RESTARTS', align: 'right' },
      { title: 'FLOWS', align: 'right' },
      { title: 'LONGEST GAP', align: 'right' },
      { title: 'LAST ERROR', align: 'left', shrinkTo: 12 },
    ],
    health.threads.map((thread) => [
      String(thread.shard),
      safeText(thread.state),
      String(thread.restarts),
      countCell(thread.flows, style),
      duration(thread.longestGapMs, style),
      safeText(thread.lastError ?? ''),
    ]),
    style,
  );
  if (health.targets.length === 0) return `${head}\n${threads}`;
  const targets = renderTable(
    [
      { title: 'TARGET', align: 'left', shrinkTo: 12 },
      { title: 'STATE', align: 'left' },
      { title: 'SENT', align: 'right' },
      { title: 'DROPPED', align: 'right' },
      { title: 'WAITING', align: 'right' },
      { title: 'RECONNECTS', align: 'right' },
      { title: 'LAST ERROR', align: 'left', shrinkTo: 12 },
    ],
    health.targets.map((target) => [
      safeText(target.url),
      safeText(target.state),
      countCell(target.sent, style),
      countCell(sum(target.dropped), style),
      countCell(target.waiting, style),
      countCell(target.reconnects, style),
      safeText(target.lastError ?? ''),
    ]),
    style,
  );
  return `${head}\n${threads}\n${targets}`;
}
