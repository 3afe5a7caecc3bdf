import { ErrorCode, RheoError } from '../../src/core/errors.js';
import type { LiveInterface } from '../../src/model/live-source.js';
import { TIMEOUT_CLASSES } from '../../src/model/options.js';
import type { Summary } from '../../src/model/summary.js';
import type {
  EnrichmentStatus,
  FlowObject,
  FlowPage,
  FlowQuery,
  Health,
  Loss,
  Service,
  ServiceEvent,
  Statistics,
  TargetStatus,
  TimeoutTable,
  TopEntry,
} from '../../src/rpc/service.js';

/** Flows of a made-up table: number n is the n-th, each the same on every machine. */
export function fakeFlow(n: number): FlowObject {
  const tcp = n % 3 !== 0;
  return {
    id: n.toString(16).padStart(16, '0'),
    start: '2024-01-01T00:00:00.001365000Z',
    end: '2024-01-01T00:00:12.500000000Z',
    duration: 12.498635,
    src: `10.0.${(n >> 8) & 255}.${n & 255}`,
    srcPort: 1024 + (n % 60_000),
    dst: '192.0.2.7',
    dstPort: tcp ? 443 : 53,
    proto: tcp ? 'tcp' : 'udp',
    packets: 10 + n,
    bytes: 1000 + n * 10,
    reversePackets: 8,
    reverseBytes: 43_210,
    interface: 'eth0',
  };
}

const SUMMARY: Summary = {
  packets: 1000,
  wireBytes: 90_000,
  decoded: 990,
  octets: 80_000,
  refused: { notIp: 7, networkShort: 3 },
  noticed: { timeBackwards: 1 },
  flows: { opened: 120, live: 20, ended: { idle: 60, end: 40 }, peak: 50 },
  records: 100,
  first: { seconds: 1_704_067_200, nanos: 1_365_000 },
  last: { seconds: 1_704_067_260, nanos: 0 },
  dropped: 5,
  damaged: {},
  bytesRead: 90_000,
  elapsed: 61.5,
  warnings: [],
  balanced: true,
  imbalance: [],
  interrupted: false,
};

const INTERFACE: LiveInterface = {
  index: 0,
  name: 'eth0',
  linkType: 1,
  snapLength: 0,
  kernelIndex: 2,
  state: 'up',
  kernel: 1005,
  packets: 1000,
  bytes: 90_000,
  received: 600,
  transmitted: 400,
  dropped: 5,
  waiting: 0,
  superFrames: 3,
  segments: 30,
  duplicates: 0,
  sampledOneIn: 1,
  lastError: undefined,
};

const TARGET: TargetStatus = {
  url: 'ipfix://127.0.0.1:4739',
  state: 'up',
  received: 100,
  sent: 90,
  dropped: { queueFull: 10 },
  waiting: 0,
  messages: 9,
  bytes: 12_000,
  reconnects: 1,
};

export interface FakeOptions {
  /** Flows of the table. Default 20. */
  flows?: number | undefined;
  /** Called by `shutdown` and `exit`. */
  onStop?: (() => void) | undefined;
}

/** A daemon without packets: answers what it was made to answer and remembers what it was asked. */
export class FakeService implements Service {
  /** Methods that changed something, with their arguments. */
  readonly calls: unknown[][] = [];
  readonly listeners = new Set<(event: ServiceEvent) => void>();
  /** Flows handed out by dumps so far, dumps that were read to the end, and those that were left before. */
  dumped = 0;
  dumpsEnded = 0;
  dumpsLeft = 0;
  level = 'info';
  table: TimeoutTable = {
    idle: Object.fromEntries(TIMEOUT_CLASSES.map((name) => [name, 60_000])) as TimeoutTable['idle'],
    active: 300_000,
  };
  readonly #flows: number;
  readonly #onStop: (() => void) | undefined;

  constructor({ flows, onStop }: FakeOptions = {}) {
    this.#flows = flows ?? 20;
    this.#onStop = onStop;
  }

  version(): { version: string; node: string; pid: number; started: string } {
    return {
      version: '0.1.0',
      node: process.versions.node,
      pid: process.pid,
      started: '2024-01-01T00:00:00Z',
    };
  }

  config(): unknown {
    return { interfaces: ['eth0'], timeouts: { active: '5m' }, exports: [{ url: 'ipfix://127.0.0.1:4739' }] };
  }

  async health(): Promise<Health> {
    const thread = { shard: 0, state: 'running', restarts: 0, longestGapMs: 1.5, flows: 20 } as const;
    return { status: 'degraded', reasons: ['eth1 is gone'], uptimeSeconds: 61.5, threads: [thread], targets: [TARGET] };
  }

  async loss(): Promise<Loss> {
    return {
      ...SUMMARY,
      interfaces: [INTERFACE],
      targets: [TARGET],
      threads: [{ shard: 0, packets: 1000, decoded: 990, opened: 120, live: 20, records: 100 }],
      recordsWaiting: 0,
      recordsDropped: 0,
      recordsLost: 0,
      subscribersDropped: 0,
      verdict: 'Lost: 5 packets in the ring, 3 refused; 10 records by ipfix://127.0.0.1:4739.',
    };
  }

  async statistics(): Promise<Statistics> {
    return {
      ...SUMMARY,
      activeFlows: 20,
      expired: {
        bytes: { min: 40, mean: 800, max: 9000 },
        packets: { min: 1, mean: 9.9, max: 70 },
        durationMs: { min: 0, mean: 1200, max: 60_000 },
      },
      protocols: [
        { proto: 'tcp', flows: 80, packets: 900, bytes: 70_000, meanDurationMs: 1500, maxDurationMs: 60_000 },
        { proto: 'udp', flows: 20, packets: 90, bytes: 10_000, meanDurationMs: 300, maxDurationMs: 5000 },
      ],
    };
  }

