import { spawnSync } from 'node:child_process';

const known = new Map<string, boolean>();

/** True if the program is on the PATH. */
export function hasProgram(name: string): boolean {
  let found = known.get(name);
  if (found === undefined) {
    found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
    known.set(name, found);
  }
  return found;
}
