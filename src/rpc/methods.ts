import { z } from 'zod';
import { TIMEOUT_CLASSES } from '../model/options.js';
import {
  DUMP_FORMATS,
  LOG_LEVELS,
  type MethodName,
  type None,
  type Params,
  type Result,
  SUBSCRIPTIONS,
} from './method-types.js';
import { Results } from './schemas.js';
import type { Service } from './service.js';

/** A method of the daemon. The table below is what transports know; the reference pages come from it. */
export interface Method<M extends MethodName = MethodName> {
  /** One line, without a full stop. */
  readonly summary: string;
  /** What else there is to know, in sentences. */
  readonly description?: string;
  readonly params: z.ZodType<Params<M>>;
  readonly result: z.ZodType<Result<M>>;
  /** True if it changes the daemon or its flows: not over HTTP without a token. */
  readonly changes: boolean;
  /** Answered before it is done, as nobody could answer afterwards. */
  readonly answerFirst?: boolean;
  /**
   * Does it. Absent for those that depend on the transport (`dump`, `subscribe`, `unsubscribe`) or on this table
   * (`rpc.discover`): the dispatcher does them.
   */
  readonly run?: (service: Service, params: Params<M>) => Result<M> | Promise<Result<M>>;
}

/** Longest filter that is read, in characters. */
const MAX_FILTER = 4096;
/** Most flows on a page. */
const MAX_PAGE = 10_000;
/** Longest time, in ms: seconds of it fit 32 bits. */
const MAX_TIME_MS = 2 ** 32 * 1000;
const MAX_OFFSET = 2 ** 31;

const none: z.ZodType<None> = z.strictObject({}) as z.ZodType<None>;
const filter = z
  .string()
  .max(MAX_FILTER)
  .optional()
  .describe('flow filter, such as `host 10.0.0.1 and tcp and bytes > 1M`; absent: all flows');

const flowQuery = z.strictObject({
  filter,
  sort: z
    .string()
    .max(100)
    .optional()
    .describe('member of the record, or `rate`; `none`: the first flows found, at once; default `bytes`'),
  order: z.enum(['asc', 'desc']).optional(),
  offset: z.int().min(0).max(MAX_OFFSET).optional().describe('flows left out at the beginning; default 0'),
  limit: z.int().min(1).max(MAX_PAGE).optional().describe('most flows of the answer'),
});

const timeoutChange = z.strictObject({
  idle: z
    .partialRecord(z.enum(TIMEOUT_CLASSES), z.number().min(0).max(MAX_TIME_MS))
    .optional()
    .describe('idle timeouts in ms, by class; those not named stay'),
  active: z.number().min(1).max(MAX_TIME_MS).nullable().optional().describe('active timeout in ms; null: never'),
});

