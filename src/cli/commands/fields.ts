import { recordFields } from '../../control/settings.js';
import { Output } from '../../export/output.js';
import { featureNames } from '../../meter/features/index.js';
import type { RecordField } from '../../model/hook.js';
import { recordMembers } from '../../model/read-record.js';
import { pad } from '../../tui/text.js';
import type { ParsedArguments } from '../parse.js';

interface Listed {
  readonly field: RecordField;
  /** Feature that adds it; undefined for what every record may have. */
  readonly feature: string | undefined;
}

function listed(): Listed[] {
  const fields: Listed[] = recordMembers([], []).map((field) => ({ field, feature: undefined }));
  const known = new Set(fields.map(({ field }) => field.name));
  for (const feature of featureNames) {
    for (const field of recordFields([feature])) {
      if (known.has(field.name)) continue;
      known.add(field.name);
      fields.push({ field, feature });
    }
  }
  return fields;
}

/** `rheo fields`. Returns the exit code. */
export function runFields({ values }: ParsedArguments): number {
  const output = new Output(1, 'standard output');
  const all = listed();
  if (values.has('json')) {
    for (const { field, feature } of all) {
      const { name, type, unit, element, description } = field;
      output.text(`${JSON.stringify({ name, type, unit, element, feature, description })}\n`);
    }
    return 0;
  }
  const rows = all.map(({ field: { name, type, unit, element, description }, feature }) => [
    name,
    unit === undefined ? type : `${type} (${unit})`,
    element === undefined ? '-' : `${element.name} (${element.id})`,
    feature ?? '-',
    description,
  ]);
  rows.unshift(['NAME', 'TYPE', 'ELEMENT', 'FEATURE', 'MEANING']);
  const widths = rows[0].map((_, k) => Math.min(48, Math.max(...rows.map((row) => row[k].length))));
  for (const row of rows) {
    output.text(`${row.map((cell, k) => (k === row.length - 1 ? cell : pad(cell, widths[k], false))).join('  ')}\n`);
  }
  return 0;
}
