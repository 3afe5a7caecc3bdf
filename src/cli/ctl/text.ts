import { pad, textWidth } from '../../tui/text.js';
import { grouped, scaled } from '../../tui/units.js';
import type { ViewStyle } from './action.js';

/** Lines `label  value`, aligned; those without a value are headings. */
export function pairs(lines: readonly (readonly [label: string, value: string])[]): string {
  const width = lines.reduce((most, [label]) => Math.max(most, textWidth(label)), 0);
  return lines
    .map(([label, value]) => (value === '' ? `${label}\n` : `${pad(label, width, false)}  ${value}\n`))
    .join('');
}

/** A count, for people on a terminal and in full for programs. */
export function countCell(value: number, style: ViewStyle): string {
  return style.units ? scaled(value, '') : String(value);
}

export function bytesCell(value: number, style: ViewStyle): string {
  return style.units ? scaled(value, 'B') : String(value);
}

/** A count in a sentence. */
export function countText(value: number, style: ViewStyle): string {
  return style.units ? grouped(value) : String(value);
}
