import type { ServiceEvent } from '../../rpc/service.js';

type What = 'records' | 'statistics' | 'events';
type Listener = (event: ServiceEvent) => void;
type LogEvent = Extract<ServiceEvent, { type: 'event' }>;

/** Events that are kept for those who come later. */
const EVENTS_KEPT = 1000;
const MOST_SUBSCRIBERS = 256;

/** Who wants to hear of records, statistics and events. Listeners are called and never waited for. */
export class Subscriptions {
  private readonly listeners: Record<What, Set<Listener>> = {
    records: new Set(),
    statistics: new Set(),
    events: new Set(),
  };
  private readonly ring: LogEvent[] = [];
  /** Listeners that threw, and were let go of. */
  failed = 0;

  has(what: What): boolean {
    return this.listeners[what].size > 0;
  }

  count(what: What): number {
    return this.listeners[what].size;
  }

  get full(): boolean {
    const { records, statistics, events } = this.listeners;
    return records.size + statistics.size + events.size >= MOST_SUBSCRIBERS;
  }

  add(what: What, listener: Listener): () => void {
    // One function may be given twice; each time it is a subscriber of its own.
    const own: Listener = (event) => listener(event);
    this.listeners[what].add(own);
    return () => this.listeners[what].delete(own);
  }

  tell(what: What, event: ServiceEvent): void {
    for (const listener of [...this.listeners[what]]) {
      try {
        listener(event);
      } catch {
        this.listeners[what].delete(listener);
        this.failed++;
      }
    }
  }

  note(event: LogEvent): void {
    this.ring.push(event);
    if (this.ring.length > EVENTS_KEPT) this.ring.shift();
    this.tell('events', event);
  }

  /** What has happened, the latest last. */
  get events(): readonly LogEvent[] {
    return this.ring;
  }
}
