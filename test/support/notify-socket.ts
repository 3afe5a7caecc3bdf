import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadKoffi } from '../../src/system/libc.js';

let count = 0;

/** The side of a service manager: a datagram socket in a folder, or on an abstract name. */
export class NotifySocket implements Disposable {
  /** For NOTIFY_SOCKET. */
  readonly name: string;
  readonly #folder: string;
  readonly #fd: number;
  readonly #recv: (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly #close: (fd: number) => number;

  constructor(kind: 'path' | 'abstract') {
    this.#folder = mkdtempSync(path.join(tmpdir(), 'rheo-notify-'));
    this.name = kind === 'path' ? path.join(this.#folder, 'notify') : `@rheo-test-${process.pid}-${count++}`;
    const library = loadKoffi().load(null);
    this.#recv = library.func('intptr_t recv(int, void *, size_t, int)');
    this.#close = library.func('int close(int)');
    const name = Buffer.from(kind === 'path' ? `${this.name}\0` : `\0${this.name.slice(1)}`);
    const address = Buffer.concat([new Uint8Array(new Uint16Array([1]).buffer), name]);
    this.#fd = library.func('int socket(int, int, int)')(1, 2, 0) as number;
    if (library.func('int bind(int, void *, uint32_t)')(this.#fd, address, address.length) !== 0) {
      throw new Error(`cannot bind ${this.name}`);
    }
    // As that of systemd: whoever runs a service may tell.
    chmodSync(this.#folder, 0o755);
    if (kind === 'path') chmodSync(this.name, 0o777);
  }

  /** The datagrams that have come. */
  take(): string[] {
    const all: string[] = [];
    const bytes = Buffer.alloc(4096);
    const MSG_DONTWAIT = 0x40;
    for (;;) {
      const length = this.#recv(this.#fd, bytes, bytes.length, MSG_DONTWAIT);
      if (length < 0) break;
      all.push(bytes.toString('utf8', 0, length));
    }
    return all;
  }

  [Symbol.dispose](): void {
    this.#close(this.#fd);
    rmSync(this.#folder, { recursive: true });
  }
}
