/**
 * A value as JSON text. Unlike JSON.stringify it writes a BigInt as its digits. Numbers that JSON cannot hold become null,
 * absent members are left out.
 */
export function jsonText(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'object':
      break;
    default:
      return JSON.stringify(value) ?? 'null';
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (ArrayBuffer.isView(value)) return `[${Array.from(value as Uint8Array, jsonText).join(',')}]`;
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${jsonText(member)}`);
  }
  return `{${members.join(',')}}`;
}

/** A cell of CSV (RFC 4180): quotes only where a comma, a quote or a line break asks for them. */
export function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as a cell: text and numbers as they are, lists and objects as JSON, absent as nothing. */
export function csvValue(value: unknown): string {
  if (value === undefined) return '';
  return csvCell(typeof value === 'string' ? value : jsonText(value));
}
