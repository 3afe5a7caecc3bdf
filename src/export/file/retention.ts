import path from 'node:path';
import type { FileSystem } from './file-system.js';
import type { NamePattern } from './name-pattern.js';

export interface RetentionLimits {
  readonly keepMs: number | undefined;
  readonly keepBytes: number | undefined;
}

interface Kept {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** Entries of one directory that are looked at. */
const MOST_ENTRIES = 100_000;

/**
 * Complete files of a target: regular files whose names its pattern can make. Links are not followed, neither to files nor to
 * directories, so nothing outside is ever touched.
 */
async function ownFiles(files: FileSystem, names: NamePattern): Promise<Kept[]> {
  const found: Kept[] = [];
  const walk = async (directory: string, level: number): Promise<void> => {
    const last = level === names.levels.length - 1;
    for (const name of (await files.list(directory)).slice(0, MOST_ENTRIES)) {
      if (!names.levels[level].test(name)) continue;
      const where = path.join(directory, name);
      const facts = await files.facts(where);
      if (facts === undefined) continue;
      if (last && facts.isFile) found.push({ path: where, size: facts.size, modifiedMs: facts.modifiedMs });
      else if (!last && facts.isDirectory) await walk(where, level + 1);
    }
  };
  await walk(names.root, 0);
  return found;
}

/** Removes the oldest files until those that are left are young and small enough. @returns paths that were removed */
export async function retain(
  files: FileSystem,
  names: NamePattern,
  limits: RetentionLimits,
  nowMs: number,
): Promise<string[]> {
  const { keepMs, keepBytes } = limits;
  if (keepMs === undefined && keepBytes === undefined) return [];
  const kept = (await ownFiles(files, names)).sort((x, y) => x.modifiedMs - y.modifiedMs || (x.path < y.path ? -1 : 1));
  let bytes = kept.reduce((sum, file) => sum + file.size, 0);
  const removed: string[] = [];
  for (const file of kept) {
    const old = keepMs !== undefined && nowMs - file.modifiedMs > keepMs;
    const much = keepBytes !== undefined && bytes > keepBytes;
    if (!old && !much) break;
    await files.unlink(file.path);
    bytes -= file.size;
    removed.push(file.path);
  }
  return removed;
}
