import type { LiveInterface } from '../../src/model/live-source.js';
import type { FlowObject, FlowPage, FlowQuery, Health, Loss, Statistics, TargetStatus } from '../../src/rpc/service.js';
import type { Watched } from '../../src/tui/watcher.js';

/** An interface that is up, with some of its figures changed. */
export function interfaceWith(change: Partial<LiveInterface> = {}): LiveInterface {
  return {
    index: 0,
    name: 'eth0',
    linkType: 1,
    snapLength: 0,
    kernelIndex: 2,
    state: 'up',
    kernel: 1050,
    packets: 1000,
    bytes: 800_000,
    received: 600,
    transmitted: 400,
    dropped: 40,
    waiting: 10,
    superFrames: 7,
    segments: 21,
    duplicates: 3,
    sampledOneIn: 1,
    lastError: undefined,
    ...change,
  };
}

export function targetWith(change: Partial<TargetStatus> = {}): TargetStatus {
  return {
    url: 'ipfix://192.0.2.9:4739',
    state: 'up',
    received: 30,
    sent: 25,
    dropped: { queueFull: 2 },
    waiting: 3,
    messages: 4,
    bytes: 5000,
    reconnects: 1,
    ...change,
  };
}

/** A ledger that balances, with 40 packets lost in the ring. */
export function lossWith(change: Partial<Loss> = {}): Loss {
  return {
    packets: 1000,
    wireBytes: 800_000,
    decoded: 990,
    octets: 780_000,
    refused: { notIp: 6, held: 4 },
    noticed: { headerCut: 2 },
    flows: { opened: 50, live: 20, ended: { idle: 25, active: 0, end: 5, forced: 0, resources: 0 }, peak: 22 },
    records: 30,
    first: { seconds: 1_704_067_200, nanos: 0 },
    last: { seconds: 1_704_067_260, nanos: 0 },
    dropped: 40,
    damaged: {},
    bytesRead: 800_000,
    elapsed: 60,
    warnings: [],
    balanced: true,
    imbalance: [],
    interrupted: false,
    interfaces: [interfaceWith()],
    targets: [targetWith()],
    threads: [{ shard: 0, packets: 1000, decoded: 990, opened: 50, live: 20, records: 30 }],
    recordsWaiting: 0,
    recordsDropped: 0,
    recordsLost: 0,
    subscribersDropped: 9,
    verdict: '40 packets were lost in the ring',
    ...change,
  };
}

export function healthWith(change: Partial<Health> = {}): Health {
  return {
    status: 'ok',
    reasons: [],
    uptimeSeconds: 60,
    threads: [{ shard: 0, state: 'running', restarts: 2, longestGapMs: 12.5, flows: 20 }],
    targets: [targetWith()],
    ...change,
  };
}

export const PROTOCOLS: Statistics['protocols'] = [
  { proto: 'tcp', flows: 28, packets: 900, bytes: 700_000, meanDurationMs: 5, maxDurationMs: 90 },
];

/** A flow as the daemon gives it. */
export function flowWith(id: number, change: FlowObject = {}): FlowObject {
  return {
    id: id.toString(16).padStart(16, '0'),
    start: '2024-01-01T00:00:00.000000000Z',
    end: '2024-01-01T00:00:10.000000000Z',
    duration: 10,
    src: `10.0.0.${(id % 250) + 1}`,
    srcPort: 40_000 + (id % 20_000),
    dst: '192.0.2.7',
    dstPort: 443,
    proto: 'tcp',
    packets: 10,
    bytes: 1000,
    reversePackets: 8,
    reverseBytes: 4000,
    ...change,
  };
}

/** What views ask of a daemon. Tests put flows, ledger and failures in. The only filter that it knows is `none`. */
export class WatchedDouble implements Watched {
  table: FlowObject[] = [];
  ledger: Loss = lossWith();
  /** Thrown by `flows` where it gives an error. */
  failure: (query: FlowQuery) => Error | undefined = () => undefined;
  /** Called before each answer. */
  onLook: () => void = () => {};
  readonly queries: FlowQuery[] = [];

  flows(query: FlowQuery): Promise<FlowPage> {
    this.queries.push(query);
    const failure = this.failure(query);
    if (failure !== undefined) return Promise.reject(failure);
    this.onLook();
    const key = query.sort ?? 'bytes';
    const order = query.order === 'asc' ? 1 : -1;
    const matching = query.filter === 'none' ? [] : this.table;
    const sorted = [...matching].sort((a, b) => (String(a[key]) < String(b[key]) ? -order : order));
    return Promise.resolve({
      flows: sorted.slice(0, query.limit ?? 10_000),
      matched: matching.length,
      scanned: this.table.length,
    });
  }

  loss(): Promise<Loss> {
    return Promise.resolve(this.ledger);
  }
}
