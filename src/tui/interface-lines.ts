import type { LiveInterface } from '../model/live-source.js';
import { alignedNumber } from './aligned.js';
import { GAP, MARGIN } from './flow-columns.js';
import type { Paint } from './paint.js';
import type { Size } from './screen.js';
import { pad, safeText, textWidth, truncate } from './text.js';

const COLUMNS: readonly { title: string; width: number; cell(one: LiveInterface): string }[] = [
  { title: 'PACKETS', width: 7, cell: (one) => alignedNumber(one.packets, '') },
  { title: 'BYTES', width: 7, cell: (one) => alignedNumber(one.bytes, 'B') },
  { title: 'DROPPED', width: 7, cell: (one) => alignedNumber(one.dropped, '') },
  { title: 'IN', width: 7, cell: (one) => alignedNumber(one.received, '') },
  { title: 'OUT', width: 7, cell: (one) => alignedNumber(one.transmitted, '') },
  { title: 'TWICE', width: 7, cell: (one) => alignedNumber(one.duplicates, '') },
];
const STATE_WIDTH = 5;
const NAME_WIDTH = 16;
const MOST_ERROR = 60;

/** Table of the interfaces: as many columns and rows as fit. */
export function interfaceLines(interfaces: readonly LiveInterface[], size: Size, paint: Paint): string[] {
  if (size.rows <= 0) return [];
  const room = size.columns - 2 * MARGIN.length;
  const nameWidth = Math.max(4, Math.min(NAME_WIDTH, room - STATE_WIDTH - GAP.length));
  let used = nameWidth + GAP.length + STATE_WIDTH;
  const columns = COLUMNS.filter(({ width }) => {
    used += GAP.length + width;
    return used <= room;
  });
  const left = room - nameWidth - STATE_WIDTH - GAP.length * (columns.length + 2) - columns.length * 7;
  const errorWidth = left >= 20 ? Math.min(MOST_ERROR, left) : 0;
  const head = [
    pad(truncate('INTERFACE', nameWidth), nameWidth, false),
    pad('STATE', STATE_WIDTH, false),
    ...columns.map(({ title, width }) => pad(title, width, true)),
  ];
  const lines = [MARGIN + paint.bold(head.join(GAP).slice(0, room))];
  for (const one of interfaces.slice(0, Math.max(0, size.rows - 1))) {
    const name = pad(truncate(safeText(one.name), nameWidth), nameWidth, false);
    const state = pad(one.state, STATE_WIDTH, false);
    const cells = columns.map(({ width, cell }) => pad(cell(one), width, true));
    const error = errorWidth > 0 && one.lastError !== undefined ? truncate(safeText(one.lastError), errorWidth) : '';
    const styled = one.state === 'up' ? state : paint.warning(state);
    const rest = [...cells, ...(error === '' ? [] : [paint.warning(error)])].join(GAP);
    lines.push(
      MARGIN + (textWidth(name) + GAP.length + STATE_WIDTH > room ? name : [name, styled, rest].join(GAP).trimEnd()),
    );
  }
  return lines;
}
