import type { EnrichmentStatus } from '../../rpc/service.js';
import { safeText } from '../../tui/text.js';
import { renderTable, type TableColumn } from '../table.js';
import type { ViewStyle } from './action.js';
import { countCell, countText, pairs } from './text.js';

function columns(first: string, ...numbers: readonly string[]): TableColumn[] {
  return [
    { title: first, align: 'left', shrinkTo: 12 },
    ...numbers.map((title): TableColumn => ({ title, align: 'right' })),
  ];
}

/** BGP neighbours, dumps of routes and MMDB files, each if there are any. */
export function enrichmentView(status: EnrichmentStatus, style: ViewStyle): string {
  const { neighbours, dumps, places } = status;
  if (neighbours.length + dumps.length === 0 && places === undefined) return 'nothing enriches the records\n';
  const count = (value: number): string => countText(value, style);
  const lines: [string, string][] = [
    ['records', count(status.records)],
    [
      'endpoints',
      `${count(2 * status.records)}, ${count(status.routed)} with a route, ${count(status.placed)} with a place`,
    ],
  ];
  if (places !== undefined) {
    lines.push(['MMDB files', places.files.map(safeText).join(', ')]);
    const lost = `${count(places.refused)} without room, ${count(places.damaged)} addresses with a damaged entry`;
    lines.push(['places', `${count(places.places)}, ${lost}`]);
  }
  let text = pairs(lines);
  if (neighbours.length > 0) {
    const head = [
      ...columns('NEIGHBOUR'),
      { title: 'STATE', align: 'left' } as const,
      ...columns('AS', 'IPV4', 'IPV6', 'ROUTES', 'UPDATES', 'WITHDRAWN BY DAMAGE', 'REFUSED', 'SESSIONS'),
      { title: 'LAST ERROR', align: 'left', shrinkTo: 12 } as const,
    ];
    const rows = neighbours.map((one) => [
      safeText(one.address),
      safeText(one.state),
      one.as === undefined ? '' : String(one.as),
      ...[one.prefixes4, one.prefixes6, one.routes, one.updates, one.treatedAsWithdrawn, one.refused, one.sessions].map(
        (value) => countCell(value, style),
      ),
      safeText(one.lastError ?? ''),
    ]);
    text += `\n${renderTable(head, rows, style)}`;
  }
  if (dumps.length > 0) {
    const rows = dumps.map((one) => [
      safeText(one.file),
      ...[one.prefixes4, one.prefixes6, one.routes, one.refused, one.damaged].map((value) => countCell(value, style)),
    ]);
    text += `\n${renderTable(columns('DUMP', 'IPV4', 'IPV6', 'ROUTES', 'REFUSED', 'DAMAGED'), rows, style)}`;
  }
  return text;
}
