import { coreFields, type RecordFormat } from './core-fields.js';
import type { RecordField } from './hook.js';
import { keyFields } from './key-fields.js';
import type { FlowRecord } from './record.js';
import type { RecordBatch, RecordLayout } from './record-batch.js';

const plainCore = coreFields();
const keyFieldsOf = new WeakMap<RecordLayout, readonly RecordField[]>();

/**
 * All members of a record in the order of the output: the core, what `--key` added, then the features. Where two have
 * the same name (VLAN as key part and as feature) the first wins.
 */
export function recordMembers(
  keyParts: readonly string[],
  features: readonly RecordField[],
  format: RecordFormat = {},
): readonly RecordField[] {
  const members = new Map<string, RecordField>();
  for (const field of [...coreFields(format), ...keyFields(keyParts), ...features]) {
    if (!members.has(field.name)) members.set(field.name, field);
  }
  return [...members.values()];
}

/** An object with the given members of a record; those that are absent are left out. */
export function readMembers(
  batch: RecordBatch,
  index: number,
  members: readonly RecordField[],
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (let k = 0; k < members.length; k++) {
    const value = members[k].read(batch, index);
    if (value !== undefined) record[members[k].name] = value;
  }
  return record;
}

/**
 * Record `index` of the batch as the object that DESIGN describes, with Community ID of seed 0.
 * @param fields members of the features that were on
 */
export function readRecord(batch: RecordBatch, index: number, fields: readonly RecordField[]): FlowRecord {
  const { layout } = batch;
  let parts = keyFieldsOf.get(layout);
  if (parts === undefined) {
    parts = keyFields(layout.keyParts);
    keyFieldsOf.set(layout, parts);
  }
  const record = readMembers(batch, index, plainCore);
  if (parts.length > 0) Object.assign(record, readMembers(batch, index, parts));
  for (const field of fields) {
    if (record[field.name] !== undefined) continue;
    const value = field.read(batch, index);
    if (value !== undefined) record[field.name] = value;
  }
  return record as FlowRecord;
}
