import { type Path, pathText } from './problems.js';
import type { Config } from './schema.js';

/** Keys in which two configurations differ, as `control.http.listen`; lists count as one value. */
export function changedKeys(before: Config, after: Config): string[] {
  const changed: string[] = [];
  compare(before, after, [], changed);
  return changed;
}

function compare(before: unknown, after: unknown, at: Path, changed: string[]): void {
  if (isTree(before) && isTree(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(before[key], after[key], [...at, key], changed);
    }
    return;
  }
  // JSON knows no Infinity.
  const text = (value: unknown): string => JSON.stringify(value === Number.POSITIVE_INFINITY ? 'never' : value);
  if (text(before) !== text(after)) changed.push(pathText(at));
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
