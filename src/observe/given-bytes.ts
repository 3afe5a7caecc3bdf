import { Readable } from 'node:stream';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { ByteSource } from './bytes.js';
import type { OpenedInput } from './open-bytes.js';
import { StreamBytes } from './pipe-bytes.js';

/**
 * A capture that the caller has in memory, or gets from somewhere: a readable stream of Node or of the Web, or anything
 * else that hands out pieces of it in order.
 */
export type CaptureBytes = Uint8Array | AsyncIterable<Uint8Array>;

/** A capture in memory; nothing of it is changed. */
class MemoryBytes implements ByteSource {
  readonly name = 'memory';
  readonly totalBytes: number;
  readonly damage = undefined;
  consumed = 0;
  private readonly content: Uint8Array;
  private closed = false;

  constructor(content: Uint8Array) {
    this.content = content;
    this.totalBytes = content.length;
  }

  async read(target: Uint8Array): Promise<number> {
    if (this.closed) return 0;
    const part = this.content.subarray(this.consumed, this.consumed + target.length);
    target.set(part);
    this.consumed += part.length;
    return part.length;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/**
 * Opens a capture that does not come from a file. A stream is taken over: it is destroyed at the end.
 * @throws RheoError (usage) for what is not bytes
 */
export function openGivenBytes(given: CaptureBytes): OpenedInput {
  if (given instanceof Uint8Array) return { bytes: new MemoryBytes(given), live: false, again: false };
  if (given instanceof Readable) {
    if (given.readableEncoding !== null) throw notBytes(`a stream that gives text (${given.readableEncoding})`);
    const stream = given.readableObjectMode ? Readable.from(bytesOnly(given)) : given;
    return { bytes: new StreamBytes('stream', stream), live: true, again: false };
  }
  if (typeof given === 'object' && given !== null && Symbol.asyncIterator in given) {
    return { bytes: new StreamBytes('stream', Readable.from(bytesOnly(given))), live: true, again: false };
  }
  throw notBytes(typeof given);
}

async function* bytesOnly(parts: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    if (!(part instanceof Uint8Array)) throw notBytes(`pieces of type ${typeof part}`);
    yield part;
  }
}

function notBytes(found: string): RheoError {
  return new RheoError(ErrorCode.usage, `expected the bytes of a capture, found ${found}`, {
    remedy: 'Give a path, a Uint8Array, or a stream of Uint8Arrays without an encoding.',
  });
}
