import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A folder for sockets and files of one test file, gone afterwards. */
export class TestFolder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), 'rheo-rpc-'));
  #next = 0;

  /** A new path in it. */
  file(name: string): string {
    return path.join(this.path, `${this.#next++}-${name}`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
