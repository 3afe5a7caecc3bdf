import { END_REASON_NAMES } from '../../model/row.js';
import { NOTICE_NAMES, REFUSAL_NAMES } from '../../packet/refusal.js';
import type { Metric, MetricsInput, Sample } from './metric.js';
import {
  byName,
  ofControl,
  ofHealth,
  ofInterface,
  ofLoss,
  ofNeighbour,
  ofProcess,
  ofShard,
  ofTarget,
  single,
  TARGET_LABELS,
  targetLabels,
} from './metric-makers.js';
import { GC_KINDS } from './process-figures.js';

/** `held` goes down again, so it is a metric of its own; packets of other shards are counted there. */
const REFUSED = REFUSAL_NAMES.filter((name) => name !== 'none' && name !== 'held' && name !== 'otherShard');

/**
 * The one table of metrics: the text at /metrics, docs/metrics.md and the check of dashboard and alert rules come from it.
 * Names are `rheo_<part>_<thing>_<unit>`, counters end in `_total`, and no label holds an address: targets go by their
 * number.
 */
export const METRICS: readonly Metric[] = [
  single('rheo_health_ok', 'gauge', '1 if nothing is wrong, 0 if the daemon is degraded.', ({ health }) =>
    health.status === 'ok' ? 1 : 0,
  ),
  single('rheo_health_problems', 'gauge', 'Reasons for which the daemon is degraded.', (input) => {
    return input.health.reasons.length;
  }),
  single('rheo_ledger_balanced', 'gauge', '1 if every sum of the loss ledger balances, else 0.', ({ loss }) =>
    loss.balanced ? 1 : 0,
  ),

  ofInterface('up', 'gauge', '1 if the interface is up, 0 if it is down or gone.', (one) =>
    one.state === 'up' ? 1 : 0,
  ),
  ofInterface(
    'kernel_packets_total',
    'counter',
    'Packets that the kernel had for us, behind its filter, dropped ones included.',
    (one) => one.kernel,
  ),
  ofInterface('packets_total', 'counter', 'Packets handed out by the ring.', (one) => one.packets),
  ofInterface('bytes_total', 'counter', 'Bytes on the wire of the packets handed out.', (one) => one.bytes),
  ofInterface('received_packets_total', 'counter', 'Packets handed out that came in.', (one) => one.received),
  ofInterface('transmitted_packets_total', 'counter', 'Packets handed out that went out.', (one) => one.transmitted),
  ofInterface('dropped_packets_total', 'counter', 'Packets lost as the ring had no room.', (one) => one.dropped),
  ofInterface('waiting_packets', 'gauge', 'Packets in the ring.', (one) => one.waiting),
  ofInterface(
    'super_frames_total',
    'counter',
    'Frames of segmentation or receive offload, several packets in one.',
    (one) => one.superFrames,
  ),
  ofInterface('segments_total', 'counter', 'Packets that the super-frames stand for.', (one) => one.segments),
  ofInterface(
    'duplicate_packets_total',
    'counter',
    'Second sights of a packet on another interface, left out.',
    (one) => one.duplicates,
  ),
  ofInterface('sampled_one_in', 'gauge', 'Sampling in the kernel: one packet in so many is seen.', (one) => {
    return one.sampledOneIn;
  }),

  ofLoss('rheo_meter_packets_total', 'counter', 'Packets that the sources handed out.', (loss) => loss.packets),
  ofLoss('rheo_meter_wire_bytes_total', 'counter', 'Their bytes on the wire.', (loss) => loss.wireBytes),
  ofLoss('rheo_meter_decoded_packets_total', 'counter', 'Packets accounted to a flow.', (loss) => loss.decoded),
  ofLoss('rheo_meter_ip_bytes_total', 'counter', 'IP bytes accounted to flows.', (loss) => loss.octets),
  {
    name: 'rheo_meter_refused_packets_total',
    type: 'counter',
    help: 'Packets not accounted to a flow, by reason.',
    labels: ['reason'],
    samples({ loss }) {
      const { held: _, ...refused } = loss.refused;
      return byName(refused, REFUSED);
    },
  },
  ofLoss(
    'rheo_meter_held_packets',
    'gauge',
    'Fragments held until their first one comes; they are counted as decoded when they leave.',
    (loss) => loss.refused.held ?? 0,
  ),
  {
    name: 'rheo_meter_noticed_packets_total',
    type: 'counter',
    help: 'Things noticed in packets that were metered all the same, by kind.',
    labels: ['notice'],
    samples: ({ loss }) => byName(loss.noticed, NOTICE_NAMES),
  },
  ofLoss(
    'rheo_meter_dropped_packets_total',
    'counter',
    'Packets dropped before they got to us, all interfaces together.',
    (loss) => loss.dropped,
  ),
  {
    name: 'rheo_meter_damaged_packets_total',
    type: 'counter',
    help: 'Damaged records of a capture that is read from a pipe, by reason.',
    labels: ['reason'],
    samples: ({ loss }) => byName(loss.damaged, []),
  },
  ofLoss('rheo_meter_flows', 'gauge', 'Flows in the table.', (loss) => loss.flows.live),
  single('rheo_meter_flows_limit', 'gauge', 'Flows that fit into the table.', ({ maxFlows }) => maxFlows),
  ofLoss('rheo_meter_flows_peak', 'gauge', 'Most flows that were in the table.', (loss) => loss.flows.peak),
  ofLoss('rheo_meter_flows_opened_total', 'counter', 'Flows begun.', (loss) => loss.flows.opened),
  {
    name: 'rheo_meter_flows_ended_total',
    type: 'counter',
    help: 'Flows ended, by reason: idle, active, end, forced, resources (want of room), deleted (no record).',
    labels: ['reason'],
    samples: ({ loss }) => byName(loss.flows.ended, END_REASON_NAMES.slice(1)),
  },
  ofLoss('rheo_meter_records_total', 'counter', 'Flow records handed to the targets.', (loss) => loss.records),
  ofLoss(
    'rheo_meter_waiting_records',
    'gauge',
    'Records on their way from the threads to the targets.',
    (loss) => loss.recordsWaiting,
  ),
  ofLoss(
    'rheo_meter_dropped_records_total',
    'counter',
    'Records dropped on that way, as the main thread was too slow.',
    (loss) => loss.recordsDropped,
  ),
  ofLoss(
    'rheo_meter_lost_records_total',
    'counter',
    'Records that went down with a thread that failed.',
    (loss) => loss.recordsLost,
  ),
  ...(
    [
      ['flows', (one) => one.flows],
      ['packets', (one) => one.packets],
      ['bytes', (one) => one.bytes],
    ] as [string, (one: MetricsInput['statistics']['protocols'][number]) => number][]
  ).map(
    ([thing, value]): Metric => ({
      name: `rheo_protocol_${thing}_total`,
      type: 'counter',
      help: `${thing === 'flows' ? 'Flows' : `${thing === 'packets' ? 'Packets' : 'IP bytes'} of flows`} that have ended, by protocol.`,
      labels: ['proto'],
      samples: ({ statistics }) => statistics.protocols.map((one): Sample => [[one.proto], value(one)]),
    }),
  ),

  ofHealth('up', 'gauge', '1 if the thread runs, 0 if it is restarting, failed or stopped.', (one) =>
    one.state === 'running' ? 1 : 0,
  ),
  ofHealth('restarts_total', 'counter', 'Times that the thread was started again.', (one) => one.restarts),
  ofHealth(
    'longest_gap_seconds',
    'gauge',
    'Longest time between two looks at the ring since it was last asked for.',
    (one) => one.longestGapMs / 1000,
  ),
  ofShard('flows', 'gauge', 'Flows in the table of the shard.', (one) => one.live),
  ofShard('packets_total', 'counter', 'Packets that the shard was handed.', (one) => one.packets),
  ofShard('decoded_packets_total', 'counter', 'Packets that the shard accounted to a flow.', (one) => one.decoded),
  ofShard('flows_opened_total', 'counter', 'Flows begun in the shard.', (one) => one.opened),
  ofShard('records_total', 'counter', 'Flow records made by the shard.', (one) => one.records),

  ofTarget('up', 'gauge', '1 if the target takes records, else 0.', (one) => (one.state === 'up' ? 1 : 0)),
  ofTarget('received_records_total', 'counter', 'Records handed to the target.', (one) => one.received),
  ofTarget('sent_records_total', 'counter', 'Records that went out.', (one) => one.sent),
  {
    name: 'rheo_export_dropped_records_total',
    type: 'counter',
    help: 'Records that did not go out, by target and reason.',
    labels: [...TARGET_LABELS, 'reason'],
    *samples({ loss }) {
      for (const [index, target] of loss.targets.entries()) {
        for (const [reason, count] of Object.entries(target.dropped)) {
          yield [[...targetLabels(target, index), reason], count];
        }
      }
    },
  },
  ofTarget('waiting_records', 'gauge', 'Records in the queue of the target.', (one) => one.waiting),
  ofTarget('messages_total', 'counter', 'Datagrams, messages or files that went out.', (one) => one.messages),
  ofTarget('bytes_total', 'counter', 'Bytes that went out.', (one) => one.bytes),
  ofTarget('reconnects_total', 'counter', 'Times that the target was connected or opened again.', (one) => {
    return one.reconnects;
  }),

  ofNeighbour('up', 'gauge', '1 if the session with the BGP neighbour is established, else 0.', (one) => {
    return one.state === 'established' ? 1 : 0;
  }),
  ofNeighbour('prefixes', 'gauge', 'Prefixes known from the BGP neighbour, of both families.', (one) => {
    return one.prefixes4 + one.prefixes6;
  }),
  ofNeighbour('updates_total', 'counter', 'UPDATE messages in the present session.', (one) => one.updates),
  ofNeighbour('refused_prefixes_total', 'counter', 'Prefixes that found no room.', (one) => one.refused),
  ofNeighbour('sessions_total', 'counter', 'Sessions with the BGP neighbour.', (one) => one.sessions),
  single('rheo_enrich_records_total', 'counter', 'Records that passed enrichment.', ({ enrichment }) => {
    return enrichment.records;
  }),
  single('rheo_enrich_routed_endpoints_total', 'counter', 'Endpoints of records with a route.', ({ enrichment }) => {
    return enrichment.routed;
  }),
  single('rheo_enrich_placed_endpoints_total', 'counter', 'Endpoints of records with a place.', ({ enrichment }) => {
    return enrichment.placed;
  }),

  ofControl('clients', 'gauge', 'Connections that are open.', (rpc) => rpc.open),
  ofControl('connections_total', 'counter', 'Connections taken on.', (rpc) => rpc.connections),
  ofControl('refused_connections_total', 'counter', 'Connections refused, or ended to make room for others.', (rpc) => {
    return rpc.refusedConnections;
  }),
  ofControl('stalled_connections_total', 'counter', 'Connections ended as their reader took nothing.', (rpc) => {
    return rpc.stalledConnections;
  }),
  ofControl('requests_total', 'counter', 'Requests.', (rpc) => rpc.requests),
  ofControl('failed_requests_total', 'counter', 'Requests that were answered with an error.', (rpc) => rpc.errors),
  ofControl('denied_requests_total', 'counter', 'Requests without the right to ask: token, Host, Origin.', (rpc) => {
    return rpc.denied;
  }),
  ofControl('subscriptions', 'gauge', 'Subscriptions.', (rpc) => rpc.subscriptions),
  ofControl('dropped_events_total', 'counter', 'Events not queued for subscribers that read too slowly.', (rpc) => {
    return rpc.eventsDropped;
  }),
  ofLoss(
    'rheo_control_dropped_records_total',
    'counter',
    'Records that subscribers did not get: they read too slowly, or more ended in a second than are told.',
    (loss) => loss.subscribersDropped,
  ),

  {
    name: 'rheo_build_info',
    type: 'gauge',
    help: 'Always 1: versions of rheo and of Node.',
    labels: ['version', 'node'],
    samples: ({ version }) => [[[version.version, version.node], 1]],
  },
  single('rheo_process_start_time_seconds', 'gauge', 'Start of the daemon, in seconds since 1970.', ({ version }) => {
    return Date.parse(version.started) / 1000;
  }),
  {
    name: 'rheo_process_cpu_seconds_total',
    type: 'counter',
    help: 'CPU time of the process, all threads together.',
    labels: ['mode'],
    samples: (input) => [
      [['user'], input.process.cpu.user],
      [['system'], input.process.cpu.system],
    ],
  },
  ofProcess('resident_memory_bytes', 'Memory that the process holds.', (own) => own.residentMemory),
  ofProcess('heap_used_bytes', 'Heap in use in the main thread.', (own) => own.heapUsed),
  ofProcess('external_memory_bytes', 'Memory of the main thread outside of its heap.', (own) => own.externalMemory),
  {
    name: 'rheo_process_open_descriptors',
    type: 'gauge',
    help: 'Open file descriptors.',
    labels: [],
    samples: (input) => (input.process.descriptors === undefined ? [] : [[[], input.process.descriptors]]),
  },
  ofProcess('event_loop_delay_mean_seconds', 'Mean lateness of timers in the main thread, last 10 to 20 s.', (own) => {
    return own.eventLoopDelay.mean;
  }),
  ofProcess('event_loop_delay_p99_seconds', '99th percentile of the lateness, last 10 to 20 s.', (own) => {
    return own.eventLoopDelay.p99;
  }),
  ofProcess('event_loop_delay_max_seconds', 'Largest lateness, last 10 to 20 s.', (own) => own.eventLoopDelay.max),
  {
    name: 'rheo_process_gc_runs_total',
    type: 'counter',
    help: 'Garbage collections in the main thread, by kind.',
    labels: ['kind'],
    samples: (input) => GC_KINDS.map((kind): Sample => [[kind], input.process.gc[kind].runs]),
  },
  {
    name: 'rheo_process_gc_seconds_total',
    type: 'counter',
    help: 'Time taken by garbage collections in the main thread, by kind.',
    labels: ['kind'],
    samples: (input) => GC_KINDS.map((kind): Sample => [[kind], input.process.gc[kind].seconds]),
  },
];
