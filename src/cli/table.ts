import { pad, textWidth, truncate } from '../tui/text.js';

export interface TableColumn {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** May be cut where the terminal is narrow, down to this many columns. */
  readonly shrinkTo?: number;
}

export interface TableStyle {
  /** Columns of the terminal; undefined: do not cut. */
  readonly width: number | undefined;
  readonly color: boolean;
}

const GAP = '  ';
const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';

/** Lines with aligned columns, a header first, each with a line end. */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): string {
  const widths = columns.map((column, k) => {
    let width = textWidth(column.title);
    for (const row of rows) width = Math.max(width, textWidth(row[k]));
    return width;
  });
  if (style.width !== undefined) shrink(columns, widths, style.width);
  const last = columns.length - 1;
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, k) => {
        const text = truncate(cell, widths[k]);
        // No blanks at the end of a line.
        return k === last && columns[k].align === 'left' ? text : pad(text, widths[k], columns[k].align === 'right');
      })
      .join(GAP);
  const header = line(columns.map((column) => column.title));
  let text = `${style.color ? `${BOLD}${header}${RESET}` : header}\n`;
  for (const row of rows) text += `${line(row)}\n`;
  return text;
}

/** Takes from the widest column that may shrink until the line fits. */
function shrink(columns: readonly TableColumn[], widths: number[], limit: number): void {
  let total = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1));
  while (total > limit) {
    let widest = -1;
    for (let k = 0; k < widths.length; k++) {
      const { shrinkTo } = columns[k];
      if (shrinkTo === undefined || widths[k] <= shrinkTo) continue;
      if (widest < 0 || widths[k] > widths[widest]) widest = k;
    }
    if (widest < 0) return;
    widths[widest]--;
    total--;
  }
}
