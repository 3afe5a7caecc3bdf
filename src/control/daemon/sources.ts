import { ErrorCode, RheoError } from '../../core/errors.js';
import type { LiveSource } from '../../model/live-source.js';
import type { EbpfOptions } from '../../observe/ebpf/index.js';
import type { LiveOptions } from '../../observe/live/index.js';
import { openPipe } from './pipe-source.js';

/** Options of openLive that cross threads. */
export type RingOptions = Omit<LiveOptions, 'fanout'>;

/** Live sources of several shards that take from the same interfaces join first and are released together. */
export type ShardSource = LiveSource & {
  /** Lets packets come, once all shards have joined. */
  release?(): void;
};

/** Where a shard's packets come from. Plain data: crosses threads, and is opened inside of the shard's thread. */
export type SourceSpec =
  /** Interfaces of this machine; `group` is the number of the fanout group that several shards join. */
  | { kind: 'ring'; options: RingOptions; group: number }
  /** Interfaces whose flows the kernel counts; `ring` where it does not. */
  | { kind: 'ebpf'; options: EbpfOptions; ring: RingOptions }
  /** A capture that comes in through standard input (`-`) or a named pipe. */
  | { kind: 'pipe'; path: string }
  /** A module (URL) that exports `openSource(options, shard, shards)`: tests bring packets and clock of their own. */
  | { kind: 'module'; url: string; options: unknown };

export interface SourceModule {
  openSource(options: unknown, shard: number, shards: number): Promise<ShardSource>;
}

/**
 * @param tell is told when something else than what was wanted is opened, and what it does not see
 * @throws RheoError if it cannot be opened: what is missing, and how to get it
 */
export async function openSource(
  spec: SourceSpec,
  shard: number,
  shards: number,
  tell: (level: 'info' | 'warn', message: string) => void,
): Promise<ShardSource> {
  switch (spec.kind) {
    case 'ring': {
      // Loaded when it is needed: system calls are for Linux only.
      const { openLive } = await import('../../observe/live/index.js');
      const fanout = shards > 1 ? { id: spec.group, size: shards, index: shard } : undefined;
      return openLive({ ...spec.options, fanout });
    }
    case 'ebpf': {
      const { EbpfUnavailable, openEbpf } = await import('../../observe/ebpf/index.js');
      try {
        const source = await openEbpf(spec.options);
        tell('info', 'the kernel counts flows: outer headers only, no tunnels, no ICMP errors, no packets');
        return source;
      } catch (error) {
        if (!(error instanceof EbpfUnavailable)) throw error;
        tell('warn', `observe: ebpf is not possible here, so the packets are taken from rings: ${error.message}`);
        return openSource({ kind: 'ring', options: spec.ring, group: 0 }, 0, 1, tell);
      }
    }
    case 'pipe':
      if (shards > 1) {
        throw new RheoError(ErrorCode.usage, `a pipe is read by one thread, not by ${shards}`, {
          remedy: 'Give threads: 1 (--threads 1).',
        });
      }
      return openPipe(spec.path);
    case 'module':
      return ((await import(spec.url)) as SourceModule).openSource(spec.options, shard, shards);
  }
}
