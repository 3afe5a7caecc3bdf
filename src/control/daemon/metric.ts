import type { RpcCounters } from '../../rpc/counters.js';
import type { EnrichmentStatus, Health, Loss, Service, Statistics } from '../../rpc/service.js';
import type { ProcessFigures } from './process-figures.js';

/** All that the metrics are made of, as of one moment. */
export interface MetricsInput {
  version: ReturnType<Service['version']>;
  loss: Loss;
  health: Health;
  statistics: Pick<Statistics, 'protocols'>;
  enrichment: EnrichmentStatus;
  /** Flows that fit into the tables of all shards together. */
  maxFlows: number;
  /** undefined: the daemon runs inside of a command and cannot be asked from outside. */
  control: Readonly<RpcCounters> | undefined;
  process: ProcessFigures;
}

/** Values of the labels in the order of the metric's `labels`, and the value of the sample. */
export type Sample = readonly [labels: readonly string[], value: number];

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly string[];
  samples(input: MetricsInput): Iterable<Sample>;
}