export const METHODS: { readonly [M in MethodName]: Method<M> } = {
  version: {
    summary: 'version of rheo and of Node, process id, time of the start',
    params: none,
    result: Results.version,
    changes: false,
    run: (service) => service.version(),
  },
  config: {
    summary: 'the configuration in force, without secrets',
    params: none,
    result: Results.config,
    changes: false,
    run: (service) => service.config(),
  },
  health: {
    summary: 'whether all is well, and if not, why',
    params: none,
    result: Results.health,
    changes: false,
    run: (service) => service.health(),
  },
  loss: {
    summary: 'the loss ledger at this moment: sums that must balance, and the verdict',
    params: none,
    result: Results.loss,
    changes: false,
    run: (service) => service.loss(),
  },
  statistics: {
    summary: 'sums of packets and flows, smallest, mean and largest of ended flows, by protocol',
    params: none,
    result: Results.statistics,
    changes: false,
    run: (service) => service.statistics(),
  },
  interfaces: {
    summary: 'the interfaces under observation and their counters',
    params: none,
    result: Results.interfaces,
    changes: false,
    run: (service) => service.interfaces(),
  },
  enrichment: {
    summary: 'BGP neighbours, dumps of routes and MMDB files, and what was found in them',
    params: none,
    result: Results.enrichment,
    changes: false,
    run: (service) => service.enrichment(),
  },
  metrics: {
    summary: 'all counters in the text format of Prometheus',
    params: none,
    result: Results.metrics,
    changes: false,
    run: (service) => service.metrics(),
  },
  flows: {
    summary: 'flows of the table that match a filter, sorted, a page at a time',
    params: flowQuery,
    result: Results.flowPage,
    changes: false,
    run: (service, params) => service.flows(params),
  },
  top: {
    summary: 'flows of the table added up by a key, the largest first',
    params: z.strictObject({
      key: z.string().min(1).max(100).describe('such as `address`, `port`, `protocol`, `conversation`'),
      filter,
      limit: z.int().min(1).max(MAX_PAGE).optional().describe('most entries of the answer'),
    }),
    result: Results.topEntries,
    changes: false,
    run: (service, { key, filter: expression, limit }) => service.top(key, { filter: expression, limit }),
  },
  dump: {
    summary: 'all flows of the table that match a filter, in no order',
    description:
      'On the socket, pieces of bytes follow the answer (see "Dumps"). Over HTTP it is GET /dump. Not in a batch, and not ' +
      'on a connection with other requests or subscriptions under way.',
    params: z.strictObject({
      filter,
      format: z
        .enum(DUMP_FORMATS)
        .optional()
        .describe('`ndjson` (default): an object a line; `binary`: dump-format.md'),
    }),
    result: z.object({ format: z.enum(DUMP_FORMATS) }),
    changes: false,
  },
  expire: {
    summary: 'end flows now, with records',
    params: z.strictObject({ filter }),
    result: Results.flows,
    changes: true,
    run: async (service, params) => ({ flows: await service.expire(params.filter) }),
  },
  delete: {
    summary: 'forget flows without records; the ledger counts them',
    params: z.strictObject({ filter }),
    result: Results.flows,
    changes: true,
    run: async (service, params) => ({ flows: await service.delete(params.filter) }),
  },
  timeouts: {
    summary: 'the timeouts in force',
    params: none,
    result: Results.timeouts,
    changes: false,
    run: (service) => service.timeouts(),
  },
  setTimeouts: {
    summary: 'change timeouts; also of flows that are in the table',
    params: timeoutChange as z.ZodType<Params<'setTimeouts'>>,
    result: Results.timeouts,
    changes: true,
    run: (service, { idle, active }) =>
      service.setTimeouts({ ...(idle === undefined ? {} : { idle }), ...(active === undefined ? {} : { active }) }),
  },
  startGather: {
    summary: 'take packets again after stopGather',
    params: none,
    result: Results.nothing,
    changes: true,
    run: async (service) => {
      await service.startGather();
      return null;
    },
  },
  stopGather: {
    summary: 'take no packets until startGather',
    params: none,
    result: Results.nothing,
    changes: true,
    run: async (service) => {
      await service.stopGather();
      return null;
    },
  },
  sendTemplates: {
    summary: 'send templates and options to all collectors again',
    params: none,
    result: Results.nothing,
    changes: true,
    run: (service) => {
      service.sendTemplates();
      return null;
    },
  },
  logLevel: {
    summary: 'the level of the log; with `level` it is set',
    params: z.strictObject({ level: z.enum(LOG_LEVELS).optional() }),
    result: z.object({ level: z.string() }),
    changes: true,
    run: (service, { level }) => ({ level: service.logLevel(level) }),
  },
  reload: {
    summary: 'read the configuration file again',
    params: none,
    result: z.object({
      changed: z.array(z.string()).describe('what is different now'),
      needsRestart: z.array(z.string()).describe('what will be different after a restart only'),
    }),
    changes: true,
    run: (service) => service.reload(),
  },
  shutdown: {
    summary: 'end all flows, hand them out, stop',
    description: 'Answered before it is done; the connection closes when the daemon ends.',
    params: none,
    result: Results.nothing,
    changes: true,
    answerFirst: true,
    run: async (service) => {
      await service.shutdown();
      return null;
    },
  },
  exit: {
    summary: 'stop at once; flows in the table are lost and counted',
    description: 'Answered before it is done; the connection closes when the daemon ends.',
    params: none,
    result: Results.nothing,
    changes: true,
    answerFirst: true,
    run: async (service) => {
      await service.exit();
      return null;
    },
  },
  subscribe: {
    summary: 'be told of flow records as flows end, of statistics, or of events',
    description:
      'Notifications `event` follow, until `unsubscribe` or the end of the connection (see "Subscriptions"). Over HTTP it ' +
      'is GET /events. Not in a batch.',
    params: z.strictObject({ what: z.enum(SUBSCRIPTIONS) }),
    result: z.object({ subscription: z.int().min(1) }),
    changes: false,
  },
  unsubscribe: {
    summary: 'end a subscription of this connection',
    params: z.strictObject({ subscription: z.int().min(1) }),
    result: z.object({ ended: z.boolean().describe('false if there is none of that number') }),
    changes: false,
  },
  'rpc.discover': {
    summary: 'this table as an OpenRPC document',
    params: none,
    result: z.unknown().describe('OpenRPC document'),
    changes: false,
  },
};

export const METHOD_NAMES: readonly MethodName[] = Object.keys(METHODS) as MethodName[];

export function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}
