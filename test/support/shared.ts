import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root, from a compiled test file (any output folder one level below the root). */
export const projectRoot: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** Folder of captures that are shared beside the checkout and never part of it; undefined where it is missing. */
export function sharedDir(): string | undefined {
  const dir = path.resolve(projectRoot, '../shared');
  return existsSync(path.join(dir, 'captures')) ? dir : undefined;
}
