import type { Readable } from 'node:stream';
import { ErrorCode, RheoError } from '../core/errors.js';

const NEWLINE = 10;

/** Lines and runs of bytes of a stream, read as they are asked for: what nobody asks for stays with the sender. */
export class SocketReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #maxLine: number;
  #rest: Uint8Array = new Uint8Array(0);

  /** @param maxLine bytes of a line at the most */
  constructor(stream: Readable, maxLine: number) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    this.#maxLine = maxLine;
  }

  /**
   * The next line without its end; undefined at the end of the stream, also in the middle of a line.
   * @throws RheoError `RHEO_CONTROL` if it is too long
   */
  async line(): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const at = this.#rest.indexOf(NEWLINE);
      const part = at < 0 ? this.#rest : this.#rest.subarray(0, at);
      parts.push(part);
      length += part.length;
      if (length > this.#maxLine) {
        throw new RheoError(ErrorCode.control, `the daemon sends lines of more than ${this.#maxLine} bytes`);
      }
      if (at >= 0) {
        this.#rest = this.#rest.subarray(at + 1);
        return parts.length === 1 ? part : Buffer.concat(parts);
      }
      if (!(await this.#more())) return undefined;
    }
  }

  /** The next `length` bytes, in pieces. @throws RheoError `RHEO_CONTROL` if the stream ends before */
  async *bytes(length: number): AsyncIterable<Uint8Array> {
    let wanted = length;
    while (wanted > 0) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        throw new RheoError(ErrorCode.control, 'the daemon went away in the middle of a dump', {
          remedy: 'What was written is a part only: ask again.',
        });
      }
      const piece = this.#rest.subarray(0, wanted);
      this.#rest = this.#rest.subarray(piece.length);
      wanted -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }

  async #more(): Promise<boolean> {
    try {
      const { done, value } = await this.#chunks.next();
      this.#rest = done === true ? new Uint8Array(0) : value;
      return done !== true;
    } catch {
      // Reset or closed by us: the same end for the one who reads.
      this.#rest = new Uint8Array(0);
      return false;
    }
  }
}
