import { z } from 'zod';
import type { LiveInterface } from '../model/live-source.js';
import { TIMEOUT_CLASSES } from '../model/options.js';
import type { Time } from '../model/summary.js';
import type { Version } from './method-types.js';
import type {
  EnrichmentStatus,
  FlowPage,
  Health,
  Loss,
  MinMeanMax,
  NeighbourStatus,
  ServiceEvent,
  Statistics,
  TargetStatus,
  ThreadHealth,
  TimeoutTable,
  TopEntry,
} from './service.js';

/** Schemas of what methods answer: the reference, the OpenRPC and OpenAPI documents and the tests use them. */

const count = z.int().min(0);
/** Counts by name. */
const counts = z.record(z.string(), count);

const version: z.ZodType<Version> = z.object({
  version: z.string().describe('of rheo'),
  node: z.string().describe('of Node'),
  pid: z.int().describe('process id of the daemon'),
  started: z.string().describe('when it started, RFC 3339'),
});

const liveInterface: z.ZodType<LiveInterface> = z.object({
  index: count.describe('number in records'),
  name: z.string(),
  linkType: count.describe('LINKTYPE_ number of pcap'),
  snapLength: count.describe('bytes kept of each packet, 0 for all'),
  description: z.string().exactOptional(),
  kernelIndex: count.describe('ifIndex; 0 for several in one'),
  state: z.enum(['up', 'down', 'gone']),
  kernel: count.describe('packets that the kernel had for us; kernel = packets + dropped + waiting'),
  packets: count.describe('packets handed out'),
  bytes: count.describe('their bytes on the wire'),
  received: count.describe('of packets: those that came in'),
  transmitted: count.describe('of packets: those that went out'),
  dropped: count.describe('packets for which the ring had no room'),
  waiting: count.describe('packets in the ring'),
  superFrames: count.describe('frames of segmentation or receive offload'),
  segments: count.describe('segments that they stand for'),
  duplicates: count.describe('second sights of a packet, left out'),
  sampledOneIn: count,
  lastError: z.string().optional() as z.ZodType<string | undefined>,
});

const time: z.ZodType<Time> = z.object({ seconds: count, nanos: count });

const summaryShape = {
  packets: count.describe('packets handed out by the source'),
  wireBytes: count.describe('their bytes on the wire'),
  decoded: count.describe('packets accounted to a flow'),
  octets: count.describe('their IP bytes'),
  refused: counts.describe('packets not accounted, by reason'),
  noticed: counts.describe('things noticed in packets that were metered all the same'),
  flows: z.object({ opened: count, live: count, ended: counts.describe('by end reason'), peak: count }),
  records: count.describe('flow records handed on'),
  first: time.optional() as z.ZodType<Time | undefined>,
  last: time.optional() as z.ZodType<Time | undefined>,
  dropped: count.describe('packets dropped before they got to us'),
  damaged: counts,
  bytesRead: count,
  elapsed: z.number().min(0).describe('seconds that the daemon runs'),
  warnings: z.array(z.string()),
  balanced: z.boolean().describe('true if every sum of the ledger balances'),
  imbalance: z.array(z.string()).describe('the sums that do not'),
  interrupted: z.boolean(),
};

const targetStatus: z.ZodType<TargetStatus> = z.object({
  url: z.string().describe('without secrets'),
  state: z.string(),
  unit: z.literal('samples').exactOptional().describe('what it counts, where that is not records (sFlow)'),
  lastError: z.string().optional(),
  received: count.describe('records handed to it; received = sent + dropped + waiting'),
  sent: count,
  dropped: counts.describe('by reason'),
  waiting: count,
  messages: count,
  bytes: count,
  reconnects: count,
});

const threadHealth: z.ZodType<ThreadHealth> = z.object({
  shard: count,
  state: z.enum(['running', 'restarting', 'failed', 'stopped']),
  restarts: count,
  lastError: z.string().optional(),
  longestGapMs: z.number().min(0).describe('longest time between two looks at the ring since the last call'),
  flows: count,
});

const health: z.ZodType<Health> = z.object({
  status: z.enum(['ok', 'degraded']),
  reasons: z.array(z.string()),
  uptimeSeconds: z.number().min(0),
  threads: z.array(threadHealth),
  targets: z.array(targetStatus),
});

