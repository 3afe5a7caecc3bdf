import { statSync } from 'node:fs';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { kernelFilter } from '../../filter/kernel.js';
import type { LinkCounterReader } from '../../system/link-counters.js';
import type { Config } from '../config/schema.js';
import type { RingOptions, SourceSpec } from './sources.js';

const STANDARD_INPUT = '-';
/** All interfaces but loopback, those that come later, too. */
const ALL_BUT_LOOPBACK = ['[!l]*', 'l[!o]*', 'lo?*'];
/** Second sights of a packet come soon, and packets between them are not many. */
const DEDUPE = { windowMs: 200, entries: 1 << 17 };

/**
 * Where the configuration says that packets come from.
 * @param group number of the fanout group, by chance
 * @throws RheoError usage, filter
 */
export function sourceOfConfig(config: Config, group: number): SourceSpec {
  const { interfaces } = config;
  const pipes = interfaces.filter((name) => name === STANDARD_INPUT || isPipe(name));
  if (pipes.length > 0) {
    if (interfaces.length > 1) {
      throw new RheoError(ErrorCode.usage, `${pipes[0]} is a capture and is read alone, not with other interfaces`, {
        remedy: 'Give it as the only one.',
      });
    }
    return { kind: 'pipe', path: pipes[0] };
  }
  const filter = config.filter === undefined ? undefined : kernelFilter(config.filter);
  const options: RingOptions = {
    interfaces: interfaces.length === 0 ? ALL_BUT_LOOPBACK : interfaces,
    netns: config.netns,
    promiscuous: config.promiscuous,
    snapLength: config.snapLength,
    ring: config.ring,
    ...(filter === undefined ? {} : { kernelFilter: filter }),
    ...(config.dedupe ? { dedupe: DEDUPE } : {}),
  };
  if (config.observe === 'ring') return { kind: 'ring', group, options };
  const { blockBytes, blocks } = config.ring;
  const { extra } = config.key;
  return {
    kind: 'ebpf',
    ring: options,
    options: {
      interfaces: options.interfaces,
      netns: config.netns,
      promiscuous: config.promiscuous,
      memory: blockBytes * blocks,
      tosInKey: extra.includes('tos') || extra.includes('dscp'),
    },
  };
}

/** How to open the kernel's counters of the interfaces of a source; undefined: there are none. */
export function linkCountersOf(source: SourceSpec): (() => Promise<LinkCounterReader>) | undefined {
  const netns = source.kind === 'ring' ? source.options.netns : source.kind === 'ebpf' ? source.ring.netns : undefined;
  if (source.kind !== 'ring' && source.kind !== 'ebpf') return undefined;
  return async () => {
    const { LinkCounterReader: Reader } = await import('../../system/link-counters.js');
    return new Reader(netns);
  };
}

function isPipe(path: string): boolean {
  return path.includes('/') && (statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false);
}
