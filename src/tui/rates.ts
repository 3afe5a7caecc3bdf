import type { FlowObject } from '../rpc/service.js';

/** A flow with what it did lately. Rates are of the last looks (`WINDOW`) together, so that rows do not jump about. */
export interface RatedFlow {
  readonly id: string;
  readonly flow: FlowObject;
  /** Both directions together. */
  readonly bytes: number;
  readonly packets: number;
  /** A second: of the initiator, of the responder, and packets of both. */
  readonly sentRate: number;
  readonly receivedRate: number;
  readonly packetRate: number;
  /** Bytes a second of both directions between each two looks, the newest last. */
  readonly history: readonly number[];
}

/** Counters of a flow at one look. */
interface Reading {
  readonly at: number;
  readonly sent: number;
  readonly received: number;
  readonly packets: number;
}

interface Followed {
  readings: Reading[];
  history: number[];
  /** Looks since the flow was last among the answers. */
  missed: number;
}

/** Intervals between looks that a rate is taken over. */
const WINDOW = 3;
/** Values of the past kept of each flow. */
const HISTORY = 32;
/** Looks for which a flow is remembered that was not among the answers. */
const PATIENCE = 5;

/** Member of a flow as a number; counters may be bigints, or absent. */
export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : 0;
}

/** Rates of flows by the differences of two looks at the table. Remembers `limit` flows at the most. */
export class RateBook {
  readonly #limit: number;
  #followed = new Map<string, Followed>();
  #lastAt: number | undefined;
  #lastComplete = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Flows remembered. */
  get size(): number {
    return this.#followed.size;
  }

  /**
   * @param flows what the table holds; of more than the limit the rest is left out
   * @param complete false: the table holds more flows than these
   * @param at milliseconds of a clock that only goes forward
   */
  look(flows: readonly FlowObject[], complete: boolean, at: number): RatedFlow[] {
    const next = new Map<string, Followed>();
    const rated: RatedFlow[] = [];
    for (const flow of flows) {
      if (next.size >= this.#limit) break;
      const id = String(flow.id);
      if (next.has(id)) continue;
      const followed = this.#followed.get(id) ?? this.#begin();
      followed.missed = 0;
      next.set(id, followed);
      rated.push(advance(id, flow, followed, at));
    }
    if (!complete) {
      for (const [id, followed] of this.#followed) {
        if (next.size >= this.#limit) break;
        if (next.has(id) || ++followed.missed > PATIENCE) continue;
        next.set(id, followed);
      }
    }
    this.#followed = next;
    this.#lastAt = at;
    this.#lastComplete = complete;
    return rated;
  }

  /** Forgets all flows; the next look is the first one. */
  clear(): void {
    this.#followed.clear();
    this.#lastAt = undefined;
  }

  #begin(): Followed {
    // All that a flow has which was not there at the look before came since then. Else nobody knows how old it is.
    const isNew = this.#lastAt !== undefined && this.#lastComplete;
    const readings = isNew ? [{ at: this.#lastAt as number, sent: 0, received: 0, packets: 0 }] : [];
    return { readings, history: [], missed: 0 };
  }
}

function advance(id: string, flow: FlowObject, followed: Followed, at: number): RatedFlow {
  const { readings, history } = followed;
  const now: Reading = {
    at,
    sent: numberOf(flow.bytes),
    received: numberOf(flow.reverseBytes),
    packets: numberOf(flow.packets) + numberOf(flow.reversePackets),
  };
  const last = readings.at(-1);
  if (last !== undefined && (now.sent < last.sent || now.received < last.received || now.packets < last.packets)) {
    // Counters went back: somebody else's flow under the same id.
    readings.length = 0;
  } else if (last !== undefined && at > last.at) {
    history.push(((now.sent + now.received - last.sent - last.received) * 1000) / (at - last.at));
    if (history.length > HISTORY) history.shift();
  }
  readings.push(now);
  if (readings.length > WINDOW + 1) readings.shift();
  const [first] = readings;
  const seconds = (at - first.at) / 1000;
  const rate = (newest: number, oldest: number): number => (seconds > 0 ? (newest - oldest) / seconds : 0);
  return {
    id,
    flow,
    bytes: now.sent + now.received,
    packets: now.packets,
    sentRate: rate(now.sent, first.sent),
    receivedRate: rate(now.received, first.received),
    packetRate: rate(now.packets, first.packets),
    history,
  };
}
