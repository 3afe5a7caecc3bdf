const BARS = '▁▂▃▄▅▆▇█';

/**
 * The last `width` values as bars, the newest at the right; blanks where there are none yet. The largest value shown has
 * the full height, and only 0 the lowest.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  let largest = 0;
  for (const value of shown) largest = Math.max(largest, value);
  let text = ' '.repeat(Math.max(0, width - shown.length));
  for (const value of shown) {
    text +=
      value <= 0 ? BARS[0] : BARS[1 + Math.min(BARS.length - 2, Math.floor((value / largest) * (BARS.length - 1)))];
  }
  return text;
}
