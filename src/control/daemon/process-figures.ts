import { readdirSync } from 'node:fs';
import { constants, type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

/** What the process itself uses; times in seconds, memory in bytes. */
export interface ProcessFigures {
  cpu: { user: number; system: number };
  residentMemory: number;
  heapUsed: number;
  /** Memory outside of the heap: array buffers, libraries. */
  externalMemory: number;
  /** Open descriptors; undefined where the system does not tell. */
  descriptors: number | undefined;
  /** How late timers of the main thread were: the last complete window of 10 s, and the one that runs. */
  eventLoopDelay: { mean: number; p99: number; max: number };
  /** Garbage collections of the main thread since the start, by kind. */
  gc: Record<GcKind, { runs: number; seconds: number }>;
}

export const GC_KINDS = ['minor', 'major', 'incremental', 'weakcb'] as const;
export type GcKind = (typeof GC_KINDS)[number];

const WINDOW_MS = 10_000;
/** The histogram measures the whole interval of its timer, so this is taken off. */
const RESOLUTION_MS = 10;

interface Delay {
  mean: number;
  p99: number;
  max: number;
}

const NO_DELAY: Delay = { mean: 0, p99: 0, max: 0 };

/** Watches the main thread: how late its timers are, and garbage collections. */
export class ProcessWatch {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #gc: Record<GcKind, { runs: number; seconds: number }> = {
    minor: { runs: 0, seconds: 0 },
    major: { runs: 0, seconds: 0 },
    incremental: { runs: 0, seconds: 0 },
    weakcb: { runs: 0, seconds: 0 },
  };
  #before: Delay = NO_DELAY;
  #observer: PerformanceObserver | undefined;
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    if (this.#timer !== undefined) return;
    this.#delay.enable();
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        // Node gives the kind as `detail` of the entry, which its type of entries leaves open.
        const { kind } = entry.detail as { kind: number };
        const counted = this.#gc[gcKind(kind)];
        counted.runs++;
        counted.seconds += entry.duration / 1000;
      }
    });
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#timer = setInterval(() => {
      this.#before = this.#present();
      this.#delay.reset();
    }, WINDOW_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#observer?.disconnect();
    this.#observer = undefined;
    this.#delay.disable();
  }

  read(): ProcessFigures {
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    const now = this.#present();
    return {
      cpu: { user: cpu.user / 1e6, system: cpu.system / 1e6 },
      residentMemory: memory.rss,
      heapUsed: memory.heapUsed,
      externalMemory: memory.external,
      descriptors: countDescriptors(),
      eventLoopDelay: {
        mean: Math.max(now.mean, this.#before.mean),
        p99: Math.max(now.p99, this.#before.p99),
        max: Math.max(now.max, this.#before.max),
      },
      gc: this.#gc,
    };
  }

  #present(): Delay {
    const { count, mean, max } = this.#delay;
    if (count === 0) return NO_DELAY;
    return { mean: late(mean), p99: late(this.#delay.percentile(99)), max: late(max) };
  }
}

/** Nanoseconds between two timers → seconds that the second one was late. */
function late(nanos: number): number {
  return Math.max(0, nanos / 1e9 - RESOLUTION_MS / 1e3);
}

function gcKind(kind: number): GcKind {
  switch (kind) {
    case constants.NODE_PERFORMANCE_GC_MAJOR:
      return 'major';
    case constants.NODE_PERFORMANCE_GC_INCREMENTAL:
      return 'incremental';
    case constants.NODE_PERFORMANCE_GC_WEAKCB:
      return 'weakcb';
    default:
      return 'minor';
  }
}

function countDescriptors(): number | undefined {
  try {
    // One of them is the folder that is being read.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}
