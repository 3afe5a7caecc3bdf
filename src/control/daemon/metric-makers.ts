import type { LiveInterface } from '../../model/live-source.js';
import type { RpcCounters } from '../../rpc/counters.js';
import type { Loss, NeighbourStatus, TargetStatus, ThreadHealth } from '../../rpc/service.js';
import type { Metric, MetricsInput, Sample } from './metric.js';
import type { ProcessFigures } from './process-figures.js';

/** Metrics of the table that are alike: a sample for each interface, shard, target … */

type Type = Metric['type'];

/** One sample without labels. */
export function single(name: string, type: Type, help: string, value: (input: MetricsInput) => number): Metric {
  return { name, type, help, labels: [], samples: (input) => [[[], value(input)]] };
}

export function ofLoss(name: string, type: Type, help: string, value: (loss: Loss) => number): Metric {
  return single(name, type, help, ({ loss }) => value(loss));
}

export function ofProcess(thing: string, help: string, value: (own: ProcessFigures) => number): Metric {
  return single(`rheo_process_${thing}`, 'gauge', help, (input) => value(input.process));
}

/** An interface may come twice under one name (namespaces), so its index is a label too. */
export function ofInterface(thing: string, type: Type, help: string, value: (one: LiveInterface) => number): Metric {
  return {
    name: `rheo_interface_${thing}`,
    type,
    help,
    labels: ['interface', 'index'],
    samples: ({ loss }) => loss.interfaces.map((one): Sample => [[one.name, String(one.index)], value(one)]),
  };
}

const SHARD_LABELS = ['shard'];

export function ofHealth(thing: string, type: Type, help: string, value: (one: ThreadHealth) => number): Metric {
  return {
    name: `rheo_shard_${thing}`,
    type,
    help,
    labels: SHARD_LABELS,
    samples: ({ health }) => health.threads.map((one): Sample => [[String(one.shard)], value(one)]),
  };
}

export function ofShard(
  thing: string,
  type: Type,
  help: string,
  value: (one: Loss['threads'][number]) => number,
): Metric {
  return {
    name: `rheo_shard_${thing}`,
    type,
    help,
    labels: SHARD_LABELS,
    samples: ({ loss }) => loss.threads.map((one): Sample => [[String(one.shard)], value(one)]),
  };
}

/** Neighbours go by their number in the configuration, as labels hold no addresses. */
export function ofNeighbour(thing: string, type: Type, help: string, value: (one: NeighbourStatus) => number): Metric {
  return {
    name: `rheo_enrich_neighbour_${thing}`,
    type,
    help,
    labels: ['neighbour'],
    samples: ({ enrichment }) => enrichment.neighbours.map((one, index): Sample => [[String(index + 1)], value(one)]),
  };
}

export const TARGET_LABELS: readonly string[] = ['target', 'kind'];

/** Number of the target in the order of the configuration, and the scheme of its URL: the rest of it may be an address. */
export function targetLabels(target: TargetStatus, index: number): string[] {
  return [String(index + 1), /^[a-z][a-z0-9+]*(?=:)/i.exec(target.url)?.[0] ?? 'file'];
}

export function ofTarget(thing: string, type: Type, help: string, value: (one: TargetStatus) => number): Metric {
  return {
    name: `rheo_export_${thing}`,
    type,
    help,
    labels: TARGET_LABELS,
    samples: ({ loss }) => loss.targets.map((one, index): Sample => [targetLabels(one, index), value(one)]),
  };
}

export function ofControl(
  thing: string,
  type: Type,
  help: string,
  value: (rpc: Readonly<RpcCounters>) => number,
): Metric {
  return {
    name: `rheo_control_${thing}`,
    type,
    help,
    labels: [],
    samples: ({ control }) => (control === undefined ? [] : [[[], value(control)]]),
  };
}

/** A sample for each name: the known ones also while they are 0, so that a first count is seen as a rise. */
export function* byName(counters: Readonly<Record<string, number>>, known: readonly string[]): Iterable<Sample> {
  for (const name of known) yield [[name], counters[name] ?? 0];
  for (const [name, count] of Object.entries(counters)) {
    if (!known.includes(name)) yield [[name], count];
  }
}
