import type { Interface, PacketSource, SourceCounters } from '../model/source.js';
import type { Batch } from '../packet/batch.js';
import { allocateMemory, CaptureReader, type Memory } from './capture-reader.js';
import { CaptureState } from './capture-state.js';
import { type CaptureBytes, openGivenBytes } from './given-bytes.js';
import { type OpenedInput, openInput } from './open-bytes.js';

/** Bytes that are read at a time; measured in docs/decisions/0002-reading-files.md. */
export const CHUNK_LENGTH = 2 * 1024 * 1024;

export interface CaptureOptions {
  /** Go on reading as the file grows, until `close`. */
  follow?: boolean;
  /** Bytes that are read at a time. Default 2 MiB. */
  chunkLength?: number;
}

/** Packets of one capture, read straight into the caller's batch. */
class CaptureSource implements PacketSource {
  readonly interfaces: readonly Interface[];
  readonly counters: SourceCounters;
  readonly warnings: readonly string[];
  readonly names: ReadonlyMap<string, string>;
  private readonly memory: Memory;
  private readonly reader: CaptureReader;

  constructor(input: OpenedInput, chunkLength: number) {
    const state = new CaptureState();
    state.counters.totalBytes = input.bytes.totalBytes;
    this.interfaces = state.interfaces;
    this.counters = state.counters;
    this.warnings = state.warnings;
    this.names = state.names;
    this.memory = allocateMemory(chunkLength, 1);
    this.reader = new CaptureReader(input, state, this.memory, 0, chunkLength);
  }

  fill(batch: Batch): number {
    batch.attach(this.memory.bytes, this.memory.view);
    this.reader.take(batch);
    this.counters.packets += batch.count;
    return batch.count;
  }

  more(): Promise<boolean> {
    return this.reader.more();
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}

/**
 * Opens a capture: pcap or pcapng, as it is or compressed with gzip or zstd, told by its first bytes.
 * A pipe is not waited for: what is wrong with its bytes is thrown by `more`.
 * @param path of a file or a named pipe; '-' is standard input
 * @throws RheoError input: cannot be opened or read; format: not a capture; linkType: none of its packets can be read
 */
export async function openCapture(path: string, options: CaptureOptions = {}): Promise<PacketSource> {
  return begin(openInput(path, options.follow ?? false), options);
}

/**
 * The same for a capture that does not come from a file.
 * @throws RheoError usage: what is given are not bytes; else as `openCapture`
 */
export async function openCaptureBytes(given: CaptureBytes, options: CaptureOptions = {}): Promise<PacketSource> {
  return begin(openGivenBytes(given), options);
}

async function begin(input: OpenedInput, options: CaptureOptions): Promise<PacketSource> {
  const source = new CaptureSource(input, options.chunkLength ?? CHUNK_LENGTH);
  try {
    if (!input.live) await source.more();
  } catch (error) {
    await source.close();
    throw error;
  }
  return source;
}
