/** Rows of text as columns that line up: the first to the left, the others to the right. */
export function alignedTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => [...(row[column] ?? '')].length)));
  const pad = (text: string, column: number) => {
    const space = ' '.repeat(widths[column]! - [...text].length);
    return column === 0 ? text + space : space + text;
  };
  const lines = all.map((row) => head.map((_, column) => pad(row[column] ?? '', column)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${head.map((_, column) => cells[column] ?? '').join(' | ')} |\n`;
  const rule = `|${head.map((_, column) => (column === 0 ? '---|' : '---:|')).join('')}\n`;
  return line(head) + rule + rows.map(line).join('');
}

/**
 * Puts text between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, each on a line of its own.
 * Returns undefined where the document has no such place.
 */
export function replaceBetweenMarkers(document: string, name: string, text: string): string | undefined {
  const begin = `<!-- bench:${name} -->\n`;
  const end = `<!-- /bench:${name} -->`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) return undefined;
  return `${document.slice(0, from + begin.length)}\n${text.trimEnd()}\n\n${document.slice(to)}`;
}
