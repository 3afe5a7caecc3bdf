import * as zlib from 'node:zlib';
import { ErrorCode, RheoError } from '../core/errors.js';
import { ByteQueue, type ByteSource, Wakeup } from './bytes.js';

/** Bytes that are unpacked at a time. Small, since a byte of gzip can become a thousand. */
const INPUT_LENGTH = 64 * 1024;
const OUTPUT_LENGTH = 256 * 1024;
/** Unpacked bytes that may wait before the unpacking pauses. */
const QUEUE_LIMIT = 1024 * 1024;

/** What Node's decompressors have in common. */
type Engine = zlib.Gunzip;

/** How a format is unpacked. */
interface Packing {
  create(): Engine;
  /** Node stops at the end of a frame though another may follow: then a new engine goes on. */
  readonly stopsAtFrame: boolean;
}

/** Unpacks another source. Damage in it ends the bytes and is told in `damage`; what came before it is handed out. */
export class InflateBytes implements ByteSource {
  damage: string | undefined = undefined;
  private readonly raw: ByteSource;
  private readonly packing: Packing;
  private engine: Engine;
  private readonly input = new Uint8Array(INPUT_LENGTH);
  /** Part of `input` that is still to be given to the engine. */
  private rest = new Uint8Array(0);
  /** Bytes given to this engine. */
  private given = 0;
  private readonly queue = new ByteQueue();
  private readonly changed = new Wakeup();
  private writing = false;
  private inputEnded = false;
  private ended = false;
  private paused = false;
  private closed = false;

  constructor(raw: ByteSource, packing: Packing) {
    this.raw = raw;
    this.packing = packing;
    this.engine = this.start();
  }

  get name(): string {
    return this.raw.name;
  }

  get totalBytes(): number | undefined {
    return this.raw.totalBytes;
  }

  get consumed(): number {
    return this.raw.consumed;
  }

  async read(target: Uint8Array): Promise<number> {
    for (;;) {
      if (this.closed) return 0;
      if (this.queue.size > 0) {
        const n = this.queue.take(target);
        if (this.paused && this.queue.size === 0) {
          this.paused = false;
          this.engine.resume();
        }
        return n;
      }
      if (this.ended) return 0;
      if (this.writing || this.inputEnded) await this.changed.wait();
      else await this.feed();
    }
  }

  private start(): Engine {
    const engine = this.packing.create();
    engine.on('data', (part: Buffer) => {
      this.queue.push(part);
      if (this.queue.size > QUEUE_LIMIT) {
        this.paused = true;
        engine.pause();
      }
      this.changed.notify();
    });
    engine.on('end', () => this.endFrame());
    engine.on('error', (error) => this.finish(error.message));
    return engine;
  }

  private async feed(): Promise<void> {
    if (this.rest.length === 0) {
      const n = await this.raw.read(this.input);
      if (this.closed || this.ended) return;
      this.rest = this.input.subarray(0, n);
    }
    const { rest, engine } = this;
    if (rest.length === 0) {
      this.inputEnded = true;
      engine.end();
      return;
    }
    this.writing = true;
    this.given += rest.length;
    engine.write(rest, () => {
      // What the engine left is the business of `endFrame`, which comes before or after this.
      if (engine !== this.engine || engine.bytesWritten < this.given) return;
      this.writing = false;
      this.rest = rest.subarray(rest.length);
      this.changed.notify();
    });
  }

  /** The engine has ended: at the end of the input, or because what follows is not its own. */
  private endFrame(): void {
    const left = this.given - this.engine.bytesWritten;
    if (this.inputEnded || left === 0 || !this.packing.stopsAtFrame) {
      this.finish(undefined);
      return;
    }
    this.rest = this.rest.subarray(this.rest.length - left);
    this.given = 0;
    this.writing = false;
    this.engine = this.start();
    this.changed.notify();
  }

  private finish(damage: string | undefined): void {
    this.ended = true;
    this.damage ??= damage;
    this.changed.notify();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.engine.destroy();
    this.changed.notify();
    await this.raw.close();
  }
}

/** Bytes that `unpacked` must see. */
export const COMPRESSION_MAGIC_LENGTH = 4;

/**
 * The source unpacked, if its first bytes are those of gzip (RFC 1952) or Zstandard (RFC 8878); else the source as it is.
 * @throws RheoError (format) if this Node cannot unpack it
 */
export function unpacked(head: Uint8Array, source: ByteSource): ByteSource {
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const create = (): Engine => zlib.createGunzip({ chunkSize: OUTPUT_LENGTH });
    return new InflateBytes(source, { create, stopsAtFrame: false });
  }
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) {
    const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: { chunkSize: number }) => Engine };
    if (createZstdDecompress === undefined) {
      throw new RheoError(ErrorCode.format, `${source.name}: Node ${process.versions.node} cannot unpack zstd`, {
        remedy: 'Use Node 22.15 or later, or: zstd -dc FILE | rheo read -',
      });
    }
    const create = (): Engine => createZstdDecompress({ chunkSize: OUTPUT_LENGTH });
    return new InflateBytes(source, { create, stopsAtFrame: true });
  }
  return source;
}
