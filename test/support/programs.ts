import { spawnSync } from 'node:child_process';

const known = new Map<string, boolean>();

/**
 * True if the program is on the PATH. A test that needs one that is missing is skipped, with the reason; but where
 * RHEO_CI is set everything is to be there, so that no test is lost unseen.
 * @throws Error if the program is missing and RHEO_CI is set
 */
export function hasProgram(name: string): boolean {
  let found = known.get(name);
  if (found === undefined) {
    found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
    if (!found && process.env.RHEO_CI) {
      throw new Error(`${name} is missing, and RHEO_CI is set: no test may be skipped for it. Add it to .ci/run`);
    }
    known.set(name, found);
  }
  return found;
}
