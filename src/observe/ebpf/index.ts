import { ErrorCode, RheoError } from '../../core/errors.js';
import type { LiveSource } from '../../model/live-source.js';
import { libc } from '../../system/libc.js';
import { type Link, LinkMonitor } from '../../system/links.js';
import { inNetns } from '../../system/netns.js';
import { captureError, noInterface } from '../live/errors.js';
import { WantedNames } from '../live/names.js';
import { EbpfUnavailable, unavailable } from './errors.js';
import { EbpfSource } from './source.js';
import { recordsOf } from './tables.js';

export { EbpfUnavailable };

export interface EbpfOptions {
  /** Names, patterns ('eth*'), or 'any' alone: all interfaces. */
  readonly interfaces: readonly string[];
  /** Network namespace to observe: a name as `ip netns` has it, or a path. Default: where the thread is. */
  readonly netns?: string | undefined;
  /** Count what is for other machines too. Default true. */
  readonly promiscuous?: boolean;
  /** Memory for the maps, in bytes. Default 64 MiB. */
  readonly memory?: number;
  /** Packets that differ in their ToS byte are counted apart. Default false. */
  readonly tosInKey?: boolean;
}

const DEFAULT_MEMORY = 1 << 26;
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Opens interfaces of this machine: programs at their tcx hooks (Linux 6.6) count flows in the kernel. Interfaces that go
 * and come back, and new ones that a pattern matches, are taken up by themselves.
 * @throws EbpfUnavailable the kernel does not do it, or does not let us: the message says why
 * @throws RheoError usage, input: no such interface or namespace, not Linux
 */
export async function openEbpf(options: EbpfOptions): Promise<LiveSource> {
  const { interfaces, netns } = options;
  if (interfaces.length === 0) {
    throw new RheoError(ErrorCode.usage, 'no interface is given', { remedy: "Name one, or give 'any'." });
  }
  libc();
  if (!littleEndian) throw new EbpfUnavailable('the program is for little-endian machines only');
  const wanted = new WantedNames(interfaces.map((name) => (name === 'any' ? '*' : name)));
  let monitor: LinkMonitor;
  try {
    monitor = inNetns(netns, () => new LinkMonitor());
  } catch (error) {
    throw captureError(error, interfaces.join(', '));
  }
  let source: EbpfSource | undefined;
  try {
    const links = monitor.list();
    checkPresent(wanted, links);
    source = new EbpfSource(
      {
        wanted,
        netns,
        promiscuous: options.promiscuous ?? true,
        records: recordsOf(options.memory ?? DEFAULT_MEMORY),
        tosInKey: options.tosInKey ?? false,
      },
      monitor,
    );
    await source.begin(links);
    return source;
  } catch (error) {
    if (source === undefined) monitor.close();
    else await source.close();
    throw unavailable(error, 'counting flows in the kernel');
  }
}

function checkPresent(wanted: WantedNames, links: readonly Link[]): void {
  const names = links.map(({ name }) => name);
  const missing = wanted.plain.find((name) => !names.includes(name));
  if (missing !== undefined) throw noInterface(missing, names);
}
