import { allocateMemory, CaptureReader, type Memory, regionLength } from './capture-reader.js';
import { CaptureState } from './capture-state.js';
import { Lane } from './lane.js';
import { type OpenedInput, openInput } from './open-bytes.js';

/** Files that are looked at side by side. */
const PARALLEL = 8;
/** Bytes that are read of a file at a time: its first packet is near its beginning. */
const PEEK_LENGTH = 4096;

/** A file of a merge that waits for its time. */
export interface Waiting {
  readonly path: string;
  readonly order: number;
  /** Time of the first packet; before all times for a file without packets and for one that cannot be opened twice. */
  readonly seconds: number;
  readonly nanos: number;
  readonly totalBytes: number | undefined;
  /** Opened already, since it cannot be opened again. */
  readonly input: OpenedInput | undefined;
}

/** Orders files by the time of their first packet. */
export function compareTimes(a: Waiting, b: Waiting): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

/**
 * Looks for the time of each file's first packet.
 * @throws RheoError as `openCapture`, for one of the files that cannot be read
 */
export async function peekAll(paths: readonly string[]): Promise<Waiting[]> {
  const workers = Math.min(PARALLEL, paths.length);
  const memory = allocateMemory(PEEK_LENGTH, workers);
  const files: Waiting[] = [];
  let next = 0;
  let failed = false;
  const work = async (place: number): Promise<void> => {
    while (next < paths.length && !failed) {
      const order = next++;
      try {
        files.push(await peek(paths[order], order, memory, place * regionLength(PEEK_LENGTH)));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: workers }, (_, place) => work(place)));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    await Promise.all(files.map((file) => file.input?.bytes.close()));
    throw result.reason;
  }
  return files;
}

/** Looks at one file and closes it, if it can be opened a second time. */
async function peek(path: string, order: number, memory: Memory, region: number): Promise<Waiting> {
  const input = openInput(path, false);
  const { totalBytes } = input.bytes;
  const early = { path, order, seconds: Number.NEGATIVE_INFINITY, nanos: 0, totalBytes };
  if (!input.again) return { ...early, input };
  const reader = new CaptureReader(input, new CaptureState(), memory, region, PEEK_LENGTH);
  const lane = new Lane(reader, order, 0);
  try {
    while (!lane.refill()) {
      if (!(await reader.more())) return { ...early, input: undefined };
    }
    return { ...early, seconds: lane.seconds, nanos: lane.nanos, input: undefined };
  } finally {
    await reader.close();
  }
}
