import {
  ETHERNET_COUNTERS,
  type EthernetCounters,
  type InterfaceCounters,
  SFLOW_VERSION,
  SflowAddress,
  SflowCounterRecord,
  SflowFlowRecord,
  SflowSample,
} from './sflow-format.js';
import type { SwitchData } from './sflow-write.js';

export interface SampledHeader {
  readonly protocol: number;
  /** Bytes of the frame on the wire, and those taken off before sampling (both as sent). */
  readonly frameLength: number;
  readonly stripped: number;
  readonly bytes: Uint8Array;
}

export interface FlowSampleRead {
  readonly kind: 'flow';
  readonly sequence: number;
  readonly source: number;
  readonly rate: number;
  readonly pool: number;
  readonly drops: number;
  readonly input: number;
  readonly output: number;
  readonly header?: SampledHeader;
  readonly switched?: SwitchData;
}

export interface CounterSampleRead {
  readonly kind: 'counters';
  readonly sequence: number;
  readonly source: number;
  readonly counters?: InterfaceCounters;
  readonly ethernet?: EthernetCounters;
}

export interface SflowMessage {
  /** Four or sixteen bytes, or none. */
  readonly agent: Uint8Array;
  readonly subAgent: number;
  readonly sequence: number;
  readonly uptimeMs: number;
  readonly samples: readonly (FlowSampleRead | CounterSampleRead)[];
}

const UNKNOWN = 0xffffffff;
const UNKNOWN_64 = 0xffffffffffffffffn;
const GENERIC_BYTES = 88;

/**
 * Reads sFlow v5 datagrams. Nothing throws; damage is counted by reason: `header`, `sample`, `record` (cut or too short);
 * `unknown` are samples and records of formats that are not read here.
 */
export class SflowReader {
  readonly damage: Record<string, number> = {};

