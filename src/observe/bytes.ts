/**
 * Where the bytes of a capture come from: a file, a file that grows, a pipe, something that unpacks one of these.
 * One read at a time.
 */
export interface ByteSource {
  /** What the user calls it, for errors. */
  readonly name: string;
  /** Bytes in all, before unpacking; undefined for what has no known end. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far, before unpacking. */
  readonly consumed: number;
  /** Why the bytes ended before their proper end, once `read` has returned 0; undefined if all is well. */
  readonly damage: string | undefined;
  /**
   * Reads into `target` what is there, at least a byte, waiting for it if need be. Returns 0 at the end, and when `close`
   * is called meanwhile.
   * @throws RheoError (input) if the system reports an error
   */
  read(target: Uint8Array): Promise<number>;
  /** Ends a pending read and frees what is held; may be called twice. */
  close(): Promise<void>;
}

/** Bytes that were taken from a source to look at them, in front of the rest of it. */
export class PrefixedBytes implements ByteSource {
  private head: Uint8Array;
  private readonly rest: ByteSource;

  constructor(head: Uint8Array, rest: ByteSource) {
    this.head = head;
    this.rest = rest;
  }

  get name(): string {
    return this.rest.name;
  }

  get totalBytes(): number | undefined {
    return this.rest.totalBytes;
  }

  get consumed(): number {
    return this.rest.consumed;
  }

  get damage(): string | undefined {
    return this.rest.damage;
  }

  async read(target: Uint8Array): Promise<number> {
    if (this.head.length === 0) return this.rest.read(target);
    const n = Math.min(this.head.length, target.length);
    target.set(this.head.subarray(0, n));
    this.head = this.head.subarray(n);
    return n;
  }

  close(): Promise<void> {
    return this.rest.close();
  }
}

/** Buffers that came without being asked for, until someone reads them. */
export class ByteQueue {
  /** Bytes that wait. */
  size = 0;
  private readonly parts: Uint8Array[] = [];
  /** Bytes of the first part that are gone. */
  private from = 0;

  push(part: Uint8Array): void {
    if (part.length === 0) return;
    this.parts.push(part);
    this.size += part.length;
  }

  /** Moves bytes into `target`, as many as there are and fit. */
  take(target: Uint8Array): number {
    let done = 0;
    while (done < target.length && this.parts.length > 0) {
      const part = this.parts[0];
      const n = Math.min(part.length - this.from, target.length - done);
      target.set(part.subarray(this.from, this.from + n), done);
      done += n;
      this.from += n;
      if (this.from === part.length) {
        this.parts.shift();
        this.from = 0;
      }
    }
    this.size -= done;
    return done;
  }
}

/** One waiter for "something has happened". */
export class Wakeup {
  private wake: (() => void) | undefined;

  /** Resolves at the next `notify`. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  notify(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}