const loss: z.ZodType<Loss> = z.object({
  ...summaryShape,
  interfaces: z.array(liveInterface),
  targets: z.array(targetStatus),
  threads: z.array(
    z.object({ shard: count, packets: count, decoded: count, opened: count, live: count, records: count }),
  ),
  recordsWaiting: count.describe('records on their way from the threads to the targets'),
  recordsDropped: count.describe('records dropped on that way, as the main thread was too slow'),
  recordsLost: count.describe('records that went down with a thread that failed'),
  subscribersDropped: count.describe(
    'records that subscribers did not get: they read too slowly, or more ended in a second than are told',
  ),
  verdict: z.string().describe('what was lost, in a sentence'),
});

const minMeanMax: z.ZodType<MinMeanMax> = z.object({ min: z.number(), mean: z.number(), max: z.number() });

const statistics: z.ZodType<Statistics> = z.object({
  ...summaryShape,
  activeFlows: count,
  expired: z
    .object({ bytes: minMeanMax, packets: minMeanMax, durationMs: minMeanMax })
    .describe('smallest, mean and largest of the flows that ended'),
  protocols: z.array(
    z.object({
      proto: z.string(),
      flows: count,
      packets: count,
      bytes: count,
      meanDurationMs: z.number(),
      maxDurationMs: z.number(),
    }),
  ),
});

const flow = z.record(z.string(), z.unknown()).describe('flow record, as `rheo read --json` writes it');

const flowPage: z.ZodType<FlowPage> = z.object({
  flows: z.array(flow),
  matched: count.describe('flows that match in all'),
  scanned: count.describe('flows that were looked at'),
});

const topEntries: z.ZodType<TopEntry[]> = z.array(
  z.object({ key: z.string(), flows: count, packets: count, bytes: count }),
);

const neighbour: z.ZodType<NeighbourStatus> = z.object({
  address: z.string(),
  state: z
    .enum(['idle', 'open', 'confirm', 'established', 'stale'])
    .describe('`stale`: the session is lost, its routes stay for a while'),
  as: z.int().min(0).optional(),
  prefixes4: count,
  prefixes6: count,
  routes: count.describe('distinct combinations of AS numbers and next hop'),
  updates: count,
  treatedAsWithdrawn: count.describe('updates so damaged that their prefixes were taken as withdrawn'),
  refused: count.describe('prefixes that found no room'),
  sessions: count,
  lastError: z.string().optional(),
});

const enrichment: z.ZodType<EnrichmentStatus> = z.object({
  neighbours: z.array(neighbour),
  dumps: z.array(
    z.object({
      file: z.string(),
      prefixes4: count,
      prefixes6: count,
      routes: count,
      refused: count.describe('prefixes that found no room'),
      damaged: count.describe('records that were left out'),
    }),
  ),
  places: z
    .object({
      files: z.array(z.string()),
      places: count.describe('distinct places met'),
      damaged: count.describe('addresses whose entry cannot be read'),
      refused: count.describe('places that found no room'),
    })
    .optional(),
  records: count.describe('records seen'),
  routed: count.describe('endpoints with a route'),
  placed: count.describe('endpoints with a place'),
});

const timeouts: z.ZodType<TimeoutTable> = z.object({
  idle: z.record(z.enum(TIMEOUT_CLASSES), z.number().min(0)).describe('ms by class'),
  active: z.number().min(0).nullable().describe('ms; null: never'),
});

export const event: z.ZodType<ServiceEvent> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('records'), flows: z.array(flow) }),
  z.object({ type: z.literal('statistics'), statistics: statistics as z.ZodType<Statistics> & z.ZodObject }),
  z.object({
    type: z.literal('event'),
    time: z.string().describe('RFC 3339'),
    level: z.enum(['info', 'warn', 'error']),
    message: z.string(),
  }),
]);

export const Results = {
  version,
  config: z.unknown().describe('the configuration in force, without secrets') as z.ZodType<unknown>,
  health,
  loss,
  statistics,
  interfaces: z.array(liveInterface) as z.ZodType<LiveInterface[]>,
  metrics: z.string().describe('text format of Prometheus') as z.ZodType<string>,
  flowPage,
  topEntries,
  enrichment,
  timeouts,
  nothing: z.null() as z.ZodType<null>,
  flows: z.object({ flows: count.describe('how many') }) as z.ZodType<{ flows: number }>,
};