  #count(reason: string): void {
    this.damage[reason] = (this.damage[reason] ?? 0) + 1;
  }

  read(bytes: Uint8Array): SflowMessage | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const kind = bytes.length >= 8 && view.getUint32(0) === SFLOW_VERSION ? view.getUint32(4) : -1;
    const size = kind === SflowAddress.ipv4 ? 4 : kind === SflowAddress.ipv6 ? 16 : kind === 0 ? 0 : -1;
    if (size < 0 || bytes.length < 24 + size) {
      this.#count('header');
      return undefined;
    }
    const at = 8 + size;
    const samples: (FlowSampleRead | CounterSampleRead)[] = [];
    const count = view.getUint32(at + 12);
    let next = at + 16;
    for (let k = 0; k < count; k++) {
      const end = boundOf(view, next, bytes.length);
      if (end < 0) {
        this.#count('sample');
        break;
      }
      const sample = this.#sample(view, view.getUint32(next), next + 8, end);
      if (sample !== undefined) samples.push(sample);
      next = end;
    }
    return {
      agent: bytes.slice(8, at),
      subAgent: view.getUint32(at),
      sequence: view.getUint32(at + 4),
      uptimeMs: view.getUint32(at + 8),
      samples,
    };
  }

  #sample(view: DataView, format: number, at: number, end: number): FlowSampleRead | CounterSampleRead | undefined {
    switch (format) {
      case SflowSample.flow:
      case SflowSample.expandedFlow:
        return this.#flow(view, at, end, format === SflowSample.expandedFlow);
      case SflowSample.counters:
      case SflowSample.expandedCounters:
        return this.#counters(view, at, end, format === SflowSample.expandedCounters);
      default:
        this.#count('unknown');
        return undefined;
    }
  }

  #flow(view: DataView, from: number, end: number, expanded: boolean): FlowSampleRead | undefined {
    if (end - from < (expanded ? 44 : 32)) {
      this.#count('sample');
      return undefined;
    }
    let at = from + (expanded ? 12 : 8);
    const head = {
      kind: 'flow' as const,
      sequence: view.getUint32(from),
      source: expanded ? view.getUint32(from + 8) : view.getUint32(from + 4) & 0xffffff,
      rate: view.getUint32(at),
      pool: view.getUint32(at + 4),
      drops: view.getUint32(at + 8),
      input: expanded ? view.getUint32(at + 16) : view.getUint32(at + 12) & 0x3fffffff,
      output: expanded ? view.getUint32(at + 24) : view.getUint32(at + 16) & 0x3fffffff,
    };
    at += expanded ? 28 : 20;
    let header: SampledHeader | undefined;
    let switched: SwitchData | undefined;
    this.#records(view, at, end, (format, first, stop) => {
      if (format === SflowFlowRecord.rawHeader && stop - first >= 16) {
        const length = view.getUint32(first + 12);
        if (length > stop - first - 16) return false;
        const bytes = new Uint8Array(view.buffer, view.byteOffset + first + 16, length).slice();
        header = {
          protocol: view.getUint32(first),
          frameLength: view.getUint32(first + 4),
          stripped: view.getUint32(first + 8),
          bytes,
        };
        return true;
      }
      if (format === SflowFlowRecord.extendedSwitch && stop - first >= 16) {
        switched = {
          sourceVlan: view.getUint32(first),
          sourcePriority: view.getUint32(first + 4),
          destinationVlan: view.getUint32(first + 8),
          destinationPriority: view.getUint32(first + 12),
        };
        return true;
      }
      return format === SflowFlowRecord.rawHeader || format === SflowFlowRecord.extendedSwitch ? false : undefined;
    });
    return { ...head, ...(header && { header }), ...(switched && { switched }) };
  }

  #counters(view: DataView, from: number, end: number, expanded: boolean): CounterSampleRead | undefined {
    const at = from + (expanded ? 12 : 8);
    if (at + 4 > end) {
      this.#count('sample');
      return undefined;
    }
    let counters: InterfaceCounters | undefined;
    let ethernet: EthernetCounters | undefined;
    this.#records(view, at, end, (format, first, stop) => {
      if (format === SflowCounterRecord.generic) {
        if (stop - first < GENERIC_BYTES) return false;
        counters = readGeneric(view, first);
        return true;
      }
      if (format === SflowCounterRecord.ethernet) {
        if (stop - first < ETHERNET_COUNTERS.length * 4) return false;
        const found: EthernetCounters = {};
        ETHERNET_COUNTERS.forEach((name, k) => {
          const value = view.getUint32(first + k * 4);
          if (value !== UNKNOWN) found[name] = value;
        });
        ethernet = found;
        return true;
      }
      return undefined;
    });
    return {
      kind: 'counters',
      sequence: view.getUint32(from),
      source: expanded ? view.getUint32(from + 8) : view.getUint32(from + 4) & 0xffffff,
      ...(counters && { counters }),
      ...(ethernet && { ethernet }),
    };
  }

  /** Walks the records of a sample. `take` returns false for a damaged one, undefined for one that it does not know. */
  #records(
    view: DataView,
    from: number,
    end: number,
    take: (format: number, first: number, stop: number) => boolean | undefined,
  ): void {
    const count = view.getUint32(from);
    let at = from + 4;
    for (let k = 0; k < count; k++) {
      const stop = boundOf(view, at, end);
      if (stop < 0) {
        this.#count('record');
        return;
      }
      const taken = take(view.getUint32(at), at + 8, stop);
      if (taken !== true) this.#count(taken === false ? 'record' : 'unknown');
      at = stop;
    }
  }
}

/** End of the sample or record whose format and length stand at `at`; -1 if it is not whole. */
function boundOf(view: DataView, at: number, end: number): number {
  if (at + 8 > end) return -1;
  const stop = at + 8 + view.getUint32(at + 4);
  return stop > end ? -1 : stop;
}

function readGeneric(view: DataView, at: number): InterfaceCounters {
  const names = [
    [16, 'ifDirection'],
    [20, 'ifStatus'],
    [32, 'ifInUcastPkts'],
    [36, 'ifInMulticastPkts'],
    [40, 'ifInBroadcastPkts'],
    [44, 'ifInDiscards'],
    [48, 'ifInErrors'],
    [52, 'ifInUnknownProtos'],
    [64, 'ifOutUcastPkts'],
    [68, 'ifOutMulticastPkts'],
    [72, 'ifOutBroadcastPkts'],
    [76, 'ifOutDiscards'],
    [80, 'ifOutErrors'],
    [84, 'ifPromiscuousMode'],
  ] as const;
  const values: Record<string, number | bigint> = {};
  for (const [offset, name] of names) {
    const value = view.getUint32(at + offset);
    if (value !== UNKNOWN) values[name] = value;
  }
  for (const [offset, name] of [
    [24, 'ifInOctets'],
    [56, 'ifOutOctets'],
  ] as const) {
    const value = view.getBigUint64(at + offset);
    if (value !== UNKNOWN_64) values[name] = value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }
  return {
    ifIndex: view.getUint32(at),
    ifType: view.getUint32(at + 4),
    ifSpeed: Number(view.getBigUint64(at + 8)),
    ...values,
  };
}