  async interfaces(): Promise<LiveInterface[]> {
    return [INTERFACE];
  }

  enrichment(): EnrichmentStatus {
    return {
      neighbours: [
        {
          address: '192.0.2.1',
          state: 'established',
          as: 64_500,
          prefixes4: 900_000,
          prefixes6: 200_000,
          routes: 80_000,
          updates: 300_000,
          treatedAsWithdrawn: 1,
          refused: 2,
          sessions: 3,
        },
        {
          address: '2001:db8::1',
          state: 'idle',
          prefixes4: 0,
          prefixes6: 0,
          routes: 0,
          updates: 0,
          treatedAsWithdrawn: 0,
          refused: 0,
          sessions: 0,
          lastError: 'nothing heard for 90 s',
        },
      ],
      dumps: [{ file: 'rib.mrt', prefixes4: 10, prefixes6: 20, routes: 3, refused: 0, damaged: 1 }],
      places: { files: ['city.mmdb'], places: 7, damaged: 0, refused: 0 },
      records: 100,
      routed: 150,
      placed: 120,
    };
  }

  async metrics(): Promise<string> {
    return '# TYPE rheo_packets_total counter\nrheo_packets_total 1000\n';
  }

  async flows({ filter, offset = 0, limit = 20, order = 'desc' }: FlowQuery): Promise<FlowPage> {
    checkFilter(filter);
    const all = Array.from({ length: this.#flows }, (_, n) => (order === 'asc' ? n : this.#flows - 1 - n));
    const page = all.slice(offset, offset + limit);
    return { flows: page.map(fakeFlow), matched: this.#flows, scanned: this.#flows };
  }

  async top(
    key: string,
    { filter, limit }: { filter?: string | undefined; limit?: number | undefined },
  ): Promise<TopEntry[]> {
    checkFilter(filter);
    if (key !== 'address' && key !== 'port') {
      throw new RheoError(ErrorCode.usage, `top: there is no key '${key}'`, { remedy: 'Choose address or port.' });
    }
    const entries = [
      { key: key === 'port' ? '443' : '192.0.2.7', flows: 20, packets: 400, bytes: 40_000 },
      { key: key === 'port' ? '53' : '10.0.0.1', flows: 1, packets: 11, bytes: 1010 },
    ];
    return entries.slice(0, limit);
  }

  async *dump({
    filter,
    format,
  }: {
    filter?: string | undefined;
    format: 'ndjson' | 'binary';
  }): AsyncIterable<Uint8Array> {
    checkFilter(filter);
    let whole = false;
    try {
      const buffer = Buffer.alloc(64 * 1024);
      let used = 0;
      for (let n = 0; n < this.#flows; n++) {
        if (filter === 'breaks' && n === 1000) throw new RheoError(ErrorCode.worker, 'the thread of shard 0 failed');
        const text = format === 'binary' ? `${n},` : `${JSON.stringify(fakeFlow(n))}\n`;
        if (used + text.length > buffer.length) {
          yield buffer.subarray(0, used);
          used = 0;
        }
        used += buffer.write(text, used);
        this.dumped++;
      }
      // The piece is used again, as a real one may be.
      if (used > 0) yield buffer.subarray(0, used);
      whole = true;
      this.dumpsEnded++;
    } finally {
      if (!whole) this.dumpsLeft++;
    }
  }

  async expire(filter: string | undefined): Promise<number> {
    checkFilter(filter);
    this.calls.push(['expire', filter]);
    return 20;
  }

  async delete(filter: string | undefined): Promise<number> {
    checkFilter(filter);
    this.calls.push(['delete', filter]);
    return 1;
  }

  timeouts(): TimeoutTable {
    return this.table;
  }

  async setTimeouts(change: { idle?: Record<string, number>; active?: number | null }): Promise<TimeoutTable> {
    this.calls.push(['setTimeouts', change]);
    this.table = {
      idle: { ...this.table.idle, ...change.idle },
      active: change.active === undefined ? this.table.active : change.active,
    };
    return this.table;
  }

  async startGather(): Promise<void> {
    this.calls.push(['startGather']);
  }

  async stopGather(): Promise<void> {
    this.calls.push(['stopGather']);
  }

  sendTemplates(): void {
    this.calls.push(['sendTemplates']);
  }

  logLevel(level?: string): string {
    this.level = level ?? this.level;
    return this.level;
  }

  async reload(): Promise<{ changed: string[]; needsRestart: string[] }> {
    this.calls.push(['reload']);
    return { changed: ['timeouts.active'], needsRestart: ['interfaces'] };
  }

  async shutdown(): Promise<void> {
    this.calls.push(['shutdown']);
    this.#onStop?.();
  }

  async exit(): Promise<void> {
    this.calls.push(['exit']);
    this.#onStop?.();
  }

  subscribe(_what: 'records' | 'statistics' | 'events', listener: (event: ServiceEvent) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** Tells an event to all who subscribed. */
  tell(event: ServiceEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}

function checkFilter(filter: string | undefined): void {
  if (filter?.includes('wrong') === true) {
    throw new RheoError(ErrorCode.filter, `filter: 'wrong' is no word of the language`, {
      remedy: 'See docs/filter.md.',
    });
  }
  if (filter === 'fault') throw new TypeError('secret detail of a fault');
}
